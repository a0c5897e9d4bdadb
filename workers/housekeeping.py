"""Housekeeping: what time alone brings about. Comments past their deadline go to people; the inbox forgets."""

from moderation import pipeline, queues
from moderation.comments import inbox
from moderation.db import utcnow
from moderation.health.store import Pulse
from workers.app import app, db, settings

pulse = Pulse("housekeeping")


@app.task(name=queues.TASK_HOUSEKEEPING)
def sweep() -> None:
    """One sweep. Running it twice at once is harmless: every row is claimed or compared before it is changed."""
    pipeline.overdue(db, settings)
    with db.transaction() as session:
        inbox.forget(session, utcnow())
    pulse.beat(db)
