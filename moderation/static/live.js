// What changes while I read: counts, ages, "12 new". It never adds, removes or moves a card.
import { $, $$, ago, clock, figure, word } from "./dom.js";

const EVERY_MS = 4000;
const SLOWEST_MS = 60000;

let wait = EVERY_MS;
let timer;
let etag = "";
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

function show({ counts = {}, new: fresh = 0 }) {
  for (const place of $$("[data-count]")) {
    const count = counts[place.dataset.count];
    if (count !== undefined) place.textContent = figure(count);
  }
  const link = $("#new");
  link.hidden = fresh === 0;
  link.textContent = `↑ ${word("new", { count: figure(fresh) })}`;
  // In an empty queue there is nothing that could jump.
  if (fresh > 0 && $("#empty")) location.reload();
}

async function ask() {
  const { tab, since } = $("#desk").dataset;
  const headers = etag ? { "If-None-Match": etag } : {};
  const query = new URLSearchParams({ tab, since });
  const answer = await fetch(`/queue/changes?${query}`, {
    headers: { Accept: "application/json", ...headers },
    cache: "no-store",
    redirect: "manual",
    signal: AbortSignal.timeout(10000),
  });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  etag = answer.headers.get("ETag") ?? "";
  show(await answer.json());
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

function ages() {
  for (const time of $$("time[data-age]")) {
    const text = ago(new Date(time.dateTime));
    if (text) time.textContent = text;
  }
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
