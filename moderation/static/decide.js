// Decisions and their undoing, by fetch. Every one of them is a form first: without this file the same forms are posted.
// No silent success and no silent failure: what did not reach the server is said on the card.
import { $, $$, formData, fragment, post, say, whyNot, word } from "./dom.js";
import { current, idOf, makeCurrent, moveTo, neighbour } from "./cards.js";

const READ_MS = 1000; // what was meant for the old text must not decide the new one
const UNDO_MINUTES = 10; // whoever presses a key means what they have just done, not what they did this morning

/** Why nothing was saved, said aloud and left standing on the card. */
export function failed(answer, card) {
  const text = whyNot(answer);
  const more = [];
  if (answer.status === 401) {
    const link = Object.assign(document.createElement("a"), { href: "/login", className: "btn", textContent: word("sign_in") });
    more.push(link);
  }
  say(text, { bad: true, more });
  if (!card) return;
  const line = Object.assign(document.createElement("p"), { className: "unsaved", textContent: `✕ ${text}` });
  $(".unsaved", card)?.remove();
  $(".acts", card)?.before(line);
}

/** Put what was just decided at the top of the list of my latest decisions. */
function log(card) {
  const list = $("#log");
  const undo = $("form[data-undo]", card);
  if (!list || !undo) return;
  $(`li[data-comment="${undo.dataset.undo}"]`, list)?.remove();
  const line = document.createElement("li");
  line.dataset.comment = undo.dataset.undo;
  const what = document.createElement("span");
  const name = Object.assign(document.createElement("a"), {
    href: `/queue/${idOf(card)}`, className: "who", dir: "auto", textContent: $("b", card).textContent,
  });
  const when = document.createElement("time");
  when.className = "small soft";
  when.dataset.age = "";
  when.dateTime = new Date().toISOString();
  when.textContent = word("now");
  what.append(name, document.createElement("br"), $(".badge", card).cloneNode(true), " ", when);
  line.append(what, undo.cloneNode(true));
  list.prepend(line);
  $("#no-log").hidden = true;
}

/** A deed that is not to be undone any more, or whose place a deed on many takes. */
export function forget(key) {
  const list = $("#log");
  if (!list) return;
  $(`li[data-comment="${key}"]`, list)?.remove();
  $("#no-log").hidden = list.children.length > 0;
}

/** A card was decided, here or by somebody else: its line stands in its place. Gives the line. */
export function becomeLine(card, html) {
  const line = fragment(html);
  card.replaceWith(line);
  log(line);
  return line;
}

/** What a decision says: what it was, and when the site hears of it. */
function told(line, { told: tells, seconds, text }) {
  const what = `${$(".badge", line).textContent}.${text ? ` ${text}` : ""}`;
  if (tells === false) return what;
  return `${what} ${seconds ? word("told_in", { seconds }) : word("told")}`;
}

function undoButton(form) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: word("undo") });
  button.addEventListener("click", () => {
    if (!form.inert) undo(form);
  });
  return button;
}

async function decide(form, submitter) {
  const card = form.closest(".card");
  if (performance.now() - Number(card.dataset.edited ?? -READ_MS) < READ_MS) {
    say(word("edited", { who: $(".who", card)?.textContent ?? "" }), { bad: true });
    return;
  }
  const data = formData(form, submitter);
  form.inert = true;
  card.setAttribute("aria-busy", "true");
  const answer = await post(form, data);
  form.inert = false;
  card.removeAttribute("aria-busy");
  if (!answer.ok && !(answer.status === 409 && answer.body.html)) {
    failed(answer, card);
    if (document.activeElement === document.body) card.focus({ preventScroll: true });
    return;
  }
  const wasCurrent = card === current();
  if (answer.status === 409) {
    const line = fragment(answer.body.html);
    card.replaceWith(line);
    makeCurrent(line);
    line.focus({ preventScroll: true });
    say(answer.body.error?.message ?? word("conflict"), { bad: true });
    return;
  }
  const next = neighbour(card, 1) ?? neighbour(card, -1);
  const line = becomeLine(card, answer.body.html);
  // Whoever moved on while the answer was under way keeps their place.
  if (wasCurrent) moveTo(next);
  const back = $("form[data-undo]", line);
  say(told(line, answer.body), { bad: Boolean(answer.body.text), more: back ? [undoButton(back)] : [] });
  document.dispatchEvent(new Event("moderation:decided"));
}

/** Many were decided at once: `html` is the line of the list from which they are taken back together, if any. */
export function decidedMany(html, text, bad = false) {
  const list = $("#log");
  const line = html && list ? fragment(html) : null;
  if (line) {
    $(`li[data-comment="${line.dataset.comment}"]`, list)?.remove();
    list.prepend(line);
    $("#no-log").hidden = true;
  }
  say(text, { bad, more: line ? [undoButton($("form", line))] : [] });
}

async function undo(form) {
  const key = form.dataset.undo;
  const data = formData(form);
  data.set("ids", $$(".card.is-gone").map(idOf).join(" ")); // those that several decisions may bring back
  form.inert = true;
  const answer = await post(form, data);
  form.inert = false;
  if (!answer.ok) {
    failed(answer);
    return;
  }
  forget(key);
  const { cards, html, text } = answer.body;
  const back = [];
  for (const [id, fresh] of Object.entries(cards ?? (html ? { [key]: html } : {}))) {
    const line = $(`#c-${id}`);
    if (!line) continue;
    const card = fragment(fresh);
    card.removeAttribute("aria-current");
    line.replaceWith(card);
    forget(id);
    back.push(card);
  }
  const first = $$(".queue .card").find((card) => back.includes(card));
  if (first) moveTo(first);
  if (!first && $("#empty")) {
    // What comes back has no place on a page without a list: the server makes it anew, and says what was done.
    const url = new URL(location.href);
    if (/^\d+$/.test(key)) url.searchParams.set("undone", key);
    location.assign(url);
    return;
  }
  say(text || (answer.body.told ? word("reversed") : word("undone")));
  document.dispatchEvent(new Event("moderation:decided"));
}

/** Take back my latest decision; again: the one before. What is older is taken back by the button beside its name. */
export function undoLatest() {
  const form = $("#log form[data-undo]") ?? $$(".is-gone form[data-undo]").at(-1) ?? $("#say form[data-undo]");
  if (form?.inert) return;
  if (!form) say(word("nothing_to_undo"));
  else if (Date.now() - Date.parse(form.dataset.at) > UNDO_MINUTES * 60_000) say(word("undo_late", { minutes: UNDO_MINUTES }), { bad: true });
  else undo(form);
}

/** Put a card as the server has it now in a card's place: the light, the focus and what I was writing stay. */
export function put(card, html) {
  const fresh = fragment(html);
  const focused = card.contains(document.activeElement) ? document.activeElement : null;
  const lit = card === current();
  const drafts = $$("textarea", card).filter((field) => field.value);
  card.replaceWith(fresh);
  for (const draft of drafts) {
    const field = $(`#${draft.id}`, fresh);
    if (!field) continue;
    field.value = draft.value;
    field.closest("details").open = true;
    if (draft === focused) {
      field.focus({ preventScroll: true });
      field.setSelectionRange(draft.selectionStart, draft.selectionEnd);
    }
  }
  if (lit) makeCurrent(fresh);
  if (focused && !fresh.contains(document.activeElement)) fresh.focus({ preventScroll: true });
  document.dispatchEvent(new Event("moderation:renewed"));
  return fresh;
}

/** Ask the server for a card and put it in its place. */
export async function renew(card) {
  const place = new URLSearchParams(location.search);
  if (card.classList.contains("is-solo")) place.set("back", "comment");
  const answer = await fetch(`/queue/${idOf(card)}/card?${place}`, { headers: { Accept: "application/json" } });
  return answer.ok ? put(card, (await answer.json()).html) : card;
}

/** A question to a senior, an answer, a note: posted, and the card is shown as it is from then on. */
async function ask(form) {
  const card = form.closest(".card");
  form.inert = true;
  const answer = await post(form, formData(form));
  form.inert = false;
  if (!answer.ok) {
    failed(answer, card);
    return;
  }
  if (card) {
    const fresh = await renew(card).catch(() => card);
    // What I handed over is not mine to decide any more: on to what is.
    const next = form.dataset.ask === "escalated" && !$("[data-decide]", fresh) && (neighbour(fresh, 1) ?? neighbour(fresh, -1));
    if (next && fresh === current()) moveTo(next);
    else fresh.focus({ preventScroll: true });
  }
  say(word(form.dataset.ask));
}

export function start() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-decide], [data-undo], [data-ask]")) return;
    event.preventDefault();
    if (form.inert) return;
    if (form.matches("[data-undo]")) undo(form);
    else if (form.matches("[data-ask]")) ask(form);
    else decide(form, event.submitter);
  });
  document.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]");
    if (!act || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const card = act.closest(".card");
    // Opening and banning are plain links; on the page of one comment "accept" leads back to the list.
    if (!["skip", "accept"].includes(act.dataset.act) || !card.closest("ol")) return;
    event.preventDefault();
    moveTo(neighbour(card, 1));
  });
}
