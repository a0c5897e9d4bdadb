"""Personal tokens: shown once, kept hashed, ended by time or by hand, and never taken for a site's key."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask, g
from sqlalchemy import select, update

from moderation import web
from moderation.accounts import auth, moderators, tokens
from moderation.accounts.models import AuditEntry, Moderator, PersonalToken
from moderation.app import create_app
from moderation.db import Database, utcnow
from moderation.errors import Conflict, InvalidInput, NotAuthenticated
from moderation.settings import Settings
from tests.conftest import Recorder

from .helpers import Browser, add_site, add_user, bearer, log_in

Call = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def app(settings: Settings, sender: Recorder) -> Iterator[Flask]:
    """An application of this test alone: it gets a route of its own."""
    application = create_app(settings, sender=sender)
    application.testing = True
    yield application
    application.extensions["database"].dispose()


@pytest.fixture
def call(app: Flask) -> Call:
    """Ask a route that takes personal tokens only."""

    @app.get("/api/v1/for-tests")
    @auth.token_required
    def route() -> web.Response:
        return web.answer({"me": g.me.id, "sites": g.site_ids})

    def ask(token: str = "", **headers: str) -> tuple[int, dict[str, object]]:
        given = {"Authorization": f"Bearer {token}"} if token else headers
        answer = app.test_client().get("/api/v1/for-tests", headers=given)
        assert answer.json is not None
        return answer.status_code, answer.json

    return ask


def make(db: Database, owner: int, name: str = "skrip", life: str = "30") -> str:
    with db.transaction() as session:
        return tokens.create(session, session.get_one(Moderator, owner), name, life, utcnow())[1]


def rows(db: Database) -> list[PersonalToken]:
    with db.reading() as session:
        found = list(session.scalars(select(PersonalToken).order_by(PersonalToken.id)))
        session.expunge_all()
        return found


def make_by_page(browser: Browser, **fields: str) -> str:
    page = browser.post("/account/tokens", "text/html", **{"name": "skrip", "life": "90", **fields})
    assert page.status_code == 201, page.text
    found = re.search(r'id="shown-token"[^>]* value="([^"]+)"', page.text)
    assert found is not None
    return html.unescape(found.group(1))


def test_a_token_opens_its_owners_sites_and_is_kept_hashed(db: Database, call: Call) -> None:
    site = add_site(db, webhook=False).site
    add_site(db, webhook=False)
    budi = add_user(db, "budi@contoh.example", role="moderator", sites=[site])
    token = make(db, budi)
    assert token.startswith("mod_")
    assert len(token) > 40
    assert call(token) == (200, {"me": budi, "sites": [site.id]})
    (row,) = rows(db)
    assert token not in (row.token_hash, row.hint)
    assert token.startswith(row.hint)


def test_a_token_is_shown_once_and_listed_by_its_beginning(app: Flask, db: Database, call: Call) -> None:
    add_user(db)
    browser = log_in(app)
    token = make_by_page(browser)
    assert call(token)[0] == 200
    page = browser.get("/account/tokens").text
    assert token not in page
    assert token[: tokens.HINT] in page


def test_an_ended_token_opens_nothing(app: Flask, db: Database, call: Call) -> None:
    me = add_user(db)
    browser = log_in(app)
    revoked, expired, living = make_by_page(browser), make(db, me), make(db, me, life="never")
    assert browser.post("/account/tokens/1/revoke", "text/html").status_code == 303
    with db.transaction() as session:
        session.execute(
            update(PersonalToken).where(PersonalToken.id == 2).values(expires_at=utcnow() - timedelta(seconds=1))
        )
    assert [call(token)[0] for token in (revoked, expired, living, "mod_guessed", "mod_\udcff")] == [
        401,
        401,
        200,
        401,
        401,
    ]
    page = browser.get("/account/tokens?lang=en").text
    assert page.count('<span class="badge">revoked</span>') == page.count('<span class="badge">expired</span>') == 1


def test_the_life_of_a_token_is_what_was_chosen(db: Database) -> None:
    me = add_user(db)
    for life in tokens.LIVES:
        make(db, me, life=life)
    days = [None if row.expires_at is None else (row.expires_at - row.created_at).days for row in rows(db)]
    assert days == [30, 90, 365, None]


@pytest.mark.parametrize(
    ("name", "life", "field"),
    [
        ("", "30", "name"),
        (" \u200b", "30", "name"),
        ("x" * 101, "30", "name"),
        ("skrip", "1000", "life"),
        ("s", "", "life"),
    ],
)
def test_a_wrong_wish_names_its_field_and_makes_nothing(
    app: Flask, db: Database, name: str, life: str, field: str
) -> None:
    me = add_user(db)
    with pytest.raises(InvalidInput) as refused:
        make(db, me, name, life)
    assert refused.value.field == field
    page = log_in(app).post("/account/tokens", "text/html", name=name, life=life)
    assert page.status_code == 422
    assert f'id="e-{field}"' in page.text
    assert rows(db) == []


def test_nobody_has_more_than_twenty_live_tokens(db: Database) -> None:
    me = add_user(db)
    for _ in range(20):
        make(db, me)
    with pytest.raises(Conflict):
        make(db, me)
    with db.transaction() as session:
        tokens.revoke(session, session.get_one(Moderator, me), 1, utcnow())
    make(db, me)


def test_a_token_ends_with_its_owner(db: Database, call: Call) -> None:
    token = make(db, add_user(db))
    with db.transaction() as session:
        moderators.disable(session, session.scalars(select(Moderator)).one(), utcnow())
    assert call(token)[0] == 401


def test_only_the_owner_may_revoke(app: Flask, db: Database, call: Call) -> None:
    token = make(db, add_user(db, "budi@contoh.example"))
    add_user(db)
    assert log_in(app).post("/account/tokens/1/revoke").status_code == 404
    assert call(token)[0] == 200


def test_the_last_use_is_noted_at_most_once_a_minute(db: Database, call: Call) -> None:
    token = make(db, add_user(db))
    assert rows(db)[0].used_at is None
    call(token)
    first = rows(db)[0].used_at
    call(token)
    assert rows(db)[0].used_at == first is not None
    with db.transaction() as session:
        session.execute(update(PersonalToken).values(used_at=utcnow() - timedelta(seconds=61)))
    call(token)
    again = rows(db)[0].used_at
    assert again is not None
    assert again >= first


def test_a_use_that_somebody_noted_meanwhile_is_not_noted_again(db: Database) -> None:
    now = utcnow()
    make(db, add_user(db))
    with db.transaction() as session:
        tokens.note_use(session, 1, now)
        tokens.note_use(session, 1, now + timedelta(seconds=59))
    assert rows(db)[0].used_at == now


def test_a_sites_key_is_no_moderator_and_a_moderator_no_site(app: Flask, db: Database, call: Call) -> None:
    made = add_site(db, webhook=False)
    status, body = call(made.api_key)
    assert status == 403
    assert "a moderator's personal token is needed" in str(body)
    token = make(db, add_user(db))
    for path in ("/api/v1/decisions", "/api/v1/comments/1"):
        answer = app.test_client().get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 403, path
        assert answer.json is not None
        assert answer.json["error"]["message"] == "This is a moderator's personal token; here a site's key is needed."
        assert app.test_client().get(path, headers=bearer(made)).status_code in (200, 404)


def test_without_a_token_a_login_counts_for_nothing(app: Flask, db: Database, call: Call) -> None:
    add_user(db)
    browser = log_in(app)
    assert browser.client.get("/api/v1/for-tests").status_code == 401
    status, body = call(Authorization="Basic abc")
    assert status == 401
    assert "Bearer mod_" in str(body)


def test_making_and_revoking_is_in_the_audit_without_the_token(db: Database) -> None:
    me = add_user(db)
    token = make(db, me)
    with db.transaction() as session:
        for _ in range(2):
            tokens.revoke(session, session.get_one(Moderator, me), 1, utcnow())
    with db.reading() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.action.startswith("token.", autoescape=True))
        ).all()
        assert [(entry.action, entry.actor, entry.detail) for entry in entries] == [
            ("token.add", f"moderator:{me}", "token:1"),
            ("token.revoke", f"moderator:{me}", "token:1"),
        ]
        assert token not in str([entry.detail for entry in session.scalars(select(AuditEntry))])


def test_a_changed_password_leaves_tokens_alone(db: Database, settings: Settings, call: Call) -> None:
    me = add_user(db)
    token = make(db, me)
    with db.transaction() as session:
        moderators.change_password(session, session.get_one(Moderator, me), "hash", utcnow(), keep_session="")
    assert call(token)[0] == 200


def test_an_unknown_token_says_so(db: Database) -> None:
    with db.reading() as session, pytest.raises(NotAuthenticated):
        tokens.by_token(session, "mod_x", utcnow())
