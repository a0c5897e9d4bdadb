// The words behind a score that the scorer names only when it is asked: asked for the card that is lit, marked when the
// answer is there. Without script a button asks.
import { $, fragment, formData, post } from "./dom.js";
import { current } from "./cards.js";

const SETTLE_MS = 400; // whoever skips past a card does not ask
const AGAIN_MS = 1000;
const MOST = 30;

let timer;

/** Say one thing in the form's place, as high as it was: what follows on the card are buttons that a hand may be on. */
function say(form, what) {
  form.style.minBlockSize ||= `${form.offsetHeight}px`;
  $("button", form).hidden = true;
  for (const name of ["due", "done", "none"]) $(`[data-${name}]`, form).hidden = name !== what;
  if (what !== "due") form.removeAttribute("data-explain"); // nobody asks again
}

function show(card, form, html) {
  $(".words", card)?.replaceChildren(fragment(html));
  say(form, "done");
}

async function ask(card, round = 0) {
  const form = $("[data-explain]", card);
  if (!form || card !== current() || card.matches(".is-gone")) return;
  const { ok, body } = await post(form, formData(form));
  if (!form.isConnected) return;
  if (ok && body.state === "done") show(card, form, body.html);
  else if (ok && body.state === "due" && round < MOST) {
    say(form, "due");
    timer = setTimeout(() => ask(card, round + 1), AGAIN_MS);
  } else if (ok && body.state !== "due") {
    say(form, "none");
  } else {
    $("[data-due]", form).hidden = true;
    $("button", form).hidden = false; // ask again by hand
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
