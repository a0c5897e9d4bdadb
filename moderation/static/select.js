// Several comments of a page at once: x, Shift for a run, and one bar for what is to become of them.
import { $, $$, figure, formData, post, say, word } from "./dom.js";
import { current, moveTo, neighbour } from "./cards.js";
import { decidedMany, failed, forget } from "./decide.js";
import { refresh } from "./live.js";

let last = null; // where a run begins

const boxes = () => $$(".queue .card:not(.is-gone) .pick input");

function count() {
  const picked = boxes().filter((box) => box.checked).length;
  const place = $("#picked");
  if (place) place.textContent = word("picked", { count: figure(picked) });
  return picked;
}

/** Turn a box and, with Shift, all between it and the last one the same way. */
function turn(box, run) {
  const list = boxes();
  const [from, to] = [list.indexOf(last), list.indexOf(box)];
  if (run && from >= 0) {
    for (const one of list.slice(Math.min(from, to), Math.max(from, to) + 1)) one.checked = box.checked;
  }
  last = box;
  const picked = count();
  say(word("picked", { count: figure(picked) }));
}

/** The key: select the current card, or the run up to it. */
export function pick(run) {
  const box = $(".pick input", current() ?? document);
  if (!box) {
    if (current()) say(word("no_pick"), { bad: true });
    return;
  }
  box.checked = run ? true : !box.checked;
  turn(box, run);
}

async function decide(form, submitter) {
  const picked = boxes().filter((box) => box.checked);
  if (!picked.length) return;
  const data = formData(form, submitter);
  form.inert = true;
  const answer = await post(form, data);
  form.inert = false;
  if (!answer.ok) {
    failed(answer);
    return;
  }
  for (const menu of $$("details[open]", form)) menu.open = false;
  const results = answer.body.results ?? [];
  const done = results.filter((item) => item.outcome === "decided");
  const lost = results.length - done.length;
  for (const box of picked) box.checked = false;
  count();
  const here = current();
  await refresh();
  for (const item of done) forget(item.id); // one line stands for all of them
  if (here && !here.isConnected) moveTo(neighbour($(`#${here.id}`), 1) ?? neighbour($(`#${here.id}`), -1));
  const text = word("many", { count: figure(done.length) }) + (lost ? ` ${word("lost", { count: figure(lost) })}` : "");
  decidedMany(answer.body.line, text, lost > 0);
}

export function start() {
  const form = $("#bulk");
  if (!form) return;
  document.addEventListener("click", (event) => {
    const box = event.target.closest(".pick input");
    if (box) turn(box, event.shiftKey);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!form.inert) decide(form, event.submitter);
  });
  document.addEventListener("moderation:renewed", count); // a card that is another by now is not selected any more
  form.addEventListener("reset", () => {
    last = null;
    setTimeout(count); // the boxes are cleared after this event
  });
  count();
}
