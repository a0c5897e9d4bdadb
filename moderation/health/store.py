"""Heartbeats, read and written."""

import time
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation.db import Database, affected, utcnow
from moderation.health.models import Heartbeat


class Pulse:
    """Beats for one process, at most every `seconds`: a worker that is busy need not write it after every task."""

    def __init__(self, name: str, seconds: float = 5.0) -> None:
        self._name, self._seconds, self._due = name, seconds, 0.0

    def beat(self, db: Database) -> None:
        """Note that the work was got through just now, unless that was noted a moment ago."""
        if time.monotonic() < self._due:
            return
        with db.transaction() as session:
            beat(session, self._name, utcnow())
        self._due = time.monotonic() + self._seconds


def beat(session: Session, name: str, now: datetime) -> None:
    """Note that the process class `name` has just got through its work."""
    found = session.execute(update(Heartbeat).where(Heartbeat.name == name).values(at=now))
    if affected(found) == 0:
        try:
            with session.begin_nested():
                session.add(Heartbeat(name=name, at=now))
        except IntegrityError:  # another process of the class was first
            session.execute(update(Heartbeat).where(Heartbeat.name == name).values(at=now))


SILENT = 60.0
"""Seconds without a heartbeat: a worker beats every five, and at least every thirty when it is busy."""


def silent(session: Session, name: str, now: datetime) -> bool:
    """Whether no process of the class has given a sign of life for SILENT seconds, or ever."""
    return ages(session, now).get(name, SILENT + 1) > SILENT


def ages(session: Session, now: datetime) -> dict[str, float]:
    """Seconds since each process class last beat."""
    return {row.name: (now - row.at).total_seconds() for row in session.scalars(select(Heartbeat))}
