"""What a decision settles besides the comment: readers' reports, a question to the seniors, claims; and what an undo
opens again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import case, or_, tuple_, update
from sqlalchemy.orm import Session

from moderation.accounts.models import Moderator, Site
from moderation.comments import reports
from moderation.comments.models import Comment, Report
from moderation.review import claims, escalations, second_looks
from moderation.review.models import Decision, Escalation


@dataclass(frozen=True, slots=True)
class Opened:
    """What an undone decision had settled and is open again: how many reports, and whether a question."""

    reports: int = 0
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class OpenEnds:
    """Comments on which a decision settles something: readers' reports, a question to the seniors."""

    reported: Sequence[int]
    escalated: Sequence[int]


def unsettled(comments: Sequence[Comment], undoing: bool) -> OpenEnds:
    """What a person's decision on these comments settles; an undo settles nothing."""
    if undoing:
        return OpenEnds((), ())
    return OpenEnds(
        [comment.id for comment in comments if comment.reports],
        [comment.id for comment in comments if comment.escalated],
    )


def close(
    session: Session,
    made: Sequence[tuple[Comment, Decision]],
    open_ends: OpenEnds,
    by: Moderator,
    sites: Mapping[int, Site],
    now: datetime,
) -> None:
    """What else a person's decision brings about."""
    claims.drop(session, [comment.id for comment, _ in made])
    if open_ends.reported:
        reports.resolve(session, open_ends.reported, now)
    if open_ends.escalated:
        escalations.settle(session, open_ends.escalated, by.id, now)
    for site in sites.values():
        theirs = [(decision, comment) for comment, decision in made if comment.site_id == site.id]
        second_looks.maybe(session, theirs, site, now)


def reopen(session: Session, comments: Sequence[Comment], last: Mapping[int, Decision]) -> dict[int, Opened]:
    """Open again what the last decisions on these comments settled."""
    settled = [(comment.id, last[comment.id].created_at) for comment in comments]
    opened = dict.fromkeys((number for number, _ in settled), Opened())
    again = session.scalars(
        update(Report)
        .where(Report.comment_id.in_(opened), tuple_(Report.comment_id, Report.resolved_at).in_(settled))
        .values(resolved_at=None)
        .returning(Report.comment_id)
        .execution_options(synchronize_session=False)
    )
    for number in again:
        opened[number] = Opened(opened[number].reports + 1)
    asked = session.scalars(
        update(Escalation)
        .where(Escalation.comment_id.in_(opened), tuple_(Escalation.comment_id, Escalation.answered_at).in_(settled))
        .where(Escalation.answer == "")
        .values(answered_by=None, answered_at=None)
        .returning(Escalation.comment_id)
        .execution_options(synchronize_session=False)
    )
    for number in asked:
        opened[number] = replace(opened[number], escalated=True)
    return opened


def reopened_columns(opened: Mapping[int, Opened]) -> dict[str, Any]:
    """The columns that say so, as expressions over the old rows."""
    again = {number: one.reports for number, one in opened.items() if one.reports}
    asked = [number for number, one in opened.items() if one.escalated]
    return {
        "reports": Comment.reports + case(again, value=Comment.id, else_=0) if again else Comment.reports,
        "escalated": or_(Comment.escalated, Comment.id.in_(asked)),
    }
