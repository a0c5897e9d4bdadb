"""Batches of a transformer: every piece once, full ones while there is much to do, small ones where threads run dry."""

from random import Random

import pytest

from moderation.scoring import batching


def ends(plan: list[list[int]], lengths: list[int], threads: int) -> list[int]:
    """Padded tokens that each thread has judged when all took batches in turn, as soon as they were free."""
    done = [0] * threads
    for batch in plan:
        done[done.index(min(done))] += len(batch) * max(lengths[place] for place in batch)
    return done


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_every_piece_is_in_one_batch_and_no_batch_is_above_the_budget(threads: int) -> None:
    rand = Random(threads)
    lengths = [rand.randrange(1, 200) for _ in range(300)]
    plan = batching.batches(lengths, 256, least=64, threads=threads)
    assert sorted(place for batch in plan for place in batch) == list(range(300))
    assert all(len(batch) * max(lengths[place] for place in batch) <= 256 for batch in plan)


@pytest.mark.parametrize("count", [5, 16, 100, 333])
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_no_thread_waits_longer_than_for_a_smallest_batch(count: int, threads: int) -> None:
    lengths = [20] * count
    done = ends(batching.batches(lengths, 256, least=64, threads=threads), lengths, threads)
    assert max(done) - min(done) <= 64


def test_batches_are_full_while_there_is_much_to_do() -> None:
    plan = batching.batches([16] * 1000, 256, least=64, threads=2)
    assert {len(batch) for batch in plan[:40]} == {16}


def test_one_thread_gets_full_batches_to_the_end() -> None:
    assert [len(batch) for batch in batching.batches([32] * 20, 256, least=64)] == [8, 8, 4]


def test_a_piece_above_the_budget_comes_alone() -> None:
    assert batching.batches([300, 20, 20], 256, least=64, threads=2) == [[0], [1, 2]]
