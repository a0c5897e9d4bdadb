"""Housekeeping: what time alone brings about. Comments past their deadline go to people; the inbox forgets;
people are told of what is wrong."""

import time

from moderation import pipeline, queues
from moderation.alerts.watch import Watch
from moderation.comments import inbox, intake
from moderation.db import utcnow
from moderation.health.store import Pulse
from workers.app import app, db, settings


class Hourglass:
    """For what need not be done at every sweep: runs out every `seconds`, at once for the first time."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._due = seconds, 0.0

    def run_out(self) -> bool:
        """Whether it has; if so it is turned."""
        if time.monotonic() < self._due:
            return False
        self._due = time.monotonic() + self._seconds
        return True


pulse = Pulse("housekeeping")
watch = Watch(db, settings)
hourglass = Hourglass(30.0)


@app.task(name=queues.TASK_HOUSEKEEPING)
def sweep() -> None:
    """One sweep. Running it twice at once is harmless: every row is claimed or compared before it is changed."""
    pipeline.overdue(db, settings)
    if hourglass.run_out():
        with db.transaction() as session:
            inbox.forget(session, utcnow())
            intake.adopt_late(session, utcnow())
    watch.tick()
    pulse.beat(db)
