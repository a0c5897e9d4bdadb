"""A head learns what its rows say, the same every time; two heads speak in the shares of their languages."""

import numpy as np
import pytest

from moderation.scoring import linear
from moderation.scoring.builtin import BuiltinScorer

sparse = pytest.importorskip("scipy.sparse")
fitting = pytest.importorskip("moderation.scoring.fitting")


def _rows(count: int = 400) -> tuple[object, np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(5)
    grams = sparse.csr_matrix(chance.integers(0, 2, (count, 6)).astype(np.float32))
    dense = chance.integers(0, 2, (count, 3)).astype(np.float32)
    either = dense[:, 0] != dense[:, 1]  # no sum of columns says so
    labels = np.stack([grams.toarray()[:, 2] > 0, either], axis=1).astype(np.float32)
    return grams, dense, labels, np.ones_like(labels)


def test_a_head_learns_words_and_which_stand_together() -> None:
    grams, dense, labels, weights = _rows()
    head = fitting.fit(grams, dense, labels, weights, np.full(2, 5.0, np.float32))
    assert ((head.logits(grams, dense) > 0) == labels).mean() > 0.98
    again = fitting.fit(grams, dense, labels, weights, np.full(2, 5.0, np.float32))
    assert all(np.array_equal(one, other) for one, other in zip(vars(head).values(), vars(again).values(), strict=True))


def test_rows_without_weight_teach_nothing() -> None:
    grams, dense, labels, weights = _rows()
    wrong = labels.copy()
    wrong[200:] = 1 - wrong[200:]
    weights[200:] = 0
    head = fitting.fit(grams, dense, wrong, weights, np.full(2, 5.0, np.float32))
    assert ((head.logits(grams, dense) > 0) == labels).mean() > 0.95


def test_without_hidden_units_a_signal_is_learned_the_same_whatever_stands_beside_it() -> None:
    grams, dense, labels, weights = _rows()
    weights[:50, 0] = 0
    strengths = np.array([2.0, 5.0], np.float32)
    both = fitting.fit(grams, dense, labels, weights, strengths, units=0)
    for signal in range(2):
        own = slice(signal, signal + 1)
        alone = fitting.fit(grams, dense, labels[:, own], weights[:, own], strengths[own], units=0)
        assert np.array_equal(both.logits(grams, dense)[:, own], alone.logits(grams, dense))


def test_a_source_that_finds_fault_everywhere_does_not_teach_its_words() -> None:
    grams, dense, labels, weights = _rows()
    source = np.arange(len(labels)) % 2
    grams = sparse.csr_matrix(np.hstack([grams.toarray(), source[:, None].astype(np.float32)]))
    biased = np.maximum(labels, (source[:, None] == 1) & (np.arange(len(labels))[:, None] % 3 > 0)).astype(np.float32)
    strengths = np.full(2, 5.0, np.float32)
    habits = fitting.Habits(source, np.ones((2, 2), np.float32))
    plain = fitting.fit(grams, dense, biased, weights, strengths)
    told = fitting.fit(grams, dense, biased, weights, strengths, habits)
    assert (np.abs(told.grams[-1]) < np.abs(plain.grams[-1])).all()


def test_a_cautious_signal_trusts_the_dense_columns_less() -> None:
    grams, dense, labels, weights = _rows()
    labels[:, 1] = dense[:, 0]
    strengths = np.full(2, 5.0, np.float32)
    plain = fitting.fit(grams, dense, labels, weights, strengths)
    careful = fitting.fit(grams, dense, labels, weights, strengths, caution=np.array([1.0, 50.0], np.float32))
    assert np.abs(careful.dense[0, 1]) < np.abs(plain.dense[0, 1])


def test_heads_speak_in_the_shares_of_their_languages() -> None:
    model = BuiltinScorer().model
    chances = np.zeros((3, len(model.languages)), dtype=np.float32)
    for row, name in enumerate(model.heads):
        chances[row, model.languages.index(name)] = 1.0
    shares = model.shares(chances)
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert shares[0, 0] > 0.99
    assert shares[1, 1] > 0.99
    assert shares[2] == pytest.approx(0.5)  # a foreign text: neither knows better
    apart = np.arange(2 * len(model.signals), dtype=np.float32)
    assert model.mixed(apart, np.array([0.25, 0.75], np.float32)) == pytest.approx(
        0.25 * apart[: len(model.signals)] + 0.75 * apart[len(model.signals) :]
    )


def test_a_head_hears_its_own_hidden_units_only() -> None:
    found = linear.diagonal([np.full((2, 3), 1.0, np.float32), np.full((1, 3), 2.0, np.float32)])
    assert found.tolist() == [[1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0], [0, 0, 0, 2, 2, 2]]


def test_a_listed_word_speaks_louder_than_what_was_taught_and_for_toxicity_alone() -> None:
    pytest.importorskip("sklearn", reason="the extra [train] is not installed")
    from moderation.scoring import frames, training
    from moderation.scoring.features import BUCKETS, columns
    from moderation.signals import SIGNALS, TOXICITY

    names = columns(frames.lexicon())
    size = len(SIGNALS)
    deaf = fitting.Head(
        np.zeros((BUCKETS, size), np.float32),
        np.zeros((len(names), size), np.float32),
        np.zeros(size, np.float32),
        np.zeros((len(names), 1), np.float32),
        np.zeros(1, np.float32),
        np.zeros((1, size), np.float32),
    )
    heard = training.trusting(deaf, {"insult_mild": 0.5})
    texts = ("dasar payah", "dasar payah payah payah", "terima kasih")
    indices, values, pointers, dense = training.encode(texts)
    grams = sparse.csr_matrix((values, indices, pointers), shape=(len(texts), BUCKETS))
    logits = heard.logits(grams, dense)
    for column, signal in enumerate(SIGNALS):
        once, often, never = logits[:, column]
        assert once == pytest.approx(0.5 if signal == TOXICITY else 0.0)
        assert never == 0.0
        assert often == pytest.approx(once * np.log(4) / np.log(2))


def test_a_head_without_hidden_units_is_a_plain_sum() -> None:
    grams, dense, labels, weights = _rows()
    head = fitting.fit(grams, dense, labels, weights, np.full(2, 5.0, np.float32), units=0)
    right = (head.logits(grams, dense) > 0) == labels
    assert right[:, 0].mean() > 0.98
    assert right[:, 1].mean() < 0.9  # one column or the other, but not both: no sum says so
    assert head.logits(grams, dense) == pytest.approx(grams @ head.grams + dense @ head.dense + head.bias)
