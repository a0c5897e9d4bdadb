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

const TIMEOUT_MS = 10000;

/** Post a form or to an address. Gives {ok, status, body}; status 0 when no answer came; body {} when it is no JSON. */
export async function post(to, data, { keepalive = false } = {}) {
  try {
    const answer = await fetch(to.action ?? to, {
      method: "POST",
      body: data,
      headers: { Accept: "application/json" },
      redirect: "manual", // a redirect to the door means that the session is over
      keepalive,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const json = (answer.headers.get("Content-Type") ?? "").includes("json");
    const signedOut = answer.type === "opaqueredirect" || answer.status === 401;
    return { ok: answer.ok && json, status: signedOut ? 401 : answer.status, body: json ? await answer.json() : {} };
  } catch {
    return { ok: false, status: 0, body: {} };
  }
}

/** What a form would send, with the button that sent it. */
export function formData(form, submitter) {
  const data = new URLSearchParams(new FormData(form));
  if (submitter?.name) data.set(submitter.name, submitter.value);
  return data;
}

/** The token that every deed must carry, for deeds that are no form. */
export const csrf = () => $("[name=csrf_token]")?.value ?? "";

/** Why a deed was not done, as a sentence. */
export function whyNot({ status, body }) {
  if (status === 0) return word("not_saved");
  if (status === 401) return word("signed_out");
  return body.error?.message ? `${word("refused")} ${body.error.message}` : word("refused");
}

/** The first element of a fragment that the server rendered. */
export function fragment(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
}
