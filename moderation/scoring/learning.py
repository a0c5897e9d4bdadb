"""Fitting one head of a newsroom layer: logistic regression on top of the built-in's logit. numpy is all it needs.

The built-in's own logit is an offset, so that with nothing to learn the layer says what the built-in says; how far it
may move away from that is the strength of a ridge penalty, chosen on the newest part of what it learns from.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moderation.scoring.newsroom import BLOCK, Floats, Grams, Head
from moderation.signals import SIGNALS

STRENGTHS = (1.0, 5.0, 25.0)
"""Ridge penalties that are tried, the strongest last; an n-gram block of a text has length 1."""

INNER = 0.2
"""Share of the rows, the newest, on which the penalty is chosen."""

LOGIT_UNIT = 4.0
"""The built-in's logits are divided by this while fitting, so that their weights pay a like penalty as the n-grams'."""

BIAS_SHARE = 0.01
"""Share of the penalty that the bias pays."""

ROUNDS = 40
REMEMBERED = 8
"""Steps and corrections of L-BFGS (Liu and Nocedal 1989)."""


@dataclass(frozen=True)
class Rows:
    """What a head is fitted on, oldest first: logits [n, signals], n-grams, labels 0 or 1, and what each row weighs."""

    logits: Floats
    grams: Grams
    labels: Floats
    weights: Floats

    def take(self, places: NDArray[np.int64]) -> "Rows":
        """Some of the rows, in the order of `places`."""
        return Rows(self.logits[places], take(self.grams, places), self.labels[places], self.weights[places])


def take(grams: Grams, places: NDArray[np.int64]) -> Grams:
    """The n-grams of some of the texts."""
    sizes = np.diff(grams.starts)[places]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    index = np.repeat(grams.starts[places] - starts[:-1], sizes) + np.arange(starts[-1])
    return Grams(grams.buckets[index], grams.values[index], starts)


def fit(signal: str, rows: Rows) -> tuple[Head, float]:
    """The head of a signal and the penalty that was chosen."""
    n = len(rows.labels)
    cut = n - max(1, round(n * INNER))
    known, buckets = np.unique(rows.grams.buckets, return_inverse=True)  # few of all that there could be
    rows = replace(rows, grams=replace(rows.grams, buckets=buckets))
    early, late = rows.take(np.arange(cut)), rows.take(np.arange(cut, n))
    best, at = (float("inf"), STRENGTHS[-1]), np.zeros(1 + len(SIGNALS) + len(known))
    for strength in reversed(STRENGTHS):
        at = _solve(signal, early, strength, at)
        best = min(best, (_loss(signal, late, at), strength))
    return _head(signal, _solve(signal, rows, best[1], at), known), best[1]


def _head(signal: str, found: Floats, known: NDArray[np.int64]) -> Head:
    grams = np.zeros(2 * BLOCK, dtype=np.float16)
    grams[known] = found[1 + len(SIGNALS) :]
    return Head(signal, float(found[0]), found[1 : 1 + len(SIGNALS)] / LOGIT_UNIT, grams)


def _logits(signal: str, rows: Rows, at: Floats) -> Floats:
    base = rows.logits @ (at[1 : 1 + len(SIGNALS)] / LOGIT_UNIT)
    own = rows.logits[:, SIGNALS.index(signal)]
    found: Floats = own + at[0] + base + rows.grams.times(at[1 + len(SIGNALS) :])
    return found


def _loss(signal: str, rows: Rows, at: Floats) -> float:
    """Weighted log loss, summed."""
    logits = _logits(signal, rows, at)
    return float(rows.weights @ (np.logaddexp(0.0, logits) - rows.labels * logits))


def _solve(signal: str, rows: Rows, strength: float, start: Floats) -> Floats:
    penalty = np.full(len(start), strength)
    penalty[0] *= BIAS_SHARE
    lengths = np.diff(rows.grams.starts)
    size = len(start) - 1 - len(SIGNALS)

    def value(at: Floats) -> tuple[float, Floats]:
        logits = _logits(signal, rows, at)
        loss = rows.weights @ (np.logaddexp(0.0, logits) - rows.labels * logits)
        slope = rows.weights * (1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0))) - rows.labels)
        pull = np.repeat(slope, lengths) * rows.grams.values
        spread = np.bincount(rows.grams.buckets, weights=pull, minlength=size)
        gradient = np.concatenate([[slope.sum()], rows.logits.T @ slope / LOGIT_UNIT, spread])
        return float(loss) + 0.5 * _dot(penalty * at, at), gradient + penalty * at

    return minimise(value, start)


def minimise(value: Callable[[Floats], tuple[float, Floats]], at: Floats) -> Floats:
    """Where a smooth convex function is least, by L-BFGS with backtracking; `value` gives it and its gradient."""
    known: deque[tuple[Floats, Floats]] = deque(maxlen=REMEMBERED)
    now, gradient = value(at)
    for _ in range(ROUNDS):
        if float(np.abs(gradient).max()) < 1e-4 * max(1.0, abs(now)):
            break
        step = _direction(gradient, known)
        length, fall = 1.0 if known else min(1.0, _dot(gradient, gradient) ** -0.5), _dot(gradient, step)
        following, slope = value(at + length * step)
        while following > now + 1e-4 * length * fall and length > 1e-6:
            length /= 2
            following, slope = value(at + length * step)
        if following >= now:
            break
        change, turn = length * step, slope - gradient
        if _dot(change, turn) > 1e-12:
            known.append((change, turn))
        at, now, gradient = at + change, following, slope
    return at


def _direction(gradient: Floats, known: deque[tuple[Floats, Floats]]) -> Floats:
    """Downhill, by what the last steps said of the curvature (the two loops of Nocedal 1980)."""
    way, parts = -gradient, []
    for change, turn in reversed(known):
        part = _dot(change, way) / _dot(change, turn)
        parts.append(part)
        way = way - part * turn
    if known:
        change, turn = known[-1]
        way = way * (_dot(change, turn) / _dot(turn, turn))
    for (change, turn), part in zip(known, reversed(parts), strict=True):
        way = way + change * (part - _dot(turn, way) / _dot(change, turn))
    return way


def _dot(one: Floats, other: Floats) -> float:
    """Without the threads that a product of long vectors starts: on a busy machine they wait for each other."""
    return float((one * other).sum())
