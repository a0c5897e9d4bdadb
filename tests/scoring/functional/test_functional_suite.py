"""The suite itself is sound: large, balanced, varied, and independent of what the scorer learned from."""

import re
import tomllib
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from moderation.scoring import comments, frames
from moderation.scoring.normalise import view
from moderation.scoring.scorer import TextScore
from moderation.signals import SIGNALS, SPAM
from tests.scoring.functional import report, suite
from tests.scoring.functional.suite import Case

FUNCTIONS = suite.by_function(suite.cases())

ONE_LANGUAGE = {"regional_javanese_sundanese", "regional_others"}
"""Functions about Indonesia's regional languages: they have no English cases."""

SHORT = 2
"""Texts of so few words ("mantap", "Tolol lu") are in any word list; only longer ones can be called copied."""

RUN = 6
"""So many words in a row (single letters left out) that two people do not write by chance."""

BY_CHANCE = frozenset({892023511})
"""Checksums of runs that two people did write: words of condolence."""


def _words_of(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", view(text).folded))


def _places(chosen: Sequence[Case]) -> list[str]:
    """Where the cases stand, without their words: who writes corpora must be able to read a failure."""
    return [f"{case.function}, case {FUNCTIONS[case.function].index(case) + 1}" for case in chosen]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _strings(inner)


@pytest.fixture(scope="module")
def learned() -> set[tuple[str, ...]]:
    """Every sentence that the corpora hold or make, folded, as words."""
    texts = {example.text for example in (*frames.examples(), *comments.examples())}
    texts.update(sentence for _, sentence in frames.sentences())
    for path in frames.FOLDER.rglob("*.toml"):
        texts.update(_strings(tomllib.loads(path.read_text("utf-8"))))
    return {_words_of(text) for text in texts}


def test_there_are_enough_functions_with_enough_cases() -> None:
    assert len(FUNCTIONS) >= 40
    assert min(map(len, FUNCTIONS.values())) >= 15


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_constant_answer_gets_half_of_a_function(function: str) -> None:
    bad = sum(case.label for case in FUNCTIONS[function])
    assert 0.4 <= bad / len(FUNCTIONS[function]) <= 0.6


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_language_does_not_give_the_label_away(function: str) -> None:
    seen = {(case.language, case.label) for case in FUNCTIONS[function]}
    for language in ("id",) if function in ONE_LANGUAGE else ("id", "en"):
        assert {(language, 0), (language, 1)} <= seen


def test_both_languages_and_their_mixture_have_their_share() -> None:
    counts = Counter(case.language for case in suite.cases())
    assert set(counts) == set(suite.LANGUAGES)
    total = len(suite.cases())
    assert counts["id"] >= 0.4 * total
    assert counts["en"] >= 0.35 * total
    assert counts["mixed"] >= 0.05 * total


def test_every_case_is_well_formed() -> None:
    for case in suite.cases():
        assert case.text == case.text.strip() != "", _places([case])
        assert case.signal in SIGNALS, _places([case])
        assert case.label in (0, 1), _places([case])


def test_a_function_tests_one_signal() -> None:
    for name, of_function in FUNCTIONS.items():
        assert len({case.signal for case in of_function}) == 1, name


def test_no_sentence_stands_twice() -> None:
    counts = Counter(_words_of(case.text) or (case.text,) for case in suite.cases())
    twice = [case for case in suite.cases() if counts[_words_of(case.text) or (case.text,)] > 1]
    assert _places(twice) == []


def test_the_readme_says_of_every_function_what_it_tests() -> None:
    listed = re.findall(r"^\* `(\w+)` \((\w+)\): \S", (suite.FOLDER / "README.md").read_text("utf-8"), re.M)
    assert sorted(listed) == sorted((name, of_function[0].signal) for name, of_function in FUNCTIONS.items())


def test_no_sentence_is_one_of_the_corpora(learned: set[tuple[str, ...]]) -> None:
    copied = [case for case in suite.cases() if len(_words_of(case.text)) > SHORT and _words_of(case.text) in learned]
    assert _places(copied) == []


def test_no_sentence_shares_a_long_run_of_words_with_the_corpora(learned: set[tuple[str, ...]]) -> None:
    runs = {run for words in learned for run in _runs(words) if zlib.crc32(" ".join(run).encode()) not in BY_CHANCE}
    copied = [case for case in suite.cases() if runs.intersection(_runs(_words_of(case.text)))]
    assert _places(copied) == []


def _runs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    words = tuple(word for word in words if len(word) > 1)
    return (words[start : start + RUN] for start in range(len(words) - RUN + 1))


class _Fixed:
    """A scorer with one answer for everything."""

    name, version, languages = "builtin", "1", frozenset({"id", "en"})

    def __init__(self, **signals: float) -> None:
        self.signals = signals

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        return [TextScore(self.signals, "id") for _ in texts]


def test_a_scorer_that_holds_all_or_nothing_gets_half() -> None:
    silent = suite.accuracy(_Fixed())
    loud = suite.accuracy(_Fixed(**dict.fromkeys(SIGNALS, 1.0)))
    assert set(silent) == set(FUNCTIONS)
    for function, share in silent.items():
        assert 0.4 <= share <= 0.6
        assert share + loud[function] == pytest.approx(1)


def test_abuse_is_held_by_any_of_seven_signals_and_spam_only_by_spam() -> None:
    abuse = Case("f", "x", "en", "threat", 1)
    advert = Case("g", "y", "en", SPAM, 1)
    marks = {"insult": 0.5, SPAM: 0.5}
    assert [one.held for one in suite.judge(_Fixed(insult=0.5, spam=0.49), [abuse, advert], marks)] == [True, False]
    assert [one.held for one in suite.judge(_Fixed(insult=0.4, spam=0.5), [abuse, advert], marks)] == [False, True]


def test_the_report_names_every_function_and_no_sentence() -> None:
    text = "\n".join(report.lines(suite.judge(_Fixed(spam=1.0)), "fixed 1"))
    for function in FUNCTIONS:
        assert re.search(rf"^{function} +\d+ ", text, re.M)
    assert _places([case for case in suite.cases() if len(case.text) > 20 and case.text in text]) == []
