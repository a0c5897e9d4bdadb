"""The retry schedule: ten attempts over three days, a receiver's wish honoured within bounds, jitter that only adds."""

import pytest

from moderation.delivery import schedule
from moderation.delivery.schedule import DELAYS, next_delay


def zero() -> float:
    return 0.0


def test_the_delays_are_those_of_standard_webhooks() -> None:
    hours = [0, 5 / 3600, 5 / 60, 0.5, 2, 5, 10, 14, 20, 24]
    assert [next_delay(made, None, zero) for made in range(10)] == pytest.approx([hour * 3600 for hour in hours])


def test_after_the_tenth_attempt_it_is_a_dead_letter() -> None:
    assert next_delay(9, None, zero) == 24 * 3600
    assert next_delay(10, None, zero) is None
    assert next_delay(11, 30.0, zero) is None


def test_retry_after_lengthens_a_delay_up_to_a_day_and_never_shortens_one() -> None:
    assert next_delay(1, 120.0, zero) == 120.0
    assert next_delay(2, 1.0, zero) == 300.0
    assert next_delay(1, 10_000_000.0, zero) == 24 * 3600
    assert next_delay(1, -5.0, zero) == 5.0


@pytest.mark.parametrize("made", range(1, 10))
def test_jitter_adds_at_most_a_fifth(made: int) -> None:
    assert next_delay(made, None, lambda: 0.999999) == pytest.approx(DELAYS[made] * 1.2, rel=1e-3)
    assert next_delay(made, None, lambda: 0.5) == pytest.approx(DELAYS[made] * 1.1)


def test_the_first_attempt_is_made_at_once() -> None:
    assert next_delay(0, None, lambda: 0.9) == 0.0


def test_an_endpoint_is_paused_by_many_failures_over_some_time_and_by_neither_alone() -> None:
    assert schedule.must_pause(10, 600.0)
    assert not schedule.must_pause(9, 86_400.0)
    assert not schedule.must_pause(500, 599.0)


def test_a_failing_endpoint_rests_longer_and_longer_up_to_a_minute() -> None:
    rests = [schedule.rest(failures, 500, None) for failures in range(1, 12)]
    assert rests == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_only_429_and_503_may_ask_the_endpoint_to_rest_and_for_an_hour_at_most() -> None:
    asked = [schedule.rest(1, status, 120.0) for status in (429, 503, 500, None)]
    assert asked == [120, 120, 0, 0]
    assert schedule.rest(1, 429, 1e9) == 3600


def test_probes_of_a_paused_endpoint_come_half_as_often_each_time_and_every_hour_at_least() -> None:
    paused, distances = 0.0, []
    for _ in range(7):
        distances.append(schedule.next_probe(paused, lambda: 0.0) / 60)
        paused += distances[-1] * 60
    assert distances == [5, 5, 10, 20, 40, 60, 60]
    assert schedule.next_probe(0.0, lambda: 0.999) > 300
