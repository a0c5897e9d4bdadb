"""Housekeeping: what time alone brings about. Comments past their deadline go to people; the inbox forgets;
people are told of what is wrong."""

from moderation import pipeline, queues
from moderation.alerts.watch import Watch
from moderation.comments import inbox
from moderation.db import utcnow
from moderation.health.store import Pulse
from workers.app import app, db, settings

pulse = Pulse("housekeeping")
watch = Watch(db, settings)


@app.task(name=queues.TASK_HOUSEKEEPING)
def sweep() -> None:
    """One sweep. Running it twice at once is harmless: every row is claimed or compared before it is changed."""
    pipeline.overdue(db, settings)
    with db.transaction() as session:
        inbox.forget(session, utcnow())
    watch.tick()
    pulse.beat(db)
