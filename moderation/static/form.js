// The public comment form, for the demo article and for any site that includes this one file as a module:
// a form with `data-comment-form` and WordPress's field names. Without it the same form is posted as a page.
// It sends by fetch, shows faults at their fields, tells the author that the comment waits, and says when it is published.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const SENTENCES = {
  id: {
    notSent: "Komentar Anda belum terkirim.",
    correct: "Komentar Anda belum terkirim. Perbaiki isian berikut:",
    noAnswer: "Peladen tidak menjawab. Teks Anda masih ada di sini; coba kirim lagi.",
    waiting: "Komentar Anda menunggu moderasi.",
    onlyYou: "Hanya Anda yang melihatnya.",
    published: "Komentar Anda sudah terbit.",
    rejected: "Komentar Anda tidak diterbitkan.",
    changed: "Komentar diperbarui.",
    replyTo: "Balas {name}",
  },
  en: {
    notSent: "Your comment was not sent.",
    correct: "Your comment was not sent. Correct these fields:",
    noAnswer: "The server did not answer. Your text is still here; send it again.",
    waiting: "Your comment is awaiting moderation.",
    onlyYou: "Only you see it.",
    published: "Your comment is published.",
    rejected: "Your comment was not published.",
    changed: "The comments have changed.",
    replyTo: "Reply to {name}",
  },
};
const words = SENTENCES[document.documentElement.lang.slice(0, 2)] ?? SENTENCES.en;

const STATUS_WAITS_MS = [300, 600, 1200, 2000];
const STATUS_WAIT_MS = 3000;
const STATUS_GIVE_UP_MS = 60000;
const FEED_EVERY_MS = 1500;
const FEED_SLOWEST_MS = 30000;
const TIMEOUT_MS = 10000;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const element = (tag, values = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), values);
  made.append(...children);
  return made;
};
const tell = (text) => {
  const region = $("#told");
  if (region) region.textContent = text;
};

// --- faults: a linked summary that takes the focus, and the text above each field ---

function clearFaults(form) {
  for (const line of $$(".err", form)) line.remove();
  for (const field of $$("[aria-invalid]", form)) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
  const summary = $("#faults");
  if (summary) summary.hidden = true;
}

function showFaults(form, errors, problem) {
  let summary = $("#faults");
  if (!summary) {
    summary = element("div", { id: "faults", className: "note is-no", tabIndex: -1 });
    summary.setAttribute("role", "alert");
    form.before(summary);
  }
  summary.replaceChildren();
  if (problem) summary.append(element("p", {}, element("b", { textContent: words.notSent }), ` ${problem}`));
  const list = element("ul");
  for (const [name, text] of Object.entries(errors)) {
    const field = form.elements.namedItem(name);
    if (!field?.id) {
      list.append(element("li", { textContent: text }));
      continue;
    }
    list.append(element("li", {}, element("a", { href: `#${field.id}`, textContent: text })));
    field.before(element("p", { className: "err", id: `e-${field.id}`, textContent: text }));
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", `e-${field.id}`);
  }
  if (list.children.length) summary.append(element("p", {}, element("b", { textContent: words.correct })), list);
  summary.hidden = false;
  summary.focus();
}

// --- the author's own comment, as long as nobody else sees it ---

let mine = null; // {id, status, box}: what this page has sent last
let told = false; // the thread's next change was announced already, as the publication of the reader's own comment

function note(comment, text) {
  const box = element("article", { className: "note is-hold", id: `comment-${comment.id}`, tabIndex: -1 });
  box.dataset.own = comment.status;
  box.append(
    element("p", {}, element("b", { textContent: comment.message || words.waiting }), ` ${words.onlyYou}`),
    element("p", { className: "meta" }, element("b", { dir: "auto", textContent: comment.author })),
    element("blockquote", { className: "words", dir: "auto" }, element("p", { textContent: text })),
  );
  return box;
}

function place(box) {
  const section = $("#comments");
  for (const old of $$("[data-own]", section ?? document)) old.remove();
  const heading = section && $("h2", section);
  if (heading) heading.after(box);
  else $("[data-comment-form]").before(box);
}

/** Put the newest thread and box of the same page in place of the old ones; the reader's own place is kept. */
async function refresh() {
  const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["comments", "recent"]) {
    const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
    if (!old || !fresh || $("details.report[open]", old)) continue; // a report that is being written is not taken away
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const again = focused?.dataset.reply ? `[data-reply="${focused.dataset.reply}"]` : focused?.id ? `#${focused.id}` : null;
    const own = mine?.box && mine.status !== "APPROVED" && !$("[data-own]", fresh) ? mine.box : null;
    old.replaceWith(document.adoptNode(fresh));
    if (own && id === "comments") place(own);
    if (again) $(again)?.focus({ preventScroll: true });
  }
}

async function follow(comment, url) {
  const end = Date.now() + STATUS_GIVE_UP_MS;
  for (let round = 0; Date.now() < end && mine === comment; round += 1) {
    await sleep(STATUS_WAITS_MS[round] ?? STATUS_WAIT_MS);
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) continue;
      const { status } = await answer.json();
      if (await settle(comment, status)) return;
    } catch {
      // The connection may come back; the thread is asked for on its own as well.
    }
  }
}

/** Act on a final status; true when there is nothing more to ask. */
async function settle(comment, status) {
  comment.status = status;
  if (status === "APPROVED") {
    comment.box?.remove();
    told = true;
    await refresh();
    tell(words.published);
    return true;
  }
  if (status !== "REJECTED") return false;
  const line = element("article", { className: "note is-no", id: `comment-${comment.id}`, tabIndex: -1 });
  line.dataset.own = status;
  line.append(element("p", {}, element("b", { textContent: words.rejected })));
  comment.box = line;
  place(line);
  tell(words.rejected);
  return true;
}

// --- sending ---

async function send(form) {
  const button = $("button:not([type=button])", form);
  const data = new URLSearchParams(new FormData(form));
  button.disabled = true;
  form.setAttribute("aria-busy", "true");
  let answer = null;
  let body = {};
  try {
    answer = await fetch(form.action, {
      method: "POST",
      body: data,
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if ((answer.headers.get("Content-Type") ?? "").includes("json")) body = await answer.json();
  } catch {
    answer = null;
  }
  button.disabled = false;
  form.removeAttribute("aria-busy");
  clearFaults(form);
  if (!answer?.ok || body.id === undefined) {
    const problem = body.errors ? "" : body.error?.message || words.noAnswer;
    showFaults(form, body.errors ?? {}, problem);
    return;
  }
  remember(form);
  const text = data.get("comment");
  const comment = { id: body.id, status: body.status, message: body.message, author: data.get("author"), box: null };
  mine = comment;
  form.elements.namedItem("comment").value = "";
  answerTo(form, "0", "");
  if (body.hash) {
    // A reload, too, shows the author's own waiting comment.
    const address = new URL(location.href);
    address.searchParams.delete("replytocom");
    address.searchParams.set("unapproved", body.id);
    address.searchParams.set("moderation-hash", body.hash);
    address.hash = `comment-${body.id}`;
    history.replaceState(null, "", address);
  }
  if (await settle(comment, body.status)) return;
  comment.box = note(comment, text);
  place(comment.box);
  comment.box.focus();
  if (body.status_url) follow(comment, body.status_url);
}

// --- "Save my name, email, and website in this browser" ---

const SAVED = "moderation.author";
const KEPT = ["author", "email", "url"];
const consent = (form) => form.elements.namedItem("wp-comment-cookies-consent");

function remember(form) {
  try {
    if (consent(form)?.checked) {
      const values = KEPT.map((name) => [name, form.elements.namedItem(name)?.value ?? ""]);
      localStorage.setItem(SAVED, JSON.stringify(Object.fromEntries(values)));
    } else {
      localStorage.removeItem(SAVED);
    }
  } catch {
    // A browser that keeps nothing: the comment is sent all the same.
  }
}

function recall(form) {
  let values = null;
  try {
    values = JSON.parse(localStorage.getItem(SAVED));
  } catch {
    return;
  }
  if (!values) return;
  for (const name of KEPT) {
    const field = form.elements.namedItem(name);
    if (field && !field.value) field.value = values[name] ?? "";
  }
  if (consent(form)) consent(form).checked = true;
}

// --- answering somebody, without losing what is written already ---

function answerTo(form, id, name) {
  form.elements.namedItem("comment_parent").value = id;
  const heading = $("#reply-h");
  if (!heading) return;
  heading.dataset.plain ??= $("#cancel-reply:not([hidden])") ? "" : heading.textContent;
  if (id === "0" && heading.dataset.plain === "") return;
  heading.textContent = id === "0" ? heading.dataset.plain : words.replyTo.replace("{name}", name);
  const cancel = $("#cancel-reply");
  if (cancel) cancel.hidden = id === "0";
}

function replies(form) {
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest("a[data-reply]");
    const cancel = event.target.closest("#cancel-reply a");
    if (!link && !cancel) return;
    if (cancel && $("#reply-h")?.dataset.plain === "") return; // the page itself was opened as an answer
    event.preventDefault();
    answerTo(form, link?.dataset.reply ?? "0", link?.dataset.author ?? "");
    form.elements.namedItem("comment").focus();
  });
}

// --- the thread follows decisions while the page is looked at ---

async function watch(feed) {
  let etag = "";
  let wait = FEED_EVERY_MS;
  for (;;) {
    if (document.hidden) {
      await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
      continue;
    }
    try {
      const answer = await fetch(feed, {
        headers: { Accept: "application/json", ...(etag && { "If-None-Match": etag }) },
        cache: "no-store",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!answer.ok && answer.status !== 304) throw new Error(`status ${answer.status}`);
      if (answer.status !== 304) {
        const known = etag;
        const tag = answer.headers.get("ETag") ?? "";
        if (known && tag !== known) {
          await refresh();
          if (!told) tell(words.changed);
          told = false;
        }
        etag = tag;
      }
      wait = FEED_EVERY_MS;
    } catch {
      wait = Math.min(wait * 2, FEED_SLOWEST_MS);
    }
    await sleep(wait);
  }
}

const form = $("form[data-comment-form]");
if (form) {
  recall(form);
  replies(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") !== "true") send(form);
  });
}
const feed = $("#comments")?.dataset.feed;
if (feed) watch(feed);
