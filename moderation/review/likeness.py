"""Where texts that are nearly the same differ, word by word."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache

from moderation.review.marks import Part

SHOWN = 600
"""Characters of a member's text that are compared and shown; the whole text stands on its own page."""

_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")


def varying(front: str, texts: Iterable[str]) -> list[tuple[int, int]]:
    """Where a text differs from others that are nearly the same: (start, end) in its first SHOWN characters."""
    return sorted({place for text in texts for place in _varying(front[:SHOWN], text)})


def differences(front: str, text: str) -> list[Part]:
    """`text` cut into parts; those that `front` has not, word by word, are of the kind `vary`."""
    ours, theirs = _TOKENS.findall(front[:SHOWN]), _TOKENS.findall(text[:SHOWN])
    parts: list[Part] = []
    for tag, _, _, start, end in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if end > start:
            parts.append(Part("".join(theirs[start:end]), () if tag == "equal" else ("vary",)))
    return parts


@lru_cache(maxsize=4096)
def _varying(front: str, text: str) -> tuple[tuple[int, int], ...]:
    """Kept, because the same cards are looked at again and again."""
    tokens = list(_TOKENS.finditer(front))
    ours = [token.group() for token in tokens]
    matcher = SequenceMatcher(None, ours, _TOKENS.findall(text), autojunk=False)
    return tuple(
        (tokens[start].start(), tokens[end - 1].end())
        for tag, start, end, _, _ in matcher.get_opcodes()
        if tag != "equal" and start < end
    )
