"""The default policy holds where the shipped scorer's training chose to hold."""

import pytest

from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.signals import SIGNALS


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_default_hold_marks_are_those_of_the_artefact(signal: str) -> None:
    marks = DEFAULT_DOCUMENT["bands"]["builtin"][signal]
    assert marks["hold"] == pytest.approx(BuiltinScorer().recommended_hold[signal], abs=0.0011)
    assert marks["reject"] > marks["hold"]
