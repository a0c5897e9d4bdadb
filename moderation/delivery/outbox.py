"""The outbox: what a site still has to be told, one row per event and endpoint. Written in the decision's transaction,
so that neither is without the other; retried from the row, so that no broker holds the only copy."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    Table,
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

from moderation import dispatch, queues
from moderation.accounts.models import Site
from moderation.db import UtcDateTime, affected, insert_many, inserts
from moderation.delivery.models import Attempt, Delivery, Endpoint

_DELIVERIES = inserts(cast(Table, Delivery.__table__))

DUE, LEASED, DELIVERED, DEAD, SUPERSEDED = "due", "leased", "delivered", "dead", "superseded"

STATES = (DUE, LEASED, DELIVERED, DEAD, SUPERSEDED)
UNTOLD = (DUE, LEASED, DEAD)
"""Not told so far as we know: what a site may pull, what its confirmation closes, what a removed endpoint leaves."""

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


def new_event_id() -> str:
    """A webhook id: the receiver's idempotency key."""
    return "msg_" + secrets.token_urlsafe(18)


def lock_site(session: Session, site_id: int, *, shared: bool = False) -> None:
    """Hold the site's list of endpoints still until the end of the transaction; `shared` for those who only read it."""
    held: set[tuple[int, bool]] = session.info.setdefault("held_sites", set())  # a session is one transaction
    if (site_id, shared) in held or (site_id, False) in held:
        return
    held.add((site_id, shared))
    wanted = select(Site.id).where(Site.id == site_id)
    session.execute(wanted.with_for_update(read=True, key_share=True) if shared else wanted.with_for_update())


@dataclass(frozen=True, slots=True)
class News:
    """What a site is to be told of a comment. `told`: status, revision and reason in one string; see Delivery."""

    site_id: int
    comment_id: int
    sequence: int
    event_id: str
    told: str
    payload: str


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
    """`put_many` for one comment; whether something was written."""
    news = News(site_id, comment_id, sequence, event_id, told, payload)
    return bool(put_many(session, [news], due_at={site_id: due_at}, now=now))


def put_many(session: Session, news: Sequence[News], *, due_at: Mapping[int, datetime], now: datetime) -> set[int]:
    """Ask for sites to be told at each of their endpoints, or by pulling where they have none, and supersede what they
    had not been told of these comments before. `due_at`: by site, from when on. One piece of news a comment.

    Returns of which comments something was written: nothing is where every endpoint knows just this (`told`) already
    and cannot have heard anything since. An undo inside the grace goes by unheard.
    """
    site_ids = sorted({item.site_id for item in news})
    for site_id in site_ids:
        lock_site(session, site_id, shared=True)
    # Most comments are decided once.
    before = _told_before(session, [item.comment_id for item in news if item.sequence > 1])
    waiting = [row.id for rows in before.values() for row in rows if row.state in (DUE, DEAD)]
    if waiting:
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(waiting), Delivery.state.in_((DUE, DEAD)))
            .values(state=SUPERSEDED, finished_at=now)
            .execution_options(synchronize_session=False)
        )
    live: dict[int, list[int | None]] = {}
    for endpoint in session.execute(
        select(Endpoint.site_id, Endpoint.id)
        .where(Endpoint.site_id.in_(site_ids), Endpoint.deleted_at.is_(None))
        .order_by(Endpoint.id)
    ):
        live.setdefault(endpoint.site_id, []).append(endpoint.id)
    new: list[dict[str, Any]] = []
    for item in news:
        rows = before.get(item.comment_id, [])
        for endpoint_id in live.get(item.site_id, [None]):
            if _knows([row for row in rows if row.endpoint_id == endpoint_id], item.told, now):
                continue
            new.append(
                {
                    "site_id": item.site_id,
                    "endpoint_id": endpoint_id,
                    "comment_id": item.comment_id,
                    "sequence": item.sequence,
                    "event_id": item.event_id,
                    "told": item.told,
                    "payload": item.payload,
                    "due_at": due_at[item.site_id],
                    "created_at": now,
                }
            )
    if new:
        session.flush()  # the comments that they are about
        insert_many(session, _DELIVERIES, new)
    return {row["comment_id"] for row in new}


def put_test(session: Session, endpoint: Endpoint, now: datetime) -> Delivery:
    """Ask for a test event to be sent to the endpoint, whatever its state; an older test that failed is forgotten."""
    session.execute(
        update(Delivery)
        .where(*_tests_of(endpoint.id), Delivery.state.in_((DUE, DEAD)))
        .values(state=SUPERSEDED, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    event_id = new_event_id()
    payload = {
        "type": "endpoint.test",
        "timestamp": now.isoformat().replace("+00:00", "Z"),
        "data": {"event_id": event_id, "endpoint": str(endpoint.id)},
    }
    delivery = Delivery(
        site_id=endpoint.site_id,
        endpoint_id=endpoint.id,
        sequence=0,
        event_id=event_id,
        told="test",
        payload=json.dumps(payload, separators=(",", ":")),
        due_at=now,
        created_at=now,
    )
    session.add(delivery)
    session.flush()
    dispatch.nudge(session, queues.TASK_DELIVER)
    return delivery


def withdraw(session: Session, comment_id: int, now: datetime) -> None:
    """The site deleted the comment: nothing more is to be told of it, and what is under way is not tried again."""
    session.execute(
        update(Delivery)
        .where(Delivery.comment_id == comment_id, Delivery.state.in_(UNTOLD))
        .values(state=SUPERSEDED, finished_at=now, lease_token=None)
        .execution_options(synchronize_session=False)
    )


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
    elif session.scalar(select(Delivery.id).where(Delivery.id == claimed.delivery_id, _overtaken())):
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


def replay(session: Session, site_ids: Sequence[int], ids: Sequence[int], now: datetime) -> list[int]:
    """Make these deliveries of the sites due again, given up or told; returns which of them are.

    One that is still being tried needs none; one that a newer decision has overtaken stays as it is.
    """
    wanted = (Delivery.id.in_([number for number in ids if number < 2**63]), Delivery.state.in_((DEAD, DELIVERED)))
    return _replay(session, (Delivery.site_id.in_(site_ids), *wanted), now)


def replay_dead(session: Session, site_ids: Sequence[int], now: datetime, *, endpoint_id: int | None = None) -> int:
    """Make all that was given up due again, of the sites or of one endpoint; failed tests stay. Returns how many."""
    wanted: list[ColumnElement[bool]] = [
        Delivery.site_id.in_(site_ids),
        Delivery.state == DEAD,
        Delivery.comment_id.is_not(None),
    ]
    if endpoint_id is not None:
        wanted.append(Delivery.endpoint_id == endpoint_id)
    return len(_replay(session, wanted, now))


def listing(
    session: Session,
    site_ids: Sequence[int],
    *,
    state: str | None = None,
    endpoint_id: int | None = None,
    after: int | None = None,
    limit: int,
) -> list[tuple[Delivery, str | None]]:
    """The sites' newest deliveries, of one state or of all, with their addresses; `after` is the id that ended the
    page before."""
    wanted = select(Delivery, Endpoint.url).outerjoin(Endpoint, Endpoint.id == Delivery.endpoint_id)
    wanted = wanted.order_by(Delivery.id.desc()).limit(limit)
    if after is not None:
        wanted = wanted.where(Delivery.id < after)
    if endpoint_id is not None:
        wanted = wanted.where(Delivery.endpoint_id == endpoint_id)
    if state is None:
        rows = session.execute(wanted.where(Delivery.site_id.in_(site_ids))).all()
        return [(row, url) for row, url in rows]
    found: list[
        tuple[Delivery, str | None]
    ] = [  # site by site, each from its index: a rare state is not looked for among millions
        (row, url)
        for site_id in site_ids
        for row, url in session.execute(wanted.where(Delivery.site_id == site_id, Delivery.state == state))
    ]
    return sorted(found, key=lambda pair: -pair[0].id)[:limit]


def one(session: Session, site_ids: Sequence[int], delivery_id: int) -> tuple[Delivery, str | None] | None:
    """A delivery of the sites with its address, or None."""
    found = session.execute(
        select(Delivery, Endpoint.url)
        .outerjoin(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(Delivery.id == min(delivery_id, 2**63 - 1), Delivery.site_id.in_(site_ids))
    ).one_or_none()
    return (found[0], found[1]) if found is not None else None


def attempts_of(session: Session, delivery_id: int) -> list[Attempt]:
    """Every try of a delivery, oldest first."""
    return list(session.scalars(select(Attempt).where(Attempt.delivery_id == delivery_id).order_by(Attempt.id)))


def of_comment(session: Session, comment_id: int) -> list[tuple[Delivery, str | None]]:
    """Every event of a comment, oldest first, with its address."""
    rows = session.execute(
        select(Delivery, Endpoint.url)
        .outerjoin(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(Delivery.comment_id == comment_id)
        .order_by(Delivery.sequence, Delivery.id)
    ).all()
    return [(row, url) for row, url in rows]


def overdue(session: Session, before: datetime) -> int:
    """How many rows should have been sent before `before` to an endpoint that works."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Delivery)
            .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
            .where(
                Delivery.state == DUE,
                Delivery.due_at < before,
                Endpoint.enabled.is_(True),
                Endpoint.paused_at.is_(None),
            )
        )
        or 0
    )


def given_up(session: Session, site_ids: Sequence[int] | None = None) -> int:
    """How many events are dead letters, of all sites or of some; failed tests are not counted."""
    wanted = select(func.count()).select_from(Delivery).where(Delivery.state == DEAD, Delivery.comment_id.is_not(None))
    return session.scalar(wanted if site_ids is None else wanted.where(Delivery.site_id.in_(site_ids))) or 0


def _told_before(session: Session, comment_ids: Sequence[int]) -> dict[int, list[Any]]:
    """All events of these comments so far, by comment."""
    if not comment_ids:
        return {}
    found: dict[int, list[Any]] = {}
    for row in session.execute(
        select(
            Delivery.id,
            Delivery.comment_id,
            Delivery.state,
            Delivery.told,
            Delivery.attempts,
            Delivery.endpoint_id,
            Delivery.due_at,
            Delivery.finished_at,
        )
        .where(Delivery.comment_id.in_(comment_ids))
        .order_by(Delivery.sequence, Delivery.id)
    ):
        found.setdefault(row.comment_id or 0, []).append(row)
    return found


def _knows(rows: Sequence[Any], told: str, now: datetime) -> bool:
    """Whether the last thing that was told in these rows is `told`, and nothing later can have been heard or read."""
    last = next((n for n in reversed(range(len(rows))) if rows[n].state == DELIVERED), None)
    if last is None or rows[last].told != told:
        return False
    return all(row.attempts == 0 and row.due_at > (row.finished_at or now) for row in rows[last + 1 :])


def _overtaken() -> ColumnElement[bool]:
    """A row whose comment has newer news for the same endpoint."""
    newer = aliased(Delivery)
    return exists().where(
        newer.comment_id == Delivery.comment_id,
        newer.sequence > Delivery.sequence,
        newer.endpoint_id.is_not_distinct_from(Delivery.endpoint_id),
        newer.state != SUPERSEDED,
    )


def _replay(session: Session, wanted: Sequence[ColumnElement[bool]], now: datetime) -> list[int]:
    removed = select(Endpoint.id).where(Endpoint.id == Delivery.endpoint_id, Endpoint.deleted_at.is_not(None)).exists()
    done = session.scalars(
        update(Delivery)
        .where(*wanted, ~_overtaken(), ~removed)
        .values(state=DUE, attempts=0, due_at=now, finished_at=None)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    if done:
        dispatch.nudge(session, queues.TASK_DELIVER)
    return list(done)


def _tests_of(endpoint_id: Any) -> tuple[ColumnElement[bool], ...]:
    """The endpoint's test events: the unique index of comment, sequence and endpoint leads to them."""
    return Delivery.comment_id.is_(None), Delivery.sequence == 0, Delivery.endpoint_id == endpoint_id


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
        .where(*_tests_of(Endpoint.id), or_(Delivery.state == DUE, _expired()))
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
