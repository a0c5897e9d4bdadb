"""What was decided on comments: what stands, what stood before, the history, and the conflict of who comes late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from moderation.accounts.models import Moderator
from moderation.comments import status
from moderation.comments.models import Comment
from moderation.errors import Conflict
from moderation.review.models import Decision

RESCORE = "rescore"
"""Origin of a hold that only puts a comment before people again (rescoring/applying.py), and of taking that back: the
site and its readers go on seeing what stood before, until a person decides."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An action that stands on a comment, with its reason. `outward`: what the site and its readers see meanwhile,
    where that is not the same: before a quiet hold (RESCORE) something else stood."""

    action: str
    reason: str | None
    outward: "Standing | None" = None


def latest_of(session: Session, comment_ids: Sequence[int]) -> dict[int, Decision]:
    """The newest decision on each of these comments."""
    rows = session.scalars(
        select(Decision)
        .join(Comment, and_(Comment.id == Decision.comment_id, Comment.sequence == Decision.sequence))
        .where(Comment.id.in_(comment_ids))
    )
    return {row.comment_id: row for row in rows}


def latest(session: Session, comment_id: int) -> Decision | None:
    """The newest decision on a comment."""
    return session.scalar(
        select(Decision).where(Decision.comment_id == comment_id).order_by(Decision.sequence.desc()).limit(1)
    )


def told_of(session: Session, last: Decision) -> Standing:
    """A comment's newest decision, with what the site and its readers see meanwhile where that is something else."""
    outward = None
    if _is_quiet(last):
        before = standing_before(session, {last.comment_id: last})[last.comment_id]
        outward = before.outward or Standing(before.action, before.reason)
    return Standing(last.action, last.reason, outward)


def made_by(decision: Decision) -> str:
    """Who decided, as a site is told: `moderator`, `staff` (the site's own people wrote it), `import` or `policy`."""
    if decision.moderator_id is not None:
        return "moderator"
    return decision.origin if decision.origin in ("staff", "import") else "policy"


def history(session: Session, comment_id: int) -> list[tuple[Decision, str | None]]:
    """Every decision on a comment, oldest first, with the moderator's name."""
    rows = session.execute(
        select(Decision, Moderator.name)
        .outerjoin(Moderator, Moderator.id == Decision.moderator_id)
        .where(Decision.comment_id == comment_id)
        .order_by(Decision.sequence)
    ).all()
    return [(decision, name) for decision, name in rows]


def standing_before(session: Session, last: Mapping[int, Decision], *, of_machine: bool = False) -> dict[int, Standing]:
    """Comment → what stood before its last decision; a revision's first state is to be held. `of_machine`: it is the
    machine that will restore it, and that may reject without a reason."""
    earlier = select(Decision).where(Decision.comment_id.in_(last)).order_by(Decision.sequence)
    found = dict.fromkeys(last, Standing("hold", None))
    for row in session.scalars(earlier) if last else ():
        newest = last[row.comment_id]
        if row.sequence < newest.sequence and row.revision == newest.revision:
            reason = row.reason or ("OTHER" if row.action == "reject" and not of_machine else None)
            # A quiet hold has changed nothing outside: what was seen before it is seen still.
            before = found[row.comment_id]
            found[row.comment_id] = Standing(row.action, reason, (before.outward or before) if _is_quiet(row) else None)
    return found


def _is_quiet(decision: Decision) -> bool:
    return decision.origin == RESCORE and decision.action == "hold" and decision.undoes is None


def conflict(session: Session, comment: Comment, last: Decision | None) -> Conflict:
    """`conflicts` for one comment and its last decision, if it has any."""
    return conflicts(session, [comment], {} if last is None else {comment.id: last})[comment.id]


def conflicts(session: Session, comments: Sequence[Comment], last: Mapping[int, Decision]) -> dict[int, Conflict]:
    """Why each of these comments cannot be decided as it was seen: who was first, with what, when."""
    people = {last[comment.id].moderator_id for comment in comments if comment.id in last} - {None}
    names: dict[int | None, str] = {}
    if people:
        rows = session.execute(select(Moderator.id, Moderator.name).where(Moderator.id.in_(people)))
        names = {row.id: row.name for row in rows}
    return {comment.id: _why(comment, last.get(comment.id), names) for comment in comments}


def _why(comment: Comment, last: Decision | None, names: Mapping[int | None, str]) -> Conflict:
    if comment.status == status.WITHDRAWN:
        return Conflict("The site has withdrawn this comment.", details={"what": "withdrawn"})
    if last is None or last.revision != comment.revision:
        return Conflict(
            "The author edited this text while you were reading.",
            details={"what": "edited", "version": comment.version, "revision": comment.revision},
        )
    return Conflict(
        "Somebody else has decided." if last.moderator_id else "The machine judged this text meanwhile.",
        details={
            "who": names.get(last.moderator_id) or "policy",
            "what": last.action,
            "reason": last.reason,
            "at": last.created_at.isoformat(),
            "version": comment.version,
        },
    )
