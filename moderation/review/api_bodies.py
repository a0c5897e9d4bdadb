"""What the JSON queue answers, as plain values: cards, notes, jobs, groups, figures. Ids are strings."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from moderation.accounts.models import Moderator
from moderation.comments import status
from moderation.comments.models import Comment
from moderation.errors import Conflict
from moderation.review import bulk, statistics
from moderation.review.bulk_progress import Item, Progress
from moderation.review.campaigns import Order
from moderation.review.cards import Card
from moderation.review.escalations import Asked
from moderation.review.groups import Decided, Flood, Group, Member
from moderation.review.marks import Part
from moderation.review.models import BulkJob
from moderation.review.notes import NoteLine
from moderation.review.people import Line, Record
from moderation.review.statistics import Sums

Body = dict[str, Any]


def name_of(number: int | None) -> str | None:
    """An id as answers have it; None for none, and for the 0 that cards have in its place."""
    return str(number) if number else None


def said(made: Card) -> Body:
    """What a comment says, and what speaks for or against it; nothing of what became of it."""
    marks = list(_marks(made.text_parts))
    return {
        "site": {"id": str(made.site_id), "name": made.site_name},
        "story": {"id": str(made.story_id), "title": made.story_title, "url": made.story_url}
        if made.story_id
        else None,
        "author_name": made.author_name,
        "received_at": made.received_at,
        "language": made.language or None,
        "text": made.text,
        "reads_as": made.reads_as or None,
        "marks": marks,
        "reasons": [
            {
                "number": reason.number,
                "code": reason.code,
                "signal": reason.signal,
                "value": reason.value,
                "before": reason.before,
                "detail": reason.detail,
                "weight": reason.weight,
                "spans": _spans(marks, reason.number),
            }
            for reason in made.reasons
        ],
        "signals": [
            {"name": bar.name, "value": bar.value, "hold": bar.hold, "reject": bar.reject, "scorer": bar.scorer}
            for bar in made.signals
        ],
        "scorers": made.scorers,
        "policy_version": made.policy_version,
        "facts": made.facts,
        "parent": {"author_name": made.parent[0], "text": made.parent[1]} if made.parent else None,
    }


def card(made: Card, me: Moderator) -> Body:
    """Everything that a card of the queue says, for `me`."""
    why, held, decided = made.priority, made.claim, made.decided
    return {
        "id": str(made.id),
        "external_id": made.external_id,
        "version": made.version,
        "revision": made.revision,
        "status": made.status,
        "not_scored": made.not_scored,
        **said(made),
        "author": {
            "id": name_of(made.author_id),
            "name": made.author_name,
            "url": made.author_url or None,
            "first": made.is_first,
        },
        "record": record(made.record) if made.record else None,
        "priority": {
            "risk_hours": round(why.risk_hours, 3),
            "reach_hours": round(why.reach_hours, 3),
            "waited_hours": round(why.waited_hours, 3),
            "hours": round(why.risk_hours + why.reach_hours + why.waited_hours, 3),
        }
        if why
        else None,
        "decided": {
            "action": decided.action,
            "reason": decided.reason,
            "who": decided.who,
            "at": decided.at,
            "by_machine": decided.by_machine,
            "by": decided.by,
        }
        if decided
        else None,
        "reports": made.reports,
        "claim": {"who": held.name, "mine": held.moderator_id == me.id, "until": held.until} if held else None,
        "escalation": escalation(made.escalation) if made.escalation else None,
        "campaign": {"id": str(made.campaign_id), "alike": made.alike} if made.campaign_id else None,
        "notes": notes(made.notes),
    }


def record(known: Record) -> Body:
    """What is known of an author."""
    return {
        "approved": known.approved,
        "rejected": known.rejected,
        "held": known.held,
        "first_seen_at": known.first_seen_at,
        "standing": known.standing,
        "standing_until": known.standing_until,
        "last": [{"id": str(number), "status": state, "text": text} for number, state, text in known.last],
        "notes": known.notes,
    }


def escalation(asked: Asked) -> Body:
    """A question to the seniors."""
    return {
        "id": str(asked.id),
        "question": asked.question,
        "who": asked.name,
        "at": asked.created_at,
        "answer": asked.answer,
        "answered_by": asked.answered_by,
        "answered_at": asked.answered_at,
    }


def notes(lines: Iterable[NoteLine]) -> list[Body]:
    """What colleagues noted."""
    return [{"id": str(line.id), "text": line.text, "who": line.name, "at": line.created_at} for line in lines]


def stands(comment: Comment) -> Body:
    """How a comment stands, as the details of a conflict say it."""
    return {"version": comment.version, "revision": comment.revision, "status": comment.status}


def moved(comment: Comment, details: Mapping[str, object]) -> Body:
    """Who and when, of a conflict that no decision made: its author or its site was first."""
    if details.get("what") not in ("edited", "withdrawn"):
        return {}
    who = "site" if comment.status == status.WITHDRAWN else comment.author_name
    return {"who": who, "at": comment.pending_since.isoformat()}


def outcome(number: int, answer: Decided, comment: Comment | None) -> Body:
    """What became of one comment of several; `comment` as it stands now."""
    line: Body = {"id": str(number), "version": comment.version if comment else None}
    if not isinstance(answer, Conflict):
        return {**line, "outcome": bulk.DECIDED, "message": "", "details": {}}
    now = {**moved(comment, answer.details), **stands(comment)} if comment else {}
    return {**line, "outcome": bulk.CONFLICT, "message": answer.message, "details": {**answer.details, **now}}


def job(row: BulkJob, who: str, me: Moderator) -> Body:
    """A bulk job."""
    return {
        "id": str(row.id),
        "state": row.state,
        "q": row.query,
        "action": row.action,
        "reason": row.reason,
        "sites": [str(number) for number in row.site_ids],
        "who": who,
        "steerable": bulk.may_steer(row, me),
        "undoes": name_of(row.undoes),
        "total": row.total,
        "decided": row.decided,
        "conflicts": row.conflicts,
        "error": row.error,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }


def progress(told: Progress) -> Body:
    """How far a bulk job is."""
    return {
        "share": round(told.share, 4),
        "rate": None if told.rate is None else round(told.rate, 2),
        "seconds": told.seconds,
        "same": told.same,
        "gone": told.gone,
    }


def item(of: Item) -> Body:
    """What a bulk job did to one comment."""
    return {
        "comment_id": str(of.comment_id),
        "author_name": of.author,
        "what": of.what,
        "who": of.who,
        "reason": of.reason,
        "at": of.at,
    }


def flood(found: Flood) -> Body:
    """A large group."""
    return {
        "kind": found.kind,
        "value": found.value,
        "size": found.size,
        "share": round(found.share, 4),
        "example": _member(found.example),
    }


def group(found: Group, q: str) -> Body:
    """A page of a group, and the search that finds all of it."""
    return {
        "kind": found.kind,
        "value": found.value,
        "size": found.size,
        "front": _member(found.front) if found.front else None,
        "members": [_member(one) for one in found.members],
        "next": name_of(found.after),
        "until_id": str(found.until_id),
        "order": order(found.order) if found.order else None,
        "q": q,
    }


def order(given: Order) -> Body:
    """What a moderator ordered for a campaign's newcomers."""
    return {
        "campaign_id": str(given.campaign_id),
        "action": given.action,
        "reason": given.reason,
        "who": given.who,
        "at": given.created_at,
        "until": given.until,
    }


def line(one: Line) -> Body:
    """One comment of an author's or an article's list."""
    return {
        "id": str(one.id),
        "status": one.status,
        "version": one.version,
        "revision": one.revision,
        "text": one.text,
        "reports": one.reports,
        "escalated": one.escalated,
        "received_at": one.received_at,
        "author_id": name_of(one.author_id),
        "author_name": one.author_name,
        "story_id": name_of(one.story_id),
        "story_title": one.story_title,
    }


def figures(sums: Sums, start: datetime, end: datetime) -> Body:
    """The figures of a span of time."""
    kinds = (statistics.APPROVE, statistics.HOLD, statistics.REJECT)
    overturned, looked = sums.overturned
    return {
        "start": start,
        "end": end,
        "received": sums.received,
        "at_once": {kind: sums.at_once(kind) for kind in kinds},
        "by_people": {kind: sums.by_people(kind) for kind in (*kinds, statistics.UNDO)},
        "judged": sums.judged,
        "judged_alone": sums.judged_alone,
        "looked_at": looked,
        "overturned": overturned,
        "wait_median": statistics.quantile(sums.waits, 0.5),
        "wait_nine_of_ten": statistics.quantile(sums.waits, 0.9),
    }


def _marks(parts: Iterable[Part]) -> Iterable[Body]:
    for start, end, part in _places(parts):
        if part.kinds:
            yield {"start": start, "end": end, "kinds": list(part.kinds), "reasons": list(part.numbers)}


def _places(parts: Iterable[Part]) -> Iterable[tuple[int, int, Part]]:
    """The parts of a text with where each begins and ends, in characters."""
    start = 0
    for part in parts:
        yield start, start + len(part.text), part
        start += len(part.text)


def _spans(marks: Sequence[Body], number: int) -> list[list[int]]:
    """Where a reason points at: marks that touch are one span."""
    spans: list[list[int]] = []
    for mark in marks:
        if number not in mark["reasons"]:
            continue
        if spans and spans[-1][1] == mark["start"]:
            spans[-1][1] = mark["end"]
        else:
            spans.append([mark["start"], mark["end"]])
    return spans


def _member(one: Member) -> Body:
    return {
        "id": str(one.id),
        "author_name": one.author,
        "received_at": one.received_at,
        "language": one.language or None,
        "text": one.text,
        "varies": [[start, end] for start, end, part in _places(one.parts) if part.kinds],
        "cut": one.cut,
    }
