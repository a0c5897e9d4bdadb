// The line that turns green when a site's first comment arrives, and buttons that copy. Without this module the page
// says the same when it is loaded again, and what there is to copy can be selected.
import { $, $$ } from "./dom.js";

const EVERY_MS = 3000;
const SLOWEST_MS = 30000;

let wait = EVERY_MS;
let timer;
let etag = "";

async function ask(place) {
  const answer = await fetch(place.dataset.state, {
    headers: { Accept: "text/html", ...(etag ? { "If-None-Match": etag } : {}) },
    cache: "no-store",
    redirect: "manual",
    signal: AbortSignal.timeout(10000),
  });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  etag = answer.headers.get("ETag") ?? "";
  const fresh = document.createElement("template");
  fresh.innerHTML = await answer.text();
  // Only what reads differently is put in: a status region is read aloud whenever it changes.
  if (fresh.content.textContent.trim() !== place.textContent.trim()) place.replaceChildren(fresh.content);
}

async function round(place) {
  try {
    await ask(place);
    wait = EVERY_MS;
  } catch {
    wait = Math.min(wait * 2, SLOWEST_MS); // the server is away or we are signed out: the line stays as it was
  }
  plan(place);
}

function plan(place, delay = wait) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(() => round(place), delay);
}

async function copy(button) {
  const from = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(from.value ?? from.textContent);
  const label = button.firstChild;
  const text = label.textContent;
  label.textContent = `✓ ${button.dataset.done}`;
  setTimeout(() => (label.textContent = text), 2000);
}

// The clipboard exists on https and on loopback only.
for (const button of navigator.clipboard ? $$("[data-copy]") : []) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

const connection = $("#connection");
if (connection) {
  for (const line of $$("[data-plain]")) line.hidden = true;
  document.addEventListener("visibilitychange", () => plan(connection, 0));
  plan(connection);
}
