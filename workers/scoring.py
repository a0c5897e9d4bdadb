"""Scoring: claim what is due, score it, judge it; see moderation.pipeline."""

import time
from typing import cast

from moderation import pipeline, queues
from moderation.health.store import Pulse
from moderation.scoring import builtin, explanations, registry
from moderation.scoring.explanations import Explainer
from moderation.scoring.lineup import Lineup
from moderation.scoring.scorer import Scorer
from workers.app import app, db, settings

BUDGET = 20.0
"""Seconds that one task works before it hands over to the next nudge: far below its hard limit."""

_scorers: dict[str, Scorer] = {}
_lineup = Lineup(db, settings)
_pulses = {name: Pulse(f"scoring:{name}") for name in queues.SCORER_TASKS}


@app.task(name=queues.TASK_SCORE)
def score_due() -> None:
    """Score with the built-in scorer."""
    _run(builtin.NAME)


@app.task(name=queues.TASK_SCORE_DETOXIFY)
def score_due_detoxify() -> None:
    """Score with Detoxify, in a process of its own: torch is loaded nowhere else."""
    _run("detoxify")


def _run(name: str) -> None:
    stop = time.monotonic() + BUDGET
    judges = more = name in (*registry.required_scorers(settings), *registry.available(settings))
    while more and time.monotonic() < stop:
        # The first sweep loads the model, so that no reader waits for it. A failure is logged by Celery; then there is
        # no heartbeat, and what is left undone goes to people when its deadline is over.
        more = pipeline.score_due(db, _scorer(name), settings, _lineup).more
    scorer = _scorer(name) if judges and not more else None
    explains = isinstance(scorer, Explainer)
    while explains and time.monotonic() < stop:
        # Readers first: then the words behind scores that a moderator looks at.
        explains = explanations.explain_due(db, cast(Explainer, scorer))
    _pulses[name].beat(db)
    if more:
        app.send_task(queues.SCORER_TASKS[name])


def _scorer(name: str) -> Scorer:
    """The scorer that judges now."""
    if name == builtin.NAME:
        return _lineup.builtin()
    if name not in _scorers:
        _scorers[name] = registry.make_scorer(name, settings)
    return _scorers[name]
