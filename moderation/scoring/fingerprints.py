"""Fingerprints of texts: which are nearly the same, though a city, a number or letters differ.

A text is reduced to its letters (a number becomes one sign; addresses, spaces, signs and repeated letters go) and cut
into overlapping pieces. MinHash keeps, for each of VALUES orders of all possible pieces, the first piece that the text
has: two texts have equal values as often as they share pieces. Pure functions over values, the same on every machine.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

VALUES = 48
"""Values of a signature: 16 bits each."""

BANDS = 6
"""Texts are looked up by bands of ROWS values: alike ones agree in at least one nearly always, others hardly ever."""

ROWS = 3

PIECE = 5
"""Letters of a piece. Shorter ones are shared by texts that have nothing but a language in common."""

MIN_LETTERS = 24
"""Shorter texts have no fingerprint: “mantap, terima kasih” is said by many who do not know each other."""

MAX_LETTERS = 2_000
"""What is read of a text: enough to know it by, and bounded work on a long one."""

ALIKE = 0.5
"""From here on two texts are nearly the same: half of all the pieces that either has are in both."""

_ADDRESS = re.compile(
    r"(?:h[tx]{2}ps?\s?:\s?//\s?|www\.)\S+|(?<![\w.-])(?:[a-z0-9-]{2,63}\.){1,5}[a-z]{2,18}(?:/\S*)?(?![\w-])"
)
_IN_WORD = re.compile(r"(?<=[a-z])[013457](?=[a-z])")
_LETTERS = str.maketrans("013457", "oieast")
_NUMBER = re.compile(r"\+?\d[\d\s().\-/]*")
_NO_LETTER = re.compile(r"[\W_]+")
_REPEATED = re.compile(r"(.)\1+")

Signature = NDArray[np.uint16]


def _mixed(count: int, seed: int) -> NDArray[np.uint64]:
    """`count` fixed 64 bit numbers without a pattern (splitmix64)."""
    numbers = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) % 2**64
        value = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
        numbers.append(value ^ (value >> 31))
    return np.array(numbers, dtype=np.uint64)


# Changing a number here, or how a text is reduced, makes every stored signature worthless for thirty days.
_PLACES = _mixed(PIECE, 1) | np.uint64(1)
_FACTORS = (_mixed(VALUES, 2) | np.uint64(1))[:, None]
_SHIFT = np.uint64(29)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def reduced(folded: str) -> str:
    """The letters that a text is known by; `folded` as the normaliser folds it. At most MAX_LETTERS of them."""
    text = folded[: 4 * MAX_LETTERS]
    if "." in text:
        text = _ADDRESS.sub(" ", text)
    if any(digit in text for digit in "0123456789"):
        text = _IN_WORD.sub(lambda found: found.group().translate(_LETTERS), text)
        text = _NUMBER.sub(" 0 ", text)
    text = _NO_LETTER.sub("", text)
    return _REPEATED.sub(r"\1", text)[:MAX_LETTERS]


def signature(folded: str) -> Signature | None:
    """The fingerprint of a text, or None where it is too short to have one. Never raises on any text."""
    text = reduced(folded)
    if len(text) < MIN_LETTERS:
        return None
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    count = len(codes) - PIECE + 1
    pieces = codes[:count] * _PLACES[0]
    for place in range(1, PIECE):
        pieces += codes[place : place + count] * _PLACES[place]
    pieces ^= pieces >> _SHIFT
    pieces *= _MIX
    pieces ^= pieces >> _SHIFT
    # The lower half of a product's bits orders little; the middle of the least product tells the pieces apart.
    least: NDArray[Any] = (pieces[None, :] * _FACTORS).min(axis=1)
    return (least * _MIX >> np.uint64(48)).astype(np.uint16)


def keys(found: Signature) -> list[int]:
    """The bands of a signature, as numbers: texts that share one at the same place may be alike."""
    bands = found[: BANDS * ROWS].reshape(BANDS, ROWS).tolist()
    return [sum(value << (16 * place) for place, value in enumerate(band)) for band in bands]


def alike(one: Signature, other: Signature) -> float:
    """How much of what either text says both say, 0..1, estimated: give or take 0.07."""
    return float(np.count_nonzero(one == other)) / VALUES


def alike_many(one: Signature, others: NDArray[np.uint16]) -> list[float]:
    """`alike` with each row of `others`."""
    return [float(same) / VALUES for same in np.count_nonzero(others == one, axis=1)]


def stored(found: Signature) -> bytes:
    """The form in which a signature is kept."""
    return found.astype("<u2").tobytes()


def read(kept: bytes) -> Signature:
    """The signature that `stored` made."""
    return np.frombuffer(kept, dtype="<u2").astype(np.uint16)
