"""The web application: collects the doors of every room. Nothing here decides anything."""

import gc
import logging
from collections.abc import Callable
from functools import cache
from typing import Any, cast

from flask import Flask, Response, g, render_template, request
from sqlalchemy.orm import configure_mappers
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.local import LocalProxy
from werkzeug.middleware.proxy_fix import ProxyFix

from moderation import i18n, openapi, web
from moderation.accounts import auth, preferences
from moderation.accounts.account_views import account_pages
from moderation.accounts.moderators import Passwords
from moderation.accounts.preferences import Preferences
from moderation.accounts.site_views import site_pages
from moderation.accounts.views import accounts
from moderation.comments.embed_views import public as public_embed
from moderation.comments.form_views import public
from moderation.comments.label_views import api as labels_api
from moderation.comments.reading_views import api as reading_api
from moderation.comments.reading_views import public as public_reading
from moderation.comments.report_views import api as reports_api
from moderation.comments.report_views import public as public_reports
from moderation.comments.views import api, gathered_intake, many, verdict_watch
from moderation.comments.webhook_views import webhooks
from moderation.db import Database
from moderation.delivery.page_views import pages as delivery_pages
from moderation.delivery.views import api as delivery
from moderation.dispatch import CelerySender, Sender
from moderation.errors import ModerationError, NotAuthenticated, NotFound, TooLarge
from moderation.health.views import health
from moderation.rescoring.api_apply_views import apply_api
from moderation.rescoring.api_draft_views import drafts_api
from moderation.rescoring.api_policy_views import policies_api
from moderation.rescoring.api_scorer_views import scorers_api
from moderation.rescoring.api_views import rescore_api
from moderation.rescoring.apply_views import apply_pages
from moderation.rescoring.policy_views import policy_pages
from moderation.rescoring.rescore_views import rescore_pages
from moderation.rescoring.scorer_views import scorer_pages
from moderation.review import campaigns, groups
from moderation.review.api_comment_views import comments_api
from moderation.review.api_groups_views import groups_api
from moderation.review.api_people_views import people_api
from moderation.review.api_views import queue_api
from moderation.review.bulk_views import bulk_pages
from moderation.review.deed_views import deeds
from moderation.review.explanation_views import explanation_pages
from moderation.review.group_views import group_pages
from moderation.review.people_views import people_pages
from moderation.review.second_look_views import look_pages
from moderation.review.statistics_views import statistics_pages
from moderation.review.views import review
from moderation.settings import Settings, load

log = logging.getLogger(__name__)

MACHINES = ("/api/", "/f/", "/webhooks/", "/healthz", "/readyz", "/queue/changes")
"""Paths whose errors are JSON whatever the Accept header says; pages answer people."""


def create_app(settings: Settings | None = None, *, sender: Sender | None = None) -> Flask:
    """The application for `settings` (those of the environment unless told), nudging through `sender`.

    Raises SettingsError when a setting is wrong.
    """
    settings = settings or load()
    app = Flask(__name__)
    furnish(app, settings, sender=sender)
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]  # Flask's documented way
    i18n.init_app(app)
    for blueprint in (
        health,
        api,
        many,
        reading_api,
        webhooks,
        public,
        public_reading,
        public_embed,
        reports_api,
        public_reports,
        labels_api,
        accounts,
        account_pages,
        site_pages,
        review,
        deeds,
        people_pages,
        look_pages,
        statistics_pages,
        group_pages,
        queue_api,
        comments_api,
        groups_api,
        people_api,
        rescore_api,
        apply_api,
        scorers_api,
        policies_api,
        drafts_api,
        bulk_pages,
        policy_pages,
        rescore_pages,
        apply_pages,
        scorer_pages,
        explanation_pages,
        delivery,
        delivery_pages,
        openapi.docs,
    ):
        app.register_blueprint(blueprint)
    if settings.demo:
        # The demo is a guest: an installation without it never loads it.
        from moderation.demo.views import demo
        from moderation.demo.webhook_views import receiver

        app.register_blueprint(demo)
        app.register_blueprint(receiver)
    web.add_headers(app)
    app.after_request(auth.keep_visitor)
    app.context_processor(_page_context)
    # A macro that is imported without context asks, too.
    app.jinja_env.globals["key_of"] = lambda action: _prefs().keys.get(action, "")
    app.jinja_env.globals.update(flood_at_once=groups.AT_ONCE, flood_hours=campaigns.HOURS)
    app.register_error_handler(ModerationError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    _settle()
    return app


@cache
def _settle() -> None:
    """Once a process: modules, tables and mappers stay, so what requests leave is looked for without going through all
    of them, which would keep a request waiting for a tenth of a second now and then. What loading has left behind stays
    with them: it is not worth the tenth of a second that looking for it takes."""
    configure_mappers()
    gc.freeze()


def furnish(app: Flask, settings: Settings, *, sender: Sender | None = None) -> None:
    """Give `app` what its views work with: settings, the secret, the database and what is shared between requests.

    Routes and templates do not depend on it, so an application can be furnished anew (tests do).
    """
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body_bytes
    app.config["MAX_FORM_PARTS"] = 50
    app.extensions["settings"] = settings
    app.extensions["secret"] = settings.key()
    app.extensions["likely_sites"] = {}
    app.extensions["passwords"] = Passwords(fast=settings.test_fast_hash)
    app.extensions["database"] = Database(
        settings.database,
        info={"sender": sender or CelerySender(settings), "composition": settings.speakers},
        pool_size=settings.web_threads + 2,
    )
    app.extensions["intake"] = gathered_intake(settings, app.extensions["secret"], app.extensions["database"])
    app.extensions["verdicts"] = verdict_watch(app.extensions["database"], settings.web_threads)


def _page_context() -> dict[str, Any]:
    # Made only where a template writes it: a reader's page without such a form sets no cookie.
    return {
        "me": g.get("me"),
        "prefs": _prefs(),
        "csrf_token": LocalProxy(auth.form_token),
        "site_names": g.get("site_names", ""),
    }


def _prefs() -> Preferences:
    """How the moderator who asks likes to work; as usual where nobody is logged in."""
    if "prefs" not in g:
        g.prefs = preferences.of(g.me.preferences if "me" in g else {})
    return cast(Preferences, g.prefs)


def _refused(error: ModerationError) -> Response:
    if error.status >= 500:
        log.warning("%s: %s", type(error).__name__, error.message)
    response = _error_page(error) if _is_page() else web.answer(web.error_body(error), error.status)
    if isinstance(error, NotAuthenticated) and not _is_page():
        response.headers["WWW-Authenticate"] = 'Bearer realm="moderation"'
    retry_after = error.details.get("retry_after", 2 if error.status == 503 else None)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        limit = request.max_content_length or web.settings().max_body_bytes
        return _refused(
            TooLarge("The body is larger than %(most)s bytes.", details={"max_bytes": limit}, values={"most": limit})
        )
    if error.code == 404:
        return _refused(NotFound("There is nothing under this address."))
    refused = ModerationError(error.description or error.name)
    refused.status, refused.code = error.code or 500, (error.name or "error").lower().replace(" ", "_")
    response = _error_page(refused) if _is_page() else web.answer(web.error_body(refused), refused.status)
    for name, value in error.get_headers():
        if name == "Allow":  # a 405 names what is allowed
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    log.error("unexpected error on %s", request.path, exc_info=error)
    failed = ModerationError("Something went wrong on our side; nothing was stored.")
    failed.status, failed.code = 500, "internal_error"
    return _error_page(failed) if _is_page() else web.answer(web.error_body(failed), 500)


def _is_page() -> bool:
    return not request.path.startswith(MACHINES) and not web.wants_json()


def _error_page(error: ModerationError) -> Response:
    page: Callable[..., str] = render_template
    html = page("error.html", status=error.status, message=i18n.said(error))
    return Response(html, status=error.status, mimetype="text/html")
