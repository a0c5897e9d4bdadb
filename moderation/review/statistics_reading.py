"""The figures of sites along an axis of time, added up from what was kept; the running hour is counted when somebody
asks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from sqlalchemy import Integer, and_, column, func, select, true, values
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.db import UtcDateTime
from moderation.review import statistics, statistics_counting
from moderation.review.models import Statistic
from moderation.review.statistics import ACTIVE, COUNTED, HOUR, Sums

LIVE_HOURS = 3
"""Hours up to now that a page counts itself where nobody did yet."""


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
        running = statistics.hour_of(now)
        hours = [running - n * HOUR for n in reversed(range(days * 24))]
        return [Slot(hour, hour + HOUR) for hour in hours]
    today = now.astimezone(zone).date()
    dawns = [
        statistics.hour_of(
            datetime.combine(today - timedelta(days=n), datetime.min.time(), zone).astimezone(now.tzinfo)
        )
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
        counted = statistics_counting.count(session, hour, site_ids)
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
    running = statistics.hour_of(now)
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
    begin, end = slots[0].start, min(slots[-1].end, statistics.hour_of(until))
    made = session.scalars(select(Site.created_at).where(Site.id.in_(site_ids)))
    return sum(max(0, int((end - max(begin, statistics.hour_of(at))) / HOUR)) for at in made)
