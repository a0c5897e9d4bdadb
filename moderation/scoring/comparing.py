"""Is one way of judging better than another? Both on the same comments that people decided, with bootstrap intervals.

The sample is drawn again BOOTSTRAPS times, the same draw for both (Efron and Tibshirani 1993, percentile intervals).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from moderation import wordings
from moderation.scoring.metrics import BOOTSTRAPS, LEVEL, SEED, Labels, auc
from moderation.scoring.newsroom import Floats

LEAST = 10
"""Of fewer good or bad comments nothing is concluded."""

MOST_NEWLY_HELD = 0.02
"""Share of the comments that the machine approved and nobody objected to which may be held in addition."""

FIGURES = ("auc", "precision", "recall", "brier")

Estimate = list[float | None]
"""A figure with the ends of its interval; nulls where it cannot be computed."""


def compare(labels: Labels, before: Floats, after: Floats, mark: float, mark_after: float) -> dict[str, Any]:
    """Figures of two ways of judging the same comments: `before`, `after` and `difference` (after less before).

    `mark`, `mark_after`: the probability from which either holds a comment; precision and recall are those of holding
    the bad.
    """
    draws = np.random.default_rng(SEED).integers(0, len(labels), (BOOTSTRAPS, len(labels)))
    both = ((before, mark), (after, mark_after))
    here = [_figures(labels, values, at) for values, at in both]
    drawn = [
        [_figures(labels[draw], values[draw], at) for values, at in both]
        for draw in draws
        if 0 < labels[draw].sum() < len(draw)
    ]
    return {
        "good": int((labels == 0).sum()),
        "bad": int(labels.sum()),
        "mark": mark,
        "mark_after": mark_after,
        "before": {name: _estimate(here[0][name], [pair[0][name] for pair in drawn]) for name in FIGURES},
        "after": {name: _estimate(here[1][name], [pair[1][name] for pair in drawn]) for name in FIGURES},
        "difference": {
            name: _estimate(_less(here[1][name], here[0][name]), [_less(b[name], a[name]) for a, b in drawn])
            for name in FIGURES
        },
    }


@dataclass(frozen=True, slots=True)
class Objection:
    """What speaks against a version: a key of wordings.OBJECTIONS, the signal, and the figures by the places' names:
    `change` of a figure, or shares `before` and `after` (0..1)."""

    code: str
    signal: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


def found_against(heads: Mapping[str, Mapping[str, Any]], *, better: bool) -> list[Objection]:
    """What speaks against `after` in what was measured (`compare` per signal, with `passed` where it was measured);
    empty when nothing does. `better`: it must rank better for one signal at least, beyond chance."""
    if not heads:
        return [Objection("too_few")]
    found = []
    if better and not any(_low(head, "auc") > 0 for head in heads.values()):
        found.append(Objection("not_better"))
    for signal, head in heads.items():
        auc_change, brier_change = head["difference"]["auc"], head["difference"]["brier"]
        if auc_change[2] is not None and auc_change[2] < 0:
            found.append(Objection("ranks_worse", signal, {"change": auc_change[0]}))
        if brier_change[1] is not None and brier_change[1] > 0:
            found.append(Objection("further_off", signal, {"change": brier_change[0]}))
        passed = head.get("passed")
        if passed and passed["after"] - passed["before"] > MOST_NEWLY_HELD:
            found.append(Objection("holds_more", signal, {name: passed[name] for name in ("after", "before")}))
    return found


def objections(heads: Mapping[str, Mapping[str, Any]], *, better: bool) -> list[str]:
    """`found_against` as English sentences, as a report keeps them."""
    return [
        wordings.OBJECTIONS[one.code]
        % {
            "signal": one.signal,
            **{name: f"{value:+.3f}" if name == "change" else f"{value:.1%}" for name, value in one.figures.items()},
        }
        for one in found_against(heads, better=better)
    ]


def enough(labels: Labels) -> bool:
    """Whether there are enough good and bad ones to conclude anything."""
    return min(int(labels.sum()), int((labels == 0).sum())) >= LEAST


def _low(head: Mapping[str, Any], name: str) -> float:
    low = head["difference"][name][1]
    return float("-inf") if low is None else float(low)


def _figures(labels: Labels, values: Floats, mark: float) -> dict[str, float | None]:
    over, bad = values >= mark, labels == 1
    caught = int((over & bad).sum())
    return {
        "auc": auc(labels, values),
        "precision": caught / int(over.sum()) if over.any() else None,
        "recall": caught / int(bad.sum()) if bad.any() else None,
        "brier": float(np.mean((values - labels) ** 2)) if len(labels) else None,
    }


def _less(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _estimate(value: float | None, drawn: Sequence[float | None]) -> Estimate:
    known = [one for one in drawn if one is not None]
    if value is None or len(known) < BOOTSTRAPS // 2:
        return [None if value is None else round(value, 5), None, None]
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [round(value, 5), round(float(low), 5), round(float(high), 5)]
