"""Threshold advice: the lowest mark that reaches the wanted precision, with bounds; none from too few decisions."""

import numpy as np
import pytest

from moderation.rescoring import advice
from moderation.rescoring.columns import Columns
from moderation.rescoring.window import Window
from moderation.scoring.metrics import wilson
from moderation.signals import SIGNALS


def columns(values: list[float], human: list[int], stands: list[int] | None = None) -> Columns:
    """Comments of which only insult was measured, by the built-in; published where it is not said how they stand."""
    n = len(values)
    given, scorer = np.full((n, len(SIGNALS)), np.nan), np.full((n, len(SIGNALS)), -1, np.int8)
    place = SIGNALS.index("insult")
    given[:, place], scorer[:, place] = values, 0
    numbers, codes, flags = np.arange(1, n + 1), np.zeros(n, np.int8), np.zeros(n, np.bool_)
    return Columns(
        *(Window(1, 1, n), numbers, numbers, codes if stands is None else np.array(stands, np.int8)),
        *(np.array(human, np.int8), numbers, given, scorer, ("builtin",)),
        *(numbers, flags, ~flags, flags, ~flags, flags, flags, {}, flags, codes, 0, 1),
    )


def test_the_advice_is_the_lowest_mark_that_reaches_the_precision() -> None:
    # From 0.57 on nine of ten were rejected; below it one of ten; 0.57 itself is at the mark, as for the rules.
    values = [0.57] * 200 + [0.3] * 200
    human = ([2] * 9 + [0]) * 20 + ([0] * 9 + [2]) * 20
    told = advice.advise(columns(values, human), "builtin", "insult", 0.8)
    assert (told.state, told.decisions, told.rejections) == (advice.REACHED, 400, 200)
    assert told.point is not None
    assert (told.point.decided, told.point.rejected, told.point.recall) == (200, 180, 0.9)
    assert told.point.mark == 0.301, "between 0.3 and 0.57 nothing differs: the lowest mark holds the most"
    assert told.low == told.high == 0.301
    assert told.read == 1.0
    assert [point.decided for point in told.curve] == sorted((point.decided for point in told.curve), reverse=True)


def test_few_decisions_give_no_advice() -> None:
    told = advice.advise(columns([0.9] * 19, [2] * 10 + [0] * 9), "builtin", "insult", 0.5)
    assert (told.state, told.decisions, told.point) == (advice.FEW, 19, None)


def test_a_precision_that_no_mark_reaches_is_said_to_be_out_of_reach() -> None:
    told = advice.advise(columns([0.5] * 200, ([0] * 9 + [2]) * 20), "builtin", "insult", 0.9)
    assert (told.state, told.point) == (advice.NEVER, None)
    assert told.curve


def test_comments_that_nobody_decided_count_only_for_how_many_were_read() -> None:
    told = advice.advise(columns([0.9] * 400, [2] * 150 + [0] * 50 + [-1] * 200), "builtin", "insult", 0.5)
    assert (told.decisions, told.read) == (200, 0.5)


def test_what_passed_unread_counts_as_approved_so_that_nobody_is_advised_to_hold_everything() -> None:
    # From 0.5 on all is held and read. Below it all passes but for fifty that were held for something else; of those
    # people rejected most, so that of what people decided "hold everything" would reach the precision, too.
    values = [0.6] * 200 + [0.1] * 50 + [0.1] * 2000
    human = [2] * 140 + [0] * 60 + [2] * 45 + [0] * 5 + [-1] * 2000
    told = advice.advise(columns(values, human), "builtin", "insult", 0.6)
    assert told.point is not None
    assert (told.point.mark, told.point.decided, told.point.unread) == (0.101, 200, 0)
    assert (told.low, told.high) == (0.101, 0.101)
    everything = told.curve[0]
    assert (everything.decided, everything.unread, everything.precision) == (250, 2000, 185 / 2250)


def test_what_waits_does_not_count_as_passed_unread() -> None:
    values, human = [0.6] * 150 + [0.2] * 50 + [0.2] * 500, [2] * 140 + [0] * 10 + [2] * 40 + [0] * 10 + [-1] * 500
    waiting = advice.advise(columns(values, human, [0] * 200 + [1] * 500), "builtin", "insult", 0.6)
    passed = advice.advise(columns(values, human), "builtin", "insult", 0.6)
    assert waiting.point is not None
    assert passed.point is not None
    assert (waiting.point.mark, passed.point.mark) == (0.0, 0.201)


def test_an_archive_that_nobody_read_says_nothing_against_a_mark() -> None:
    values, human = [0.9] * 200 + [0.2] * 200, [2] * 180 + [0] * 20 + [0] * 200
    told = advice.advise(columns([*values, *values], human + [-1] * 400), "builtin", "insult", 0.8)
    assert told.point is not None
    assert (told.point.mark, told.point.unread, told.point.precision, told.read) == (0.201, 0, 0.9, 0.5)


def test_wilsons_interval_is_that_of_the_paper() -> None:
    # 15 of 50: 0.1910 to 0.4375, as every table of it has.
    assert wilson(15, 50) == pytest.approx((0.1910, 0.4375), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
