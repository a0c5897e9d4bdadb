"""Keeping counted hours, and when each is counted: once it is over, again at the ages of RECOUNTED.

What changes an hour later (a decision of it that is undone, a transaction that was slow) is found when it is counted
again.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.db import Database
from moderation.review import statistics, statistics_counting
from moderation.review.models import Statistic
from moderation.review.statistics import COUNTED, HOUR, Key

LATE = timedelta(minutes=5)
"""An hour is counted when it is over for so long: no transaction is open for longer."""
RECOUNTED = (0, 1, 2, 4, 8, 16, 32, 48)
"""Ages in hours at which an hour is counted again."""
CAUGHT_UP = timedelta(days=90)
"""How far back hours that were never counted are counted by themselves."""
ROUND_SECONDS = 2.0
"""What one sweep spends: comments past their deadline wait behind it."""


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
        figures = statistics_counting.count(session, hour)
    with db.transaction() as session:
        keep(session, hour, figures)


def rebuild(db: Database, days: int, now: datetime, say: Callable[[datetime], None] = lambda _: None) -> int:
    """Count every hour of the last `days` again, newest first; returns how many."""
    last = statistics.hour_of(now - LATE) - HOUR
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
        last = statistics.hour_of(now - LATE) - HOUR
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
        begin = statistics.hour_of(first.created_at)
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
