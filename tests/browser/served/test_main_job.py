"""The main job in a real browser: five readers write, a moderator decides, article and receiver agree.

Once with JavaScript and once without.
"""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from moderation.comments.models import Comment

from .conftest import PASSWORD, Product

pytestmark = [pytest.mark.flow, pytest.mark.browser]

FRIENDLY = [
    ("Nur Aisyah", "Terima kasih, artikelnya jelas dan bermanfaat sekali."),
    ("Anna", "Good summary, thank you. I would like to read more about the ferry fares."),
]
SPAM = ("Gilang", "𝐏𝐔𝐋𝐀𝟕𝟕 slot gacor hari ini, daftar sekarang bonus 100% wa 0812-3456-7890")
ENGLISH_INSULT = ("Troll", "You are a stupid idiot, shut up and go away.")
INDONESIAN_INSULT = ("Bayu", "Dasar goblok, wartawan anjing, mati aja lo")
HELD = [SPAM, ENGLISH_INSULT, INDONESIAN_INSULT]


def write(page: Page, product: Product, name: str, text: str) -> None:
    page.goto(f"{product.base}/demo")
    page.fill("#comment", text)
    page.fill("#author", name)
    page.fill("#email", f"{name.replace(' ', '.').lower()}@contoh.example")
    page.click("#reply form button.primary")


def log_in(page: Page, product: Product) -> None:
    page.goto(f"{product.base}/login?lang=en")
    page.fill("#email", "rani@warta.example")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url("**/queue")


def eventually(true: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def told(product: Product, text_of: dict[str, str]) -> dict[str, str]:
    """Author → status, as the site was told."""
    return {text_of[key]: state["status"] for key, state in product.receiver.states.items() if key in text_of}


def held(product: Product, name: str) -> int:
    """How many comments of authors whose name begins so wait for a person."""
    db = product.database()
    with db.reading() as session:
        wanted = select(Comment).where(Comment.author_name.startswith(name), Comment.status == "HELD")
        count = len(session.scalars(wanted).all())
    db.dispose()
    return count


def authors(product: Product) -> dict[str, str]:
    db = product.database()
    with db.reading() as session:
        found = {str(row.id): row.author_name for row in session.scalars(select(Comment))}
    db.dispose()
    return found


@pytest.mark.parametrize("script", [True, False], ids=["with-script", "without-script"])
def test_five_readers_write_and_a_moderator_decides(chromium: Browser, product: Product, script: bool) -> None:
    mark = "" if script else " II"  # the same product serves both runs
    context = chromium.new_context(java_script_enabled=script, locale="id-ID")
    context.set_default_timeout(20_000)
    page = context.new_page()
    for name, text in [*FRIENDLY, *HELD]:
        write(page, product, name + mark, text + mark)
        own = page.locator("[data-own]")
        expect(own).to_be_visible()
        if script:
            assert "menunggu moderasi" in own.inner_text() or "terbit" in own.inner_text()

    # The friendly ones are published with no one's help.
    def published() -> bool:
        page.goto(f"{product.base}/demo")
        shown = page.locator("#comments ol.thread").all_inner_texts()
        return all(any(text + mark in item for item in shown) for _, text in FRIENDLY)

    eventually(published, "the friendly comments are not published")
    thread = page.locator("#comments").inner_text()
    for _, text in HELD:
        assert text + mark not in thread
    for name, _ in FRIENDLY:
        assert name + mark in page.locator("#recent").inner_text()

    # The others wait for the moderator, each with its reason.
    desk = context.new_page()
    log_in(desk, product)
    for name, text in HELD:
        card = desk.locator("article.card", has_text=text + mark)
        expect(card).to_have_count(1)
        assert card.locator("h2").inner_text().strip() != ""
        assert card.locator(".signals > div").count() == 8
        assert card.locator("mark").count() > 0, f"nothing is highlighted for {name}"

    # Spam and one insult are rejected with a reason; the other is, for this test, approved.
    for name, code in ((SPAM, "SPAM"), (ENGLISH_INSULT, "OFFENSIVE")):
        card = desk.locator("article.card", has_text=name[1] + mark)
        card.locator("summary.no").click()
        card.locator(f"button[value={code}]").click()
        expect(desk.locator("article.card:not(.is-gone)", has_text=name[1] + mark)).to_have_count(0)
    desk.locator("article.card", has_text=INDONESIAN_INSULT[1] + mark).locator("button[value=approve]").click()
    expect(desk.locator("article.card:not(.is-gone)", has_text=INDONESIAN_INSULT[1] + mark)).to_have_count(0)

    def approved_is_shown() -> bool:
        page.goto(f"{product.base}/demo")
        return INDONESIAN_INSULT[1] + mark in page.locator("#comments ol.thread").first.inner_text()

    eventually(approved_is_shown, "the approved comment is not shown")
    thread = page.locator("#comments").inner_text()
    assert SPAM[1] + mark not in thread
    assert ENGLISH_INSULT[1] + mark not in thread

    # The site was told the same, in signed events that the reference library verifies.
    names = authors(product)
    want = {name + mark: "APPROVED" for name, _ in [*FRIENDLY, INDONESIAN_INSULT]} | {
        name + mark: "REJECTED" for name, _ in (SPAM, ENGLISH_INSULT)
    }
    eventually(lambda: want.items() <= told(product, names).items(), f"told {told(product, names)}, wanted {want}")
    assert product.receiver.faults == []
    reasons = {names[key]: state["decision"]["reason"] for key, state in product.receiver.states.items()}
    assert (reasons[SPAM[0] + mark], reasons[ENGLISH_INSULT[0] + mark]) == ("SPAM", "OFFENSIVE")
    context.close()


def test_the_form_shows_its_four_faults_with_and_without_script(chromium: Browser, product: Product) -> None:
    for script in (True, False):
        for language, sentences in (
            (
                "id",
                [
                    "Silakan tulis komentar Anda!",
                    "Silakan tulis nama Anda di sini",
                    "Alamat surel yang Anda tulis keliru!",
                ],
            ),
            (
                "en",
                [
                    "Please enter your comment!",
                    "Please enter your name here",
                    "You have entered an incorrect email address!",
                ],
            ),
        ):
            context = chromium.new_context(java_script_enabled=script)
            page = context.new_page()
            page.goto(f"{product.base}/demo?lang={language}")
            page.fill("#email", "rani@contoh")
            page.click("#reply form button.primary" if page.locator("#reply form button.primary").count() else "button")
            for sentence in sentences:
                expect(page.locator(".err", has_text=sentence)).to_be_visible()
            assert page.input_value("#email") == "rani@contoh"
            context.close()


def test_a_moderator_works_with_the_keyboard_alone(chromium: Browser, product: Product) -> None:
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    texts = [  # not alike, or one card would stand for all of them
        "Dasar goblok, wartawan anjing",
        "Penulis bodoh dan tolol sekali, mati aja lo",
        "You are a stupid idiot and a moron",
    ]
    for number, text in enumerate(texts):
        write(page, product, f"Papan Tik {number}", text)
        expect(page.locator("[data-own]")).to_be_visible()
    eventually(lambda: held(product, "Papan Tik") == len(texts), "the three comments are not held")
    page.goto(f"{product.base}/login?lang=en")
    expect(page.locator("#email")).to_be_focused()  # the cursor stands where the typing begins
    page.keyboard.type("rani@warta.example")
    page.keyboard.press("Tab")
    expect(page.locator("#password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")
    shown = page.locator("article.card .words").all_inner_texts()  # in the order of the queue
    texts.sort(key=lambda text: next(place for place, item in enumerate(shown) if text in item))
    expect(page.locator("article.card[aria-current]", has_text=texts[0])).to_have_count(1)
    page.keyboard.press("d")
    page.keyboard.press("2")
    expect(page.locator("article.card.is-gone", has_text=texts[0])).to_be_visible()
    expect(page.locator("article.card[aria-current]", has_text=texts[1])).to_have_count(1)
    page.keyboard.press("f")
    expect(page.locator("article.card.is-gone", has_text=texts[1])).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator("article.card:not(.is-gone)", has_text=texts[1])).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_sideways_and_no_page_breaks_its_own_policy(
    chromium: Browser, product: Product, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    log_in(page, product)
    for path in (
        "/login",
        "/queue",
        "/queue?tab=approved",
        "/queue/1",
        "/demo",
        "/demo/2",
        "/demo?lang=en",
        "/api/docs",
    ):
        page.goto(product.base + path)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} is {overflow} px too wide at {width} px"
    assert said == []
    context.close()
