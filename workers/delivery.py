"""Delivery: claim what is due, send it, note what happened; see moderation.delivery."""

import time

from moderation import queues
from moderation.delivery import sender
from moderation.health.store import Pulse
from workers.app import app, db, settings

BUDGET = 20.0
"""Seconds that one task works before it hands over to the next nudge: below its hard limit, with a last sending."""

pulse = Pulse("delivery")


@app.task(name=queues.TASK_DELIVER)
def deliver_due() -> None:
    """Send what is due until nothing is left or the time is up; then another task goes on at once."""
    stop = time.monotonic() + BUDGET
    more = True
    while more and time.monotonic() < stop:
        more = sender.deliver_due(db, settings) > 0
        pulse.beat(db)
    if more:
        app.send_task(queues.TASK_DELIVER)
