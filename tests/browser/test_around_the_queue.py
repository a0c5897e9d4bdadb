"""The pages around the queue as their users meet them: saved views, figures, one's own account, the alert."""

import csv
import re
from datetime import timedelta

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from moderation.accounts.models import Moderator
from moderation.comments.models import Comment
from moderation.db import utcnow
from moderation.scoring import comparing, newsroom, releases
from tests.integration.helpers import BAD

from .desk import Desk

pytestmark = pytest.mark.browser


def search(page: Page, words: str) -> None:
    page.keyboard.press("/")
    page.locator("#q").fill(words)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Search results")


def test_a_search_is_saved_under_a_name_and_a_colleague_opens_it(desk: Desk) -> None:
    one, two, _ = desk.held()
    page = desk.window("sari")
    search(page, "author:pembacadua status:held")
    expect(page.locator(f"#c-{two}")).to_be_visible()
    expect(page.locator(f"#c-{one}")).to_have_count(0)
    page.get_by_text("Save this view…").click()
    page.get_by_label("Name for the team").fill("Pembaca dua")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Pembaca dua")).to_have_attribute("aria-current", "true")
    colleague = desk.window("budi")
    colleague.get_by_role("link", name="Pembaca dua").click()
    expect(colleague.locator("#q")).to_have_value("author:pembacadua status:held")
    expect(colleague.locator(f"#c-{two}")).to_be_visible()
    colleague.get_by_role("button", name="Remove the view “Pembaca dua”").click()
    expect(colleague.get_by_role("link", name="Pembaca dua")).to_have_count(0)


def test_a_search_that_is_not_understood_says_so_and_keeps_what_was_written(desk: Desk) -> None:
    desk.held()
    page = desk.window()
    page.locator("#q").fill("score:>banyak")
    page.keyboard.press("Enter")
    expect(page.locator("#e-q")).to_contain_text("score")
    expect(page.locator("#q")).to_have_value("score:>banyak")


def test_each_chart_is_said_in_words_and_has_its_figures_in_a_table_and_a_file(desk: Desk) -> None:
    desk.held()
    page = desk.window("rani", "/statistics?days=1")
    charts = page.locator("section.panel:has(figure.chart)")
    assert charts.count() >= 3
    for number in range(charts.count()):
        panel = charts.nth(number)
        caption = panel.locator("figcaption").inner_text()
        assert (panel.locator("figure svg[role=img]").get_attribute("aria-label") or "").startswith(caption)
        panel.locator("summary").focus()
        page.keyboard.press("Enter")
        expect(panel.locator("table")).to_be_visible()
        with page.expect_download() as waiting:
            panel.get_by_role("link", name=re.compile("^CSV")).click()
        with waiting.value.path().open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        assert len(rows[0]) == panel.locator("thead th").count()
        assert len(rows) - 1 == panel.locator("tbody tr").count()


def test_an_account_is_arranged_without_javascript(desk: Desk) -> None:
    desk.held()
    page = desk.window("sari", "/account", script=False)
    page.locator("#language").select_option("id")
    page.locator("#density-compact").check()
    page.get_by_label("Blur texts until I point at them").check()
    page.locator("#my-preferences button.primary").click()
    expect(page.locator("h1")).to_have_text("Akun saya")
    page.goto(desk.house.base + "/queue")
    expect(page.locator("body")).to_have_class(re.compile(r"\bis-compact\b.*\bis-blurred\b"))
    page.goto(desk.house.base + "/account")
    for name, value in (("old", "kata-sandi-salah"), ("password", "kata-sandi-lain"), ("again", "kata-sandi-lain")):
        page.locator(f"#{name}").fill(value)
    page.locator("#my-password button.primary").click()
    expect(page.locator("#old")).to_have_attribute("aria-invalid", "true")
    for name, value in (("old", "kata-sandi-uji"), ("password", "kata-sandi-lain"), ("again", "kata-sandi-lain")):
        page.locator(f"#{name}").fill(value)
    page.locator("#my-password button.primary").click()
    expect(page.locator("#my-password [role=status]")).to_be_visible()
    page.context.clear_cookies()
    page.goto(desk.house.base + "/login")
    with desk.house.db.reading() as session:
        email = session.get_one(Moderator, desk.people["sari"]).email
    page.locator("input[name=email]").fill(email)
    page.locator("input[name=password]").fill("kata-sandi-lain")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/queue"))


def test_the_page_says_that_the_oldest_held_comment_is_late(desk: Desk) -> None:
    one, *_ = desk.held()
    page = desk.window()
    expect(page.locator("#late")).to_be_hidden()
    with desk.house.db.transaction() as session:
        comment = session.get_one(Comment, one)
        long_ago = utcnow() - timedelta(days=3)
        comment.created_at = comment.decided_at = long_ago
    page.evaluate("document.dispatchEvent(new Event('moderation:decided'))")
    expect(page.locator("#late")).to_be_visible()
    page.locator("#late a").click()
    expect(page.locator(".card").first).to_have_attribute("id", f"c-{one}")


def test_a_text_of_blank_lines_takes_no_more_room_in_a_list_than_others(desk: Desk) -> None:
    desk.take(f"{BAD} satu" + "\n" * 90 + "dua")
    desk.judge()
    page = desk.window(path="/queue/bulk?q=status:held")
    box = page.locator(".alike .words").bounding_box()
    assert box is not None
    assert box["height"] < 500


def test_the_marks_of_a_draft_are_readable_on_the_narrowest_screen(desk: Desk) -> None:
    desk.held()
    page = desk.window("rani", f"/policies/{desk.site.id}", width=320, height=700)
    page.get_by_role("button", name="Begin a draft").first.click()
    names = page.locator(".limit > b")
    expect(names.first).to_be_visible()
    for name in names.all():
        box = name.bounding_box()
        assert box is not None
        assert box["height"] < 60, "one line, or two"


def test_what_speaks_against_a_version_stands_inside_its_panel(desk: Desk) -> None:
    labels = np.array([0, 1] * 40)
    good, chance = np.where(labels == 1, 0.9, 0.1), np.tile([0.6, 0.4], 40)
    figures = {"spam": comparing.compare(labels, good, chance, 0.45, 0.45)}
    report = {"base": "1", "signals": figures, "objections": comparing.objections(figures, better=True)}
    with desk.house.db.transaction() as session:
        made = {"site_id": desk.site.id, "report": report, "by": "cli", "now": utcnow()}
        releases.add(session, newsroom.NAME, f"1+{desk.site.id}", b"x", **made)
    page = desk.window("rani", "/scorers", width=320)
    page.get_by_text("Report of release").first.click()
    item = page.locator(".panel details[open] li").first
    expect(item).to_be_visible()
    inside = """item => item.getBoundingClientRect().left - item.closest('details').getBoundingClientRect().left
        - parseFloat(getComputedStyle(item).fontSize)"""
    assert item.evaluate(inside) >= 0, "a bullet is as wide as a letter, and stands before its sentence"
