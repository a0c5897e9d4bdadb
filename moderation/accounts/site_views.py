"""The administrators' pages of sites: making one, its settings, keys and secrets, and connecting it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request
from flask_babel import force_locale, gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, web
from moderation.accounts import auth, moderators, site_settings, sites
from moderation.accounts.models import Site
from moderation.comments import arrivals, form
from moderation.comments.models import Comment
from moderation.db import utcnow
from moderation.delivery import endpoints, outbox
from moderation.delivery.models import Delivery, Endpoint
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.policy import store as policies
from moderation.policy.document import AUTO, MODES
from moderation.review import queue

site_pages = Blueprint("site_pages", __name__, url_prefix="/sites")

LIST_SETTINGS = ("origins", "premoderated_sections", "staff_ids")
"""Settings that a page shows as lines of a text area."""

SECTIONS: Mapping[str, Sequence[str]] = {
    "address": ("name", "url", "origins"),
    "clock": ("language", "timezone"),
    "mode": ("mode",),
    "grace": ("grace_seconds",),
    "stories": ("close_after_days", "premoderated_sections"),
    "staff": ("staff_ids",),
    "looks": ("second_look_percent",),
    "texts": tuple(f"form_texts.{name}" for name in form.TEXTS),
}
"""Section of the page → its fields; each is saved by itself."""

WRONG_WEBHOOK = "This is no address that we can tell: http or https, a host, no user name, no spaces."
WRONG_MODE = "Choose one of the modes."

NEAR_ZONES = ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura")
"""Indonesia's three zones stand first."""


SNIPPETS = ("embed.html", "form.html", "send.sh", "send.py", "receive.py", "fetch.py", "functions.php")

FORM_LABELS = {"id": ("Komentar", "Nama", "Surel"), "en": ("Comment", "Name", "Email")}
"""Labels of the form to paste, by the site's language."""


@dataclass(frozen=True, slots=True)
class Line:
    """One site of the list."""

    site: Site
    arrivals: arrivals.Arrivals
    endpoints: Sequence[Endpoint]


@dataclass(frozen=True, slots=True)
class Connection:
    """How far a site is connected: its first comment, and what became of telling the site its decisions.

    `told_at`: when the site first took a decision; `waiting`: an event that it has not taken yet.
    """

    first: Comment | None
    told_at: datetime | None
    waiting: Delivery | None
    endpoints: Sequence[Endpoint]

    def etag(self) -> str:
        """Changes whenever the line would read differently."""
        first = (self.first.id, self.first.status) if self.first is not None else None
        waiting = (self.waiting.id, self.waiting.state, self.waiting.last_error) if self.waiting is not None else None
        states = [(item.id, item.enabled, item.paused_at) for item in self.endpoints]
        parts = (first, waiting, self.told_at, states, i18n.language(), i18n.timezone_name())
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


@site_pages.get("")
@auth.administrators_only
def listing() -> Response:
    """All sites with how they are connected."""
    with web.database().reading() as session:
        found = sites.all_sites(session)
        came = arrivals.of_sites(session, found, utcnow())
        told = _endpoints(session, [site.id for site in found])
        lines = [Line(site, came[site.id], told.get(site.id, [])) for site in found]
        return _page(session, "sites/list.html", lines=lines)


@site_pages.get("/new")
@auth.administrators_only
def new_page() -> Response:
    """The form for a site."""
    with web.database().reading() as session:
        return _page(session, "sites/new.html", values={}, errors={})


@site_pages.post("/new")
@auth.administrators_only
@auth.csrf_required
def make() -> AnyResponse:
    """Make a site, and show its key and secret this once."""
    values = {name: request.form.get(name, "").strip() for name in ("name", "url", "webhook_url")}
    errors = _faults_of_new(values)
    if errors:
        with web.database().reading() as session:
            return _page(session, "sites/new.html", 422, values=values, errors=_said(errors))
    with web.database().transaction() as session:
        now = utcnow()
        made = sites.add_site(
            session,
            name=values["name"],
            url=values["url"],
            now=now,
            grace_seconds=web.settings().grace_seconds,
            actor=_actor(),
        )
        if values["webhook_url"]:
            endpoints.add(session, made.site, values["webhook_url"], now=now, actor=_actor())
    return _shown_once(made.site, key=made.api_key, secret=made.webhook_secret, new=True)


@site_pages.get("/<int:site_id>")
@auth.administrators_only
def site_page(site_id: int) -> AnyResponse:
    """Everything that can be set for a site."""
    with web.database().reading() as session:
        return _site_page(session, _site(session, site_id), saved=request.args.get("saved", ""))


@site_pages.post("/<int:site_id>/<section>")
@auth.administrators_only
@auth.csrf_required
def save(site_id: int, section: str) -> AnyResponse:
    """Save one section; its faults stand beside its fields, and what was written is kept."""
    if section not in SECTIONS:
        raise NotFound("There is nothing under this address.")
    try:
        with web.database().transaction() as session:
            site, now = _site(session, site_id), utcnow()
            if section == "mode":
                _save_mode(session, site, now)
            else:
                site_settings.change(session, site, _read(section), actor=_actor(), now=now)
    except InvalidInput as error:
        faults = site_settings.faults_of(error)
        with web.database().reading() as session:
            given = {name: request.form.get(name, "") for name in SECTIONS[section]}
            return _site_page(session, _site(session, site_id), given=given, errors=_said(faults), fault_in=section)
    return redirect(f"/sites/{site_id}?saved={section}#{section}", 303)


@site_pages.post("/<int:site_id>/keys")
@auth.administrators_only
@auth.csrf_required
def add_key(site_id: int) -> AnyResponse:
    """A new API key, shown this once."""
    return _new_credential(site_id, "keys")


@site_pages.post("/<int:site_id>/secrets")
@auth.administrators_only
@auth.csrf_required
def add_secret(site_id: int) -> AnyResponse:
    """A new webhook secret, shown this once; the older ones live on until they are retired."""
    return _new_credential(site_id, "secrets")


@site_pages.post("/<int:site_id>/keys/<int:key_id>/revoke")
@auth.administrators_only
@auth.csrf_required
def revoke_key(site_id: int, key_id: int) -> AnyResponse:
    """Revoke a key; the last live one only when the box says so."""
    last = request.form.get("last") == "yes"
    try:
        with web.database().transaction() as session:
            sites.revoke_key(session, _site(session, site_id), key_id, actor=_actor(), now=utcnow(), last=last)
    except Conflict as error:
        return _refused(site_id, error, "keys")
    return redirect(f"/sites/{site_id}?saved=key-revoked#api-keys", 303)


@site_pages.post("/<int:site_id>/secrets/<int:secret_id>/retire")
@auth.administrators_only
@auth.csrf_required
def retire_secret(site_id: int, secret_id: int) -> AnyResponse:
    """Retire a secret; never the last one."""
    try:
        with web.database().transaction() as session:
            sites.retire_secret(session, _site(session, site_id), secret_id, actor=_actor(), now=utcnow())
    except Conflict as error:
        return _refused(site_id, error, "secrets")
    return redirect(f"/sites/{site_id}?saved=secret-retired#webhook-secrets", 303)


@site_pages.get("/<int:site_id>/connect")
@auth.administrators_only
def connect_page(site_id: int) -> Response:
    """The lines to paste for this very site, and whether its first comment has come."""
    with web.database().reading() as session:
        site = _site(session, site_id)
        connection = _connection(session, site)
        return _page(session, "sites/connect.html", site=site, connection=connection, snippets=_snippets(site))


@site_pages.get("/<int:site_id>/connect/state")
@auth.administrators_only
def connect_state(site_id: int) -> Response:
    """The line that turns green, as a fragment of the page, with an ETag."""
    with web.database().reading() as session:
        site = _site(session, site_id)
        connection = _connection(session, site)
        response = _html(render_template("sites/_state.html", site=site, connection=connection))
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(connection.etag())
    return response.make_conditional(request)  # type: ignore[return-value]  # Flask's Response comes back as itself


def _snippets(site: Site) -> dict[str, str]:
    """What there is to paste for a site, by name; what readers see in it speaks the site's language."""
    with force_locale(site.language):
        button = form.texts(site, gettext)["button"]
    values = {
        "base": web.settings().base_url,
        "site": site.public_id,
        "url": site.url,
        "home": sites.origin_of(site.url),
        "labels": FORM_LABELS[site.language],
        "button": button,
    }
    return {name: render_template(f"sites/snippets/{name}.txt", **values).strip() for name in SNIPPETS}


def _site(session: Session, site_id: int) -> Site:
    site = session.get(Site, site_id)
    if site is None or site.disabled_at is not None:
        raise NotFound("There is no such site.")
    return site


def _actor() -> str:
    return f"moderator:{g.me.id}"


def _said(faults: Mapping[str, str]) -> dict[str, str]:
    return {field: gettext(sentence) for field, sentence in faults.items()}


def _faults_of_new(values: Mapping[str, str]) -> dict[str, str]:
    faults = {}
    for name, check in (("name", sites.clean_name), ("url", sites.clean_url)):
        try:
            check(values[name])
        except InvalidInput as error:
            faults[name] = error.message
    if values["webhook_url"]:
        try:
            endpoints.check_url(values["webhook_url"])
        except InvalidInput:
            faults["webhook_url"] = WRONG_WEBHOOK
    return faults


def _read(section: str) -> dict[str, Any]:
    """The settings of a section as its form has them."""
    if section == "texts":
        return {"form_texts": {name: request.form.get(f"form_texts.{name}", "") for name in form.TEXTS}}
    given = {name: request.form.get(name, "") for name in SECTIONS[section]}
    return {name: text.splitlines() if name in LIST_SETTINGS else text for name, text in given.items()}


def _save_mode(session: Session, site: Site, now: datetime) -> None:
    mode = request.form.get("mode", "")
    if mode not in MODES:
        raise InvalidInput(WRONG_MODE, field="mode")
    policies.set_mode(session, site.id, mode, by=_actor(), now=now)


def _new_credential(site_id: int, kind: str) -> AnyResponse:
    try:
        with web.database().transaction() as session:
            site, now = _site(session, site_id), utcnow()
            maker = sites.add_key if kind == "keys" else sites.add_secret
            made = maker(session, site, actor=_actor(), now=now)
    except Conflict as error:
        return _refused(site_id, error, kind)
    return _shown_once(site, key=made) if kind == "keys" else _shown_once(site, secret=made)


def _shown_once(site: Site, *, key: str = "", secret: str = "", new: bool = False) -> Response:
    # On the answer to the POST itself: a key in an address would stay in histories and logs.
    with web.database().reading() as session:
        return _page(session, "sites/shown_once.html", 201, site=site, key=key, secret=secret, new=new)


def _refused(site_id: int, error: Conflict, section: str) -> Response:
    with web.database().reading() as session:
        site = _site(session, site_id)
        return _site_page(session, site, errors={section: i18n.said(error)}, fault_in=section, status=409)


def _site_page(
    session: Session,
    site: Site,
    *,
    saved: str = "",
    given: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    fault_in: str = "",
    status: int = 422,
) -> Response:
    document, version = policies.live_document(session, site.id)
    return _page(
        session,
        "sites/site.html",
        status if fault_in else 200,
        site=site,
        values={**_values(site), "mode": document.get("mode", AUTO), **(given or {})},
        errors=errors or {},
        fault_in=fault_in,
        saved=saved,
        policy_version=version,
        keys=sites.keys(session, site.id),
        secrets=sites.webhook_secrets(session, site.id),
        endpoints=_endpoints(session, [site.id]).get(site.id, []),
        zones=_zones(site.timezone),
        usual=form.TEXTS,
        limits=site_settings.FORM_TEXT_CHARS,
    )


def _values(site: Site) -> dict[str, str]:
    """The settings as the page's fields have them."""
    plain = ("name", "url", "language", "timezone", "grace_seconds", "close_after_days", "second_look_percent")
    values = {name: "" if getattr(site, name) is None else str(getattr(site, name)) for name in plain}
    values |= {name: "\n".join(str(item) for item in getattr(site, name)) for name in LIST_SETTINGS}
    return values | {f"form_texts.{name}": str(site.form_texts.get(name, "")) for name in form.TEXTS}


def _zones(current: str) -> list[str]:
    return list(dict.fromkeys([*NEAR_ZONES, *site_settings.timezones(), current]))


def _endpoints(session: Session, site_ids: Sequence[int]) -> dict[int, list[Endpoint]]:
    found: dict[int, list[Endpoint]] = {}
    rows = select(Endpoint).where(Endpoint.site_id.in_(site_ids), Endpoint.deleted_at.is_(None)).order_by(Endpoint.id)
    for row in session.scalars(rows):
        found.setdefault(row.site_id, []).append(row)
    return found


def _connection(session: Session, site: Site) -> Connection:
    first = arrivals.first_comment(session, site.id)
    told_at = waiting = None
    if first is not None:
        events = select(Delivery).where(Delivery.site_id == site.id, Delivery.comment_id.is_not(None))
        told = session.scalar(events.where(Delivery.state == outbox.DELIVERED).order_by(Delivery.id).limit(1))
        told_at = told.finished_at if told is not None else None
        if told is None:
            unheard = events.where(Delivery.state.in_((outbox.DUE, outbox.LEASED, outbox.DEAD)))
            waiting = session.scalar(unheard.order_by(Delivery.id).limit(1))
    return Connection(first, told_at, waiting, _endpoints(session, [site.id]).get(site.id, []))


def _page(session: Session, template: str, status: int = 200, **context: Any) -> Response:
    """A page with the rail's counts, like every other of the moderators' pages."""
    counts = queue.counts(session, moderators.site_ids(session, g.me), g.me, utcnow())
    return _html(render_template(template, counts=counts, **context), status)


def _html(page: str, status: int = 200) -> Response:
    return Response(page, status=status, mimetype="text/html")
