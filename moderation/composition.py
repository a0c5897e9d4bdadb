"""Composition: which scorer speaks for which language and signal, as one table that a setting spells out.

`id:*=newsroom,builtin; en:toxicity=detoxify,builtin; *:spam=newsroom,builtin`: parts `LANGUAGE:SIGNAL=SCORERS`, of
which the first that fits a text's language and a signal says who speaks, the first scorer of its list that measured the
signal. What fits no part is as without the setting. A scorer that is in no list that fits does not speak there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from moderation.signals import SIGNALS, SPAM

SCORERS = ("builtin", "detoxify", "newsroom")
"""The names that a list may hold."""

BUILTIN = "builtin"
ANY = "*"
_LANGUAGE = re.compile(r"[a-z]{2,3}")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: for texts in `language` and `signal` (either may be `*`) the scorers that may speak, best first."""

    language: str
    signal: str
    scorers: tuple[str, ...]

    def fits(self, language: str, signal: str) -> bool:
        """Whether it says who speaks for `signal` of a text in `language`."""
        return self.language in (ANY, language) and self.signal in (ANY, signal)


@dataclass(frozen=True, slots=True)
class Composition:
    """The parts in their order; the last fits everything."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        """As the setting spells it: `parse` reads the same table from it."""
        own = self.parts[: -len(USUAL.parts)]
        return "; ".join(f"{part.language}:{part.signal}={','.join(part.scorers)}" for part in own)

    def order(self, language: str, signal: str) -> tuple[str, ...]:
        """The scorers that may speak for a signal of a text in a language, best first."""
        return next(part.scorers for part in self.parts if part.fits(language, signal))

    def speaks(self, scorer: str, language: str) -> bool:
        """Whether a scorer may speak for any signal of a text in `language`: else it need not judge it."""
        return any(scorer in self.order(language, signal) for signal in SIGNALS)

    def choose(self, language: str, signal: str, measured: Mapping[str, Value]) -> Value | None:
        """Of what scorers (by name) measured of a signal, that which counts; None when none of them may speak.

        A scorer that no version of the setting can name (one of a later version) speaks behind all others.
        """
        order = self.order(language, signal)
        for scorer in (*order, *(name for name in measured if name not in SCORERS)):
            if scorer in measured:
                return measured[scorer]
        return None


USUAL = Composition((Part(ANY, ANY, ("newsroom", "detoxify", "builtin")),))
"""Without the setting: a site's own layer, then Detoxify where it speaks the language, then the built-in."""


DETOXIFY_ALONE = Composition((Part(ANY, SPAM, ("newsroom", "builtin")), Part(ANY, ANY, ("detoxify",))))
"""The same where Detoxify is the only scorer that is wanted; it does not measure spam."""


def parse(text: str) -> Composition:
    """The table that `text` spells out, with USUAL behind it. Raises ValueError with a clause that names the part."""
    parts: list[Part] = []
    for piece in (piece.strip() for piece in text.split(";")):
        if piece:
            part = _part(piece)
            if any(other.fits(part.language, part.signal) for other in parts):
                raise ValueError(f"has the part {piece!r}, which is never reached: one before it fits all that it fits")
            parts.append(part)
    found = Composition((*parts, *USUAL.parts))
    for part in parts:
        if part.signal in (ANY, SPAM) and BUILTIN not in part.scorers:
            covered = next(other for other in parts if other.fits(part.language, SPAM))
            if covered is part:
                raise ValueError(
                    f"leaves spam without {BUILTIN} for {part.language}: name it in that part, or put "
                    f"{part.language}:{SPAM}=... before it"
                )
    return found


def _part(piece: str) -> Part:
    where, equals, names = piece.partition("=")
    language, colon, signal = (item.strip() for item in where.partition(":"))
    scorers = tuple(name.strip() for name in names.split(","))
    if not equals or not colon:
        raise ValueError(f"has the part {piece!r}, which is not of the form LANGUAGE:SIGNAL=SCORER,SCORER")
    if language != ANY and not _LANGUAGE.fullmatch(language):
        raise ValueError(f"has the part {piece!r}, whose language is neither a code such as id nor *")
    if signal != ANY and signal not in SIGNALS:
        raise ValueError(f"has the part {piece!r}, whose signal is none of {', '.join(SIGNALS)} and not *")
    return Part(language, signal, _scorers(piece, scorers))


def _scorers(piece: str, names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in SCORERS:
            raise ValueError(f"has the part {piece!r}, which names {name!r}, none of {', '.join(SCORERS)}")
    if len(set(names)) < len(names):
        raise ValueError(f"has the part {piece!r}, which names a scorer twice")
    return tuple(names)
