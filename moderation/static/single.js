// The page of one comment knows the list it was opened from: back leads to the same place in it, next and previous to its
// neighbours. What is kept is of this browser tab only.
import { $, $$ } from "./dom.js";
import { idOf } from "./cards.js";

const KEPT = "moderation.list";

function keep() {
  const ids = $$(".queue > li > .card").map(idOf);
  sessionStorage.setItem(KEPT, JSON.stringify({ url: location.pathname + location.search, ids }));
}

function lead(id, kept) {
  $("#back").href = `${kept.url}#c-${id}`;
  const at = kept.ids.indexOf(id);
  for (const [name, number] of [["#previous", kept.ids[at - 1]], ["#next", kept.ids[at + 1]]]) {
    const link = $(name);
    link.hidden = at < 0 || !number;
    if (number) link.href = `/queue/${number}`;
  }
}

export function start() {
  const solo = $(".card.is-solo");
  if ($("ol.queue")) keep();
  else if (solo) {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    if (kept && $("#back")) lead(idOf(solo), kept); // a second look has no list behind it
  }
}
