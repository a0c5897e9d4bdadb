"""Housekeeping: what time alone brings about. Comments past their deadline go to people; the inbox forgets;
people are told of what is wrong."""

import time

from moderation import pipeline, queues
from moderation.alerts.watch import Watch
from moderation.comments import inbox, replies, status
from moderation.db import utcnow
from moderation.health.store import Pulse
from moderation.policy import drafts
from moderation.review import claims, search_texts, statistics_keeping, tallies, upgrades
from moderation.scoring import campaigns
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
rollup = statistics_keeping.Rollup(db)
learner = upgrades.Learner(db, settings)
hourglass = Hourglass(30.0)
recount = Hourglass(3600.0)

INDEX_SECONDS = 0.5
"""What a sweep spends at most on texts that the search does not know: imports bring hundreds of thousands."""


def _index() -> None:
    stop = time.monotonic() + INDEX_SECONDS
    with db.reading() as session:  # most sweeps find nothing: they should not take the writer's turn
        more = search_texts.behind(session)
    while more and time.monotonic() < stop:
        with db.transaction() as session:
            more = search_texts.catch_up(session) > 0


@app.task(name=queues.TASK_HOUSEKEEPING)
def sweep() -> None:
    """One sweep. Running it twice at once is harmless: every row is claimed or compared before it is changed."""
    pipeline.overdue(db, settings)
    if hourglass.run_out():
        with db.transaction() as session:
            inbox.forget(session, utcnow())
            replies.adopt_late(session, utcnow())
            claims.forget(session, utcnow())
            status.repair_fronts(session)
            campaigns.settle(session)
            campaigns.forget_old(session, utcnow())
            drafts.fold_all(session)
    tallies.fold_all(db)
    _index()
    watch.tick()
    pulse.beat(db)
    rollup.tick(utcnow())
    learner.tick(utcnow())
    if recount.run_out():  # last: among millions of comments it takes seconds
        tallies.repair_all(db)
