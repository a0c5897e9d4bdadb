"""Whose turn it is in a bulk job: what matches and comes next, and what people have decided before its turn came."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from moderation.comments import status
from moderation.comments.models import Comment
from moderation.review import filters, searching
from moderation.review.bulk import DECIDED
from moderation.review.filters import Bound, Condition, OneOf, Query
from moderation.review.models import BulkItem, BulkJob, Decision

LOOKED_FOR = 2000
"""Comments that are looked for at once: a search costs more than a batch."""

SLACK = timedelta(seconds=10)
"""What others have decided is looked for from so long before the last batch on: a decision's moment is older than its
commit."""

OVERTAKEN = 500
"""Decisions of others that one batch takes note of at most."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be done of a job behind its `cursor`: comments (of an undo with the decisions to take back), whether
    they are the `last` ones, and those that somebody else has decided before their turn came. `at`: when they were
    looked for, by time.monotonic."""

    job_id: int
    cursor: int
    ids: Sequence[int]
    last: bool
    at: float
    taken_back: Mapping[int, int] = field(default_factory=dict)
    overtaken: Sequence[int] = ()

    def split(self, size: int) -> tuple["Turn", "Turn | None"]:
        """The first `size`, and the rest."""
        if len(self.ids) <= size:
            return self, None
        first, rest = self.ids[:size], self.ids[size:]
        return replace(self, ids=first, last=False), replace(self, ids=rest, cursor=first[-1])


def look(session: Session, job: BulkJob) -> Turn:
    """What comes next. Raises InvalidInput when the database cannot say it in time."""
    at = time.monotonic()
    if job.undoes is not None:
        rows = session.execute(
            select(BulkItem.comment_id, BulkItem.decision_id)
            .where(BulkItem.job_id == job.undoes, BulkItem.outcome == DECIDED, BulkItem.comment_id > job.cursor)
            .order_by(BulkItem.comment_id)
            .limit(LOOKED_FOR)
        ).all()
        taken_back = {row.comment_id: row.decision_id for row in rows if row.decision_id is not None}
        return Turn(job.id, job.cursor, list(taken_back), len(rows) < LOOKED_FOR, at, taken_back)
    ids = searching.matching(
        session, job.site_ids, query_of(job), after_id=job.cursor, until_id=job.until_id, limit=LOOKED_FOR
    )
    return Turn(job.id, job.cursor, ids, len(ids) < LOOKED_FOR, at)


def query_of(job: BulkJob) -> Query:
    """The query of a job, its ages counted from when it was started."""
    return filters.parse(job.query, now=job.created_at, tz=UTC)


def overtaken(session: Session, job: BulkJob) -> list[int]:
    """Comments that would have had their turn, had a person not decided them since the last batch: they match but for
    their status, which was one of those that are asked for."""
    if job.undoes is not None:
        return []
    query = query_of(job)
    if any(_settled_by_deciding(item) for item in query.conditions):
        return []  # nobody can say any more whether they matched
    asked = [item for item in query.conditions if isinstance(item, OneOf) and item.name == "status"]
    if not asked:
        return []  # they match still
    wanted = [
        state
        for action, state in status.BY_ACTION.items()
        if all((state.lower() in item.values) != item.negated for item in asked)
    ]
    before = aliased(Decision)
    stood = exists().where(
        before.comment_id == Comment.id,
        before.sequence == Comment.sequence - 1,
        before.action.in_([action for action, state in status.BY_ACTION.items() if state in wanted]),
    )
    ids = session.scalars(
        select(Comment.id)
        .join(Decision, decided_by_others(job))
        .where(
            Decision.created_at > max(job.created_at, job.updated_at - SLACK),
            Comment.id > job.cursor,
            Comment.id <= job.until_id,
            Comment.status.not_in(wanted),
            stood,
        )
        .order_by(Comment.id)
        .limit(OVERTAKEN)
    ).all()
    rest = Query(tuple(item for item in query.conditions if item not in asked))
    return sorted(searching.among(session, job.site_ids, rest, ids)) if ids else []


def _settled_by_deciding(item: Condition) -> bool:
    """Whether what this asks for ends with a person's decision: reports, escalation, a missing score."""
    if isinstance(item, OneOf):
        return item.name == "is" and item.values[0] in ("reported", "escalated", "unscored", "spam")
    return isinstance(item, Bound) and item.name == "reports"


def decided_by_others(job: BulkJob) -> ColumnElement[bool]:
    """The decision that stands on a comment, if a person made it, and not this job."""
    return and_(
        Decision.comment_id == Comment.id,
        Decision.sequence == Comment.sequence,
        Decision.moderator_id.is_not(None),
        or_(Decision.job_id.is_(None), Decision.job_id != job.id),
    )
