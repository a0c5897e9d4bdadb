"""What new scores would change: counts that add up, and which signal speaks for a move."""

import json
from collections import Counter
from functools import reduce
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.policy.document import Band
from moderation.rescoring import diff
from moderation.rescoring.diff import ACTIONS, Subject

SIGNALS = ("insult", "spam", "threat")

_scores = st.dictionaries(st.sampled_from(SIGNALS), st.floats(0, 1))
_marks = st.dictionaries(
    st.sampled_from(SIGNALS), st.builds(Band, st.floats(0, 0.5), st.one_of(st.none(), st.floats(0.5, 1)))
)
_actions = st.sampled_from(ACTIONS)
_subjects = st.lists(
    st.builds(
        Subject,
        comment_id=st.integers(1, 10**12),
        revision=st.integers(1, 3),
        language=st.sampled_from(("id", "en", "und")),
        was=_actions,
        would=st.one_of(st.none(), _actions),
        old=_scores,
        new=_scores,
        marks=_marks,
        human=st.one_of(st.none(), _actions),
        old_would=st.one_of(st.none(), _actions),
    ),
    max_size=8,
)


def _one(was: str, would: str, old: dict[str, float], new: dict[str, float], **more: object) -> diff.Move:
    marks = {"insult": Band(0.5, 0.9), "spam": Band(0.4)}
    subject = Subject(7, 2, "id", was, would, old, new, marks, **more)  # type: ignore[arg-type]
    (move,) = diff.compare([subject]).moves
    return move


@given(_subjects, st.lists(st.integers(0, 12), max_size=4))
@settings(max_examples=40, deadline=None)
def test_the_counts_of_the_parts_add_up_to_those_of_the_whole(subjects: list[Subject], cuts: list[int]) -> None:
    whole = diff.compare(subjects)
    ends = [0, *sorted(cuts), len(subjects)]
    parts = [diff.compare(subjects[start:end]) for start, end in pairwise(ends)]

    added = reduce(diff.merge, [json.loads(json.dumps(part.counts)) for part in parts], diff.no_counts())

    assert added == whole.counts
    assert [move for part in parts for move in part.moves] == list(whole.moves)


@given(_subjects)
@settings(max_examples=40, deadline=None)
def test_a_recount_by_hand_finds_the_same_numbers(subjects: list[Subject]) -> None:
    counts = diff.compare(subjects).counts
    judged = [one for one in subjects if one.would is not None]

    assert (counts["comments"], counts["failed"]) == (len(judged), len(subjects) - len(judged))
    assert counts["matrix"] == Counter(f"{one.was}>{one.would}" for one in judged)
    assert counts["human"] == Counter(f"{one.was}>{one.would}" for one in judged if one.human)
    for language in ("id", "en", "und"):
        spoken = Counter(f"{one.was}>{one.would}" for one in judged if one.language == language)
        assert counts["languages"].get(language, {}) == spoken
    for signal in SIGNALS:
        changed = Counter(
            round(10 * (one.new[signal] - one.old[signal])) for one in judged if signal in one.old and signal in one.new
        )
        bins = counts["changes"].get(signal, [0] * diff.BINS)
        assert {n - 10: found for n, found in enumerate(bins) if found} == changed
    moved = [one for one in judged if one.was != one.would]
    assert sum(sum(found.values()) for found in counts["signals"].values()) == sum(bool(one.new) for one in moved)
    confronted = [one for one in judged if one.human in ("approve", "reject")]
    for name, known, verdict in (
        ("before", True, lambda one: one.old_would),
        ("after", True, lambda one: one.would),
        ("alone", False, lambda one: one.would),
    ):
        pairs = Counter(
            (verdict(one) != "approve", one.human == "reject")
            for one in confronted
            if (one.old_would is not None) is known
        )
        assert counts[name] == [pairs[True, True], pairs[True, False], pairs[False, True], pairs[False, False]]


def test_the_signal_that_crossed_its_mark_speaks_for_the_move_and_not_one_that_only_changed_more() -> None:
    move = _one("approve", "hold", {"insult": 0.3, "spam": 0.01}, {"insult": 0.52, "spam": 0.39})

    assert (move.signal, move.before, move.after) == ("insult", 0.3, 0.52)
    assert move.surprise == round(0.22 + 0.02, 4)


def test_a_comment_that_moves_to_a_milder_action_is_explained_by_the_score_that_fell_below_its_mark() -> None:
    move = _one("hold", "approve", {"insult": 0.8, "spam": 0.3}, {"insult": 0.1, "spam": 0.0})

    assert (move.signal, move.before, move.after) == ("insult", 0.8, 0.1)
    assert move.surprise == round(0.7 + 0.4, 4)


def test_a_move_that_no_score_explains_names_the_signal_that_changed_most_and_surprises_little() -> None:
    move = _one("approve", "hold", {"insult": 0.2}, {"insult": 0.1})

    assert (move.signal, move.surprise) == ("insult", 0.0)
    assert _one("approve", "hold", {}, {}).signal is None


def test_a_comment_that_was_never_scored_has_a_signal_without_a_before() -> None:
    move = _one("approve", "reject", {}, {"insult": 0.97, "spam": 0.1})

    assert (move.signal, move.before, move.after, move.surprise) == ("insult", None, 0.97, 0.07)


def test_a_comment_that_stays_is_no_move() -> None:
    assert not diff.compare([Subject(1, 1, "id", "hold", "hold", {"spam": 0.0}, {"spam": 1.0})]).moves
