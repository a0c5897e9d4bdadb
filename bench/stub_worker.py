"""A rescoring worker whose scorer only sleeps: `celery -A bench.stub_worker worker -Q rescoring`.

So that what is measured is how workers share a run, not how many cores this machine has. STUB_SLEEP_MS is what a text
takes.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moderation.rescoring.batches import Worker
from moderation.scoring.scorer import TextScore
from moderation.signals import SIGNALS
from workers import rescoring
from workers.app import app, db, settings

__all__ = ["app"]

SLEEP = float(os.environ.get("STUB_SLEEP_MS", "2")) / 1000


@dataclass(frozen=True, slots=True)
class Sleeper:
    """Takes its time and finds nothing."""

    name: str
    version: str
    languages: frozenset[str] = frozenset({"id"})

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        """After SLEEP seconds for each text."""
        time.sleep(SLEEP * len(texts))
        return [TextScore(dict.fromkeys(SIGNALS, 0.01), "id") for _ in texts]


def _load(_session: Any, _settings: Any, run: Any) -> Sleeper:
    return Sleeper(run.scorer, run.version)


rescoring.worker = Worker(db, settings, load=_load)
