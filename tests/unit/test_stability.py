"""The population stability index: cases worked out by hand, its bands, and what chance alone makes of it."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from moderation.rescoring import stability
from moderation.rescoring.stability import FEW, MOVED, SHIFTED, STABLE

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def test_the_index_of_two_bins_is_what_a_hand_computes() -> None:
    # Without the half comment: shares .5, .5 and .25, .75, so (.25 - .5) ln(.25 / .5) + (.75 - .5) ln(.75 / .5).
    found = stability.psi(np.array([100, 100]), np.array([50, 150]))
    half = [(50 + 0.5) / 201, (150 + 0.5) / 201]
    by_hand = (half[0] - 0.5) * math.log(half[0] / 0.5) + (half[1] - 0.5) * math.log(half[1] / 0.5)
    assert found == pytest.approx(by_hand, abs=1e-12)
    assert found == pytest.approx(0.25 * math.log(2) + 0.25 * math.log(1.5), abs=0.005)


def test_the_index_of_three_bins_with_an_empty_one_is_finite_and_as_computed() -> None:
    # shares with half a comment more a bin: 2.5, 4.5, 4.5 of 11.5 and .5, 5.5, 5.5 of 11.5
    e, a = [2.5 / 11.5, 4.5 / 11.5, 4.5 / 11.5], [0.5 / 11.5, 5.5 / 11.5, 5.5 / 11.5]
    by_hand = sum((x - y) * math.log(x / y) for x, y in zip(a, e, strict=True))
    assert stability.psi(np.array([2, 4, 4]), np.array([0, 5, 5])) == pytest.approx(by_hand, abs=1e-12)
    assert by_hand == pytest.approx(0.2799 + 2 * 0.01745, abs=1e-3)


def test_equal_shares_have_the_index_nought_whatever_their_number() -> None:
    many = np.linspace(0, 1, 1000)
    assert stability.compare(many, many).index == 0
    assert stability.compare(many, many).state == STABLE


@given(SCORES, SCORES)
def test_the_index_is_never_below_nought_and_the_same_both_ways(one: list[float], other: list[float]) -> None:
    inner = stability.edges(np.array(one))
    a, b = stability.counted(np.array(one), inner), stability.counted(np.array(other), inner)
    assert a.sum() == len(one)
    assert b.sum() == len(other)
    assert stability.psi(a, b) >= -1e-12
    assert stability.psi(a, b) == pytest.approx(stability.psi(b, a))


@given(SCORES)
def test_no_bin_of_the_reference_is_empty_where_its_scores_differ(scores: list[float]) -> None:
    inner = stability.edges(np.array(scores))
    counts = stability.counted(np.array(scores), inner)
    assert 2 <= len(counts) <= stability.BINS
    assert len(set(scores)) == 1 or (counts > 0).all()


def test_equal_scores_share_a_bin_and_a_score_on_an_edge_belongs_above() -> None:
    scores = np.array([0.0] * 60 + [0.5] * 30 + [0.9] * 10)
    inner = stability.edges(scores)
    assert inner.tolist() == [0.5]
    assert stability.counted(scores, inner).tolist() == [60, 40]


def test_a_reference_of_one_value_is_still_compared() -> None:
    same, other = np.full(1000, 0.01), np.full(1000, 0.95)
    assert stability.compare(same, same).state == STABLE
    assert stability.compare(same, other).state == SHIFTED


@pytest.mark.parametrize(
    ("index", "state"),
    [(0.0, STABLE), (0.0999, STABLE), (0.1, MOVED), (0.2499, MOVED), (0.25, SHIFTED), (3.0, SHIFTED)],
)
def test_the_bands_begin_where_they_are_said_to(index: float, state: str) -> None:
    assert stability.state(index, 10_000, 10_000, 10) == state


def test_too_few_comments_are_named_so_and_not_called_drift() -> None:
    # ten bins: (1/n + 1/m) 16.919 > .1 below 339 of each
    assert stability.state(9.9, 338, 338, 10) == FEW
    assert stability.state(9.9, 339, 339, 10) == SHIFTED
    assert stability.compare(np.array([]), np.array([0.5])).index is None
    assert stability.compare(np.array([0.5]), np.array([])).state == FEW


def test_chance_alone_exceeds_its_bound_in_one_case_of_twenty() -> None:
    random = np.random.default_rng(6)
    over = 0
    for _ in range(1000):
        one, other = random.random(2000), random.random(800)
        inner = np.arange(1, 10) / 10
        over += stability.psi(stability.counted(one, inner), stability.counted(other, inner)) > stability.chance(
            800, 2000, 10
        )
    assert 0.03 < over / 1000 < 0.075
