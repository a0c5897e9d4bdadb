"""Taking a decision back, inside the grace and after it, with a site that listens."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select, update

from moderation.accounts.models import Site
from moderation.comments.models import Comment
from moderation.delivery import outbox
from moderation.delivery.models import Delivery

from .conftest import PASSWORD, Product, running

pytestmark = [pytest.mark.flow, pytest.mark.browser]

GRACE = 3


def eventually(true: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.05)


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """A product of its own: its site has a grace, and hears of one comment only."""
    with running(tmp_path) as made:
        yield made


@pytest.fixture
def desk(chromium: Browser, product: Product) -> Page:
    """A moderator before one held comment, of which the site knows that it is held; the site's grace is short."""
    db = product.database()
    with db.transaction() as session:
        session.execute(update(Site).values(grace_seconds=GRACE))
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(f"{product.base}/demo")
    page.fill("#comment", "Dasar goblok, wartawan anjing, mati aja lo")
    page.fill("#author", "Bayu")
    page.fill("#email", "bayu@contoh.example")
    page.click("#reply form button.primary")
    expect(page.locator("[data-own]")).to_be_visible()
    eventually(lambda: [state["status"] for state in product.receiver.states.values()] == ["HELD"], "not told: held")
    page.goto(f"{product.base}/login?lang=en")
    page.fill("#email", "rani@warta.example")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url("**/queue")
    db.dispose()
    return page


def told(product: Product) -> tuple[str, int]:
    """The status that the site knows, and the number of the event that told it."""
    (state,) = product.receiver.states.values()
    return state["status"], state["sequence"]


def waiting(product: Product) -> int:
    """Events that the site has still to hear."""
    db = product.database()
    with db.reading() as session:
        rows = session.scalars(select(Delivery.id).where(Delivery.state.in_((outbox.DUE, outbox.LEASED)))).all()
    db.dispose()
    return len(rows)


def status(product: Product) -> str:
    db = product.database()
    with db.reading() as session:
        found = session.scalars(select(Comment.status)).one()
    db.dispose()
    return found


def test_an_undo_inside_the_grace_is_never_heard_and_one_after_it_reverses(desk: Page, product: Product) -> None:
    before = told(product)
    desk.keyboard.press("f")
    expect(desk.locator("#say")).to_contain_text(f"✓ Approved. Told to the site in {GRACE} s.")
    desk.keyboard.press("u")
    expect(desk.locator("#say")).to_contain_text("Undone. The site was not told.")
    assert status(product) == "HELD"
    eventually(lambda: waiting(product) == 0, "something is still to be told")
    time.sleep(GRACE + 0.5)  # the grace of what was taken back is over, too
    assert told(product) == before
    desk.keyboard.press("d")
    desk.keyboard.press("3")
    expect(desk.locator(".card.is-gone")).to_contain_text("✕ Rejected · Spam")
    eventually(lambda: told(product)[0] == "REJECTED", "the site is not told of the rejection")
    rejected = told(product)[1]
    desk.keyboard.press("u")
    expect(desk.locator("#say")).to_contain_text("Reversed. The site is told the new decision.")
    eventually(lambda: told(product)[0] == "HELD", "the site is not told of the reversal")
    assert told(product)[1] > rejected > before[1]
    assert product.receiver.faults == []
