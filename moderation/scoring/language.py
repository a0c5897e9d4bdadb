"""Which language a text is in, told by its script and by a small head of the linear model.

The question that matters is whether a scorer can read the text. A scorer is refused a text only when it is clearly in
another language; a text too short to tell ("mantap", emoji, a name) is `und` and may be judged. Malay, Javanese and
Sundanese count as Indonesian: readers mix them, and the models see the same words.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from moderation.scoring.features import Encoded

UNDECIDED = "und"

MIN_WORDS = 4
MIN_LETTERS = 15
"""A text with fewer words or letters is never called foreign by its letters (its script still may)."""

SURE = 0.9
"""How likely all foreign languages together must be before a Latin text is called foreign."""

LIKELY = 0.5
"""How likely a language must be to be named."""

_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0370, 0x03FF, "el"),
    (0x0400, 0x052F, "ru"),
    (0x0530, 0x058F, "hy"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x06FF, "ar"),
    (0x0750, 0x077F, "ar"),
    (0x0900, 0x097F, "hi"),
    (0x0980, 0x09FF, "bn"),
    (0x0A00, 0x0A7F, "pa"),
    (0x0A80, 0x0AFF, "gu"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0C00, 0x0C7F, "te"),
    (0x0C80, 0x0CFF, "kn"),
    (0x0D00, 0x0D7F, "ml"),
    (0x0D80, 0x0DFF, "si"),
    (0x0E00, 0x0E7F, "th"),
    (0x0E80, 0x0EFF, "lo"),
    (0x1000, 0x109F, "my"),
    (0x10A0, 0x10FF, "ka"),
    (0x1200, 0x137F, "am"),
    (0x1780, 0x17FF, "km"),
    (0x3040, 0x30FF, "ja"),
    (0x3400, 0x4DBF, "zh"),
    (0x4E00, 0x9FFF, "zh"),
    (0xAC00, 0xD7AF, "ko"),
    (0xFB50, 0xFDFF, "ar"),
    (0xFE70, 0xFEFC, "ar"),
    (0x20000, 0x3134F, "zh"),
)
"""Blocks of The Unicode Standard and the language most written in them; first, last, ISO 639-1 code."""

_OTHER_SCRIPT = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last, _ in _SCRIPTS)}]")
_FIRSTS = [first for first, _, _ in _SCRIPTS]


@dataclass(frozen=True, slots=True)
class Language:
    """What was found: an ISO 639-1 code or `und`, and whether the text is clearly in a language outside the model's."""

    code: str
    foreign: bool = False


def script_of(char: str) -> str:
    """The language most written in a character's block; "" for Latin and everything else."""
    code = ord(char)
    place = bisect_right(_FIRSTS, code) - 1
    if place >= 0 and code <= _SCRIPTS[place][1]:
        return _SCRIPTS[place][2]
    return ""


def by_script(plain: str) -> Language | None:
    """The language of a text whose letters are mostly not Latin; None when most of them are, or there are none."""
    if plain.isascii() or not _OTHER_SCRIPT.search(plain):
        return None
    scripts: Counter[str] = Counter()
    letters = 0
    for char in plain:
        if char.isalpha():
            letters += 1
            if not char.isascii():
                scripts[script_of(char)] += 1
    foreign = sum(count for code, count in scripts.items() if code)
    if letters == 0 or foreign * 2 <= letters:
        return None
    # One Han character is a word; elsewhere it takes a few letters to be a text.
    if foreign < 3 and not any(code in ("zh", "ja", "ko") for code in scripts):
        return Language(UNDECIDED)
    code = max((item for item in scripts.items() if item[0]), key=lambda item: item[1])[0]
    if code == "zh" and scripts["ja"] > 0:
        code = "ja"
    return Language(code, foreign=True)


def detect(encoded: Encoded, chances: Sequence[float], languages: Sequence[str], own: frozenset[str]) -> Language:
    """The language of a text that was read.

    `chances` are those of `languages` by letters alone (linear.Model); `own` are the languages that the model speaks.
    """
    found = by_script(encoded.view.plain)
    if found is not None:
        return found
    words = list(filter(str.isalpha, encoded.words_of_text))
    letters = sum(map(len, words))
    if letters < 3:
        return Language(UNDECIDED)
    most = max(chances)
    best = languages[chances.index(most)]
    home = sum(chance for code, chance in zip(languages, chances, strict=True) if code in own)
    if best in own and (most >= LIKELY or home >= SURE):
        return Language(best)
    if 1 - home >= SURE and len(words) >= MIN_WORDS and letters >= MIN_LETTERS:
        return Language(best if most >= LIKELY else UNDECIDED, foreign=True)
    return Language(UNDECIDED)
