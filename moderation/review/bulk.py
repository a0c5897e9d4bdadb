"""Bulk jobs: one deed on all comments that match a search. Preview, start, steer, look; review/bulk_work.py does them.

A job keeps its query with moments in the place of ages, and the greatest comment id of the preview: what a person was
shown and confirmed is what is decided, whatever has come since.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation import dispatch, queues
from moderation.accounts import audit, moderators
from moderation.accounts.models import Moderator
from moderation.comments.models import Comment
from moderation.errors import Conflict, InvalidInput, NotAllowed, NotFound
from moderation.review import cards, claims, decisions, filters, searching
from moderation.review.cards import Card
from moderation.review.decisions import Decider
from moderation.review.filters import Bound, OneOf, Query
from moderation.review.models import BulkItem, BulkJob, Decision

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

COUNTED = 200_000
"""A preview counts up to here; one more means: more."""

SAMPLE = 10
"""Comments that a preview shows: some of the newest, the riskiest, the rest at random."""
NEWEST, RISKIEST = 4, 3
RISKY = (0.95, 0.8, 0.5)
"""Least scores among which the riskiest are looked for, one after the other."""
DRAWS, DRAWN = 4, 3
"""At so many random places of the ids so many comments are drawn."""

MOST_OPEN = 20
"""Jobs that may wait or run at once: more is a mistake."""

KEPT = timedelta(days=30)
"""How far back the list of jobs goes."""
LISTED = 200

PAGE = 50
"""Items of one page."""

SELECTED = 100
"""Comments that may be picked one by one and decided together, at once and without a job."""

RATE_OVER = 1000
"""The rate is that of the latest so many decisions."""

NO_FILTER = "A bulk job needs at least one word or filter: it never decides everything there is."
TOO_LONG = "This search is too long for a bulk job: leave something out."
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
WRONG_SELECTION = "Select 1 to 100 comments."
GONE = "There is no such comment."
NOTHING_DONE = "This bulk job has decided nothing that could be taken back."


@dataclass(frozen=True, slots=True)
class Sample:
    """One comment of a preview, and why it is shown: `newest`, `riskiest` or `random`."""

    card: Card
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a job would do, without doing anything.

    `total` of them match up to the comment `until_id`; more than COUNTED is COUNTED + 1, in `by_status` too. `skipped`:
    why → how many of them the job would leave alone: `pending` (being judged), `escalated` (with the seniors).
    """

    query: Query
    total: int
    by_status: Mapping[str, int]
    skipped: Mapping[str, int]
    sample: Sequence[Sample]
    until_id: int


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one comment. `what` is the decision that stands there, or why it was left alone: `withdrawn`,
    `edited`, `escalated`, `claimed`, `pending`, `no_access`, `error`."""

    comment_id: int
    author: str
    what: str
    who: str
    reason: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. `share` from 0 to 1; `rate` per second and `seconds` left where they are known; `same`: stood
    so already; `gone`: matched when it began, and not any more when their turn came (known at the end)."""

    state: str
    total: int
    decided: int
    conflicts: int
    same: int
    gone: int
    share: float
    rate: float | None
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """A job in the list, and who started it."""

    job: BulkJob
    who: str


def preview(
    session: Session,
    site_ids: Sequence[int],
    query: Query,
    me: Moderator,
    *,
    now: datetime,
    draw: random.Random | None = None,
) -> Preview:
    """What a job over this query would meet. `draw` picks the random comments of the sample.

    Raises InvalidInput (`q`) for a query that no job may have, or that the database cannot answer in time.
    """
    fixed = _checked(query)
    until_id = session.scalar(select(func.max(Comment.id))) or 0
    by_status = {
        state: found
        for state in _statuses(query)
        if (found := _count(session, site_ids, _only(fixed, state), until_id))
    }
    total = min(sum(by_status.values()), COUNTED + 1)
    skipped = {"pending": by_status.get("pending", 0), "escalated": 0}
    if not moderators.is_senior(me):
        asked = Query((*fixed.conditions, OneOf("is", ("escalated",))))
        skipped["escalated"] = _count(session, site_ids, asked, until_id)
    return Preview(
        query=fixed,
        total=total,
        by_status=by_status,
        skipped={why: found for why, found in skipped.items() if found},
        sample=_sample(session, site_ids, fixed, until_id, now, draw or random.Random()) if total else (),  # noqa: S311 no secret
        until_id=until_id,
    )


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
    reason = _deed(action, reason)
    line = str(_checked(query))
    newest = session.scalar(select(func.max(Comment.id))) or 0
    until_id = newest if until_id is None else min(until_id, newest)
    opened = session.scalars(select(BulkJob).where(BulkJob.state.not_in(OVER)).order_by(BulkJob.id)).all()
    for job in opened:
        if (job.moderator_id, job.query, job.action, job.reason) == (me.id, line, action, reason):
            return job
    if len(opened) >= MOST_OPEN:
        raise Conflict(TOO_MANY)
    total = _count(session, site_ids, query, until_id)
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
        f"{action}{f' {reason}' if reason else ''}, {total} comments: {line}",
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
    return _begin(session, made, me, f"undoes job {job.id}, {job.decided} comments", now)


def decide_selected(
    session: Session,
    site_ids: Sequence[int],
    seen: Mapping[int, int],
    action: str,
    reason: str | None,
    me: Moderator,
    now: datetime,
) -> dict[int, Decision | Conflict]:
    """Decide comments that a person has picked, at once: comment id → the version that they saw, at most SELECTED.

    Returns by comment the decision, or the Conflict that says why there is none: as `decide_many`, or `claimed` (who,
    until) while a colleague reads it, or `not_found`. Raises InvalidInput naming `comment`, `decision` or `reason`.
    """
    if not 1 <= len(seen) <= SELECTED:
        raise InvalidInput(WRONG_SELECTION, field="comment")
    reason = _deed(action, reason)
    comments = session.scalars(
        select(Comment)
        .where(Comment.id.in_(list(seen)), Comment.site_id.in_(site_ids))
        .order_by(Comment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    answers: dict[int, Decision | Conflict] = {number: Conflict(GONE, details={"what": "not_found"}) for number in seen}
    free = []
    readers = claims.of_comments(session, [comment.id for comment in comments], now)
    for comment in comments:
        held = readers.get(comment.id)
        # Who comes late hears who was first, not who reads it now.
        if held is not None and held.moderator_id != me.id and comment.version == seen[comment.id]:
            facts = {"what": "claimed", "who": held.name, "until": held.until.isoformat()}
            answers[comment.id] = Conflict(claims.CLAIMED, details=facts)
        else:
            free.append(comment)
    return answers | decisions.decide_many(session, free, action, Decider(me), reason=reason, now=now, seen=seen)


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


def progress(session: Session, job: BulkJob, now: datetime) -> Progress:
    """How far a job is at `now`."""
    same = (
        session.scalar(
            select(func.count()).select_from(BulkItem).where(BulkItem.job_id == job.id, BulkItem.outcome == SAME)
        )
        or 0
    )
    touched = job.decided + job.conflicts + same
    if job.state == DONE:
        share = 1.0
    elif job.total > COUNTED:
        share = min(1.0, job.cursor / max(1, job.until_id))
    else:
        share = min(1.0, touched / max(1, job.total))
    rate = _rate(session, job, now) if job.state == RUNNING else None
    left = max(0, job.total - touched)
    return Progress(
        state=job.state,
        total=job.total,
        decided=job.decided,
        conflicts=job.conflicts,
        same=same,
        gone=left if job.state == DONE and job.total <= COUNTED else 0,
        share=share,
        rate=rate,
        seconds=round(left / rate) if rate and job.total <= COUNTED else None,
    )


def items(
    session: Session, site_ids: Sequence[int], job: BulkJob, outcome: str, after: int = 0
) -> tuple[list[Item], int | None]:
    """A page of a job's items of one outcome at these sites, by comment from ids greater than `after`, and where the
    next page begins."""
    rows = session.execute(
        select(BulkItem.comment_id, BulkItem.detail, Comment.author_name)
        .join(Comment, Comment.id == BulkItem.comment_id)
        .where(BulkItem.job_id == job.id, BulkItem.outcome == outcome, BulkItem.comment_id > after)
        .where(Comment.site_id.in_(site_ids))
        .order_by(BulkItem.comment_id)
        .limit(PAGE + 1)
    ).all()
    found = [Item(row.comment_id, row.author_name, **_unpacked(row.detail)) for row in rows[:PAGE]]
    return found, found[-1].comment_id if len(rows) > PAGE else None


def packed(what: str, who: str = "", reason: str | None = None, at: datetime | None = None) -> str:
    """The detail of an item as its column keeps it: at most 200 characters."""
    facts = {"what": what, "who": who[:40], "reason": reason, "at": at and at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return json.dumps({key: value for key, value in facts.items() if value}, ensure_ascii=False, separators=(",", ":"))


def _unpacked(detail: str) -> dict[str, Any]:
    facts = json.loads(detail) if detail else {}
    at = datetime.fromisoformat(facts["at"]).astimezone(UTC) if facts.get("at") else None
    return {"what": facts.get("what", ""), "who": facts.get("who", ""), "reason": facts.get("reason"), "at": at}


def _deed(action: str, reason: str | None) -> str | None:
    """The reason that goes with an action. Raises InvalidInput."""
    if action not in decisions.ACTIONS:
        raise InvalidInput(WRONG_ACTION, field="decision")
    if action == "reject" and reason not in decisions.REASONS:
        raise InvalidInput(WRONG_REASON, field="reason")
    return reason if action == "reject" else None


def _checked(query: Query) -> Query:
    """The query as a job keeps it. Raises InvalidInput."""
    if not query.conditions:
        raise InvalidInput(NO_FILTER, field="q")
    fixed = query.fixed()
    if len(str(fixed)) > filters.MAX_LENGTH:
        raise InvalidInput(TOO_LONG, field="q")
    return fixed


def _count(session: Session, site_ids: Sequence[int], query: Query, until_id: int) -> int:
    return searching.count(session, site_ids, query, COUNTED, until_id=until_id)


def _statuses(query: Query) -> list[str]:
    """The statuses that a comment may have to match."""
    asked = [item for item in query.conditions if isinstance(item, OneOf) and item.name == "status"]
    return [state for state in filters.STATUSES if all((state in item.values) != item.negated for item in asked)]


def _only(query: Query, state: str) -> Query:
    """The query, for comments of one status."""
    rest = (item for item in query.conditions if not (isinstance(item, OneOf) and item.name == "status"))
    return Query((*rest, OneOf("status", (state,))))


def _sample(
    session: Session, site_ids: Sequence[int], query: Query, until_id: int, now: datetime, draw: random.Random
) -> list[Sample]:
    """Some of the newest, the riskiest and some at random; each once."""
    newest = searching.page(session, site_ids, query, after=until_id + 1).comments
    known = {comment.id: comment for comment in newest}
    risky: list[Comment] = []
    for least in RISKY:
        bounded = replace(query, conditions=(*query.conditions, Bound("score", ">=", least)))
        risky = searching.page(session, site_ids, bounded, after=until_id + 1).comments
        if risky:
            break
    known |= {comment.id: comment for comment in risky}
    drawn: list[int] = []
    for _ in range(DRAWS):
        place = draw.randrange(until_id + 1)
        drawn += searching.matching(session, site_ids, query, after_id=place, until_id=until_id, limit=DRAWN)
    far = [number for number in dict.fromkeys(drawn) if number not in known]
    if far:
        known |= {comment.id: comment for comment in session.scalars(select(Comment).where(Comment.id.in_(far)))}
    why = {comment.id: "newest" for comment in newest[:NEWEST]}
    fresh = [comment for comment in sorted(risky, key=lambda c: -c.score) if comment.id not in why]
    why |= {comment.id: "riskiest" for comment in fresh[:RISKIEST]}
    left = [number for number in known if number not in why]
    why |= dict.fromkeys(draw.sample(left, min(len(left), SAMPLE - len(why))), "random")
    made = cards.build(session, [known[number] for number in why], now=now)
    return [Sample(card, why[card.id]) for card in made]


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


def _rate(session: Session, job: BulkJob, now: datetime) -> float | None:
    """Decisions per second, over the latest RATE_OVER."""
    n = min(job.decided, RATE_OVER)
    first = session.scalar(
        select(Decision.created_at)
        .join(BulkItem, BulkItem.decision_id == Decision.id)
        .where(BulkItem.job_id == job.id, BulkItem.outcome == DECIDED)
        .order_by(BulkItem.comment_id.desc())
        .offset(max(0, n - 1))
        .limit(1)
    )
    spent = (now - first).total_seconds() if first is not None else 0.0
    return n / spent if spent > 0 else None
