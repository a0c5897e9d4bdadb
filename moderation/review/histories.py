"""What happened to a comment, as one list: its texts, verdicts, decisions, questions, and what its site was told."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.comments import labels, status
from moderation.comments.models import Comment, Revision
from moderation.delivery import outbox, outbox_reading
from moderation.policy.models import VerdictRow
from moderation.review import decided, escalations


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a comment's history. `what`: received, edited, verdict, approve, reject, hold, undo, escalated,
    answered, labelled, delivered, delivery_failed or withdrawn; `who` is empty for the machine."""

    at: datetime
    who: str
    what: str
    detail: str


def of_comment(session: Session, comment: Comment) -> list[Event]:
    """Everything that happened to a comment, in order."""
    events = [Event(comment.received_at, comment.author_name, "received", comment.source)]
    revisions = session.scalars(select(Revision).where(Revision.comment_id == comment.id, Revision.number > 1))
    events += [Event(row.created_at, comment.author_name, "edited", str(row.number)) for row in revisions]
    verdicts = session.scalars(select(VerdictRow).where(VerdictRow.comment_id == comment.id))
    events += [Event(row.created_at, "", "verdict", row.action) for row in verdicts]
    for decision, name in decided.history(session, comment.id):
        what = "undo" if decision.undoes else decision.action
        events.append(Event(decision.created_at, name or "", what, decision.reason or ""))
    for asked in escalations.of_comment(session, comment.id):
        events.append(Event(asked.created_at, asked.name, "escalated", asked.question))
        if asked.answered_at is not None and asked.answer:
            events.append(Event(asked.answered_at, asked.answered_by or "", "answered", asked.answer))
    label = labels.of_comment(session, comment.id)
    if label is not None:
        events.append(Event(label.created_at, "", "labelled", label.label))
    for row, _ in outbox_reading.of_comment(session, comment.id):
        if row.state == outbox.DELIVERED and row.finished_at:
            events.append(Event(row.finished_at, "", "delivered", str(row.sequence)))
        elif row.state == outbox.DEAD and row.finished_at:
            events.append(Event(row.finished_at, "", "delivery_failed", row.last_error))
    if comment.status == status.WITHDRAWN:
        events.append(Event(comment.pending_since, "", "withdrawn", ""))
    return sorted(events, key=lambda event: event.at)


def told(session: Session, comment: Comment) -> bool:
    """Whether the decision that stands is an event for the site: an undo inside the grace is none."""
    rows = outbox_reading.of_comment(session, comment.id)
    return bool(rows) and rows[-1][0].sequence == comment.sequence
