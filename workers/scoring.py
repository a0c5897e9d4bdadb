"""Scoring: claim what is due, score it, judge it; see moderation.pipeline."""

import time

from moderation import pipeline, queues
from moderation.health.store import Pulse
from moderation.scoring import registry
from moderation.scoring.scorer import Scorer
from workers.app import app, db, settings

BUDGET = 20.0
"""Seconds that one task works before it hands over to the next nudge: far below its hard limit."""

_scorers: dict[str, Scorer] = {}
_pulses = {name: Pulse(f"scoring:{name}") for name in queues.SCORER_TASKS}


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
    _pulses[name].beat(db)
    if more:
        app.send_task(queues.SCORER_TASKS[name])
