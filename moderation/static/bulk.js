// The page of a bulk job, of a rescore run or of what is applied of one follows its job: figures by themselves, and the whole page anew when its state changes.
const PAUSE_MS = 1000;
const LONGEST_MS = 10000;

const job = document.querySelector("#job");
let tag = "";
let pause = PAUSE_MS;

function show(body) {
  if (body.state !== job.dataset.state) {
    location.reload(); // other buttons, and what was left alone
    return;
  }
  const bar = job.querySelector("progress");
  bar.value = Math.round(body.share * bar.max);
  for (const place of job.querySelectorAll("[data-figure]")) {
    const text = body.texts[place.dataset.figure] ?? "";
    if (place.textContent !== text) place.textContent = text;
  }
}

async function look() {
  if (document.visibilityState === "visible") {
    try {
      const headers = { Accept: "application/json", ...(tag && { "If-None-Match": tag }) };
      const answer = await fetch(job.dataset.progress, { headers, signal: AbortSignal.timeout(LONGEST_MS) });
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") ?? "";
        show(await answer.json());
      }
      pause = answer.ok || answer.status === 304 ? PAUSE_MS : LONGEST_MS;
    } catch {
      pause = Math.min(pause * 2, LONGEST_MS);
    }
  }
  setTimeout(look, pause);
}

if (job?.dataset.state === "running") setTimeout(look, pause);
