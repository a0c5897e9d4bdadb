"""Makes the pictures of every page: fills a database with an invented week, serves it in this process, and looks.

Usage: make screenshots, or .venv/bin/python -m docs.make_screenshots [--folder FOLDER] [--only NAME …]; it needs
chromium.

Writes docs/screens/NAME-{wide,320}-{light,dark}.png and their list docs/screens.md, and the two pictures of README.md
in docs/images. Wide light and narrow dark are in Indonesian, the others in English. The pictures are small because
they are drawn with few colours (see `packed`).
"""

import argparse
import base64
import itertools
import logging
import shutil
import struct
import tempfile
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import make_server

from docs import screenshot_data, screenshot_policies
from docs.screenshot_data import EMAIL, PASSWORD, Made
from docs.screenshot_policies import MadePolicies
from moderation import bootstrap
from moderation.app import create_app
from moderation.db import Database
from moderation.settings import load

ROOT = Path(__file__).parent.parent
COLOURS = 32
"""Of one picture: enough for letters with soft edges on a few grounds."""
TALLEST = {1280: 1200, 320: 1300}
"""Width of a window → the greatest height of its picture, both in pixels."""
LOWEST = 760
"""The least height of a picture, in pixels: what the wide pages have at their side is as high."""


class Nowhere:
    """Nudges go nowhere: no worker listens."""

    def send(self, task: str) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One page: its address, what it shows in a word, and what is done before the picture is taken."""

    path: str
    about: str
    before: Callable[[Page], Any] = lambda _page: None
    signed_in: bool = True


def shots(made: Made, policies: MadePolicies) -> Mapping[str, Shot]:
    """Name → page, in the order of the list."""
    site, run = made.site, policies.run
    return {
        "queue": Shot("/queue", "The queue"),
        "queue-reasons": Shot("/queue", "Rejecting: the reasons", lambda page: page.keyboard.press("d")),
        "keys": Shot("/queue", "Keyboard shortcuts", lambda page: page.keyboard.press("?")),
        "selected": Shot("/queue", "Several selected", _select),
        "reported": Shot("/queue?tab=reported", "Reported by readers"),
        "approved": Shot("/queue?tab=approved", "Approved"),
        "mine": Shot("/queue?tab=mine", "Mine, with what was escalated"),
        "search": Shot("/queue?q=goblok+status:held,rejected", "A search"),
        "search-wrong": Shot("/queue?q=score:viel", "A search that says what is wrong"),
        "comment": Shot(f"/queue/{made.comment}", "One comment"),
        "escalated": Shot(f"/queue/{made.escalated}", "One comment with a question to the seniors"),
        "author": Shot(f"/authors/{made.author}", "An author"),
        "ban": Shot(f"/authors/{made.author}/ban", "Banning an author"),
        "article": Shot(f"/stories/{made.story}", "An article"),
        "floods": Shot("/queue/groups", "Floods"),
        "flood": Shot(f"/queue/groups/campaign/{made.campaign}", "A flood"),
        "bulk": Shot("/queue/bulk", "Bulk jobs"),
        "bulk-preview": Shot("/queue/bulk?q=status:held", "Before a bulk job"),
        "bulk-job": Shot(f"/queue/bulk/{made.job}", "A bulk job"),
        "second-looks": Shot("/queue/second-looks", "A second look"),
        "statistics": Shot("/statistics", "Statistics"),
        "policies": Shot("/policies", "Policies"),
        "policy": Shot(f"/policies/{site}", "A site's policy"),
        "policy-draft": Shot(f"/policies/drafts/{policies.draft}", "A draft, and what it would have done"),
        "policy-publish": Shot(f"/policies/drafts/{policies.draft}/publish", "Before a draft is published"),
        "policy-diff": Shot(f"/policies/{site}/diff?old=0&new=1", "What differs between two versions"),
        "policy-advice": Shot(f"/policies/{site}/advice", "Advice on the marks"),
        "rescores": Shot(f"/rescores?site={site}&q=after:7d&scorer=builtin&policy=", "Before a rescore run"),
        "rescore": Shot(f"/rescores/{run}", "A rescore run's report"),
        "rescore-movement": Shot(f"/rescores/{run}/movement?was=approve&would=hold", "What would be held now"),
        "rescore-preview": Shot(f"/rescores/{run}/apply?move=approve%3Ehold", "Before a report is applied"),
        "rescore-job": Shot(f"/rescores/{run}/apply/{policies.applied}", "A report being applied"),
        "scorers": Shot("/scorers", "Scorers: who judges, and what drifts"),
        "account": Shot("/account", "My account"),
        "tokens": Shot("/account/tokens", "Personal tokens"),
        "sites": Shot("/sites", "Sites"),
        "site": Shot(f"/sites/{site}", "A site's settings"),
        "site-new": Shot("/sites/new", "A new site"),
        "connect": Shot(f"/sites/{site}/connect", "Connecting a site"),
        "deliveries": Shot("/deliveries", "Deliveries"),
        "delivery": Shot(f"/deliveries/{made.delivery}", "A delivery"),
        "login": Shot("/login", "Signing in", signed_in=False),
        "demo": Shot("/demo", "The demo article", signed_in=False),
        "demo-report": Shot("/demo", "A reader reports a comment", _open_report, signed_in=False),
        "api": Shot("/api/docs", "The API", signed_in=False),
    }


def _select(page: Page) -> None:
    for box in page.locator("label.pick").all()[:2]:
        box.click()


def _open_report(page: Page) -> None:
    page.locator("details.report summary").first.click()


def main() -> None:
    """Fill, serve, look."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        settings = replace(
            load({}),
            data_dir=Path(data),
            admin_email=EMAIL,
            admin_password=PASSWORD,
            secret_key="k" * 40,
            test_fast_hash=True,
            scorer="builtin",
        )
        db = Database(settings.database, info={"sender": Nowhere()})
        bootstrap.prepare(db, settings)
        made = screenshot_data.fill(db, settings)
        policies = screenshot_policies.fill(db, settings, made.site, made.me)
        server = make_server("127.0.0.1", 0, create_app(settings, sender=Nowhere()), threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            look(f"http://127.0.0.1:{server.server_port}", made, policies, options.folder, options.only)
        finally:
            server.shutdown()
            thread.join()
            db.dispose()


def look(base: str, made: Made, policies: MadePolicies, folder: Path, only: list[str]) -> None:
    """Take the pictures."""
    (folder / "screens").mkdir(parents=True, exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    wanted = {name: shot for name, shot in shots(made, policies).items() if not only or name in only}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
        )
        blank = browser.new_page()
        for width, scheme in itertools.product(TALLEST, ("light", "dark")):
            kind = "wide" if width > 320 else "320"
            for signed_in in (True, False):
                context = _context(browser, base, made.session if signed_in else "", width, scheme)
                for name, shot in wanted.items():
                    if shot.signed_in == signed_in:
                        picture = packed(blank, _picture(context, base, shot, width))
                        (folder / "screens" / f"{name}-{kind}-{scheme}.png").write_bytes(picture)
                        if (kind, scheme) == ("wide", "light") and name in ("queue", "demo"):
                            (folder / "images" / f"{name}.png").write_bytes(picture)
                context.close()
        browser.close()
    if not only:
        write_list(folder / "screens.md", wanted)


def _context(browser: Browser, base: str, session: str, width: int, scheme: str) -> BrowserContext:
    indonesian = (width > 320) == (scheme == "light")
    context = browser.new_context(
        viewport={"width": width, "height": LOWEST},
        locale="id-ID" if indonesian else "en-GB",
        color_scheme="light" if scheme == "light" else "dark",
        reduced_motion="reduce",
    )
    if session:
        context.add_cookies([{"name": "session", "value": session, "url": base}])
    return context


def _picture(context: BrowserContext, base: str, shot: Shot, width: int) -> bytes:
    """What the window shows, as high as the page where that is not too high: what sticks to an edge sticks there."""
    page = context.new_page()
    answer = page.goto(base + shot.path)
    if answer is None or answer.status >= 500 or answer.status == 404:
        raise SystemExit(f"{shot.path} cannot be shown")
    height = min(TALLEST[width], int(page.evaluate("document.documentElement.scrollHeight")))
    page.set_viewport_size({"width": width, "height": height})
    shot.before(page)
    page.wait_for_timeout(100)  # what a key opened is there, and the page has settled
    picture = page.screenshot()
    page.close()
    return picture


_PIXELS = """async source => {
  const image = new Image();
  image.src = source;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), {width: image.width, height: image.height});
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  const parts = [];
  for (let at = 0; at < bytes.length; at += 32768) parts.push(String.fromCharCode(...bytes.subarray(at, at + 32768)));
  return [image.width, image.height, btoa(parts.join(""))];
}"""


def packed(blank: Page, png: bytes) -> bytes:
    """The same picture as a PNG of at most COLOURS colours: the commonest, and for the rest the nearest of them."""
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    width, height, encoded = blank.evaluate(_PIXELS, source)
    pixels = np.frombuffer(base64.b64decode(encoded), np.uint8).reshape(height * width, 4)[:, :3].astype(np.uint32)
    codes, where, counts = np.unique(pixels @ np.array([65536, 256, 1]), return_inverse=True, return_counts=True)
    rgb = np.stack([codes >> 16 & 255, codes >> 8 & 255, codes & 255], axis=1).astype(np.int64)
    palette = _palette(rgb, counts)
    nearest = np.concatenate(
        [((part[:, None, :] - palette[None]) ** 2).sum(axis=2).argmin(axis=1) for part in np.array_split(rgb, 8)]
    )
    rows = nearest.astype(np.uint8)[where].reshape(height, width)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", palette.astype(np.uint8).tobytes()), (b"IDAT", zlib.compress(lines, 9)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in (*parts, (b"IEND", b"")))


def _palette(rgb: Any, counts: Any) -> Any:
    """Colours one by one: each time that which is common and far from all that were taken."""
    weight = np.sqrt(counts.astype(float))
    taken = [int(counts.argmax())]
    far = ((rgb - rgb[taken[0]]) ** 2).sum(axis=1).astype(float)
    while len(taken) < min(COLOURS, len(rgb)):
        taken.append(int((far * weight).argmax()))
        far = np.minimum(far, ((rgb - rgb[taken[-1]]) ** 2).sum(axis=1))
    return rgb[taken]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_list(path: Path, wanted: Mapping[str, Shot]) -> None:
    """The list of all pictures, one line for each page."""
    lines = [
        "# Every page in pictures",
        "",
        "Made by `make screenshots`, in a newsroom that does not exist. Wide light and narrow dark are in Indonesian,",
        "wide dark and narrow light in English.",
        "",
        "| page | wide | 320 pixels |",
        "|---|---|---|",
    ]
    for name, shot in wanted.items():
        kinds = ("wide", "320")
        cells = (" · ".join(f"[{s}](screens/{name}-{kind}-{s}.png)" for s in ("light", "dark")) for kind in kinds)
        lines.append(f"| {shot.about} | {' | '.join(cells)} |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
