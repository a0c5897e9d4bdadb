"""The pages in a real browser, as hands and keys meet them. Debian's chromium; the application runs in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect
from werkzeug.serving import make_server

from moderation.db import Database
from moderation.settings import Settings
from tests.integration.helpers import BAD, judge_all
from tests.windows import Windows

from .test_public import read, send

pytestmark = pytest.mark.browser

FAULTS: list[str] = []
"""What scripts threw and what the strict policy blocked during a test."""


def _note_error(error: Error) -> None:
    FAULTS.append(str(error))


def _note_policy(message: ConsoleMessage) -> None:
    if "Content Security Policy" in message.text:
        FAULTS.append(message.text)


@pytest.fixture(scope="module")
def windows(chromium: Browser) -> Windows:
    return Windows(chromium)


@pytest.fixture
def base(app: Flask, windows: Windows) -> Iterator[str]:
    """The application, served; at the end no page of the test may have had an error, and all are closed."""
    FAULTS.clear()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    windows.take_back()
    server.shutdown()
    thread.join()
    server.server_close()
    assert FAULTS == []


@pytest.fixture
def judge(db: Database, settings: Settings) -> Callable[[], Any]:
    """Do what the workers do."""
    return lambda: judge_all(db, settings)


@pytest.fixture
def held(app: Flask, judge: Callable[[], Any]) -> list[int]:
    """Three comments that wait for a person: c-1, c-2, c-3."""
    for number in (1, 2, 3):
        answer = send(app, read(app), comment=f"{BAD} nomor {number}", author=f"pembaca{number}")
        assert answer.status_code == 303
    judge()
    return [1, 2, 3]


def open_page(windows: Windows, base: str, path: str, *, javascript: bool = True, width: int = 1280) -> Page:
    context = windows.lend(viewport={"width": width, "height": 800}, locale="id-ID", java_script_enabled=javascript)
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.on("pageerror", _note_error)
    page.on("console", _note_policy)
    page.goto(base + path)
    return page


def enter(windows: Windows, base: str, **options: Any) -> Page:
    page = open_page(windows, base, "/login", **options)
    page.fill("#email", "admin@contoh.example")
    page.fill("#password", "kata-sandi-uji")
    page.get_by_role("button", name="Masuk").click()
    expect(page.locator("h1")).to_contain_text("Ditahan")
    page.wait_for_load_state("load")  # the scripts have run
    return page


def lit(page: Page) -> str | None:
    return page.locator(".card[aria-current]").get_attribute("id")


def test_keys_move_reject_approve_and_undo(windows: Windows, base: str, held: list[int]) -> None:
    page = enter(windows, base)
    assert lit(page) == "c-1"
    page.keyboard.press("j")
    height = page.locator("#c-2").bounding_box()
    page.keyboard.press("d")
    expect(page.locator("#c-2 details.reject")).to_have_attribute("open", "")
    assert page.evaluate("() => document.activeElement.name") == "reject"
    page.keyboard.press("7")
    expect(page.locator("#c-2.is-gone")).to_contain_text("✕ Ditolak · Di luar topik")
    expect(page.locator("#say")).to_contain_text("✕ Ditolak · Di luar topik. Situs sedang diberi tahu.")
    assert lit(page) == "c-3"
    assert page.evaluate("() => document.activeElement.id") == "c-3"
    now = page.locator("#c-3").bounding_box()
    assert height is not None
    assert now is not None
    page.keyboard.press("f")
    expect(page.locator("#c-3.is-gone")).to_contain_text("✓ Disetujui")
    expect(page.locator("#log li")).to_have_count(2)
    expect(page.locator("#log li").first).to_contain_text("pembaca3")
    page.keyboard.press("u")
    expect(page.locator("#c-3:not(.is-gone)")).to_have_attribute("aria-current", "true")
    expect(page.locator(".card[aria-current]")).to_have_count(1)
    expect(page.locator("#log li")).to_have_count(1)
    expect(page.locator("[data-count=held]").first).to_have_text("2")


def test_a_held_down_key_decides_once_and_keys_sleep_in_fields_and_help(
    windows: Windows, base: str, held: list[int]
) -> None:
    page = enter(windows, base)
    page.evaluate(
        """() => document.dispatchEvent(new KeyboardEvent("keydown", {key: "f", repeat: true, bubbles: true}))"""
    )
    page.keyboard.press("Control+f")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("f")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.locator(".is-gone")).to_have_count(0)
    assert lit(page) == "c-1"


def test_single_keys_can_be_switched_off_for_good(windows: Windows, base: str, held: list[int]) -> None:
    page = enter(windows, base)
    page.keyboard.press("?")
    page.get_by_label("Pintasan satu tombol tidak aktif").check()
    page.locator("#remap button.primary").click()
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("j")
    assert lit(page) == "c-1"
    page.reload()
    page.keyboard.press("j")
    assert lit(page) == "c-1"
    expect(page.locator("#c-1 .acts kbd").first).to_be_hidden()


def test_enter_takes_the_suggested_reason_and_escape_goes_back(windows: Windows, base: str, held: list[int]) -> None:
    page = enter(windows, base)
    page.keyboard.press("d")
    page.keyboard.press("Escape")
    expect(page.locator("#c-1")).to_be_focused()
    expect(page.locator("#c-1 details.reject")).not_to_have_attribute("open", "")
    page.keyboard.press("d")
    page.keyboard.press("Enter")
    expect(page.locator("#c-1.is-gone")).to_contain_text("✕ Ditolak · Menyinggung")


def test_who_comes_second_sees_who_was_first(windows: Windows, base: str, held: list[int]) -> None:
    first, second = enter(windows, base), enter(windows, base)
    first.keyboard.press("f")
    expect(first.locator("#c-1.is-gone")).to_be_visible()
    second.locator("#c-1 summary.no").click()
    second.locator("#c-1 button[value=SPAM]").click()
    expect(second.locator("#c-1.is-lost")).to_contain_text("menyetujui ini pukul")
    expect(second.locator("#c-1")).to_contain_text("Pilihan Anda (Spam) tidak diterapkan.")
    expect(second.locator("#c-1")).to_be_focused()
    second.keyboard.press("j")
    assert lit(second) == "c-2"


def test_a_decision_that_did_not_arrive_is_said_on_the_card(windows: Windows, base: str, held: list[int]) -> None:
    page = enter(windows, base)
    page.context.set_offline(True)
    page.keyboard.press("f")
    expect(page.locator("#c-1 .unsaved")).to_contain_text("Tidak tersimpan: peladen tidak menjawab.")
    expect(page.locator("#offline")).to_contain_text("Sambungan terputus sejak", timeout=9000)
    page.context.set_offline(False)
    page.keyboard.press("f")
    expect(page.locator("#c-1.is-gone")).to_contain_text("✓ Disetujui")


def test_newcomers_are_counted_and_move_nothing(
    windows: Windows, base: str, app: Flask, held: list[int], judge: Callable[[], Any]
) -> None:
    page = enter(windows, base)
    before = page.locator(".card").count()
    send(app, read(app), comment=f"{BAD} yang baru", author="pembaca9")
    judge()
    expect(page.locator("#new")).to_have_text("↑ 1 baru", timeout=9000)
    expect(page.locator("h1 .count")).to_have_text("4")
    assert page.locator(".card").count() == before


def test_without_javascript_every_act_is_a_button(windows: Windows, base: str, held: list[int]) -> None:
    page = enter(windows, base, javascript=False)
    page.locator("#c-1 summary.no").click()
    page.locator("#c-1 button[value=SPAM]").click()
    expect(page.locator("#say")).to_contain_text("✕ Ditolak · Spam.")
    expect(page.locator("#c-1")).to_have_count(0)
    page.locator("#say button").click()
    expect(page.locator("#c-1")).to_be_visible()
    expect(page.locator("#say")).to_contain_text("Situs diberi tahu keputusan baru.")


@pytest.mark.parametrize("path", ["/queue", "/queue/1", "/demo", "/login"])
def test_nothing_scrolls_sideways_on_the_smallest_phone(
    windows: Windows, base: str, held: list[int], path: str
) -> None:
    page = enter(windows, base, width=320)
    if path == "/login":
        page.context.clear_cookies()
    page.goto(base + path)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 320


def write(page: Page, text: str) -> None:
    page.fill("#comment", text)
    page.fill("#author", "Ratri")
    page.fill("#email", "ratri@contoh.example")
    page.get_by_role("button", name="Kirim Komentar").click()


@pytest.mark.parametrize("javascript", [True, False])
def test_faults_are_told_at_the_fields(windows: Windows, base: str, javascript: bool) -> None:
    page = open_page(windows, base, "/demo", javascript=javascript)
    page.fill("#email", "ratri@contoh")
    page.get_by_role("button", name="Kirim Komentar").click()
    expect(page.locator("#faults li")).to_have_text(
        [
            "Silakan tulis komentar Anda!",
            "Silakan tulis nama Anda di sini",
            "Alamat surel yang Anda tulis keliru!",
        ]
    )
    expect(page.locator("#e-email")).to_have_text("Alamat surel yang Anda tulis keliru!")
    expect(page.locator("#email")).to_have_value("ratri@contoh")
    if javascript:
        expect(page.locator("#faults")).to_be_focused()


def test_the_author_is_told_to_wait_and_then_that_it_is_published(
    windows: Windows, base: str, judge: Callable[[], Any]
) -> None:
    page = open_page(windows, base, "/demo")
    page.get_by_label("Simpan nama, surel").check()
    write(page, "Semoga tarifnya turun.")
    expect(page.locator("[data-own]")).to_contain_text("Komentar Anda menunggu moderasi.")
    expect(page.locator("#comments .thread")).to_have_count(0)
    judge()
    expect(page.locator("#comments .thread")).to_contain_text("Semoga tarifnya turun.")
    expect(page.locator("#comments-h")).to_have_text("1 komentar")
    expect(page.locator("#recent")).to_contain_text("Ratri di Feri listrik")
    expect(page.locator("#told")).to_have_text("Komentar Anda sudah terbit.")
    page.goto(base + "/demo")
    expect(page.locator("#author")).to_have_value("Ratri")


def test_a_readers_page_follows_the_moderator_within_two_seconds(windows: Windows, base: str, held: list[int]) -> None:
    reader = open_page(windows, base, "/demo")
    moderator = enter(windows, base)
    expect(reader.locator("#comments-h")).to_have_text("0 komentar")
    reader.wait_for_timeout(300)
    moderator.keyboard.press("f")
    expect(moderator.locator("#c-1.is-gone")).to_be_visible()
    begun = time.monotonic()
    expect(reader.locator("#comment-1")).to_contain_text(f"{BAD} nomor 1", timeout=4000)
    assert time.monotonic() - begun < 2.0


def test_an_answer_keeps_what_was_written_already(
    windows: Windows, base: str, app: Flask, judge: Callable[[], Any]
) -> None:
    send(app, read(app), comment="Yang pertama", author="nur", email="nur@contoh.example")
    judge()
    page = open_page(windows, base, "/demo")
    page.fill("#comment", "Sudah ditulis")
    page.get_by_role("link", name="Balas nur").click()
    expect(page.locator("#reply-h")).to_have_text("Balas nur")
    expect(page.locator("#comment")).to_have_value("Sudah ditulis")
    expect(page.locator("#comment")).to_be_focused()
    write(page, "Jawaban")
    expect(page.locator("[data-own]")).to_be_visible()
    judge()
    expect(page.locator(".thread .thread")).to_contain_text("Jawaban")
