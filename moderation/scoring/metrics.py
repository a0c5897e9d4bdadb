"""Figures of how well probabilities rank and how honest they are, with intervals. numpy is all they need.

Everything that depends on the ranking is computed from one `Curve`: how many bad and good comments there are at each
distinct value, highest first. A bootstrap draw changes only these counts, so that hundreds of draws cost one sort.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

BOOTSTRAPS = 500
"""Draws behind an interval (Efron and Tibshirani 1993, percentiles)."""

LEVEL = 0.95
_Z = 1.959963984540054
"""The normal quantile of LEVEL, two-sided."""
SEED = 1
BINS = 10

_CHUNK = 4_000_000
"""Counts that are held at once while drawing."""


@dataclass(frozen=True)
class Curve:
    """Bad (`hits`) and good (`misses`) comments per distinct value, highest value first: [values] or [draws, values].

    Figures have the leading shape; they are NaN where one class is missing.
    """

    hits: Floats
    misses: Floats

    @classmethod
    def of(cls, labels: Labels, values: Floats, counts: Floats | None = None) -> "Curve":
        """Of labels 0 or 1 [n] and values [n]; `counts` [draws, n] says how often each comment was drawn."""
        order = np.argsort(-values, kind="stable")
        starts = np.flatnonzero(np.diff(values[order], prepend=np.inf))
        bad = labels[order].astype(np.float64)
        weights = np.ones(len(labels)) if counts is None else counts[:, order]
        return cls(
            np.add.reduceat(weights * bad, starts, axis=-1), np.add.reduceat(weights * (1 - bad), starts, axis=-1)
        )

    @cached_property
    def _above(self) -> tuple[Floats, Floats]:
        """Bad and good ones at or over each value."""
        return np.cumsum(self.hits, axis=-1), np.cumsum(self.misses, axis=-1)

    @property
    def auc(self) -> Floats:
        """Area under the ROC curve, ties counted half (Mann and Whitney 1947)."""
        hits, misses = self._above
        won = (self.misses * (hits - self.hits / 2)).sum(axis=-1)
        return _ratio(won, hits[..., -1] * misses[..., -1])

    @property
    def average_precision(self) -> Floats:
        """Mean precision over the ranks of the bad ones, equal values taken together."""
        hits, misses = self._above
        total = (self.hits * _ratio(hits, hits + misses, 0.0)).sum(axis=-1)
        return np.where(misses[..., -1] > 0, _ratio(total, hits[..., -1]), np.nan)

    def recall_at(self, false_positives: float) -> Floats:
        """The largest share of bad ones that can be caught while at most this share of the good ones is."""
        hits, misses = self._above
        allowed = misses <= false_positives * misses[..., -1:] + 1e-9
        return _ratio((self.hits * allowed).sum(axis=-1), hits[..., -1])


def _ratio(part: Floats, whole: Floats, otherwise: float = np.nan) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, otherwise, dtype=np.float64), where=whole > 0)


def _number(value: Floats) -> float | None:
    return None if np.isnan(value) else float(value)


def auc(labels: Labels, values: Floats) -> float | None:
    """Area under the ROC curve; None where one class is missing."""
    return _number(Curve.of(labels, values).auc) if len(labels) else None


def average_precision(labels: Labels, values: Floats) -> float | None:
    """Average precision; None where one class is missing."""
    return _number(Curve.of(labels, values).average_precision) if len(labels) else None


def f1(labels: Labels, held: NDArray[np.bool_]) -> float | None:
    """Harmonic mean of precision and recall of holding the bad; None where there is no bad one."""
    if not labels.any():
        return None
    return float(2 * (held & (labels == 1)).sum() / (held.sum() + labels.sum()))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the ends of its interval; all None where it cannot be computed."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "–"
        return f"{self.value:.3f}" if self.low is None else f"{self.value:.3f} [{self.low:.3f}–{self.high:.3f}]"


def estimates(
    labels: Labels, values: Floats, figures: Sequence[Callable[[Curve], Floats]], draws: int = BOOTSTRAPS
) -> list[Estimate]:
    """Figures of a ranking with bootstrap intervals. Bad and good comments are drawn apart: their numbers are given."""
    if not 0 < labels.sum() < len(labels):
        return [Estimate(None) for _ in figures]
    chance = np.random.default_rng(SEED)
    places = [np.flatnonzero(labels == label) for label in (0, 1)]
    drawn: list[list[Floats]] = [[] for _ in figures]
    size = max(1, min(draws, _CHUNK // len(labels)))
    for first in range(0, draws, size):
        count = min(size, draws - first)
        counts = np.zeros((count, len(labels)))
        for own in places:
            counts[:, own] = chance.multinomial(len(own), np.full(len(own), 1 / len(own)), size=count)
        curve = Curve.of(labels, values, counts)
        for number, figure in enumerate(figures):
            drawn[number].append(figure(curve))
    whole = Curve.of(labels, values)
    tail = (1 - LEVEL) / 2
    found = []
    for figure, parts in zip(figures, drawn, strict=True):
        low, high = np.quantile(np.concatenate(parts), (tail, 1 - tail))
        found.append(Estimate(float(figure(whole)), float(low), float(high)))
    return found


def proportion(share: float, total: int) -> Estimate:
    """A share of `total` with Wilson's interval, which is honest for few and for rare ones."""
    return Estimate(share, *wilson(share * total, total)) if total else Estimate(None)


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Wilson's interval of a share, with LEVEL of confidence; (0, 1) of nothing.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = successes / n, _Z * _Z
    centre = share + z2 / (2 * n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z2 / n)), min(1.0, (centre + half) / (1 + z2 / n))


@dataclass(frozen=True, slots=True)
class Bin:
    """Comments whose probability lies in one tenth: how many, their mean probability, and the share of bad ones."""

    count: int
    said: float
    seen: float


def reliability(labels: Labels, values: Floats, bins: int = BINS) -> list[Bin]:
    """The bins of equal width that hold comments, lowest first."""
    place = np.minimum((values * bins).astype(np.int64), bins - 1)
    found = []
    for number in range(bins):
        own = place == number
        if own.any():
            found.append(Bin(int(own.sum()), float(values[own].mean()), float(labels[own].mean())))
    return found


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: the mean distance of what was said from what was seen, by comments (Naeini 2015)."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.said - one.seen) for one in bins) / max(total, 1)
