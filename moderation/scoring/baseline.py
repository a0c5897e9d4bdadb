"""What a plain linear model makes of the same folds: the measure below which the built-in model must not fall.

Logistic regression over the same hashed n-grams and four columns, the listed words that speak for insult, obscenity,
threat and attack on a group; one signal at a time, no hidden units, no weights for sources. It learns either from the
measured source alone or from every row of the language that is labelled for the signal. Needs the extra `[train]`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.scoring import frames
from moderation.scoring.dataset import Example
from moderation.scoring.features import BUCKETS, columns
from moderation.signals import IDENTITY_ATTACK, INSULT, OBSCENE, THREAT

FOUR = (INSULT, OBSCENE, THREAT, IDENTITY_ATTACK)
"""Signals that get a column of listed words."""

STRENGTH = 1.0
"""Inverse penalty, liblinear's C as scikit-learn sets it."""


def features(found: Any) -> Any:
    """The n-grams of features [n, BUCKETS + D] and the four columns: a scipy matrix [n, BUCKETS + 4]."""
    from scipy import sparse

    names = columns(frames.lexicon())
    sums = []
    for signal in FOUR:
        own = {name for lists in frames.lists().values() for name, entry in lists.items() if signal in entry["signals"]}
        sums.append(found[:, [BUCKETS + names.index(name) for name in sorted(own)]].sum(axis=1))
    return sparse.hstack([found[:, :BUCKETS], sparse.csr_matrix(np.hstack(sums))], format="csr")


def judged(
    rows: Sequence[Example],
    found: Any,
    signal: str,
    tested: NDArray[np.bool_],
    learned: NDArray[np.bool_],
    folds: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Logits [n] of the rows that `tested` names, each by a model that learned from the `learned` rows of other folds.

    `found` are the baseline's features. Rows that are not labelled for the signal teach nothing; others stay NaN.
    """
    from sklearn.linear_model import LogisticRegression

    labels = np.array([row.labels.get(signal, -1) for row in rows])
    values = np.full(len(rows), np.nan)
    for fold in sorted(set(folds.tolist())):
        out = tested & (folds == fold)
        use = learned & (labels >= 0) & ~out
        model = LogisticRegression(C=STRENGTH, solver="liblinear", max_iter=300)
        model.fit(found[use], labels[use])
        values[out] = model.decision_function(found[out])
    return values
