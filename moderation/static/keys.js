// Single keys. They act on the current card, one press for one decision, and can be switched off (WCAG 2.1.4).
import { $, $$, say, word } from "./dom.js";
import { current, moveTo, step } from "./cards.js";
import { undoLatest } from "./decide.js";

const OFF = "moderation.keys-off";

const off = () => localStorage.getItem(OFF) === "1";

function approve() {
  const button = $('button[value="approve"]', current() ?? document);
  if (button && !button.disabled && !button.form.inert) button.form.requestSubmit(button);
}

function openReasons() {
  const card = current();
  const menu = card && $("details.reject", card);
  if (!menu) return;
  const change = menu.closest("details.change");
  if (change) change.open = true;
  menu.open = true;
  ($("[data-suggested]", menu) ?? $("button", menu)).focus();
}

function openOrBack() {
  const to = $("#back") ?? $('[data-act="open"]', current() ?? document);
  to?.click();
}

const keys = {
  j: () => step(1),
  k: () => step(-1),
  f: approve,
  d: openReasons,
  u: undoLatest,
  s: () => step(1),
  v: () => $(".words", current() ?? document)?.classList.toggle("show"),
  z: openOrBack,
  "?": () => $("#keys")?.showPopover(),
};

function pressed(event) {
  if (event.defaultPrevented || event.repeat || event.isComposing) return;
  if (event.ctrlKey || event.metaKey || event.altKey || off()) return;
  if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")) return;
  if ($("dialog[open], [popover]:popover-open")) return;
  const card = current();
  const menu = card && $("details.reject[open]", card);
  if (menu && /^[1-8]$/.test(event.key)) {
    const button = $$("button[name=reject]", menu)[Number(event.key) - 1];
    event.preventDefault();
    if (!button.form.inert) button.form.requestSubmit(button);
    return;
  }
  if (menu && event.key === "Escape") {
    menu.open = false;
    event.preventDefault();
    moveTo(card);
    return;
  }
  if (/^[1-5]$/.test(event.key)) {
    event.preventDefault();
    $$(".queues a")[Number(event.key) - 1]?.click();
    return;
  }
  const act = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
  if (!act) return;
  event.preventDefault();
  act();
}

export function start() {
  document.addEventListener("keydown", pressed);
  const box = $("#keys-on");
  if (!box) return;
  $("#keys-switch").hidden = false;
  box.checked = !off();
  document.body.classList.toggle("keys-off", off());
  box.addEventListener("change", () => {
    if (box.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
    document.body.classList.toggle("keys-off", off());
    if (off()) say(word("keys_off"));
  });
}
