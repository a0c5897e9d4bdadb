"""The whole way of rescoring in a real browser: begin, follow, read the report, choose, preview, apply, take back."""

import pytest
from playwright.sync_api import expect

from .desk import Desk

pytestmark = pytest.mark.browser


def test_an_editor_goes_the_whole_way_and_back(desk: Desk) -> None:
    wet = [desk.take(f"hujan lagi di kota {city}", name=city) for city in ("Bandung", "Medan", "Kupang")]
    desk.take("cerah sekali", name="Palu")
    desk.judge()
    desk.decide(wet[2], "sari", "approve")
    page = desk.window(path="/rescores")

    page.get_by_label("Which comments").fill("status:approved")
    page.get_by_role("button", name="Look first").click()
    page.get_by_role("button", name="Judge 4 comments again").click()
    expect(page.get_by_text("Running")).to_be_visible()
    desk.rescore()
    expect(page.get_by_text("Finished")).to_be_visible()  # the page has followed the run by itself
    expect(page.get_by_text("3 of 4 would move")).to_be_visible()
    expect(page.get_by_role("region", name="Movements").get_by_role("link", name="3")).to_be_visible()
    expect(page.get_by_role("img", name="How the scores of")).to_be_visible()

    page.get_by_role("link", name="More samples").click()
    expect(page.locator(".words")).to_have_count(3)
    page.go_back()
    page.get_by_role("checkbox", name="Approved → ‖ Held").check()
    page.get_by_label("from the score").fill("0.9")
    page.get_by_role("button", name="Preview what is chosen").click()
    expect(page.get_by_role("heading", name="3 comments are chosen")).to_be_visible()
    assert desk.status(wet[0]) == "APPROVED"

    page.get_by_role("button", name="Queue 2 comments again").click()
    expect(page.get_by_text("Running")).to_be_visible()
    desk.rescore()
    expect(page.get_by_text("Finished")).to_be_visible()
    expect(page.get_by_text("Decided by a person: 1")).to_be_visible()
    assert [desk.status(one) for one in wet] == ["HELD", "HELD", "APPROVED"]

    page.get_by_role("button", name="Take 2 comments out of the queue").click()
    desk.rescore()
    expect(page.get_by_text("Stand as before again")).to_be_visible()
    expect(page.get_by_text("Finished")).to_be_visible()
    assert [desk.status(one) for one in wet] == ["APPROVED"] * 3
