"""Deciding: comment, decision, audit and outbox row in one transaction, guarded by the version that was seen.

A person outranks the machine, always; two people never overwrite each other silently; the same answer twice is a
quiet success; nothing is taken out of the history, an undo is a new decision.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import dispatch, queues
from moderation.accounts import audit
from moderation.accounts.models import Moderator, Site
from moderation.comments import status
from moderation.comments.models import Comment, Story
from moderation.delivery import outbox
from moderation.errors import Conflict, InvalidInput
from moderation.review import evidence as evidences
from moderation.review.evidence import Evidence
from moderation.review.models import Decision

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


@dataclass(frozen=True, slots=True)
class Decider:
    """Who decides: a moderator, or (moderator None) the machine with its `origin` (`policy`, `deadline`)."""

    moderator: Moderator | None = None
    origin: str = "policy"

    @property
    def actor(self) -> str:
        """The name for the audit."""
        return f"moderator:{self.moderator.id}" if self.moderator else self.origin


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
) -> Decision | None:
    """Decide on `comment` as it stood at `seen_version`; `found` are columns that the judgement sets with it.

    Returns the decision; the earlier one when the same person's same answer came twice; None when the machine finds
    that a person was first. Raises InvalidInput for an unknown action or reason, and Conflict, with who, what and
    when in its details, when somebody else was first or the text is another one by now.
    """
    if action not in ACTIONS:
        raise InvalidInput(f"The decision must be one of {', '.join(ACTIONS)}.", field="decision")
    if reason is not None and reason not in REASONS:
        raise InvalidInput(f"The reason must be one of {', '.join(REASONS)}.", field="reason")
    if action == "reject" and by.moderator is not None and reason is None:
        raise InvalidInput("A rejection needs a reason.", field="reason")
    if by.moderator is None and comment.human_revision == comment.revision:
        return None
    to = status.BY_ACTION[action]
    if comment.version != seen_version or comment.status == status.WITHDRAWN:
        return _late(session, comment, action, by, reason, seen_version)
    if comment.status == to:
        # Nothing moves; a person who confirms what stands (approving the approved) still leaves their mark.
        last = latest(session, comment.id)
        if last is not None and (by.moderator is None or last.moderator_id is not None):
            return last
    site = session.get_one(Site, comment.site_id)
    grace = timedelta(seconds=site.grace_seconds if by.moderator is not None else 0)
    sequence = comment.sequence + 1
    shown_now = comment.shown_next if comment.shown_at <= now else comment.shown
    values: dict[str, Any] = {
        "sequence": sequence,
        "decided_at": now,
        "shown": shown_now,
        "shown_next": to == status.APPROVED,
        "shown_at": now + grace,
        **(found or {}),
    }
    if by.moderator is not None:
        values["human_revision"] = comment.revision
    else:
        values["not_scored"] = not_scored
    if evidence is None:
        evidence = evidences.of_comment(session, comment)
    if comment.status == to:
        moved = status.touch(session, comment, **values)
    else:
        moved = status.move(session, comment, to, now=now, **values)
    if not moved:
        session.refresh(comment)
        return _late(session, comment, action, by, reason, seen_version)
    decision = Decision(
        comment_id=comment.id,
        revision=comment.revision,
        sequence=sequence,
        action=action,
        reason=reason,
        origin="moderator" if by.moderator else by.origin,
        moderator_id=by.moderator.id if by.moderator else None,
        undoes=undoes,
        policy_version=evidence.policy_version,
        created_at=now,
    )
    session.add(decision)
    audit.record(
        session,
        actor=by.actor,
        action=f"comment.{action}" if undoes is None else "comment.undo",
        subject=f"comment:{comment.id}",
        site_id=comment.site_id,
        now=now,
        detail=f"revision {comment.revision}, sequence {sequence}" + (f", {reason}" if reason else ""),
    )
    session.flush()
    tell(session, comment, decision, evidence, now=now, due_at=now + grace)
    return decision


def undo(session: Session, comment: Comment, by: Moderator, *, seen_version: int, now: datetime) -> Decision:
    """Take back the latest decision, if it is this person's: the state before it is decided anew.

    Raises Conflict when the comment has moved on since, and InvalidInput when there is nothing of theirs to undo.
    """
    last = latest(session, comment.id)
    if comment.version != seen_version:
        raise _conflict(session, comment, last)
    if last is None or last.moderator_id != by.id or last.revision != comment.revision:
        raise InvalidInput("There is no decision of yours to undo here.", field="decision")
    before = session.scalar(
        select(Decision)
        .where(
            Decision.comment_id == comment.id,
            Decision.sequence < last.sequence,
            Decision.revision == comment.revision,
        )
        .order_by(Decision.sequence.desc())
        .limit(1)
    )
    action = before.action if before is not None else "hold"
    made = decide(
        session,
        comment,
        action,
        Decider(by),
        seen_version=seen_version,
        now=now,
        reason=(before.reason if before is not None else None) or ("OTHER" if action == "reject" else None),
        undoes=last.id,
    )
    assert made is not None  # noqa: S101 only the machine gets None
    return made


def latest(session: Session, comment_id: int) -> Decision | None:
    """The newest decision on a comment."""
    return session.scalar(
        select(Decision).where(Decision.comment_id == comment_id).order_by(Decision.sequence.desc()).limit(1)
    )


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
) -> None:
    """Put the comment's full state as `comment.decided` into the outbox."""
    story = session.get(Story, comment.story_id) if comment.story_id else None
    event_id = outbox.new_event_id()
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
            "status": comment.status,
            "decision": {
                "action": decision.action,
                "reason": decision.reason,
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
    told = f"{comment.status}|{decision.revision}|{decision.reason or ''}"
    fresh = outbox.put(
        session,
        site_id=comment.site_id,
        comment_id=comment.id,
        sequence=decision.sequence,
        event_id=event_id,
        told=told,
        payload=json.dumps(payload, ensure_ascii=False, separators=(",", ":")),
        due_at=due_at,
        now=now,
    )
    if fresh and due_at <= now:
        dispatch.nudge(session, queues.TASK_DELIVER)


def _late(
    session: Session, comment: Comment, action: str, by: Decider, reason: str | None, seen_version: int
) -> Decision | None:
    """Somebody was first. The same answer of the same person is no conflict, and the machine just yields."""
    if by.moderator is None:
        return None
    last = latest(session, comment.id)
    same = (
        last is not None
        and comment.version == seen_version + 1  # nothing but that decision has happened since
        and last.action == action
        and last.reason == reason
        and last.revision == comment.revision
        and last.moderator_id is not None
    )
    if same:
        return last
    raise _conflict(session, comment, last)


def _conflict(session: Session, comment: Comment, last: Decision | None) -> Conflict:
    if comment.status == status.WITHDRAWN:
        return Conflict("The site has withdrawn this comment.", details={"what": "withdrawn"})
    if last is None or last.revision != comment.revision:
        return Conflict(
            "The author edited this text while you were reading.",
            details={"what": "edited", "version": comment.version, "revision": comment.revision},
        )
    who = session.scalar(select(Moderator.name).where(Moderator.id == last.moderator_id)) if last.moderator_id else None
    return Conflict(
        "Somebody else has decided.",
        details={
            "who": who or "policy",
            "what": last.action,
            "reason": last.reason,
            "at": last.created_at.isoformat(),
            "version": comment.version,
        },
    )
