"""Rescore runs: judge the archive again, batch after batch, while live comments go first; see rescoring/batches.py.

And what is applied of their reports (rescoring/apply_work.py), in between.
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from moderation import queues
from moderation.health.store import Pulse
from moderation.rescoring import apply_work
from moderation.rescoring.batches import Worker
from workers.app import app, db, settings

BUDGET = 20.0
"""Seconds that one task works before it hands over to the next nudge: far below its hard limit."""

NICE = 5
"""What is added to the process's niceness: a scorer of live comments goes first."""
SCORING_NICE = 19


def _step_back() -> None:
    """Let the thread that scores run only when nobody else wants the processor.

    The thread that writes keeps its priority: who holds a lock must not wait for a processor.
    """
    if hasattr(os, "sched_setscheduler"):  # Linux, where each thread has a priority of its own
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        except OSError:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), SCORING_NICE)


pulse = Pulse("rescoring")
worker: Worker | None = None
pace = apply_work.Pace()


def _worker() -> Worker:
    """Made by the first task: this module is loaded by the workers of other queues, too."""
    global worker
    if worker is None:
        os.nice(NICE)
        worker = Worker(db, settings, executor=ThreadPoolExecutor(1, "scoring", initializer=_step_back))
    return worker


@app.task(name=queues.TASK_RESCORE)
def work_due() -> None:
    """Work until there is nothing to do or the time is up; then another task goes on at once."""
    mine = _worker()
    stop = time.monotonic() + BUDGET
    more = True
    rested = 0.0
    applied = apply_work.Round()
    while more and time.monotonic() < stop:
        if time.monotonic() >= rested:
            applied = apply_work.work_due(db, pace)
            rested = time.monotonic() + applied.wait
        done = mine.work_due()
        more = done.more or applied.more
        pulse.beat(db)
        wait = done.wait if done.more else rested - time.monotonic()
        if more and wait > 0:
            time.sleep(wait)
    if more:
        app.send_task(queues.TASK_RESCORE)
