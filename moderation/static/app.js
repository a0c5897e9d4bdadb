// The moderators' pages. Everything here also works as plain links and forms; this makes it quick.
import { $ } from "./dom.js";
import * as cards from "./cards.js";
import * as decide from "./decide.js";
import * as keys from "./keys.js";
import * as live from "./live.js";

// The theme radios work without this module; here the choice is remembered, in a cookie so that the server's first
// byte has the right colours already.
document.addEventListener("change", ({ target }) => {
  if (target.name !== "theme") return;
  const age = target.value === "auto" ? 0 : 31536000;
  document.cookie = `theme=${target.value}; path=/; max-age=${age}; samesite=lax`;
  delete document.documentElement.dataset.theme;
});

const BLUR = "moderation.blur";
const blur = $("#blur");
if (blur) {
  blur.checked = localStorage.getItem(BLUR) === "1";
  blur.addEventListener("change", () => localStorage.setItem(BLUR, blur.checked ? "1" : "0"));
}

cards.start();
decide.start();
keys.start();
live.start();
