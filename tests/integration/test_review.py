"""The queue's pages: what a moderator sees, decides, undoes; with and without script."""

import re

import pytest
from flask import Flask

from moderation.db import Database
from moderation.settings import Settings

from .helpers import BAD, Browser, add_site, add_user, comment_of, given, judge_all, log_in, take


@pytest.fixture
def browser(app: Flask, db: Database, settings: Settings) -> Browser:
    site = add_site(db).site
    take(db, settings, site, given("c1", text=f"<script>alert(1)</script> {BAD}"))
    take(db, settings, site, given("c2", text="Artikel bagus"))
    judge_all(db, settings)
    add_user(db)
    return log_in(app)


def test_a_held_comment_shows_its_reasons_and_its_text_as_text(browser: Browser) -> None:
    page = browser.get("/queue?lang=en").text
    assert 'id="c-1"' in page
    assert 'id="c-2"' not in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "builtin@fake1" in page
    assert "insult" in page


def test_a_decision_without_script_leads_back_and_says_what_happened(browser: Browser, db: Database) -> None:
    answer = browser.post("/queue/1/decision", accept="text/html", seen_version="2", reject="SPAM")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/queue?tab=held&decided=1")
    assert comment_of(db, "c1").status == "REJECTED"
    page = browser.get(answer.headers["Location"]).text
    assert "/queue/1/undo" in page
    assert 'id="c-1"' in browser.get("/queue?tab=spam").text


def test_a_script_gets_the_line_that_stands_in_the_cards_place(browser: Browser) -> None:
    answer = browser.post("/queue/1/decision", seen_version="2", decision="approve")
    assert answer.json["status"] == "APPROVED"
    assert "is-gone" in answer.json["html"]


def test_a_conflict_says_who_and_what_and_applies_nothing(browser: Browser, app: Flask, db: Database) -> None:
    add_user(db, "sari@contoh.example", name="Sari P.")
    log_in(app, "sari@contoh.example").post("/queue/1/decision", seen_version="2", reject="SPAM")
    answer = browser.post("/queue/1/decision", seen_version="2", decision="approve")
    assert answer.status_code == 409
    assert answer.json["error"]["details"]["who"] == "Sari P."
    assert "Sari P." in answer.json["html"]
    page = browser.post("/queue/1/decision", accept="text/html", seen_version="2", decision="approve")
    assert page.status_code == 409
    assert "Sari P." in page.text
    assert comment_of(db, "c1").status == "REJECTED"


def test_an_undo_brings_the_card_back(browser: Browser, db: Database) -> None:
    browser.post("/queue/1/decision", seen_version="2", reject="SPAM")
    answer = browser.post("/queue/1/undo", seen_version="3")
    assert (answer.status_code, answer.json["status"]) == (200, "HELD")
    assert comment_of(db, "c1").status == "HELD"
    assert 'id="c-1"' in browser.get("/queue").text


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"seen_version": "2"}, 422, "decision"),
        ({"seen_version": "2", "decision": "delete"}, 422, "decision"),
        ({"seen_version": "2", "decision": "reject"}, 422, "reason"),
        ({"seen_version": "2", "reject": "BORING"}, 422, "reason"),
        ({"decision": "approve"}, 422, "seen_version"),
        ({"seen_version": "-1", "decision": "approve"}, 422, "seen_version"),
    ],
)
def test_a_wrong_decision_names_its_field(
    browser: Browser, db: Database, fields: dict[str, str], status: int, field: str
) -> None:
    answer = browser.post("/queue/1/decision", **fields)
    assert (answer.status_code, answer.json["error"]["field"]) == (status, field)
    assert comment_of(db, "c1").status == "HELD"


def test_changes_are_told_with_an_etag(browser: Browser, db: Database, settings: Settings) -> None:
    seen = re.search(r'data-since="(\d+)"', browser.get("/queue").text)
    assert seen is not None
    changes = f"/queue/changes?tab=held&since={seen.group(1)}"
    first = browser.client.get(changes)
    counts = {"held": 1, "not_scored": 0, "reported": 0, "approved": 1, "rejected": 0, "spam": 0, "mine": 0}
    assert (first.json["counts"], first.json["new"]) == (counts, 0)
    etag = {"If-None-Match": first.headers["ETag"]}
    assert browser.client.get(changes, headers=etag).status_code == 304
    take(db, settings, add_site(db).site, given("c3", text=BAD))
    judge_all(db, settings)
    assert browser.client.get(changes, headers=etag).json["new"] == 1


def test_paging_reaches_every_held_comment_exactly_once(browser: Browser, db: Database, settings: Settings) -> None:
    site = add_site(db).site
    for number in range(45):
        take(db, settings, site, given(f"d{number}", text=f"{BAD} {number}"))
    judge_all(db, settings)
    seen: list[str] = []
    path: str | None = "/queue?tab=held"
    while path:
        page = browser.get(path).text
        seen += re.findall(r'<article class="card[^"]*" id="c-(\d+)"', page)
        found = re.search(r'id="more" href="(/queue\?tab=held&amp;after=[^"]+)"', page)
        path = found.group(1).replace("&amp;", "&") if found else None
    assert len(seen) == len(set(seen)) == 46


@pytest.mark.parametrize("path", ["/queue?tab=none", "/queue/999", "/queue?after=x"])
def test_a_wrong_address_is_a_clear_page(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code in (404, 422)
    assert answer.mimetype == "text/html"


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("tab", ["held", "not_scored", "approved", "rejected", "spam"])
def test_every_tab_stands_in_both_languages(browser: Browser, tab: str, language: str) -> None:
    page = browser.get(f"/queue?tab={tab}&lang={language}")
    assert page.status_code == 200
    assert f'<html lang="{language}"' in page.text


def test_one_comment_shows_its_whole_history(browser: Browser) -> None:
    browser.post("/queue/1/decision", seen_version="2", reject="SPAM")
    page = browser.get("/queue/1?lang=en").text
    assert "History" in page
    assert "http://127.0.0.1:9/hook" in page
