"""Measures the built-in model on labelled comments: ranking per source and signal, and what its thresholds would do.

Only rows that training has not seen count: the data's `dev` split, held-out frames, and files that are for measuring
only. Needs numpy alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moderation.scoring import dataset, frames
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.dataset import Example
from moderation.scoring.features import Encoded
from moderation.signals import SIGNALS, SPAM

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table. `auc` and `ap` are None where only one class is there.

    `caught` is the share of bad comments at or over the signal's hold threshold, `held` the share of good ones.
    """

    source: str
    lang: str
    signal: str
    good: int
    bad: int
    auc: float | None
    ap: float | None
    caught: float | None
    held: float | None


def auc(labels: NDArray[np.int64], values: Floats) -> float | None:
    """Area under the ROC curve by ranks, ties counted half (Mann and Whitney 1947)."""
    bad = int(labels.sum())
    good = len(labels) - bad
    if bad == 0 or good == 0:
        return None
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[labels == 1].sum() - bad * (bad + 1) / 2) / (bad * good))


def average_precision(labels: NDArray[np.int64], values: Floats) -> float | None:
    """Mean precision over the ranks of the bad ones, equal values taken together."""
    bad = int(labels.sum())
    if bad == 0 or bad == len(labels):
        return None
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(labels[order])
    last = np.flatnonzero(np.diff(values[order], append=-np.inf))
    precision = hits[last] / (last + 1)
    recall = hits[last] / bad
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def probabilities(scorer: BuiltinScorer, texts: Sequence[str]) -> Floats:
    """The signals of texts, [n, S], as the scorer gives them."""
    model = scorer.model
    rows = [model.probabilities(scorer.logits(Encoded(text, model.lexicon))) for text in texts]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(SIGNALS))


def measure(scorer: BuiltinScorer, rows: Sequence[Example]) -> tuple[list[Result], list[tuple[str, int, float]]]:
    """The table, and per source of good comments (source, how many, share held by any signal)."""
    values = probabilities(scorer, [row.text for row in rows])
    hold = np.array([scorer.recommended_hold.get(name, 1.0) for name in SIGNALS])
    sources = sorted({(row.group, row.lang) for row in rows})
    results, held = [], []
    for source, lang in sources:
        index = np.array([i for i, row in enumerate(rows) if (row.group, row.lang) == (source, lang)])
        for column, signal in enumerate(SIGNALS):
            known = np.array([i for i in index if _measured(rows[i], signal)], dtype=np.int64)
            if len(known) >= 10:
                labels = np.array([rows[i].labels[signal] for i in known])
                results.append(_result(source, lang, signal, labels, values[known, column], hold[column]))
        good = [i for i in index if _good(rows[i])]
        if len(good) >= 10:
            held.append((source, len(good), float((values[good] >= hold).any(axis=1).mean())))
    return results, held


def _measured(row: Example, signal: str) -> bool:
    """Weak labels rank nothing: they only count among the good comments."""
    weak = "weak" in row.tags and signal != SPAM
    return signal in row.labels and not weak and not (signal == SPAM and "ham" in row.tags)


def _good(row: Example) -> bool:
    return bool(row.labels) and not any(row.labels.values())


def _result(source: str, lang: str, signal: str, labels: NDArray[np.int64], values: Floats, hold: float) -> Result:
    over = values >= hold
    bad = int(labels.sum())
    return Result(
        source,
        lang,
        signal,
        len(labels) - bad,
        bad,
        auc(labels, values),
        average_precision(labels, values),
        float(over[labels == 1].mean()) if bad else None,
        float(over[labels == 0].mean()) if bad < len(labels) else None,
    )


def _number(value: float | None) -> str:
    return "    –" if value is None else f"{value:5.3f}"


def evaluate(data_dir: Path, extra: Sequence[Path] = (), show: Callable[[str], None] = print) -> list[Result]:
    """Print and return the table for the unseen rows of `data_dir`, the held-out frames and the `extra` files.

    `extra` files are for measuring only: all their rows count, whatever split they name.
    """
    scorer = BuiltinScorer()
    rows = [row for row in [*dataset.read(data_dir), *frames.examples()] if row.dev]
    for path in extra:
        rows.extend(dataset.read_file(path))
    results, held = measure(scorer, rows)
    show(f"scorer {scorer.version}, hold thresholds {dict(scorer.recommended_hold)}")
    show(f"{'source':<22} {'':<2} {'signal':<16} {'good':>6} {'bad':>5}   AUC    AP  caught  held")
    for line in results:
        show(
            f"{line.source:<22} {line.lang:<2} {line.signal:<16} {line.good:>6} {line.bad:>5} "
            f"{_number(line.auc)} {_number(line.ap)}  {_number(line.caught)} {_number(line.held)}"
        )
    show("good comments held by any signal:")
    for source, count, share in held:
        show(f"{source:<22} {count:>6}  {share:.1%}")
    return results
