"""Highlighting cuts the text into parts that, put together, are the text."""

from hypothesis import given
from hypothesis import strategies as st

from moderation.review.marks import Part, mark


def test_overlapping_marks_are_cut_at_every_edge() -> None:
    parts = mark("dasar goblok lo", [(0, 12, "signal", 1), (6, 12, "list", 2)])
    assert parts == [
        Part("dasar ", ("signal",), (1,)),
        Part("goblok", ("signal", "list"), (1, 2)),
        Part(" lo"),
    ]


@given(
    st.text(max_size=40),
    st.lists(st.tuples(st.integers(-5, 50), st.integers(-5, 50), st.sampled_from("abc"), st.integers(0, 3))),
)
def test_nothing_of_the_text_is_lost_or_doubled(text: str, marks: list[tuple[int, int, str, int]]) -> None:
    assert "".join(part.text for part in mark(text, marks)) == text
