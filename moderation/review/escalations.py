"""Escalation: a moderator hands a comment to a senior, with a question. Open until a senior decides, or answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session, aliased

from moderation.accounts import audit, moderators
from moderation.accounts.models import Moderator
from moderation.comments import status
from moderation.comments.models import Comment
from moderation.errors import Conflict, NotAllowed
from moderation.review import claims
from moderation.review.models import Escalation
from moderation.review.notes import cleaned

MAX_CHARS = 1000

WRONG_QUESTION = "A question has 1 to 1000 characters."
WRONG_ANSWER = "An answer has 1 to 1000 characters."
SENIORS_ONLY = "This comment was handed to a senior: only seniors and administrators may decide it."
ANSWER_SENIORS_ONLY = "Only seniors and administrators may answer."
OPEN_ALREADY = "Somebody has handed this comment to a senior already."
NOT_OPEN = "There is no open question on this comment."
NOT_JUDGED = "This comment is being judged or was withdrawn; there is nothing to decide."


@dataclass(frozen=True, slots=True)
class Asked:
    """An escalation with the names of those who asked and answered; `answer` is empty where a decision was it."""

    id: int
    comment_id: int
    question: str
    moderator_id: int
    name: str
    created_at: datetime
    answer: str
    answered_by: str | None
    answered_at: datetime | None


def raise_(session: Session, comment: Comment, me: Moderator, question: str, now: datetime) -> Escalation:
    """Hand `comment` to the seniors; my claim on it ends. The same question of the same person twice is one.

    Raises InvalidInput naming `question`, and Conflict when it is with the seniors already or there is nothing to
    decide.
    """
    question = cleaned(question, "question", MAX_CHARS, WRONG_QUESTION)
    known = open_of(session, [comment.id]).get(comment.id)
    if known is not None:
        if known.moderator_id == me.id and known.question == question:
            return session.get_one(Escalation, known.id)
        raise Conflict(
            OPEN_ALREADY,
            details={"what": "escalated", "who": known.name, "at": known.created_at.isoformat()},
        )
    if comment.status in (status.PENDING, status.WITHDRAWN):
        raise Conflict(NOT_JUDGED, details={"what": comment.status.lower()})
    escalation = Escalation(comment_id=comment.id, moderator_id=me.id, question=question, created_at=now)
    session.add(escalation)
    comment.escalated = True
    claims.release(session, comment.id, me)
    session.flush()
    _note(session, comment, me, "comment.escalate", now)
    return escalation


def answer(session: Session, comment: Comment, me: Moderator, text: str, now: datetime) -> Escalation:
    """Answer the open question: the comment goes back to everybody.

    Raises NotAllowed for a plain moderator, InvalidInput naming `answer`, Conflict when no question is open.
    """
    moderators.senior(me, ANSWER_SENIORS_ONLY)
    text = cleaned(text, "answer", MAX_CHARS, WRONG_ANSWER)
    known = open_of(session, [comment.id]).get(comment.id)
    if known is None:
        raise Conflict(NOT_OPEN, details={"what": "answered"})
    escalation = session.get_one(Escalation, known.id)
    escalation.answered_by, escalation.answer, escalation.answered_at = me.id, text, now
    comment.escalated = False
    session.flush()
    _note(session, comment, me, "comment.answer", now)
    return escalation


def settle(session: Session, comment_ids: Sequence[int], moderator_id: int | None, now: datetime) -> None:
    """Close what is open on these comments: somebody has decided them (`moderator_id`), or their text is another one.

    The comments' own mark (`escalated`) is the caller's.
    """
    session.execute(
        update(Escalation)
        .where(Escalation.comment_id.in_(comment_ids), Escalation.answered_at.is_(None))
        .values(answered_by=moderator_id, answered_at=now)
        .execution_options(synchronize_session=False)
    )


def open_of(session: Session, comment_ids: Sequence[int]) -> dict[int, Asked]:
    """The open question on each of these comments; one without is not there."""
    if not comment_ids:
        return {}
    still = Comment.id.in_(comment_ids) & Comment.escalated & Escalation.answered_at.is_(None)
    return {asked.comment_id: asked for asked in _asked(session, still)}


def of_comment(session: Session, comment_id: int) -> list[Asked]:
    """Every question on a comment, oldest first, with its answer."""
    return _asked(session, Escalation.comment_id == comment_id)


def guard(comment: Comment, me: Moderator) -> None:
    """Raises NotAllowed when the comment is with the seniors, and `me` is none."""
    if comment.escalated and not moderators.is_senior(me):
        raise NotAllowed(SENIORS_ONLY, details={"what": "escalated"})


def _asked(session: Session, where: ColumnElement[bool]) -> list[Asked]:
    asker, senior = aliased(Moderator), aliased(Moderator)
    rows = session.execute(
        select(
            Escalation.id,
            Escalation.comment_id,
            Escalation.question,
            Escalation.moderator_id,
            asker.name,
            Escalation.created_at,
            Escalation.answer,
            senior.name,
            Escalation.answered_at,
        )
        .join(Comment, Comment.id == Escalation.comment_id)
        .join(asker, asker.id == Escalation.moderator_id)
        .outerjoin(senior, senior.id == Escalation.answered_by)
        .where(where)
        .order_by(Escalation.id)
    ).all()
    return [Asked(*row) for row in rows]


def _note(session: Session, comment: Comment, me: Moderator, action: str, now: datetime) -> None:
    audit.record(
        session,
        actor=moderators.actor(me),
        action=action,
        subject=f"comment:{comment.id}",
        site_id=comment.site_id,
        now=now,
    )
