"""Work that arrives together is done together, and nobody loses their answer."""

import threading
from collections.abc import Sequence

import pytest

from moderation.errors import Unavailable
from moderation.gathering import Gathering


def at_once(gathering: Gathering[int, int], items: Sequence[int]) -> dict[int, int | Exception]:
    """Submit from one thread per item while the first is held up, so that the others have to gather."""
    answers: dict[int, int | Exception] = {}

    def submit(item: int) -> None:
        try:
            answers[item] = gathering.submit(item)
        except Exception as error:
            answers[item] = error

    threads = [threading.Thread(target=submit, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return answers


def test_those_who_come_while_one_is_at_work_share_the_next_round() -> None:
    rounds: list[list[int]] = []
    started, go_on = threading.Event(), threading.Event()

    def act(items: Sequence[int]) -> list[int | Exception]:
        rounds.append(list(items))
        started.set()
        assert go_on.wait(10)
        return [item * 10 for item in items]

    gathering: Gathering[int, int] = Gathering(act)
    first = threading.Thread(target=gathering.submit, args=(0,))
    first.start()
    assert started.wait(10)
    answers: dict[int, int] = {}
    others = [threading.Thread(target=lambda n=n: answers.update({n: gathering.submit(n)})) for n in (1, 2, 3)]
    for thread in others:
        thread.start()
    while len(gathering._waiting) < 3:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in (first, *others):
        thread.join(10)
    assert answers == {1: 10, 2: 20, 3: 30}
    assert [sorted(items) for items in rounds] == [[0], [1, 2, 3]]


def test_an_answer_that_is_an_error_is_raised_for_its_own_item_alone() -> None:
    gathering: Gathering[int, int] = Gathering(lambda items: [ValueError(n) if n == 2 else n for n in items])
    answers = at_once(gathering, [1, 2, 3])
    assert (answers[1], answers[3]) == (1, 3)
    assert isinstance(answers[2], ValueError)


def test_an_item_that_breaks_the_round_harms_no_other() -> None:
    def act(items: Sequence[int]) -> list[int | Exception]:
        if 2 in items:
            raise RuntimeError("poison")
        return list(items)

    answers = at_once(Gathering(act), [1, 2, 3, 4])
    assert {item for item, answer in answers.items() if answer == item} == {1, 3, 4}
    assert isinstance(answers[2], RuntimeError)


def test_what_concerns_all_alike_is_not_tried_again_for_each() -> None:
    calls: list[int] = []

    def act(items: Sequence[int]) -> list[int | Exception]:
        calls.append(len(items))
        raise Unavailable("away")

    answers = at_once(Gathering(act, common=(Unavailable,)), [1, 2, 3, 4])
    assert all(isinstance(answer, Unavailable) for answer in answers.values())
    assert sum(calls) == 4


def test_a_round_takes_no_more_than_its_limit_and_nobody_is_forgotten() -> None:
    sizes: list[int] = []

    def act(items: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(items))
        return list(items)

    answers = at_once(Gathering(act, limit=2), range(20))
    assert answers == {n: n for n in range(20)}
    assert max(sizes) <= 2


def test_a_broken_promise_of_answers_is_an_error_and_not_a_wait_for_ever() -> None:
    gathering: Gathering[int, int] = Gathering(lambda _items: [])
    with pytest.raises(ValueError, match="zip"):
        gathering.submit(1)
