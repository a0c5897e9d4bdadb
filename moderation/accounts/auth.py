"""Who is at the door: sessions in cookies, CSRF, and what a view demands."""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import quote

from flask import Response, g, redirect, request
from sqlalchemy.orm import Session

from moderation import i18n, web
from moderation.accounts import moderators, sites, tokens
from moderation.accounts.models import Moderator
from moderation.db import utcnow
from moderation.errors import NotAllowed, NotAuthenticated

View = TypeVar("View", bound=Callable[..., Any])

VISITOR = "visitor"


def cookie_name() -> str:
    """`__Host-` binds the cookie to this host and to https, where there is https."""
    return "__Host-session" if web.settings().cookies_secure else "session"


def session_token() -> str:
    """The session cookie of the request, empty when there is none."""
    return request.cookies.get(cookie_name(), "")[:200]


def current(session: Session) -> Moderator:
    """The moderator who asks, read in this very transaction. Raises NotAuthenticated."""
    token = session_token()
    if not token:
        raise NotAuthenticated("Please log in.")
    return moderators.by_session(session, token, utcnow())


def login_required(view: View) -> View:
    """Let only moderators in: pages lead to /login, scripts get 401. Sets `g.me`."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            with web.database().reading() as session:
                g.me = current(session)
                g.site_ids = moderators.site_ids(session, g.me)
                mine = sites.of_ids(session, g.site_ids)
                g.site_names = [site.name for site in mine]
            i18n.for_moderator(g.me.language)
            if mine:  # one desk, one clock: that of the oldest site
                i18n.use_timezone(mine[0].timezone)
        except NotAuthenticated:
            if web.wants_json() or request.method != "GET":
                raise
            return redirect(f"/login?next={quote(request.path)}", 303)
        return view(*args, **kwargs)

    return guarded  # type: ignore[return-value]  # wraps() keeps the view's signature


def current_by_token(session: Session) -> tokens.Holder:
    """Who sends the personal token of the request, read in this very transaction.

    Raises NotAuthenticated, and NotAllowed for a site's key: a site is no moderator.
    """
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if kind.lower() != "bearer" or not token:
        raise NotAuthenticated("Send a personal token as Authorization: Bearer mod_….")
    if token.startswith(sites.KEY_PREFIX):
        raise NotAllowed("This is a site's key; here a moderator's personal token is needed.", field="Authorization")
    return tokens.by_token(session, token, utcnow())


def token_required(view: View) -> View:
    """Let only moderators' own tools in, by a personal token. Sets `g.me` and `g.site_ids`.

    A cookie counts for nothing here, so no other site's page can make a browser act: no CSRF token is needed.
    """

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with web.database().reading() as session:
            holder = current_by_token(session)
            g.me = holder.moderator
            g.site_ids = moderators.site_ids(session, g.me)
        if holder.unnoted:
            with web.database().transaction() as session:
                tokens.note_use(session, holder.token_id, utcnow())
        return view(*args, **kwargs)

    return guarded  # type: ignore[return-value]  # wraps() keeps the view's signature


def administrators_only(view: View) -> View:
    """Let only administrators in: everybody else who is logged in gets 403. Raises NotAllowed."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if g.me.role != moderators.ADMINISTRATOR:
            raise NotAllowed("Only administrators may do this.")
        return view(*args, **kwargs)

    return login_required(guarded)  # type: ignore[return-value]  # wraps() keeps the view's signature


def seniors_only(view: View) -> View:
    """Let only seniors and administrators in: everybody else who is logged in gets 403. Raises NotAllowed."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        moderators.senior(g.me)
        return view(*args, **kwargs)

    return login_required(guarded)  # type: ignore[return-value]  # wraps() keeps the view's signature


def csrf_required(view: View) -> View:
    """Demand the form's CSRF token and, where the browser names one, our own origin. Raises NotAllowed."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        given = request.form.get("csrf_token", "") or request.headers.get("X-CSRF-Token", "")
        holder = session_token() or request.cookies.get(VISITOR, "")
        if not holder or not web.same_token(given, web.csrf_token(holder)):
            raise NotAllowed("The page was open too long; load it again.", field="csrf_token")
        origin = request.headers.get("Origin")
        own = (sites.origin_of(web.settings().base_url), request.host_url.rstrip("/"))
        if origin is not None and origin not in own:
            raise NotAllowed("The form came from another site.", field="Origin")
        return view(*args, **kwargs)

    return guarded  # type: ignore[return-value]  # wraps() keeps the view's signature


def form_token() -> str:
    """The CSRF token of this browser's forms; a browser without a session gets a visitor cookie with the answer."""
    holder = session_token() or request.cookies.get(VISITOR, "")
    if not holder:
        if "new_visitor" not in g:
            g.new_visitor = secrets.token_urlsafe(24)
        holder = g.new_visitor
    if g.get("form_token_of") != holder:  # a page may have eighty forms
        g.form_token_of, g.form_token = holder, web.csrf_token(holder)
    return str(g.form_token)


def keep_visitor(response: Response) -> Response:
    """Set the visitor cookie, where a form token was just made for it."""
    if "new_visitor" in g:
        response.set_cookie(VISITOR, g.new_visitor, httponly=True, samesite="Lax", secure=web.settings().cookies_secure)
    return response
