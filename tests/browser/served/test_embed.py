"""The embed on a page of another origin, as its readers use it: with the keyboard, on a phone, without JavaScript."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import select, update

from moderation.accounts import sites
from moderation.accounts.models import Moderator, Site
from moderation.comments.models import Comment, Report, Story
from moderation.db import Database, utcnow
from moderation.review import decisions
from moderation.review.decisions import Decider
from tests.integration.test_reading import Row, fill

from .conftest import Product

pytestmark = [pytest.mark.flow, pytest.mark.browser]

LINKS = "Lihat https://satu.example dan https://dua.example ya."
"""Two links: what the policy holds for a person."""

FORM = """<form method="post" action="{base}/f/{site}/comments">
<input type="hidden" name="comment_post_ID" value="{story}">
<input type="hidden" name="comment_post_url" value="{url}">
<label>Komentar <textarea name="comment"></textarea></label>
<label>Nama <input name="author"></label> <label>Surel <input name="email"></label>
<button>Kirim Komentar</button></form>"""


@dataclass
class Pages:
    """A site's static pages, by path, on an origin of their own and under a strict policy."""

    product: Product
    origin: str = ""
    site: Site = field(default_factory=Site)
    bodies: dict[str, str] = field(default_factory=dict)

    def article(self, story: str, inside: str = "", attributes: str = "", language: str = "id") -> str:
        """The address of an article with the two lines of the embed; `inside`: what stands in the div."""
        url, site, base = f"{self.origin}/{story}", self.site.public_id, self.product.base
        inside = inside.format(base=base, site=site, story=story, url=url)
        self.bodies[f"/{story}"] = (
            f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>Artikel {story}</title>'
            '<meta name="viewport" content="width=device-width"><h1>Artikel</h1>'
            f'<div id="comments" data-story="{story}" data-title="Artikel {story}" {attributes}>{inside}</div>'
            f'<script src="{base}/f/{site}/embed.js" defer></script></html>'
        )
        return url

    def fill(self, story: str, rows: list[Row]) -> list[int]:
        db = self.product.database()
        ids = fill(db, self.site, story, rows)
        db.dispose()
        return ids


@pytest.fixture(scope="module")
def pages(product: Product) -> Iterator[Pages]:
    kept = Pages(product)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = kept.bodies.get(urlsplit(self.path).path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            allowed = f"script-src {product.base}; style-src {product.base}; connect-src {product.base}"
            self.send_header("Content-Security-Policy", f"default-src 'none'; {allowed}; form-action {product.base} *")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.origin = f"http://localhost:{server.server_port}"
    db = product.database()
    with db.transaction() as session:
        kept.site = sites.add_site(session, name="Warta Sematan", url=kept.origin, now=utcnow()).site
    db.dispose()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(locale="id-ID")
    context.set_default_timeout(20_000)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    yield opened
    context.close()
    assert wrong == []


def decide(product: Product, name: str, action: str, reason: str | None = None) -> None:
    """What a moderator does with the held comment of that name."""
    db = product.database()
    with db.transaction() as session:
        comment = session.scalars(select(Comment).where(Comment.author_name == name)).one()
        decider = Decider(session.scalars(select(Moderator)).first())
        decisions.decide(session, comment, action, decider, seen_version=comment.version, now=utcnow(), reason=reason)
    db.dispose()


def held(db: Database, name: str) -> bool:
    with db.reading() as session:
        return session.scalar(select(Comment.status).where(Comment.author_name == name)) == "HELD"


def write(page: Page, name: str, text: str) -> None:
    page.fill("textarea[name=comment]", text)
    page.fill("input[name=author]", name)
    page.fill("input[name=email]", "pembaca@contoh.example")
    page.click("form button:not([type=button])")


def wait_until_held(page: Page, product: Product, name: str) -> None:
    db = product.database()
    for _ in range(200):
        if held(db, name):
            break
        page.wait_for_timeout(50)
    assert held(db, name)
    db.dispose()


def test_a_reader_writes_with_the_keyboard_alone_and_sees_what_becomes_of_it(page: Page, pages: Pages) -> None:
    page.goto(pages.article("papan-ketik"))
    expect(page.locator(".mc-none")).to_have_text("Belum ada komentar.")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "comment"
    page.keyboard.press("Tab")
    page.keyboard.type("Dewi Papan")
    page.keyboard.press("Tab")
    page.keyboard.type("bukan surel")
    page.keyboard.press("Enter")
    # every fault at once, in the site's language, and the focus on the first of them
    comment = page.locator("textarea[name=comment]")
    expect(comment).to_be_focused()
    expect(comment).to_have_attribute("aria-invalid", "true")
    expect(comment).to_have_accessible_description("Silakan tulis komentar Anda!")
    expect(page.locator("input[name=email]")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".mc-problem")).to_contain_text("Komentar Anda belum terkirim.")
    page.keyboard.type(LINKS)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("dewi@contoh.example")
    page.keyboard.press("Enter")
    own = page.locator(".mc-own")
    expect(own).to_be_focused()
    expect(own).to_contain_text("menunggu moderasi")
    expect(own).to_contain_text(LINKS)
    expect(comment).to_have_value("")
    wait_until_held(page, pages.product, "Dewi Papan")
    page.reload()  # it still waits, and its author still sees it
    expect(own).to_contain_text(LINKS)
    decide(pages.product, "Dewi Papan", "approve")
    expect(page.locator(".mc-list article")).to_contain_text(LINKS)
    expect(own).to_have_count(0)
    expect(page.locator(".mc-told")).to_have_text("Komentar Anda sudah terbit.")


def test_a_rejected_comment_is_told_to_its_author_and_to_nobody_else(page: Page, pages: Pages) -> None:
    page.goto(pages.article("tolak"))
    write(page, "Tono Tolak", LINKS)
    wait_until_held(page, pages.product, "Tono Tolak")
    decide(pages.product, "Tono Tolak", "reject", "SPAM")
    expect(page.locator(".mc-own")).to_contain_text("tidak diterbitkan")
    expect(page.locator(".mc-list article")).to_have_count(0)
    page.reload()
    expect(page.locator(".mc-none")).to_be_visible()
    expect(page.locator(".mc-own")).to_have_count(0)


def test_the_thread_is_paged_sorted_and_threaded_with_staff_marked(page: Page, pages: Pages) -> None:
    rows = [Row(n, text=f"akar {n}", staff=n == 0) for n in range(7)]
    ids = pages.fill("utas", [*rows, Row(20, parent=0, text="balasan"), Row(30, parent=7, text="balasan balasan")])
    page.goto(pages.article("utas", attributes='data-limit="3"'))
    roots = page.locator(".mc-list > li")
    expect(roots).to_have_count(3)
    expect(page.locator("h2")).to_have_text("Komentar (9)")
    expect(roots.nth(0).locator("> article .mc-staff")).to_have_text("Staf")
    expect(page.locator(".mc-staff")).to_have_count(1)
    expect(roots.nth(0).locator("> ul > li > ul > li article")).to_contain_text("balasan balasan")
    times = roots.nth(0).locator("> article time")
    expect(times).to_have_attribute("datetime", "2026-11-21T12:00:00Z")
    page.get_by_role("button", name="Tampilkan komentar lainnya").press("Enter")
    expect(roots).to_have_count(6)
    expect(page.locator(f"#comment-{ids[3]}")).to_be_focused()
    page.get_by_role("button", name="Tampilkan komentar lainnya").press("Enter")
    expect(roots).to_have_count(7)
    expect(page.get_by_role("button", name="Tampilkan komentar lainnya")).to_be_hidden()
    newest = page.get_by_role("button", name="Terbaru dulu")
    newest.press("Enter")
    expect(newest).to_have_attribute("aria-pressed", "true")
    expect(newest).to_be_focused()
    expect(roots.nth(0).locator("> article")).to_contain_text("akar 6")


def test_a_link_to_a_comment_leads_to_it_on_a_later_page(page: Page, pages: Pages) -> None:
    ids = pages.fill("jangkar", [Row(n, text=f"akar {n}") for n in range(8)])
    page.goto(pages.article("jangkar", attributes='data-limit="3"') + f"#comment-{ids[7]}")
    expect(page.locator(f"#comment-{ids[7]}")).to_be_focused()


def test_what_readers_wrote_is_text(page: Page, pages: Pages) -> None:
    bad = '<img src=x onerror="document.title=1"><script>document.title=2</script>\n\nbaris <b>dua</b>'
    pages.fill("teks", [Row(text=bad)])
    page.goto(pages.article("teks"))
    words = page.locator(".mc-text")
    expect(words.locator("p")).to_have_text([bad.split("\n")[0], "baris <b>dua</b>"])
    assert page.locator("#comments img, #comments script").count() == 0
    assert page.title() == "Artikel teks"


def test_a_reply_goes_under_its_comment_and_can_be_called_off(page: Page, pages: Pages) -> None:
    pages.fill("balas", [Row(text="akar")])
    page.goto(pages.article("balas"))
    reply = page.locator(".mc-reply")
    reply.press("Enter")
    expect(page.locator("textarea[name=comment]")).to_be_focused()
    expect(page.locator(".mc-answering")).to_contain_text("Balas Pembaca")
    page.get_by_role("button", name="Batal membalas").press("Enter")
    expect(reply).to_be_focused()
    expect(page.locator("input[name=comment_parent]")).to_have_value("0")
    reply.press("Enter")
    write(page, "Budi Balas", "Setuju, terima kasih atas artikelnya yang bermanfaat.")
    expect(page.locator(".mc-list > li > ul article")).to_contain_text("Setuju, terima kasih")


def test_the_draft_stays_when_sending_fails_and_when_the_page_is_opened_again(page: Page, pages: Pages) -> None:
    def away(route: Route) -> None:
        if route.request.method == "POST":
            route.abort()
        else:
            route.continue_()

    page.goto(pages.article("putus"))
    page.route("**/comments", away)
    write(page, "Putri Putus", "Tulisan yang tidak boleh hilang.")
    expect(page.locator(".mc-problem")).to_be_focused()
    expect(page.locator(".mc-problem")).to_contain_text("Teks Anda masih ada di sini")
    expect(page.locator("textarea[name=comment]")).to_have_value("Tulisan yang tidak boleh hilang.")
    page.reload()
    expect(page.locator("textarea[name=comment]")).to_have_value("Tulisan yang tidak boleh hilang.")


def test_the_pages_own_form_is_enhanced_and_not_doubled(page: Page, pages: Pages) -> None:
    page.goto(pages.article("sendiri", inside=FORM))
    expect(page.locator(".mc-none")).to_be_visible()
    assert page.locator("form").count() == 1
    page.click("form button:not([type=button])")
    expect(page.locator("textarea[name=comment]")).to_be_focused()
    expect(page.locator(".mc-fault")).to_have_count(3)
    write(page, "Sari Sendiri", LINKS)
    expect(page.locator(".mc-own")).to_contain_text("menunggu moderasi")
    assert urlsplit(page.url).path == "/sendiri"


def test_without_javascript_the_form_in_the_div_posts(chromium: Browser, pages: Pages) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages.article("tanpa-skrip", inside=FORM))
    write(page, "Tanpa Skrip", LINKS)
    page.wait_for_url("**/tanpa-skrip?unapproved=*")
    context.close()


def test_a_closed_story_shows_its_thread_and_why_there_is_no_form(page: Page, pages: Pages) -> None:
    pages.fill("tutup", [Row(text="dari dulu")])
    db = pages.product.database()
    with db.transaction() as session:
        session.execute(update(Site).where(Site.id == pages.site.id).values(close_after_days=1))
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        session.execute(update(Story).where(Story.external_id == "tutup").values(created_at=long_ago))
    try:
        page.goto(pages.article("tutup", inside=FORM))
        expect(page.locator(".mc-closed")).to_contain_text("tidak lagi menerima komentar")
        expect(page.locator(".mc-list article")).to_contain_text("dari dulu")
        expect(page.locator("form, .mc-reply")).to_have_count(0)
    finally:
        with db.transaction() as session:
            session.execute(update(Site).where(Site.id == pages.site.id).values(close_after_days=None))
        db.dispose()


@pytest.mark.parametrize("language", ["id", "en"])
def test_it_fits_a_phone_in_both_languages(chromium: Browser, pages: Pages, language: str) -> None:
    deep = [Row(n, n - 1 if n else None, text="kata " * 30 + "x" * 80) for n in range(14)]
    pages.fill(f"ponsel-{language}", deep)
    context = chromium.new_context(viewport={"width": 320, "height": 700})
    page = context.new_page()
    page.goto(pages.article(f"ponsel-{language}", attributes=f'data-style data-lang="{language}"', language=language))
    expect(page.locator(".mc-list article")).to_have_count(14)
    expect(page.locator("h2")).to_have_text({"id": "Komentar (14)", "en": "Comments (14)"}[language])
    expect(page.locator(".mc-list article").last).to_be_visible()
    page.wait_for_function("document.styleSheets.length === 1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    context.close()


def test_a_reader_reports_a_comment_from_a_page_of_another_origin(page: Page, pages: Pages) -> None:
    (number,) = pages.fill("lapor", [Row(text="Iklan saya")])
    page.goto(pages.article("lapor"))
    shown = page.locator(f"#comment-{number}")
    shown.get_by_text("Laporkan").focus()
    page.keyboard.press("Enter")
    expect(shown.locator("select option")).to_have_count(8)
    page.keyboard.press("Tab")
    page.keyboard.type("Spam")
    page.keyboard.press("Tab")
    page.keyboard.type("Judi")
    page.keyboard.press("Enter")
    thanks = shown.get_by_text("Redaksi akan memeriksa komentar ini.")
    expect(thanks).to_be_focused()
    db = pages.product.database()
    with db.reading() as session:
        report = session.scalars(select(Report).where(Report.comment_id == number)).one()
        assert (report.reason, report.text) == ("SPAM", "Judi")
    db.dispose()
