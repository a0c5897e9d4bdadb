// Who reads what. The current card is mine for five minutes, longer while I am active; others see it and keep away.
import { $, clock, csrf, post, say, word } from "./dom.js";
import { current, idOf, showClaim } from "./cards.js";
import { failed, renew } from "./decide.js";

const SETTLE_MS = 250; // whoever skips past a card does not claim it
const RENEW_MS = 60000;

let mine = null; // the id that I hold
let claimedAt = 0;
let timer;

// What I may not decide, I do not keep from those who may.
const claimable = (card) => card?.matches('[data-status="HELD"]:not(.is-gone, .is-lost, .is-claimed)') && $("[data-decide]", card);
const fields = (more = {}) => new URLSearchParams({ csrf_token: csrf(), ...more });

let line = Promise.resolve();

/** One after the other, or a release could overtake the claim that it ends. */
const inTurn = (url, data) => (line = line.then(() => post(url, data)));

function release() {
  if (mine) inTurn(`/queue/${mine}/release`, fields());
  mine = null;
}

/** The page goes: whatever is under way, this request is sent and outlives it. */
function leave() {
  if (mine) post(`/queue/${mine}/release`, fields(), { keepalive: true });
  mine = null;
}

async function claim(card) {
  const id = idOf(card);
  if (mine !== id) release();
  mine = id;
  claimedAt = Date.now();
  const answer = await inTurn(`/queue/${id}/claim`, fields());
  if (answer.ok || mine !== id) return;
  mine = null;
  const { details = {} } = answer.body.error ?? {};
  if (answer.status !== 409 || details.what !== "claimed") return; // what is wrong will be said where it matters: at the decision
  showClaim(card, { who: details.who, time: clock(new Date(details.until)) });
  if (card === current()) say(word("claimed", { who: details.who }));
}

function settle(card) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (card !== current()) return;
    if (claimable(card)) claim(card);
    else release();
  }, SETTLE_MS);
}

/** I am still here: the lease goes on, at most once a minute. */
function active() {
  const card = current();
  if (Date.now() - claimedAt < RENEW_MS || !claimable(card)) return;
  claim(card);
}

async function takeOver(form) {
  const card = form.closest(".card");
  clearTimeout(timer); // the look at a card that is still somebody else's would release it
  const answer = await inTurn(form.action, fields({ take_over: "1" }));
  if (!answer.ok) {
    failed(answer, card);
    return;
  }
  mine = idOf(card);
  claimedAt = Date.now();
  const fresh = await renew(card).catch(() => card);
  showClaim(fresh, null);
  fresh.focus({ preventScroll: true });
  say(word("taken_over"));
}

/** Say why a key does nothing here; true when somebody else reads this card. */
export function refuses(card) {
  if (!card?.classList.contains("is-claimed")) return false;
  say(word("claimed", { who: card.dataset.claimedBy }), { bad: true });
  return true;
}

export function start() {
  if (!$(".queue .card")) return;
  document.addEventListener("moderation:current", ({ detail }) => settle(detail));
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-take]")) return;
    event.preventDefault();
    takeOver(event.target);
  });
  for (const kind of ["keydown", "pointerdown", "scroll"]) document.addEventListener(kind, active, { passive: true });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => {
    if (event.persisted && current()) settle(current());
  });
  if (current()) settle(current());
}
