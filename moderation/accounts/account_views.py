"""My account: the password, how I like to work, and tokens for my own tools."""

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, web
from moderation.accounts import auth, moderators, preferences, tokens
from moderation.accounts.models import PersonalToken
from moderation.accounts.moderators import LoginDelayed
from moderation.accounts.preferences import ACTIONS
from moderation.db import utcnow
from moderation.errors import Conflict, InvalidInput, ModerationError
from moderation.review import queue

account_pages = Blueprint("account_pages", __name__, url_prefix="/account")

SAVED = ("password", "preferences", "shortcuts", "revoked")
"""What a form that leads back to a page may have saved."""

WRONG_OLD = "This is not your password."
NOT_THE_SAME = "The two new passwords are not the same."


@account_pages.get("")
@auth.login_required
def account() -> Response:
    """Everything but the tokens."""
    with web.database().reading() as session:
        return _account_page(session)


@account_pages.post("/password")
@auth.login_required
@auth.csrf_required
def change_password() -> AnyResponse:
    """A new password for who knows the old one; every other session ends. Hashing is outside any transaction."""
    keys = moderators.throttle_keys(web.secret(), g.me.email, request.remote_addr or "")
    try:
        with web.database().reading() as session:
            moderators.check_throttle(session, keys, utcnow())
        if not web.passwords().matches(g.me.password_hash, request.form.get("old", "")):
            with web.database().transaction() as session:
                moderators.note_failure(session, keys, utcnow())
            raise InvalidInput(WRONG_OLD, field="old")
        password = request.form.get("password", "")
        if password != request.form.get("again", ""):
            raise InvalidInput(NOT_THE_SAME, field="again")
        stored = web.passwords().hash(password)
    except (InvalidInput, LoginDelayed) as error:
        return _refused("password", error)
    with web.database().transaction() as session:
        me = auth.current(session)
        moderators.change_password(session, me, stored, utcnow(), keep_session=auth.session_token())
    return _saved("password")


@account_pages.post("/preferences")
@auth.login_required
@auth.csrf_required
def change_preferences() -> AnyResponse:
    """Save what the form names of density, blur (1 or 0) and language; the rest stays."""
    given = request.form
    try:
        with web.database().transaction() as session:
            me = auth.current(session)
            # A box that is not ticked sends nothing: a hidden field before it says 0, and the last one counts.
            blur = given.getlist("blur")[-1] == "1" if "blur" in given else None
            preferences.set_looks(me, density=given.get("density"), blur=blur)
            if "language" in given:
                preferences.set_language(me, given["language"])
    except InvalidInput as error:
        return _refused("preferences", error)
    response = _saved("preferences")
    if "language" in given:  # the cookie of a language link would win over it
        response.delete_cookie(i18n.COOKIE)
    return response


@account_pages.post("/shortcuts")
@auth.login_required
@auth.csrf_required
def change_shortcuts() -> AnyResponse:
    """Save the keys that the form names by their acts, `off` for none at all, or (`usual`) the usual ones."""
    given = {action: request.form[action] for action in ACTIONS if action in request.form}
    try:
        with web.database().transaction() as session:
            me = auth.current(session)
            if "usual" in request.form:
                preferences.usual_keys(me)
            else:
                preferences.set_keys(me, given, off="off" in request.form)
            kept = preferences.of(me.preferences)
    except InvalidInput as error:
        return _refused("shortcuts", error)
    return _saved("shortcuts", keys=dict(kept.keys), off=kept.keys_off)


@account_pages.get("/tokens")
@auth.login_required
def token_page() -> Response:
    """My tokens, and the form for a new one."""
    with web.database().reading() as session:
        return _token_page(session)


@account_pages.post("/tokens")
@auth.login_required
@auth.csrf_required
def add_token() -> Response:
    """Make a token and show it this once."""
    try:
        with web.database().transaction() as session:
            me = auth.current(session)
            name, life = request.form.get("name", ""), request.form.get("life", "")
            row, token = tokens.create(session, me, name, life, utcnow())
    except (InvalidInput, Conflict) as error:
        with web.database().reading() as session:
            given = {"name": request.form.get("name", ""), "life": request.form.get("life", "")}
            return _token_page(session, error.status, values=given, errors=_said(error))
    with web.database().reading() as session:
        return _page(session, "account/token.html", 201, row=row, token=token)


@account_pages.post("/tokens/<int:token_id>/revoke")
@auth.login_required
@auth.csrf_required
def revoke_token(token_id: int) -> AnyResponse:
    """Make a token of mine worthless."""
    with web.database().transaction() as session:
        tokens.revoke(session, auth.current(session), token_id, utcnow())
    return redirect("/account/tokens?saved=revoked", 303)


def _saved(section: str, **facts: Any) -> AnyResponse:
    if web.wants_json():
        return web.answer(facts)
    return redirect(f"/account?saved={section}#my-{section}", 303)


def _refused(section: str, error: ModerationError) -> Response:
    """The fault beside its field, in the page's language; what was written is kept, but for passwords."""
    if web.wants_json():
        body = web.error_body(error)
        body["error"]["message"] = i18n.said(error)
        return web.answer(body, error.status)
    with web.database().reading() as session:
        given = {name: value for name, value in request.form.items() if section != "password"}
        return _account_page(session, error.status, given=given, errors=_said(error), fault_in=section)


def _said(error: ModerationError) -> dict[str, str]:
    return {error.field or "password": i18n.said(error)}


def _account_page(
    session: Session,
    status: int = 200,
    *,
    given: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    fault_in: str = "",
) -> Response:
    me = auth.current(session)
    kept = preferences.of(me.preferences)
    keys = {action: kept.keys.get(action, "") for action in ACTIONS}
    return _page(
        session,
        "account/account.html",
        status,
        values={"density": kept.density, "language": me.language or "", **keys, **(given or {})},
        blur=kept.blur if fault_in != "preferences" else (given or {}).get("blur") == "1",
        off=kept.keys_off if fault_in != "shortcuts" else "off" in (given or {}),
        errors=errors or {},
        fault_in=fault_in,
    )


def _token_page(
    session: Session, status: int = 200, *, values: dict[str, str] | None = None, errors: dict[str, str] | None = None
) -> Response:
    now = utcnow()
    lines = [(row, _state(row, now)) for row in tokens.listed(session, g.me)]
    return _page(
        session,
        "account/tokens.html",
        status,
        tokens=lines,
        values=values or {"name": "", "life": "90"},
        errors=errors or {},
        lives=tokens.LIVES,
    )


SOON = timedelta(days=7)


def _state(row: PersonalToken, now: datetime) -> str:
    """`live`, `soon` (it expires within a week), `expired` or `revoked`."""
    if row.revoked_at is not None:
        return "revoked"
    if not tokens.lives(row, now):
        return "expired"
    return "soon" if row.expires_at is not None and row.expires_at < now + SOON else "live"


def _page(session: Session, template: str, status: int = 200, **context: Any) -> Response:
    saved = request.args.get("saved", "")
    counts = queue.counts(session, g.site_ids, g.me, utcnow())
    html = render_template(template, counts=counts, saved=saved if saved in SAVED else "", **context)
    return Response(html, status=status, mimetype="text/html")
