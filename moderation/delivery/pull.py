"""Being told by asking: for sites behind a firewall, and for those whose receiver is down.

Whatever is due and was not told can be read here, whether an endpoint is tried for it or not; what a site confirms
counts as told, for all its endpoints.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, update
from sqlalchemy.orm import Session

from moderation.delivery.models import Delivery
from moderation.delivery.outbox import DELIVERED, DUE, UNTOLD


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits for its confirmation; `cursor` is its place in a pass."""

    cursor: int
    event_id: str
    payload: dict[str, Any]


def waiting(session: Session, site_id: int, *, now: datetime, after: int, limit: int) -> list[Waiting]:
    """The site's events that are due and unconfirmed, oldest first, behind the cursor `after` (0: from the start).

    What is in its grace is not shown; what waits for its next attempt is. An event of several endpoints comes once.
    """
    found: list[Waiting] = []
    page = _page(session, site_id, now, after, limit)
    while page and len(found) < limit:
        firsts = _firsts(session, site_id, now, [row.event_id for row in page])
        found += [Waiting(row.id, row.event_id, json.loads(row.payload)) for row in page if row.id in firsts]
        page = _page(session, site_id, now, page[-1].id, limit) if len(page) == limit else []
    return found[:limit]


def confirm(session: Session, site_id: int, event_ids: Sequence[str], now: datetime) -> tuple[int, list[str]]:
    """The site has these events: nobody tells it again. Returns how many of them it has, and those that are not its.

    Confirming twice, or what was superseded or delivered meanwhile, is fine. A worker in flight with one of them finds
    its lease gone.
    """
    given = list(dict.fromkeys(event_ids))
    mine = (Delivery.site_id == site_id, Delivery.event_id.in_(given), Delivery.comment_id.is_not(None))
    known = set(session.scalars(select(Delivery.event_id).where(*mine).distinct()))
    # In order of their ids, as everybody locks them who takes many at once.
    ids = session.scalars(
        select(Delivery.id).where(*mine, Delivery.state.in_(UNTOLD)).order_by(Delivery.id).with_for_update()
    ).all()
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(ids), Delivery.state.in_(UNTOLD))
        .values(state=DELIVERED, finished_at=now, last_status=None, last_error="", lease_token=None)
        .execution_options(synchronize_session=False)
    )
    return len(known), [event_id for event_id in given if event_id not in known]


def _page(session: Session, site_id: int, now: datetime, after: int, limit: int) -> list[Row[int, str, str]]:
    """Rows behind the cursor, oldest first: state by state, so that each is read from its index, in order."""
    found: list[Row[int, str, str]] = []
    for state in UNTOLD:
        found += session.execute(
            select(Delivery.id, Delivery.event_id, Delivery.payload)
            .where(Delivery.site_id == site_id, Delivery.state == state, Delivery.id > after, _visible(now))
            .order_by(Delivery.id)
            .limit(limit)
        ).all()
    return sorted(found, key=lambda row: row.id)[:limit]


def _firsts(session: Session, site_id: int, now: datetime, event_ids: Sequence[str]) -> set[int]:
    """Of each event's open rows, one for every endpoint, the first: it stands for the event."""
    return set(
        session.scalars(
            select(func.min(Delivery.id))
            .where(
                Delivery.event_id.in_(event_ids),
                Delivery.site_id == site_id,
                Delivery.state.in_(UNTOLD),
                _visible(now),
            )
            .group_by(Delivery.event_id)
        )
    )


def _visible(now: datetime) -> ColumnElement[bool]:
    """Rows of decisions, but those in their grace: neither due nor tried yet."""
    return and_(
        Delivery.comment_id.is_not(None),
        or_(Delivery.state != DUE, Delivery.due_at <= now, Delivery.attempts > 0),
    )
