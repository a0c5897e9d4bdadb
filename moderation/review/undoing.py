"""Taking decisions back: what stood before is decided anew, for one comment or for many at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from moderation.accounts.models import Moderator
from moderation.comments import status
from moderation.comments.models import Comment
from moderation.errors import Conflict, InvalidInput
from moderation.review import decided, decisions, escalations, settling
from moderation.review.decided import RESCORE
from moderation.review.decisions import Decider
from moderation.review.models import Decision
from moderation.review.settling import Opened

NOTHING_TO_UNDO = "There is no decision of yours to undo here."


def undo(session: Session, comment: Comment, by: Moderator, *, seen_version: int, now: datetime) -> Decision:
    """Take back the latest decision, if it is this person's: the state before it is decided anew.

    What the decision had settled, readers' reports and a question to the seniors, is open again. Raises Conflict when
    the comment has moved on since, InvalidInput when there is nothing of theirs to undo, NotAllowed like `decide`.
    """
    last = decided.latest(session, comment.id)
    if comment.version != seen_version:
        raise decided.conflict(session, comment, last)
    if last is None or last.moderator_id != by.id or last.revision != comment.revision:
        raise InvalidInput(NOTHING_TO_UNDO, field="decision")
    escalations.guard(comment, by)
    before = decided.standing_before(session, {comment.id: last})[comment.id]
    opened = settling.reopen(session, [comment], {comment.id: last}).get(comment.id, Opened())
    made = decisions.decide(
        session,
        comment,
        before.action,
        Decider(by),
        seen_version=seen_version,
        now=now,
        reason=before.reason,
        undoes=last.id,
        outward=before.outward,
        found={
            "reports": comment.reports + opened.reports,
            "escalated": comment.escalated or opened.escalated,
        },
    )
    assert made is not None  # noqa: S101 only the machine gets None
    return made


def undo_many(
    session: Session,
    comments: Sequence[Comment],
    by: Moderator,
    *,
    now: datetime,
    of: Mapping[int, int] | None = None,
    job_id: int | None = None,
) -> dict[int, Decision | Conflict]:
    """Take back the latest decisions on many comments at once, read and locked like those of `decide_many`.

    `of`: comment id → the decision that is to be taken back, whoever made it, as of a bulk job; without it, each
    comment's latest if it is this person's. Returns by comment id the decision that restores the state before, or a
    Conflict that says what stands there instead.
    """
    last = decided.latest_of(session, [comment.id for comment in comments])
    theirs: dict[int, Decision] = {}
    refused: list[Comment] = []
    for comment in comments:
        decision = last.get(comment.id)
        if decision is not None and _takes_back(comment, decision, by, of):
            theirs[comment.id] = decision
        else:
            refused.append(comment)
    answers: dict[int, Decision | Conflict] = {**decided.conflicts(session, refused, last)}
    before = decided.standing_before(session, theirs)
    for standing in sorted(set(before.values()), key=str):
        some = [comment for comment in comments if before.get(comment.id) == standing]
        answers |= decisions.decide_many(
            session,
            some,
            standing.action,
            Decider(by),
            reason=standing.reason,
            now=now,
            job_id=job_id,
            undoes={comment.id: theirs[comment.id].id for comment in some},
            outward=standing.outward,
        )
    return answers


def put_back_many(
    session: Session, comments: Sequence[Comment], of: Mapping[int, int], *, now: datetime
) -> dict[int, Decision | Conflict]:
    """Take back quiet holds (RESCORE), comment id → that decision, on comments read and locked like those of
    `decide_many`: each stands again as before, and the site, which heard of nothing, hears of nothing.

    Returns by comment id the decision that restores it, or the Conflict that says what stands there instead.
    """
    last = decided.latest_of(session, [comment.id for comment in comments])
    ours = {
        comment.id: last[comment.id]
        for comment in comments
        if of.get(comment.id) == (last[comment.id].id if comment.id in last else None)
        and comment.status == status.HELD
        and last[comment.id].revision == comment.revision
    }
    answers: dict[int, Decision | Conflict] = {
        **decided.conflicts(session, [comment for comment in comments if comment.id not in ours], last)
    }
    before = decided.standing_before(session, ours, of_machine=True)
    for standing in sorted(set(before.values()), key=str):
        some = [comment for comment in comments if before.get(comment.id) == standing]
        undoes = {comment.id: ours[comment.id].id for comment in some}
        by = Decider(origin=RESCORE)
        answers |= decisions.decide_many(
            session, some, standing.action, by, reason=standing.reason, now=now, undoes=undoes, quiet=True
        )
    return answers


def _takes_back(comment: Comment, last: Decision, by: Moderator, of: Mapping[int, int] | None) -> bool:
    """Whether `undo_many` is to take back this decision."""
    if comment.status == status.WITHDRAWN or last.revision != comment.revision:
        return False
    return last.moderator_id == by.id if of is None else of.get(comment.id) == last.id
