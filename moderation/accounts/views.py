"""Logging in and out, and the language of the pages."""

import re

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from moderation import web
from moderation.accounts import auth, moderators
from moderation.accounts.moderators import LoginDelayed
from moderation.db import utcnow
from moderation.errors import NotAuthenticated

accounts = Blueprint("accounts", __name__)

PAGES = re.compile(
    r"/queue(?:/[0-9]{1,18})?|/sites(?:/new|/[0-9]{1,18}(?:/connect)?)?|/deliveries(?:/[0-9]{1,18})?"
    r"|/statistics|/account(?:/tokens)?"
)
"""Where a login may lead to: our own pages by name, not a check of addresses, so there is no open redirect to find."""


@accounts.get("/login")
def login_page() -> AnyResponse:
    """The form; who is logged in already goes on."""
    try:
        with web.database().reading() as session:
            auth.current(session)
        return redirect("/queue", 303)
    except NotAuthenticated:
        return _page()


@accounts.post("/login")
@auth.csrf_required
def login() -> AnyResponse:
    """Check the password outside any transaction (it is slow on purpose), then start a new session."""
    email = request.form.get("email", "")[:254]
    keys = moderators.throttle_keys(web.secret(), email, request.remote_addr or "")
    with web.database().reading() as session:
        try:
            moderators.check_throttle(session, keys, utcnow())
        except LoginDelayed as error:
            wait = int(str(error.details["retry_after"]))
            response = _page("wait", email, 429, wait)
            response.headers["Retry-After"] = str(wait)
            return response
        found = moderators.candidate(session, email)
    right = web.passwords().matches(found[1] if found else None, request.form.get("password", ""))
    if not right or found is None:
        with web.database().transaction() as session:
            moderators.note_failure(session, keys, utcnow())
        return _page("wrong", email, 401)
    with web.database().transaction() as session:
        token = moderators.start_session(session, found[0], now=utcnow(), hours=web.settings().session_hours)
    page = request.args.get("next", "")
    answer = redirect(page if PAGES.fullmatch(page) else "/queue", 303)
    answer.set_cookie(
        auth.cookie_name(),
        token,
        max_age=web.settings().session_hours * 3600,
        httponly=True,
        samesite="Lax",
        secure=web.settings().cookies_secure,
        path="/",
    )
    return answer


@accounts.post("/logout")
@auth.csrf_required
def logout() -> AnyResponse:
    """End the session: the cookie's token is worth nothing from now on."""
    with web.database().transaction() as session:
        moderators.end_session(session, auth.session_token())
    answer = redirect("/login", 303)
    answer.delete_cookie(auth.cookie_name(), path="/")
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


def _page(error: str | None = None, email: str = "", status: int = 200, wait: int = 0) -> Response:
    html = render_template("login.html", error=error, email=email, wait_seconds=wait)
    return Response(html, status=status, mimetype="text/html")
