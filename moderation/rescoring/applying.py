"""Applying a run's report, separately: chosen movements are put before people again, in a job that can be taken back.

Choose, preview, start, steer, look; rescoring/apply_work.py does the work. A comment that is applied becomes HELD with
the reason RESCORED, and waits in the queue; the site and its readers go on seeing what stood before, until a person
decides (decisions.RESCORE). What a person has decided is reported, never touched.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, func, or_, select
from sqlalchemy.orm import Session

from moderation import dispatch, queues
from moderation.accounts import audit
from moderation.comments import status
from moderation.comments.models import Comment
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.policy.document import APPROVE, REJECT
from moderation.rescoring import runs
from moderation.rescoring.diff import ACTIONS, SEVERITY
from moderation.rescoring.models import RescoreApplied, RescoreApply, RescoreMove, RescoreRun
from moderation.rescoring.runs import By
from moderation.review.bulk import CANCELLED, DONE, FAILED, OVER, PAUSED, RUNNING, TRANSITIONS
from moderation.signals import SIGNALS
from moderation.wordings import counted

ACTIVE = (RUNNING, PAUSED)

HELD, RESTORED, LEFT = "held", "restored", "left"
"""Outcomes of an item: put into the queue; (of an undo) standing again as before; left alone, and why."""

MOST_CHOSEN = 20
"""Movements that one job takes."""

PAGE = 50
"""Items of one page."""

WRONG_CHOICE = "Choose movements of published or rejected comments: {was, would, signal, min_score}."
TOO_MANY = "Choose 20 movements at most."
NOTHING = "None of the chosen comments can be put into the queue."
NOT_FINISHED = "The run is not finished: its report may still change."
ACTIVE_ALREADY = "A job of this run is at work already; wait for it, or cancel it."
NO_JOB = "There is no such job."
NOT_RUNNING = "This job is not running."
OVER_ALREADY = "This job is over."
NOT_OVER = "Cancel this job, or wait for its end, before you take it back."
IS_UNDO = "This job took another one back; apply again instead."
UNDONE_ALREADY = "This job is being taken back, or was."
NOTHING_DONE = "This job has put nothing into the queue that could be taken back."


@dataclass(frozen=True, slots=True)
class Movement:
    """Moves that are chosen together. `signal`: only those for which it speaks. `min_score`: only those whose score at
    the stricter end, the new one of a move to a stricter action and the old one of a move to a milder one, is at least
    so much (0..1)."""

    was: str
    would: str
    signal: str | None = None
    min_score: float = 0.0

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "Movement":
        """From JSON or a form. Raises InvalidInput naming `movements`."""
        was, would = given.get("was"), given.get("would")
        signal, least = given.get("signal") or None, given.get("min_score") or 0.0
        number = isinstance(least, (int, float)) and not isinstance(least, bool) and 0 <= least <= 1
        fits = was in (APPROVE, REJECT) and would in ACTIONS and was != would and signal in (None, *SIGNALS) and number
        if not fits or set(given) - {"was", "would", "signal", "min_score"}:
            raise InvalidInput(WRONG_CHOICE, field="movements")
        return cls(str(was), str(would), signal, float(least))

    @property
    def stricter(self) -> bool:
        """Whether the new action is the stricter one."""
        return SEVERITY[self.would] > SEVERITY[self.was]

    def condition(self) -> ColumnElement[bool]:
        """Which moves of a run these are."""
        parts = [RescoreMove.was == self.was, RescoreMove.would == self.would]
        if self.signal is not None:
            parts.append(RescoreMove.signal == self.signal)
        if self.min_score > 0:
            parts.append((RescoreMove.after if self.stricter else RescoreMove.before) >= self.min_score)
        return and_(*parts)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a job would do, as things stand now. Of `total` moves that are chosen, `decided` were decided by a person
    and stay; `changed` do not stand any more as the run found them (edited, withdrawn, held by now); `queued` are put
    into the queue, `published` of them while they are shown."""

    chosen: Sequence[Movement]
    total: int
    decided: int
    changed: int
    queued: int
    published: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. `share` from 0 to 1; `seconds` left where they can be guessed."""

    state: str
    total: int
    held: int
    left: int
    share: float
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one comment. `what`: `held` or `restored`, or why it was left alone: `decided` (by a person),
    `edited`, `withdrawn`, `held`, `changed`, `staff`, `escalated`, `error`."""

    comment_id: int
    author: str
    outcome: str
    what: str


def movements(given: Sequence[Mapping[str, Any]]) -> list[Movement]:
    """What somebody has chosen, each once. Raises InvalidInput naming `movements`."""
    chosen = list(dict.fromkeys(Movement.parse(one) for one in given))
    if not chosen:
        raise InvalidInput(WRONG_CHOICE, field="movements")
    if len(chosen) > MOST_CHOSEN:
        raise InvalidInput(TOO_MANY, field="movements")
    return chosen


def any_of(chosen: Sequence[Movement]) -> ColumnElement[bool]:
    """Which moves of a run are chosen."""
    return or_(false(), *(one.condition() for one in chosen))


def preview(session: Session, run: RescoreRun, chosen: Sequence[Movement]) -> Preview:
    """What a job over these movements would meet."""
    free, decided = standing(), human()
    row = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(case((decided, 1), else_=0)), 0),
            func.coalesce(func.sum(case((and_(free, ~decided), 1), else_=0)), 0),
            func.coalesce(func.sum(case((and_(free, ~decided, RescoreMove.was == APPROVE), 1), else_=0)), 0),
        )
        .join(Comment, Comment.id == RescoreMove.comment_id)
        .where(RescoreMove.run_id == run.id, any_of(chosen))
    ).one()
    total, by_people, queued, published = (int(value) for value in row)
    return Preview(chosen, total, by_people, total - by_people - queued, queued, published)


def human() -> ColumnElement[bool]:
    """A person has decided on the text that the run judged, before or after; or the site's own people wrote it."""
    return or_(RescoreMove.human.is_not(None), Comment.human_revision == RescoreMove.revision, Comment.staff.is_(True))


def standing() -> ColumnElement[bool]:
    """The comment stands as the run found it."""
    stands = case(dict(status.BY_ACTION), value=RescoreMove.was)
    return and_(Comment.revision == RescoreMove.revision, Comment.status == stands, Comment.escalated.is_(False))


def start(session: Session, run: RescoreRun, chosen: Sequence[Movement], by: By, now: datetime) -> RescoreApply:
    """Have the chosen movements of a finished run put into the queue. `run` is locked.

    Raises Conflict when the run is not finished or a job of it is at work, InvalidInput when nothing is to be done.
    """
    if run.state != DONE:
        raise Conflict(NOT_FINISHED, details={"what": run.state})
    _alone(session, run)
    found = preview(session, run, chosen)
    if not found.queued:
        raise InvalidInput(NOTHING, field="movements")
    made = _new(run, by, now, chosen=[asdict(one) for one in chosen], total=found.total)
    return _begin(session, run, made, by, now, f"{counted(found.total, 'comment')}: {json.dumps(made.chosen)}")


def undo(session: Session, run: RescoreRun, job: RescoreApply, by: By, now: datetime) -> RescoreApply:
    """Have what a job did taken back by another one; what somebody has decided since stays. `run` is locked.

    Raises Conflict when the job is not over, took another one back itself, is taken back already, or did nothing.
    """
    if job.undoes is not None:
        raise Conflict(IS_UNDO)
    if job.state not in (*OVER, FAILED):
        raise Conflict(NOT_OVER, details={"what": job.state})
    if undone_by(session, job) is not None:
        raise Conflict(UNDONE_ALREADY)
    if not job.held:
        raise Conflict(NOTHING_DONE)
    _alone(session, run)
    if job.state == FAILED:  # it must not go on behind the undo
        _move(session, run, job, CANCELLED, by, now, OVER_ALREADY)
    made = _new(run, by, now, chosen=list(job.chosen), total=job.held, undoes=job.id)
    return _begin(session, run, made, by, now, f"undoes job {job.id}, {counted(job.held, 'comment')}")


def pause(session: Session, run: RescoreRun, job: RescoreApply, by: By, now: datetime) -> None:
    """Let a job rest before its next batch. `job` is locked. Raises Conflict when it is not running."""
    if job.state != PAUSED:
        _move(session, run, job, PAUSED, by, now, NOT_RUNNING)


def resume(session: Session, run: RescoreRun, job: RescoreApply, by: By, now: datetime) -> None:
    """Let a job that rests or failed go on where it stopped. `job` is locked. Raises Conflict when it is over."""
    if job.state == RUNNING:
        return
    _move(session, run, job, RUNNING, by, now, OVER_ALREADY)
    job.error, job.finished_at = "", None
    dispatch.nudge(session, queues.TASK_RESCORE)


def cancel(session: Session, run: RescoreRun, job: RescoreApply, by: By, now: datetime) -> None:
    """End a job before its next batch; what it did stays. `job` is locked. Raises Conflict when it is over."""
    if job.state != CANCELLED:
        _move(session, run, job, CANCELLED, by, now, OVER_ALREADY)
        job.finished_at = now


def end(session: Session, run: RescoreRun, job: RescoreApply, to: str, now: datetime, error: str = "") -> None:
    """What the worker says: the job is `done`, or `failed` with a sentence. `job` is locked."""
    if to not in TRANSITIONS[job.state]:
        raise ValueError(f"{job.state} -> {to} is not allowed")
    job.state, job.error, job.finished_at = to, error[:500], now
    detail = error[:500] or f"{job.held} held, {job.left} left"
    _note(session, run, job, "worker", to, now, detail)
    session.flush()


def get(session: Session, run: RescoreRun, job_id: int, *, lock: bool = False) -> RescoreApply:
    """A job of this run. `lock`: to be steered. Raises NotFound."""
    job = session.get(RescoreApply, job_id, with_for_update=lock or None)
    if job is None or job.run_id != run.id:
        raise NotFound(NO_JOB)
    return job


def find(session: Session, job_id: int, *, lock: bool = False) -> tuple[RescoreRun, RescoreApply]:
    """A job by its number alone, and its run. `lock`: both, to be steered. Raises NotFound."""
    run_id = session.scalar(select(RescoreApply.run_id).where(RescoreApply.id == job_id))
    if run_id is None:
        raise NotFound(NO_JOB)
    run = runs.get(session, run_id, lock=lock)
    return run, get(session, run, job_id, lock=lock)


def newest(session: Session, limit: int = 100) -> Sequence[RescoreApply]:
    """Jobs of all runs, newest first."""
    return session.scalars(select(RescoreApply).order_by(RescoreApply.id.desc()).limit(limit)).all()


def listed(session: Session, run: RescoreRun) -> Sequence[RescoreApply]:
    """The jobs of a run, newest first."""
    return session.scalars(
        select(RescoreApply).where(RescoreApply.run_id == run.id).order_by(RescoreApply.id.desc())
    ).all()


def held_of(session: Session, run_ids: Sequence[int]) -> dict[int, int]:
    """Run → comments that its jobs have put into the queue and nobody has taken back."""
    rows = session.execute(
        select(RescoreApply.run_id, func.sum(case((RescoreApply.undoes.is_(None), 1), else_=-1) * RescoreApply.held))
        .where(RescoreApply.run_id.in_(run_ids))
        .group_by(RescoreApply.run_id)
    ).all()
    return {run_id: int(held) for run_id, held in rows if held}


def undone_by(session: Session, job: RescoreApply) -> RescoreApply | None:
    """The job that takes this one back, or took; one that was cancelled before its end does not count."""
    wanted = select(RescoreApply).where(RescoreApply.undoes == job.id, RescoreApply.state != CANCELLED)
    return session.scalar(wanted.order_by(RescoreApply.id.desc()).limit(1))


def progress(job: RescoreApply, now: datetime) -> Progress:
    """How far a job is at `now`."""
    done = job.held + job.left
    spent = (now - job.created_at).total_seconds()
    guessed = job.state == RUNNING and done and spent > 0
    return Progress(
        state=job.state,
        total=job.total,
        held=job.held,
        left=job.left,
        share=1.0 if job.state == DONE else min(1.0, done / max(1, job.total)),
        seconds=round((job.total - done) * spent / done) if guessed else None,
    )


def items(
    session: Session, job: RescoreApply, outcome: str | None = None, after: int = 0
) -> tuple[list[Item], int | None]:
    """A page of a job's items, of one outcome where it is given, by comment from ids greater than `after`, and where
    the next page begins."""
    wanted = (
        select(RescoreApplied.comment_id, RescoreApplied.outcome, RescoreApplied.detail, Comment.author_name)
        .join(Comment, Comment.id == RescoreApplied.comment_id)
        .where(RescoreApplied.apply_id == job.id, RescoreApplied.comment_id > after)
        .order_by(RescoreApplied.comment_id)
        .limit(PAGE + 1)
    )
    if outcome is not None:
        wanted = wanted.where(RescoreApplied.outcome == outcome)
    rows = session.execute(wanted).all()
    found = [Item(row.comment_id, row.author_name, row.outcome, row.detail or row.outcome) for row in rows[:PAGE]]
    return found, found[-1].comment_id if len(rows) > PAGE else None


def reasons_left(session: Session, job: RescoreApply) -> dict[str, int]:
    """Why comments were left alone → how many."""
    rows = session.execute(
        select(RescoreApplied.detail, func.count())
        .where(RescoreApplied.apply_id == job.id, RescoreApplied.outcome == LEFT)
        .group_by(RescoreApplied.detail)
        .order_by(func.count().desc(), RescoreApplied.detail)
    )
    return dict(rows.all())


def _alone(session: Session, run: RescoreRun) -> None:
    wanted = select(RescoreApply.id).where(RescoreApply.run_id == run.id, RescoreApply.state.in_(ACTIVE)).limit(1)
    other = session.scalar(wanted)
    if other is not None:
        raise Conflict(ACTIVE_ALREADY, details={"what": "active", "job": str(other)})


def _new(run: RescoreRun, by: By, now: datetime, **more: Any) -> RescoreApply:
    return RescoreApply(
        run_id=run.id,
        moderator_id=by.moderator_id,
        started_by=by.name,
        state=RUNNING,
        cursor=0,
        held=0,
        left=0,
        error="",
        created_at=now,
        updated_at=now,
        **more,
    )


def _begin(session: Session, run: RescoreRun, made: RescoreApply, by: By, now: datetime, detail: str) -> RescoreApply:
    session.add(made)
    session.flush()
    _note(session, run, made, by.actor, "undo" if made.undoes else "start", now, detail)
    dispatch.nudge(session, queues.TASK_RESCORE)
    return made


def _move(session: Session, run: RescoreRun, job: RescoreApply, to: str, by: By, now: datetime, refusal: str) -> None:
    if to not in TRANSITIONS[job.state]:
        raise Conflict(refusal, details={"what": job.state})
    job.state, job.updated_at = to, now
    _note(session, run, job, by.actor, {PAUSED: "pause", RUNNING: "resume", CANCELLED: "cancel"}[to], now, "")
    session.flush()


def _note(
    session: Session, run: RescoreRun, job: RescoreApply, actor: str, deed: str, now: datetime, detail: str
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"rescore.apply_{deed}",
        subject=f"rescore:{run.id}:{job.id}",
        site_id=run.site_id,
        now=now,
        detail=detail,
    )
