"""Whose turn it is: leasing rows of the outbox to be sent, and noting what came of each attempt."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    UpdateBase,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from moderation.db import UtcDateTime, affected
from moderation.delivery import outbox
from moderation.delivery.models import Attempt, Delivery, Endpoint
from moderation.delivery.outbox import DEAD, DELIVERED, DUE, LEASED, SUPERSEDED

LEASE_MARGIN = timedelta(seconds=10)
"""What a lease lasts beyond the time that a delivery may take: a live worker never loses its row."""

MAX_SLOW = 2
"""Sendings that endpoints which failed, were slow, or have not yet answered once may have under way together: half of
the four threads that the supervisor gives this worker. The others are for those that answer at once."""

_SLOW_LOCK = 0x736C6F77
"""Key of PostgreSQL's advisory lock ("slow" in ASCII): who counts slow sendings and adds one does so alone."""

_CHOICE = 8
"""Endpoints that one claim looks at: more than there are threads, so that one which others just took is passed over."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leased outbox row with all that sending it takes. `is_test`: a test event, tried once."""

    delivery_id: int
    site_id: int
    endpoint_id: int
    url: str
    event_id: str
    payload: str
    attempts: int
    token: str
    is_test: bool


def claim(session: Session, *, now: datetime, limit: int, timeout: float) -> list[Claimed]:
    """Lease up to `limit` due rows, at most one per endpoint, for a sending that takes `timeout` seconds at most.

    One at a time per endpoint keeps the order of its events and gives a dead site one thread at most; all endpoints
    that are not known to answer at once get MAX_SLOW together. Who has waited longest for its turn comes first, so
    that one site's thousands do not hold up another's single event.
    """
    found = list(session.execute(_ready(proven=True), {"now": now, "most": max(limit, _CHOICE)}).all())
    if _slow_leases(session, now) < MAX_SLOW:
        waiting = session.execute(_ready(proven=False), {"now": now, "most": MAX_SLOW}).all()
        found += waiting[: _slow_slots(session, now)] if waiting else []
    claimed: list[Claimed] = []
    for item in sorted(found, key=lambda row: (row.turn, row.endpoint_id)):
        taken = _lease(session, item, now, timeout) if len(claimed) < limit else None
        if taken is not None:
            claimed.append(taken)
    return claimed


def any_due(session: Session, now: datetime) -> bool:
    """Whether there may be something to claim now."""
    one = {"now": now, "most": 1}
    if session.execute(_ready(proven=True), one).first() is not None:
        return True
    return _slow_leases(session, now) < MAX_SLOW and session.execute(_ready(proven=False), one).first() is not None


def finish(
    session: Session,
    claimed: Claimed,
    *,
    now: datetime,
    status: int | None,
    error: str,
    milliseconds: int,
    retry_in: float | None,
    spare: bool = False,
) -> bool:
    """Note an attempt. 2xx: delivered; else due again in `retry_in` seconds, or dead when that is None.

    `spare`: the endpoint is paused, so that a failure costs the row no attempt: it is due again behind the others.
    False when the lease had gone to somebody else: the attempt is noted, the row is theirs. A row that a newer decision
    of its comment has overtaken while it was in flight is superseded instead of tried again.
    """
    session.add(
        Attempt(delivery_id=claimed.delivery_id, at=now, status=status, error=error[:500], milliseconds=milliseconds)
    )
    delivered = status is not None and 200 <= status < 300
    values: dict[str, object] = {"last_status": status, "last_error": error[:500], "lease_token": None}
    if delivered:
        values |= {"state": DELIVERED, "finished_at": now}
    elif session.scalar(select(Delivery.id).where(Delivery.id == claimed.delivery_id, outbox.overtaken())):
        values |= {"state": SUPERSEDED, "finished_at": now}
    elif spare and not claimed.is_test:
        values |= {"state": DUE, "due_at": now, "attempts": claimed.attempts - 1}
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


_NOW = bindparam("now", type_=UtcDateTime())


def _expired() -> ColumnElement[bool]:
    return and_(Delivery.state == LEASED, Delivery.lease_until < _NOW)


def _unproven() -> ColumnElement[bool]:
    """Endpoints that failed, were slow, or have not yet answered once."""
    return or_(Endpoint.slow.is_(True), Endpoint.last_ok_at.is_(None))


def _busy(endpoint_id: Any) -> ColumnElement[bool]:
    """The endpoint has a row in flight."""
    other = aliased(Delivery)
    return exists().where(other.endpoint_id == endpoint_id, other.state == LEASED, other.lease_until >= _NOW)


@cache
def _ready(*, proven: bool) -> Select[*tuple[Any, ...]]:
    """Of the endpoints that answer at once (`proven`), or of the others, those with a row to send at `now` and none in
    flight; and that row: a test, one whose lease ran out, the oldest.

    The question is asked endpoint by endpoint and answered from the head of an index: what a dead site has piled up
    is neither counted nor read. Statements of this module are built once: building this one takes longer than it runs.
    """
    mine = Delivery.endpoint_id == Endpoint.id
    test = (
        select(Delivery.id)
        .where(*outbox.tests_of(Endpoint.id), or_(Delivery.state == DUE, _expired()))
        .order_by(Delivery.id)
        .limit(1)
        .correlate(Endpoint)
        .scalar_subquery()
    )
    expired = (
        select(Delivery.id).where(mine, _expired()).order_by(Delivery.id).limit(1).correlate(Endpoint).scalar_subquery()
    )
    due = (
        select(Delivery.id)
        .where(mine, Delivery.state == DUE, Delivery.due_at <= _NOW)
        .order_by(Delivery.due_at, Delivery.id)
        .limit(1)
        .correlate(Endpoint)
        .scalar_subquery()
    )
    open_now = and_(
        Endpoint.enabled.is_(True),
        or_(Endpoint.probe_at <= _NOW, and_(Endpoint.probe_at.is_(None), Endpoint.paused_at.is_(None))),
    )
    row = func.coalesce(test, case((open_now, func.coalesce(expired, due))))
    turn = func.coalesce(Endpoint.probe_at, Endpoint.last_ok_at, Endpoint.created_at)
    return (
        select(
            Endpoint.id.label("endpoint_id"),
            Endpoint.url,
            turn.label("turn"),
            row.label("delivery_id"),
        )
        .where(
            ~_unproven() if proven else _unproven(),
            Endpoint.deleted_at.is_(None),
            ~_busy(Endpoint.id),
            row.is_not(None),
        )
        .order_by(turn, Endpoint.id)
        .limit(bindparam("most", type_=Integer()))
    )


@cache
def _lock_endpoint() -> Select[int]:
    return (
        select(Endpoint.id)
        .where(Endpoint.id == bindparam("endpoint"), Endpoint.deleted_at.is_(None))
        .with_for_update(key_share=True, skip_locked=True)
    )


@cache
def _take() -> UpdateBase:
    """Lease the row of an endpoint, if both are still as `_ready` saw them."""
    return (
        update(Delivery)
        .where(
            Delivery.id == bindparam("delivery"),
            Delivery.endpoint_id == bindparam("endpoint"),
            or_(Delivery.state == DUE, _expired()),
            ~_busy(bindparam("endpoint")),
        )
        .values(
            state=LEASED,
            attempts=Delivery.attempts + 1,
            lease_token=bindparam("token"),
            lease_until=bindparam("until", type_=UtcDateTime()),
        )
        .returning(
            Delivery.id,
            Delivery.site_id,
            Delivery.event_id,
            Delivery.payload,
            Delivery.attempts,
            Delivery.comment_id,
        )
        .execution_options(synchronize_session=False)
    )


@cache
def _count_slow() -> Select[int]:
    return (
        select(func.count())
        .select_from(Delivery)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(Delivery.state == LEASED, Delivery.lease_until >= _NOW, _unproven())
    )


def _lease(session: Session, found: Row[Any], now: datetime, timeout: float) -> Claimed | None:
    """Take the row that `_ready` found, unless another worker has this endpoint by now."""
    if session.scalar(_lock_endpoint(), {"endpoint": found.endpoint_id}) is None:
        return None
    token = secrets.token_hex(16)
    until = now + timedelta(seconds=timeout) + LEASE_MARGIN
    given = {"now": now, "delivery": found.delivery_id, "endpoint": found.endpoint_id, "token": token, "until": until}
    done = session.execute(_take(), given).one_or_none()
    if done is None:
        return None
    return Claimed(
        delivery_id=done.id,
        site_id=done.site_id,
        endpoint_id=found.endpoint_id,
        url=found.url,
        event_id=done.event_id,
        payload=done.payload,
        attempts=done.attempts,
        token=token,
        is_test=done.comment_id is None,
    )


def _slow_slots(session: Session, now: datetime) -> int:
    """How many more sendings unproven endpoints may have; none while another worker is about to take one."""
    if session.get_bind().dialect.name == "postgresql":
        alone = session.scalar(select(func.pg_try_advisory_xact_lock(_SLOW_LOCK)))
        if not alone:
            return 0
    return max(0, MAX_SLOW - _slow_leases(session, now))


def _slow_leases(session: Session, now: datetime) -> int:
    return session.scalar(_count_slow(), {"now": now}) or 0
