"""Heartbeats, read and written."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation.db import affected
from moderation.health.models import Heartbeat


def beat(session: Session, name: str, now: datetime) -> None:
    """Note that the process class `name` has just got through its work."""
    found = session.execute(update(Heartbeat).where(Heartbeat.name == name).values(at=now))
    if affected(found) == 0:
        try:
            with session.begin_nested():
                session.add(Heartbeat(name=name, at=now))
        except IntegrityError:  # another process of the class was first
            session.execute(update(Heartbeat).where(Heartbeat.name == name).values(at=now))


def ages(session: Session, now: datetime) -> dict[str, float]:
    """Seconds since each process class last beat."""
    return {row.name: (now - row.at).total_seconds() for row in session.scalars(select(Heartbeat))}
