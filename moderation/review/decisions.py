"""Deciding: comment, decision, audit and outbox row in one transaction, guarded by the version that was seen.

A person outranks the machine, always; two people never overwrite each other silently; the same answer twice is a
quiet success; nothing is taken out of the history, an undo is a new decision.

Around it: decided.py (what stands on a comment), settling.py (what else a decision closes), telling.py (what the site
hears), undoing.py (taking decisions back).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, case, literal, select
from sqlalchemy.orm import Session

from moderation.accounts import moderators
from moderation.accounts.models import AuditEntry, Moderator, Site
from moderation.comments import status
from moderation.comments.models import Comment
from moderation.db import insert_many, inserts
from moderation.errors import Conflict, InvalidInput, not_among
from moderation.policy import store as policies
from moderation.review import decided, escalations, priority, settling, telling
from moderation.review import evidence as evidences
from moderation.review.decided import Standing
from moderation.review.evidence import Evidence
from moderation.review.models import Decision
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
        last = decided.latest(session, comment.id)
        if last is not None and _stands(comment, last, by, reason):
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
    open_ends = settling.unsettled([comment], undoes is not None)
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
        settling.close(session, made, open_ends, by.moderator, {site.id: site}, now)
    decision = made[0][1]
    telling.tell(session, comment, decision, evidence, now=now, due_at=now + grace, outward=outward)
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
    last = decided.latest_of(session, [comment.id for comment in comments])
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
        elif before is None or comment.status != to or comment.id in undoes or not _stands(comment, before, by, reason):
            free.append(comment)
        else:
            answers[comment.id] = before
    answers |= decided.conflicts(session, refused, last)
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
        values |= settling.reopened_columns(settling.reopen(session, free, last))
    open_ends = settling.unsettled(free, bool(undoes))
    status.move_all(session, free, to, now=now, **values)
    made = _record(session, free, action, reason, by, known, now=now, undoes=undoes, job_id=job_id)
    if by.moderator is not None:
        settling.close(session, made, open_ends, by.moderator, sites, now)
    if not quiet:
        telling.tell_many(session, made, known, shown_at, now, outward)
    return answers | {comment.id: decision for comment, decision in made}


def _check(action: str, by: Decider, reason: str | None) -> None:
    if action not in ACTIONS:
        raise not_among("decision", ACTIONS)
    if reason is not None and reason not in REASONS:
        raise not_among("reason", REASONS)
    if action == "reject" and by.moderator is not None and reason is None:
        raise InvalidInput("A rejection needs a reason.", field="reason")


def _with_seniors(comment: Comment) -> bool:
    """A person asked a person: the machine's late answer is not wanted."""
    return comment.escalated and comment.status != status.PENDING


def _not_theirs(comment: Comment, by: Decider) -> bool:
    if by.moderator is None:
        return _with_seniors(comment)
    return comment.escalated and not moderators.is_senior(by.moderator)


def _stands(comment: Comment, last: Decision, by: Decider, reason: str | None) -> bool:
    """Of a comment that has the wanted status: whether nothing changes. A person who confirms what the machine decided
    leaves their mark, and so does one who gives another reason, or who answers what readers have reported since."""
    if by.moderator is None:
        return True
    return last.moderator_id is not None and last.reason == reason and not comment.reports


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
    made = decided.latest_of(session, [comment.id for comment in comments])
    return [(comment, made[comment.id]) for comment in comments]


def _late(
    session: Session, comment: Comment, action: str, by: Decider, reason: str | None, seen_version: int
) -> Decision | None:
    """Somebody was first. The same answer is no conflict, and the machine just yields."""
    if by.moderator is None:
        return None
    last = decided.latest(session, comment.id)
    if last is not None and _same_answer(comment, last, action, by, reason, seen_version):
        return last
    raise decided.conflict(session, comment, last)


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
