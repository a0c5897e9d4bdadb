"""What live comments need just now: whoever does work that can wait asks here, and gives way."""

from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from moderation import queues
from moderation.comments.models import Comment
from moderation.comments.status import PENDING
from moderation.scoring import work

QUIET = timedelta(seconds=3)
"""So long no comment has come when it is quiet."""
RUSH = 60
"""Comments within QUIET that make a rush: 20 in a second are a busy newsroom's."""


def rush(session: Session, now: datetime) -> float:
    """How dense comments come in: 0 when it is quiet, 1 when they are RUSH or more within QUIET."""
    newest = session.scalars(select(Comment.received_at).order_by(Comment.id.desc()).limit(RUSH)).all()
    return sum(received_at > now - QUIET for received_at in newest) / RUSH


def due(session: Session, now: datetime) -> bool:
    """Whether a scorer could claim something."""
    return any(work.any_due(session, scorer, now) for scorer in queues.SCORER_TASKS)


def waits_longer(session: Session, than: timedelta, now: datetime) -> bool:
    """Whether a comment has waited longer than this for its judgement."""
    return bool(session.scalar(select(exists().where(Comment.status == PENDING, Comment.pending_since < now - than))))
