"""Bulk jobs: one deed on all comments that match a search. Start, steer, take back; review/bulk_work.py does them.

A job keeps its query with moments in the place of ages, and the greatest comment id of the preview: what a person was
shown and confirmed is what is decided, whatever has come since. bulk_preview.py shows it first, bulk_progress.py tells
how far it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation import dispatch, queues
from moderation.accounts import audit, moderators
from moderation.accounts.models import Moderator
from moderation.comments.models import Comment
from moderation.errors import Conflict, InvalidInput, NotAllowed, NotFound
from moderation.review import bulk_preview, decisions
from moderation.review.filters import Query
from moderation.review.models import BulkItem, BulkJob
from moderation.wordings import counted

RUNNING, PAUSED, DONE, CANCELLED, FAILED = "running", "paused", "done", "cancelled", "failed"

TRANSITIONS: Mapping[str, frozenset[str]] = {
    RUNNING: frozenset({PAUSED, DONE, CANCELLED, FAILED}),
    PAUSED: frozenset({RUNNING, CANCELLED}),
    FAILED: frozenset({RUNNING, CANCELLED}),
    DONE: frozenset(),
    CANCELLED: frozenset(),
}
"""State of a job → those that may follow. Only the worker says `done` and `failed`."""

OVER = (DONE, CANCELLED)

UNDO = "undo"
"""The action of a job that takes another one back; the others are those of a decision."""

DECIDED, CONFLICT, SAME = "decided", "conflict", "same"
"""Outcomes of an item: decided by the job; left alone, and why; it stood just so already."""

MOST_OPEN = 20
"""Jobs that may wait or run at once: more is a mistake."""

KEPT = timedelta(days=30)
"""How far back the list of jobs goes."""
LISTED = 200

NO_MATCH = "No comment matches: there is nothing to decide."
WRONG_ACTION = "The decision must be one of approve, reject, hold."
WRONG_REASON = "A rejection needs a reason."
TOO_MANY = "Too many bulk jobs are open: wait for one, or cancel one."
NO_JOB = "There is no such bulk job."
NOT_YOURS = "Only whoever started a bulk job, or a senior, may steer it or take it back."
OVER_ALREADY = "This bulk job is over."
NOT_RUNNING = "This bulk job is not running."
NOT_OVER = "Cancel this bulk job, or wait for its end, before you take it back."
IS_UNDO = "This bulk job took another one back; start the first one again instead."
UNDONE_ALREADY = "This bulk job is being taken back, or was."
NOTHING_DONE = "This bulk job has decided nothing that could be taken back."


@dataclass(frozen=True, slots=True)
class Line:
    """A job in the list, and who started it."""

    job: BulkJob
    who: str


def start(
    session: Session,
    me: Moderator,
    site_ids: Sequence[int],
    query: Query,
    action: str,
    reason: str | None,
    now: datetime,
    *,
    until_id: int | None = None,
) -> BulkJob:
    """Have all comments that match decided, up to the comment `until_id` (that of the preview; None: up to now).

    The same job asked for twice by one person is started once. Raises InvalidInput naming `q`, `decision` or `reason`,
    and Conflict when too many jobs are open.
    """
    reason = reason_for(action, reason)
    line = str(bulk_preview.checked(query))
    newest = session.scalar(select(func.max(Comment.id))) or 0
    until_id = newest if until_id is None else min(until_id, newest)
    opened = session.scalars(select(BulkJob).where(BulkJob.state.not_in(OVER)).order_by(BulkJob.id)).all()
    for job in opened:
        if (job.moderator_id, job.query, job.action, job.reason) == (me.id, line, action, reason):
            return job
    if len(opened) >= MOST_OPEN:
        raise Conflict(TOO_MANY)
    total = bulk_preview.count_matching(session, site_ids, query, until_id)
    if not total:
        raise InvalidInput(NO_MATCH, field="q")
    return _begin(
        session,
        BulkJob(
            moderator_id=me.id,
            site_ids=sorted(site_ids),
            query=line,
            action=action,
            reason=reason,
            state=RUNNING,
            total=total,
            until_id=until_id,
            cursor=0,
            decided=0,
            conflicts=0,
            error="",
            created_at=now,
            updated_at=now,
        ),
        me,
        f"{action}{f' {reason}' if reason else ''}, {counted(total, 'comment')}: {line}",
        now,
    )


def undo(session: Session, job: BulkJob, me: Moderator, now: datetime) -> BulkJob:
    """Have what a job decided taken back by another job; what somebody has decided since stays.

    `job` is read and locked in this transaction. Raises NotAllowed, and Conflict when it is not over, took another one
    back itself, is taken back already, or has decided nothing.
    """
    _guard(job, me)
    if job.action == UNDO:
        raise Conflict(IS_UNDO)
    if job.state not in (*OVER, FAILED):
        raise Conflict(NOT_OVER, details={"what": job.state})
    if undone_by(session, job) is not None:
        raise Conflict(UNDONE_ALREADY)
    last = session.scalar(
        select(func.max(BulkItem.comment_id)).where(BulkItem.job_id == job.id, BulkItem.outcome == DECIDED)
    )
    if last is None:
        raise Conflict(NOTHING_DONE)
    if job.state == FAILED:  # it must not go on behind the undo
        _move(session, job, CANCELLED, me, now)
    made = BulkJob(
        moderator_id=me.id,
        site_ids=list(job.site_ids),
        query=job.query,
        action=UNDO,
        reason=None,
        undoes=job.id,
        state=RUNNING,
        total=job.decided,
        until_id=last,
        cursor=0,
        decided=0,
        conflicts=0,
        error="",
        created_at=now,
        updated_at=now,
    )
    return _begin(session, made, me, f"undoes job {job.id}, {counted(job.decided, 'comment')}", now)


def pause(session: Session, job: BulkJob, me: Moderator, now: datetime) -> None:
    """Let a job rest before its next batch. `job` is locked. Raises NotAllowed, and Conflict when it is not running."""
    _guard(job, me)
    if job.state != PAUSED:
        _move(session, job, PAUSED, me, now, refusal=NOT_RUNNING)


def resume(session: Session, job: BulkJob, me: Moderator, now: datetime) -> None:
    """Let a job that rests or failed go on where it stopped. `job` is locked. Raises NotAllowed and Conflict."""
    _guard(job, me)
    if job.state == RUNNING:
        return
    _move(session, job, RUNNING, me, now, refusal=OVER_ALREADY)
    job.error, job.lease_until, job.finished_at = "", None, None
    dispatch.nudge(session, queues.TASK_BULK)


def cancel(session: Session, job: BulkJob, me: Moderator, now: datetime) -> None:
    """End a job before its next batch; what it has decided stays. `job` is locked. Raises NotAllowed and Conflict."""
    _guard(job, me)
    if job.state != CANCELLED:
        _move(session, job, CANCELLED, me, now, refusal=OVER_ALREADY)
        job.finished_at = now


def end(session: Session, job: BulkJob, to: str, now: datetime, error: str = "") -> None:
    """What the worker says: the job is `done`, or `failed` with a sentence. `job` is locked."""
    if to not in TRANSITIONS[job.state]:
        raise ValueError(f"{job.state} -> {to} is not allowed")
    job.state, job.error, job.finished_at = to, error[:500], now
    audit.record(
        session,
        actor="worker",
        action=f"bulk.{to}",
        subject=f"bulk:{job.id}",
        site_id=None,
        now=now,
        detail=error[:500] or f"{job.decided} decided, {job.conflicts} left",
    )
    session.flush()


def of_mine(session: Session, site_ids: Sequence[int], me: Moderator, job_id: int, *, lock: bool = False) -> BulkJob:
    """A job that I started, or whose sites are all mine. `lock`: to be steered. Raises NotFound."""
    job = session.get(BulkJob, job_id, with_for_update=lock)
    if job is None or not _visible(job, site_ids, me):
        raise NotFound(NO_JOB)
    return job


def listed(session: Session, site_ids: Sequence[int], me: Moderator, now: datetime) -> list[Line]:
    """The jobs of the last KEPT that I may see, newest first."""
    rows = session.execute(
        select(BulkJob, Moderator.name)
        .join(Moderator, Moderator.id == BulkJob.moderator_id)
        .where(BulkJob.created_at > now - KEPT)
        .order_by(BulkJob.id.desc())
        .limit(LISTED)
    ).all()
    return [Line(job, name) for job, name in rows if _visible(job, site_ids, me)]


def starter(session: Session, job: BulkJob) -> str:
    """The name of whoever started a job."""
    return session.scalar(select(Moderator.name).where(Moderator.id == job.moderator_id)) or ""


def undone_by(session: Session, job: BulkJob) -> BulkJob | None:
    """The job that takes this one back, or took; one that was cancelled before its end does not count."""
    wanted = select(BulkJob).where(BulkJob.undoes == job.id, BulkJob.state != CANCELLED)
    return session.scalar(wanted.order_by(BulkJob.id.desc()).limit(1))


def may_steer(job: BulkJob, me: Moderator) -> bool:
    """Whether this person may pause, cancel or take back a job: whoever started it, and seniors."""
    return job.moderator_id == me.id or moderators.is_senior(me)


def reason_for(action: str, reason: str | None) -> str | None:
    """The reason that goes with an action. Raises InvalidInput."""
    if action not in decisions.ACTIONS:
        raise InvalidInput(WRONG_ACTION, field="decision")
    if action == "reject" and reason not in decisions.REASONS:
        raise InvalidInput(WRONG_REASON, field="reason")
    return reason if action == "reject" else None


def _begin(session: Session, job: BulkJob, me: Moderator, detail: str, now: datetime) -> BulkJob:
    session.add(job)
    session.flush()
    _note(session, job, me, "bulk.start", now, detail)
    dispatch.nudge(session, queues.TASK_BULK)
    return job


def _guard(job: BulkJob, me: Moderator) -> None:
    if not may_steer(job, me):
        raise NotAllowed(NOT_YOURS)


def _move(
    session: Session, job: BulkJob, to: str, me: Moderator, now: datetime, *, refusal: str = OVER_ALREADY
) -> None:
    if to not in TRANSITIONS[job.state]:
        raise Conflict(refusal, details={"what": job.state})
    job.state = to
    _note(session, job, me, f"bulk.{to}", now, f"{job.decided} decided, {job.conflicts} left")
    session.flush()


def _note(session: Session, job: BulkJob, me: Moderator, action: str, now: datetime, detail: str) -> None:
    audit.record(
        session,
        actor=moderators.actor(me),
        action=action,
        subject=f"bulk:{job.id}",
        site_id=None,
        now=now,
        detail=detail,
    )


def _visible(job: BulkJob, site_ids: Sequence[int], me: Moderator) -> bool:
    return job.moderator_id == me.id or set(job.site_ids) <= set(site_ids)
