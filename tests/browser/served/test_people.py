"""Readers report, seniors ban, articles close, colleagues look twice: in a browser without JavaScript."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from moderation.accounts import moderators, sites
from moderation.accounts.moderators import Passwords
from moderation.comments.models import Comment
from moderation.db import utcnow

from .conftest import PASSWORD, Product

pytestmark = [pytest.mark.flow, pytest.mark.browser]


@pytest.fixture
def plain(chromium: Browser) -> Iterator[Callable[[], Page]]:
    """A window of its own, each time, where scripting is off."""
    contexts = []

    def opened() -> Page:
        context = chromium.new_context(java_script_enabled=False, locale="id-ID")
        context.set_default_timeout(20_000)
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


def log_in(page: Page, product: Product, email: str = "rani@warta.example") -> Page:
    page.goto(f"{product.base}/login")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click("form button:has-text('Masuk')")
    expect(page).to_have_url(f"{product.base}/queue")
    return page


def write(page: Page, product: Product, name: str, text: str) -> None:
    page.goto(f"{product.base}/demo")
    for field, value in (("comment", text), ("author", name), ("email", f"{name.lower()}@contoh.example")):
        page.fill(f"#{field}", value)
    page.click("#commentform button.primary")


def judged(page: Page, product: Product, name: str, number: int = 1) -> dict[str, Any]:
    """The newest comment of that name, once there are `number` and it is judged."""
    db = product.database()
    try:
        for _ in range(400):
            with db.reading() as session:
                rows = session.scalars(select(Comment).where(Comment.author_name == name).order_by(Comment.id)).all()
                if len(rows) == number and rows[-1].status != "PENDING":
                    last = rows[-1]
                    return {"id": last.id, "status": last.status, "author": last.author_id, "story": last.story_id}
            page.wait_for_timeout(50)
        raise AssertionError(f"the comment of {name} was not judged")
    finally:
        db.dispose()


def test_a_reader_reports_a_comment_and_moderators_find_it(plain: Callable[[], Page], product: Product) -> None:
    reader = plain()
    write(reader, product, "Lapor", "Terima kasih, artikelnya jelas.")
    comment = judged(reader, product, "Lapor")
    assert comment["status"] == "APPROVED"
    reader.goto(f"{product.base}/demo")
    shown = reader.locator(f"#comment-{comment['id']}")
    shown.locator("summary").click()
    shown.locator("select").select_option("OFF_TOPIC")
    shown.get_by_label("Dengan kata-kata Anda sendiri").fill("Bukan soal feri")
    shown.get_by_role("button", name="Kirim laporan").click()
    expect(shown.get_by_role("status")).to_have_text("Terima kasih. Redaksi akan memeriksa komentar ini.")
    desk = log_in(plain(), product)
    desk.goto(f"{product.base}/queue?tab=reported")
    expect(desk.locator(f"#c-{comment['id']}")).to_contain_text("artikelnya jelas")
    desk.goto(f"{product.base}/queue/{comment['id']}")
    expect(desk.locator("#reports")).to_contain_text("Bukan soal feri")


def test_a_ban_is_confirmed_by_a_button_that_names_the_deed(plain: Callable[[], Page], product: Product) -> None:
    reader, desk = plain(), log_in(plain(), product)
    write(reader, product, "Usil", "Satu kalimat yang baik.")
    author = judged(reader, product, "Usil")["author"]
    desk.goto(f"{product.base}/authors/{author}")
    desk.get_by_role("link", name="Blokir penulis ini…").click()
    desk.get_by_label("Berapa lama").select_option("day")
    desk.get_by_role("button", name="Blokir Usil").click()
    expect(desk.locator("main [role=status]")).to_contain_text("Diblokir")
    write(reader, product, "Usil", "Kalimat lain yang sama baiknya.")
    assert judged(reader, product, "Usil", 2)["status"] == "REJECTED"
    desk.get_by_role("button", name="Cabut perintah").click()
    write(reader, product, "Usil", "Kalimat ketiga, sesudah perintah dicabut.")
    assert judged(reader, product, "Usil", 3)["status"] == "APPROVED"


def test_a_closed_article_shows_no_form_and_an_opened_one_does(plain: Callable[[], Page], product: Product) -> None:
    reader, desk = plain(), log_in(plain(), product)
    write(reader, product, "Tutup", "Komentar sebelum ditutup.")
    story = judged(reader, product, "Tutup")["story"]
    desk.goto(f"{product.base}/stories/{story}")
    desk.get_by_role("button", name="Tutup artikel ini").click()
    reader.goto(f"{product.base}/demo")
    expect(reader.locator("#commentform")).to_have_count(0)
    desk.get_by_role("button", name="Buka kembali").click()
    reader.goto(f"{product.base}/demo")
    expect(reader.locator("#commentform")).to_have_count(1)


def test_a_colleague_looks_a_second_time_without_knowing_the_first(plain: Callable[[], Page], product: Product) -> None:
    db = product.database()
    with db.transaction() as session:
        site = sites.demo_site(session)
        assert site is not None
        site.second_look_percent = 100
        moderators.add(
            session,
            Passwords(),
            email="sari@warta.example",
            password=PASSWORD,
            name="Sari",
            sites=[site],
            now=utcnow(),
        )
    db.dispose()
    reader, first, second = plain(), log_in(plain(), product), log_in(plain(), product, "sari@warta.example")
    write(reader, product, "Dua", "Lihat https://satu.example dan https://dua.example ya.")
    comment = judged(reader, product, "Dua")
    assert comment["status"] == "HELD"
    first.goto(f"{product.base}/queue/{comment['id']}")
    first.locator("button[value=approve]").first.click()
    second.goto(f"{product.base}/queue/second-looks")
    expect(second.locator("article")).to_contain_text("https://")
    expect(second.locator("article")).not_to_contain_text("Disetujui")
    second.locator("article summary").click()
    second.get_by_role("button", name="Spam").click()
    expect(second.locator("main [role=status]")).to_contain_text("Anda berdua berbeda")
    first.goto(f"{product.base}/queue?tab=mine")
    expect(first.locator(f"#c-{comment['id']}")).to_contain_text("Pendapat kedua")
