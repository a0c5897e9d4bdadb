"""Counting one hour from what is stored of comments, verdicts and decisions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from moderation.accounts.models import Site
from moderation.comments.models import Comment, Revision
from moderation.comments.status import STATUSES
from moderation.policy.document import NOTE
from moderation.policy.models import VerdictRow
from moderation.review import statistics
from moderation.review.decided import RESCORE
from moderation.review.models import Decision
from moderation.review.statistics import (
    ACTIVE,
    BULK,
    DECIDED,
    FIRST,
    HOLD,
    HOUR,
    MACHINE,
    NO_REASON,
    PERSON,
    RECEIVED,
    UNDO,
    VERDICT,
    WAIT,
    Key,
)

_CHUNK = 500
"""Comments whose histories are read at once."""


def count(session: Session, hour: datetime, site_ids: Sequence[int] | None = None) -> dict[Key, int]:
    """The figures of one hour, of all sites or of these."""
    end = hour + HOUR
    sites = list(session.scalars(select(Site.id))) if site_ids is None else list(site_ids)
    found: Counter[Key] = Counter()
    found.update(_received(session, hour, end, sites))
    found.update(_decisions(session, hour, end, sites))
    for item in _looked_at(session, hour, end, sites):
        if item.waited is not None:
            found[item.site_id, WAIT, str(statistics.bucket(item.waited.total_seconds()))] += 1
        if item.machine is not None:
            found[item.site_id, VERDICT, f"{item.signal}:{item.language}:{item.machine}:{item.human}"] += 1
    return {key: n for key, n in found.items() if n}


def _received(session: Session, start: datetime, end: datetime, site_ids: Sequence[int]) -> Counter[Key]:
    """All that came less what an import brought, each from the end of an index."""
    within = (Comment.site_id.in_(site_ids), Comment.received_at >= start, Comment.received_at < end)
    found: Counter[Key] = Counter()
    for sign, wanted in ((1, Comment.status.in_(STATUSES)), (-1, Comment.source == "import")):
        rows = session.execute(
            select(Comment.site_id, func.count()).where(*within, wanted).group_by(Comment.site_id)
        ).all()
        for site_id, n in rows:
            found[site_id, RECEIVED, ""] += sign * n
    return found


def _decisions(session: Session, start: datetime, end: datetime, site_ids: Sequence[int]) -> Counter[Key]:
    before = aliased(Decision)
    undoes = Decision.undoes.is_not(None)
    in_bulk = Decision.job_id.is_not(None)
    first = case((or_(before.id.is_(None), before.revision < Decision.revision), 1), else_=0)
    parts = (Comment.site_id, Decision.origin, Decision.action, undoes, in_bulk, Decision.moderator_id)
    rows = session.execute(
        select(*parts, func.count(), func.sum(first))
        .join(Comment, Comment.id == Decision.comment_id)
        .outerjoin(before, and_(before.comment_id == Decision.comment_id, before.sequence == Decision.sequence - 1))
        .where(Decision.created_at >= start, Decision.created_at < end, Comment.site_id.in_(site_ids))
        .group_by(*parts)
    ).all()
    found: Counter[Key] = Counter()
    for site_id, origin, action, is_undo, is_bulk, moderator_id, n, firsts in rows:
        what = UNDO if is_undo else action
        found[site_id, DECIDED, f"{origin}:{what}"] += n
        found[site_id, FIRST, f"{origin}:{action}"] += int(firsts)
        if moderator_id is not None:
            found[site_id, PERSON, f"{moderator_id}:{BULK if is_bulk and not is_undo else what}"] += n
            found[site_id, ACTIVE, str(moderator_id)] = 1
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """One decision of a comment's history."""

    id: int
    revision: int
    action: str
    origin: str
    by_person: bool
    undoes: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """A person's first decision on a revision that was not taken back. `machine`: what the machine had proposed last,
    None where it had no say. `held`: the decision that had made the text wait, None where it did not."""

    step: Step
    machine: str | None
    held: Step | None


def judged(history: Iterable[Step]) -> list[Judged]:
    """The people's first standing decisions of a comment, one for each revision that has one. `history` in order."""
    steps = list(history)
    undone = {step.undoes for step in steps}
    found: dict[int, Judged] = {}
    machine: dict[int, str] = {}
    last: dict[int, Step] = {}
    for step in steps:
        if not step.by_person:
            last[step.revision] = step
            if step.origin in MACHINE or step.origin == RESCORE:
                machine[step.revision] = step.action
        elif step.undoes is None and step.id not in undone and step.action != HOLD and step.revision not in found:
            before = last.get(step.revision)
            held = before if before is not None and before.action == HOLD else None
            found[step.revision] = Judged(step, machine.get(step.revision), held)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _LookedAt:
    """A person's decision with what is counted of it."""

    site_id: int
    language: str
    signal: str
    machine: str | None
    human: str
    waited: timedelta | None


def _looked_at(session: Session, start: datetime, end: datetime, site_ids: Sequence[int]) -> Iterator[_LookedAt]:
    ids = session.scalars(
        select(Decision.comment_id)
        .join(Comment, Comment.id == Decision.comment_id)
        .where(
            *(Decision.created_at >= start, Decision.created_at < end, Comment.site_id.in_(site_ids)),
            *(Decision.moderator_id.is_not(None), Decision.undoes.is_(None), Decision.action != HOLD),
        )
        .distinct()
    ).all()
    for at in range(0, len(ids), _CHUNK):
        yield from _looked_at_some(session, start, end, ids[at : at + _CHUNK])


def _looked_at_some(session: Session, start: datetime, end: datetime, ids: Sequence[int]) -> Iterator[_LookedAt]:
    histories: dict[int, list[Step]] = {}
    for row in session.execute(_HISTORY, {"ids": ids}):
        step = Step(
            row.id, row.revision, row.action, row.origin, row.moderator_id is not None, row.undoes, row.created_at
        )
        histories.setdefault(row.comment_id, []).append(step)
    # Only those revisions count that were decided within the hour.
    wanted = {
        (comment_id, item.step.revision): item
        for comment_id, history in histories.items()
        for item in judged(history)
        if start <= item.step.at < end
    }
    about = {row.id: row for row in session.execute(_ABOUT, {"ids": ids})}
    came = {(row.comment_id, row.number): row.created_at for row in session.execute(_CAME, {"ids": ids})}
    reasons: dict[tuple[int, int], Sequence[Mapping[str, Any]]] = {}
    for row in session.execute(_REASONS, {"ids": ids}):
        item = wanted.get((row.comment_id, row.revision))
        if item is not None and row.created_at <= item.step.at:
            reasons[row.comment_id, row.revision] = row.reasons
    for key, item in wanted.items():
        comment = about[key[0]]
        yield _LookedAt(
            site_id=comment.site_id,
            language=comment.language or "",
            signal=_leading(reasons.get(key, ())),
            machine=item.machine,
            human=item.step.action,
            waited=_waited(item, came.get(key)),
        )


def _waited(item: Judged, came: datetime | None) -> timedelta | None:
    if item.held is None:
        return None
    # What an import brought has an older text; it has waited since the import.
    since = item.held.at if item.held.origin in ("import", RESCORE) or came is None else came
    return max(item.step.at - since, timedelta(0))


def _leading(reasons: Sequence[Mapping[str, Any]]) -> str:
    """What a verdict is counted under: its strongest reason, by its signal if it has one. A note is none."""
    if not reasons or reasons[0].get("action") == NOTE:
        return NO_REASON
    return str(reasons[0].get("signal") or reasons[0].get("code") or NO_REASON)


_IDS: BindParameter[Sequence[int]] = bindparam("ids", expanding=True)
_HISTORY = (
    select(
        *(Decision.id, Decision.comment_id, Decision.revision, Decision.action, Decision.origin),
        *(Decision.moderator_id, Decision.undoes, Decision.created_at),
    )
    .where(Decision.comment_id.in_(_IDS))
    .order_by(Decision.comment_id, Decision.sequence)
)
_ABOUT = select(Comment.id, Comment.site_id, Comment.language).where(Comment.id.in_(_IDS))
_CAME = select(Revision.comment_id, Revision.number, Revision.created_at).where(Revision.comment_id.in_(_IDS))
_REASONS = (
    select(VerdictRow.comment_id, VerdictRow.revision, VerdictRow.reasons, VerdictRow.created_at)
    .where(VerdictRow.comment_id.in_(_IDS))
    .order_by(VerdictRow.id)
)
