// One current card: it alone is lit, it alone takes keys. The eyes stay still, the list moves.
import { $, $$ } from "./dom.js";

/** The cards that the cursor visits: those that were decided here are passed over. */
export const cards = () => $$(".queue .card:not(.is-gone)");
export const current = () => $(".queue .card[aria-current]");

export function makeCurrent(card) {
  for (const before of $$(".queue .card[aria-current]")) {
    if (before === card) continue;
    before.removeAttribute("aria-current");
    before.tabIndex = -1;
  }
  card.setAttribute("aria-current", "true");
  card.tabIndex = 0;
}

/** Light a card and bring it to the same height as the one before; without one, go on to what follows the list. */
export function moveTo(card) {
  if (!card) {
    ($("#more") ?? $("#back"))?.focus();
    return;
  }
  makeCurrent(card);
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "start" });
}

/** The card `by` places further, counted from `from` (which may have left the list's visible part already). */
export function neighbour(from, by) {
  const list = cards();
  const at = list.indexOf(from);
  return at < 0 ? list[0] : list[at + by];
}

export function step(by) {
  const to = neighbour(current(), by);
  if (to || by > 0) moveTo(to);
}

export function start() {
  document.addEventListener("focusin", ({ target }) => {
    const card = target.closest(".queue .card:not(.is-gone)");
    if (card && card !== current()) makeCurrent(card);
  });
}
