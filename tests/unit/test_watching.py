"""Many who wait share one look."""

import threading
from collections.abc import Collection

from moderation.errors import Unavailable
from moderation.watching import Watching


def wait_all(watch: Watching, keys: Collection[int], seconds: float = 10.0) -> dict[int, bool]:
    found: dict[int, bool] = {}
    threads = [threading.Thread(target=lambda key=key: found.update({key: watch.wait(key, seconds)})) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return found


def test_all_who_wait_are_asked_for_at_once_and_each_hears_of_their_own() -> None:
    looks: list[set[int]] = []

    def look(keys: Collection[int]) -> Collection[int]:
        looks.append(set(keys))
        return set(keys) if len(keys) == 3 or len(looks) > 1000 else set()

    assert wait_all(Watching(look, places=8, pause=0.001), (1, 2, 3)) == {1: True, 2: True, 3: True}
    assert {1, 2, 3} in looks


def test_who_finds_no_place_does_not_wait() -> None:
    watch = Watching(lambda _keys: (), places=0, pause=0.001)
    assert watch.wait(1, 60.0) is False


def test_what_does_not_get_ready_is_waited_for_only_so_long_and_the_place_is_free_again() -> None:
    watch = Watching(lambda _keys: (), places=1, pause=0.001)
    assert watch.wait(1, 0.01) is False
    assert watch.wait(2, 0.01) is False
    assert watch._waiting == []


def test_nobody_looks_when_nobody_waits() -> None:
    asked = threading.Event()

    def look(keys: Collection[int]) -> Collection[int]:
        asked.set()
        return keys

    watch = Watching(look, places=1, pause=0.001)
    assert watch.wait(1, 10.0) is True
    while watch._looking:
        threading.Event().wait(0.001)
    asked.clear()
    assert not asked.wait(0.05)
    assert watch.wait(2, 10.0) is True


def test_a_look_that_fails_is_tried_again() -> None:
    tries: list[int] = []

    def look(keys: Collection[int]) -> Collection[int]:
        tries.append(1)
        if len(tries) == 1:
            raise Unavailable("away")
        return keys

    assert Watching(look, places=1, pause=0.001).wait(1, 10.0) is True
