"""Trains the built-in model from labelled data and the project's own corpora. Needs the extra `[train]`.

The rows in the data's `dev` split and the held-out frames are never trained on: they calibrate the probabilities and
set the recommended thresholds. Everything is seeded: the same data and code give the same file.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.errors import ModerationError
from moderation.scoring import dataset, frames, linear
from moderation.scoring.dataset import Example
from moderation.scoring.features import BUCKETS, LANGUAGE_BUCKETS, Encoded, columns
from moderation.scoring.language import UNDECIDED
from moderation.scoring.linear import Model
from moderation.signals import IDENTITY_ATTACK, INSULT, SIGNALS, SPAM, THREAT, TOXICITY

Progress = Callable[[str], None]

STRENGTH = {TOXICITY: 1.0, INSULT: 1.0, SPAM: 3.0}
STRENGTH_RARE = 5.0
"""Inverse regularisation (liblinear's C), chosen on the dev split; signals with few bad texts bear more."""

PRIOR = {TOXICITY: 0.2, INSULT: 0.2, SPAM: 0.2}
"""Share of bad comments that the probabilities are calibrated to; other signals: RARE."""
RARE = 0.1

MISSED = {TOXICITY: 0.1, SPAM: 0.05, THREAT: 0.2, IDENTITY_ATTACK: 0.25}
"""Share of bad dev comments that may stay under the recommended threshold; other signals: MISSED_ELSE."""
MISSED_ELSE = 0.3

LANGUAGE_ROWS = 3_000
"""Rows per language that the language head learns from."""


class TrainingError(ModerationError):
    """Training cannot run: the extra is missing, or there is no data."""

    code = "training_failed"


def encode(
    texts: Sequence[str],
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Rows of texts: bucket numbers, values, row pointers and dense columns [n, D]."""
    words = frames.lexicon()
    indices: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float32]] = []
    pointers = [0]
    dense: list[NDArray[np.float32]] = []
    for text in texts:
        row = Encoded(text, words).whole()
        indices.extend((row.chars, row.words))
        values.append(np.full(len(row.chars), row.char_value, dtype=np.float32))
        values.append(np.full(len(row.words), row.word_value, dtype=np.float32))
        pointers.append(pointers[-1] + len(row.chars) + len(row.words))
        dense.append(row.dense)
    return np.concatenate(indices), np.concatenate(values), np.array(pointers), np.stack(dense)


def matrix(texts: Sequence[str], progress: Progress) -> Any:
    """The features of all texts as a scipy matrix [n, BUCKETS + D]."""
    from scipy import sparse

    size = 2_000
    parts = [texts[start : start + size] for start in range(0, len(texts), size)]
    stacked = []
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        for number, (indices, values, pointers, dense) in enumerate(pool.map(encode, parts), 1):
            grams = sparse.csr_matrix((values, indices, pointers), shape=(len(pointers) - 1, BUCKETS))
            grams.sum_duplicates()
            stacked.append(sparse.hstack([grams, sparse.csr_matrix(dense)], format="csr"))
            if number % 10 == 0 or number == len(parts):
                progress(f"features: {min(number * size, len(texts)):,} of {len(texts):,} texts")
    return sparse.vstack(stacked, format="csr")


def train(data_dir: Path, out: Path, progress: Progress) -> Model:
    """Train on `*.csv.gz` in `data_dir` and the corpora, write the artefact to `out`, and return the model.

    Takes about four minutes on two cores. Raises TrainingError when the extra `[train]` or the data is missing.
    """
    if any(find_spec(name) is None for name in ("scipy", "sklearn")):
        raise TrainingError("Training needs scikit-learn and scipy: pip install 'comment-moderation[train]'.")
    rows = dataset.read(data_dir)
    if not rows:
        raise TrainingError(f"There is no *.csv.gz with labelled comments in {data_dir}.")
    rows += frames.examples()
    progress(f"{len(rows):,} texts")
    features = matrix([row.text for row in rows], progress)
    dev = np.array([row.dev for row in rows])
    names = columns(frames.lexicon())
    weights = np.zeros((BUCKETS, len(SIGNALS)))
    dense = np.zeros((len(names), len(SIGNALS)), dtype=np.float32)
    bias = np.zeros(len(SIGNALS), dtype=np.float32)
    for column, signal in enumerate(SIGNALS):
        known = np.array([signal in row.labels for row in rows])
        labels = np.array([row.labels.get(signal, 0) for row in rows])
        importance = np.array([dataset.importance(row, signal) for row in rows])
        use = known & ~dev & (importance > 0)
        vector, bias[column] = _fit(features[use], labels[use], importance[use], STRENGTH.get(signal, STRENGTH_RARE))
        weights[:, column] = vector[:BUCKETS]
        dense[:, column] = vector[BUCKETS:]
        progress(f"{signal}: {int(use.sum()):,} texts, {int(labels[use].sum()):,} bad")
    small, scales = linear.quantise(weights)
    logits = features[:, :BUCKETS] @ (small.astype(np.float64) * scales) + features[:, BUCKETS:] @ dense + bias
    slope, offset = _calibrate(rows, logits, dev)
    languages, language_weights, language_scales, language_bias = _languages(rows, progress)
    draft = Model(
        signals=SIGNALS,
        languages=languages,
        lexicon=frames.lexicon(),
        weights=small,
        scales=scales,
        dense=dense,
        bias=bias,
        slope=slope,
        offset=offset,
        language_weights=language_weights,
        language_scales=language_scales,
        language_bias=language_bias,
        hold={},
        about=dataset.about(rows),
    )
    hold = recommend(rows, draft.probabilities(logits.astype(np.float32)), dev)
    model = Model(**{**vars(draft), "hold": hold})
    model.save(out)
    progress(f"wrote {out.name}, {out.stat().st_size / 1e6:.1f} MB")
    return linear.load(out)


def _fit(
    features: Any, labels: NDArray[np.int64], importance: NDArray[np.float64], strength: float
) -> tuple[NDArray[np.float64], float]:
    from sklearn.linear_model import LogisticRegression

    head = LogisticRegression(C=strength, solver="liblinear", max_iter=60, tol=1e-3, random_state=0)
    head.fit(features, labels, sample_weight=importance)
    return head.coef_[0], float(head.intercept_[0])


def balanced(rows: Sequence[Example], signal: str, use: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of the rows that make every source count the same and give the whole the assumed share of bad ones."""
    groups: dict[tuple[str, int], list[int]] = {}
    for index in map(int, np.flatnonzero(use)):
        row = rows[index]
        if dataset.importance(row, signal) > 0:
            groups.setdefault((row.group, row.labels[signal]), []).append(index)
    result = np.zeros(len(rows))
    prior = PRIOR.get(signal, RARE)
    for label, share in ((0, 1 - prior), (1, prior)):
        keys = [key for key in groups if key[1] == label]
        # A source with few rows must not speak as loudly as one with thousands.
        trust = {key: min(len(groups[key]), 300) for key in keys}
        for key in keys:
            result[groups[key]] = share * trust[key] / sum(trust.values()) / len(groups[key])
    return result


def _calibrate(
    rows: Sequence[Example], logits: NDArray[np.float64], dev: NDArray[np.bool_]
) -> tuple[linear.Floats, linear.Floats]:
    from sklearn.linear_model import LogisticRegression

    slope, offset = np.ones(len(SIGNALS), np.float32), np.zeros(len(SIGNALS), np.float32)
    for column, signal in enumerate(SIGNALS):
        use = dev & np.array([signal in row.labels for row in rows])
        importance = balanced(rows, signal, use)
        keep = importance > 0
        labels = np.array([row.labels.get(signal, 0) for row in rows])
        platt = LogisticRegression(C=1e4)
        platt.fit(logits[keep, column : column + 1], labels[keep], sample_weight=importance[keep] * keep.sum())
        slope[column], offset[column] = platt.coef_[0, 0], platt.intercept_[0]
    return slope, offset


def recommend(rows: Sequence[Example], values: linear.Floats, dev: NDArray[np.bool_]) -> dict[str, float]:
    """Per signal the highest threshold that at most the stated share of bad dev comments stays under."""
    hold = {}
    for column, signal in enumerate(SIGNALS):
        bad = dev & np.array([row.labels.get(signal, 0) == 1 and dataset.importance(row, signal) > 0 for row in rows])
        importance = balanced(rows, signal, bad)
        order = np.argsort(values[:, column])
        below = np.cumsum(importance[order]) / importance.sum()
        place = int(np.searchsorted(below, MISSED.get(signal, MISSED_ELSE)))
        hold[signal] = round(float(np.clip(values[order[place], column], 0.05, 0.95)) - 5e-4, 3)
    return hold


def _languages(
    rows: Sequence[Example], progress: Progress
) -> tuple[tuple[str, ...], NDArray[np.int8], linear.Floats, linear.Floats]:
    """The language head: multinomial logistic regression over the n-grams, in fewer buckets."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    texts, labels = dataset.language_texts(rows, LANGUAGE_ROWS)
    indices, values, pointers, _ = encode(texts)
    grams = sparse.csr_matrix(
        (values, indices & (LANGUAGE_BUCKETS - 1), pointers), shape=(len(texts), LANGUAGE_BUCKETS)
    )
    head = LogisticRegression(C=30.0, max_iter=80, tol=1e-3)
    head.fit(grams, np.array(labels))
    names = tuple(str(name) for name in head.classes_)
    if UNDECIDED in names:
        raise TrainingError("The language files name a language `und`.")
    small, scales = linear.quantise(head.coef_.T)
    progress(f"languages: {', '.join(names)} from {len(texts):,} texts")
    return names, small, scales, head.intercept_.astype(np.float32)
