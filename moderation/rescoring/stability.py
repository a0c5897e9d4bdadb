"""Whether scores are spread as they were: the population stability index of two samples, and what it may be read as.
Pure.

The index is the sum over bins of (a - e) ln(a / e), e being a bin's share in the reference and a its share now. Its
bands are a rule of thumb of credit scoring (N. Siddiqi, "Credit Risk Scorecards", Wiley 2006): below 0.1 nothing to
speak of, to 0.25 a change to be looked at, above it another population. They do not know how many were counted. Of two
samples of the same population, n and m of them in B bins, the index is about (1/n + 1/m) times a chi-squared number
with B - 1 degrees of freedom: its logarithms, developed, are Pearson's statistic. Where chance alone reaches 0.1 that
way in one case of twenty, we say that there are too few. J. du Pisanie and others, "A critical review of existing and
new population stability testing procedures in credit risk scoring" (arXiv 2303.01227, 2023), compare such tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moderation.rescoring.window import Floats, Integers

BINS = 10
"""Bins of about as many scores of the reference each."""

MOVED_FROM, SHIFTED_FROM = 0.1, 0.25
"""The bands of the index: where a change begins to be looked at, and where it is another population."""

STABLE, MOVED, SHIFTED, FEW = "stable", "moved", "shifted", "few"

_HALF = 0.5
"""Added to each bin's count: an empty one would make the index endless."""

_CHI2_95 = (3.841, 5.991, 7.815, 9.488, 11.070, 12.592, 14.067, 15.507, 16.919)
"""The 0.95 quantiles of chi-squared with 1 to 9 degrees of freedom."""

_TENTHS: Floats = np.arange(1, BINS) / BINS


@dataclass(frozen=True, slots=True)
class Stability:
    """Scores now against those of a reference.

    `state`: STABLE, MOVED, SHIFTED, or FEW where chance alone may reach the first band. `index` is None only where one
    of the samples is empty. `n`, `before`: how many scores are compared. `edges`: the inner edges of the bins, rising;
    a score that equals one belongs to the bin above. `expected`, `found`: the share of each bin in the reference and
    now.
    """

    state: str
    index: float | None
    n: int
    before: int
    edges: Sequence[float] = ()
    expected: Sequence[float] = ()
    found: Sequence[float] = ()


def compare(reference: Floats, now: Floats) -> Stability:
    """How the scores `now` (0..1, none NaN) are spread against those of the reference."""
    n, before = len(now), len(reference)
    if not n or not before:
        return Stability(FEW, None, n, before)
    inner = edges(reference)
    was, found = counted(reference, inner), counted(now, inner)
    index = psi(was, found)
    return Stability(
        state=state(index, n, before, len(was)),
        index=index,
        n=n,
        before=before,
        edges=inner.tolist(),
        expected=(was / before).tolist(),
        found=(found / n).tolist(),
    )


def edges(reference: Floats) -> Floats:
    """The inner edges of at most BINS bins that hold about as many scores of the reference each. Equal scores share a
    bin, so there may be fewer; where all are equal, the bins are tenths of the scale."""
    found = np.unique(np.quantile(reference, _TENTHS, method="inverted_cdf"))
    found = found[found > reference.min()]
    return found if len(found) else _TENTHS


def counted(scores: Floats, inner: Floats) -> Integers:
    """How many scores lie in each bin."""
    return np.bincount(np.searchsorted(inner, scores, side="right"), minlength=len(inner) + 1)


def psi(reference: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """The index of two counts over the same bins, half a comment added to each bin."""
    expected = (reference + _HALF) / (reference.sum() + _HALF * len(reference))
    actual = (now + _HALF) / (now.sum() + _HALF * len(now))
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def chance(n: int, before: int, bins: int) -> float:
    """What the index of two samples of the same population exceeds in one case of twenty."""
    return (1 / n + 1 / before) * _CHI2_95[bins - 2]


def state(index: float, n: int, before: int, bins: int) -> str:
    """The band of an index, or FEW."""
    if chance(n, before, bins) > MOVED_FROM:
        return FEW
    if index < MOVED_FROM:
        return STABLE
    return MOVED if index < SHIFTED_FROM else SHIFTED
