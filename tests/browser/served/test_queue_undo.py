"""Taking a decision back, inside the grace and after it, with a site that listens."""

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from moderation.accounts import sites
from moderation.comments.models import Comment
from moderation.delivery import outbox
from moderation.delivery.models import Delivery

from .conftest import PASSWORD, Product

pytestmark = [pytest.mark.flow, pytest.mark.browser]

GRACE = 3
NAME = "Urung"


def eventually(true: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.05)


@pytest.fixture
def desk(chromium: Browser, product: Product) -> Iterator[Page]:
    """A moderator before one held comment, of which the site knows that it is held; the site's grace is short."""
    _set_grace(product, GRACE)
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(f"{product.base}/demo")
    page.fill("#comment", "Kalian semua goblok dan tolol, mati aja lo")
    page.fill("#author", NAME)
    page.fill("#email", "urung@contoh.example")
    page.click("#reply form button.primary")
    expect(page.locator("[data-own]")).to_be_visible()
    eventually(lambda: told(product)[0] == "HELD", "not told: held")
    page.goto(f"{product.base}/login?lang=en")
    page.fill("#email", "rani@warta.example")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url("**/queue")
    yield page
    context.close()
    _set_grace(product, 0)


def _set_grace(product: Product, seconds: int) -> None:
    db = product.database()
    with db.transaction() as session:
        site = sites.demo_site(session)
        assert site is not None
        site.grace_seconds = seconds
    db.dispose()


def row(product: Product) -> Comment:
    """The comment as it stands."""
    db = product.database()
    with db.reading() as session:
        found = session.scalars(select(Comment).where(Comment.author_name == NAME)).one()
    db.dispose()
    return found


def told(product: Product) -> tuple[str, int]:
    """The comment's status that the site knows, and the number of the event that told it; ("", 0) before the first."""
    state = product.receiver.states.get(str(row(product).id), {"status": "", "sequence": 0})
    return state["status"], state["sequence"]


def waiting(product: Product) -> int:
    """Events of the comment that the site has still to hear."""
    db = product.database()
    with db.reading() as session:
        due = select(Delivery.id).where(Delivery.state.in_((outbox.DUE, outbox.LEASED)))
        rows = session.scalars(due.where(Delivery.comment_id == row(product).id)).all()
    db.dispose()
    return len(rows)


def test_an_undo_inside_the_grace_is_never_heard_and_one_after_it_reverses(desk: Page, product: Product) -> None:
    before = told(product)
    desk.keyboard.press("f")
    expect(desk.locator("#say")).to_contain_text(re.compile(rf"✓ Approved\. Told to the site in [1-{GRACE}] s\."))
    desk.keyboard.press("u")
    expect(desk.locator("#say")).to_contain_text("Undone. The site was not told.")
    assert row(product).status == "HELD"
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
