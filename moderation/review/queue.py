"""The queue: which comments wait for a person, and what stands under the other tabs."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.comments.status import APPROVED, HELD, REJECTED
from moderation.review.models import Decision

TABS = ("held", "not_scored", "approved", "rejected", "spam")

PAGE = 20
"""Cards of one page."""


def counts(session: Session, site_ids: Sequence[int]) -> dict[str, int]:
    """How many comments stand under each tab, exactly."""
    return {
        tab: session.scalar(select(func.count()).select_from(Comment).where(_where(tab, site_ids))) or 0 for tab in TABS
    }


def page(
    session: Session, site_ids: Sequence[int], tab: str, *, after: tuple[datetime, int] | None
) -> tuple[list[Comment], tuple[datetime, int] | None]:
    """A page of a tab and the key of the next one (None at the end).

    What waits comes oldest first, so that nobody waits for ever; what is decided comes newest first. Paging is by
    key: it neither skips nor repeats while the list changes.
    """
    waiting = tab in ("held", "not_scored")
    column = Comment.received_at if waiting else Comment.decided_at
    wanted = select(Comment).where(_where(tab, site_ids))
    if after is not None:
        at, number = after
        wanted = wanted.where(
            or_(column > at, and_(column == at, Comment.id > number))
            if waiting
            else or_(column < at, and_(column == at, Comment.id < number))
        )
    order = (column, Comment.id) if waiting else (column.desc(), Comment.id.desc())
    rows = list(session.scalars(wanted.order_by(*order).limit(PAGE + 1)))
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    if not more:
        return rows, None
    last = rows[-1]
    return rows, ((last.received_at if waiting else last.decided_at) or last.received_at, last.id)


def oldest(session: Session, site_ids: Sequence[int]) -> datetime | None:
    """When the comment arrived that has waited longest."""
    return session.scalar(select(func.min(Comment.received_at)).where(_where("held", site_ids)))


def newest(session: Session, site_ids: Sequence[int], tab: str) -> int:
    """The greatest comment id under a tab, on whatever page it stands; 0 when the tab is empty."""
    return session.scalar(select(func.max(Comment.id)).where(_where(tab, site_ids))) or 0


def arrived_since(session: Session, site_ids: Sequence[int], tab: str, comment_id: int) -> int:
    """How many comments of a tab are newer than the newest that the page has seen."""
    return (
        session.scalar(select(func.count()).select_from(Comment).where(_where(tab, site_ids), Comment.id > comment_id))
        or 0
    )


def of_site(session: Session, site_ids: Sequence[int], comment_id: int) -> Comment | None:
    """A comment that this moderator may see; somebody else's is not there."""
    return session.scalar(select(Comment).where(Comment.id == comment_id, Comment.site_id.in_(site_ids)))


def my_latest(
    session: Session, moderator_id: int, site_ids: Sequence[int], limit: int
) -> list[tuple[Decision, Comment]]:
    """A moderator's own latest decisions that still stand as the newest of their comment."""
    rows = session.execute(
        select(Decision, Comment)
        .join(Comment, and_(Comment.id == Decision.comment_id, Comment.sequence == Decision.sequence))
        .where(Decision.moderator_id == moderator_id, Decision.undoes.is_(None), Comment.site_id.in_(site_ids))
        .order_by(Decision.id.desc())
        .limit(limit)
    ).all()
    return [(decision, comment) for decision, comment in rows]


def _where(tab: str, site_ids: Sequence[int]) -> ColumnElement[bool]:
    mine = Comment.site_id.in_(site_ids)
    if tab == "held":
        return and_(mine, Comment.status == HELD)
    if tab == "not_scored":
        return and_(mine, Comment.status == HELD, Comment.not_scored.is_(True))
    if tab == "approved":
        return and_(mine, Comment.status == APPROVED)
    spam = (
        select(Decision.id)
        .where(Decision.comment_id == Comment.id, Decision.sequence == Comment.sequence, Decision.reason == "SPAM")
        .exists()
    )
    return and_(mine, Comment.status == REJECTED, spam if tab == "spam" else ~spam)
