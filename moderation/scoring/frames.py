"""Reads the corpora written for this project and makes labelled sentences of them. Only training uses it.

A frame is a line with slots (`dasar {stupid} {lo}`); expanding it fills the slots at random, always the same way for
the same line. Whole frames are held out (one line in five, by its checksum), so that what is measured on them is the
skill to judge new sentences, not to remember old ones.
"""

import random
import re
import tomllib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from moderation.scoring import lexicon as lexicons
from moderation.scoring.features import TOKEN
from moderation.scoring.lexicon import Lexicon
from moderation.signals import SEVERE_TOXICITY, SIGNALS

FOLDER = Path(__file__).parent / "corpus"

SAMPLES = 10
"""Sentences per frame where the file says nothing."""

HELD_OUT = 5
"""One frame in so many is kept for measuring."""

_SLOT = re.compile(r"\{([a-z_]+(?::[a-z_]+)?)\}")


@dataclass(frozen=True)
class Example:
    """A labelled text. `labels` holds 1 or 0 for every signal that is known; `group` names file or source."""

    text: str
    labels: Mapping[str, int]
    lang: str
    group: str
    dev: bool
    weight: float = 1.0
    tags: frozenset[str] = field(default_factory=frozenset)


@lru_cache(maxsize=1)
def lists() -> dict[str, dict[str, dict[str, Any]]]:
    """The word lists: language → category → the entry of the file."""
    return {path.stem: tomllib.loads(path.read_text("utf-8")) for path in sorted((FOLDER / "lexicon").glob("*.toml"))}


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """One lexicon of all languages' lists."""
    merged: dict[str, set[str]] = {}
    strong: set[str] = set()
    for categories in lists().values():
        for name, entry in categories.items():
            merged.setdefault(name, set()).update(map(_as_tokens, entry["terms"]))
            if entry.get("censored"):
                strong.update(term for term in entry["terms"] if term.isalpha() and len(term) >= 4)
    return lexicons.make({name: sorted(terms) for name, terms in merged.items()}, sorted(strong))


def _as_tokens(term: str) -> str:
    """A term as the features meet it: `hati-hati` is two words."""
    return " ".join(TOKEN.findall(term.lower()))


def sentences() -> Iterator[tuple[str, str]]:
    """The language files: (ISO 639-1 code, sentence)."""
    for path in sorted((FOLDER / "language").glob("*.txt")):
        for line in path.read_text("utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                yield path.stem, line.strip()


def examples() -> list[Example]:
    """Every sentence of every frame file, with variants in disguise, in a fixed order."""
    found: list[Example] = []
    for path in sorted((FOLDER / "frames").glob("*.toml")):
        found.extend(_file(path))
    return found


def _file(path: Path) -> Iterator[Example]:
    content = tomllib.loads(path.read_text("utf-8"))
    lang, slots = content["language"], content.get("slots", {})
    for block in content["frames"]:
        labels = _labels(block)
        for line in block["lines"]:
            seed = zlib.crc32(line.encode())
            chance = random.Random(seed)  # noqa: S311 - choosing sentences, not secrets
            dev = seed % HELD_OUT == 0
            for text in _fill(line, slots, lang, block.get("samples", SAMPLES), chance):
                yield Example(text, labels, lang, path.stem, dev, tags=frozenset(block.get("tags", ())))
                for variant, tag in _variants(text, labels, lang, chance, styled=content.get("styled", False)):
                    yield Example(variant, labels, lang, path.stem, dev, 0.7, frozenset((tag,)))


def _labels(block: Mapping[str, Any]) -> dict[str, int]:
    raised = set(block["signals"])
    if block.get("severe"):
        raised.add(SEVERE_TOXICITY)
    unknown = set(block.get("unknown", ()))
    wrong = (raised | unknown) - set(SIGNALS)
    if wrong:
        raise ValueError(f"unknown signals in a frame file: {sorted(wrong)}")
    return {name: int(name in raised) for name in SIGNALS if name in raised or name not in unknown}


def _fill(line: str, slots: Mapping[str, Sequence[str]], lang: str, samples: int, chance: random.Random) -> list[str]:
    if not _SLOT.search(line):
        return [line]

    def choose(match: re.Match[str]) -> str:
        name = match.group(1)
        if name.startswith("lex:"):
            return str(chance.choice(lists()[lang][name[4:]]["terms"]))
        return chance.choice(slots[name])

    texts: dict[str, None] = {}
    for _ in range(samples * 2):
        text = _SLOT.sub(choose, line)
        text = _SLOT.sub(choose, text)  # a slot's value may hold a slot
        texts[re.sub(r" {2,}", " ", text).strip()] = None
        if len(texts) == samples:
            break
    return list(texts)


@lru_cache(maxsize=4)
def _fillers(lang: str) -> tuple[str, ...]:
    """Neutral sentences, to stand before and after others."""
    content = tomllib.loads((FOLDER / "frames" / f"{lang}_benign.toml").read_text("utf-8"))
    chance = random.Random(7)  # noqa: S311 - choosing sentences, not secrets
    return tuple(
        text
        for block in content["frames"]
        for line in block["lines"]
        if len(line) > 30 and zlib.crc32(line.encode()) % HELD_OUT
        for text in _fill(line, content["slots"], lang, 3, chance)
    )


def _variants(
    text: str, labels: Mapping[str, int], lang: str, chance: random.Random, *, styled: bool
) -> Iterator[tuple[str, str]]:
    """Some sentences again in company or in disguise; the rates keep disguise from being a crime by itself."""
    bad = any(labels.values())
    if chance.random() < 0.35:
        filler = chance.choice(_fillers(lang))
        yield (f"{filler} {text}" if chance.random() < 0.5 else f"{text}. {filler}"), "company"
    if chance.random() < 0.06:
        yield " ".join((chance.choice(_fillers(lang)), text, *chance.sample(_fillers(lang), 2))), "company"
    if chance.random() < 0.10:
        yield text.upper(), "capitals"
    for name, rate in (("leet", 0.05), ("stretch", 0.06), ("spaced", 0.04), ("styled", 0.06), ("typo", 0.06)):
        if chance.random() < (0.8 if styled and name == "styled" else rate if bad else rate * 0.7):
            yield DISGUISES[name](text, chance), name


_LEET = str.maketrans("aioes", "41035")
_FONTS = (0x1D400, 0x1D434, 0x1D468, 0x1D4D0, 0x1D56C, 0x1D5A0, 0x1D5D4, 0x1D608, 0x1D63C, 0x1D670, 0x24B6, 0xFF21)
_SMALL_CAPS = str.maketrans("abcdefghijklmnoprstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ")
_LOOKALIKE = str.maketrans("aeopcxyi", "аеорсхуі")


def _some_words(text: str, chance: random.Random, change: Callable[[str], str]) -> str:
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word) >= 4]
    for index in chance.sample(long, max(1, len(long) // 2)) if long else ():
        words[index] = change(words[index])
    return " ".join(words)


def leet(text: str, chance: random.Random) -> str:
    """Digits for vowels in half of the words."""
    return _some_words(text, chance, lambda word: word.translate(_LEET))


def stretch(text: str, chance: random.Random) -> str:
    """A letter drawn out in half of the words."""

    def change(word: str) -> str:
        place = chance.randrange(len(word))
        return word[:place] + word[place] * chance.randint(3, 6) + word[place + 1 :]

    return _some_words(text, chance, change)


def spaced(text: str, chance: random.Random) -> str:
    """Letters parted by spaces, dots or zero-width spaces in half of the words."""
    sign = chance.choice((" ", ".", "-", "\u200b", "_"))
    return _some_words(text, chance, lambda word: sign.join(word))


def styled(text: str, chance: random.Random) -> str:
    """Written, whole or in part, in styled Unicode letters or look-alikes."""
    kind = chance.random()
    if kind < 0.15:
        return text.lower().translate(_SMALL_CAPS)
    if kind < 0.25:
        return _some_words(text, chance, lambda word: word.translate(_LOOKALIKE))
    first = chance.choice(_FONTS)
    small = first + (32 if first == 0xFF21 else 26)

    def letter(char: str) -> str:
        if "A" <= char <= "Z":
            return chr(first + ord(char) - 65)
        return chr(small + ord(char) - 97) if "a" <= char <= "z" else char

    def change(word: str) -> str:
        return "".join(map(letter, word))

    return change(text) if chance.random() < 0.5 else _some_words(text, chance, change)


def typo(text: str, chance: random.Random) -> str:
    """A letter dropped or two swapped in half of the words, as thumbs do."""

    def change(word: str) -> str:
        place = chance.randrange(1, len(word) - 1)
        if chance.random() < 0.5:
            return word[:place] + word[place + 1 :]
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]

    return _some_words(text, chance, change)


DISGUISES: Mapping[str, Callable[[str, random.Random], str]] = {
    "leet": leet,
    "stretch": stretch,
    "spaced": spaced,
    "styled": styled,
    "typo": typo,
}
"""Ways to write the same sentence otherwise; evaluation uses them too."""
