"""What a worker does for bulk jobs, one batch at a time; see review/bulk.py for the jobs themselves.

Comments are looked for with nothing locked. Then one transaction decides them and writes the items, the counters and
the cursor: a worker that is killed leaves whole batches behind it, and no comment is decided twice. Nobody needs a
lease for that: the job's row is locked as long as its batch takes, and a second worker passes over it.

Live traffic goes first: no batch begins while comments wait to be scored, and after each the machine is left to others.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, func, insert, or_, select
from sqlalchemy.orm import Session

from moderation.accounts import moderators
from moderation.accounts.models import Moderator
from moderation.comments import status
from moderation.comments.models import Comment
from moderation.db import Database, affected, utcnow
from moderation.errors import Conflict, InvalidInput, Unavailable
from moderation.review import bulk, bulk_progress, bulk_turns, claims, decisions, searching, undoing
from moderation.review.bulk import CONFLICT, DECIDED, DONE, FAILED, RUNNING, SAME
from moderation.review.bulk_turns import Turn
from moderation.review.decisions import Decider
from moderation.review.models import BulkItem, BulkJob, Decision
from moderation.scoring import live

log = logging.getLogger(__name__)

FIRST, LEAST, MOST = 50, 10, 200
"""Comments of a batch: of a worker's first, and between which a worker finds what its machine does in time."""

AIM, QUIET_AIM = 0.04, 0.15
"""Seconds that the transaction of a batch should take at most, while comments come in and while none does: on SQLite
everybody who writes waits for it, and a comment that comes in writes three times until it is judged."""

REST, QUIET_REST = 14.0, 0.1
"""After a batch the machine is left to others for so many times as long as it took, while comments rush in and while
none does; in between, in proportion. On SQLite each of the three writes of a comment that comes in waits for a batch
with a chance of one in fifteen."""

FRESH = 30.0
"""Seconds for which what was found is kept for the next batches. Whether they match still is asked again when their
turn comes."""

GLANCE = 0.08
"""Seconds between two looks whether live comments still wait: looking costs something, too."""
PATIENCE, LONG_PATIENCE = 0.25, 2.0
"""Seconds for which live comments go first at most: while some are due to be scored, and while one is STUCK. Then one
batch passes: in a steady stream some are always due, and a scorer that hangs must stop no job."""
STUCK = timedelta(seconds=1)
"""A comment that waits longer for its judgement than this says that the machine has enough to do."""

NOTED_EVERY = 2.0
"""So often (s) a worker looks what others have decided of a job's comments."""

NO_ACCESS = "Whoever started this job may not moderate its sites any more."


@dataclass(frozen=True, slots=True)
class Round:
    """What a round did. `decided`: comments; `more`: a job runs; `wait`: seconds to be idle before the next round."""

    decided: int = 0
    more: bool = False
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """An item to be: see models.BulkItem."""

    outcome: str
    decision_id: int | None = None
    detail: str = ""


class Pace:
    """What a worker has learned of its machine: how much it takes at once, and for how long it gives way already. And
    what it has found and not done yet."""

    def __init__(self) -> None:
        self.size = FIRST
        self.found: Turn | None = None
        self.noted = (0, 0.0)
        """The job whose comments were last compared with what others have decided, and when."""
        self._since: float | None = None

    def gives_way(self, patience: float) -> bool:
        """Whether live comments go first now; they may for so many seconds in a row."""
        moment = time.monotonic()
        if patience and self._since is None:
            self._since = moment
        if self._since is not None and moment - self._since < patience:
            return True
        self._since = None
        return False

    def learn(self, comments: int, seconds: float, aim: float) -> None:
        """A batch of so many took so long, and should take no longer than `aim`."""
        if seconds > aim:
            self.size = max(LEAST, self.size * 2 // 3)
        elif comments == self.size and seconds < aim / 2:
            self.size = min(MOST, self.size * 3 // 2)


def work_due(db: Database, pace: Pace, now: datetime | None = None) -> Round:
    """Do one batch of one running job, if there is one and live comments leave time for it."""
    now = now or utcnow()
    turn: Turn | None
    with db.reading() as session:
        job = session.scalar(_due(now))
        if job is None:
            return _none_due(session, now)
        if pace.gives_way(_patience(session, now)):
            return Round(more=True, wait=GLANCE)
        rush = live.rush(session, now)
        aim, rest = AIM if rush else QUIET_AIM, max(QUIET_REST, REST * rush)
        began = time.monotonic()
        try:
            turn = _next(session, job, pace)
        except InvalidInput as error:  # the database does not find it in time
            turn, refusal = None, error.message
    if turn is None:
        with db.transaction() as session:
            _give_up(session, job.id, refusal, now)
        return Round(more=True)
    ready = time.monotonic()
    decided = _do(db, turn, lambda: now + timedelta(seconds=(time.monotonic() - began) * (1 + rest)), now)
    done = time.monotonic()
    pace.learn(len(turn.ids), done - ready, aim)
    return Round(decided, True, (done - began) * rest)


def _due(now: datetime) -> Select[BulkJob]:
    """The running job that has rested longest."""
    rested = or_(BulkJob.lease_until.is_(None), BulkJob.lease_until <= now)
    in_turn = (BulkJob.lease_until.is_not(None), BulkJob.lease_until, BulkJob.id)
    return select(BulkJob).where(BulkJob.state == RUNNING, rested).order_by(*in_turn).limit(1)


def _none_due(session: Session, now: datetime) -> Round:
    until = session.scalar(select(func.min(BulkJob.lease_until)).where(BulkJob.state == RUNNING))
    return Round() if until is None else Round(more=True, wait=max(0.0, (until - now).total_seconds()))


def _give_up(session: Session, job_id: int, sentence: str, now: datetime) -> None:
    job = session.get(BulkJob, job_id, with_for_update=True)
    if job is not None and job.state == RUNNING:
        bulk.end(session, job, FAILED, now, sentence)


def _patience(session: Session, now: datetime) -> float:
    """For how long live comments go first: some wait to be scored, or one has waited for its judgement for too long."""
    if live.waits_longer(session, STUCK, now):
        return LONG_PATIENCE
    return PATIENCE if live.due(session, now) else 0.0


def _next(session: Session, job: BulkJob, pace: Pace) -> Turn:
    """The next batch: of what was found already, or of a new look. Raises InvalidInput."""
    found = pace.found
    if found is None or (found.job_id, found.cursor) != (job.id, job.cursor) or found.at < time.monotonic() - FRESH:
        found = bulk_turns.look(session, job)
    turn, pace.found = found.split(pace.size)
    number, at = pace.noted
    if number == job.id and time.monotonic() - at < NOTED_EVERY and not turn.last:
        return turn
    pace.noted = job.id, time.monotonic()
    return replace(turn, overtaken=bulk_turns.overtaken(session, job))


def _do(db: Database, turn: Turn, rested: Callable[[], datetime], now: datetime) -> int:
    """One transaction for all; where one comment breaks it, each gets its own, so that it harms no other."""
    try:
        with db.transaction() as session:
            return _batch(session, turn, rested, now)
    except Unavailable:
        raise
    except Exception:  # whatever one comment brings about, the job must go on
        if not turn.ids:
            raise
        log.exception("%d comments of bulk job %d could not be decided together", len(turn.ids), turn.job_id)
    if len(turn.ids) == 1:
        with db.transaction() as session:
            return _batch(session, turn, rested, now, broken=True)
    decided, cursor = 0, turn.cursor
    for number in turn.ids:
        last = turn.last and number == turn.ids[-1]
        decided += _do(db, replace(turn, ids=[number], cursor=cursor, last=last), rested, now)
        cursor = number
    return decided


def _batch(session: Session, turn: Turn, rested: Callable[[], datetime], now: datetime, *, broken: bool = False) -> int:
    """Decide, and write what came of it; returns how many were decided. Nothing happens when the job was paused or
    another worker was first. `rested`: the moment before which no other batch of the job may begin, asked at the end.
    `broken`: the turn's only comment cannot be decided."""
    job = session.scalar(
        select(BulkJob)
        .where(BulkJob.id == turn.job_id, BulkJob.state == RUNNING, BulkJob.cursor == turn.cursor)
        .with_for_update(skip_locked=True)
    )
    if job is None:
        return 0
    me = session.get_one(Moderator, job.moderator_id)
    mine = moderators.site_ids(session, me) if me.disabled_at is None else []
    site_ids = [number for number in job.site_ids if number in mine]
    if not site_ids:
        bulk.end(session, job, FAILED, now, NO_ACCESS)
        return 0
    if broken:
        found = dict.fromkeys(turn.ids, _Outcome(CONFLICT, detail=bulk_progress.packed("error")))
    elif job.undoes is not None:
        found = _take_back(session, job, me, turn, site_ids, now)
    else:
        found = _decide(session, job, me, turn, site_ids, now)
    decided = _write(session, job, found)
    job.cursor, job.updated_at = turn.ids[-1] if turn.ids else job.cursor, now
    job.lease_until = rested()
    if turn.last:
        job.cursor = job.until_id
        bulk.end(session, job, DONE, now)
    session.flush()
    return decided


def _decide(
    session: Session, job: BulkJob, me: Moderator, turn: Turn, site_ids: Sequence[int], now: datetime
) -> dict[int, _Outcome]:
    comments = _locked(session, turn.ids, site_ids)
    # They were looked for with nothing locked: what does not match any more is left alone.
    still = searching.among(session, site_ids, bulk_turns.query_of(job), [comment.id for comment in comments])
    found = _decided_since(session, job, [*turn.ids, *turn.overtaken])
    readers = claims.of_comments(session, list(still), now)
    free = []
    for comment in comments:
        reader = readers.get(comment.id)
        if comment.id in found or comment.id not in still:
            continue
        if comment.status == status.PENDING:  # its text may be one that the search does not know yet
            found[comment.id] = _Outcome(CONFLICT, detail=bulk_progress.packed("pending"))
        elif reader is not None and reader.moderator_id != me.id:
            found[comment.id] = _Outcome(CONFLICT, detail=bulk_progress.packed("claimed", reader.name))
        else:
            free.append(comment)
    answers = decisions.decide_many(session, free, job.action, Decider(me), reason=job.reason, now=now, job_id=job.id)
    return found | {number: _outcome(job, answer) for number, answer in answers.items()}


def _take_back(
    session: Session, job: BulkJob, me: Moderator, turn: Turn, site_ids: Sequence[int], now: datetime
) -> dict[int, _Outcome]:
    comments = _locked(session, turn.ids, site_ids)
    answers = undoing.undo_many(session, comments, me, now=now, of=turn.taken_back, job_id=job.id)
    foreign = dict.fromkeys(turn.ids, _Outcome(CONFLICT, detail=bulk_progress.packed("no_access")))
    return foreign | {number: _outcome(job, answer) for number, answer in answers.items()}


def _locked(session: Session, ids: Sequence[int], site_ids: Sequence[int]) -> Sequence[Comment]:
    return session.scalars(
        select(Comment)
        .where(Comment.id.in_(ids), Comment.site_id.in_(site_ids))
        .order_by(Comment.id)  # whoever locks several does so in the same order
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _decided_since(session: Session, job: BulkJob, ids: Sequence[int]) -> dict[int, _Outcome]:
    """Those of `ids` that a person has decided since the job began: their word counts."""
    rows = session.execute(
        select(Comment.id, Moderator.name, Decision.action, Decision.reason, Decision.created_at)
        .join(Decision, bulk_turns.decided_by_others(job))
        .join(Moderator, Moderator.id == Decision.moderator_id)
        .where(Comment.id.in_(ids), Decision.created_at > job.created_at)
    ).all()
    return {
        row.id: _Outcome(CONFLICT, detail=bulk_progress.packed(row.action, row.name, row.reason, row.created_at))
        for row in rows
    }


def _outcome(job: BulkJob, answer: Decision | Conflict) -> _Outcome:
    if isinstance(answer, Decision):
        return _Outcome(DECIDED if answer.job_id == job.id else SAME, answer.id)
    facts = answer.details
    at = datetime.fromisoformat(str(facts["at"])) if facts.get("at") else None
    reason = str(facts["reason"]) if facts.get("reason") else None
    return _Outcome(
        CONFLICT, detail=bulk_progress.packed(str(facts.get("what", "")), str(facts.get("who", "")), reason, at)
    )


def _write(session: Session, job: BulkJob, found: Mapping[int, _Outcome]) -> int:
    """The items, and the counters with them; returns how many were decided."""
    if not found:
        return 0
    # One that was decided by somebody else and taken back again has an item already.
    earlier = delete(BulkItem).where(BulkItem.job_id == job.id, BulkItem.comment_id.in_(list(found)))
    job.conflicts -= affected(session.execute(earlier.execution_options(synchronize_session=False)))
    session.execute(
        insert(BulkItem),
        [
            {
                "job_id": job.id,
                "comment_id": number,
                "outcome": item.outcome,
                "decision_id": item.decision_id,
                "detail": item.detail,
            }
            for number, item in sorted(found.items())
        ],
    )
    counts = Counter(item.outcome for item in found.values())
    job.conflicts += counts[CONFLICT]
    job.decided += counts[DECIDED]
    return counts[DECIDED]
