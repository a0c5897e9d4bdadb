"""What the linear model sees of a text: hashed n-grams and a few dense columns, with the way back to the letters.

The model's text is the folded text followed by the appended readings of its words. N-grams of 2 to 5 characters stay
inside a word and its surrounding spaces (scikit-learn's `char_wb`), words come alone and in pairs; digits count as `0`.
All hashes come from one prefix sum over powers of an odd constant modulo 2^64 (a polynomial hash, Karp and Rabin 1987),
mixed by MurmurHash3's finaliser, so that a text of n characters costs a few numpy calls whatever n is.
"""

import math
import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from moderation.scoring import evidence, normalise
from moderation.scoring.evidence import Evidence
from moderation.scoring.lexicon import Hit, Lexicon, Token
from moderation.scoring.normalise import View

FEATURES_VERSION = 1
"""Changes whenever the same text gives other features; part of the scorer's version."""

BITS = 18
BUCKETS = 1 << BITS
"""Hash buckets, shared by character n-grams and words."""

LANGUAGE_BUCKETS = 1 << 15

SURFACE = (
    "links",
    "phones",
    "hidden",
    "styled",
    "brands",
    "capitals",
    "exclamations",
    "questions",
    "digits",
    "length",
    "repeats",
    "abuse_share",
)
"""Dense columns beside the lexicon's: logs of counts, and shares."""

_SIZES = (2, 3, 4, 5)
_MAX_TEXT = 12_000
TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
"""A word: letters and digits, with an apostrophe inside."""

_BASE = 0x9E3779B97F4A7C15
_MASK64 = (1 << 64) - 1


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    values = np.full(count, base, dtype=np.uint64)
    values[0] = 1
    return np.cumprod(values, dtype=np.uint64)


_POWERS = _powers(_BASE, _MAX_TEXT + 8)
_INVERSES = _powers(pow(_BASE, -1, 1 << 64), _MAX_TEXT + 8)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SALTS = {size: np.uint64((size * 0xC2B2AE3D27D4EB4F) & _MASK64) for size in (*_SIZES, 11, 12)}


def _bucket(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    hashes ^= hashes >> np.uint64(33)
    hashes *= _MIX
    hashes ^= hashes >> np.uint64(33)
    return (hashes & np.uint64(BUCKETS - 1)).astype(np.int64)


@dataclass(frozen=True)
class Row:
    """The features of a text or a part of it: distinct buckets with one value per block, and the dense columns."""

    chars: NDArray[np.int64]
    words: NDArray[np.int64]
    dense: NDArray[np.float32]

    @property
    def char_value(self) -> float:
        """The value of every character n-gram, so that the block has length 1."""
        return 1.0 / math.sqrt(max(len(self.chars), 1))

    @property
    def word_value(self) -> float:
        """The value of every word and pair of words."""
        return 1.0 / math.sqrt(max(len(self.words), 1))


class Encoded:
    """A text, read once: n-grams, words and listed words with their places; `row` gives the features of any part."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.view: View = normalise.view(text, lexicon.decensor)
        self.evidence: Evidence = evidence.find(self.view)
        self.brands = normalise.brand_numbers(self.view)
        self.lexicon = lexicon
        pieces = [" ", self.view.folded[: _MAX_TEXT // 2 * 2 - 2], " "]
        self._folded_size = len(pieces[1])
        self._readings: list[tuple[int, int, int]] = []
        position = self._folded_size + 2
        for reading in self.view.readings:
            if position + len(reading.text) + 1 > _MAX_TEXT:
                break
            pieces.extend((reading.text, " "))
            self._readings.append((position, reading.start, reading.end))
            position += len(reading.text) + 1
        self.text = "".join(pieces)[:_MAX_TEXT]
        self._hash()

    def _hash(self) -> None:
        codes = np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
        codes[(codes >= 48) & (codes <= 57)] = 48
        size = len(codes)
        sums = np.zeros(size + 1, dtype=np.uint64)
        np.cumsum(codes * _POWERS[:size], out=sums[1:])
        space = codes == 32
        spaces = np.zeros(size + 1, dtype=np.int32)
        np.cumsum(space, out=spaces[1:])
        hashes, places, lengths = [], [], []
        for width in _SIZES:
            count = size - width + 1
            if count <= 0:
                continue
            inner = spaces[width - 1 : width - 1 + count] - spaces[1 : 1 + count]
            keep = np.flatnonzero((inner == 0) & ~(space[:count] & space[width - 1 :]))
            hashes.append(((sums[keep + width] - sums[keep]) * _INVERSES[keep]) ^ _SALTS[width])
            places.append(keep)
            lengths.append(np.full(len(keep), width))
        empty: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.char_places = np.concatenate(places) if places else empty
        self.char_lengths = np.concatenate(lengths) if lengths else empty
        self.char_buckets = _bucket(np.concatenate(hashes)) if hashes else empty
        self.tokens = [Token(match.group(), *match.span()) for match in TOKEN.finditer(self.text)]
        starts = np.array([token.start for token in self.tokens], dtype=np.int64)
        ends = np.array([token.end for token in self.tokens], dtype=np.int64)
        one = (sums[ends] - sums[starts]) * _INVERSES[starts]
        two = one[:-1] * np.uint64(0xD6E8FEB86659FD93) + one[1:]
        self.word_starts = np.concatenate([starts, starts[:-1]])
        self.word_ends = np.concatenate([ends, ends[1:]])
        self.word_buckets = _bucket(np.concatenate([one ^ _SALTS[11], two ^ _SALTS[12]]))
        self.hits = self.lexicon.hits(self.tokens)

    @property
    def size(self) -> int:
        """Length of the folded text that was read, in code points."""
        return self._folded_size

    @cached_property
    def _anchors(self) -> NDArray[np.int64]:
        """For every place of the model's text the place in the folded text that it stands for."""
        anchors = np.arange(-1, len(self.text) - 1, dtype=np.int64)
        starts = self.view.starts
        for index, (position, start, _) in enumerate(self._readings):
            end = self._readings[index + 1][0] if index + 1 < len(self._readings) else len(self.text)
            anchors[position - 1 : end] = bisect_left(starts, start)
        return np.minimum(anchors, max(self._folded_size - 1, 0))

    def origin(self, start: int, end: int) -> tuple[int, int] | None:
        """The place in the original of `text[start:end]` of the model's text; None for padding."""
        if start > self._folded_size:
            for position, first, last in reversed(self._readings):
                if position <= start:
                    return first, last
            return None
        first, last = max(start - 1, 0), min(end - 1, self._folded_size)
        return self.view.span(first, last) if first < last else None

    def whole(self) -> Row:
        """The features of the whole text."""
        return Row(np.unique(self.char_buckets), np.unique(self.word_buckets), self._dense(self.hits, self.view.folded))

    def part(self, start: int, end: int) -> Row:
        """The features of `folded[start:end]` and the readings of words in it."""
        anchors = self._anchors
        chars = anchors[self.char_places]
        words = anchors[self.word_starts]
        inside = [start <= anchors[token.start] < end for token in self.tokens]
        hits = [hit for hit in self.hits if inside[hit.first] and inside[hit.last]]
        return Row(
            np.unique(self.char_buckets[(chars >= start) & (chars < end)]),
            np.unique(self.word_buckets[(words >= start) & (words < end)]),
            self._dense(hits, self.view.folded[start:end]),
        )

    def _dense(self, hits: list[Hit], folded: str) -> NDArray[np.float32]:
        counts, _ = self.lexicon.counts(hits)
        abusive = len({hit.first for hit in hits if self.lexicon.categories[hit.category] in _ABUSIVE})
        return np.array([*map(math.log1p, counts), *self._surface(folded, abusive)], dtype=np.float32)

    def _surface(self, folded: str, abusive: int) -> tuple[float, ...]:
        facts = self.evidence.facts
        original = self.view.original
        letters = sum(map(str.isalpha, original)) if len(original) <= 400 else max(len(original) * 3 // 4, 1)
        capitals = sum(map(str.isupper, original[:400]))
        words = max(len(self.tokens), 1)
        return (
            math.log1p(min(facts["links"], 5)),
            math.log1p(min(facts["phones"], 5)),
            math.log1p(min(facts["hidden"], 10)) / 2,
            math.log1p(min(facts["styled"], 20)) / 3,
            math.log1p(min(len(self.brands), 4)),
            capitals / letters if letters >= 8 else 0.0,
            math.log1p(min(folded.count("!"), 10)) / 2,
            math.log1p(min(folded.count("?"), 10)) / 2,
            min(sum(map(folded.count, "0123456789")) / max(len(folded), 1), 0.5),
            math.log1p(len(folded)) / 8,
            1.0 - len({token.text for token in self.tokens}) / words,
            min(abusive / words * 4, 1.0),
        )


_ABUSIVE = frozenset(("insult_strong", "insult_mild", "animal", "obscene", "slur"))


def columns(lexicon: Lexicon) -> tuple[str, ...]:
    """Names of the dense columns, in order."""
    return (*lexicon.columns, *SURFACE)
