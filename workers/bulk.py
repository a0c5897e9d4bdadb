"""Bulk jobs: decide what matches, batch after batch, while live comments go first; see review/bulk_work.py."""

import time

from moderation import queues
from moderation.health.store import Pulse
from moderation.review import bulk_work
from moderation.review.bulk_work import Pace
from workers.app import app, db

BUDGET = 20.0
"""Seconds that one task works before it hands over to the next nudge: far below its hard limit."""
LONGEST_WAIT = 0.25
"""Seconds after which a worker that gives way looks again: a job that was paused meanwhile is seen soon."""

pulse = Pulse("bulk")
pace = Pace()


@app.task(name=queues.TASK_BULK)
def work_due() -> None:
    """Work until no job runs any more or the time is up; then another task goes on at once."""
    stop = time.monotonic() + BUDGET
    more = True
    while more and time.monotonic() < stop:
        done = bulk_work.work_due(db, pace)
        more = done.more
        pulse.beat(db)
        if more:
            time.sleep(min(done.wait, LONGEST_WAIT))
    if more:
        app.send_task(queues.TASK_BULK)
