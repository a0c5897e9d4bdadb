"""Logging in: argon2id, delay instead of lock-out, sessions that can be ended, CSRF, and access per site."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from moderation.accounts import moderators
from moderation.accounts.models import LoginFailure, LoginSession, Moderator
from moderation.accounts.moderators import Passwords
from moderation.db import Database, utcnow
from moderation.errors import InvalidInput
from moderation.settings import Settings

from .helpers import BAD, PASSWORD, add_site, add_user, csrf, given, judge_all, log_in, take

HTML = {"Accept": "text/html"}


def attempt(app: Flask, password: str, email: str = "admin@contoh.example") -> int:
    client = app.test_client()
    token = csrf(client.get("/login", headers=HTML).text)
    fields = {"email": email, "password": password, "csrf_token": token}
    return client.post("/login", data=fields, headers=HTML).status_code


def test_passwords_are_argon2id_and_never_short() -> None:
    hasher = Passwords()
    stored = hasher.hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hasher.matches(stored, PASSWORD)
    assert not hasher.matches(stored, PASSWORD + "x")
    assert not hasher.matches(None, PASSWORD)
    for bad in ("short", "x" * 257):
        with pytest.raises(InvalidInput):
            hasher.hash(bad)


def test_a_session_token_is_stored_hashed_and_ends_with_the_logout(app: Flask, db: Database) -> None:
    add_user(db)
    browser = log_in(app)
    cookie = browser.client.get_cookie("session")
    assert cookie is not None
    assert cookie.http_only
    assert cookie.same_site == "Lax"
    with db.reading() as session:
        assert cookie.value not in str(session.execute(select(LoginSession.token_hash)).all())
    browser.post("/logout")
    browser.client.set_cookie("session", cookie.value)
    assert browser.get("/queue").status_code == 303


def test_a_disabled_user_is_out_at_once(app: Flask, db: Database) -> None:
    add_user(db)
    browser = log_in(app)
    with db.transaction() as session:
        moderators.disable(session, session.scalars(select(Moderator)).one(), utcnow())
    assert browser.get("/queue").status_code == 303
    assert attempt(app, PASSWORD) == 401


def test_a_session_ends_by_itself(app: Flask, db: Database) -> None:
    add_user(db)
    browser = log_in(app)
    with db.transaction() as session:
        session.execute(update(LoginSession).values(expires_at=utcnow() - timedelta(seconds=1)))
    assert browser.get("/queue").status_code == 303


def test_five_wrong_passwords_make_everybody_wait_a_minute_and_no_longer(app: Flask, db: Database) -> None:
    add_user(db)
    assert [attempt(app, "salah") for _ in range(6)] == [401] * 5 + [429]
    assert attempt(app, PASSWORD) == 429
    with db.transaction() as session:
        session.execute(update(LoginFailure).values(at=utcnow() - timedelta(seconds=61)))
    assert attempt(app, PASSWORD) == 303


def test_an_unknown_account_answers_like_a_wrong_password(app: Flask, db: Database) -> None:
    add_user(db)
    assert attempt(app, "salah", "tidakada@contoh.example") == attempt(app, "salah") == 401


def test_a_form_without_its_token_or_from_elsewhere_is_refused(app: Flask, db: Database, settings: Settings) -> None:
    add_user(db)
    take(db, settings, add_site(db).site, given(text=BAD))
    judge_all(db, settings)
    browser = log_in(app)
    path, fields = "/queue/1/decision", {"seen_version": "2", "decision": "approve"}
    assert browser.client.post(path, data=fields).status_code == 403
    assert browser.client.post(path, data={**fields, "csrf_token": "0" * 64}).status_code == 403
    evil = {"Origin": "http://evil.example"}
    assert browser.client.post(path, data={**fields, "csrf_token": browser.token}, headers=evil).status_code == 403
    assert browser.post(path, **fields).status_code == 200


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("/queue/7", "/queue/7"),
        ("//evil.example", "/queue"),
        ("/\t/evil.example", "/queue"),
        ("http://evil.example", "/queue"),
        ("/\\evil.example", "/queue"),
        ("/queue/7\n", "/queue"),
        ("/logout", "/queue"),
    ],
)
def test_a_login_leads_to_our_own_pages_only(app: Flask, db: Database, target: str, wanted: str) -> None:
    add_user(db)
    client = app.test_client()
    token = csrf(client.get("/login", headers=HTML).text)
    fields = {"email": "admin@contoh.example", "password": PASSWORD, "csrf_token": token}
    answer = client.post("/login", query_string={"next": target}, data=fields, headers=HTML)
    assert answer.headers["Location"] == wanted


def test_a_moderator_sees_and_decides_on_their_sites_only(app: Flask, db: Database, settings: Settings) -> None:
    mine, theirs = add_site(db).site, add_site(db).site
    take(db, settings, mine, given("mine", text=f"{BAD} satu"))
    take(db, settings, theirs, given("theirs", text=f"{BAD} dua"))
    judge_all(db, settings)
    add_user(db, "sari@contoh.example", role="moderator", sites=[mine])
    browser = log_in(app, "sari@contoh.example")
    page = browser.get("/queue").text
    assert f"{BAD} satu" in page.replace("<mark", "").replace("</mark>", "") or 'id="c-1"' in page
    assert 'id="c-2"' not in page
    assert browser.get("/queue/2").status_code == 404
    assert browser.post("/queue/2/decision", seen_version="2", decision="approve").status_code == 404
    assert browser.post("/queue/1/decision", seen_version="2", decision="approve").status_code == 200


def test_access_that_ends_mid_session_ends_the_next_decision(app: Flask, db: Database, settings: Settings) -> None:
    from moderation.accounts.models import ModeratorSite

    site = add_site(db).site
    take(db, settings, site, given(text=BAD))
    judge_all(db, settings)
    add_user(db, "sari@contoh.example", role="moderator", sites=[site])
    browser = log_in(app, "sari@contoh.example")
    with db.transaction() as session:
        session.delete(session.scalars(select(ModeratorSite)).one())
    assert browser.post("/queue/1/decision", seen_version="2", decision="approve").status_code == 404


@pytest.mark.parametrize("path", ["/queue", "/queue/1", "/queue/changes"])
def test_strangers_see_no_moderators_page(app: Flask, path: str) -> None:
    answer = app.test_client().get(path, headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")
    assert app.test_client().get(path, headers={"Accept": "application/json"}).status_code == 401
