"""How texts become a transformer's batches: windows over long ones, alike lengths together, the worst window counts."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Piece = TypeVar("Piece", bound=Hashable)


SPARE = 4
"""Tokens kept free in a window for the model's own marks and for words that tokenise longer at a cut."""


class Spread(Protocol):
    """The built-in `map`, or that of an executor: applies a function to many batches, keeping their order."""

    def __call__(self, function: Callable[[Any], Scores], items: Iterable[Any], /) -> Iterable[Scores]:
        """The results in the order of the items."""


def windows(tokens: int, room: int) -> list[tuple[int, int]]:
    """Half-open ranges that cover a text of so many tokens, none longer than `room`, each overlapping by a quarter.

    The last one ends with the text: nothing is cut off, however long it is.
    """
    if tokens <= room:
        return [(0, tokens)]
    step = max(room - room // 4, 1)
    starts = [*range(0, tokens - room, step), tokens - room]
    return [(start, start + room) for start in starts]


def batches(lengths: Sequence[int], budget: int, *, least: int = 1, threads: int = 1) -> list[list[int]]:
    """Places in `lengths`, longest first, as many together as `budget` tokens hold when padded to the longest.

    A piece that is longer than the budget comes alone. Where several threads take batches in turn, those towards the
    end get smaller, so that no thread stays idle for long while another finishes: half of a thread's share of what is
    left, from `least` tokens on (factoring: S. F. Hummel, E. Schonberg, L. E. Flynn, CACM 35(8), 1992).
    """
    found: list[list[int]] = []
    room, left = 0, sum(lengths)
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if room < 1:
            found.append([])
            size = min(budget, max(least, left // (2 * threads))) if threads > 1 else budget
            room = max(size // max(lengths[place], 1), 1)
        found[-1].append(place)
        room -= 1
        left -= lengths[place]
    return found


def judged(
    texts: Sequence[Sequence[Piece]],
    size: Callable[[Piece], int],
    run: Callable[[Sequence[Piece]], Scores],
    *,
    budget: int,
    spread: Spread = map,
    least: int = 1,
    threads: int = 1,
) -> Scores:
    """Scores of texts, each given as its windows: per label the highest of its windows. [texts, labels]

    `budget`, `least` and `threads` are those of `batches`. `size` is a window's length in tokens, `run` judges the
    windows of one batch. A window that occurs twice is judged once: copied comments and endless repetitions cost
    nothing.
    """
    places: dict[Piece, int] = {}
    of_text = [[places.setdefault(piece, len(places)) for piece in pieces] for pieces in texts]
    pieces = list(places)
    plan = batches([size(piece) for piece in pieces], budget, least=least, threads=threads)
    results = list(spread(run, [[pieces[place] for place in batch] for batch in plan]))
    scores = np.concatenate(results)
    order = np.empty(len(pieces), dtype=np.int64)
    order[np.concatenate([np.array(batch, dtype=np.int64) for batch in plan])] = np.arange(len(pieces))
    firsts = np.cumsum([0, *(len(chosen) for chosen in of_text[:-1])])
    found: Scores = np.maximum.reduceat(scores[order[np.concatenate(of_text)]], firsts)
    return found
