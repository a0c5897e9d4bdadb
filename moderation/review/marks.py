"""What is marked in a text: the runs that reasons point at, and what an edit changed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

_WORDS = re.compile(r"\s+|\w+|[^\w\s]+")


@dataclass(frozen=True, slots=True)
class Part:
    """A run of the text that is marked alike; `numbers` are those of the reasons it explains."""

    text: str
    kinds: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A run of words of an edited text: `same`, `gone` or `new`."""

    kind: str
    text: str


def changes(old: str, new: str) -> list[Change]:
    """What an edit did to a text, by whole words: put together without the gone runs, it is the new text."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    found = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(Change("same", "".join(after[c:d])))
            continue
        if a < b:
            found.append(Change("gone", "".join(before[a:b])))
        if c < d:
            found.append(Change("new", "".join(after[c:d])))
    return found


def mark(text: str, marks: Iterable[tuple[int, int, str, int]]) -> list[Part]:
    """`text` cut into parts by (start, end, kind, number) marks, which may overlap; number 0 has no reason."""
    kept = [(max(0, start), min(len(text), end), kind, number) for start, end, kind, number in marks]
    kept = [item for item in kept if item[0] < item[1]]
    cuts = sorted({0, len(text), *(place for item in kept for place in item[:2])})
    parts: list[Part] = []
    for start, end in pairwise(cuts):
        over = [item for item in kept if item[0] <= start and item[1] >= end]
        kinds = tuple(dict.fromkeys(item[2] for item in over))
        numbers = tuple(sorted({item[3] for item in over if item[3]}))
        if parts and (parts[-1].kinds, parts[-1].numbers) == (kinds, numbers):
            parts[-1] = Part(parts[-1].text + text[start:end], kinds, numbers)
        else:
            parts.append(Part(text[start:end], kinds, numbers))
    return parts
