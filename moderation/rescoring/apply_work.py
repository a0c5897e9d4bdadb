"""What a worker does for jobs that apply a report, one batch at a time; see rescoring/applying.py for the jobs.

One transaction decides a batch's comments and writes the items, the counters and the cursor: a worker that is killed
leaves whole batches behind it, and no comment is touched twice. The job's row is locked as long as its batch takes, and
a second worker passes over it. Live traffic goes first.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, and_, select
from sqlalchemy.orm import Session

from moderation.comments import status
from moderation.comments.models import Comment, Story
from moderation.db import Database, insert_many, inserts, utcnow
from moderation.errors import Conflict, Unavailable
from moderation.policy import store as policies
from moderation.policy.document import HOLD
from moderation.policy.models import VerdictRow
from moderation.rescoring import applying, runs
from moderation.rescoring.applying import HELD, LEFT, RESTORED, Movement
from moderation.rescoring.diff import SEVERITY
from moderation.rescoring.models import RescoreApplied, RescoreApply, RescoreMove, RescoreRun
from moderation.review import decided, decisions, priority, undoing
from moderation.review.bulk import DONE, RUNNING
from moderation.review.decisions import Decider
from moderation.review.models import Decision
from moderation.scoring import live
from moderation.scoring.models import Score

log = logging.getLogger(__name__)

BATCH = 50
"""Comments that one transaction decides: on SQLite everybody who writes waits for it, some 20 ms."""

REST, QUIET_REST = 5.0, 0.1
"""After a batch the machine is left to others for so many times as long as it took, while comments rush in and while
none does; in between, in proportion (as bulk jobs do: review/bulk_work.py)."""

PATIENCE = 2.0
"""Seconds for which live comments that wait to be scored go first; then one batch passes."""
GLANCE = 0.08

RESCORED = "rescored"
"""Code of the reason on the card: what the run found."""
STRICTER, MILDER = 0.7, 0.3
"""Least weights of that reason: like that of a signal over its mark, and like a doubt."""

_APPLIED = inserts(cast(Table, RescoreApplied.__table__))
_VERDICTS = inserts(cast(Table, VerdictRow.__table__))


@dataclass(frozen=True, slots=True)
class Round:
    """What a round did. `done`: comments dealt with; `more`: a job runs; `wait`: seconds to be idle before the next."""

    done: int = 0
    more: bool = False
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """An item to be: see models.RescoreApplied."""

    outcome: str
    decision_id: int | None = None
    detail: str = ""


class Pace:
    """For how long a worker gives way to live comments already."""

    def __init__(self) -> None:
        self._since: float | None = None

    def gives_way(self, waits: bool) -> bool:
        """Whether live comments go first now: at most PATIENCE in a row."""
        moment = time.monotonic()
        if waits and self._since is None:
            self._since = moment
        if waits and self._since is not None and moment - self._since < PATIENCE:
            return True
        self._since = None
        return False


def work_due(db: Database, pace: Pace, now: datetime | None = None) -> Round:
    """Do one batch of one running job, if there is one and live comments leave time for it."""
    now = now or utcnow()
    with db.reading() as session:
        job = session.scalar(
            select(RescoreApply)
            .where(RescoreApply.state == RUNNING)
            .order_by(RescoreApply.updated_at, RescoreApply.id)
            .limit(1)
        )
        if job is None:
            return Round()
        if pace.gives_way(live.due(session, now)):
            return Round(more=True, wait=GLANCE)
        rest = max(QUIET_REST, REST * live.rush(session, now))
    began = time.monotonic()
    done = _do(db, job.id, job.cursor, BATCH, now)
    return Round(done, True, (time.monotonic() - began) * rest)


def _do(db: Database, job_id: int, cursor: int, size: int, now: datetime) -> int:
    """One transaction for all; where one comment breaks it, each gets its own, so that it harms no other."""
    try:
        with db.transaction() as session:
            return _batch(session, job_id, cursor, size, now)
    except Unavailable:
        raise
    except Exception:  # whatever one comment brings about, the job must go on
        log.exception("comments of job %d behind %d could not be decided together", job_id, cursor)
    if size == 1:
        with db.transaction() as session:
            return _batch(session, job_id, cursor, 1, now, broken=True)
    done = 0
    for _ in range(size):
        with db.reading() as session:
            cursor = session.get_one(RescoreApply, job_id).cursor
        if not (one := _do(db, job_id, cursor, 1, now)):
            break
        done += one
    return done


def _batch(session: Session, job_id: int, cursor: int, size: int, now: datetime, *, broken: bool = False) -> int:
    """Decide, and write what came of it; returns how many were dealt with. Nothing happens when the job was paused or
    another worker was first. `broken`: the next comment cannot be decided."""
    job = session.scalar(
        select(RescoreApply)
        .where(RescoreApply.id == job_id, RescoreApply.state == RUNNING, RescoreApply.cursor == cursor)
        .with_for_update(skip_locked=True)
    )
    if job is None:
        return 0
    run = session.get_one(RescoreRun, job.run_id)
    if job.undoes is None:
        ids, found = _hold(session, job, run, size, now, broken)
    else:
        ids, found = _undo(session, job, job.undoes, run, size, now, broken)
    rows = [
        {
            "apply_id": job.id,
            "comment_id": number,
            "outcome": one.outcome,
            "decision_id": one.decision_id,
            "detail": one.detail,
        }
        for number, one in found.items()
    ]
    if rows:
        insert_many(session, _APPLIED, rows)
    left = sum(one.outcome == LEFT for one in found.values())
    job.held, job.left = job.held + len(found) - left, job.left + left
    job.cursor, job.updated_at = ids[-1] if ids else job.cursor, now
    if len(ids) < size:
        applying.end(session, run, job, DONE, now)
    session.flush()
    return len(ids)


# --- putting into the queue ---


def _hold(
    session: Session, job: RescoreApply, run: RescoreRun, size: int, now: datetime, broken: bool
) -> tuple[list[int], dict[int, _Outcome]]:
    moves = {
        move.comment_id: move
        for move in session.scalars(
            select(RescoreMove)
            .where(
                RescoreMove.run_id == run.id,
                RescoreMove.comment_id > job.cursor,
                applying.any_of([Movement(**one) for one in job.chosen]),
            )
            .order_by(RescoreMove.comment_id)
            .limit(size)
        )
    }
    ids = list(moves)
    if broken:
        return ids, dict.fromkeys(ids, _Outcome(LEFT, detail="error"))
    found: dict[int, _Outcome] = {}
    free = []
    for comment in _locked(session, run, ids):
        why = _why_not(comment, moves[comment.id])
        if why:
            found[comment.id] = _Outcome(LEFT, detail=why)
        else:
            free.append(comment)
    if free:
        weights = _explain(session, run, free, moves, now)
        stories = dict(
            session.execute(
                select(Story.id, Story.comments).where(Story.id.in_({one.story_id for one in free if one.story_id}))
            ).all()
        )
        answers = decisions.decide_many(
            session,
            free,
            HOLD,
            Decider(origin=decided.RESCORE),
            now=now,
            quiet=True,
            # Its age counts from now: an archive must not stand before what came today.
            priorities={one.id: priority.of(weights[one.id], stories.get(one.story_id or 0, 0), now) for one in free},
        )
        found |= {number: _outcome(answer, HELD) for number, answer in answers.items()}
    gone = {number: _Outcome(LEFT, detail="withdrawn") for number in ids if number not in found}
    return ids, found | gone


def _why_not(comment: Comment, move: RescoreMove) -> str:
    """Why a comment is left alone; nothing where it is not."""
    if comment.status == status.WITHDRAWN:
        why = "withdrawn"
    elif comment.revision != move.revision:
        why = "edited"
    elif comment.staff:
        why = "staff"
    elif move.human is not None or comment.human_revision == comment.revision:
        why = "decided"
    elif comment.escalated:
        why = "escalated"
    elif comment.status == status.HELD:
        why = "held"
    elif comment.status != status.BY_ACTION[move.was]:
        why = "changed"
    else:
        why = ""
    return why


def _explain(
    session: Session,
    run: RescoreRun,
    comments: Sequence[Comment],
    moves: Mapping[int, RescoreMove],
    now: datetime,
) -> dict[int, float]:
    """Give each a verdict that says why it is here, before the reasons without a score that it had; returns the
    weights of these reasons by comment."""
    keys = [(comment.id, comment.revision) for comment in comments]
    before = policies.latest_verdicts(session, keys)
    scored = {
        row.comment_id: row.spans
        for row in session.execute(
            select(Score.comment_id, Score.revision, Score.spans).where(
                Score.comment_id.in_([number for number, _ in keys]),
                and_(Score.scorer == run.scorer, Score.version == run.version),
            )
        )
        if (row.comment_id, row.revision) in keys
    }
    weights, rows = {}, []
    for comment in comments:
        move, old = moves[comment.id], before.get(comment.id)
        stricter = SEVERITY[move.would] > SEVERITY[move.was]
        weights[comment.id] = STRICTER + (1 - STRICTER) * (move.after or 0.0) if stricter else MILDER
        reason = {
            "code": RESCORED,
            "action": HOLD,
            "weight": round(weights[comment.id], 4),
            "signal": move.signal,
            "value": None if move.after is None else round(move.after, 4),
            "before": None if move.before is None else round(move.before, 4),
            "detail": runs.spec(run),
            "spans": [span[:2] for span in scored.get(comment.id, ()) if span[2] == move.signal],
        }
        kept = [one for one in old.reasons if not one.get("signal")] if old is not None else []
        rows.append(_verdict(comment, run.policy_version, HOLD, [reason, *kept], now))
    insert_many(session, _VERDICTS, rows)
    return weights


def _verdict(
    comment: Comment,
    version: int,
    action: str,
    reasons: Sequence[Mapping[str, Any]],
    now: datetime,
    scored: bool = True,
) -> dict[str, Any]:
    return {
        "comment_id": comment.id,
        "revision": comment.revision,
        "policy_version": version,
        "action": action,
        "not_scored": not scored,
        "reasons": list(reasons),
        "created_at": now,
    }


# --- taking back ---


def _undo(
    session: Session, job: RescoreApply, undoes: int, run: RescoreRun, size: int, now: datetime, broken: bool
) -> tuple[list[int], dict[int, _Outcome]]:
    rows = session.execute(
        select(RescoreApplied.comment_id, RescoreApplied.decision_id)
        .where(
            RescoreApplied.apply_id == undoes, RescoreApplied.outcome == HELD, RescoreApplied.comment_id > job.cursor
        )
        .order_by(RescoreApplied.comment_id)
        .limit(size)
    ).all()
    ids = [row.comment_id for row in rows]
    if broken:
        return ids, dict.fromkeys(ids, _Outcome(LEFT, detail="error"))
    made = {row.comment_id: row.decision_id for row in rows if row.decision_id is not None}
    comments = _locked(session, run, ids)
    answers = undoing.put_back_many(session, comments, made, now=now)
    found = {number: _outcome(answer, RESTORED) for number, answer in answers.items()}
    back = [comment for comment in comments if found[comment.id].outcome == RESTORED]
    _forget_verdicts(session, back, now)
    gone = {number: _Outcome(LEFT, detail="withdrawn") for number in ids if number not in found}
    return ids, found | gone


def _forget_verdicts(session: Session, comments: Sequence[Comment], now: datetime) -> None:
    """Let what the machine had proposed before stand last again; where it had proposed nothing, nothing is said."""
    numbers = {comment.id: comment for comment in comments}
    earlier: dict[int, VerdictRow] = {}
    wanted = select(VerdictRow).where(VerdictRow.comment_id.in_(numbers)).order_by(VerdictRow.id)
    for row in session.scalars(wanted) if numbers else ():
        ours = any(reason.get("code") == RESCORED for reason in row.reasons)
        if row.revision == numbers[row.comment_id].revision and not ours:
            earlier[row.comment_id] = row
    rows = []
    for comment in comments:
        old = earlier.get(comment.id)
        action = next(action for action, state in status.BY_ACTION.items() if state == comment.status)
        rows.append(
            _verdict(comment, old.policy_version, old.action, old.reasons, now, not old.not_scored)
            if old is not None
            else _verdict(comment, 0, action, (), now)
        )
    if rows:
        insert_many(session, _VERDICTS, rows)


def _locked(session: Session, run: RescoreRun, ids: Sequence[int]) -> Sequence[Comment]:
    return session.scalars(
        select(Comment)
        .where(Comment.id.in_(ids), Comment.site_id == run.site_id)
        .order_by(Comment.id)  # whoever locks several does so in the same order
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _outcome(answer: Decision | Conflict, done: str) -> _Outcome:
    if isinstance(answer, Conflict):
        what = str(answer.details.get("what", "changed"))
        # Another decision stands there by now: whose, the comment's history says.
        return _Outcome(LEFT, detail="decided" if what in status.BY_ACTION else what)
    return _Outcome(done, answer.id)
