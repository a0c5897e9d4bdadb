"""The outbox: what a site still has to be told, one row per event and endpoint. Written in the decision's transaction,
so that neither is without the other; retried from the row, so that no broker holds the only copy.

leasing.py takes the rows whose turn it is; outbox_reading.py lists them.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, exists, select, update
from sqlalchemy.orm import Session, aliased

from moderation import dispatch, queues
from moderation.accounts.models import Site
from moderation.db import insert_many, inserts
from moderation.delivery.models import Delivery, Endpoint

_DELIVERIES = inserts(cast(Table, Delivery.__table__))

DUE, LEASED, DELIVERED, DEAD, SUPERSEDED = "due", "leased", "delivered", "dead", "superseded"

STATES = (DUE, LEASED, DELIVERED, DEAD, SUPERSEDED)
UNTOLD = (DUE, LEASED, DEAD)
"""Not told so far as we know: what a site may pull, what its confirmation closes, what a removed endpoint leaves."""


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
        .where(*tests_of(endpoint.id), Delivery.state.in_((DUE, DEAD)))
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


def overtaken() -> ColumnElement[bool]:
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
        .where(*wanted, ~overtaken(), ~removed)
        .values(state=DUE, attempts=0, due_at=now, finished_at=None)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    if done:
        dispatch.nudge(session, queues.TASK_DELIVER)
    return list(done)


def tests_of(endpoint_id: Any) -> tuple[ColumnElement[bool], ...]:
    """The endpoint's test events: the unique index of comment, sequence and endpoint leads to them."""
    return Delivery.comment_id.is_(None), Delivery.sequence == 0, Delivery.endpoint_id == endpoint_id
