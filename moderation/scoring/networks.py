"""What Detoxify's networks are, without loading one: kinds, languages, labels, and the numbers they may give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from moderation.scoring.batching import Scores
from moderation.scoring.scorer import ScorerError
from moderation.signals import SIGNALS

KINDS: Mapping[str, frozenset[str]] = {
    "original": frozenset({"en"}),
    "unbiased": frozenset({"en"}),
    "multilingual": frozenset({"en", "es", "fr", "it", "pt", "ru", "tr"}),
    "custom": frozenset({"en"}),
}
"""Languages that the published models were trained on (Detoxify's README); `custom` needs to be told."""

_HOUSE_NAMES = {"toxic": "toxicity", "severe_toxic": "severe_toxicity", "identity_hate": "identity_attack"}


class Network(Protocol):
    """Weights that are loaded, with what it takes to run them."""

    @property
    def together(self) -> int:
        """How many texts one call should judge, so that it need not wait until all are read; 0 for all of them."""

    @property
    def precision(self) -> str:
        """What its numbers are computed in: `int8`, `fp32`, `bf16`, or `torch`, which is the package itself."""

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Signals of each text: per signal the highest of its windows. Raises ScorerError."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a checkpoint is: its kind, the languages that kind speaks, its own label names."""

    kind: str
    languages: frozenset[str]
    classes: tuple[str, ...]


def house_name(label: str) -> str:
    """A label of any of the published models as this house (and Detoxify's newer models) calls it."""
    return _HOUSE_NAMES.get(label, label)


def kind_of(model_name: str, classes: Sequence[str]) -> str:
    """The kind of a checkpoint, by its architecture and its labels."""
    if model_name.startswith("XLMRoberta"):
        return "multilingual"
    if {"toxic", "identity_hate"} <= set(classes):
        return "original"
    if {"toxicity", "severe_toxicity", "identity_attack"} <= set(classes):
        return "unbiased"
    return "custom"


def signals_of_all(classes: Sequence[str], scores: Scores) -> list[dict[str, float]]:
    """Probabilities [texts, labels] as signal → probability per text; labels that are no signal are left out.

    Raises ScorerError where a number is no probability.
    """
    names = [house_name(label) for label in classes]
    wrong = np.argwhere(~((scores >= 0.0) & (scores <= 1.0)))  # what is no number is neither
    if len(wrong):
        text, label = wrong[0]
        raise ScorerError(f"Detoxify gave {scores[text, label]} for {names[label]}: not a probability.")
    kept = [place for place, name in enumerate(names) if name in SIGNALS]
    chosen = [names[place] for place in kept]
    rows = scores[:, kept].astype(np.float64).round(5).tolist()
    return [dict(zip(chosen, row, strict=True)) for row in rows]
