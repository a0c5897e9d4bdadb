"""Scoring: claim what is due, score it, judge it; see moderation.pipeline."""

import logging
import time
from typing import cast

from moderation import pipeline, queues
from moderation.health.store import Pulse
from moderation.scoring import builtin, explanations, registry
from moderation.scoring.explanations import Explainer
from moderation.scoring.lineup import Lineup
from moderation.scoring.scorer import Scorer, ScorerError
from workers.app import app, db, settings

BUDGET = 20.0
"""Seconds that one task works before it hands over to the next nudge: far below its hard limit."""

RETRY = 30.0
"""Seconds that a scorer which could not be loaded is left alone."""

log = logging.getLogger(__name__)

_scorers: dict[str, Scorer] = {}
_left_alone: dict[str, float] = {}
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
    if judges and not _loads(name):
        return  # no heartbeat then, and what is left undone goes to people when its deadline is over
    while more and time.monotonic() < stop:
        more = pipeline.score_due(db, _scorer(name), settings, _lineup).more
    scorer = _scorer(name) if judges and not more else None
    explains = isinstance(scorer, Explainer)
    while explains and time.monotonic() < stop:
        # Readers first: then the words behind scores that a moderator looks at.
        explains = explanations.explain_due(db, cast(Explainer, scorer))
    _pulses[name].beat(db)
    if more:
        app.send_task(queues.SCORER_TASKS[name])


def _loads(name: str) -> bool:
    """Whether a scorer is loaded; the first sweep does it, so that no reader waits for it. One that cannot be is left
    alone for a while: nudges come by the second, and each would hash half a gigabyte only to be told the same."""
    if time.monotonic() < _left_alone.get(name, 0.0):
        return False
    try:
        _scorer(name)
    except ScorerError as error:
        log.error("%s cannot judge: %s It is tried again in %.0f s; see: moderation doctor", name, error.message, RETRY)
        _left_alone[name] = time.monotonic() + RETRY
        return False
    return True


def _scorer(name: str) -> Scorer:
    """The scorer that judges now."""
    if name == builtin.NAME:
        return _lineup.builtin()
    if name not in _scorers:
        _scorers[name] = registry.make_scorer(name, settings)
    return _scorers[name]
