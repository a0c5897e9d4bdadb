"""Replies find the comment that they answer, in whatever order the two came."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, select, update
from sqlalchemy.orm import Session, aliased

from moderation.comments.models import Comment

_PARENT = select(Comment.parent_id).where(Comment.id == bindparam("reply"))


def adopt(session: Session, orphans: Sequence[tuple[int, str]], made: Mapping[str, int]) -> None:
    """Replies that came before the comment that they answer find it now.

    `orphans`: id of each reply and the external id that it answers; `made`: external id → id of the comments that came.
    A comment never comes to stand under itself or its own replies, whatever a site says.
    """
    connection = session.connection()
    for orphan, name in orphans:
        above: int | None = made.get(name)
        while above is not None and above != orphan:
            above = connection.execute(_PARENT, {"reply": above}).scalar()
        if above is None and name in made:
            connection.execute(update(Comment).where(Comment.id == orphan).values(parent_id=made[name]))


def orphans_of(session: Session, site_id: int, external_id: str) -> list[tuple[int, str]]:
    """Replies that wait for a comment."""
    rows = session.scalars(
        select(Comment.id).where(
            Comment.site_id == site_id, Comment.parent_external_id == external_id, Comment.parent_id.is_(None)
        )
    )
    return [(number, external_id) for number in rows]


LATE_REPLIES = timedelta(minutes=10)
"""So long after it came a reply is joined to what it answers."""


def adopt_late(session: Session, now: datetime) -> None:
    """Join what came in the same moment by two doors: neither transaction saw the other."""
    parent = aliased(Comment)
    rows = session.execute(
        select(Comment.id, parent.id.label("parent"), parent.external_id)
        .join(parent, and_(parent.site_id == Comment.site_id, parent.external_id == Comment.parent_external_id))
        .where(
            Comment.parent_id.is_(None),
            Comment.parent_external_id.is_not(None),
            Comment.received_at > now - LATE_REPLIES,
            Comment.id != parent.id,
        )
        .limit(500)
    ).all()
    for row in rows:
        adopt(session, [(row.id, row.external_id)], {row.external_id: row.parent})
