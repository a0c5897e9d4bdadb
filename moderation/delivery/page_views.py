"""The delivery room: endpoints of my sites, what they were told and what not, and for administrators the switches."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, parsing, web
from moderation.accounts import audit, auth, moderators, sites
from moderation.accounts.models import Site
from moderation.db import utcnow
from moderation.delivery import endpoints, outbox, outbox_reading
from moderation.delivery.models import Delivery, Endpoint
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.review import queue
from moderation.wordings import counted

pages = Blueprint("delivery_pages", __name__, url_prefix="/deliveries")

PAGE = 50

DEEDS: dict[str, Callable[..., Any]] = {
    "pause": endpoints.pause,
    "resume": endpoints.resume,
    "enable": endpoints.enable,
    "disable": endpoints.disable,
    "remove": endpoints.remove,
}
"""What an administrator does with an endpoint by one button, by the last word of the form's address."""

DONE = ("added", "changed", "replayed", "tested", *DEEDS)


@dataclass(frozen=True, slots=True)
class EndpointLine:
    """An endpoint as the page shows it; `waiting` events have not reached it, `by_hand`: a person stopped it."""

    endpoint: Endpoint
    state: str
    waiting: int
    by_hand: bool


@dataclass(frozen=True, slots=True)
class SiteLine:
    """A site with its endpoints; `dead` are events that were given up."""

    site: Site
    endpoints: list[EndpointLine]
    dead: int


@pages.get("")
@auth.login_required
def room() -> str:
    """Endpoints, and a page of deliveries."""
    with web.database().reading() as session:
        return _room(session)


@pages.get("/<int:delivery_id>")
@auth.login_required
def delivery_page(delivery_id: int) -> str:
    """One delivery: its payload, and every try with its answer."""
    with web.database().reading() as session:
        row, url = _delivery(session, delivery_id)
        return render_template(
            "deliveries/delivery.html",
            row=row,
            url=url,
            payload=json.dumps(json.loads(row.payload), ensure_ascii=False, indent=2),
            tries=outbox_reading.attempts_of(session, row.id),
            site=session.get_one(Site, row.site_id),
            counts=queue.counts(session, g.site_ids, g.me, utcnow()),
            done=_done(),
        )


@pages.post("/<int:delivery_id>/replay")
@auth.administrators_only
@auth.csrf_required
def replay_one(delivery_id: int) -> AnyResponse:
    """Send one delivery again."""
    with web.database().transaction() as session:
        row, _ = _delivery(session, delivery_id)
        done = outbox.replay(session, g.site_ids, [row.id], utcnow())
        _note_replay(session, row.site_id, len(done))
    return redirect(f"/deliveries/{delivery_id}?done=replayed&count={len(done)}", 303)


@pages.post("/replay")
@auth.administrators_only
@auth.csrf_required
def replay_dead() -> AnyResponse:
    """Send again all that was given up: of one endpoint, or of one site."""
    with web.database().transaction() as session:
        if "endpoint" in request.form:
            endpoint = _endpoint(session, web.form_int("endpoint"))
            site_id, endpoint_id = endpoint.site_id, endpoint.id
        else:
            site_id, endpoint_id = sites.among(session, g.site_ids, web.form_int("site")).id, None
        count = outbox.replay_dead(session, [site_id], utcnow(), endpoint_id=endpoint_id)
        _note_replay(session, site_id, count)
    return _back("replayed", count=count)


@pages.post("/endpoints")
@auth.administrators_only
@auth.csrf_required
def add() -> AnyResponse:
    """A further endpoint of a site; a wrong address stays in its field, with what is wrong."""
    url = request.form.get("url", "").strip()
    site_id = web.form_int("site")
    try:
        with web.database().transaction() as session:
            endpoints.add(
                session, sites.among(session, g.site_ids, site_id), url, now=utcnow(), actor=moderators.actor(g.me)
            )
    except (InvalidInput, Conflict) as error:
        return _faulty(error, {"add": site_id}, url)
    return _back("added")


@pages.post("/endpoints/<int:endpoint_id>/change")
@auth.administrators_only
@auth.csrf_required
def change(endpoint_id: int) -> AnyResponse:
    """Another address for an endpoint."""
    url = request.form.get("url", "").strip()
    try:
        with web.database().transaction() as session:
            endpoint = _endpoint(session, endpoint_id, lock=True)
            endpoints.change_url(session, endpoint, url, now=utcnow(), actor=moderators.actor(g.me))
    except (InvalidInput, Conflict) as error:
        return _faulty(error, {"change": endpoint_id}, url)
    return _back("changed")


@pages.post("/endpoints/<int:endpoint_id>/test")
@auth.administrators_only
@auth.csrf_required
def send_test(endpoint_id: int) -> AnyResponse:
    """Send a test event, and show what comes of it."""
    with web.database().transaction() as session:
        made = outbox.put_test(session, _endpoint(session, endpoint_id, lock=True), utcnow())
    return redirect(f"/deliveries/{made.id}?done=tested", 303)


@pages.post("/endpoints/<int:endpoint_id>/<deed>")
@auth.administrators_only
@auth.csrf_required
def act(endpoint_id: int, deed: str) -> AnyResponse:
    """Pause, resume, enable, disable or remove."""
    if deed not in DEEDS:
        raise NotFound("There is nothing under this address.")
    with web.database().transaction() as session:
        DEEDS[deed](session, _endpoint(session, endpoint_id, lock=True), now=utcnow(), actor=moderators.actor(g.me))
    return _back(deed)


def _room(session: Session, *, fault: dict[str, Any] | None = None) -> str:
    mine = sites.of_ids(session, g.site_ids)
    chosen = web.query_int("site", 0, 0, 10**18)
    shown = [site for site in mine if chosen in (0, site.id)]
    if not shown and chosen:
        raise NotFound("There is no such site.")
    state = request.args.get("state") or None
    if state is not None and state not in outbox.STATES:
        raise NotFound("There is nothing under this address.")
    ids = [site.id for site in shown]
    after = web.query_int("after", 0, 0, 10**18) or None
    rows = outbox_reading.listing(session, ids, state=state, after=after, limit=PAGE + 1)
    return render_template(
        "deliveries/room.html",
        sites=mine,
        lines=[_site_line(session, site) for site in shown],
        chosen=chosen,
        state=state,
        states=outbox.STATES,
        rows=rows[:PAGE],
        next_after=rows[PAGE - 1][0].id if len(rows) > PAGE else None,
        paged=after is not None,
        counts=queue.counts(session, g.site_ids, g.me, utcnow()),
        done=_done(),
        fault=fault or {},
    )


def _site_line(session: Session, site: Site) -> SiteLine:
    found = [
        EndpointLine(
            endpoint,
            endpoints.state_of(endpoint),
            endpoints.waiting(session, endpoint.id),
            endpoint.disabled_reason == endpoints.BY_HAND,
        )
        for endpoint in endpoints.of_site(session, site.id)
    ]
    return SiteLine(site, found, outbox_reading.given_up(session, [site.id]))


def _faulty(error: InvalidInput | Conflict, where: dict[str, int], url: str) -> AnyResponse:
    with web.database().reading() as session:
        html = _room(session, fault={**where, "url": url, "sentence": i18n.said(error)})
    return Response(html, status=error.status, mimetype="text/html")


def _delivery(session: Session, delivery_id: int) -> tuple[Delivery, str | None]:
    found = outbox_reading.one(session, g.site_ids, delivery_id)
    if found is None:
        raise NotFound("There is no such delivery.")
    return found


def _endpoint(session: Session, endpoint_id: int, *, lock: bool = False) -> Endpoint:
    endpoint = endpoints.by_id(session, None, endpoint_id, lock=lock)
    if endpoint.site_id not in g.site_ids:
        raise NotFound("There is no such endpoint.")
    return endpoint


def _note_replay(session: Session, site_id: int, count: int) -> None:
    audit.record(
        session,
        actor=moderators.actor(g.me),
        action="delivery.replay",
        subject=f"site:{site_id}",
        site_id=site_id,
        now=utcnow(),
        detail=counted(count, "delivery", "deliveries"),
    )


def _done() -> tuple[str, int] | None:
    """What the form that led here did, and to how many."""
    what = request.args.get("done", "")
    return (what, web.query_int("count", 0, 0, 10**9)) if what in DONE else None


def _back(done: str, count: int = 0) -> AnyResponse:
    chosen = request.form.get("chosen", "")
    site = f"&site={chosen}" if parsing.whole_number(chosen) else ""
    return redirect(f"/deliveries?done={done}" + (f"&count={count}" if count else "") + site, 303)
