"""What the linear model sees of a text: hashed n-grams and a few dense columns, with the way back to the letters.

The model's text is the folded text followed by the appended readings of its words. N-grams of 2 to 5 characters stay
inside a word and its surrounding spaces (scikit-learn's `char_wb`), words come alone and in pairs; digits count as `0`.
All hashes come from one prefix sum over powers of an odd constant modulo 2^64 (a polynomial hash, Karp and Rabin 1987),
mixed by MurmurHash3's finaliser, so that many texts together cost a few numpy calls however long they are.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.scoring import evidence, normalise
from moderation.scoring.evidence import Evidence
from moderation.scoring.lexicon import MOST_COUNTED, Hit, Lexicon
from moderation.scoring.normalise import View

FEATURES_VERSION = 2
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


_MAX_GROUP = 60_000
"""Code points that are hashed together: what their arrays take stays in the processor's cache."""

_MAX_TEXTS = 1 << 32 - BITS
"""Texts that are hashed together: a text's number and a bucket share 32 bits, which sort in half the time of 64."""


@lru_cache(maxsize=1)
def _all_powers() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    return _powers(_BASE, _MAX_GROUP + 8), _powers(pow(_BASE, -1, 1 << 64), _MAX_GROUP + 8)


def _powers_of(size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Powers of the base and of its inverse, from 0 to `size` and a little."""
    powers, inverses = _all_powers()
    return powers[:size], inverses[: size + 1]


_ALNUM = np.array([chr(code).isalnum() for code in range(0x3000)])
"""Which of the first code points are letters or digits: nearly all that a folded text has."""
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SALTS = {size: np.uint64((size * 0xC2B2AE3D27D4EB4F) & _MASK64) for size in (*_SIZES, 11, 12)}
_PAIR = np.uint64(0xD6E8FEB86659FD93)


def _bucket(hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    hashes ^= hashes >> np.uint64(33)
    hashes *= _MIX
    hashes ^= hashes >> np.uint64(33)
    return hashes.astype(np.uint32) & np.uint32(BUCKETS - 1)


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


@dataclass(frozen=True)
class Block:
    """Distinct buckets of several texts: those of text k are `buckets[starts[k]:starts[k + 1]]`, ascending."""

    buckets: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.uint32], texts: int) -> "Block":
        """From the key of every n-gram: the number of its text, and below it, in BITS bits, its bucket."""
        keys = _distinct(keys)
        if texts == 1:
            return cls(_buckets_of(keys), np.array((0, len(keys))))
        starts = np.full(texts + 1, len(keys), dtype=np.int64)
        starts[:-1] = keys.searchsorted(np.arange(texts, dtype=np.uint32) << np.uint32(BITS))
        return cls(_buckets_of(keys), starts)

    def row(self, text: int) -> NDArray[np.int64]:
        """The buckets of one text."""
        return self.buckets[self.starts[text] : self.starts[text + 1]]

    def sums(self, weights: NDArray[np.int8]) -> NDArray[np.float64]:
        """Per text the sum of its buckets' rows of `weights` [buckets, S], its n-grams having length 1: [n, S]."""
        if len(self.starts) == 2:
            # Of a text of at most _MAX_TEXT the whole numbers stay below 2^24: their sum as floats is exact.
            small: NDArray[np.float32] = weights.take(self.buckets, axis=0).astype(np.float32)
            alone: NDArray[np.float64] = (_ONES[: len(small)] @ small).astype(np.float64)
            return alone[None, :] / math.sqrt(max(len(small), 1))
        # `take` copies a row at once, and reduceat adds them as they lie: a tenth of what a running sum takes.
        sizes = self.starts[1:] - self.starts[:-1]
        found = np.zeros((len(sizes), weights.shape[1]), dtype=np.int32)
        some = sizes.nonzero()[0]
        if len(some):
            rows = weights.take(self.buckets, axis=0)
            found[some] = np.add.reduceat(rows, self.starts[some], axis=0, dtype=np.int32)
        lengths: NDArray[np.float64] = np.sqrt(np.maximum(sizes, 1))
        return found / lengths[:, None]


_ONES = np.ones(len(_SIZES) * _MAX_TEXT, dtype=np.float32)


def _distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The values in order, each once. (numpy's own `unique` hashes first, which takes twice as long here.)"""
    values = np.sort(values)
    return np.concatenate([values[:1], values[1:][values[1:] != values[:-1]]])


def _buckets_of(keys: NDArray[np.uint32]) -> NDArray[np.int64]:
    return (keys & np.uint32(BUCKETS - 1)).astype(np.int64)


class Grams:
    """The n-grams of several texts, hashed together: what costs a few numpy calls for one text costs them for all.

    The texts begin and end with a space, so that no n-gram reaches from one into the next.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        joined = "".join(texts)
        sizes = [len(text) for text in texts]
        self._offsets: NDArray[np.int64] = np.array([0, *accumulate(sizes)], dtype=np.int64)
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        letters = codes.astype(np.uint64)
        letters[(codes >= 48) & (codes <= 57)] = 48
        powers, inverses = _powers_of(len(codes))
        sums = np.zeros(len(codes) + 1, dtype=np.uint64)
        np.cumsum(letters * powers, out=sums[1:])
        # A single text needs none of what keeps several apart: most of the time of one is numpy's price of a call.
        owners = np.repeat(np.arange(len(texts), dtype=np.uint32) << np.uint32(BITS), sizes) if len(texts) > 1 else None
        self._hash_chars(codes == 32, sums, inverses, owners)
        self._hash_words(*_words(joined, codes), sums, inverses, owners)
        # The words are cut where they were hashed: to look for them by TOKEN takes as long as all the hashing.
        edges = zip(self._starts.tolist(), self._ends.tolist(), strict=True)
        self._all_words = [joined[start:end] for start, end in edges]

    def _hash_chars(
        self,
        space: NDArray[np.bool_],
        sums: NDArray[np.uint64],
        inverses: NDArray[np.uint64],
        owners: NDArray[np.uint32] | None,
    ) -> None:
        """Places and keys of the character n-grams, one size after the other."""
        self._kept: list[NDArray[np.int64]] = []
        hashes = []
        crossed = np.zeros(max(len(space) - 1, 0), dtype=bool)
        for width in _SIZES:
            # `crossed`: an n-gram of this size that starts here has a space inside.
            count = max(len(space) - width + 1, 0)
            if width > 2:
                crossed = crossed[:count] | space[width - 2 : width - 2 + count]
            kept = (~(crossed | (space[:count] & space[width - 1 :]))).nonzero()[0]
            hashes.append(((sums[width:] - sums[:count]) * inverses[:count])[kept] ^ _SALTS[width])
            self._kept.append(kept)
        self._char_keys = _bucket(np.concatenate(hashes))
        if owners is not None:
            self._char_keys |= owners[np.concatenate(self._kept)]

    def _hash_words(
        self,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        sums: NDArray[np.uint64],
        inverses: NDArray[np.uint64],
        owners: NDArray[np.uint32] | None,
    ) -> None:
        """Places and keys of the words, then of the pairs of words."""
        one = (sums[ends] - sums[starts]) * inverses[starts]
        two = one[:-1] * _PAIR + one[1:]
        self._starts, self._ends = starts, ends
        if owners is None:
            self._together = np.arange(len(two))
            self._word_keys = _bucket(np.concatenate([one ^ _SALTS[11], two ^ _SALTS[12]]))
        else:
            own = owners[starts]
            self._together = together = (own[:-1] == own[1:]).nonzero()[0]
            self._word_keys = _bucket(np.concatenate([one ^ _SALTS[11], two[together] ^ _SALTS[12]]))
            self._word_keys |= np.concatenate([own, own[together]])
        self._firsts: list[int] = np.searchsorted(starts, self._offsets).tolist()

    @cached_property
    def chars(self) -> Block:
        """Character n-grams of all texts."""
        return Block.of(self._char_keys, len(self._offsets) - 1)

    @cached_property
    def words(self) -> Block:
        """Words and pairs of words of all texts."""
        return Block.of(self._word_keys, len(self._offsets) - 1)

    def words_of(self, text: int) -> list[str]:
        """The words of a text, as TOKEN finds them."""
        return self._all_words[self._firsts[text] : self._firsts[text + 1]]

    def tokens(self, text: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the words of a text start and end in it."""
        part = slice(self._firsts[text], self._firsts[text + 1])
        return self._starts[part] - self._offsets[text], self._ends[part] - self._offsets[text]

    def char_grams(self, text: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of every character n-gram of a text: start, end, bucket."""
        starts, keys, sizes = [], [], []
        first = 0
        for kept in self._kept:
            low, high = kept.searchsorted(self._offsets[text : text + 2]).tolist()
            starts.append(kept[low:high])
            keys.append(self._char_keys[first + low : first + high])
            sizes.append(high - low)
            first += len(kept)
        places = np.concatenate(starts) - self._offsets[text]
        return places, places + np.repeat(_SIZES, sizes), _buckets_of(np.concatenate(keys))

    def word_grams(self, text: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of every word and pair of words of a text: start, end, bucket."""
        starts, ends = self.tokens(text)
        low, high = self._together.searchsorted(self._firsts[text : text + 2]).tolist()
        single = self._word_keys[self._firsts[text] : self._firsts[text + 1]]
        pairs = self._word_keys[len(self._starts) + low : len(self._starts) + high]
        return (
            np.concatenate([starts, starts[:-1]]),
            np.concatenate([ends, ends[1:]]),
            _buckets_of(np.concatenate([single, pairs])),
        )


def _words(joined: str, codes: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of what TOKEN finds, without a Python object for every word."""
    letter = np.zeros(len(codes) + 2, dtype=bool)
    known = codes < len(_ALNUM)
    letter[1:-1][known] = _ALNUM[codes[known]]
    for place in (~known).nonzero()[0].tolist():
        letter[place + 1] = joined[place].isalnum()
    inside = (codes == 0x27) | (codes == 0x2019)
    joints = (inside & letter[:-2] & letter[2:]).nonzero()[0]
    letter[joints + 1] = True
    edges = (letter[1:] != letter[:-1]).nonzero()[0]
    starts, ends = edges[::2], edges[1::2]
    if len(joints) > 1 and (np.diff(np.searchsorted(starts, joints, side="right")) == 0).any():
        # Two apostrophes in one word: only the first joins, and what follows begins anew.
        spans = np.array([match.span() for match in TOKEN.finditer(joined)], dtype=np.int64)
        return spans[:, 0], spans[:, 1]
    return starts, ends


class Encoded:
    """A text, read once: n-grams, words and listed words with their places; `part` gives the features of any part."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self._read(text, lexicon)
        self._hashed(Grams([self.text]), 0)

    @classmethod
    def many(cls, texts: Sequence[str], lexicon: Lexicon) -> list["Encoded"]:
        """The same as each alone, at a fraction of the cost."""
        read = []
        for text in texts:
            one = cls.__new__(cls)
            one._read(text, lexicon)
            read.append(one)
        group: list[Encoded] = []
        size = 0
        for one in read:
            if len(one.text) >= _MAX_TEXT:  # cut off, so that it does not end with a space
                one._hashed(Grams([one.text]), 0)
                continue
            if size + len(one.text) > _MAX_GROUP or len(group) == _MAX_TEXTS:
                _hash_together(group)
                group, size = [], 0
            group.append(one)
            size += len(one.text)
        _hash_together(group)
        return read

    def _read(self, text: str, lexicon: Lexicon) -> None:
        self.view: View = normalise.view(text, lexicon.decensor)
        self.evidence: Evidence = evidence.find(self.view)
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

    @cached_property
    def hits(self) -> list[Hit]:
        """Listed words among the words."""
        return self.lexicon.hits(self.words)

    def _hashed(self, grams: Grams, place: int) -> None:
        self.grams, self.place = grams, place
        self.words: list[str] = grams.words_of(place)

    @cached_property
    def places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the words start and end in the model's text."""
        return self.grams.tokens(self.place)

    @property
    def words_of_text(self) -> list[str]:
        """The words of the text itself, without other readings."""
        if not self._readings:
            return self.words
        return self.words[: int(self.places[1].searchsorted(self._folded_size + 1, side="right"))]

    @cached_property
    def char_grams(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of every character n-gram: start and end in the model's text, bucket."""
        return self.grams.char_grams(self.place)

    @cached_property
    def word_grams(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of every word and pair of words: start and end in the model's text, bucket."""
        return self.grams.word_grams(self.place)

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

    @cached_property
    def dense(self) -> NDArray[np.float32]:
        """The dense columns of the whole text."""
        return self._dense(self.hits, self.view.folded)

    def whole(self) -> Row:
        """The features of the whole text."""
        return Row(self.grams.chars.row(self.place), self.grams.words.row(self.place), self.dense)

    def part(self, start: int, end: int) -> Row:
        """The features of `folded[start:end]` and the readings of words in it."""
        anchors = self._hit_anchors
        inside = [start <= first < end and start <= last < end for first, last in anchors]
        return Row(
            _distinct(_between(*self._anchored_chars, start, end)),
            _distinct(_between(*self._anchored_words, start, end)),
            self._dense(list(compress(self.hits, inside)), self.view.folded[start:end]),
        )

    @cached_property
    def _anchored_chars(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        starts, _, buckets = self.char_grams
        return _in_order(self._anchors[starts], buckets)

    @cached_property
    def _anchored_words(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        starts, _, buckets = self.word_grams
        return _in_order(self._anchors[starts], buckets)

    @cached_property
    def _hit_anchors(self) -> list[tuple[int, int]]:
        """Of every listed word the places in the folded text that its first and its last word stand for."""
        anchors = self._anchors[self.places[0]].tolist()
        return [(anchors[hit.first], anchors[hit.last]) for hit in self.hits]

    def _dense(self, hits: list[Hit], folded: str) -> NDArray[np.float32]:
        abusive = len({hit.first for hit in hits if self.lexicon.categories[hit.category] in _ABUSIVE})
        counts = [_LOGS[count] for count in self.lexicon.counts(hits)]
        return np.array([*counts, *self._surface(folded, abusive)], dtype=np.float32)

    def _surface(self, folded: str, abusive: int) -> tuple[float, ...]:
        """SURFACE of a part of the folded text; what is not in `folded` is told of the whole."""
        whole, repeats, words = self._surface_of_whole
        return (
            *whole,
            math.log1p(min(folded.count("!"), 10)) / 2,
            math.log1p(min(folded.count("?"), 10)) / 2,
            min(normalise.digits(folded) / max(len(folded), 1), 0.5),
            math.log1p(len(folded)) / 8,
            repeats,
            min(abusive / words * 4, 1.0),
        )

    @cached_property
    def _surface_of_whole(self) -> tuple[tuple[float, ...], float, int]:
        """The first of SURFACE, the share of words that were there before, and the number of words, at least 1."""
        facts = self.evidence.facts
        original = self.view.original
        letters = normalise.letters(original) if len(original) <= 400 else max(len(original) * 3 // 4, 1)
        words = max(len(self.words), 1)
        whole = (
            math.log1p(min(facts["links"], 5)),
            math.log1p(min(facts["phones"], 5)),
            math.log1p(min(facts["hidden"], 10)) / 2,
            math.log1p(min(facts["styled"], 20)) / 3,
            math.log1p(min(len(normalise.brand_numbers(self.view)), 4)),
            normalise.capitals(original[:400]) / letters if letters >= 8 else 0.0,
        )
        return whole, 1.0 - len(set(self.words)) / words, words


def _in_order(places: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places in ascending order, and what stands there."""
    order = np.argsort(places, kind="stable")
    return places[order], values[order]


def _between(places: NDArray[np.int64], values: NDArray[np.int64], start: int, end: int) -> NDArray[np.int64]:
    """The values from `start` to before `end`; the places are in ascending order."""
    low, high = places.searchsorted((start, end))
    return values[low:high]


_LOGS = [math.log1p(count) for count in range(MOST_COUNTED + 1)]
_ABUSIVE = frozenset(("insult_strong", "insult_mild", "animal", "obscene", "slur"))


def _hash_together(texts: Sequence[Encoded]) -> None:
    if texts:
        grams = Grams([one.text for one in texts])
        for place, one in enumerate(texts):
            one._hashed(grams, place)


def columns(lexicon: Lexicon) -> tuple[str, ...]:
    """Names of the dense columns, in order."""
    return (*lexicon.columns, *SURFACE)
