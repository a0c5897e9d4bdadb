"""Five folds over the rows of both splits, for signals and sources whose dev split holds too few bad comments.

Each fold trains the heads anew without its rows and judges them; every row is judged once by a model that has not seen
it. Rows of the dev split take part only where they are measured so. Needs the extra `[train]`; some ten minutes.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.scoring import baseline, evaluation, metrics, training
from moderation.scoring.dataset import Example
from moderation.signals import IDENTITY_ATTACK, INSULT, OBSCENE, SIGNALS, THREAT, TOXICITY

FOLDS = 5

MEASURED: tuple[tuple[str, str], ...] = (
    ("en_surge", TOXICITY),
    ("en_wiki_cat", TOXICITY),
    ("en_civil_toxicspans", INSULT),
    ("en_civil_toxicspans", THREAT),
    ("en_civil_toxicspans", IDENTITY_ATTACK),
    ("en_civil_toxicspans", OBSCENE),
    ("id_judol_gbennnn", TOXICITY),
    ("id_judol_gbennnn", INSULT),
)
"""Sources and signals that are measured in folds."""


def fold_of(text: str) -> int:
    """The fold of a text, the same every time; equal texts share one."""
    return zlib.crc32(text.strip().lower().encode("utf-8", "surrogatepass")) // 7 % FOLDS


def parts(rows: list[Example]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Which rows are judged in folds, which may be learned from in the other folds, and the fold of each row."""
    sources = {source for source, _ in MEASURED}
    test = np.array(
        [row.group in sources and any(evaluation.measured(row, signal) for signal in row.labels) for row in rows]
    )
    return test, test | ~np.array([row.dev for row in rows]), np.array([fold_of(row.text) for row in rows])


def judged(rows: list[Example], features: Any, show: Callable[[str], None]) -> NDArray[np.float64]:
    """Logits [n, S] of the rows in MEASURED's sources by the head of their language; other rows stay NaN."""
    test, learned, folds = parts(rows)
    found = np.full((len(rows), len(SIGNALS)), np.nan)
    for number in range(FOLDS):
        show(f"fold {number + 1} of {FOLDS}")
        out = test & (folds == number)
        for language in training.HEADS:
            head = training.fit_head(language, rows, features, learned & ~out, show)
            own = np.flatnonzero(out & np.array([row.lang == language for row in rows]))
            found[own] = head.logits(*training.split(features[own]))
    return found


def evaluate(data_dir: Path, show: Callable[[str], None], plain: bool = False) -> None:
    """Print ROC-AUC and average precision with bootstrap intervals for MEASURED.

    With `plain` also what the plain linear baseline reaches on the same rows and folds, trained on the source's rows
    alone and on all rows of its language that are labelled for the signal.
    """
    rows, features = training.prepare(data_dir, show)
    found = judged(rows, features, show)
    show(f"{FOLDS} folds over both splits")
    few = baseline.features(features) if plain else None
    _, learned, folds = parts(rows)
    for source, signal in MEASURED:
        own = np.array([row.group == source and evaluation.measured(row, signal) for row in rows])
        places = np.flatnonzero(own)
        labels = np.array([rows[i].labels[signal] for i in places], dtype=np.int64)
        bad = int(labels.sum())
        head = f"{source:<22} {signal:<16} {len(labels) - bad:>6,} {bad:>6,}  "
        show(head + _figures(labels, found[places, SIGNALS.index(signal)]))
        if plain:
            language = np.array([row.lang == source[:2] for row in rows])
            for name, pool in (("its rows alone", own), ("all rows of the language", language & learned)):
                said = baseline.judged(rows, few, signal, own, pool, folds)
                show(f"{'  baseline, ' + name:<55} {_figures(labels, said[places])}")


def _figures(labels: NDArray[np.int64], values: NDArray[np.float64]) -> str:
    area, precision = metrics.estimates(labels, values, (evaluation.auc_of, evaluation.ap_of))
    return f"AUC {area}  AP {precision}"
