"""Text views: what a reader's eye takes from a comment, with offsets back to what was written.

`view(text)` gives the folded text (lower case; styled letters, accents and hidden characters undone) and, beside it,
appended readings of single words (leet decoded, spaced letters joined, stretched letters shortened). Readings are
added, never put in the place of the word, so that a wrong guess costs nothing. Every folded code point knows the place
in the original that it came from. All steps are linear in the length of the text.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from moderation.scoring import confusables
from moderation.scoring.confusables import Kind

MAX_READINGS = 400
"""Appended readings per text: more than any honest comment has; keeps hostile texts linear in memory."""

_WORD = re.compile(r"\S+")
_SPACES = str.maketrans({chr(code): " " for code in (*range(32), 127)})
_LEET = str.maketrans("0134567892@$!+€|", "oieasgtbgza$!tei".replace("$", "s").replace("!", "i"))
_LEET_L = str.maketrans("0134567892@$!+€|", "oleasgtbgzasltel")
_LEETISH = re.compile(r"(?=[^a-z]*[a-z])(?=[a-z]*[0-9@$!+€|])[a-z0-9@$!+€|]{3,24}")
_NUMBERED = re.compile(r"[a-z]+\d+|\d+[a-z]+|\d+")
_DOUBLED = re.compile(r"([a-z]{3,})2(nya|an|lah|ku|mu)?")
_STRETCHED = re.compile(r"([a-z])\1\1+")  # `\1{2,}` says the same and takes twice as long
_DOUBLE = re.compile(r"([a-z])\1+")
_SEPARATOR = r"[ .,_\-*|/~'\"()\[\]{}+=:•·]"
_SPACED = re.compile(rf"(?<![a-z0-9])[a-z0-9](?:{_SEPARATOR}{{1,3}}[a-z0-9](?![a-z0-9])){{2,}}")
_GAP = re.compile(rf"{_SEPARATOR}+")
_CENSORED = re.compile(r"(?=[a-z*#•·×✱_.%^&]{3,24}(?![a-z]))[a-z]+[*#•·×✱_.%^&]+[a-z*#•·×✱_.%^&]*")
_BRAND = re.compile(r"(?<![a-z0-9])([a-z]{3,14})[ -]?(\d{2,4})(?![a-z0-9])")
_NUMBER = re.compile(r"\d\d")
"""What every brand with a number has inside, quicker to look for."""
_SINGLES = re.compile(rf"{_SEPARATOR}[a-z0-9]{_SEPARATOR}{{1,3}}[a-z0-9](?![a-z0-9])")
"""What every run of spaced letters has inside, quicker to look for."""
_TELLING = re.compile(r"[0-9@$!+€|*#•·×✱_.%^&]")
"""A word without stretched letters and without one of these signs has no other reading: `don't`, `well-known`."""
_EDGES = ".,;:!?\"'()[]{}<>…“”‘’«»*~_-"


@dataclass(frozen=True, slots=True)
class Reading:
    """Another reading of a stretch of the folded text, e.g. `g0bl0k` → `goblok`. Offsets are into the original."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class View:
    """A text as models and rules see it.

    `folded[i]` came from `original[starts[i]:ends[i]]`. `plain` is for people: letters as they read, case and accents
    kept, nothing hidden; it differs from `original` only where something was styled or hidden.
    `styled` and `hidden` are places in the original, one per character, in order.
    """

    original: str
    folded: str
    starts: Sequence[int]
    ends: Sequence[int]
    plain: str
    styled: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()
    readings: tuple[Reading, ...] = field(default=())

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of `folded[start:end]` (0 ≤ start < end ≤ len(folded))."""
        return self.starts[start], self.ends[end - 1]


@lru_cache(maxsize=65_536)
def _read(char: str) -> tuple[str, str, Kind]:
    return confusables.read(char)


def folded(text: str) -> str:
    """Only the folded text of `view`: a fraction of its cost."""
    return text.lower().translate(_SPACES) if text.isascii() else _fold(text).folded


def view(text: str, decensor: Callable[[str], str | None] | None = None) -> View:
    """Make the views of a plain text (no HTML). Never raises; lone surrogates are kept as they are.

    `decensor` names the word that a censored one such as `f**k` stands for, or None; without it those stay unread.
    """
    if text.isascii():
        folded = text.lower().translate(_SPACES)
        size = len(text)
        base = View(text, folded, range(size), range(1, size + 1), text)
    else:
        base = _fold(text)
    found = tuple(_readings(base, decensor))
    if not found:
        return base
    return View(base.original, base.folded, base.starts, base.ends, base.plain, base.styled, base.hidden, found)


def _fold(text: str) -> View:
    known = {char: _read(char) for char in set(text)}
    if all(kind is Kind.PLAIN and len(low) == 1 for low, _, kind in known.values()):
        return _fold_plain(text, known)
    reads = [known[char] for char in text]
    kinds = [read[2] for read in reads]
    if Kind.BORROWED in kinds:
        _keep_foreign_words(text, reads, kinds)
    if Kind.REGIONAL in kinds:
        _keep_flags(text, reads, kinds)
    folded: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    plain: list[str] = []
    styled: list[int] = []
    hidden: list[int] = []
    marks = 0
    for index, (low, shown, _) in enumerate(reads):
        kind = kinds[index]
        if kind == Kind.PLAIN:
            marks = 0
            plain.append(shown)
        elif kind == Kind.HIDDEN:
            if _disguises(text, index, folded):
                hidden.append(index)
            elif text[index + 1 : index + 2] != "\u20e3":
                plain.append(text[index])
            if ends:
                ends[-1] = index + 1
            continue
        elif kind == Kind.MARK:
            marks += 1
            _mark(text, index, marks, folded, styled, plain)
            if ends:
                ends[-1] = index + 1
            continue
        else:
            marks = 0
            styled.append(index)
            plain.append(shown)
        folded.append(low)
        starts.extend([index] * len(low))
        ends.extend([index + 1] * len(low))
    return View(text, "".join(folded), starts, ends, "".join(plain), tuple(styled), tuple(hidden))


def _fold_plain(text: str, known: Mapping[str, tuple[str, str, Kind]]) -> View:
    """Of a text in which nothing is styled or hidden: curly quotes, emoji, another script."""
    size = len(text)
    folded = _replaced(text, {char: low for char, (low, _, _) in known.items() if low != char})
    plain = _replaced(text, {char: shown for char, (_, shown, _) in known.items() if shown != char})
    return View(text, folded, range(size), range(1, size + 1), plain)


def _replaced(text: str, forms: Mapping[str, str]) -> str:
    """Every character of `forms` as it says there."""
    if not forms.keys().isdisjoint(forms.values()):
        return text.translate({ord(char): form for char, form in forms.items()})
    # One after the other where no form is replaced in its turn: `translate` asks a dictionary for every character.
    for char, form in forms.items():
        text = text.replace(char, form)
    return text


def _mark(text: str, index: int, marks: int, folded: list[str], styled: list[int], plain: list[str]) -> None:
    """A combining mark: an accent of the language, or ink over the letter (struck through, boxed, three and more)."""
    on_latin = bool(folded) and folded[-1].isascii() and folded[-1].isalnum()
    if on_latin and (text[index] in confusables.OVERLAYS or marks >= 3):
        base = index - marks
        if not styled or styled[-1] < base:
            styled.append(max(base, 0))
    else:
        plain.append(text[index])


def _disguises(text: str, index: int, folded: list[str]) -> bool:
    """Whether a character without ink hides something: not where emoji or scripts with joining letters need it."""
    before = folded[-1] if folded else ""
    after = text[index + 1] if index + 1 < len(text) else ""
    if text[index] == "\ufe0f" and after == "\u20e3":
        return False
    near = [char for char in (before[-1:], after) if char]
    foreign = any(not char.isascii() and (char.isalpha() or _read(char)[2] == Kind.MARK) for char in near)
    symbol = bool(before) and not before.isascii() and not before.isalpha()
    latin_after = _read(after)[0].isascii() and _read(after)[0].isalnum() if after else False
    if symbol and not latin_after:
        return False
    if foreign and not latin_after and not before.isascii():
        return False
    # A soft hyphen inside a copied word is typesetting.
    return text[index] != "\u00ad"


def _keep_foreign_words(text: str, reads: list[tuple[str, str, Kind]], kinds: list[Kind]) -> None:
    """Read borrowed letters as Latin only where they play Latin: mixed words, or look-alike words in a Latin text."""
    latin = sum(1 for read, kind in zip(reads, kinds, strict=True) if kind != Kind.BORROWED and _is_latin(read[0]))
    letters = sum(1 for char, kind in zip(text, kinds, strict=True) if kind == Kind.BORROWED or char.isalpha())
    latin_text = latin * 2 > letters
    for match in _WORD.finditer(text):
        start, end = match.span()
        word = range(start, end)
        borrowed = [i for i in word if kinds[i] == Kind.BORROWED]
        if not borrowed:
            continue
        mixed = any(_is_latin(reads[i][0]) and kinds[i] in (Kind.PLAIN, Kind.STYLED) for i in word)
        foreign = any(kinds[i] == Kind.PLAIN and text[i].isalpha() and not _is_latin(reads[i][0]) for i in word)
        symbols_only = all(not text[i].isalpha() for i in borrowed)
        if (mixed and not (symbols_only and end - start < 4)) or (
            latin_text and not foreign and not symbols_only and len(borrowed) > 1
        ):
            continue
        for i in borrowed:
            reads[i] = (text[i].casefold(), text[i], Kind.PLAIN)
            kinds[i] = Kind.PLAIN


def _is_latin(folded: str) -> bool:
    return bool(folded) and folded.isascii() and folded.isalpha()


def _keep_flags(text: str, reads: list[tuple[str, str, Kind]], kinds: list[Kind]) -> None:
    """Runs of regional letters that spell territories pair by pair are flags; other runs are letters."""
    index = 0
    while index < len(kinds):
        if kinds[index] != Kind.REGIONAL:
            index += 1
            continue
        end = index
        while end < len(kinds) and kinds[end] == Kind.REGIONAL:
            end += 1
        spelled = "".join(reads[i][1] for i in range(index, end))
        pairs = [spelled[i : i + 2] for i in range(0, len(spelled), 2)]
        if all(pair in confusables.TERRITORIES for pair in pairs):
            for i in range(index, end):
                reads[i] = (text[i], text[i], Kind.PLAIN)
                kinds[i] = Kind.PLAIN
        index = end


def _readings(base: View, decensor: Callable[[str], str | None] | None) -> Iterator[Reading]:
    """Other readings of words and of spaced letters, at most MAX_READINGS."""
    for start, end, text in islice(_all_readings(base.folded, decensor), MAX_READINGS):
        yield Reading(text, *base.span(start, end))


def _all_readings(folded: str, decensor: Callable[[str], str | None] | None) -> Iterator[tuple[int, int, str]]:
    if _SINGLES.search(folded):
        for match in _SPACED.finditer(folded):
            yield from _joined(match)
    stretched = _STRETCHED.search(folded) is not None
    after = 0
    for word in folded.split() if stretched else _odd_words(folded):
        core = word.strip(_EDGES)
        if not core or len(word) > 64 or not (stretched or (not core.isalpha() and _TELLING.search(core))):
            continue
        # No word that was passed over can hold this one: it has other signs than letters, or a stretch.
        start = folded.index(word, after)
        after = start + len(word)
        start += word.index(core)
        for reading in _word_readings(core, word, decensor):
            yield start, start + len(core), reading


def _odd_words(folded: str) -> list[str]:
    """The words that have other signs than letters."""
    return [word for word in folded.split() if not word.isalpha()]


def _word_readings(core: str, word: str, decensor: Callable[[str], str | None] | None) -> Iterator[str]:
    if core.isalpha():
        if _STRETCHED.search(core):
            once = _DOUBLE.sub(r"\1", core)
            yield once
            twice = _STRETCHED.sub(r"\1\1", core)
            if twice != once:
                yield twice
            if decensor is None:
                return
        return
    if doubled := _DOUBLED.fullmatch(core):
        yield doubled.group(1)
        return
    if decensor is not None and _CENSORED.fullmatch(word.strip(".,;:!?\"'()")):
        whole = decensor(word.strip(".,;:!?\"'()"))
        if whole:
            yield whole
            return
    if _LEETISH.fullmatch(core) and not _NUMBERED.fullmatch(core):
        decoded = _STRETCHED.sub(r"\1", core.translate(_LEET))
        yield decoded
        other = _STRETCHED.sub(r"\1", core.translate(_LEET_L))
        if other != decoded:
            yield other
        return
    shorter = _STRETCHED.sub(r"\1", core)
    if shorter != core:
        yield shorter


def _joined(match: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    """`g o b l o k  l u` gives `goblok`, `lu` where wider gaps part words, else one word."""
    text = match.group()
    gaps = [gap.span() for gap in _GAP.finditer(text)]
    narrow = min(end - start for start, end in gaps)
    wide = [gap for gap in gaps if gap[1] - gap[0] > narrow]
    start = 0
    for gap_start, gap_end in [*wide, (len(text), len(text))]:
        piece = text[start:gap_start]
        letters = _GAP.sub("", piece)
        if len(letters) >= 3 and any(char.isalpha() for char in letters):
            yield match.start() + start, match.start() + gap_start, letters
            if any(char.isdigit() for char in letters) and not _NUMBERED.fullmatch(letters):
                yield match.start() + start, match.start() + gap_start, letters.translate(_LEET)
        start = gap_end


def counter(belongs: Callable[[str], bool]) -> Callable[[str], int]:
    """A function: text → how many of its characters belong."""
    others = bytes(code for code in range(128) if not belongs(chr(code)))

    def count(text: str) -> int:
        # Deleting the others takes a tenth of the time that asking every character takes.
        return len(text.encode().translate(None, others)) if text.isascii() else sum(map(belongs, text))

    return count


letters, capitals, digits = counter(str.isalpha), counter(str.isupper), counter("0123456789".__contains__)


def brand_numbers(found: View) -> list[tuple[int, int, str]]:
    """Names that end in a number, as gambling sites are called: `pulau77`, `mpo 88`; styled or spaced ones too.

    Offsets are into the original. Honest names match as well (`covid19`, `tahun 2024` does not: only names written in
    one piece, or in styled letters); a model weighs it.
    """
    styled = set(found.styled)
    brands = []
    for match in _BRAND.finditer(found.folded) if _NUMBER.search(found.folded) else ():
        start, end = found.span(*match.span())
        together = match.end(1) == match.start(2)
        if together or any(index in styled for index in range(start, end)):
            brands.append((start, end, match.group(1) + match.group(2)))
    for reading in found.readings:
        joined = _BRAND.fullmatch(reading.text)
        if joined:
            brands.append((reading.start, reading.end, reading.text))
    return brands
