// Single keys. They act on the current card, one press for one decision; each can be another key, and all can be off
// (WCAG 2.1.4). Which keys this person has is what the server wrote into the page.
import { $, $$, say, word } from "./dom.js";
import { current, moveTo, step } from "./cards.js";
import { refuses } from "./claim.js";
import { undoLatest } from "./decide.js";
import { pick } from "./select.js";

const DEAF_MS = 1500; // where rejecting was refused, the digit of its reason must not switch the queue
let refusedAt = -DEAF_MS;

const act = (name, card = current()) => card && $(`[data-act="${name}"]`, card);

/** The card that is meant: the current one, or the one that is looked at for a second time. */
const meant = () => current() ?? $(".card:has([data-look])");

/** A card that takes decisions, or the reason why it does not, spoken. */
function open() {
  const card = meant();
  if (!card || refuses(card)) return null;
  if ($("[data-decide] button, [data-look] button", card)) return card;
  say(word("not_now"), { bad: true });
  return null;
}

/** A card that stands for too many leads to the preview of a bulk job, where nothing is decided yet. */
function isBulk(card) {
  const link = act("bulk", card);
  link?.click();
  return Boolean(link);
}

function approve() {
  if (isBulk(current())) return;
  const card = open();
  const button = card && $('button[value="approve"]', card);
  if (button && !button.disabled && !button.form.inert) button.form.requestSubmit(button);
}

function openReasons() {
  if (isBulk(current())) return;
  const card = open();
  const menu = card && $("details.reject", card);
  if (!menu) {
    refusedAt = performance.now();
    return;
  }
  const change = menu.closest("details.change");
  if (change) change.open = true;
  menu.open = true;
  ($("[data-suggested]", menu) ?? $("button", menu)).focus();
}

/** Open a question or a note and begin to write it. */
function write(name) {
  const menu = $(`details[data-menu="${name}"]`, current() ?? document);
  if (!menu) {
    if (name === "note") $("#note-text")?.focus(); // the page of one comment has its notes open
    return;
  }
  menu.open = true;
  $("textarea", menu).focus();
}

function escalate() {
  const card = current();
  if (!card || refuses(card)) return;
  if ($('details[data-menu="escalate"]', card)) write("escalate");
  else say(word("is_escalated"), { bad: true });
}

function ban() {
  const link = act("ban");
  if (link) link.click();
  else if (current()) say(word("no_ban"), { bad: true });
}

function nextQueue() {
  const tabs = $$(".queues a");
  const at = tabs.findIndex((link) => link.hasAttribute("aria-current"));
  tabs[(at + 1) % tabs.length]?.click();
}

const acts = {
  next: () => ($("#next") ? $("#next:not([hidden])")?.click() : step(1)),
  previous: () => ($("#previous") ? $("#previous:not([hidden])")?.click() : step(-1)),
  approve,
  reject: openReasons,
  ban,
  switch: nextQueue,
  single: () => ($("#back") ?? act("open"))?.click(),
  help: () => $("#keys")?.showPopover(),
  undo: undoLatest,
  escalate,
  note: () => write("note"),
  skip: () => acts.next(),
  select: (event) => pick(event.shiftKey),
  search: () => $("#q")?.select(),
  reveal: () => $(".words", current() ?? document)?.classList.toggle("show"),
};
for (const number of [1, 2, 3, 4, 5, 6]) {
  acts[`tab${number}`] = () => {
    if (performance.now() - refusedAt > DEAF_MS) $$(".queues a")[number - 1]?.click();
  };
}

const chosen = new Map(); // key → act

/** Which keys do what, from the page; the form of the help says so after a change. */
export function learn(names) {
  chosen.clear();
  for (const [name, key] of Object.entries(names)) if (acts[name] && key) chosen.set(key, acts[name]);
}

const off = () => document.body.classList.contains("keys-off");

/** Escape closes what is open on a card, and the focus is on the card again; true when there was something. */
function closed(target) {
  const menu = target.closest(".card details[open], .bulk details[open]");
  if (!menu) return false;
  menu.open = false;
  const card = menu.closest(".card");
  if (card) moveTo(card);
  else $("summary", menu).focus();
  return true;
}

function pressed(event) {
  if (event.defaultPrevented || event.repeat || event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("form textarea")) {
    event.preventDefault();
    if (!event.target.form.inert) event.target.form.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !$("[popover]:popover-open")) {
    if (closed(event.target)) event.preventDefault();
    return;
  }
  if (off()) return;
  if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")) return;
  if ($("dialog[open], [popover]:popover-open")) return;
  const menu = event.target.closest("details.reject[open]") ?? $("details.reject[open]", current() ?? $("#bulk") ?? document);
  if (menu && /^[1-8]$/.test(event.key)) {
    const button = $$("button[name=reject]", menu)[Number(event.key) - 1];
    event.preventDefault();
    if (!button.form.inert) button.form.requestSubmit(button);
    return;
  }
  // Shift and x is a run; Shift and another letter is what that person's keyboard writes with it.
  const deed = chosen.get(event.key) ?? (event.shiftKey && chosen.get(event.key.toLowerCase()) === acts.select && acts.select);
  if (!deed) return;
  event.preventDefault();
  deed(event);
}

export function start() {
  const prefs = $("#prefs")?.content ?? document;
  learn(Object.fromEntries($$("[data-action]", prefs).map((item) => [item.dataset.action, item.textContent])));
  document.addEventListener("keydown", pressed);
}
