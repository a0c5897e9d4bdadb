"""Charts: coordinates inside the drawing, bars as high as their figures, lines that break where nothing is known."""

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given

from moderation.review import charts
from moderation.review.charts import HEIGHT, STEP

NUMBERS = st.lists(st.tuples(*[st.integers(0, 10**7)] * 3), min_size=1, max_size=90)


@given(NUMBERS)
def test_bars_stand_on_each_other_inside_the_drawing(rows: list[tuple[int, int, int]]) -> None:
    chart = charts.bars([(kind, [row[n] for row in rows]) for n, kind in enumerate("abc")])
    top = chart.ticks[0]
    assert top >= max(sum(row) for row in rows)
    for slot, row in enumerate(rows):
        marks = [mark for mark in chart.marks if slot * STEP <= mark.x < (slot + 1) * STEP]
        assert [mark.kind for mark in marks] == [kind for kind, n in zip("abc", row, strict=True) if n]
        floor = HEIGHT
        for mark in marks:
            assert 0 <= mark.y < mark.y + mark.height <= floor + 1
            assert mark.x + mark.width <= (slot + 1) * STEP
            floor = mark.y
        if marks:
            assert abs((HEIGHT - marks[-1].y) - HEIGHT * sum(row) / top) <= 1


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=90))
def test_a_line_has_a_point_for_every_value_and_breaks_where_there_is_none(values: list[float | None]) -> None:
    chart = charts.line(values, 1.0)
    points = re.findall(r"([ML])(\d+) (\d+)", chart.line)
    known = [slot for slot, value in enumerate(values) if value is not None]
    assert [int(x) // STEP for _, x, _ in points] == known
    begins = [slot for slot in known if slot == 0 or values[slot - 1] is None]
    assert [int(x) // STEP for kind, x, _ in points if kind == "M"] == begins


def test_a_single_point_is_a_dot() -> None:
    assert charts.line([None, 0.5, None], 1.0).line == f"M15 {HEIGHT // 2}h0"


def test_a_goal_is_drawn_where_it_fits() -> None:
    assert charts.line([30.0, 50.0], 60.0, 30.0).goal == f"M0 {HEIGHT // 2}H20"
    assert charts.line([1.0], 10.0, 30.0).goal == ""
    assert charts.line([1.0], 10.0).goal == ""


@given(st.integers(0, 10**12))
def test_an_axis_of_numbers_ends_near_the_greatest_and_has_a_whole_middle(most: int) -> None:
    top = charts.count_top(most)
    assert most <= top <= max(2, 2 * most)
    assert top % 2 == 0


@given(st.floats(0, 100 * charts.DAY))
def test_an_axis_of_times_ends_near_the_longest(longest: float) -> None:
    assert longest <= charts.span_top(longest) <= max(10.0, 2.5 * longest)


@pytest.mark.parametrize(
    ("slots", "labelled"), [(1, [0]), (14, list(range(14))), (30, [0, 15, 29]), (365, [0, 182, 364])]
)
def test_of_many_slots_the_first_the_middle_and_the_last_are_named(slots: int, labelled: list[int]) -> None:
    assert list(charts.bars([("a", [1] * slots)]).labelled) == labelled
