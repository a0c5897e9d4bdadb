"""The shipped scorer says the same everywhere: probabilities of some texts are kept, see golden.py."""

import json

import pytest

from tests.scoring import golden


def test_the_scorer_says_what_it_said_when_it_was_shipped() -> None:
    kept = json.loads(golden.FILE.read_text("utf-8"))
    found = golden.judged()
    assert [one["text"] for one in kept] == [one["text"] for one in found]
    for before, now in zip(kept, found, strict=True):
        assert now["language"] == before["language"], now["text"]
        assert now["signals"] == pytest.approx(before["signals"], abs=1e-4), now["text"]
