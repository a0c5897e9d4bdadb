"""The default policy holds where the shipped scorer's training chose to hold."""

import pytest

from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.scoring.builtin import BuiltinScorer
from moderation.signals import SIGNALS


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_default_hold_marks_are_those_of_the_artefact(signal: str) -> None:
    marks = DEFAULT_DOCUMENT["bands"]["builtin"][signal]
    assert marks["hold"] == pytest.approx(BuiltinScorer().recommended_hold[signal], abs=0.0011)
    assert marks["reject"] > marks["hold"]


def test_what_is_held_shows_the_words_it_is_held_for() -> None:
    text = "Yang nulis berita ini goblok atau memang dibayar? Percuma diresmikan kalau tarif untuk warung tetap segitu."
    scorer = BuiltinScorer()
    found = scorer.score([text])[0]
    held = {name for name, value in found.signals.items() if value >= scorer.recommended_hold[name]}
    assert held
    assert any("goblok" in text[span.start : span.end] for span in found.spans if span.kind in held)
