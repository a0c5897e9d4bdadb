"""Figures of rankings and probabilities: small cases worked out by hand, and what must hold for any."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.scoring import metrics, reliability
from moderation.scoring.metrics import Bin, Curve

LABELS = np.array([1, 0, 1, 0, 0])
VALUES = np.array([0.9, 0.8, 0.7, 0.7, 0.1])


def test_a_tie_of_a_bad_and_a_good_comment_is_half_a_victory() -> None:
    # The first beats all three good ones; the other loses to .8, draws with .7 and beats .1.
    assert metrics.auc(LABELS, VALUES) == pytest.approx((3 + 1.5) / 6)


def test_average_precision_takes_equal_values_together() -> None:
    assert metrics.average_precision(LABELS, VALUES) == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)


@pytest.mark.parametrize(("share", "recall"), [(0.0, 0.5), (1 / 3, 0.5), (2 / 3, 1.0), (1.0, 1.0)])
def test_recall_is_that_of_the_lowest_mark_that_spares_enough_good_comments(share: float, recall: float) -> None:
    assert Curve.of(LABELS, VALUES).recall_at(share) == pytest.approx(recall)


def test_a_drawn_comment_counts_as_often_as_it_was_drawn() -> None:
    counts = np.array([[1, 1, 1, 1, 1], [2, 0, 1, 3, 0]])
    drawn = np.repeat(np.arange(5), counts[1])
    curve = Curve.of(LABELS, VALUES, counts)
    assert curve.auc == pytest.approx([metrics.auc(LABELS, VALUES), metrics.auc(LABELS[drawn], VALUES[drawn])])
    assert curve.average_precision[1] == pytest.approx(metrics.average_precision(LABELS[drawn], VALUES[drawn]))


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_one_class_alone_ranks_nothing(labels: list[int]) -> None:
    values = np.array([0.1, 0.2, 0.3])
    assert metrics.auc(np.array(labels), values) is None
    assert metrics.average_precision(np.array(labels), values) is None
    assert metrics.estimates(np.array(labels), values, (lambda curve: curve.auc,)) == [metrics.Estimate(None)]


def test_f1_weighs_misses_and_false_alarms_alike() -> None:
    assert metrics.f1(LABELS, VALUES >= 0.7) == pytest.approx(2 * 2 / (4 + 2))
    assert metrics.f1(np.array([0, 0]), np.array([True, False])) is None


ranked = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(label for label, _ in rows) < len(rows)
)


@given(ranked)
@settings(max_examples=60, deadline=None)
def test_the_area_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, int]]) -> None:
    bad = [value for label, value in rows if label]
    good = [value for label, value in rows if not label]
    won = sum((a > b) + (a == b) / 2 for a in bad for b in good)
    labels, values = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=float)
    assert metrics.auc(labels, values) == pytest.approx(won / (len(bad) * len(good)))
    # The other way round it is the rest, and any rising function leaves it as it is.
    assert metrics.auc(1 - labels, values) == pytest.approx(1 - won / (len(bad) * len(good)))
    assert metrics.auc(labels, np.exp(values)) == pytest.approx(won / (len(bad) * len(good)))


@given(ranked)
@settings(max_examples=20, deadline=None)
def test_an_interval_holds_its_figure_and_is_the_same_every_time(rows: list[tuple[int, int]]) -> None:
    labels, values = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=float)
    first, again = (metrics.estimates(labels, values, (lambda curve: curve.auc,), draws=200)[0] for _ in range(2))
    assert first == again
    assert first.value is not None
    assert first.low is not None
    assert first.high is not None
    assert 0 <= first.low <= first.value + 0.1
    assert first.value - 0.1 <= first.high <= 1


def test_an_interval_narrows_with_more_comments() -> None:
    def width(times: int) -> float:
        found = metrics.estimates(np.tile(LABELS, times), np.tile(VALUES, times), (lambda curve: curve.auc,))[0]
        assert found.low is not None
        assert found.high is not None
        return found.high - found.low

    assert width(100) < width(10) / 2


def test_a_share_of_none_still_has_an_interval() -> None:
    none = metrics.proportion(0.0, 50)
    assert (none.value, none.low) == (0.0, pytest.approx(0.0, abs=1e-9))
    assert none.high == pytest.approx(3.84146 / (50 + 3.84146), abs=1e-5)
    assert metrics.proportion(0.5, 0).value is None


def test_calibration_compares_what_was_said_with_what_was_seen() -> None:
    labels, values = np.array([0, 0, 1, 1, 1]), np.array([0.05, 0.09, 0.55, 0.55, 1.0])
    bins = metrics.reliability(labels, values)
    assert [one.count for one in bins] == [2, 2, 1]
    assert [one.seen for one in bins] == [0.0, 1.0, 1.0]
    assert metrics.calibration_error(bins) == pytest.approx((2 * 0.07 + 2 * 0.45 + 0) / 5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_no_comment_is_lost_between_the_bins(values: list[float], seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 2, len(values))
    bins = metrics.reliability(labels, np.array(values))
    assert sum(one.count for one in bins) == len(values)
    assert math.isclose(sum(one.count * one.seen for one in bins), labels.sum(), abs_tol=1e-9)
    assert 0 <= metrics.calibration_error(bins) <= 1


def test_the_plot_shows_every_language_and_its_error_and_runs_no_script() -> None:
    bins = [Bin(90, 0.05, 0.06), Bin(10, 0.95, 0.9)]
    drawn = reliability.draw({"en <dev>": bins, "id": bins}, "Toxicity")
    assert "en &lt;dev&gt;" in drawn
    assert drawn.count('class="dot"') == 4
    assert drawn.count(f"ECE {metrics.calibration_error(bins):.3f}") == 2
    assert "<script" not in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
