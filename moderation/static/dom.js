// Small tools of the moderators' pages: find elements, words in the page's language, figures, the status region.
export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const language = document.documentElement.lang;
const words = new Map(
  $$("[data-word]", $("#words")?.content ?? document).map((item) => [item.dataset.word, item.textContent]),
);

/** The sentence `name` in the page's language; `{place}` holders are filled from `values`. */
export function word(name, values = {}) {
  return (words.get(name) ?? name).replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** A whole number as this language groups it: 1.284 or 1,284. */
export const figure = (number) => new Intl.NumberFormat(language).format(number);

/** The time of day in the newsroom's zone, as this language writes it: 14.31 or 14:31. */
export function clock(date) {
  const timeZone = document.documentElement.dataset.zone;
  const text = date.toLocaleTimeString("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" });
  return language === "id" ? text.replace(":", ".") : text;
}

/** How long ago, as the server words it. */
export function ago(date, now = new Date()) {
  const minutes = Math.floor((now - date) / 60000);
  if (minutes < 1) return word("now");
  if (minutes < 60) return word("minutes", { minutes });
  if (minutes < 1440) return word("hours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
  return null; // whole days: what the server wrote stays true long enough
}

/** Say a sentence in the status region, which never takes the focus. `more` are buttons or links beside it. */
export function say(text, { bad = false, more = [] } = {}) {
  const toast = document.createElement("div");
  toast.className = bad ? "toast is-no" : "toast";
  const sentence = document.createElement("span");
  sentence.textContent = text;
  toast.append(sentence, ...more);
  $("#say")?.replaceChildren(toast);
}

/** The first element of a fragment that the server rendered. */
export function fragment(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
}
