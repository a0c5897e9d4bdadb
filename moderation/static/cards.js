// One current card: it alone is lit, it alone takes keys. The eyes stay still, the list moves.
import { $, $$, word } from "./dom.js";

/** The cards that the cursor visits: those that were decided, and those that others read, are passed over. */
export const cards = () => $$(".queue .card:not(.is-gone, .is-claimed)");
export const current = () => $(".queue .card[aria-current]");
export const idOf = (card) => card.id.slice(2);

export function makeCurrent(card) {
  for (const before of $$(".queue .card[aria-current]")) {
    if (before === card) continue;
    before.removeAttribute("aria-current");
    before.tabIndex = -1;
  }
  if (card.hasAttribute("aria-current")) return;
  card.setAttribute("aria-current", "true");
  card.tabIndex = 0;
  document.dispatchEvent(new CustomEvent("moderation:current", { detail: card }));
}

/** Light a card and bring it to the same height as the one before; without one, go on to what follows the list. */
export function moveTo(card) {
  if (!card) {
    ($("#more") ?? $("#next:not([hidden])") ?? $("#back"))?.focus();
    return;
  }
  makeCurrent(card);
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "start" });
}

/** The card `by` places further, counted from `from`, which need not be one that the cursor visits. */
export function neighbour(from, by) {
  const all = $$(".queue .card");
  const visited = new Set(cards());
  for (let at = all.indexOf(from) + by; at >= 0 && at < all.length; at += by) {
    if (visited.has(all[at])) return all[at];
  }
  return undefined;
}

export function step(by) {
  const from = current();
  const to = from ? neighbour(from, by) : cards()[0];
  if (to || by > 0) moveTo(to);
}

/** Show on a card that somebody else reads it, until when; without `claim`, that nobody does. */
export function showClaim(card, claim) {
  const badge = $("[data-presence]", card);
  if (!badge) return;
  card.classList.toggle("is-claimed", Boolean(claim));
  badge.hidden = !claim;
  if (!claim) return;
  badge.textContent = `◉ ${word("reading", { who: claim.who })}`;
  card.dataset.claimedBy = claim.who;
  const lease = $("[data-lease]", card);
  if (lease) lease.textContent = word("until", { time: claim.time });
}

export function start() {
  document.addEventListener("focusin", ({ target }) => {
    const card = target.closest(".queue .card:not(.is-gone)");
    if (card && card !== current()) makeCurrent(card);
  });
  const asked = location.hash.startsWith("#c-") && $(`.queue ${location.hash}:not(.is-gone)`);
  if (asked) moveTo(asked);
}
