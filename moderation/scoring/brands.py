"""Names with a number, as gambling sites are called (`NAMA88`), told from those that honest writers write.

`normalise.brand_numbers` gives every name that ends in a number. Such a one counts where something more speaks for it:
its letters are disguised, it holds a word of the trade, the trade is spoken of beside it, or it is written in capitals
with a number of luck. `covid19` and `pasal 27` are no brands whatever stands beside them.
"""

import re
from collections.abc import Iterator

from moderation.scoring import normalise
from moderation.scoring.normalise import View
from moderation.scoring.scorer import Span
from moderation.scoring.spam_lists import lists

LUCKY = frozenset(("77", "88", "99", "69", "138", "168", "188", "303", "338", "365", "368", "378", "388", "777", "888"))
"""Numbers that these sites are fond of."""

MIN_CAPITALS = 2

_FOUR_D = re.compile(r"(?<![a-z0-9])[a-z]{3,14}[2-5]d(?![a-z0-9])")
"""`nama4d`: lotteries of so many digits."""
_WORD = re.compile(r"[a-z]{3,14}")
_NUMBER = re.compile(r"\d+d?$")
_YEAR = re.compile(r"(?:19|20)\d\d")


def find(view: View) -> Iterator[Span]:
    """The brands of a text, with what they read as (`nama88`); none overlaps another. Linear in the text's length."""
    found = sorted({*normalise.brand_numbers(view), *_of_lotteries(view)})
    if not found:
        return
    known = lists()
    spoken = not known["game"].isdisjoint(_WORD.findall(view.folded))
    covered = {*view.styled, *view.hidden}
    last = 0
    for start, end, text in found:
        if start < last:
            continue
        name = _NUMBER.sub("", text)
        number = text[len(name) :]
        if name in known["plain"] or text in known["plain"]:
            continue
        disguised = any(place in covered for place in range(start, end)) or end - start > len(text) + 1
        written = view.original[start:end]
        loud = number in LUCKY and sum(map(str.isupper, written)) >= MIN_CAPITALS
        if disguised or loud or spoken or _of_the_trade(name, number, known["brand"]):
            last = end
            yield Span(start, end, "brand", text)


def _of_lotteries(view: View) -> Iterator[tuple[int, int, str]]:
    for match in _FOUR_D.finditer(view.folded):
        yield (*view.span(*match.span()), match.group())


def _of_the_trade(name: str, number: str, words: frozenset[str]) -> bool:
    if name in words:
        return True
    if _YEAR.fullmatch(number):
        return False
    lucky = number in LUCKY or number.endswith("d")
    return any(name.endswith(word) or (lucky and len(word) > 3 and name.startswith(word)) for word in words)
