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

from moderation.scoring import evaluation, metrics, training
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


def judged(rows: list[Example], features: Any, show: Callable[[str], None]) -> NDArray[np.float64]:
    """Logits [n, S] of the rows in MEASURED's sources by the head of their language; other rows stay NaN."""
    sources = {source for source, _ in MEASURED}
    test = np.array(
        [row.group in sources and any(evaluation.measured(row, signal) for signal in row.labels) for row in rows]
    )
    dev = np.array([row.dev for row in rows])
    folds = np.array([fold_of(row.text) for row in rows])
    found = np.full((len(rows), len(SIGNALS)), np.nan)
    for number in range(FOLDS):
        show(f"fold {number + 1} of {FOLDS}")
        out = test & (folds == number)
        for language in training.HEADS:
            head = training.fit_head(language, rows, features, (test | ~dev) & ~out, show)
            own = np.flatnonzero(out & np.array([row.lang == language for row in rows]))
            found[own] = head.logits(*training.split(features[own]))
    return found


def evaluate(data_dir: Path, show: Callable[[str], None]) -> None:
    """Print ROC-AUC and average precision with bootstrap intervals for MEASURED."""
    rows, features = training.prepare(data_dir, show)
    found = judged(rows, features, show)
    show(f"{FOLDS} folds over both splits")
    for source, signal in MEASURED:
        column = SIGNALS.index(signal)
        places = [i for i, row in enumerate(rows) if row.group == source and evaluation.measured(row, signal)]
        labels = np.array([rows[i].labels[signal] for i in places], dtype=np.int64)
        area, precision = metrics.estimates(labels, found[places, column], (evaluation.auc_of, evaluation.ap_of))
        bad = int(labels.sum())
        show(f"{source:<22} {signal:<16} {len(labels) - bad:>6,} {bad:>6,}  AUC {area}  AP {precision}")
