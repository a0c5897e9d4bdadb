// What changes while I read: counts, ages, who reads what, "12 new", and in its place a card that somebody else decided
// or whose author edited it.
// It never adds, removes or moves a card.
import { $, $$, ago, clock, figure, say, word } from "./dom.js";
import { current, idOf, moveTo, neighbour, showClaim } from "./cards.js";
import { becomeLine, put } from "./decide.js";

const EVERY_MS = 4000;
const SLOWEST_MS = 60000;
const MOST = 100; // the server counts newcomers no further

let wait = EVERY_MS;
let timer;
let etag = "";
let asked = "";
let lostAt = null;

function lost() {
  lostAt ??= new Date();
  wait = Math.min(wait * 2, SLOWEST_MS);
  const line = $("#offline");
  line.textContent = word("offline", { time: clock(lostAt) });
  line.hidden = false;
}

function found() {
  lostAt = null;
  wait = EVERY_MS;
  $("#offline").hidden = true;
}

const writing = (card) => card.contains(document.activeElement) && document.activeElement.matches("textarea, input[type=text]");

/** Somebody decided this card: its line stands there now, unless I am writing on it. */
function decidedElsewhere(card, html) {
  if (card.hasAttribute("aria-busy") || writing(card)) {
    etag = ""; // ask for it again
    return null;
  }
  const lit = card === current();
  const focused = card.contains(document.activeElement);
  const next = neighbour(card, 1) ?? neighbour(card, -1);
  const line = becomeLine(card, html);
  if (lit && focused) moveTo(next);
  if (lit) say(line.textContent.trim().replace(/\s+/g, " "));
  return line;
}

/** Its author edited this card while I read: the new text stands there now, and what I had begun to write stays. */
function editedMeanwhile(card, html) {
  if (card.hasAttribute("aria-busy")) {
    etag = "";
    return;
  }
  const fresh = put(card, html);
  fresh.dataset.edited = String(performance.now());
  say(word("edited", { who: $(".who", fresh)?.textContent ?? "" }), { bad: fresh === current() });
}

function late(oldest) {
  const age = $("#oldest");
  if (!age) return;
  age.hidden = !oldest;
  const time = $("time", age);
  if (oldest) time.dateTime = oldest;
  ages();
}

function show({ counts = {}, new: fresh = 0, oldest = null, presence = {}, decided = {}, edited = {} }) {
  for (const place of $$("[data-count]")) {
    const count = counts[place.dataset.count];
    if (count !== undefined) place.textContent = figure(count);
  }
  for (const link of $$("[data-all]")) {
    link.textContent = word("all", { count: figure(counts[link.dataset.all] ?? 0) });
  }
  late(oldest);
  for (const [id, html] of Object.entries(edited)) {
    const card = $(`.queue #c-${id}:not(.is-gone, .is-lost)`);
    if (card) editedMeanwhile(card, html);
  }
  for (const card of $$(".queue .card:not(.is-gone)")) {
    const claim = presence[idOf(card)];
    showClaim(card, claim && { who: claim.who, time: clock(new Date(claim.until)) });
  }
  const lines = [];
  for (const [id, html] of Object.entries(decided)) {
    const card = $(`#c-${id}:not(.is-gone, .is-lost)`);
    const line = card && decidedElsewhere(card, html);
    if (line) lines.push(line);
  }
  const link = $("#new");
  if (link) {
    link.hidden = fresh === 0;
    link.textContent = `↑ ${word("new", { count: fresh >= MOST ? `${figure(MOST - 1)}+` : figure(fresh) })}`;
    // In an empty queue there is nothing that could jump.
    if (fresh > 0 && $("#empty")) location.reload();
  }
  return lines;
}

/** What the page shows of each comment: id.version.revision. */
const shown = () =>
  $$(".queue .card:not(.is-gone)").map((card) => [idOf(card), card.dataset.version, card.dataset.revision].join("."));

async function ask() {
  const { since = "0" } = $("#desk").dataset;
  const query = new URLSearchParams(location.search);
  query.delete("after");
  query.set("since", since);
  query.set("ids", shown().join(" "));
  const headers = etag && asked === String(query) ? { "If-None-Match": etag } : {};
  const answer = await fetch(`/queue/changes?${query}`, {
    headers: { Accept: "application/json", ...headers },
    cache: "no-store",
    redirect: "manual",
    signal: AbortSignal.timeout(10000),
  });
  if (answer.status === 304) return [];
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const body = await answer.json();
  etag = answer.headers.get("ETag") ?? "";
  asked = String(query);
  return show(body);
}

async function round() {
  try {
    await ask();
    found();
  } catch {
    lost();
  }
  plan();
}

function plan(delay = wait) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(round, delay);
}

/** Look at once; gives the lines of what was decided since. */
export async function refresh() {
  try {
    return await ask();
  } catch {
    return [];
  }
}

function ages() {
  const now = new Date();
  for (const time of $$("time[data-age]")) {
    const text = ago(new Date(time.dateTime), now);
    if (text) time.textContent = text;
  }
  const age = $("#oldest");
  if (!age || age.hidden) return;
  const limit = Number(age.dataset.limit);
  const minutes = (now - new Date($("time", age).dateTime)) / 60000;
  const over = limit > 0 && minutes >= limit;
  age.className = over ? "is-no" : limit > 0 && minutes >= 0.8 * limit ? "is-hold" : "";
  const line = $("#late");
  if (line && line.hidden === over) line.hidden = !over;
}

export function start() {
  setInterval(ages, 15000);
  if (!$("#desk")) return;
  document.addEventListener("moderation:decided", () => plan(200));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else plan(0);
  });
  plan();
}
