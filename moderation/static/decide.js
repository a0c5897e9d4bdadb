// Decisions and their undoing, by fetch. Every one of them is a form first: without this file the same forms are posted.
// No silent success and no silent failure: what did not reach the server is said on the card.
import { $, $$, fragment, say, word } from "./dom.js";
import { current, makeCurrent, moveTo, neighbour } from "./cards.js";

const TIMEOUT_MS = 10000;

/** Post a form. Gives {ok, status, body}; status 0 when no answer came; body {} when it is no JSON. */
async function post(form, data) {
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: data,
      headers: { Accept: "application/json" },
      redirect: "manual", // a redirect to the door means that the session is over
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const json = (answer.headers.get("Content-Type") ?? "").includes("json");
    const signedOut = answer.type === "opaqueredirect" || answer.status === 401;
    return { ok: answer.ok && json, status: signedOut ? 401 : answer.status, body: json ? await answer.json() : {} };
  } catch {
    return { ok: false, status: 0, body: {} };
  }
}

function formData(form, submitter) {
  const data = new URLSearchParams(new FormData(form));
  if (submitter?.name) data.set(submitter.name, submitter.value);
  return data;
}

/** Why nothing was saved, said aloud and left standing on the card. */
function failed(answer, card) {
  const text =
    answer.status === 0 ? word("not_saved")
    : answer.status === 401 ? word("signed_out")
    : answer.body.error?.message ? `${word("refused")} ${answer.body.error.message}`
    : word("refused");
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

function log(card) {
  const list = $("#log");
  const undo = $("form[data-undo]", card);
  if (!list || !undo) return;
  $(`li[data-comment="${undo.dataset.undo}"]`, list)?.remove();
  const line = document.createElement("li");
  line.dataset.comment = undo.dataset.undo;
  const what = document.createElement("span");
  const name = Object.assign(document.createElement("a"), {
    href: `/queue/${undo.dataset.undo}`, dir: "auto", textContent: $("b", card).textContent,
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

function forget(id) {
  const list = $("#log");
  if (!list) return;
  $(`li[data-comment="${id}"]`, list)?.remove();
  $("#no-log").hidden = list.children.length > 0;
}

async function decide(form, submitter) {
  const card = form.closest(".card");
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
  const next = neighbour(card, 1) ?? neighbour(card, -1);
  const line = fragment(answer.body.html);
  card.replaceWith(line);
  if (answer.status === 409) {
    makeCurrent(line);
    line.focus({ preventScroll: true });
    say(answer.body.error?.message ?? word("conflict"), { bad: true });
    return;
  }
  log(line);
  // Whoever moved on while the answer was under way keeps their place.
  if (wasCurrent) moveTo(next && next !== card ? next : undefined);
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: word("undo") });
  button.addEventListener("click", () => undo($("form[data-undo]", line)));
  say(`${$(".badge", line).textContent}. ${word("told")}`, { more: [button] });
  document.dispatchEvent(new Event("moderation:decided"));
}

async function undo(form) {
  const id = form.dataset.undo;
  form.inert = true;
  const answer = await post(form, formData(form));
  form.inert = false;
  if (!answer.ok) {
    failed(answer);
    return;
  }
  forget(id);
  const said = answer.body.told === undefined ? "taken_back" : answer.body.told ? "reversed" : "undone";
  const line = $(`#c-${id}`);
  if (line && answer.body.html) {
    const card = fragment(answer.body.html);
    line.replaceWith(card);
    if (!card.matches(".is-gone")) moveTo(card);
  }
  say(word(said));
  document.dispatchEvent(new Event("moderation:decided"));
}

/** Take back my latest decision; again: the one before. */
export function undoLatest() {
  const form = $("#log form[data-undo]") ?? $$(".is-gone form[data-undo]").at(-1) ?? $("#say form[data-undo]");
  if (form) undo(form);
  else say(word("nothing_to_undo"));
}

export function start() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-decide], [data-undo]")) return;
    event.preventDefault();
    if (form.inert) return;
    if (form.matches("[data-undo]")) undo(form);
    else decide(form, event.submitter);
  });
  document.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]");
    if (!act || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    if (act.dataset.act === "open") return; // a plain link
    const card = act.closest(".card");
    if (!card.closest("ol")) return; // the page of one comment: "accept" leads back to the list
    event.preventDefault();
    moveTo(neighbour(card, 1));
  });
}
