"""The words behind a score that a network cannot name: found by leaving each out, within a budget."""

from collections.abc import Sequence

import pytest

from moderation.scoring import explaining
from moderation.scoring.explaining import explain
from moderation.scoring.normalise import view


class Network:
    """Scores by its own list of bad words, and counts what it was asked."""

    def __init__(self, **weights: float) -> None:
        self.weights = weights
        self.texts = 0
        self.words = 0

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        self.texts += len(texts)
        self.words += sum(len(text.split()) for text in texts)
        return [{"toxicity": self.chance(text), "threat": 0.9 if "kill" in text.split() else 0.01} for text in texts]

    def chance(self, text: str) -> float:
        plain = [word.strip(".,!").casefold() for word in view(text).plain.split()]
        odds = 2.0 ** (sum(self.weights.get(word, 0.0) for word in plain) - 6)
        return odds / (1 + odds)


def words(text: str, network: Network, *signals: str) -> list[tuple[str, str]]:
    found = explain(network.predict, text, signals or ("toxicity",), read=lambda word: view(word).plain)
    return [(text[span.start : span.end], span.kind) for span in found]


def test_the_words_that_a_score_rests_on_are_named() -> None:
    network = Network(idiot=9.0, stupid=6.0, rather=0.5)
    assert words("You are a rather stupid man, an idiot!", network) == [("stupid", "toxicity"), ("idiot!", "toxicity")]


def test_each_signal_has_its_own_words() -> None:
    network = Network(idiot=9.0)
    found = words("idiot I will kill you", network, "toxicity", "threat")
    assert found == [("idiot", "toxicity"), ("kill", "threat")]


def test_neighbours_are_one_place_and_a_repeated_word_is_left_out_everywhere() -> None:
    network = Network(idiot=9.0, fool=9.0)
    assert words("idiot fool, yes: IDIOT", network) == [("idiot fool,", "toxicity"), ("IDIOT", "toxicity")]


def test_words_of_which_each_alone_is_enough_are_found() -> None:
    class Saturated(Network):
        def chance(self, text: str) -> float:
            return 0.99 if {"idiot", "fool"} & set(text.split()) else 0.01

    assert words("this idiot is a fool", Saturated()) == [("idiot", "toxicity"), ("fool", "toxicity")]


def test_disguised_words_are_named_where_they_stand() -> None:
    text = "well 𝐢𝐝𝐢𝐨𝐭 then"
    (span,) = explain(Network(idiot=9.0).predict, text, ["toxicity"], read=lambda word: view(word).plain)
    assert (text[span.start : span.end], span.detail) == ("𝐢𝐝𝐢𝐨𝐭", "idiot")


def test_a_score_that_rests_on_no_word_has_none() -> None:
    assert words("a good article", Network()) == []
    assert words("", Network()) == []
    assert words("?! …", Network()) == []


@pytest.mark.parametrize("size", [100, 2_000, 20_000])
def test_a_long_text_is_explained_within_a_budget(size: int) -> None:
    network = Network(idiot=9.0)
    filler = [f"word{n}" for n in range(size)]
    filler[size * 2 // 3] = "idiot"
    assert words(" ".join(filler), network) == [("idiot", "toxicity")]
    assert network.texts <= 2 * explaining.MOST_JUDGED + 2 + 2 * size / explaining.STRETCH
    assert network.words <= (2 * explaining.MOST_JUDGED + 2) * explaining.STRETCH + 2 * size
