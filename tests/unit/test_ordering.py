"""Which event counts does not depend on the order or number of arrivals."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.comments.ordering import Orders, apply, order_key, same_kind

NOW = datetime(2026, 11, 23, tzinfo=UTC)

EVENTS = st.lists(
    st.tuples(st.sampled_from(["created", "updated", "deleted"]), st.integers(0, 5), st.integers(0, 3)),
    min_size=1,
    max_size=8,
    unique_by=lambda event: (event[1], event[2]),
)


def run(events: list[tuple[str, int, int]]) -> tuple[Orders, str]:
    """The orders after `events`, and the key of the content that stands."""
    orders, content = Orders(), ""
    for kind, seconds, number in events:
        key = order_key(NOW + timedelta(seconds=seconds), f"msg_{number}")
        orders, newest = apply(orders, kind, key)
        if newest:
            content = key
    return orders, content


@given(EVENTS, st.randoms(use_true_random=False))
def test_any_order_and_repetition_ends_alike(events: list[tuple[str, int, int]], random: object) -> None:
    shuffled = events * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert run(shuffled) == run(sorted(events, key=lambda event: event[1:]))


@pytest.mark.parametrize(
    ("kinds", "withdrawn"),
    [
        (["created"], False),
        (["deleted"], True),
        (["created", "deleted"], True),
        (["deleted", "updated"], True),
        (["created", "deleted", "updated"], True),
        (["created", "deleted", "created"], False),
        (["deleted", "created"], False),
        (["updated"], False),
    ],
)
def test_a_delete_is_final_unless_a_create_is_later(kinds: list[str], withdrawn: bool) -> None:
    orders, _ = run([(kind, seconds, 0) for seconds, kind in enumerate(kinds)])
    assert orders.withdrawn is withdrawn


def test_microseconds_and_ids_break_ties() -> None:
    earlier, later = order_key(NOW, "b"), order_key(NOW + timedelta(microseconds=1), "a")
    assert earlier < later
    assert order_key(NOW, "a") < order_key(NOW, "b")
    assert order_key(NOW, "z", 2) < order_key(NOW, "a", 10)


def test_orders_by_revision_and_by_time_do_not_mix() -> None:
    orders, _ = apply(Orders(), "created", order_key(NOW, "a", 1))
    assert same_kind(orders, order_key(NOW, "b", 2))
    assert not same_kind(orders, order_key(NOW, "b"))
    assert same_kind(Orders(), order_key(NOW, "b"))
