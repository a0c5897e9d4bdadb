"""Deciding: comment, decision, audit and outbox row in one transaction, guarded by the version that was seen.

A person outranks the machine, always; two people never overwrite each other silently; the same answer twice is a
quiet success; nothing is taken out of the history, an undo is a new decision.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, and_, case, literal, or_, select, tuple_, update
from sqlalchemy.orm import Session

from moderation import dispatch, queues
from moderation.accounts import moderators
from moderation.accounts.models import AuditEntry, Moderator, Site
from moderation.comments import reports, status
from moderation.comments.models import Comment, Report, Story
from moderation.db import insert_many, inserts
from moderation.delivery import outbox
from moderation.delivery.outbox import News
from moderation.errors import Conflict, InvalidInput
from moderation.policy import store as policies
from moderation.review import claims, escalations, priority, second_looks
from moderation.review import evidence as evidences
from moderation.review.evidence import Evidence
from moderation.review.models import Decision, Escalation
from moderation.scoring import store as scores

ACTIONS = ("approve", "reject", "hold")

REASONS = (
    "OFFENSIVE",
    "ABUSIVE",
    "SPAM",
    "HATE_SPEECH",
    "HARASSMENT_BULLYING",
    "ILLEGAL_CONTENT",
    "OFF_TOPIC",
    "OTHER",
)
"""Why a person rejects: Coral's codes, so that newsrooms know them."""

_DECISIONS = inserts(cast(Table, Decision.__table__))
_AUDIT = inserts(cast(Table, AuditEntry.__table__))

NOTHING_TO_UNDO = "There is no decision of yours to undo here."

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


@dataclass(frozen=True, slots=True)
class Decider:
    """Who decides: a moderator, or (moderator None) the machine with its `origin` (`policy`, `deadline`)."""

    moderator: Moderator | None = None
    origin: str = "policy"

    @property
    def actor(self) -> str:
        """The name for the audit."""
        return moderators.actor(self.moderator) if self.moderator else self.origin


def decide(
    session: Session,
    comment: Comment,
    action: str,
    by: Decider,
    *,
    seen_version: int,
    now: datetime,
    reason: str | None = None,
    evidence: Evidence | None = None,
    not_scored: bool = False,
    undoes: int | None = None,
    found: Mapping[str, Any] | None = None,
    outward: Standing | None = None,
) -> Decision | None:
    """Decide on `comment` as it stood at `seen_version`; `found` are columns that the judgement sets with it.

    `outward`: what the site and its readers are to see instead (see Standing).

    Returns the decision; the earlier one when the same person's same answer came twice; None when the machine finds
    that a person was first, or that the comment is with the seniors. Raises InvalidInput for an unknown action or
    reason, NotAllowed when the comment is with the seniors and the decider is none, and Conflict, with who, what and
    when in its details, when somebody else was first or the text is another one by now.
    """
    _check(action, by, reason)
    if by.moderator is None and (comment.human_revision == comment.revision or _with_seniors(comment)):
        return None
    to = status.BY_ACTION[action]
    if comment.version != seen_version or comment.status == status.WITHDRAWN:
        return _late(session, comment, action, by, reason, seen_version)
    if by.moderator is not None:
        escalations.guard(comment, by.moderator)
    if comment.status == to and undoes is None:
        last = latest(session, comment.id)
        if last is not None and _stands(last, by, reason):
            return last
    site = session.get_one(Site, comment.site_id)
    grace = _grace(site, by)
    sequence = comment.sequence + 1
    values: dict[str, Any] = {
        **_effect(to, by, reason, now, outward),
        "sequence": sequence,
        "shown": comment.shown_next if comment.shown_at <= now else comment.shown,
        "shown_at": now + grace,
    }
    if by.moderator is not None:
        values["human_revision"] = comment.revision
    else:
        values["not_scored"] = not_scored
    values |= _placed(to, [comment]) | dict(found or {})
    if evidence is None:
        evidence = evidences.of_comment(session, comment)
    open_ends = _open_ends([comment], undoes is not None)
    if comment.status == to:
        moved = status.touch(session, comment, **values)
    else:
        moved = status.move(session, comment, to, now=now, **values)
    if not moved:
        session.refresh(comment)
        return _late(session, comment, action, by, reason, seen_version)
    taken_back = {} if undoes is None else {comment.id: undoes}
    made = _record(session, [comment], action, reason, by, {comment.id: evidence}, now=now, undoes=taken_back)
    if by.moderator is not None:
        _close(session, made, open_ends, by.moderator, {site.id: site}, now)
    decision = made[0][1]
    tell(session, comment, decision, evidence, now=now, due_at=now + grace, outward=outward)
    return decision


def decide_many(
    session: Session,
    comments: Sequence[Comment],
    action: str,
    by: Decider,
    *,
    reason: str | None = None,
    now: datetime,
    seen: Mapping[int, int] | None = None,
    job_id: int | None = None,
    undoes: Mapping[int, int] | None = None,
    outward: Standing | None = None,
    quiet: bool = False,
    priorities: Mapping[int, float] | None = None,
) -> dict[int, Decision | Conflict]:
    """Decide on many comments at once, with the effects of `decide`, in some fifteen statements however many they are.

    The caller has read and locked them in this transaction, in the order of their ids. `seen`: the versions that a
    person saw, by comment id; None where nobody looked at each. `job_id`: the bulk job that decides. `undoes`: comment
    id → the decision that this one takes back. `outward`: what the site is to see instead; `quiet`: what the site and
    its readers see stays just as it is, and the site is told nothing. `priorities`: comment id → its place in the
    queue from now on.

    Returns by comment id the decision, or the Conflict that kept this one from being decided: withdrawn, edited,
    decided by somebody else since it was seen, or (`escalated`) with the seniors. Raises InvalidInput like `decide`.
    """
    _check(action, by, reason)
    undoes = undoes or {}
    to = status.BY_ACTION[action]
    last = latest_of(session, [comment.id for comment in comments])
    answers: dict[int, Decision | Conflict] = {}
    refused: list[Comment] = []
    free: list[Comment] = []
    for comment in comments:
        before = last.get(comment.id)
        version = comment.version if seen is None else seen.get(comment.id, comment.version)
        late = comment.version != version or comment.status == status.WITHDRAWN
        if late and before is not None and _same_answer(comment, before, action, by, reason, version):
            answers[comment.id] = before
        elif late or (by.moderator is None and comment.human_revision == comment.revision):
            refused.append(comment)
        elif _not_theirs(comment, by):
            answers[comment.id] = Conflict(escalations.SENIORS_ONLY, details={"what": "escalated"})
        elif comment.status == to and comment.id not in undoes and before is not None and _stands(before, by, reason):
            answers[comment.id] = before
        else:
            free.append(comment)
    answers |= _conflicts(session, refused, last)
    if not free:
        return answers
    sites = {
        row.id: row for row in session.scalars(select(Site).where(Site.id.in_({comment.site_id for comment in free})))
    }
    shown_at = {site_id: now + _grace(site, by) for site_id, site in sites.items()}
    keys = [(comment.id, comment.revision) for comment in free]
    verdicts, stored = policies.latest_verdicts(session, keys), scores.of_revisions(session, keys)
    speakers = evidences.speakers(session)
    known = {
        comment.id: evidences.gather(verdicts.get(comment.id), stored.get(comment.id, []), speakers) for comment in free
    }
    values: dict[str, Any] = {
        **_effect(to, by, reason, now, outward),
        "sequence": Comment.sequence + 1,
        "shown": case((Comment.shown_at <= now, Comment.shown_next), else_=Comment.shown),
        "shown_at": case(
            *((Comment.site_id == site_id, literal(at, Comment.shown_at.type)) for site_id, at in shown_at.items())
        ),
    }
    if quiet:
        values = {name: value for name, value in values.items() if not name.startswith("shown")}
    if by.moderator is not None:
        values["human_revision"] = Comment.revision
    values |= _placed(to, free)
    if priorities:
        values["priority"] = case(dict(priorities), value=Comment.id, else_=Comment.priority)
    if undoes:
        values |= _reopened_many(_reopen(session, free, last))
    open_ends = _open_ends(free, bool(undoes))
    status.move_all(session, free, to, now=now, **values)
    made = _record(session, free, action, reason, by, known, now=now, undoes=undoes, job_id=job_id)
    if by.moderator is not None:
        _close(session, made, open_ends, by.moderator, sites, now)
    if not quiet:
        _tell_many(session, made, known, shown_at, now, outward)
    return answers | {comment.id: decision for comment, decision in made}


def undo(session: Session, comment: Comment, by: Moderator, *, seen_version: int, now: datetime) -> Decision:
    """Take back the latest decision, if it is this person's: the state before it is decided anew.

    What the decision had settled, readers' reports and a question to the seniors, is open again. Raises Conflict when
    the comment has moved on since, InvalidInput when there is nothing of theirs to undo, NotAllowed like `decide`.
    """
    last = latest(session, comment.id)
    if comment.version != seen_version:
        raise _conflict(session, comment, last)
    if last is None or last.moderator_id != by.id or last.revision != comment.revision:
        raise InvalidInput(NOTHING_TO_UNDO, field="decision")
    escalations.guard(comment, by)
    before = _before(session, {comment.id: last})[comment.id]
    opened = _reopen(session, [comment], {comment.id: last}).get(comment.id, Opened())
    made = decide(
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
    last = latest_of(session, [comment.id for comment in comments])
    theirs: dict[int, Decision] = {}
    refused: list[Comment] = []
    for comment in comments:
        decision = last.get(comment.id)
        if decision is not None and _takes_back(comment, decision, by, of):
            theirs[comment.id] = decision
        else:
            refused.append(comment)
    answers: dict[int, Decision | Conflict] = {**_conflicts(session, refused, last)}
    before = _before(session, theirs)
    for standing in sorted(set(before.values()), key=str):
        some = [comment for comment in comments if before.get(comment.id) == standing]
        answers |= decide_many(
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
    last = latest_of(session, [comment.id for comment in comments])
    ours = {
        comment.id: last[comment.id]
        for comment in comments
        if of.get(comment.id) == (last[comment.id].id if comment.id in last else None)
        and comment.status == status.HELD
        and last[comment.id].revision == comment.revision
    }
    answers: dict[int, Decision | Conflict] = {
        **_conflicts(session, [comment for comment in comments if comment.id not in ours], last)
    }
    before = _before(session, ours, of_machine=True)
    for standing in sorted(set(before.values()), key=str):
        some = [comment for comment in comments if before.get(comment.id) == standing]
        undoes = {comment.id: ours[comment.id].id for comment in some}
        by = Decider(origin=RESCORE)
        answers |= decide_many(
            session, some, standing.action, by, reason=standing.reason, now=now, undoes=undoes, quiet=True
        )
    return answers


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
        before = _before(session, {last.comment_id: last})[last.comment_id]
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


def tell(
    session: Session,
    comment: Comment,
    decision: Decision,
    evidence: Evidence,
    *,
    now: datetime,
    due_at: datetime,
    outward: Standing | None = None,
) -> None:
    """Put the comment's full state as `comment.decided` into the outbox; `outward`: with this decision instead."""
    story = session.get(Story, comment.story_id) if comment.story_id else None
    news = _news(comment, decision, evidence, story, now, outward)
    _put(session, [news], {comment.site_id: due_at}, now)


def _tell_many(
    session: Session,
    made: Sequence[tuple[Comment, Decision]],
    known: Mapping[int, Evidence],
    due_at: Mapping[int, datetime],
    now: datetime,
    outward: Standing | None,
) -> None:
    wanted = {comment.story_id for comment, _ in made}
    stories = {row.id: row for row in session.scalars(select(Story).where(Story.id.in_(wanted - {None})))}
    news = [
        _news(comment, decision, known[comment.id], stories.get(comment.story_id or 0), now, outward)
        for comment, decision in made
    ]
    _put(session, news, due_at, now)


def _put(session: Session, news: Sequence[News], due_at: Mapping[int, datetime], now: datetime) -> None:
    fresh = outbox.put_many(session, news, due_at=due_at, now=now)
    if any(item.comment_id in fresh and due_at[item.site_id] <= now for item in news):
        dispatch.nudge(session, queues.TASK_DELIVER)


def _news(
    comment: Comment,
    decision: Decision,
    evidence: Evidence,
    story: Story | None,
    now: datetime,
    outward: Standing | None,
) -> News:
    event_id = outbox.new_event_id()
    said = outward or Standing(decision.action, decision.reason)
    state = status.BY_ACTION[said.action] if outward else comment.status
    payload = {
        "type": "comment.decided",
        "timestamp": now.isoformat().replace("+00:00", "Z"),
        "data": {
            "event_id": event_id,
            "sequence": decision.sequence,
            "id": str(comment.id),
            "external_id": comment.external_id,
            "story": {"external_id": story.external_id, "url": story.url} if story else None,
            "revision": decision.revision,
            "status": state,
            "decision": {
                "action": said.action,
                "reason": said.reason,
                "by": made_by(decision),
                "at": decision.created_at.isoformat().replace("+00:00", "Z"),
            },
            "reasons": [
                {key: reason.get(key) for key in ("code", "signal", "value", "detail")} for reason in evidence.reasons
            ],
            "scores": dict(evidence.scores),
            "scorers": list(evidence.scorers),
            "policy_version": evidence.policy_version,
            "not_scored": comment.not_scored,
            "staff": comment.staff,
            "language": comment.language,
        },
    }
    return News(
        site_id=comment.site_id,
        comment_id=comment.id,
        sequence=decision.sequence,
        event_id=event_id,
        told=f"{state}|{decision.revision}|{said.reason or ''}",
        payload=json.dumps(payload, ensure_ascii=False, separators=(",", ":")),
    )


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


def _check(action: str, by: Decider, reason: str | None) -> None:
    if action not in ACTIONS:
        raise InvalidInput(f"The decision must be one of {', '.join(ACTIONS)}.", field="decision")
    if reason is not None and reason not in REASONS:
        raise InvalidInput(f"The reason must be one of {', '.join(REASONS)}.", field="reason")
    if action == "reject" and by.moderator is not None and reason is None:
        raise InvalidInput("A rejection needs a reason.", field="reason")


def _with_seniors(comment: Comment) -> bool:
    """A person asked a person: the machine's late answer is not wanted."""
    return comment.escalated and comment.status != status.PENDING


def _not_theirs(comment: Comment, by: Decider) -> bool:
    if by.moderator is None:
        return _with_seniors(comment)
    return comment.escalated and not moderators.is_senior(by.moderator)


def _stands(last: Decision, by: Decider, reason: str | None) -> bool:
    """Of a comment that has the wanted status: whether nothing changes. A person who confirms what the machine decided
    leaves their mark, and so does one who gives another reason."""
    return by.moderator is None or (last.moderator_id is not None and last.reason == reason)


def _grace(site: Site, by: Decider) -> timedelta:
    return timedelta(seconds=site.grace_seconds if by.moderator is not None else 0)


def _effect(to: str, by: Decider, reason: str | None, now: datetime, outward: Standing | None = None) -> dict[str, Any]:
    """The columns that a decision sets alike on whatever comment."""
    seen = to if outward is None else status.BY_ACTION[outward.action]
    effect: dict[str, Any] = {
        "decided_at": now,
        "spam": to == status.REJECTED and reason == "SPAM",
        "shown_next": seen == status.APPROVED,
    }
    return effect if by.moderator is None else {**effect, "reports": 0, "escalated": False}


def _placed(to: str, comments: Sequence[Comment]) -> dict[str, Any]:
    """The place in the queue of those that come into it without ever having been judged."""
    new = {comment.id: priority.of(0.0, 0, comment.received_at) for comment in comments if comment.priority == 0.0}
    if to != status.HELD or not new:
        return {}
    if len(comments) == 1:
        return {"priority": new[comments[0].id]}
    return {"priority": case(new, value=Comment.id, else_=Comment.priority)}


def _record(
    session: Session,
    comments: Sequence[Comment],
    action: str,
    reason: str | None,
    by: Decider,
    known: Mapping[int, Evidence],
    *,
    now: datetime,
    undoes: Mapping[int, int],
    job_id: int | None = None,
) -> list[tuple[Comment, Decision]]:
    """The decisions on comments that have moved already, and their audit."""
    rows = [
        {
            "comment_id": comment.id,
            "revision": comment.revision,
            "sequence": comment.sequence,
            "action": action,
            "reason": reason,
            "origin": "moderator" if by.moderator else by.origin,
            "moderator_id": by.moderator.id if by.moderator else None,
            "undoes": undoes.get(comment.id),
            "policy_version": known[comment.id].policy_version,
            "job_id": job_id,
            "created_at": now,
        }
        for comment in comments
    ]
    entries = [
        {
            "at": now,
            "actor": by.actor,
            "action": f"comment.{action}" if row["undoes"] is None else "comment.undo",
            "subject": f"comment:{comment.id}",
            "site_id": comment.site_id,
            "detail": f"revision {comment.revision}, sequence {comment.sequence}" + (f", {reason}" if reason else ""),
        }
        for comment, row in zip(comments, rows, strict=True)
    ]
    if len(comments) == 1:
        decision = Decision(**rows[0])
        session.add_all((decision, AuditEntry(**entries[0])))
        session.flush()
        return [(comments[0], decision)]
    insert_many(session, _DECISIONS, rows)
    insert_many(session, _AUDIT, entries)
    made = latest_of(session, [comment.id for comment in comments])
    return [(comment, made[comment.id]) for comment in comments]


def _open_ends(comments: Sequence[Comment], undoing: bool) -> OpenEnds:
    """What a person's decision on these comments settles; an undo settles nothing."""
    if undoing:
        return OpenEnds((), ())
    return OpenEnds(
        [comment.id for comment in comments if comment.reports],
        [comment.id for comment in comments if comment.escalated],
    )


def _close(
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


def _before(session: Session, last: Mapping[int, Decision], *, of_machine: bool = False) -> dict[int, Standing]:
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


def _takes_back(comment: Comment, last: Decision, by: Moderator, of: Mapping[int, int] | None) -> bool:
    """Whether `undo_many` is to take back this decision."""
    if comment.status == status.WITHDRAWN or last.revision != comment.revision:
        return False
    return last.moderator_id == by.id if of is None else of.get(comment.id) == last.id


def _reopen(session: Session, comments: Sequence[Comment], last: Mapping[int, Decision]) -> dict[int, Opened]:
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


def _reopened_many(opened: Mapping[int, Opened]) -> dict[str, Any]:
    """The columns that say so, as expressions over the old rows."""
    again = {number: one.reports for number, one in opened.items() if one.reports}
    asked = [number for number, one in opened.items() if one.escalated]
    return {
        "reports": Comment.reports + case(again, value=Comment.id, else_=0) if again else Comment.reports,
        "escalated": or_(Comment.escalated, Comment.id.in_(asked)),
    }


def _late(
    session: Session, comment: Comment, action: str, by: Decider, reason: str | None, seen_version: int
) -> Decision | None:
    """Somebody was first. The same answer is no conflict, and the machine just yields."""
    if by.moderator is None:
        return None
    last = latest(session, comment.id)
    if last is not None and _same_answer(comment, last, action, by, reason, seen_version):
        return last
    raise _conflict(session, comment, last)


def _same_answer(
    comment: Comment, last: Decision, action: str, by: Decider, reason: str | None, seen_version: int
) -> bool:
    return (
        comment.status != status.WITHDRAWN
        and comment.version == seen_version + 1  # nothing but that decision has happened since
        and by.moderator is not None
        and last.action == action
        and last.reason == reason
        and last.revision == comment.revision
        and last.moderator_id is not None
    )


def _conflict(session: Session, comment: Comment, last: Decision | None) -> Conflict:
    return _conflicts(session, [comment], {} if last is None else {comment.id: last})[comment.id]


def _conflicts(session: Session, comments: Sequence[Comment], last: Mapping[int, Decision]) -> dict[int, Conflict]:
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
        "Somebody else has decided.",
        details={
            "who": names.get(last.moderator_id) or "policy",
            "what": last.action,
            "reason": last.reason,
            "at": last.created_at.isoformat(),
            "version": comment.version,
        },
    )
