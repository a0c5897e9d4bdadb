"""The outbox: what a site still has to be told. Written in the decision's transaction, so that neither is without
the other; retried from the row, so that no broker holds the only copy."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.db import affected
from moderation.delivery.models import Attempt, Delivery, Endpoint

DUE, LEASED, DELIVERED, DEAD, SUPERSEDED = "due", "leased", "delivered", "dead", "superseded"

LEASE_MARGIN = timedelta(seconds=10)
"""What a lease lasts beyond the time that a delivery may take: a live worker never loses its row."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leased outbox row with all that sending it takes."""

    delivery_id: int
    site_id: int
    endpoint_id: int
    url: str
    event_id: str
    payload: str
    attempts: int
    token: str


def new_event_id() -> str:
    """A webhook id: the receiver's idempotency key."""
    return "msg_" + secrets.token_urlsafe(18)


def put(
    session: Session,
    *,
    site_id: int,
    comment_id: int,
    sequence: int,
    event_id: str,
    told: str,
    payload: str,
    due_at: datetime,
    now: datetime,
) -> bool:
    """Ask for a site to be told, and supersede what it had not been told of this comment before.

    Returns False and writes nothing when the site knows just this (`told`) already and cannot have heard anything
    since: an undo inside the grace goes by unheard.
    """
    rows = session.execute(
        select(Delivery.id, Delivery.state, Delivery.told, Delivery.attempts, Delivery.endpoint_id, Delivery.due_at)
        .where(Delivery.comment_id == comment_id)
        .order_by(Delivery.sequence)
    ).all()
    waiting = [row for row in rows if row.state == DUE]
    if waiting:
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_([row.id for row in waiting]), Delivery.state == DUE)
            .values(state=SUPERSEDED, finished_at=now)
            .execution_options(synchronize_session=False)
        )
    unheard = all(row.attempts == 0 and (row.endpoint_id is not None or row.due_at > now) for row in waiting)
    known = [row.told for row in rows if row.state not in (DUE, SUPERSEDED)]
    if known and known[-1] == told and unheard:
        return False
    endpoint_id = session.scalar(select(Endpoint.id).where(Endpoint.site_id == site_id).order_by(Endpoint.id).limit(1))
    session.add(
        Delivery(
            site_id=site_id,
            endpoint_id=endpoint_id,
            comment_id=comment_id,
            sequence=sequence,
            event_id=event_id,
            told=told,
            payload=payload,
            due_at=due_at,
            created_at=now,
        )
    )
    return True


def withdraw(session: Session, comment_id: int, now: datetime) -> None:
    """The site deleted the comment: nothing more is to be told of it."""
    session.execute(
        update(Delivery)
        .where(Delivery.comment_id == comment_id, Delivery.state == DUE)
        .values(state=SUPERSEDED, finished_at=now)
        .execution_options(synchronize_session=False)
    )


def claim(session: Session, *, now: datetime, limit: int, timeout: float) -> list[Claimed]:
    """Lease up to `limit` due rows, at most one per endpoint, for a sending that takes `timeout` seconds at most.

    One at a time per endpoint: a dead site occupies one worker thread, never all of them.
    """
    in_flight = select(Delivery.endpoint_id).where(
        Delivery.state == LEASED, Delivery.lease_until >= now, Delivery.endpoint_id.is_not(None)
    )
    open_rows = _claimable(now)
    ids = session.scalars(
        select(Delivery.id)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(
            open_rows,
            Endpoint.enabled.is_(True),
            Delivery.endpoint_id.not_in(in_flight),
        )
        .order_by(Delivery.due_at, Delivery.id)
        .limit(200)
        .with_for_update(skip_locked=True, of=Delivery)
    ).all()
    if not ids:
        return []
    firsts = session.scalars(
        select(func.min(Delivery.id)).where(Delivery.id.in_(ids)).group_by(Delivery.endpoint_id).limit(limit)
    ).all()
    token = secrets.token_hex(16)
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(firsts), open_rows)
        .values(
            state=LEASED,
            attempts=Delivery.attempts + 1,
            lease_token=token,
            lease_until=now + timedelta(seconds=timeout) + LEASE_MARGIN,
        )
        .execution_options(synchronize_session=False)
    )
    rows = session.execute(
        select(Delivery, Endpoint.url)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(Delivery.lease_token == token)
    ).all()
    return [
        Claimed(row.id, row.site_id, row.endpoint_id or 0, url, row.event_id, row.payload, row.attempts, token)
        for row, url in rows
    ]


def any_due(session: Session, now: datetime) -> bool:
    """Whether there may be something to claim: a row with an endpoint that is due, or whose lease ran out."""
    return bool(session.scalar(select(exists().where(_claimable(now), Delivery.endpoint_id.is_not(None)))))


def finish(
    session: Session,
    claimed: Claimed,
    *,
    now: datetime,
    status: int | None,
    error: str,
    milliseconds: int,
    retry_in: float | None,
) -> bool:
    """Note an attempt. 2xx: delivered; else due again in `retry_in` seconds, or dead when that is None.

    False when the lease had gone to somebody else: the attempt is noted, the row is theirs. A row that a newer
    decision of its comment has overtaken while it was in flight is superseded instead of tried again.
    """
    session.add(
        Attempt(delivery_id=claimed.delivery_id, at=now, status=status, error=error[:500], milliseconds=milliseconds)
    )
    delivered = status is not None and 200 <= status < 300
    values: dict[str, object] = {"last_status": status, "last_error": error[:500], "lease_token": None}
    if delivered:
        values |= {"state": DELIVERED, "finished_at": now}
    elif _overtaken(session, claimed.delivery_id):
        values |= {"state": SUPERSEDED, "finished_at": now}
    elif retry_in is None:
        values |= {"state": DEAD, "finished_at": now}
    else:
        values |= {"state": DUE, "due_at": now + timedelta(seconds=retry_in)}
    done = session.execute(
        update(Delivery)
        .where(Delivery.id == claimed.delivery_id, Delivery.state == LEASED, Delivery.lease_token == claimed.token)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return affected(done) == 1


def disable_endpoint(session: Session, endpoint_id: int, reason: str) -> None:
    """Stop telling an endpoint (it answered 410 Gone); its rows stay due and are shown by `deliveries list`."""
    session.execute(
        update(Endpoint).where(Endpoint.id == endpoint_id).values(enabled=False, disabled_reason=reason[:200])
    )


def set_endpoint(session: Session, site: Site, url: str, now: datetime) -> Endpoint:
    """The address that a site is told at; one per site for now."""
    endpoint = session.scalar(select(Endpoint).where(Endpoint.site_id == site.id).limit(1))
    if endpoint is None:
        endpoint = Endpoint(site_id=site.id, url=url, created_at=now)
        session.add(endpoint)
    endpoint.url, endpoint.enabled, endpoint.disabled_reason = url, True, ""
    session.flush()
    return endpoint


def endpoint_of(session: Session, site_id: int) -> Endpoint | None:
    """The site's endpoint, where it has one."""
    return session.scalar(select(Endpoint).where(Endpoint.site_id == site_id).order_by(Endpoint.id).limit(1))


def replay(session: Session, ids: Sequence[int] | None, now: datetime) -> int:
    """Make dead deliveries due again, all of them or those named; returns how many. Superseded ones stay so."""
    wanted = update(Delivery).where(Delivery.state == DEAD)
    if ids is not None:
        wanted = wanted.where(Delivery.id.in_(ids))
    done = session.execute(
        wanted.values(state=DUE, attempts=0, due_at=now, finished_at=None).execution_options(synchronize_session=False)
    )
    return affected(done)


def listing(session: Session, *, state: str | None, limit: int) -> list[tuple[Delivery, str | None]]:
    """The newest deliveries, of one state or of all, with their addresses."""
    wanted = select(Delivery, Endpoint.url).outerjoin(Endpoint, Endpoint.id == Delivery.endpoint_id)
    if state is not None:
        wanted = wanted.where(Delivery.state == state)
    rows = session.execute(wanted.order_by(Delivery.id.desc()).limit(limit)).all()
    return [(row, url) for row, url in rows]


def of_comment(session: Session, comment_id: int) -> list[tuple[Delivery, str | None]]:
    """Every event of a comment, oldest first, with its address."""
    rows = session.execute(
        select(Delivery, Endpoint.url)
        .outerjoin(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(Delivery.comment_id == comment_id)
        .order_by(Delivery.sequence)
    ).all()
    return [(row, url) for row, url in rows]


def overdue(session: Session, before: datetime) -> int:
    """How many rows with an endpoint should have been sent before `before`."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Delivery)
            .where(Delivery.state == DUE, Delivery.due_at < before, Delivery.endpoint_id.is_not(None))
        )
        or 0
    )


def _overtaken(session: Session, delivery_id: int) -> bool:
    row = session.execute(select(Delivery.comment_id, Delivery.sequence).where(Delivery.id == delivery_id)).one()
    newer = session.scalar(
        select(func.count())
        .select_from(Delivery)
        .where(Delivery.comment_id == row.comment_id, Delivery.sequence > row.sequence)
    )
    return bool(newer)


def _claimable(now: datetime) -> ColumnElement[bool]:
    """Rows that are due, and those whose lease ran out."""
    return or_(
        and_(Delivery.state == DUE, Delivery.due_at <= now),
        and_(Delivery.state == LEASED, Delivery.lease_until < now),
    )
