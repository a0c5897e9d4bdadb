"""Runs: judging again what matches a search. Look first, start, steer, follow; rescoring/batches.py does the work.

A run keeps its query with moments in the place of ages, the greatest comment id of when it began, and the policy as it
stood: what it reports is of one version of one scorer and one policy, however long it takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation import dispatch, parsing, queues
from moderation.accounts import audit
from moderation.accounts.models import Moderator, Site
from moderation.comments.models import Comment, Revision
from moderation.errors import Conflict, InvalidInput, NotFound, not_among
from moderation.policy import store as policies
from moderation.policy.models import PolicyDraft, PolicyVersion
from moderation.rescoring.models import RescoreBatch, RescoreRun
from moderation.review import filters, searching
from moderation.review.bulk import CANCELLED, DONE, PAUSED, RUNNING, TRANSITIONS
from moderation.scoring import detoxify_scorer, releases
from moderation.settings import Settings
from moderation.wordings import counted

ACTIVE = (RUNNING, PAUSED)

COUNTED = 100_000_000
"""Comments are counted up to here."""

SAMPLE = 5
"""Comments that a dry run shows: the newest that match."""

RATE_SECONDS = 30.0
"""The rate is that of the batches of so long."""

LISTED = 100

CPU, CUDA = "cpu", "cuda"
DEVICES = (CPU, CUDA)
"""Where Detoxify may run."""

COMMAND_LINE = "command line"

NO_RUN = "There is no such rescore run."
NO_MATCH = "No comment matches: there is nothing to score."
TOO_LONG = "This search is too long for a rescore run: leave something out."
ACTIVE_ALREADY = "Run %(run)s judges the same comments with this scorer already; wait for it, or cancel it."
NOT_RUNNING = "This rescore run is not running."
OVER_ALREADY = "This rescore run is over."
NO_POLICY = "There is no policy %(policy)s of this site: name a version (7) or a draft (draft:7)."
NO_DEVICE = "Only Detoxify runs on a GPU."


@dataclass(frozen=True, slots=True)
class By:
    """Who starts or steers a run: a moderator, or whoever may use the command line (None)."""

    name: str = COMMAND_LINE
    moderator_id: int | None = None

    @classmethod
    def moderator(cls, me: Moderator) -> "By":
        """A moderator."""
        return cls(me.name[:60], me.id)

    @property
    def actor(self) -> str:
        """As the audit names them."""
        return "cli" if self.moderator_id is None else f"moderator:{self.moderator_id}"


@dataclass(frozen=True, slots=True)
class Sample:
    """A comment that matches."""

    comment_id: int
    author: str
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, without doing anything. `live`: the version is the one that judges now."""

    site_id: int
    query: str
    scorer: str
    version: str
    live: bool
    device: str
    policy_version: int
    draft_id: int | None
    document: Mapping[str, Any]
    total: int
    until_id: int
    sample: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Tally:
    """Figures of a run's finished batches. `comments`: dealt with; of these `left` had nothing to be scored (withdrawn
    or not judged yet)."""

    comments: int = 0
    scored: int = 0
    reused: int = 0
    failed: int = 0

    @property
    def left(self) -> int:
        """Those that were left out."""
        return max(0, self.comments - self.scored - self.reused - self.failed)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `share` from 0 to 1; `rate` in comments per second, and `seconds` left, where they are known;
    `remaining`: comments that are still to be dealt with."""

    state: str
    total: int
    tally: Tally
    remaining: int
    share: float
    rate: float | None
    seconds: int | None


def plan(
    session: Session,
    settings: Settings,
    site: Site,
    line: str,
    scorer: str,
    *,
    policy: str = "",
    device: str = CPU,
    tz: tzinfo,
    now: datetime,
) -> Plan:
    """Look what a run would meet. Takes seconds among millions, so it wants a session that only reads.

    `line`: the search, empty for everything; dates in it are days of `tz`. `scorer`: see releases.resolve. `policy`:
    empty for the live one, `7` for a version, `draft:7` for a draft. Raises InvalidInput naming `q`, `scorer`,
    `policy` or `device`.
    """
    query = filters.parse(" ".join(line.split()), now=now, tz=tz).fixed()
    if len(str(query)) > filters.MAX_LENGTH:
        raise InvalidInput(TOO_LONG, field="q")
    choice = releases.resolve(session, settings, scorer, site.id)
    if device not in DEVICES:
        raise not_among("device", DEVICES)
    if device != CPU and choice.name != detoxify_scorer.NAME:
        raise InvalidInput(NO_DEVICE, field="device")
    document, version, draft_id = _policy(session, site.id, policy.strip())
    until_id = session.scalar(select(func.max(Comment.id))) or 0
    total = searching.count(session, [site.id], query, COUNTED, until_id=until_id)
    newest = searching.page(session, [site.id], query).comments[:SAMPLE] if total else []
    return Plan(
        site_id=site.id,
        query=str(query),
        scorer=choice.name,
        version=choice.version,
        live=choice.live,
        device=device,
        policy_version=version,
        draft_id=draft_id,
        document=document,
        total=total,
        until_id=until_id,
        sample=_sample(session, newest),
    )


def start(session: Session, planned: Plan, by: By, now: datetime) -> RescoreRun:
    """Begin what was planned. Raises InvalidInput (`q`) when nothing matches, and Conflict while such a run is active:
    one for each site, scorer and search."""
    if not planned.total:
        raise InvalidInput(NO_MATCH, field="q")
    run = RescoreRun(
        site_id=planned.site_id,
        query=planned.query,
        scorer=planned.scorer,
        version=planned.version,
        device=planned.device,
        policy_version=planned.policy_version,
        draft_id=planned.draft_id,
        document=dict(planned.document),
        state=RUNNING,
        total=planned.total,
        until_id=planned.until_id,
        moderator_id=by.moderator_id,
        started_by=by.name,
        created_at=now,
        updated_at=now,
    )
    try:
        with session.begin_nested():
            session.add(run)
            session.flush()
    except IntegrityError:
        raise _active_already(session, run) from None
    _note(session, run, by, "start", now, f"{run.scorer}@{run.version}, {counted(run.total, 'comment')}: {run.query}")
    dispatch.nudge(session, queues.TASK_RESCORE)
    return run


def pause(session: Session, run: RescoreRun, by: By, now: datetime) -> None:
    """Hand out no more batches; one that is at work may still finish. `run` is locked. Raises Conflict."""
    if run.state != PAUSED:
        _move(session, run, PAUSED, by, now, NOT_RUNNING)


def resume(session: Session, run: RescoreRun, by: By, now: datetime) -> None:
    """Go on behind what is done. `run` is locked. Raises Conflict when it is over, or another one took its place."""
    if run.state == RUNNING:
        return
    try:
        with session.begin_nested():
            _move(session, run, RUNNING, by, now, OVER_ALREADY)
    except IntegrityError:
        session.refresh(run)
        raise _active_already(session, run) from None
    run.error, run.finished_at = "", None
    session.flush()
    dispatch.nudge(session, queues.TASK_RESCORE)


def cancel(session: Session, run: RescoreRun, by: By, now: datetime) -> None:
    """End it: from the commit on nothing of it is written any more; what was scored stays. `run` is locked.

    Raises Conflict when it is over.
    """
    if run.state != CANCELLED:
        _move(session, run, CANCELLED, by, now, OVER_ALREADY)
        settle(session, run, now)


def end(session: Session, run: RescoreRun, to: str, now: datetime, error: str = "") -> None:
    """What the worker says: the run is `done`, or `failed` with a sentence. `run` is locked."""
    if to not in TRANSITIONS[run.state]:
        raise ValueError(f"{run.state} -> {to} is not allowed")
    run.state, run.error, run.updated_at = to, error[:500], now
    settle(session, run, now)
    detail = error[:500] or f"{run.scored} scored, {run.reused} known, {run.failed} failed"
    audit.record(
        session,
        actor="worker",
        action=f"rescore.{to}",
        subject=f"rescore:{run.id}",
        site_id=run.site_id,
        now=now,
        detail=detail,
    )
    session.flush()


def settle(session: Session, run: RescoreRun, now: datetime) -> None:
    """Keep the figures of the finished batches in the run, now that it is over."""
    found = tally(session, run.id)
    run.scored, run.reused, run.failed, run.finished_at = found.scored, found.reused, found.failed, now
    session.flush()


def get(session: Session, run_id: int, *, site_ids: Sequence[int] | None = None, lock: bool = False) -> RescoreRun:
    """A run, of these sites where they are given. `lock`: to be steered; waits for the batch that is being written.

    Raises NotFound.
    """
    run = session.get(RescoreRun, run_id, with_for_update=lock or None)
    if run is None or (site_ids is not None and run.site_id not in site_ids):
        raise NotFound(NO_RUN)
    return run


def listed(
    session: Session, site_ids: Sequence[int] | None = None, limit: int = LISTED, before: int | None = None
) -> Sequence[RescoreRun]:
    """Runs, newest first, of these sites and with lesser ids than `before` where they are given."""
    wanted = select(RescoreRun).order_by(RescoreRun.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(RescoreRun.id < before)
    if site_ids is not None:
        wanted = wanted.where(RescoreRun.site_id.in_(site_ids))
    return session.scalars(wanted).all()


def tally(session: Session, run_id: int) -> Tally:
    """The figures of a run's finished batches."""
    row = session.execute(
        select(
            func.coalesce(func.sum(RescoreBatch.comments), 0),
            func.coalesce(func.sum(RescoreBatch.scored), 0),
            func.coalesce(func.sum(RescoreBatch.reused), 0),
            func.coalesce(func.sum(RescoreBatch.failed), 0),
        ).where(RescoreBatch.run_id == run_id, RescoreBatch.done.is_(True))
    ).one()
    return Tally(*(int(value) for value in row))


def progress(session: Session, run: RescoreRun, now: datetime) -> Progress:
    """How far a run is at `now`."""
    found = tally(session, run.id)
    left = max(0, run.total - found.comments)
    rate = _rate(session, run, now) if run.state == RUNNING else None
    return Progress(
        state=run.state,
        total=run.total,
        tally=found,
        remaining=0 if run.state == DONE else left,
        share=1.0 if run.state == DONE else min(1.0, found.comments / max(1, run.total)),
        rate=rate,
        seconds=round(left / rate) if rate else None,
    )


def spec(run: RescoreRun) -> str:
    """The run's scorer as releases.resolve takes it."""
    return f"{run.scorer}@{run.version}"


def _rate(session: Session, run: RescoreRun, now: datetime) -> float | None:
    since = max(now - timedelta(seconds=RATE_SECONDS), run.created_at)
    recent = session.scalar(
        select(func.sum(RescoreBatch.comments)).where(RescoreBatch.run_id == run.id, RescoreBatch.done_at > since)
    )
    spent = (now - since).total_seconds()
    return int(recent) / spent if recent and spent > 0 else None


def _policy(session: Session, site_id: int, given: str) -> tuple[Mapping[str, Any], int, int | None]:
    """Document, version (of a draft that of the live policy), id of the draft. Raises InvalidInput."""
    document, version = policies.live_document(session, site_id)
    if not given:
        return document, version, None
    kind, _, digits = given.rpartition(":")
    number = parsing.whole_number(digits, 9)
    if kind not in ("", "draft") or number is None:
        raise InvalidInput(NO_POLICY, field="policy", values={"policy": given})
    if kind == "draft":
        draft = session.get(PolicyDraft, number)
        if draft is None or draft.site_id != site_id:
            raise InvalidInput(NO_POLICY, field="policy", values={"policy": given})
        return draft.document, version, draft.id
    published = session.scalar(
        select(PolicyVersion).where(PolicyVersion.site_id == site_id, PolicyVersion.version == number)
    )
    if published is None and number != version:
        raise InvalidInput(NO_POLICY, field="policy", values={"policy": given})
    return (document if published is None else published.document), number, None


def _sample(session: Session, comments: Sequence[Comment]) -> list[Sample]:
    written: dict[int, str] = {}
    if comments:
        rows = session.execute(
            select(Revision.comment_id, Revision.number, Revision.text).where(
                Revision.comment_id.in_([comment.id for comment in comments])
            )
        ).all()
        current = {comment.id: comment.revision for comment in comments}
        written = {row.comment_id: row.text for row in rows if current[row.comment_id] == row.number}
    return [Sample(one.id, one.author_name, one.status, written.get(one.id, "")) for one in comments]


def _active_already(session: Session, run: RescoreRun) -> Conflict:
    other = session.scalar(
        select(RescoreRun.id).where(
            RescoreRun.site_id == run.site_id,
            RescoreRun.scorer == run.scorer,
            RescoreRun.query == run.query,
            RescoreRun.state.in_(ACTIVE),
        )
    )
    return Conflict(ACTIVE_ALREADY, details={"what": "active", "run": str(other)}, values={"run": str(other)})


def _move(session: Session, run: RescoreRun, to: str, by: By, now: datetime, refusal: str) -> None:
    if to not in TRANSITIONS[run.state]:
        raise Conflict(refusal, details={"what": run.state})
    run.state, run.updated_at = to, now
    _note(session, run, by, {PAUSED: "pause", RUNNING: "resume", CANCELLED: "cancel"}[to], now, "")
    session.flush()


def _note(session: Session, run: RescoreRun, by: By, deed: str, now: datetime, detail: str) -> None:
    audit.record(
        session,
        actor=by.actor,
        action=f"rescore.{deed}",
        subject=f"rescore:{run.id}",
        site_id=run.site_id,
        now=now,
        detail=detail,
    )
