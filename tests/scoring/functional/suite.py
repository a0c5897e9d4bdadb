"""Reads the functional suite and measures a scorer with it: see README.md in this folder.

A case is a sentence with the answer a newsroom moderator would give; a function is a set of cases that differ in one
capability. Every function is balanced, so that a scorer that always gives the same answer gets about half of it right.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.scoring.scorer import Scorer
from moderation.signals import SIGNALS, SPAM

FOLDER = Path(__file__).parent

LANGUAGES = ("id", "en", "mixed")


@dataclass(frozen=True, slots=True)
class Case:
    """One sentence. `label` is 1 where a reasonable moderator would hold it; `signal` says what the bad ones show."""

    function: str
    text: str
    language: str
    signal: str
    label: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A case and what the scorer made of it: `held` when a signal of the case's group reached its hold mark."""

    case: Case
    held: bool

    @property
    def right(self) -> bool:
        """Whether the scorer agrees with the label."""
        return self.held == bool(self.case.label)


@lru_cache(maxsize=1)
def cases() -> tuple[Case, ...]:
    """Every case, by file name and line. Raises TypeError on a field too many or missing, ValueError on bad JSON."""
    return tuple(
        Case(**json.loads(line))
        for path in sorted(FOLDER.glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    )


def by_function(chosen: Iterable[Case]) -> dict[str, list[Case]]:
    """The cases of each function, in the files' order."""
    found: dict[str, list[Case]] = {}
    for case in chosen:
        found.setdefault(case.function, []).append(case)
    return found


def group_of(signal: str) -> tuple[str, ...]:
    """The signals that may hold a case: spam alone, or any of the seven others."""
    return (SPAM,) if signal == SPAM else tuple(name for name in SIGNALS if name != SPAM)


def default_marks(scorer: Scorer) -> dict[str, float]:
    """The hold marks that a new site starts with for this scorer. Raises KeyError for a scorer that has none."""
    return {signal: band["hold"] for signal, band in DEFAULT_DOCUMENT["bands"][scorer.name].items()}


def judge(
    scorer: Scorer, chosen: Sequence[Case] | None = None, marks: Mapping[str, float] | None = None
) -> list[Judged]:
    """Score the cases (all of them if none are given) and hold each at the marks (the defaults if none are given).

    A signal that the scorer does not measure, or that has no mark, holds nothing.
    """
    chosen = cases() if chosen is None else chosen
    marks = default_marks(scorer) if marks is None else marks
    scores = scorer.score([case.text for case in chosen])
    return [
        Judged(case, any(score.signals.get(name, 0.0) >= marks.get(name, 2.0) for name in group_of(case.signal)))
        for case, score in zip(chosen, scores, strict=True)
    ]


def share(judged: Sequence[Judged]) -> float:
    """The share of right answers, 0..1; at least one is needed."""
    return sum(one.right for one in judged) / len(judged)


def per_function(judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    """The judged cases of each function, in their order."""
    found: dict[str, list[Judged]] = {}
    for one in judged:
        found.setdefault(one.case.function, []).append(one)
    return found


def accuracy(scorer: Scorer, marks: Mapping[str, float] | None = None) -> dict[str, float]:
    """Function → share of its cases that the scorer gets right at the marks (the default policy's if none are given).

    This is what a gate compares; the mean over functions is the suite's overall figure.
    """
    return {name: share(judged) for name, judged in per_function(judge(scorer, marks=marks)).items()}
