"""My account: the password, how pages look, and the keys."""

import re
from contextlib import suppress
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from flask import Flask
from hypothesis import given
from sqlalchemy import select, update

from moderation.accounts import preferences
from moderation.accounts.models import AuditEntry, LoginFailure, LoginSession, Moderator
from moderation.accounts.preferences import ACTIONS, DEFAULTS
from moderation.db import Database, utcnow
from moderation.errors import InvalidInput

from .helpers import PASSWORD, Browser, add_user, log_in

NEW = "kalimat yang panjang"


@pytest.fixture
def rani(app: Flask, db: Database) -> Browser:
    add_user(db, "rani@contoh.example", name="Rani")
    return log_in(app, "rani@contoh.example")


def stored(db: Database) -> Moderator:
    with db.reading() as session:
        row = session.scalars(select(Moderator)).one()
        session.expunge(row)
        return row


def change(browser: Browser, *, accept: str = "text/html", **fields: str) -> Any:
    given = {"old": PASSWORD, "password": NEW, "again": NEW} | fields
    return browser.post("/account/password", accept, **given)


# --- the password ---


def test_a_new_password_counts_and_ends_every_other_session(app: Flask, db: Database, rani: Browser) -> None:
    elsewhere = log_in(app, "rani@contoh.example")
    answer = change(rani)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account?saved=password#my-password")
    assert rani.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 303
    assert log_in(app, "rani@contoh.example", NEW).get("/queue").status_code == 200
    with db.reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "user.password")).one()
        assert (entry.actor, entry.subject) == ("moderator:1", "moderator:1")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"old": "salah sekali"}, "old"),
        ({"again": "yang lain sekali"}, "again"),
        ({"password": "pendek", "again": "pendek"}, "password"),
        ({"password": "x" * 257, "again": "x" * 257}, "password"),
    ],
)
def test_a_wrong_password_changes_nothing_and_names_its_field(
    db: Database, rani: Browser, fields: dict[str, str], field: str
) -> None:
    before = stored(db).password_hash
    answer = change(rani, accept="application/json", **fields)
    assert (answer.status_code, answer.json["error"]["field"]) == (422, field)
    page = change(rani, **fields).text
    assert f'id="e-{field}"' in page
    assert NEW not in page
    assert "salah sekali" not in page
    assert stored(db).password_hash == before
    with db.reading() as session:
        assert len(session.scalars(select(LoginSession)).all()) == 1


def test_guessing_the_old_password_is_slowed_like_a_login(db: Database, rani: Browser) -> None:
    codes = [change(rani, accept="application/json", old="salah sekali").status_code for _ in range(6)]
    assert codes == [422] * 5 + [429]
    answer = change(rani, accept="application/json")
    assert answer.status_code == 429
    assert change(rani).status_code == 429
    with db.transaction() as session:
        session.execute(update(LoginFailure).values(at=utcnow() - timedelta(seconds=61)))
    assert change(rani).status_code == 303


def test_no_form_of_another_site_changes_anything(db: Database, rani: Browser) -> None:
    before = stored(db)
    for path in ("password", "preferences", "shortcuts", "tokens"):
        fields = {"old": PASSWORD, "password": NEW, "again": NEW, "density": "compact", "next": "m", "name": "x"}
        assert rani.client.post(f"/account/{path}", data=fields).status_code == 403
    after = stored(db)
    assert (after.password_hash, after.preferences) == (before.password_hash, before.preferences)


# --- how pages look ---


def test_looks_are_kept_and_what_is_not_named_stays(db: Database, rani: Browser) -> None:
    assert rani.post("/account/preferences", density="compact").json == {}
    assert rani.post("/account/preferences", blur="1").status_code == 200
    kept = preferences.of(stored(db).preferences)
    assert (kept.density, kept.blur) == ("compact", True)
    assert "is-compact" in rani.get("/account").text
    wrong = rani.post("/account/preferences", density="tiny")
    assert (wrong.status_code, wrong.json["error"]["field"]) == (422, "density")
    assert preferences.of(stored(db).preferences).density == "compact"


def test_a_box_that_is_not_ticked_says_no(db: Database, rani: Browser) -> None:
    rani.post("/account/preferences", "text/html", blur=["0", "1"])
    assert preferences.of(stored(db).preferences).blur
    answer = rani.post("/account/preferences", "text/html", density="comfortable", language="", blur="0")
    assert answer.status_code == 303
    assert not preferences.of(stored(db).preferences).blur


def test_my_language_wins_over_a_language_link_of_yesterday(db: Database, rani: Browser) -> None:
    rani.get("/account?lang=en")
    assert 'lang="en"' in rani.get("/account").text.partition("<head>")[0]
    rani.post("/account/preferences", "text/html", language="id")
    assert stored(db).language == "id"
    assert 'lang="id"' in rani.get("/account?saved=preferences").text.partition("<head>")[0]
    assert rani.post("/account/preferences", language="fr").json["error"]["field"] == "language"
    rani.post("/account/preferences", "text/html", language="")
    assert stored(db).language is None


# --- shortcuts ---


def test_every_act_has_a_key_of_its_own_from_the_start() -> None:
    assert len(set(DEFAULTS.values())) == len(ACTIONS) == 21
    assert preferences.keys_of({}) == DEFAULTS


def test_a_key_is_changed_shown_and_can_be_taken_away(db: Database, rani: Browser) -> None:
    answer = rani.post("/account/shortcuts", approve="a", ban="")
    assert answer.json["keys"] == {name: key for name, key in {**DEFAULTS, "approve": "a"}.items() if name != "ban"}
    assert answer.json["off"] is False
    page = rani.get("/account").text
    assert 'name="approve" value="a"' in page
    assert 'name="ban" value=""' in page
    assert stored(db).preferences["keys"] == {"approve": "a", "ban": ""}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"approve": "j"}, "approve"),
        ({"undo": "ab"}, "undo"),
        ({"undo": " "}, "undo"),
        ({"undo": "\x07"}, "undo"),
        ({"undo": "\u200b"}, "undo"),
    ],
)
def test_a_wrong_key_is_refused_by_the_name_of_its_act(
    db: Database, rani: Browser, fields: dict[str, str], field: str
) -> None:
    answer = rani.post("/account/shortcuts", **fields)
    assert (answer.status_code, answer.json["error"]["field"]) == (422, field)
    page = rani.post("/account/shortcuts", "text/html", **fields)
    assert page.status_code == 422
    assert f'id="e-{field}"' in page.text
    assert stored(db).preferences == {}


def test_the_fault_is_told_in_the_language_of_the_page(rani: Browser) -> None:
    rani.post("/account/preferences", language="id")
    answer = rani.post("/account/shortcuts", approve="j")
    assert answer.json["error"]["message"] == "Dua tindakan tidak boleh memakai tombol yang sama."


def test_two_keys_can_be_swapped_in_one_form(db: Database, rani: Browser) -> None:
    answer = rani.post("/account/shortcuts", approve="d", reject="f")
    assert (answer.json["keys"]["approve"], answer.json["keys"]["reject"]) == ("d", "f")


def test_all_keys_can_be_switched_off_and_be_the_usual_ones_again(db: Database, rani: Browser) -> None:
    assert rani.post("/account/shortcuts", off="1", skip="m").json["off"] is True
    assert "keys-off" in rani.get("/account").text
    assert rani.post("/account/shortcuts", next="j").json["off"] is False
    rani.post("/account/preferences", density="compact")
    answer = rani.post("/account/shortcuts", usual="1", next="q")
    assert (answer.json["keys"], answer.json["off"]) == (dict(DEFAULTS), False)
    assert preferences.of(stored(db).preferences).density == "compact"


@given(st.dictionaries(st.sampled_from(ACTIONS), st.text(max_size=2) | st.sampled_from("jkfdbtz?uen"), max_size=6))
def test_whatever_is_asked_for_no_two_acts_share_a_key(wanted: dict[str, str]) -> None:
    me = Moderator(preferences={})
    with suppress(InvalidInput):  # a refused wish changes nothing
        preferences.set_keys(me, wanted, off=False)
        assert all(preferences.keys_of(me.preferences).get(action, "") == key for action, key in wanted.items())
    keys = list(preferences.keys_of(me.preferences).values())
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 1 and key.isprintable() and not key.isspace() for key in keys)


def test_the_account_needs_a_login(app: Flask) -> None:
    client = app.test_client()
    for path in ("/account", "/account/tokens"):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert answer.headers["Location"] == f"/login?next={path}"


def test_labels_have_their_fields_and_ids_are_unique(app: Flask, rani: Browser) -> None:
    pages = [rani.get(path).text for path in ("/account", "/account/tokens", "/statistics")]
    pages.append(rani.post("/account/tokens", "text/html", name="skrip", life="30").text)
    pages.append(rani.post("/account/shortcuts", "text/html", approve="j").text)
    for page in pages:
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        named = re.findall(r'\s(?:for|aria-labelledby|aria-describedby|popovertarget)="([^"]+)"', page)
        assert {name for names in named for name in names.split()} <= set(ids)
