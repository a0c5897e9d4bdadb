"""The delivery API of a site's server: endpoints, deliveries, and pulling decisions. With the site's key."""

import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from moderation import web
from moderation.accounts import audit
from moderation.accounts.models import Site
from moderation.comments.schemas import ErrorSchema
from moderation.db import utcnow
from moderation.delivery import endpoints, outbox, outbox_reading, pull, schemas
from moderation.delivery.models import Delivery, Endpoint
from moderation.errors import InvalidInput, NotFound
from moderation.wordings import counted

NEW = schemas.NewEndpointSchema()
PATCH = schemas.EndpointPatchSchema()
REPLAY = schemas.ReplaySchema()
CONFIRM = schemas.ConfirmSchema()
"""Made once: making a schema costs more than loading with it, and loading keeps nothing in it."""

api = Blueprint("delivery", __name__, url_prefix="/api/v1")

KEY: dict[int, tuple[str, Any]] = {401: ("The key is missing or wrong.", ErrorSchema)}
BODY: dict[int, tuple[str, Any]] = {
    **KEY,
    400: ("The body cannot be read.", ErrorSchema),
    413: ("The body is too large.", ErrorSchema),
    422: ("A field is wrong; it is named.", ErrorSchema),
}
NO_ENDPOINT: dict[int, tuple[str, Any]] = {404: ("There is no such endpoint on this site.", ErrorSchema)}
NO_DELIVERY: dict[int, tuple[str, Any]] = {404: ("There is no such delivery on this site.", ErrorSchema)}


@api.get("/endpoints")
@web.documented(
    summary="Where the site is told",
    tag="delivery",
    security="key",
    answers={200: ("All endpoints with their state.", schemas.EndpointListSchema), **KEY},
)
def list_endpoints() -> Response:
    """The site's endpoints."""
    with web.database().reading() as session:
        site = web.site_of_key(session)
        found = endpoints.of_site(session, site.id)
        return web.answer({"endpoints": [_endpoint(session, endpoint) for endpoint in found]})


@api.post("/endpoints")
@web.documented(
    summary="Be told at a further address",
    tag="delivery",
    security="key",
    body=schemas.NewEndpointSchema,
    answers={
        201: ("It is told from now on; the first one also gets what waited for pulling.", schemas.EndpointSchema),
        409: ("The site has this address already.", ErrorSchema),
        **BODY,
    },
)
def add_endpoint() -> Response:
    """Add an endpoint."""
    given = _body(NEW)
    with web.database().transaction() as session:
        site = web.site_of_key(session)
        made = endpoints.add(session, site, given["url"], now=utcnow(), actor=_actor(site))
        return web.answer(_endpoint(session, made), 201)


@api.patch("/endpoints/<int:endpoint_id>")
@web.documented(
    summary="Change an endpoint's address, enable or disable it",
    tag="delivery",
    security="key",
    body=schemas.EndpointPatchSchema,
    answers={
        200: ("As it stands now.", schemas.EndpointSchema),
        409: ("The site has this address already.", ErrorSchema),
        **NO_ENDPOINT,
        **BODY,
    },
)
def change_endpoint(endpoint_id: int) -> Response:
    """Change an endpoint."""
    given = _body(PATCH)
    if not given:
        raise InvalidInput("Say what is to change: url or enabled.", field="url")

    def deed(session: Session, endpoint: Endpoint, actor: str) -> None:
        if "url" in given:
            endpoints.change_url(session, endpoint, given["url"], now=utcnow(), actor=actor)
        if "enabled" in given:
            switch = endpoints.enable if given["enabled"] else endpoints.disable
            switch(session, endpoint, now=utcnow(), actor=actor)

    return _change(endpoint_id, deed)


@api.delete("/endpoints/<int:endpoint_id>")
@web.documented(
    summary="Remove an endpoint",
    tag="delivery",
    security="key",
    answers={
        200: ("Removed; what nobody was told goes to another endpoint or waits for pulling.", schemas.RemovedSchema),
        **NO_ENDPOINT,
        **KEY,
    },
)
def remove_endpoint(endpoint_id: int) -> Response:
    """Remove an endpoint; its history stays."""
    with web.database().transaction() as session:
        site = web.site_of_key(session)
        endpoint = endpoints.by_id(session, site.id, endpoint_id, lock=True)
        done = endpoints.remove(session, endpoint, now=utcnow(), actor=_actor(site))
    return web.answer({"handed_over": done.handed_over, "closed": done.closed})


@api.post("/endpoints/<int:endpoint_id>/test")
@web.documented(
    summary="Send a test event",
    tag="delivery",
    security="key",
    answers={
        202: ("`endpoint.test` is under way, signed like every event, tried once.", schemas.SentSchema),
        **NO_ENDPOINT,
        **KEY,
    },
)
def test_endpoint(endpoint_id: int) -> Response:
    """Send a test event, whatever the endpoint's state."""
    with web.database().transaction() as session:
        site = web.site_of_key(session)
        made = outbox.put_test(session, endpoints.by_id(session, site.id, endpoint_id, lock=True), utcnow())
        return web.answer({"delivery": str(made.id), "event_id": made.event_id}, 202)


@api.post("/endpoints/<int:endpoint_id>/pause")
@web.documented(
    summary="Hold an endpoint's events back",
    tag="delivery",
    security="key",
    answers={
        200: ("Paused until it is resumed; nothing is lost.", schemas.EndpointSchema),
        409: ("It is disabled.", ErrorSchema),
        **NO_ENDPOINT,
        **KEY,
    },
)
def pause_endpoint(endpoint_id: int) -> Response:
    """Pause by hand."""
    return _change(
        endpoint_id, lambda session, endpoint, actor: endpoints.pause(session, endpoint, now=utcnow(), actor=actor)
    )


@api.post("/endpoints/<int:endpoint_id>/resume")
@web.documented(
    summary="Send all that waits, now",
    tag="delivery",
    security="key",
    answers={
        200: ("Resumed.", schemas.EndpointSchema),
        409: ("It is disabled.", ErrorSchema),
        **NO_ENDPOINT,
        **KEY,
    },
)
def resume_endpoint(endpoint_id: int) -> Response:
    """End a pause, whoever made it."""
    return _change(
        endpoint_id, lambda session, endpoint, actor: endpoints.resume(session, endpoint, now=utcnow(), actor=actor)
    )


@api.get("/deliveries")
@web.documented(
    summary="What the site was told, and what not",
    tag="delivery",
    security="key",
    query=schemas.DeliveryQuery,
    answers={200: ("Newest first.", schemas.DeliveryListSchema), 422: BODY[422], **KEY},
)
def list_deliveries() -> Response:
    """A page of deliveries."""
    limit = web.query_int("limit", 50, 1, schemas.MAX_IDS)
    after = web.query_int("after", 0, 0, 10**18) or None
    endpoint_id = web.query_int("endpoint", 0, 0, 10**18) or None
    state = request.args.get("state")
    if state is not None and state not in outbox.STATES:
        raise InvalidInput(f"The state is one of {', '.join(outbox.STATES)}.", field="state")
    with web.database().reading() as session:
        site = web.site_of_key(session)
        rows = outbox_reading.listing(
            session, [site.id], state=state, endpoint_id=endpoint_id, after=after, limit=limit
        )
        return web.answer(
            {
                "deliveries": [delivery_body(row, url) for row, url in rows],
                "next": str(rows[-1][0].id) if len(rows) == limit else None,
            }
        )


@api.get("/deliveries/<int:delivery_id>")
@web.documented(
    summary="One delivery with every try",
    tag="delivery",
    security="key",
    answers={200: ("Payload, tries and answers.", schemas.DeliveryDetailSchema), **NO_DELIVERY, **KEY},
)
def show_delivery(delivery_id: int) -> Response:
    """One delivery; somebody else's is not there."""
    with web.database().reading() as session:
        site = web.site_of_key(session)
        found = outbox_reading.one(session, [site.id], delivery_id)
        if found is None:
            raise NotFound("There is no such delivery.")
        return web.answer(detail_body(session, *found))


@api.post("/deliveries/<int:delivery_id>/replay")
@web.documented(
    summary="Send a delivery again",
    tag="delivery",
    security="key",
    answers={
        200: ("Due again, under its old id; skipped when it still is or was overtaken.", schemas.ReplayedSchema),
        **NO_DELIVERY,
        **KEY,
    },
)
def replay_one(delivery_id: int) -> Response:
    """Replay one, given up or told."""
    with web.database().transaction() as session:
        site = web.site_of_key(session)
        if outbox_reading.one(session, [site.id], delivery_id) is None:
            raise NotFound("There is no such delivery.")
        return _replayed(session, site, [delivery_id])


@api.post("/deliveries:replay")
@web.documented(
    summary="Send many deliveries again",
    tag="delivery",
    security="key",
    body=schemas.ReplaySchema,
    answers={200: ("Due again, under their old ids.", schemas.ReplayedSchema), **NO_ENDPOINT, **BODY},
)
def replay_many() -> Response:
    """Replay those that are named, or all that were given up."""
    given = _body(REPLAY)
    if ("ids" in given) == ("state" in given) or ("endpoint" in given and "ids" in given):
        raise InvalidInput("Send either ids, or state with or without endpoint.", field="ids")
    with web.database().transaction() as session:
        site = web.site_of_key(session)
        if "ids" in given:
            return _replayed(session, site, given["ids"])
        endpoint_id = given.get("endpoint")
        if endpoint_id is not None:
            endpoints.by_id(session, site.id, endpoint_id)
        count = outbox.replay_dead(session, [site.id], utcnow(), endpoint_id=endpoint_id)
        _note_replay(session, site, count)
        return web.answer({"replayed": count, "skipped": []})


@api.get("/decisions")
@web.documented(
    summary="Pull what the site was not told",
    tag="delivery",
    security="key",
    query=schemas.PullQuery,
    answers={
        200: ("Due and unconfirmed, oldest first. Ask again with `after` until none come.", schemas.PulledListSchema),
        422: BODY[422],
        **KEY,
    },
)
def pulled() -> Response:
    """A page of one pass: what is confirmed does not come again, what is not comes in the next pass."""
    limit = web.query_int("limit", 100, 1, schemas.MAX_IDS)
    after = web.query_int("after", 0, 0, 10**18)
    with web.database().reading() as session:
        site = web.site_of_key(session)
        found = pull.waiting(session, site.id, now=utcnow(), after=after, limit=limit)
    return web.answer(
        {
            "decisions": [{"cursor": str(item.cursor), "event_id": item.event_id, **item.payload} for item in found],
            "next": str(found[-1].cursor) if found else None,
        }
    )


@api.post("/decisions:confirm")
@web.documented(
    summary="Confirm what was pulled",
    tag="delivery",
    security="key",
    body=schemas.ConfirmSchema,
    answers={200: ("These are told. Confirming twice is fine.", schemas.ConfirmedSchema), **BODY},
)
def confirm() -> Response:
    """Close events for all endpoints of the site."""
    given = _body(CONFIRM)
    with web.database().transaction() as session:
        site = web.site_of_key(session)
        confirmed, unknown = pull.confirm(session, site.id, given["event_ids"], utcnow())
    return web.answer({"confirmed": confirmed, "unknown": unknown})


def delivery_body(row: Delivery, url: str | None) -> dict[str, Any]:
    """A delivery as the API and the command line show it."""
    return {
        "id": str(row.id),
        "event_id": row.event_id,
        "type": "comment.decided" if row.comment_id is not None else "endpoint.test",
        "comment": str(row.comment_id) if row.comment_id is not None else None,
        "sequence": row.sequence,
        "endpoint": str(row.endpoint_id) if row.endpoint_id is not None else None,
        "url": url,
        "state": row.state,
        "attempts": row.attempts,
        "last_status": row.last_status,
        "last_error": row.last_error,
        "due_at": row.due_at,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }


def detail_body(session: Session, row: Delivery, url: str | None) -> dict[str, Any]:
    """A delivery with its payload and every try."""
    tries = [
        {"at": item.at, "status": item.status, "error": item.error, "milliseconds": item.milliseconds}
        for item in outbox_reading.attempts_of(session, row.id)
    ]
    return {**delivery_body(row, url), "payload": json.loads(row.payload), "tries": tries}


def _endpoint(session: Session, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": str(endpoint.id),
        "url": endpoint.url,
        "state": endpoints.state_of(endpoint),
        "reason": endpoint.disabled_reason,
        "failures": endpoint.failures,
        "failing_since": endpoint.failing_since,
        "paused_at": endpoint.paused_at,
        "next_try_at": endpoint.probe_at,
        "last_ok_at": endpoint.last_ok_at,
        "waiting": endpoints.waiting(session, endpoint.id),
        "created_at": endpoint.created_at,
    }


def _body(schema: Any) -> dict[str, Any]:
    """The body; a wrong key is refused before it is read."""
    with web.database().reading() as session:
        web.site_of_key(session)
    return web.json_body(schema)


def _actor(site: Site) -> str:
    return f"site:{site.id}"


def _change(endpoint_id: int, deed: Callable[[Session, Endpoint, str], None]) -> Response:
    with web.database().transaction() as session:
        site = web.site_of_key(session)
        endpoint = endpoints.by_id(session, site.id, endpoint_id, lock=True)
        deed(session, endpoint, _actor(site))
        session.flush()
        return web.answer(_endpoint(session, endpoint))


def _replayed(session: Session, site: Site, ids: list[int]) -> Response:
    done = set(outbox.replay(session, [site.id], ids, utcnow()))
    _note_replay(session, site, len(done))
    return web.answer({"replayed": len(done), "skipped": [str(number) for number in ids if number not in done]})


def _note_replay(session: Session, site: Site, count: int) -> None:
    audit.record(
        session,
        actor=_actor(site),
        action="delivery.replay",
        subject=f"site:{site.id}",
        site_id=site.id,
        now=utcnow(),
        detail=counted(count, "delivery", "deliveries"),
    )
