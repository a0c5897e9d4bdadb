"""Scoring: claim what is due, score it, judge it; see moderation.pipeline."""

import logging
import time

from moderation import pipeline, queues
from moderation.db import utcnow
from moderation.health import store as health
from moderation.scoring import registry, work
from moderation.scoring.scorer import Scorer
from workers.app import app, db, settings

log = logging.getLogger(__name__)

BUDGET = 20.0
"""Seconds that one task works before it hands over to the next nudge: far below its hard limit."""

_scorers: dict[str, Scorer] = {}


@app.task(name=queues.TASK_SCORE)
def score_due() -> None:
    """Score with the built-in scorer."""
    _run("builtin")


@app.task(name=queues.TASK_SCORE_DETOXIFY)
def score_due_detoxify() -> None:
    """Score with Detoxify, in a process of its own: torch is loaded nowhere else."""
    _run("detoxify")


def _any_due(name: str) -> bool:
    with db.reading() as session:
        return work.any_due(session, name, utcnow())


def _run(name: str) -> None:
    if name not in _scorers and (name == "builtin" or _any_due(name)):  # torch is not loaded for nothing
        _scorers[name] = registry.make_scorer(name, settings)  # a failure is logged by Celery; the sweep holds
    stop = time.monotonic() + BUDGET
    more = name in _scorers
    while more and time.monotonic() < stop:
        more = pipeline.score_due(db, _scorers[name], settings).more
    with db.transaction() as session:
        health.beat(session, f"scoring:{name}", utcnow())
    if more:
        app.send_task(queues.SCORER_TASKS[name])
