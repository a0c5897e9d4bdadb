// Comments for an article of any site, in two lines:
//   <div id="comments" data-story="s-1" data-title="An article"></div>
//   <script src="https://moderation.example/f/SITE/embed.js" defer></script>
// The site is known by the address of this script. A form inside the div is what readers without JavaScript use: it is
// kept and enhanced; where there is none, one is built. What readers wrote goes into the page as text and never as HTML.
// On the div, if you like: data-url (the article's address), data-sort="newest", data-limit, data-lang, data-style.
(() => {
  "use strict";

  const script = document.currentScript ?? document.querySelector('script[src*="/embed.js"]');
  const box = document.querySelector("#comments[data-story], [data-story]");
  if (!script || !box || box.dataset.moderation) return;
  box.dataset.moderation = "here";

  const BASE = new URL(".", script.src);
  const STORY = box.dataset.story;
  const FIELDS = ["comment", "author", "email", "url"];
  const LENGTHS = { comment: 65525, author: 245, email: 100, url: 200 };
  const TIMEOUT_MS = 15000;
  const TOKEN_MS = 12 * 3600 * 1000;
  const LOOK_FIRST_MS = 2000;
  const LOOK_SLOWEST_MS = 60000;
  const PAGES_TO_AN_ANCHOR = 10;
  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const DATED_AFTER_DAYS = 30;
  const AWAY = {
    id: ["Komentar tidak dapat dimuat.", "Coba lagi"],
    en: ["The comments could not be loaded.", "Try again"],
  };

  let frame = null; // what GET …/form answered: texts, labels, language, token, closed
  let tokenAt = 0;
  let sort = box.dataset.sort === "newest" ? "newest" : "oldest";
  let next = null;
  let turn = 0; // grows with every new beginning of the list: a late answer to an earlier one is dropped
  let answering = null;
  let form = null;
  const parts = {};

  // --- small tools ---

  function make(tag, values = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(values)) {
      if (name === "text") made.textContent = value;
      else if (name === "click") made.addEventListener("click", value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null) made.setAttribute(name, value);
    }
    made.append(...children.filter(Boolean));
    return made;
  }

  const button = (text, click, values = {}) => make("button", { type: "button", text, click, ...values });
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const seen = () =>
    document.hidden ? new Promise((done) => document.addEventListener("visibilitychange", done, { once: true })) : null;

  function tell(text) {
    parts.told.textContent = text;
  }

  function goTo(element) {
    if (!element.hasAttribute("tabindex") && !element.matches("a, button, input, textarea")) element.tabIndex = -1;
    element.focus();
  }

  async function ask(path, query = {}, options = {}) {
    const address = new URL(path, BASE);
    for (const [name, value] of Object.entries(query)) if (value) address.searchParams.set(name, value);
    if (box.dataset.lang) address.searchParams.set("lang", box.dataset.lang);
    const answer = await fetch(address, {
      headers: { Accept: "application/json" },
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...options,
    });
    const body = await answer.json();
    return { ok: answer.ok, status: answer.status, body };
  }

  async function read(path, query, options) {
    const answer = await ask(path, query, options);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.body;
  }

  // What this tab remembers of this story: a draft, and one's own comments that wait.
  const KEY = `moderation:${BASE.pathname}${STORY}`;
  function memory(change) {
    let kept = {};
    try {
      kept = JSON.parse(sessionStorage.getItem(KEY)) ?? {};
      if (change) sessionStorage.setItem(KEY, JSON.stringify(Object.assign(kept, change)));
    } catch {
      // A browser that keeps nothing: the form works all the same.
    }
    return kept;
  }

  // --- times ---

  function ago(at) {
    const seconds = (Date.now() - at) / 1000;
    if (seconds > DATED_AFTER_DAYS * 86400) {
      return new Intl.DateTimeFormat(frame.language, { dateStyle: "long" }).format(at);
    }
    const words = new Intl.RelativeTimeFormat(frame.language, { numeric: "auto" });
    for (const [unit, size] of UNITS) if (seconds >= size) return words.format(-Math.floor(seconds / size), unit);
    return words.format(0, "minute");
  }

  function moment(text) {
    const at = new Date(text);
    const full = new Intl.DateTimeFormat(frame.language, { dateStyle: "long", timeStyle: "short" });
    return make("time", { datetime: text, title: full.format(at), text: ago(at) });
  }

  function keepTimes() {
    setInterval(() => {
      if (document.hidden) return;
      for (const line of parts.section.querySelectorAll("time")) line.textContent = ago(new Date(line.dateTime));
    }, 60000);
  }

  // --- the thread ---

  function paragraphs(text) {
    const words = make("div", { class: "mc-text", dir: "auto" });
    for (const block of text.split(/\n{2,}/)) {
      const paragraph = make("p");
      block.split("\n").forEach((line, n) => paragraph.append(...(n ? [make("br")] : []), line));
      words.append(paragraph);
    }
    return words;
  }

  function byline(author) {
    const name = make("bdi", { text: author.name });
    const known = /^https?:\/\//i.test(author.url ?? "");
    return make("b", {}, known ? make("a", { href: author.url, rel: "nofollow ugc noopener" }, name) : name);
  }

  function comment(item) {
    const badge = item.author.staff && make("span", { class: "mc-staff", text: frame.labels.staff });
    const head = make("p", { class: "mc-by" }, byline(item.author), " ", badge, badge && " ", moment(item.created_at));
    const reply =
      !frame.closed &&
      button(frame.labels.reply, () => answer(item.id, item.author.name, reply), {
        class: "mc-reply",
        "aria-label": frame.labels.reply_to.replace("{name}", item.author.name),
      });
    const body = make("article", { id: `comment-${item.id}` }, head, paragraphs(item.text), reply, reporting(item));
    const replies = make("ul", { class: "mc-replies" }, ...item.replies.map(comment));
    replies.hidden = !item.replies.length;
    const line = make("li", {}, body, replies);
    if (item.more) line.append(moreReplies(item.id, item.more, replies));
    return line;
  }

  // --- reporting a comment ---

  /** A fold with the reasons; it is filled when it is opened, for few readers ever do. */
  function reporting(item) {
    const { labels } = frame;
    const head = make("summary", { text: labels.report, "aria-label": labels.report_of.replace("{name}", item.author.name) });
    const fold = make("details", { class: "mc-report" }, head);
    fold.addEventListener("toggle", () => {
      if (fold.open && !fold.querySelector("form")) fold.append(reportForm(item, fold));
    });
    return fold;
  }

  function reportForm(item, fold) {
    const { labels } = frame;
    const why = `mc-why-${item.id}`;
    const words = `mc-words-${item.id}`;
    const reasons = Object.entries(frame.reasons).map(([code, name]) => make("option", { value: code, text: name }));
    const problem = make("p", { class: "mc-fault", role: "alert", hidden: true });
    const made = make(
      "form",
      {},
      problem,
      make("label", { for: why, text: labels.report_why }),
      make("select", { id: why, name: "reason" }, ...reasons),
      make("label", { for: words, text: labels.report_text }),
      make("input", { id: words, name: "text", maxlength: 1000, autocomplete: "off" }),
      make("button", { text: labels.report_send }),
    );
    made.addEventListener("submit", async (event) => {
      event.preventDefault();
      const data = new URLSearchParams(new FormData(made));
      const sender = made.querySelector("button");
      sender.disabled = true;
      let reply = null;
      try {
        if (Date.now() - tokenAt > TOKEN_MS) await renew();
        data.set("moderation_token", frame.token);
        reply = await ask(`comments/${item.id}/reports`, {}, { method: "POST", body: data });
      } catch {
        reply = null; // what was chosen stays where it is
      }
      sender.disabled = false;
      if (reply?.ok) {
        const thanks = make("p", { class: "mc-told", text: reply.body.message });
        fold.replaceWith(thanks);
        goTo(thanks);
        tell(reply.body.message);
      } else {
        problem.textContent = reply?.body.error?.message ?? labels.report_failed;
        problem.hidden = false;
      }
    });
    return made;
  }

  function moreReplies(id, after, list) {
    const load = async () => {
      let page;
      more.disabled = true;
      try {
        page = await read("comments", { story: STORY, parent: id, after });
      } catch {
        tell(away()[0]);
        return;
      } finally {
        more.disabled = false;
      }
      append(list, page.comments);
      more.remove();
      if (page.next) list.after(moreReplies(id, page.next, list));
    };
    const more = button(frame.labels.more_replies, load, { class: "mc-more" });
    return more;
  }

  /** Add comments to a list and go to the first of them; one that stands there already (they move) is not added twice. */
  function append(list, items) {
    const lines = items.filter((item) => !document.getElementById(`comment-${item.id}`)).map(comment);
    list.append(...lines);
    list.hidden = !list.children.length;
    if (lines.length) goTo(lines[0].querySelector("article"));
    tell(frame.labels.loaded);
  }

  function showPage(page) {
    next = page.next;
    parts.count.textContent = ` (${new Intl.NumberFormat(frame.language).format(page.count)})`;
    parts.order.hidden = page.count < 2;
    parts.none.hidden = page.count > 0;
    parts.more.hidden = !next;
    parts.away.hidden = true;
  }

  const pageQuery = (after) => ({ story: STORY, sort, limit: box.dataset.limit, after });

  /** Show the list from its beginning; `fresh` asks past the browser's cache. */
  async function begin(fresh = false) {
    turn += 1;
    const mine = turn;
    try {
      const page = await read("comments", pageQuery(), fresh ? { cache: "no-cache" } : {});
      if (mine !== turn) return false;
      parts.list.replaceChildren(...page.comments.map(comment));
      showPage(page);
      return true;
    } catch {
      if (mine === turn) parts.away.hidden = false;
      return false;
    }
  }

  async function more() {
    const mine = turn;
    parts.more.disabled = true;
    try {
      const page = await read("comments", pageQuery(next));
      if (mine !== turn) return;
      showPage(page);
      append(parts.list, page.comments);
    } catch {
      parts.away.hidden = false;
    } finally {
      parts.more.disabled = false;
    }
  }

  async function order(wanted) {
    sort = wanted;
    markOrder();
    if (await begin()) tell(frame.labels[sort]);
  }

  function markOrder() {
    for (const [name, choice] of Object.entries(parts.orders)) {
      choice.setAttribute("aria-pressed", name === sort);
      // seen as chosen even where no style says so
      choice.replaceChildren(name === sort ? make("strong", { text: frame.labels[name] }) : frame.labels[name]);
    }
  }

  /** A link to a comment (a feed has such) leads to it, though it may stand on a later page. */
  async function anchor() {
    const wanted = /^#(comment-\d+)$/.exec(location.hash)?.[1];
    if (!wanted) return;
    for (let n = 0; n < PAGES_TO_AN_ANCHOR && next && !document.getElementById(wanted); n += 1) await more();
    const found = document.getElementById(wanted);
    if (!found) return;
    found.scrollIntoView();
    goTo(found);
  }

  // --- one's own comments that wait ---

  function showOwn(own) {
    const head = make("p", { class: "mc-by" }, make("b", {}, make("bdi", { text: own.author })), " ", moment(own.at));
    const state = make("p", { class: "mc-state" }, make("strong", { text: own.message }), ` ${frame.labels.only_you}`);
    const note = make("article", { class: "mc-own", id: `comment-${own.id}` }, state, head, paragraphs(own.text));
    parts.own.append(note);
    return note;
  }

  function forget(own) {
    memory({ own: (memory().own ?? []).filter((kept) => kept.id !== own.id) });
  }

  async function settle(own, note, status) {
    if (status === "PENDING" || status === "HELD") return false;
    forget(own);
    const focused = note.contains(document.activeElement);
    if (status === "APPROVED") {
      note.remove();
      await begin(true);
      if (focused) goTo(document.getElementById(`comment-${own.id}`) ?? parts.title);
      tell(frame.labels.published);
    } else {
      note.querySelector(".mc-state").replaceChildren(make("strong", { text: frame.labels.rejected }));
      tell(frame.labels.rejected);
    }
    return true;
  }

  /** Ask now and then, while the page is looked at, what became of it. */
  async function follow(own, note) {
    for (let wait = LOOK_FIRST_MS; ; wait = Math.min(wait * 2, LOOK_SLOWEST_MS)) {
      await sleep(wait);
      await seen();
      let look;
      try {
        look = await ask(own.url, {}, { cache: "no-store" });
      } catch {
        continue; // the connection may come back
      }
      if (look.ok && (await settle(own, note, look.body.status))) return;
      if (look.status === 404) {
        note.remove();
        forget(own);
        return;
      }
    }
  }

  // --- the form ---

  function field(name) {
    const values = { id: `mc-${name}`, name, maxlength: LENGTHS[name] };
    const kind = { email: "email", url: "url" }[name] ?? "text";
    const input =
      name === "comment"
        ? make("textarea", { ...values, rows: 5, required: true })
        : make("input", { ...values, type: kind, autocomplete: name === "author" ? "name" : name, required: name !== "url" });
    return make("div", { class: "mc-field" }, make("label", { for: values.id, text: frame.labels[name] }), make("br"), input);
  }

  function build() {
    const trap = make("input", { id: "mc-trap", name: "moderation_website", tabindex: -1, autocomplete: "off" });
    const made = make(
      "form",
      { class: "mc-form", method: "post", action: new URL("comments", BASE) },
      ...FIELDS.map(field),
      make("div", { hidden: true }, make("label", { for: "mc-trap", text: frame.labels.trap }), trap),
      make("p", {}, make("button", { text: frame.texts.button })),
    );
    parts.reply = make("section", { class: "mc-write", "aria-labelledby": "mc-write" });
    parts.reply.append(make("h3", { id: "mc-write", text: frame.texts.heading }));
    if (frame.texts.intro) parts.reply.append(make("p", { text: frame.texts.intro }));
    parts.reply.append(made);
    box.append(parts.reply);
    return made;
  }

  function hidden(name, value) {
    let input = form.elements.namedItem(name);
    if (!input) {
      input = make("input", { type: "hidden", name });
      form.append(input);
    }
    if (value !== undefined) input.value = value;
    return input;
  }

  function address() {
    if (box.dataset.url) return new URL(box.dataset.url, location.href).href;
    const canonical = document.querySelector('link[rel="canonical"]')?.href;
    if (canonical && new URL(canonical).origin === location.origin) return canonical;
    return location.origin + location.pathname + location.search;
  }

  function prepare() {
    form = box.querySelector("form") ?? build();
    form.noValidate = true; // the server's faults come all at once, and in the site's language
    hidden("comment_post_ID", STORY);
    hidden("comment_post_url", address());
    hidden("comment_post_title", box.dataset.title ?? document.title);
    hidden("comment_parent", "0");
    hidden("moderation_token", frame.token);
    for (const name of FIELDS) {
      const input = form.elements.namedItem(name);
      if (input && !input.labels?.length && !input.hasAttribute("aria-label")) {
        input.setAttribute("aria-label", frame.labels[name]);
      }
    }
    parts.problem = make("p", { class: "mc-problem", role: "alert", tabindex: -1, hidden: true });
    parts.answering = make("p", { class: "mc-answering", hidden: true });
    form.prepend(parts.problem, parts.answering);
    const text = form.elements.namedItem("comment");
    const draft = memory().draft;
    if (draft && !text.value) text.value = draft;
    text.addEventListener("input", () => memory({ draft: text.value }));
    form.addEventListener("focusin", renew);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.getAttribute("aria-busy") !== "true") send();
    });
  }

  async function renew() {
    if (Date.now() - tokenAt < TOKEN_MS) return;
    tokenAt = Date.now();
    try {
      frame.token = (await read("form", { story: STORY })).token;
      if (form) hidden("moderation_token", frame.token);
    } catch {
      tokenAt = 0; // the next touch of the form tries again
    }
  }

  function answer(id, name, opener) {
    answering = id ? opener : null;
    hidden("comment_parent", id ?? "0");
    parts.answering.hidden = !id;
    parts.answering.replaceChildren();
    if (!id) return;
    const cancel = () => {
      answer(null);
      goTo(opener.isConnected ? opener : parts.title);
    };
    const words = make("span", { text: frame.labels.reply_to.replace("{name}", name) });
    parts.answering.append(words, " ", button(frame.labels.cancel_reply, cancel));
    form.elements.namedItem("comment").focus();
  }

  function clearFaults() {
    parts.problem.hidden = true;
    for (const line of form.querySelectorAll(".mc-fault")) line.remove();
    for (const input of form.querySelectorAll("[aria-invalid]")) {
      input.removeAttribute("aria-invalid");
      input.removeAttribute("aria-describedby");
    }
  }

  function showFaults(errors, problem) {
    const places = FIELDS.filter((name) => errors[name] && form.elements.namedItem(name));
    const others = Object.keys(errors).filter((name) => !places.includes(name)).map((name) => errors[name]);
    for (const name of places) {
      const input = form.elements.namedItem(name);
      const line = make("p", { class: "mc-fault", id: `mc-fault-${name}`, text: errors[name] });
      (input.closest("label") ?? input).after(line);
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", line.id);
    }
    parts.problem.textContent = [frame.labels.not_sent, ...others, problem].filter(Boolean).join(" ");
    parts.problem.hidden = false;
    goTo(places.length ? form.elements.namedItem(places[0]) : parts.problem);
  }

  async function send() {
    const data = new URLSearchParams(new FormData(form));
    const sender = form.querySelector("button:not([type=button]), input[type=submit]");
    if (sender) sender.disabled = true;
    form.setAttribute("aria-busy", "true");
    let reply = null;
    try {
      reply = await ask("comments", {}, { method: "POST", body: data });
    } catch {
      reply = null; // what was written stays where it is
    }
    if (sender) sender.disabled = false;
    form.removeAttribute("aria-busy");
    clearFaults();
    if (!reply?.ok) return refused(reply?.body ?? {});
    const own = {
      id: reply.body.id,
      url: reply.body.status_url,
      message: reply.body.message,
      author: data.get("author"),
      text: data.get("comment"),
      at: new Date().toISOString(),
    };
    memory({ draft: "", own: [...(memory().own ?? []), own] });
    form.elements.namedItem("comment").value = "";
    answer(null);
    const note = showOwn(own);
    goTo(note);
    if (!(await settle(own, note, reply.body.status))) follow(own, note);
    return undefined;
  }

  function refused(body) {
    const { error } = body;
    if (error?.field === "moderation_token") {
      tokenAt = 0;
      renew();
    }
    if (error?.code === "story_closed") close(error.message);
    else showFaults(body.errors ?? {}, body.errors ? "" : (error?.message ?? frame.labels.no_answer));
  }

  /** The story takes no more comments. What somebody has written already stays readable. */
  function close(sentence) {
    const line = make("p", { class: "mc-closed", text: sentence });
    const inside = box.querySelector("form");
    if (inside && form?.elements.namedItem("comment")?.value) {
      form.before(line);
      form.querySelector("button:not([type=button]), input[type=submit]")?.setAttribute("disabled", "");
    } else {
      (parts.reply ?? inside)?.remove();
      box.append(line);
    }
    for (const reply of parts.section.querySelectorAll(".mc-reply")) reply.remove();
    goToIfLost(line);
  }

  function goToIfLost(element) {
    if (form && document.activeElement === document.body) goTo(element);
  }

  // --- all together ---

  function layOut() {
    const { labels } = frame;
    parts.count = make("span");
    parts.title = make("h2", { id: "mc-title" }, labels.comments, parts.count);
    parts.orders = {};
    for (const name of ["oldest", "newest"]) {
      parts.orders[name] = button(labels[name], () => order(name));
    }
    markOrder();
    parts.order = make("div", { class: "mc-order", role: "group", "aria-label": labels.order, hidden: true });
    parts.order.append(parts.orders.oldest, " ", parts.orders.newest);
    parts.told = make("p", { class: "mc-told", role: "status" });
    parts.own = make("div");
    parts.none = make("p", { class: "mc-none", text: labels.none, hidden: true });
    parts.list = make("ul", { class: "mc-list" });
    parts.more = button(labels.more, more, { class: "mc-more", hidden: true });
    const [sentence, again] = away();
    const retry = () => (parts.list.children.length ? more() : begin(true));
    parts.away = make("p", { class: "mc-away", hidden: true }, sentence, " ", button(again, retry));
    parts.section = make(
      "section",
      { class: "mc", lang: frame.language, "aria-labelledby": "mc-title" },
      ...[parts.title, parts.order, parts.told, parts.own, parts.none, parts.list, parts.away, parts.more],
    );
    box.prepend(parts.section);
    if (box.dataset.style !== undefined || script.dataset.style !== undefined) {
      document.head.append(make("link", { rel: "stylesheet", href: new URL("embed.css", BASE) }));
    }
  }

  function away() {
    const language = frame?.language ?? (box.dataset.lang || document.documentElement.lang).slice(0, 2);
    return AWAY[language] ?? AWAY.en;
  }

  async function start() {
    try {
      frame = await read("form", { story: STORY });
    } catch {
      // The page's own form, if there is one, still posts.
      const [sentence, again] = away();
      const line = make("p", { class: "mc-away", role: "status" }, sentence, " ");
      line.append(button(again, () => line.remove() ?? start()));
      box.prepend(line);
      return;
    }
    tokenAt = Date.now();
    layOut();
    if (frame.closed) close(frame.texts.closed);
    else prepare();
    for (const own of memory().own ?? []) follow(own, showOwn(own));
    keepTimes();
    if (await begin()) await anchor();
  }

  start();
})();
