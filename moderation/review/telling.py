"""What a site is told of a decision: the comment's full state as `comment.decided`, put into the outbox."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import dispatch, queues
from moderation.comments import status
from moderation.comments.models import Comment, Story
from moderation.delivery import outbox
from moderation.delivery.outbox import News
from moderation.review import decided
from moderation.review.decided import Standing
from moderation.review.evidence import Evidence
from moderation.review.models import Decision


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


def tell_many(
    session: Session,
    made: Sequence[tuple[Comment, Decision]],
    known: Mapping[int, Evidence],
    due_at: Mapping[int, datetime],
    now: datetime,
    outward: Standing | None,
) -> None:
    """`tell` for many at once, each with what is known of it; `due_at` by site."""
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
                "by": decided.made_by(decision),
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
