"""Trains the built-in model from labelled data and the project's own corpora. Needs the extra `[train]`.

The rows in the data's `dev` split, held-out frames and written comments are never trained on: they calibrate the
probabilities and set the recommended thresholds. Everything is seeded: the same data and code give the same file.
"""

import math
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.errors import ModerationError
from moderation.scoring import comments, dataset, fitting, frames, linear
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.dataset import Example
from moderation.scoring.features import BUCKETS, LANGUAGE_BUCKETS, Encoded, columns
from moderation.scoring.fitting import Habits, Head
from moderation.scoring.language import UNDECIDED
from moderation.scoring.linear import Model
from moderation.signals import IDENTITY_ATTACK, INSULT, SIGNALS, SPAM, THREAT, TOXICITY

Progress = Callable[[str], None]

STRENGTH: Mapping[str, Mapping[str, float]] = {
    "id": {TOXICITY: 2.0, INSULT: 2.0, SPAM: 3.0},
    "en": {TOXICITY: 2.0, INSULT: 1.0, THREAT: 2.0, IDENTITY_ATTACK: 1.0, SPAM: 3.0},
}
STRENGTH_RARE = 5.0
"""Inverse penalty (liblinear's C) by head, chosen on dev and in folds; signals with few bad texts bear more."""

HEADS = ("id", "en")
"""Languages with a head of their own."""

UNITS: Mapping[str, int] = {"id": 0, "en": fitting.UNITS}
"""Hidden units of each head. The Indonesian one does without: they order the frames of the same words in other company
better, and whole comments worse, from one seed to the next by as much as all else that was tried."""

HABITS: Mapping[str, frozenset[str]] = {
    "id": frozenset(),
    "en": frozenset((INSULT, THREAT, IDENTITY_ATTACK)),
}
"""Signals whose sources have biases of their own while a head learns. The Indonesian head has none: most of its rows
are written sentences, most of those bad, and calibrated on them without what tells sources apart it held far more good
YouTube comments. Nor has English toxicity, for the same reason."""

CAUTION: Mapping[str, Mapping[str, float]] = {"id": {}, "en": {IDENTITY_ATTACK: 4.0}}
"""How much more the word lists' columns cost a signal: few bad comments would trust them too much."""

TRUST: Mapping[str, Mapping[str, float]] = {
    "id": {"insult_strong": 0.5, "obscene": 0.5, "slur": 0.5, "insult_mild": 0.25},
    "en": {},
}
TRUSTING = (TOXICITY,)
"""How many logits one listed word speaks louder than the rows taught, by head and category, and for which signals.

The frames set abusive words beside their quoted, denied and friendly uses, about as often as beside abuse. Readers do
not: in their comments a strong one is abuse three times in five or more, and a head that learned from both doubts it
too much. Chosen on labelled comments in folds and on written ones that are never trained on: twice as much trust orders
those no better, and the frames worse. Insults are ordered worse with it since more labelled comments speak of them."""

GUESTS = 4
GUEST_WEIGHT = 0.8
"""One in so many rows of another language takes part in learning a head, with this part of its weight, 1 at most."""
WRITTEN_GUEST_WEIGHT = 0.25
"""The same for whole written comments: there are too many of them for the few English rows of news readers."""

ENOUGH = 300
"""Bad rows of a source that count in recommending a mark; more count together as these."""

MISSED = {TOXICITY: 0.16, SPAM: 0.045, INSULT: 0.35, THREAT: 0.35}
"""Share of bad dev comments that may stay under the recommended threshold; other signals: MISSED_ELSE."""
MISSED_ELSE = 0.4

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

    Takes five to fifteen minutes. Raises TrainingError when the extra `[train]` or the data is missing.
    """
    rows, features = prepare(data_dir, progress)
    dev = np.array([row.dev for row in rows])
    fitted = [fit_head(language, rows, features, ~dev, progress) for language in HEADS]
    small, scales = linear.quantise(np.concatenate([head.grams for head in fitted], axis=1).astype(np.float64))
    languages, language_weights, language_scales, language_bias = _languages(rows, progress)
    raw = Model(
        signals=SIGNALS,
        heads=HEADS,
        languages=languages,
        lexicon=frames.lexicon(),
        weights=small,
        scales=scales,
        dense=np.concatenate([head.dense for head in fitted], axis=1),
        bias=np.concatenate([head.bias for head in fitted]),
        inner=np.concatenate([head.inner for head in fitted], axis=1),
        inner_bias=np.concatenate([head.inner_bias for head in fitted]),
        outer=linear.diagonal([head.outer for head in fitted]),
        language_weights=language_weights,
        language_scales=language_scales,
        language_bias=language_bias,
        hold={},
        about=dataset.about(rows),
    )
    unseen = [row for row in rows if row.dev]
    texts = [row.text for row in unseen]
    progress(f"calibrating on {len(unseen):,} unseen texts")
    draft = _calibrated(raw, unseen, BuiltinScorer(raw).logits(texts))
    values = draft.probabilities(BuiltinScorer(draft).logits(texts))
    model = replace(draft, hold=recommend(unseen, values))
    model.save(out)
    progress(f"wrote {out.name}, {out.stat().st_size / 1e6:.1f} MB")
    return linear.load(out)


def prepare(data_dir: Path, progress: Progress) -> tuple[list[Example], Any]:
    """All rows, those of the dev split and held-out frames too, and their features. Raises TrainingError."""
    if any(find_spec(name) is None for name in ("scipy", "sklearn")):
        raise TrainingError("Training needs scikit-learn and scipy: pip install 'comment-moderation[train]'.")
    rows = dataset.read(data_dir)
    if not rows:
        raise TrainingError(f"There is no *.csv.gz with labelled comments in {data_dir}.")
    rows += [*frames.examples(), *comments.examples()]
    progress(f"{len(rows):,} texts")
    return rows, matrix([row.text for row in rows], progress)


def split(features: Any) -> tuple[Any, linear.Floats]:
    """The n-grams, sparse, and the dense columns of rows of features."""
    return features[:, :BUCKETS], features[:, BUCKETS:].toarray().astype(np.float32)


def fit_head(language: str, rows: Sequence[Example], features: Any, use: NDArray[np.bool_], progress: Progress) -> Head:
    """One language's head, learned from the rows that `use` names.

    A share of the other languages' rows takes part: readers mix languages, and much looks alike in both.
    """
    own = np.array([row.lang == language for row in rows])
    guests = np.array([zlib.crc32(row.text.encode()) % GUESTS == 0 for row in rows])
    places = np.flatnonzero(use & (own | guests))
    labels = np.zeros((len(places), len(SIGNALS)), dtype=np.float32)
    weights = np.zeros_like(labels)
    for number, place in enumerate(places.tolist()):
        row = rows[place]
        guest = WRITTEN_GUEST_WEIGHT if row.group in dataset.COMMENTS else GUEST_WEIGHT
        for signal, label in row.labels.items():
            column = SIGNALS.index(signal)
            labels[number, column] = label
            weight = dataset.importance(row, signal)
            weights[number, column] = weight if own[place] else min(weight, 1.0) * guest
    strengths = np.array([STRENGTH[language].get(signal, STRENGTH_RARE) for signal in SIGNALS], dtype=np.float32)
    caution = np.array([CAUTION[language].get(signal, 1.0) for signal in SIGNALS], dtype=np.float32)
    habits = _habits([rows[place] for place in places.tolist()], labels, weights, HABITS[language])
    found = fitting.fit(*split(features[places]), labels, weights, strengths, habits, caution, UNITS[language])
    bad = {signal: int((labels[:, column] * (weights[:, column] > 0)).sum()) for column, signal in enumerate(SIGNALS)}
    progress(f"head {language}: {len(places):,} texts, bad ones {bad}")
    return trusting(found, TRUST[language])


def trusting(head: Head, trust: Mapping[str, float]) -> Head:
    """The head with so many logits more for TRUSTING per word of a category in a text (of several, by their log)."""
    names = columns(frames.lexicon())
    dense = head.dense.copy()
    for category, logits in trust.items():
        for signal in TRUSTING:
            dense[names.index(category), SIGNALS.index(signal)] += logits / math.log(2)
    return replace(head, dense=dense)


def _habits(
    rows: Sequence[Example], labels: NDArray[np.float32], weights: NDArray[np.float32], signals: frozenset[str]
) -> Habits:
    """Biases of their own for the origins that hold both good and bad texts of a signal; `labels`, `weights` [n, S]."""
    names = sorted({dataset.origin(row) for row in rows})
    source = np.array([names.index(dataset.origin(row)) for row in rows], dtype=np.int64)
    own = np.zeros((len(names), len(SIGNALS)), dtype=np.float32)
    for column, signal in enumerate(SIGNALS):
        for number in range(len(names)) if signal in signals else ():
            seen = labels[(source == number) & (weights[:, column] > 0), column]
            own[number, column] = 0 < seen.sum() < len(seen)
    return Habits(source, own)


def balanced(rows: Sequence[Example], signal: str, use: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of the rows that make every source of bad ones count the same, up to ENOUGH rows."""
    groups: dict[str, list[int]] = {}
    for index in map(int, np.flatnonzero(use)):
        if dataset.importance(rows[index], signal) > 0:
            groups.setdefault(rows[index].group, []).append(index)
    result = np.zeros(len(rows))
    for places in groups.values():
        # A source with few rows must not speak as loudly as one with thousands.
        result[places] = min(len(places), ENOUGH) / len(places)
    return result


def _calibrated(raw: Model, rows: Sequence[Example], logits: linear.Floats) -> Model:
    """The model with Platt scaling in every head's weights, fitted on the unseen rows of its language as they come."""
    from sklearn.linear_model import LogisticRegression

    size = len(raw.heads) * len(SIGNALS)
    slope, offset = np.ones(size, np.float32), np.zeros(size, np.float32)
    for head, language in enumerate(raw.heads):
        for column, signal in enumerate(SIGNALS):
            weights = np.array([_calibrates(row, signal, language) for row in rows])
            keep = weights > 0
            labels = np.array([row.labels.get(signal, 0) for row in rows])
            platt = LogisticRegression(C=1e4)
            platt.fit(logits[keep, column : column + 1], labels[keep], sample_weight=weights[keep])
            place = head * len(SIGNALS) + column
            slope[place], offset[place] = platt.coef_[0, 0], platt.intercept_[0]
    return replace(
        raw,
        scales=raw.scales * slope,
        dense=raw.dense * slope,
        outer=raw.outer * slope,
        bias=raw.bias * slope + offset,
    )


def _calibrates(row: Example, signal: str, language: str) -> float:
    """What a row weighs in calibrating. Weak labels would only say what the word lists say."""
    if row.lang != language or signal not in row.labels:
        return 0.0
    if signal == SPAM:
        return dataset.HAM if "ham" in row.tags else 1.0
    return 0.0 if "weak" in row.tags else 1.0


def recommend(rows: Sequence[Example], values: linear.Floats) -> dict[str, float]:
    """Per signal the highest threshold that at most the stated share of bad comments stays under; `values` [n, S]."""
    hold = {}
    for column, signal in enumerate(SIGNALS):
        bad = np.array([row.labels.get(signal, 0) == 1 and dataset.importance(row, signal) > 0 for row in rows])
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
