// The words behind a score that the scorer names only when it is asked: asked for the card that is lit, marked when the
// answer is there. Without script a button asks.
import { $, fragment, formData, post } from "./dom.js";
import { current } from "./cards.js";

const SETTLE_MS = 400; // whoever skips past a card does not ask
const AGAIN_MS = 1000;
const MOST = 30;

let timer;

function show(card, html) {
  $(".words", card)?.replaceChildren(fragment(html));
  $("[data-explain]", card)?.remove();
}

function over(form) {
  $("[data-due]", form).hidden = true;
  $("[data-none]", form).hidden = false;
}

async function ask(card, round = 0) {
  const form = $("[data-explain]", card);
  if (!form || card !== current() || card.matches(".is-gone")) return;
  const button = $("button", form);
  const { ok, body } = await post(form, formData(form));
  if (!form.isConnected) return;
  if (ok && body.state === "done") show(card, body.html);
  else if (ok && body.state === "due" && round < MOST) {
    $("[data-due]", form).hidden = false;
    button.hidden = true;
    timer = setTimeout(() => ask(card, round + 1), AGAIN_MS);
  } else if (ok && body.state !== "due") {
    button.hidden = true;
    over(form);
  } else {
    $("[data-due]", form).hidden = true;
    button.hidden = false; // ask again by hand
  }
}

function settle(card) {
  clearTimeout(timer);
  timer = setTimeout(() => ask(card), SETTLE_MS);
}

export function start() {
  document.addEventListener("moderation:current", ({ detail }) => settle(detail));
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-explain]")) return;
    event.preventDefault();
    clearTimeout(timer);
    ask(event.target.closest(".card"));
  });
  if (current()) settle(current());
}
