"""The outbox as people look at it: lists of events, the attempts at one, what waits too long, what was given up."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.delivery.models import Attempt, Delivery, Endpoint
from moderation.delivery.outbox import DEAD, DUE


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
