"""Fits all signals of one head at once: weighted logistic regression and a few hidden units, by L-BFGS.

The sum over n-grams and dense columns pays a ridge penalty (logistic regression as usual). The hidden units see the
dense columns only and are shared by the signals. Sources of rows may have biases of their own, which are learned and
thrown away: how often a source finds fault is then no property of its words. Needs scipy; run on one core, the same
data give the same weights.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 150
"""Most steps of L-BFGS (Liu and Nocedal 1989) for signals that share hidden units; dev stands still before."""

ROUNDS_ALONE = 500
"""The same for a signal alone, which is at its end before: together they stop short of it, spam worst of all."""

REMEMBERED = 7
"""Corrections kept: each takes two vectors as long as all weights."""

UNITS = 8
"""Hidden units where nothing else is asked for: which words stand together, beyond what a sum can say. More or softer
ones judge comments worse."""

STIFFNESS = 20.0
"""Penalty of the hidden units' weights; those of the sum pay 1."""

TASTE = 8.0
"""Penalty of the sources' own biases: not so little that a source explains all its labels."""

SEED = 0

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Habits:
    """Which source each row comes from, `source` [n] from 0 on, and which biases they get: `own` [K, S] of 0 and 1."""

    source: NDArray[np.int64]
    own: Floats32


@dataclass(frozen=True)
class Head:
    """What was fitted. A text's logits [S]: grams @ G + dense @ D + tanh(dense @ inner + inner_bias) @ outer + bias."""

    grams: Floats32
    dense: Floats32
    bias: Floats32
    inner: Floats32
    inner_bias: Floats32
    outer: Floats32

    def logits(self, grams: Any, dense: Floats32) -> Floats32:
        """Logits [n, S] of n-grams, a scipy matrix [n, G], and dense columns [n, D]."""
        hidden = np.tanh(dense @ self.inner + self.inner_bias)
        found: Floats32 = grams @ self.grams + dense @ self.dense + hidden @ self.outer + self.bias
        return found


def fit(
    grams: Any,
    dense: Floats32,
    labels: Floats32,
    weights: Floats32,
    strengths: Floats32,
    habits: Habits | None = None,
    caution: Floats32 | None = None,
    units: int = UNITS,
) -> Head:
    """A head for rows given as a scipy matrix of n-grams [n, G] in CSR form and dense columns [n, D].

    `labels` [n, S] are 0 or 1, `weights` [n, S] what a row weighs for a signal (0 where it is not labelled),
    `strengths` [S] the inverse of the penalty (liblinear's C). The bias pays no penalty, those of sources do. `caution`
    [S] multiplies the penalty of dense columns and hidden units, 1 where it is not given. Without hidden `units` the
    problem is convex, and every signal is fitted alone.
    """
    if habits is None:
        habits = Habits(np.zeros(len(labels), dtype=np.int64), np.zeros((1, labels.shape[1]), dtype=np.float32))
    careful = np.ones(labels.shape[1], np.float32) if caution is None else caution
    if units:
        return _fit(grams, dense, labels, weights, strengths, habits, careful, units, ROUNDS)
    alone = []
    for signal in range(labels.shape[1]):
        own = slice(signal, signal + 1)
        use = weights[:, signal] > 0
        taught = (grams[use], dense[use], labels[use, own], weights[use, own])
        habit = Habits(habits.source[use], habits.own[:, own])
        alone.append(_fit(*taught, strengths[own], habit, careful[own], 0, ROUNDS_ALONE))
    return Head(
        grams=np.concatenate([head.grams for head in alone], axis=1),
        dense=np.concatenate([head.dense for head in alone], axis=1),
        bias=np.concatenate([head.bias for head in alone]),
        inner=alone[0].inner,
        inner_bias=alone[0].inner_bias,
        outer=np.concatenate([head.outer for head in alone], axis=1),
    )


def _fit(
    grams: Any,
    dense: Floats32,
    labels: Floats32,
    weights: Floats32,
    strengths: Floats32,
    habits: Habits,
    careful: Floats32,
    units: int,
    rounds: int,
) -> Head:
    from scipy import sparse
    from scipy.optimize import fmin_l_bfgs_b

    sources = sparse.csr_matrix(
        (np.ones(len(labels), np.float32), habits.source, np.arange(len(labels) + 1)),
        shape=(len(labels), len(habits.own)),
    )

    grams, turned = grams.astype(np.float32), grams.astype(np.float32).T.tocsr()
    outputs, columns = labels.shape[1], dense.shape[1]
    shapes: tuple[tuple[int, ...], ...] = (
        (grams.shape[1], outputs),
        (columns, outputs),
        (outputs,),
        (columns, units),
        (units,),
        (units, outputs),
        habits.own.shape,
    )
    ends = np.cumsum([0, *(math.prod(shape) for shape in shapes)])
    one = np.ones(1, np.float32)
    penalties = (one, careful, 0 * one, STIFFNESS * one, 0 * one, STIFFNESS * careful, TASTE * one)
    cost = weights * strengths[None, :]

    def parts(at: NDArray[Any]) -> list[NDArray[Any]]:
        return [at[ends[i] : ends[i + 1]].reshape(shape) for i, shape in enumerate(shapes)]

    def value(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        *own, taste = parts(at.astype(np.float32))
        head = Head(*own)
        hidden = np.tanh(dense @ head.inner + head.inner_bias)
        logits = grams @ head.grams + dense @ head.dense + hidden @ head.outer + head.bias
        logits += sources @ (taste * habits.own)
        loss = (cost * (np.logaddexp(0.0, logits) - labels * logits)).sum(dtype=np.float64)
        pull = cost * (1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30))) - labels)
        inside = (pull @ head.outer.T) * (1 - hidden * hidden)
        slope = np.empty_like(at)
        slopes = (
            turned @ pull,
            dense.T @ pull,
            pull.sum(axis=0),
            dense.T @ inside,
            inside.sum(axis=0),
            hidden.T @ pull,
            (sources.T @ pull) * habits.own,
        )
        penalty = 0.0
        for into, found, now, price in zip(parts(slope), slopes, parts(at), penalties, strict=True):
            into[...] = found + price * now
            penalty += 0.5 * float((price * np.square(now)).sum())
        return float(loss) + penalty, slope

    chance = np.random.default_rng(SEED)
    start = np.zeros(int(ends[-1]))
    for number, scale in ((3, 0.3), (5, 0.1)):
        start[ends[number] : ends[number + 1]] = chance.normal(0.0, scale, ends[number + 1] - ends[number])
    found, _, _ = fmin_l_bfgs_b(value, start, maxiter=rounds, m=REMEMBERED, factr=1e7, pgtol=1e-3)
    return Head(*parts(found.astype(np.float32))[:-1])
