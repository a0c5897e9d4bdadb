"""Figures of what came and what became of it, by site and hour.

An hour that is over is counted once, from the indexes of decisions and arrivals, and kept as some dozen small numbers
that only have to be added: charts of a year read those, whatever the size of the archive. The running hour is counted
when somebody asks. What changes an hour later (a decision of it that is undone, a transaction that was slow) is found
when it is counted again, at the ages of RECOUNTED.

Times are kept as counts of buckets on a logarithmic scale, so that a median comes out of sums: it is off by at most
`BUCKET_ERROR`.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from sqlalchemy import BindParameter, Integer, and_, bindparam, case, column, delete, func, or_, select, true, values
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from moderation.accounts.models import Site
from moderation.comments.models import Comment, Revision
from moderation.comments.status import STATUSES
from moderation.db import Database, UtcDateTime
from moderation.policy.document import NOTE
from moderation.policy.models import VerdictRow
from moderation.review.decided import RESCORE
from moderation.review.models import Decision, Statistic

RECEIVED = "received"
"""Comments that came, an import's aside."""
DECIDED = "decided"
"""Decisions; key `origin:action`, where an undo is the action `undo`."""
FIRST = "first"
"""Those of them that were the first on their revision: what became of a text at once. Key `origin:action`."""
PERSON = "person"
"""A person's decisions; key `moderator:action`, besides `undo` and `bulk` (a bulk job's)."""
ACTIVE = "active"
"""1: this person (the key) decided something in this hour."""
WAIT = "wait"
"""Held texts that a person decided, by the bucket of the time since they came."""
VERDICT = "verdict"
"""What the machine proposed where a person decided; key `signal:language:machine's action:person's action`."""
COUNTED = "counted"
"""1: this hour of this site was counted."""

APPROVE, HOLD, REJECT, UNDO, BULK = "approve", "hold", "reject", "undo", "bulk"
MACHINE = ("policy", "deadline")
"""Origins of what the machine decides by itself; `staff`, `import` and `campaign` carry out what a person wanted."""

NO_REASON = "none"
"""As a signal: the machine had nothing against the text."""
NO_JUDGEMENT = frozenset(
    {
        *("not_scored", "scorer_failed", "language_not_supported", "premoderation", "premoderated_section"),
        *("premoderated_story", "story_closed", "new_author", "author_held", "author_banned", "campaign_order"),
        *("burst_author", "burst_network", "burst_site"),
    }
)
"""Leading reasons to hold that say nothing of the text: a person who approves such a one does not overturn anything."""

HOUR = timedelta(hours=1)
LATE = timedelta(minutes=5)
"""An hour is counted when it is over for so long: no transaction is open for longer."""
RECOUNTED = (0, 1, 2, 4, 8, 16, 32, 48)
"""Ages in hours at which an hour is counted again."""
CAUGHT_UP = timedelta(days=90)
"""How far back hours that were never counted are counted by themselves."""
LIVE_HOURS = 3
"""Hours up to now that a page counts itself where nobody did yet."""
ROUND_SECONDS = 2.0
"""What one sweep spends: comments past their deadline wait behind it."""

BUCKETS_PER_DOUBLING = 8
BUCKET_ERROR = 2 ** (0.5 / BUCKETS_PER_DOUBLING) - 1
"""The middle of a bucket is off by at most this share: 4.5 %."""

_CHUNK = 500
"""Comments whose histories are read at once."""

Key = tuple[int, str, str]
"""(site, name, key) of a figure."""


# --- times as buckets ---


def bucket(seconds: float) -> int:
    """The bucket of a time; all up to a second share the first."""
    return int(math.log2(seconds) * BUCKETS_PER_DOUBLING) if seconds > 1 else 0


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The time (s) that `share` of the times counted in `buckets` do not exceed; None where there are none."""
    rank = math.ceil(share * sum(buckets.values()))
    reached = 0
    for number, n in sorted(buckets.items()):
        reached += n
        if n and reached >= rank:
            return float(2 ** ((number + 0.5) / BUCKETS_PER_DOUBLING))
    return None


# --- figures, added up ---


@dataclass(frozen=True, slots=True)
class Sums:
    """The figures of some span of time: (name, key) → n."""

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def of(self, name: str) -> Iterator[tuple[Sequence[str], int]]:
        """The figures of a name, their keys in parts."""
        return ((key.split(":"), n) for (known, key), n in self.counts.items() if known == name)

    @property
    def received(self) -> int:
        """Comments that came."""
        return sum(n for _, n in self.of(RECEIVED))

    def at_once(self, action: str) -> int:
        """Texts with which this happened first, without a person: approved, held or rejected."""
        return sum(
            n for (origin, what), n in self.of(FIRST) if origin not in ("moderator", "import") and what == action
        )

    @property
    def judged(self) -> int:
        """Texts that the machine judged: what it decided itself, and what it held."""
        return sum(n for (origin, _), n in self.of(FIRST) if origin in MACHINE)

    @property
    def judged_alone(self) -> int:
        """Those of them that it decided itself."""
        return sum(n for (origin, what), n in self.of(FIRST) if origin in MACHINE and what != HOLD)

    def by_people(self, action: str) -> int:
        """Decisions of people with this action; `undo` for what was taken back."""
        return sum(n for (origin, what), n in self.of(DECIDED) if origin == "moderator" and what == action)

    @property
    def decided_by_people(self) -> int:
        """All decisions of people but undos."""
        return sum(n for (origin, what), n in self.of(DECIDED) if origin == "moderator" and what != UNDO)

    @property
    def waits(self) -> dict[int, int]:
        """Bucket → held texts that waited so long for a person."""
        return {int(parts[0]): n for parts, n in self.of(WAIT)}

    @property
    def people(self) -> dict[int, dict[str, int]]:
        """Moderator → action → decisions."""
        found: dict[int, dict[str, int]] = {}
        for (moderator_id, what), n in self.of(PERSON):
            found.setdefault(int(moderator_id), {})[what] = n
        return found

    @property
    def verdicts(self) -> list["Looked"]:
        """What people made of the machine's verdicts, one for each signal, language and action."""
        found: dict[tuple[str, str, str], list[int]] = {}
        for (signal, language, machine, human), n in self.of(VERDICT):
            row = found.setdefault((signal, language, machine), [0, 0])
            row[0] += n
            row[1] += n if (machine == APPROVE) != (human == APPROVE) else 0
        return [Looked(*key, looked, overturned) for key, (looked, overturned) in sorted(found.items())]

    @property
    def overturned(self) -> tuple[int, int]:
        """(overturned, looked at): verdicts on a text that a person decided otherwise. To hold is to suspect: a person
        who rejects agrees with it, one who approves does not."""
        judging = [row for row in self.verdicts if row.signal not in NO_JUDGEMENT]
        return sum(row.overturned for row in judging), sum(row.looked for row in judging)


@dataclass(frozen=True, slots=True)
class Looked:
    """Verdicts of one kind on which a person decided: how many, and how many of them otherwise.

    `signal`: of the strongest reason, or the reason's code where it has no signal; NO_REASON where there was none.
    """

    signal: str
    language: str
    machine: str
    looked: int
    overturned: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A span of whole hours on the time axis: from `start` on, before `end`."""

    start: datetime
    end: datetime


def axis(by: str, days: int, now: datetime, zone: tzinfo) -> list[Slot]:
    """The axis of time: so many days by `hour` or `day`, up to the end of this hour or day, in the time of the desk.

    Figures are kept by the hour: where a zone is off by half an hour, a day begins with the hour in which midnight
    falls.
    """
    if by == "hour":
        running = hour_of(now)
        hours = [running - n * HOUR for n in reversed(range(days * 24))]
        return [Slot(hour, hour + HOUR) for hour in hours]
    today = now.astimezone(zone).date()
    dawns = [
        hour_of(datetime.combine(today - timedelta(days=n), datetime.min.time(), zone).astimezone(now.tzinfo))
        for n in range(days - 1, -2, -1)
    ]
    return [Slot(start, end) for start, end in pairwise(dawns)]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a page shows: the sums of each slot and of all, and in how many hours each moderator decided.

    `missing`: hours (times sites) that nobody has counted yet.
    """

    slots: Sequence[Sums]
    total: Sums
    active_hours: Mapping[int, int]
    missing: int


def read(session: Session, site_ids: Sequence[int], slots: Sequence[Slot], now: datetime) -> Figures:
    """The figures of these sites in `slots`, which follow each other. Hours that just ended may not be counted yet:
    they, and the running one, are counted here."""
    sums: list[Counter[tuple[str, str]]] = [Counter() for _ in slots]
    if not site_ids:
        return Figures([Sums(row) for row in sums], Sums(), {}, 0)
    live = _live_hours(session, site_ids, slots, now)
    edge = min(live, default=None)
    for row in _summed(session, site_ids, slots):
        sums[row.slot][row.name, row.key] += row.n
    hours = _active_hours(session, site_ids, slots[0].start, slots[-1].end)
    for hour in live:
        place = next(n for n, slot in enumerate(slots) if slot.start <= hour < slot.end)
        counted = count(session, hour, site_ids)
        for (_, name, key), n in counted.items():
            sums[place][name, key] += n
        hours.update({int(key) for (_, name, key) in counted if name == ACTIVE})
    total: Counter[tuple[str, str]] = Counter()
    for one in sums:
        total.update(one)
    done = sum(n for (name, _), n in total.items() if name == COUNTED)
    missing = max(0, _expected(session, site_ids, slots, edge or now) - done)
    return Figures([Sums(one) for one in sums], Sums(total), hours, missing)


def _live_hours(session: Session, site_ids: Sequence[int], slots: Sequence[Slot], now: datetime) -> list[datetime]:
    """The running hour, and those before it that were not counted yet."""
    running = hour_of(now)
    last = [running - n * HOUR for n in range(LIVE_HOURS)]
    rows = session.execute(
        select(Statistic.hour, func.count())
        .where(Statistic.site_id.in_(site_ids), Statistic.hour.in_(last), Statistic.name == COUNTED)
        .group_by(Statistic.hour)
    ).all()
    known = {hour for hour, n in rows if n}
    begin, end = slots[0].start, slots[-1].end
    return sorted(hour for hour in last if hour not in known and begin <= hour < end)


def _summed(session: Session, site_ids: Sequence[int], slots: Sequence[Slot]) -> Sequence[Any]:
    """One row for each slot, name and key. Each slot is a stretch of the index: the planner is left no choice, for what
    it knows of a table that grows by the hour is old."""
    spans = (
        values(column("slot", Integer), column("start", UtcDateTime()), column("until", UtcDateTime()), name="spans")
        .data([(n, slot.start, slot.end) for n, slot in enumerate(slots)])
        .cte("spans")
    )
    within = and_(Statistic.site_id.in_(site_ids), Statistic.hour >= spans.c.start, Statistic.hour < spans.c.until)
    figures = (Statistic.name, Statistic.key)
    total = func.sum(Statistic.n).label("n")
    if session.get_bind().dialect.name == "postgresql":
        each = select(*figures, total).where(within).group_by(*figures).lateral()
        return session.execute(select(spans.c.slot, each).join(each, true())).all()
    # SQLite goes through the spans first because the other table has the index.
    joined = select(spans.c.slot, *figures, total).select_from(spans).join(Statistic, within)
    return session.execute(joined.group_by(spans.c.slot, *figures)).all()


def _active_hours(session: Session, site_ids: Sequence[int], start: datetime, end: datetime) -> Counter[int]:
    """Moderator → hours in which they decided on any of these sites."""
    within = (Statistic.site_id.in_(site_ids), Statistic.hour >= start, Statistic.hour < end)
    rows = session.execute(
        select(Statistic.key, func.count(Statistic.hour.distinct()))
        .where(*within, Statistic.name == ACTIVE)
        .group_by(Statistic.key)
    ).all()
    return Counter({int(key): n for key, n in rows})


def _expected(session: Session, site_ids: Sequence[int], slots: Sequence[Slot], until: datetime) -> int:
    """How many hours of these sites should have been counted: from when each was made."""
    begin, end = slots[0].start, min(slots[-1].end, hour_of(until))
    made = session.scalars(select(Site.created_at).where(Site.id.in_(site_ids)))
    return sum(max(0, int((end - max(begin, hour_of(at))) / HOUR)) for at in made)


def hour_of(at: datetime) -> datetime:
    """The hour in which a moment lies, by its beginning."""
    return at.replace(minute=0, second=0, microsecond=0)


# --- counting an hour ---


def count(session: Session, hour: datetime, site_ids: Sequence[int] | None = None) -> dict[Key, int]:
    """The figures of one hour, of all sites or of these."""
    end = hour + HOUR
    sites = list(session.scalars(select(Site.id))) if site_ids is None else list(site_ids)
    found: Counter[Key] = Counter()
    found.update(_received(session, hour, end, sites))
    found.update(_decisions(session, hour, end, sites))
    for item in _looked_at(session, hour, end, sites):
        if item.waited is not None:
            found[item.site_id, WAIT, str(bucket(item.waited.total_seconds()))] += 1
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


# --- keeping them ---


def keep(session: Session, hour: datetime, figures: Mapping[Key, int]) -> None:
    """Store the figures of an hour of all sites in place of what was known of it."""
    session.execute(
        delete(Statistic).where(Statistic.site_id.in_(select(Site.id)), Statistic.hour == hour),
        execution_options={"synchronize_session": False},
    )
    known = {**{(site_id, COUNTED, ""): 1 for site_id in session.scalars(select(Site.id))}, **figures}
    # In one order, so that two who count the same hour do not wait for each other in a ring.
    rows = [
        {"site_id": site_id, "hour": hour, "name": name, "key": key, "n": n}
        for (site_id, name, key), n in sorted(known.items())
    ]
    if rows:
        connection = session.connection()
        connection.execute(_KEEP[connection.dialect.name], rows)


def _kept(dialect: Any) -> Any:
    new = dialect.insert(Statistic.__table__)
    return new.on_conflict_do_update(index_elements=["site_id", "hour", "name", "key"], set_={"n": new.excluded.n})


_KEEP = {"sqlite": _kept(sqlite), "postgresql": _kept(postgresql)}


def count_hour(db: Database, hour: datetime) -> None:
    """Count an hour and keep it. Counting takes no writer's turn."""
    with db.reading() as session:
        figures = count(session, hour)
    with db.transaction() as session:
        keep(session, hour, figures)


def rebuild(db: Database, days: int, now: datetime, say: Callable[[datetime], None] = lambda _: None) -> int:
    """Count every hour of the last `days` again, newest first; returns how many."""
    last = hour_of(now - LATE) - HOUR
    for n in range(days * 24):
        say(last - n * HOUR)
        count_hour(db, last - n * HOUR)
    return days * 24


class Rollup:
    """What the sweep does: count hours that are over, again at the ages of RECOUNTED, and old ones that nobody ever
    counted, newest first. It remembers what is still to do, so that most sweeps ask the database nothing."""

    def __init__(self, db: Database, round_seconds: float = ROUND_SECONDS) -> None:
        self._db, self._round_seconds = db, round_seconds
        self._last: datetime | None = None
        self._due: deque[datetime] = deque()

    def tick(self, now: datetime) -> int:
        """Count what is due, for `round_seconds` or one hour at least; returns how many hours."""
        last = hour_of(now - LATE) - HOUR
        if last != self._last:
            self._due = deque(_due(self._db, last))
            self._last = last
        until = time.monotonic() + self._round_seconds
        done = 0
        while self._due and (not done or time.monotonic() < until):
            count_hour(self._db, self._due[0])
            self._due.popleft()
            done += 1
        return done


def _due(db: Database, last: datetime) -> list[datetime]:
    """The hours to count when `last` is the newest that is over: itself, those that never were, and those of an age."""
    with db.reading() as session:
        first = session.execute(select(Site.id, Site.created_at).order_by(Site.id).limit(1)).one_or_none()
        if first is None:
            return []
        begin = hour_of(first.created_at)
        since = max(begin, last - CAUGHT_UP)
        known = set(
            session.scalars(
                select(Statistic.hour).where(
                    Statistic.site_id == first.id, Statistic.hour >= since, Statistic.name == COUNTED
                )
            )
        )
    hours = (last - n * HOUR for n in range(int((last - since) / HOUR) + 1))
    never = [hour for hour in hours if hour not in known]
    again = [hour for age in RECOUNTED if (hour := last - age * HOUR) >= begin]
    return list(dict.fromkeys([*again[:1], *never, *again]))
