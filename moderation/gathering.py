"""Work that arrives together is done together: threads that come while one is at work share the next round.

A commit costs the same for one row as for many. Whoever finds nobody at work takes all that wait, does them in one go,
hands each its answer and the lead to who waits longest; nobody waits for company, and there is no thread of its own to
start, watch or lose. Known as flat combining (Hendler, Incze, Shavit, Tzafrir, SPAA 2010).
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Slot(Generic[Item, Answer]):
    item: Item
    answer: Answer | None = None
    error: Exception | None = None
    done: bool = False
    woken: threading.Event = field(default_factory=threading.Event)

    def settle(self, answer: Answer | Exception) -> None:
        if isinstance(answer, Exception):
            self.error = answer
        else:
            self.answer = answer
        self.done = True


class Gathering(Generic[Item, Answer]):
    """Calls `act` with up to `limit` items at once and gives each caller the answer to its own.

    `act` answers in the order of its items; an answer that is an exception is raised for its own item alone. When `act`
    itself raises, its items are tried again one by one, so that one cannot spoil the others; not so for errors of the
    kinds `common`, which concern all alike (a database that is away).
    """

    def __init__(
        self,
        act: Callable[[Sequence[Item]], Sequence[Answer | Exception]],
        *,
        common: tuple[type[Exception], ...] = (),
        limit: int = 32,
    ) -> None:
        self._act, self._common, self._limit = act, common, limit
        self._waiting: list[_Slot[Item, Answer]] = []
        self._busy = False
        self._lock = threading.Lock()

    def submit(self, item: Item) -> Answer:
        """Have `item` done and return its answer. Raises what `act` raised or answered for it."""
        slot: _Slot[Item, Answer] = _Slot(item)
        with self._lock:
            self._waiting.append(slot)
            leads, self._busy = not self._busy, True
        if not leads:
            slot.woken.wait()  # done by another, or asked to lead the next round
        if not slot.done:
            self._lead()
        if slot.error is not None:
            raise slot.error
        return slot.answer  # type: ignore[return-value]  # done without an error: there is an answer, be it None

    def _lead(self) -> None:
        """Do one round, which holds the leader's own item, and hand the lead to who has waited longest."""
        time.sleep(0)  # lets those who are on their way here arrive: without it rounds are half as large
        with self._lock:
            round_, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
        try:
            self._do(round_)
        finally:
            with self._lock:
                self._busy = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].woken.set()
            for slot in round_:
                slot.woken.set()

    def _do(self, slots: Sequence[_Slot[Item, Answer]]) -> None:
        try:
            answers = self._act([slot.item for slot in slots])
            for slot, answer in zip(slots, answers, strict=True):
                slot.settle(answer)
        except Exception as error:  # whatever it was, each caller hears of it
            if len(slots) == 1 or isinstance(error, self._common):
                for slot in slots:
                    slot.settle(error)
            else:
                for slot in slots:
                    self._do([slot])
        finally:
            for slot in slots:
                if not slot.done:  # the thread itself is being ended: nobody else may wait for it
                    slot.settle(RuntimeError("the work was broken off"))
