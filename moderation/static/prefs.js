// How this person likes to work: shortcuts and blur are kept by the server, the theme in a cookie, so that the server's
// first byte has it all already.
import { $, csrf, formData, post, say, whyNot, word } from "./dom.js";
import { learn } from "./keys.js";

function theme(target) {
  const age = target.value === "auto" ? 0 : 31536000;
  document.cookie = `theme=${target.value}; path=/; max-age=${age}; samesite=lax`;
  delete document.documentElement.dataset.theme;
}

async function blur(box) {
  const answer = await post("/account/preferences", new URLSearchParams({ csrf_token: csrf(), blur: box.checked ? "1" : "0" }));
  if (!answer.ok) say(whyNot(answer), { bad: true });
}

/** New keys: kept, learned at once, and the hints on the page follow. */
async function remap(form) {
  const wrong = $("#remap-wrong");
  const answer = await post(form, formData(form));
  for (const field of form.elements) field.removeAttribute("aria-invalid");
  wrong.hidden = answer.ok;
  if (!answer.ok) {
    wrong.textContent = `✕ ${answer.body.error?.message ?? whyNot(answer)}`;
    const field = form.elements[answer.body.error?.field];
    field?.setAttribute("aria-invalid", "true");
    field?.focus();
    return;
  }
  const off = $("#keys-off").checked;
  document.body.classList.toggle("keys-off", off);
  const keys = {};
  for (const field of form.elements) if (field.maxLength === 1) keys[field.name] = field.value;
  learn(keys);
  for (const hint of document.querySelectorAll("kbd[data-key]")) hint.textContent = keys[hint.dataset.key] ?? "";
  $("#keys").hidePopover();
  if (off) say(word("keys_off"));
  else say(word("keys_kept"));
}

export function start() {
  document.addEventListener("change", ({ target }) => {
    if (target.name === "theme") theme(target);
    else if (target.id === "blur") blur(target);
    else if (target.matches("[data-submit]")) target.form.requestSubmit();
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "remap") return;
    event.preventDefault();
    remap(event.target);
  });
}
