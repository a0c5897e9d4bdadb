"""Word lists, frames, languages and figures: the parts around the model do what their names say."""

from pathlib import Path

import numpy as np
import pytest

from moderation.scoring import dataset, frames, language, lexicon, linear, metrics
from moderation.scoring.features import BUCKETS, TOKEN, Encoded
from moderation.signals import SIGNALS

WORDS = lexicon.make(
    {"insult_strong": ["goblok", "otak udang"], "you": ["lo"], "quote": ["kata"], "not": ["bukan"]},
    ["goblok", "bangsat"],
)


def _column(text: str, name: str) -> float:
    counts = WORDS.counts(WORDS.hits(text.split()))
    return counts[WORDS.columns.index(name)]


@pytest.mark.parametrize(
    ("text", "count"),
    [("dasar goblok", 1), ("goblok goblok", 2), ("gobloknya minta ampun", 1), ("otak udang lo", 1), ("otak encer", 0)],
)
def test_listed_words_and_phrases_are_counted_with_their_suffixes(text: str, count: int) -> None:
    assert _column(text, "insult_strong") == count


def test_neighbours_are_counted_within_their_reach() -> None:
    assert _column("lo goblok", "you+insult") == 1
    assert _column("goblok banget lo", "you+insult") == 1
    assert _column("lo a b c d e f goblok", "you+insult") == 0
    assert _column("bukan goblok", "not+abuse") == 1
    assert _column("goblok bukan", "not+abuse") == 0


@pytest.mark.parametrize(
    ("censored", "word"),
    [
        ("g*blok", "goblok"),
        ("g**l*k", "goblok"),
        ("b*ngs*t", "bangsat"),
        ("g*b", None),
        ("***", None),
        ("x*blok", None),
    ],
)
def test_a_censored_spelling_stands_for_a_listed_word_or_nothing(censored: str, word: str | None) -> None:
    assert WORDS.decensor(censored) == word


def test_the_same_text_gives_the_same_features_wherever_it_stands() -> None:
    alone = Encoded("goblok", WORDS).whole()
    company = Encoded("hari ini goblok sekali", WORDS).whole()
    assert set(alone.chars) <= set(company.chars)
    assert set(alone.words) <= set(company.words)
    assert alone.chars.max() < BUCKETS


def test_a_part_of_a_text_sees_its_own_words_only() -> None:
    text = "a " * 300 + "goblok"
    encoded = Encoded(text, WORDS)
    column = WORDS.columns.index("insult_strong")
    assert encoded.part(0, 400).dense[column] == 0
    assert encoded.part(400, 606).dense[column] > 0


def test_every_token_knows_its_place_in_the_original() -> None:
    text = "𝓖oblok, g0bl0k dan g o b l o k"
    encoded = Encoded(text, WORDS)
    places = [encoded.origin(*place) for place in zip(*(side.tolist() for side in encoded.places), strict=True)]
    assert all(place is not None and 0 <= place[0] < place[1] <= len(text) for place in places)
    written = [text[place[0] : place[1]] for place in places if place is not None]
    assert written[0] == "𝓖oblok"
    assert "g o b l o k" in written


def test_every_frame_expands_to_labelled_sentences_without_open_slots() -> None:
    found = frames.examples()
    assert len(found) > 5000
    assert all("{" not in example.text and example.text for example in found)
    assert all(set(example.labels) <= set(SIGNALS) for example in found)
    assert {example.lang for example in found} == {"id", "en"}
    for signal in SIGNALS:
        assert {example.labels.get(signal) for example in found} >= {0, 1}


def test_held_out_frames_share_no_plain_sentence_with_the_others() -> None:
    found = [example for example in frames.examples() if example.weight == 1.0]
    seen = {example.text for example in found if not example.dev}
    unseen = {example.text for example in found if example.dev}
    assert len(seen & unseen) <= len(unseen) * 0.01


def test_the_corpora_expand_the_same_way_every_time() -> None:
    assert [example.text for example in frames.examples()] == [example.text for example in frames.examples()]


def test_every_listed_word_is_one_that_the_features_can_meet() -> None:
    words = frames.lexicon()
    for term in words.terms:
        assert term == " ".join(TOKEN.findall(term.lower()))
        assert 1 <= len(term.split(" ")) <= lexicon.MAX_PHRASE


@pytest.mark.parametrize(
    ("char", "code"), [("ж", "ru"), ("中", "zh"), ("か", "ja"), ("한", "ko"), ("ก", "th"), ("a", ""), ("é", "")]
)
def test_a_script_names_its_main_language(char: str, code: str) -> None:
    assert language.script_of(char) == code


def test_the_area_under_the_curve_counts_ties_half() -> None:
    labels = np.array([0, 0, 1, 1])
    assert metrics.auc(labels, np.array([0.1, 0.2, 0.3, 0.4])) == 1.0
    assert metrics.auc(labels, np.array([0.5, 0.5, 0.5, 0.5])) == 0.5
    assert metrics.auc(labels, np.array([0.1, 0.4, 0.3, 0.5])) == 0.75
    assert metrics.auc(np.array([1, 1]), np.array([0.1, 0.2])) is None


def test_average_precision_is_one_only_for_a_perfect_ranking() -> None:
    labels = np.array([0, 1, 0, 1])
    assert metrics.average_precision(labels, np.array([0.1, 0.9, 0.2, 0.8])) == 1.0
    assert metrics.average_precision(labels, np.array([0.5, 0.5, 0.5, 0.5])) == 0.5
    assert metrics.average_precision(labels, np.array([0.9, 0.8, 0.1, 0.2])) == pytest.approx(7 / 12)


def test_weights_survive_eight_bits() -> None:
    weights = np.random.default_rng(3).normal(size=(5000, 3)) * [0.1, 1.0, 5.0]
    small, scales = linear.quantise(weights)
    assert small.dtype == np.int8
    assert np.abs(small * scales - weights).mean() < 0.02 * np.abs(weights).mean() * 2


def test_a_folder_without_data_trains_nothing(tmp_path: Path) -> None:
    training = pytest.importorskip("moderation.scoring.training")
    pytest.importorskip("sklearn", reason="the extra [train] is not installed")
    with pytest.raises(training.TrainingError, match=r"no \*\.csv\.gz"):
        training.train(tmp_path, tmp_path / "out.npz", lambda text: None)
    assert dataset.read(tmp_path) == []


def test_training_without_its_extra_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from moderation.scoring import training

    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(training.TrainingError, match=r"\[train\]"):
        training.train(tmp_path, tmp_path / "out.npz", lambda text: None)
