"""Word lists as the model sees them: which categories of words a text uses, and which words stand near each other.

A word in a list never decides anything: "anjing" is a pet or an insult. The counts, and the counts of telling
neighbours (an insult beside "lo", a threat after "polisi menangkap"), are a few columns that the model weighs together
with everything else. The lists live in `corpus/lexicon/*.toml`; training packs them into the artefact, so that the
model and its lists can't drift apart.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_PHRASE = 4
"""Longest listed phrase, in words."""

_SUFFIXES = ("nya", "lah", "kah", "pun", "ku", "mu", "an", "in", "kan", "es", "s", "ed", "ing", "er", "2")
_SHORTEST_STEM = 4
_MOST_KNOWN = 200_000

MOST_COUNTED = 4
"""A column counts no further."""

_MOST_NEIGHBOURS = 40
"""Hits of a side that are compared with the other's: more than any honest comment has; keeps hostile texts linear."""

ABUSE = ("insult_strong", "insult_mild", "animal", "obscene", "slur", "sexual")
"""Categories that hurt when they are said of a person."""

PAIRS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], int, bool], ...] = (
    ("you+insult", ("you",), ("insult_strong", "slur"), 4, False),
    ("you+mild", ("you",), ("insult_mild",), 3, False),
    ("you+animal", ("you", "vocative", "role"), ("animal",), 2, False),
    ("you+obscene", ("you",), ("obscene",), 3, False),
    ("role+insult", ("role", "vocative"), ("insult_strong", "insult_mild", "slur"), 2, False),
    ("abuse+abuse", ABUSE, ABUSE, 3, False),
    ("intent+harm", ("intent",), ("harm",), 4, True),
    ("harm+you", ("harm",), ("you",), 4, True),
    ("you+harm", ("you",), ("harm",), 5, True),
    ("report+harm", ("report",), ("harm",), 10, False),
    ("report+abuse", ("report", "quote"), ABUSE, 6, False),
    ("not+abuse", ("not",), ABUSE, 3, True),
    ("not+harm", ("not",), ("harm",), 3, True),
    ("pet+animal", ("pet",), ("animal",), 4, False),
    ("group+abuse", ("group",), (*ABUSE, "dehumanise"), 5, False),
    ("group+dehumanise", ("group",), ("dehumanise",), 6, False),
    ("group+harm", ("group",), ("harm",), 6, False),
    ("praise+abuse", ("praise",), ABUSE, 4, False),
    ("gamble+cta", ("gamble",), ("cta",), 10, False),
    ("money+cta", ("money",), ("cta",), 12, False),
    ("pills+cta", ("pills",), ("cta",), 12, False),
    ("gamble+win", ("gamble",), ("win",), 10, False),
    ("self+abuse", ("self",), (*ABUSE, "insult_mild"), 3, False),
    ("thing+abuse", ("thing",), (*ABUSE, "insult_mild"), 3, False),
    ("friend+abuse", ("friend",), ABUSE, 4, False),
    ("role+abuse", ("role", "group"), ("animal", "obscene", "dehumanise", "sexual"), 4, False),
    ("wish+suffer", ("wish",), ("suffer", "harm"), 5, True),
    ("suffer+you", ("suffer",), ("you", "role", "group"), 4, False),
    ("belittle+you", ("belittle", "veiled"), ("you", "role", "vocative"), 5, False),
    ("excuse+harm", ("warning", "idiom", "self"), ("harm",), 5, False),
    ("counter+group", ("counter_speech",), ("group",), 8, False),
)
"""Columns of neighbours: name, categories left, categories right, reach in words, whether the order matters."""


class Hit(NamedTuple):
    """A listed word or phrase: the category's index and the tokens it covers (first, last)."""

    category: int
    first: int
    last: int


class _Known(NamedTuple):
    """What the lists say of a word by itself, and the words that come second in listed phrases that begin with it."""

    categories: tuple[int, ...]
    seconds: frozenset[str]


class _Pair(NamedTuple):
    """A line of PAIRS: its column, and both sides' categories as bits of a number, so that one `&` compares sets."""

    column: int
    left: int
    right: int
    reach: int
    ordered: bool


class _Memory(dict[str, _Known | None]):
    """Words that were looked up before: a newsroom's readers use the same ones all day."""

    def __init__(self, look_up: Callable[[str], _Known | None]) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, word: str) -> _Known | None:
        known = self[word] = self._look_up(word)
        return known


@dataclass(frozen=True)
class Lexicon:
    """Listed words by category. `strong` are the words that a censored spelling may stand for."""

    categories: tuple[str, ...]
    terms: Mapping[str, tuple[int, ...]]
    strong: tuple[str, ...]
    _seconds: Mapping[str, frozenset[str]] = field(init=False)
    _by_letter: Mapping[str, tuple[str, ...]] = field(init=False)
    _pairs: tuple[_Pair, ...] = field(init=False)
    _known: "_Memory" = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        seconds: dict[str, set[str]] = {}
        for term in self.terms:
            first, *others = term.split(" ")
            if others:
                seconds.setdefault(first, set()).add(others[0])
        object.__setattr__(self, "_seconds", {first: frozenset(words) for first, words in seconds.items()})
        letters: dict[str, list[str]] = {}
        for word in self.strong:
            letters.setdefault(word[0], []).append(word)
        object.__setattr__(self, "_by_letter", {letter: tuple(words) for letter, words in letters.items()})
        bits = {name: 1 << index for index, name in enumerate(self.categories)}
        pairs = tuple(
            _Pair(column, _together(left, bits), _together(right, bits), reach, ordered)
            for column, (_, left, right, reach, ordered) in enumerate(PAIRS, len(self.categories))
        )
        object.__setattr__(self, "_pairs", pairs)
        object.__setattr__(self, "_known", _Memory(self._look_up))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the values that `counts` gives, in order."""
        return (*self.categories, *(pair[0] for pair in PAIRS))

    def hits(self, words: Sequence[str]) -> list[Hit]:
        """Listed words among the words of a text, longest phrase first at every place."""
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        found: list[Hit] = []
        after = 0
        following = [*words[1:], ""]
        for index, known in enumerate(map(self._known.__getitem__, words)):
            if known is None or index < after:  # not listed, or inside a phrase
                continue
            categories, seconds = known
            size = 1
            if following[index] in seconds:
                categories, size = self._phrase(words, index) or (categories, 1)
            after = index + size
            for category in categories:
                found.append(Hit(category, index, after - 1))
        return found

    def _phrase(self, words: Sequence[str], index: int) -> tuple[tuple[int, ...], int] | None:
        """The longest listed phrase that begins at a word: its categories and its length in words."""
        for size in range(min(MAX_PHRASE, len(words) - index), 1, -1):
            categories = self.terms.get(" ".join(words[index : index + size]))
            if categories:
                return categories, size
        return None

    def _look_up(self, word: str) -> "_Known | None":
        known = _Known(self._word(word), self._seconds.get(word, frozenset()))
        return known if any(known) else None

    def _word(self, word: str) -> tuple[int, ...]:
        found = self.terms.get(word)
        if found is not None:
            return found
        if len(word) > _SHORTEST_STEM and word.endswith(_SUFFIXES):
            for suffix in _SUFFIXES:
                if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
                    found = self.terms.get(word[: -len(suffix)])
                    if found is not None:
                        return found
        return ()

    def counts(self, hits: Sequence[Hit]) -> list[int]:
        """Per column how often, capped at 4."""
        found = [0] * (len(self.categories) + len(PAIRS))
        for column, behind in self._columns_of(hits):
            size = len(behind)
            found[column] = size if size < MOST_COUNTED else MOST_COUNTED
        return found

    def behind(self, hits: Sequence[Hit]) -> Mapping[int, list[Hit]]:
        """Per column that is not empty the hits that it counts."""
        return dict(self._columns_of(hits))

    def _columns_of(self, hits: Sequence[Hit]) -> Iterator[tuple[int, list[Hit]]]:
        by_category: dict[int, list[Hit]] = {}
        for hit in hits:
            by_category.setdefault(hit.category, []).append(hit)
        yield from by_category.items()
        present = 0
        for category in by_category:
            present |= 1 << category
        for column, left, right, reach, ordered in self._pairs:
            if present & left and present & right:
                first = _hits_of(present & left, hits, by_category)
                second = _hits_of(present & right, hits, by_category)
                near = [hit for hit in second if _is_near(hit, first, reach, ordered)]
                if near:
                    yield column, near

    def decensor(self, word: str) -> str | None:
        """The listed word that a censored spelling stands for: `f**k`, `anj*ng`, `k.ntol`; None when none fits.

        The first letter must be written, and at least two letters in all. A run of signs stands for as many letters
        as it is long, give or take one.
        """
        letters = sum(char.isalpha() for char in word)
        if letters < 2 or not word[:1].isalpha():
            return None
        pattern = None
        for candidate in self._by_letter.get(word[0], ()):
            if abs(len(candidate) - len(word)) > 2:
                continue
            if pattern is None:
                pattern = re.compile(re.sub(r"[^a-z]+", _wild, word))
            if pattern.fullmatch(candidate):
                return candidate
        return None


def _wild(match: re.Match[str]) -> str:
    size = match.end() - match.start()
    return f"[a-z]{{{size},{size + 1 if size > 1 else size}}}"


def _together(names: Sequence[str], bits: Mapping[str, int]) -> int:
    return sum({bits.get(name, 0) for name in names})


def _hits_of(categories: int, hits: Sequence[Hit], by_category: Mapping[int, list[Hit]]) -> list[Hit]:
    """The first hits of some of the categories, which are bits of a number."""
    single = categories & (categories - 1) == 0  # one bit: mostly so, and then they are found already
    found = (
        by_category[categories.bit_length() - 1] if single else [hit for hit in hits if categories >> hit.category & 1]
    )
    return found[:_MOST_NEIGHBOURS]


def _is_near(hit: Hit, others: Sequence[Hit], reach: int, ordered: bool) -> bool:
    """Whether one of the others ends at most `reach` words before the hit or, unless `ordered`, begins so after it."""
    _, first, last = hit
    for _, start, end in others:  # noqa: SIM110 `any` takes twice as long
        if 0 < first - end <= reach or (not ordered and 0 < start - last <= reach):
            return True
    return False


def make(lists: Mapping[str, Sequence[str]], strong: Sequence[str]) -> Lexicon:
    """A lexicon from lists of words by category. A word may be in several."""
    categories = tuple(sorted(lists))
    terms: dict[str, list[int]] = {}
    for index, name in enumerate(categories):
        for term in lists[name]:
            terms.setdefault(term, []).append(index)
    return Lexicon(categories, {term: tuple(places) for term, places in terms.items()}, tuple(sorted(set(strong))))
