"""The queue's order: risk, reach and age, in hours of waiting."""

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given

from moderation.review import priority

NOW = datetime(2026, 11, 22, 14, 31, tzinfo=UTC)
RISK, COMMENTS = st.floats(0, 1), st.integers(0, 10**7)
MOMENT = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


def test_the_greatest_risk_is_worth_a_day() -> None:
    assert priority.of(1.0, 0, NOW) == pytest.approx(priority.of(0.0, 0, NOW - timedelta(days=1)))


def test_ten_times_as_many_comments_are_worth_six_hours() -> None:
    assert priority.of(0.5, 9, NOW) == pytest.approx(priority.of(0.5, 0, NOW - timedelta(hours=6)))
    assert priority.of(0.5, 99, NOW) == pytest.approx(priority.of(0.5, 9, NOW - timedelta(hours=6)))


def test_who_waits_longer_comes_first_among_equals() -> None:
    assert priority.of(0.3, 5, NOW - timedelta(seconds=1)) > priority.of(0.3, 5, NOW)


@given(RISK, COMMENTS, MOMENT, RISK, COMMENTS, MOMENT, st.integers(0, 10**6))
def test_two_comments_keep_their_order_however_old_they_grow(
    risk: float, n: int, at: datetime, other_risk: float, m: int, other_at: datetime, hours: int
) -> None:
    """That is why the number is stored once: what a clock would add, it adds to both."""
    first, second = priority.of(risk, n, at), priority.of(other_risk, m, other_at)
    now = max(at, other_at) + timedelta(hours=hours)
    parts = [priority.explain(moment, *what, now) for moment, *what in ((at, risk, n), (other_at, other_risk, m))]
    mine, theirs = (part.risk_hours + part.reach_hours + part.waited_hours for part in parts)
    if abs(mine - theirs) > 1e-6:
        assert (first > second) == (mine > theirs)


def test_a_place_is_explained_by_its_parts() -> None:
    found = priority.explain(NOW - timedelta(hours=2), 0.5, 99, NOW)
    assert (found.risk_hours, found.reach_hours, found.waited_hours) == pytest.approx((12.0, 12.0, 2.0))


def test_a_clock_that_was_set_back_makes_nobody_wait_less_than_not_at_all() -> None:
    assert priority.explain(NOW + timedelta(minutes=1), 0.0, 0, NOW).waited_hours == 0.0
