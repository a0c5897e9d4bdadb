"""Threshold advice: from people's decisions, the mark at which a wanted share of what it holds is rejected by people.

Precision at a mark is the share of rejections among the comments whose score is at or above it; recall is the share of
all rejections that lie there. What a person approved or rejected is counted. Below the live hold mark people see only
what was held for another reason, and of that they reject much: alone it would end in the advice to hold everything. So
what passed unread counts as approved, as far as its share exceeds that where people read most (an archive that came
with an import was read by none of them, and is spread over all marks). What waits counts for nothing. Pure.

The interval of a precision is Wilson's (scoring/metrics.py).
The interval of the mark is a percentile bootstrap: B. Efron, "Bootstrap methods", Annals of Statistics 7 (1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.policy.document import HOLD
from moderation.rescoring.columns import Columns
from moderation.rescoring.verdicts import REJECT_CODE
from moderation.rescoring.window import ACTIONS, UNDECIDED
from moderation.scoring.metrics import LEVEL, wilson
from moderation.signals import SIGNALS

LEAST = 100
"""Decisions below which no advice is given: at a precision of 0.9 Wilson's interval of 100 is 12 points wide."""
LEAST_OF_EACH = 10
"""Approvals and rejections that there must be at least: without both there is nothing to tell apart."""
LEAST_ABOVE = 30
"""Decisions at or above a mark below which its precision is not looked at."""

USUAL_PRECISION = 0.6
CONFIDENCE = LEVEL

GRID = 1000
"""Marks are looked at in steps of a thousandth."""
STEPS = 50
"""Points of the curve that is drawn."""
RESAMPLES = 1000
SEED = 20_261_128
"""The same decisions give the same interval."""

FEW, REACHED, NEVER = "few", "reached", "never"
"""What came of it: too few decisions, a mark was found, or no mark reaches the wanted precision."""


@dataclass(frozen=True, slots=True)
class Point:
    """A mark: the decided comments at or above it, how many of them people rejected, how many more are `unread` and
    count as approved, and what follows. `low` and `high` bound the precision with CONFIDENCE. Precision is None where
    no comment is decided."""

    mark: float
    decided: int
    rejected: int
    unread: int
    precision: float | None
    recall: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What people's decisions say of one signal of one scorer.

    `state`: FEW, REACHED or NEVER. `decisions`: all that were counted, `rejections` of them. `point`: the lowest mark
    that reaches `wanted`; `low` and `high` bound the mark, None where fewer than half of the resamples reach it.
    `read`: the share of all comments at or above the mark that people decided. `curve`: STEPS + 1 points from 0 to 1.
    """

    scorer: str
    signal: str
    wanted: float
    state: str
    decisions: int
    rejections: int
    point: Point | None = None
    low: float | None = None
    high: float | None = None
    read: float | None = None
    curve: Sequence[Point] = ()

    def as_json(self) -> dict[str, Any]:
        """The told form."""
        return {
            "scorer": self.scorer,
            "signal": self.signal,
            "wanted_precision": self.wanted,
            "state": self.state,
            "decisions": self.decisions,
            "rejections": self.rejections,
            "mark": None if self.point is None else self.point.mark,
            "mark_low": self.low,
            "mark_high": self.high,
            "at_mark": None if self.point is None else _told(self.point),
            "read": None if self.read is None else round(self.read, 4),
            "curve": [_told(point) for point in self.curve],
        }


def of_all(columns: Columns, wanted: float) -> list[Advice]:
    """Advice on every signal that a scorer has measured on any comment."""
    return [
        advise(columns, scorer, signal, wanted)
        for scorer in columns.scorers
        for signal in SIGNALS
        if not np.isnan(columns.measured(scorer, signal)).all()
    ]


def advise(columns: Columns, scorer: str, signal: str, wanted: float) -> Advice:
    """The lowest mark at which the precision of people's decisions reaches `wanted` (0..1)."""
    values = columns.measured(scorer, signal)
    measured = ~np.isnan(values)
    decided = measured & (columns.human != UNDECIDED)
    rejected = decided & (columns.human == REJECT_CODE)
    n, bad = int(decided.sum()), int(rejected.sum())
    if n < LEAST or min(bad, n - bad) < LEAST_OF_EACH:
        return Advice(scorer, signal, wanted, FEW, n, bad)
    both = np.array([_per_step(values[rejected]), _per_step(values[decided & ~rejected])])
    above = _from_above(both)
    passed = measured & (columns.human == UNDECIDED) & (columns.stands != ACTIONS.index(HOLD))
    unread = _unread(above.sum(axis=0), _from_above(_per_step(values[passed])))
    curve = [_point(above, unread, step, bad) for step in range(0, GRID + 1, GRID // STEPS)]
    step = int(_lowest(above[None], unread, wanted)[0])
    if step < 0:
        return Advice(scorer, signal, wanted, NEVER, n, bad, curve=curve)
    low, high = _interval(both, unread, wanted)
    every = int((values[measured] >= step / GRID).sum())
    return Advice(
        scorer,
        signal,
        wanted,
        REACHED,
        n,
        bad,
        point=_point(above, unread, step, bad),
        low=low,
        high=high,
        read=int(above[:, step].sum()) / every,
        curve=curve,
    )


def _per_step(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many scores have each mark of the grid as the greatest that they reach, compared as the rules compare."""
    grid = np.arange(GRID + 1) / GRID
    return np.bincount(np.searchsorted(grid, values, side="right") - 1, minlength=GRID + 1)


def _from_above(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Along the last axis, how many there are at each step and above."""
    return counts[..., ::-1].cumsum(axis=-1)[..., ::-1]


def _unread(decided: NDArray[np.int64], passed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Per step how many comments at or above it count as approved because they passed unread: with `passed` unread and
    `decided` read, those that are missing to the greatest share that people read anywhere."""
    read = decided / np.maximum(decided + passed, 1)
    most = read.max(where=decided >= LEAST_ABOVE, initial=0.0)
    shortfall: NDArray[np.int64] = np.rint((decided + passed) * most).astype(np.int64) - decided
    return shortfall.clip(0)


def _lowest(above: NDArray[np.int64], unread: NDArray[np.int64], wanted: float) -> NDArray[np.int64]:
    """Per sample (sample × rejected, approved × step) the lowest step that reaches `wanted`; -1 where none does."""
    decided = above.sum(axis=1)
    reaches = (above[:, 0] >= wanted * (decided + unread)) & (decided >= LEAST_ABOVE)
    return np.where(reaches.any(axis=1), reaches.argmax(axis=1), -1)


def _interval(both: NDArray[np.int64], unread: NDArray[np.int64], wanted: float) -> tuple[float | None, float | None]:
    """Bounds of the mark, from decisions drawn anew with replacement."""
    counts = both.ravel()
    places = np.flatnonzero(counts)
    random = np.random.default_rng(SEED)
    drawn = random.multinomial(int(counts.sum()), counts[places] / counts.sum(), size=RESAMPLES)
    samples = np.zeros((RESAMPLES, counts.size), np.int64)
    samples[:, places] = drawn
    shaped = samples.reshape(RESAMPLES, 2, GRID + 1)
    steps = _lowest(_from_above(shaped), unread, wanted)
    reached = steps[steps >= 0]
    if len(reached) * 2 < RESAMPLES:
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(reached, (tail, 1 - tail), method="nearest")
    return float(low) / GRID, float(high) / GRID


def _point(above: NDArray[np.int64], unread: NDArray[np.int64], step: int, bad: int) -> Point:
    rejected, approved = (int(number) for number in above[:, step])
    decided = rejected + approved
    passed = int(unread[step])
    low, high = wilson(rejected, decided + passed)
    return Point(
        step / GRID,
        decided,
        rejected,
        passed,
        rejected / (decided + passed) if decided else None,
        rejected / bad if bad else None,
        low,
        high,
    )


def _told(point: Point) -> dict[str, Any]:
    return {
        "mark": point.mark,
        "decided": point.decided,
        "rejected": point.rejected,
        "unread": point.unread,
        "precision": None if point.precision is None else round(point.precision, 4),
        "recall": None if point.recall is None else round(point.recall, 4),
        "precision_low": round(point.low, 4),
        "precision_high": round(point.high, 4),
    }
