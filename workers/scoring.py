"""Scoring: claim what is due, score it, judge it; see moderation.pipeline."""

import logging
import time

from moderation import pipeline, queues
from moderation.db import utcnow
from moderation.health import store as health
from moderation.scoring import registry
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


def _run(name: str) -> None:
    # The first sweep loads the model, so that no reader waits for it. A failure is logged by Celery; then there is no
    # heartbeat, and what is left undone goes to people when its deadline is over.
    wanted = (*registry.required_scorers(settings), *registry.available(settings))
    if name not in _scorers and name in wanted:
        _scorers[name] = registry.make_scorer(name, settings)
    stop = time.monotonic() + BUDGET
    more = name in _scorers
    while more and time.monotonic() < stop:
        more = pipeline.score_due(db, _scorers[name], settings).more
    with db.transaction() as session:
        health.beat(session, f"scoring:{name}", utcnow())
    if more:
        app.send_task(queues.SCORER_TASKS[name])
