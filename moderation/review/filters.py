"""The query language of the search: one line of words and filters, parsed into typed conditions. Pure, no SQL.

    slot "judi online" gac* -berita score:>0.8 domain:contoh.com status:held after:7d

All parts must hold; a minus turns a part round. Words are compared as the normaliser folds them, so that stylised
letters are found by plain ones. docs/search.md explains the language to moderators.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from moderation.comments import authors
from moderation.errors import InvalidInput
from moderation.scoring import evidence, normalise
from moderation.signals import SIGNALS

MAX_LENGTH = 1000
"""Characters of one query: what a saved view and a bulk job keep."""
MAX_PARTS = 30

MAX_WORD = 64
"""Letters of a word that count; the rest of a longer one is cut off, in the index too."""

STATUSES = ("held", "approved", "rejected", "pending")
FLAGS = ("reported", "escalated", "unscored", "first", "spam", "edited", "reply", "staff")
"""What `is:` knows: readers reported it; a senior is asked; no scorer judged it; it is its author's first; it was
rejected as spam; its text was changed; it answers another comment; the site's own people wrote it."""
NUMBERS = ("author_id", "story", "site", "campaign")
MEASURES = ("score", *SIGNALS)
MOMENTS = ("before", "after")
FACETS = ("domain", "phone", "network")
ALIASES: Mapping[str, str] = {"article": "story", "language": "lang", "link": "domain", "ip": "network"}
NAMES = ("status", "is", "reason", "lang", "author", *NUMBERS, *FACETS, *MOMENTS, "reports", *MEASURES)
"""Every filter, in the order in which help names them."""

UNKNOWN = "There is no filter “%(part)s”. There are: %(known)s."
MEASURE = "“%(part)s”: a number from 0 to 1 goes there, after < or >, as in score:>0.8."
COUNT = "“%(part)s”: a whole number goes there, as in reports:>2."
MOMENT = "“%(part)s”: a date or an age goes there, as in after:2026-01-31 or after:7d (m, h, d, w)."
CHOICE = "“%(part)s”: one of %(known)s goes there."
NUMBER = "“%(part)s”: a number goes there, as in story:123."
CODE = "“%(part)s”: a code goes there, as in lang:id or reason:links."
NAME = '“%(part)s”: a name with letters or digits goes there, as in author:"Rani S".'
DOMAIN = "“%(part)s”: a domain goes there, as in domain:contoh.com."
NETWORK = "“%(part)s”: an address or its network goes there, as in network:203.0.113.0/24."
PHONE = "“%(part)s”: a phone number goes there, as in phone:+6281234567890."
NO_MINUS = "“%(part)s” cannot be turned round with a minus; use < and >, before and after."
NO_WORD = "There are no letters or digits to search for."
TOO_LONG = "A search has at most %(most)s characters."
TOO_MANY = "A search has at most %(most)s parts."


class NotUnderstood(InvalidInput):
    """A query that cannot be read."""

    def __init__(self, sentence: str, **values: str) -> None:
        super().__init__(sentence, field="q", details=values, values=values)


@dataclass(frozen=True, slots=True)
class Words:
    """A word, or several that follow each other; `prefix`: the last one is only the beginning of a word.

    `given`: as it was written, where the folded words would fold to others still (mixed scripts do).
    """

    words: tuple[str, ...]
    prefix: bool = False
    negated: bool = False
    given: str = ""

    def __str__(self) -> str:
        return "-" * self.negated + _quoted(self.given or " ".join(self.words), self.prefix)


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value that is one of some: `status`, `lang`, `reason` and `is` (which has one value)."""

    name: str
    values: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        return f"{'-' * self.negated}{self.name}:{','.join(self.values)}"


@dataclass(frozen=True, slots=True)
class Numbered:
    """Rows of ours, by their ids: `author_id`, `story`, `site`, `campaign`."""

    name: str
    ids: tuple[int, ...]
    negated: bool = False

    def __str__(self) -> str:
        return f"{'-' * self.negated}{self.name}:{','.join(map(str, self.ids))}"


@dataclass(frozen=True, slots=True)
class Author:
    """The author's name, folded; `prefix`: its beginning. `given`: as with Words."""

    value: str
    prefix: bool = False
    negated: bool = False
    given: str = ""

    def __str__(self) -> str:
        return f"{'-' * self.negated}author:{_quoted(self.given or self.value, self.prefix)}"


@dataclass(frozen=True, slots=True)
class Facet:
    """What floods share: a link's registered `domain`, a `phone` number (E.164), the `network` of the address."""

    name: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        return f"{'-' * self.negated}{self.name}:{self.value}"


@dataclass(frozen=True, slots=True)
class Bound:
    """A number compared: `score` and the signals (0..1), `reports`. `sign` is <, <=, >, >= or =."""

    name: str
    sign: str
    value: float

    def __str__(self) -> str:
        number = f"{self.value:.6f}".rstrip("0").rstrip(".")
        return f"{self.name}:{'' if self.sign == '=' else self.sign}{number}"


@dataclass(frozen=True, slots=True)
class Moment:
    """When it came: `before` `at`, or `after` it (from then on). `given`: as it was written (date, age or moment)."""

    name: str
    at: datetime
    given: str

    def __str__(self) -> str:
        return f"{self.name}:{self.given}"


Condition = Words | OneOf | Numbered | Author | Facet | Bound | Moment


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: all conditions hold. Without any, everything is found."""

    conditions: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        """The query in its plainest form; parsed at the same moment and in the same zone it gives the same query."""
        return " ".join(map(str, self.conditions))

    def fixed(self) -> "Query":
        """The same query with moments for ages and dates: what it finds does not change with time or zone."""
        return Query(
            tuple(
                replace(item, given=_stamp(item.at)) if isinstance(item, Moment) else item for item in self.conditions
            )
        )


def words_of(folded: str) -> list[str]:
    """The words of a text that is folded already: its runs of letters and digits, without accents and points.

    What the index is given and what is looked for are made by this, so that both databases part words alike.
    """
    if not folded.isascii():
        marked = unicodedata.normalize("NFD", folded)
        folded = unicodedata.normalize("NFC", "".join(c for c in marked if unicodedata.category(c)[0] != "M")).lower()
    return [word[:MAX_WORD] for word in _RUN.findall(folded)]


def name_of(author_name: str) -> str:
    """An author's name as the search compares it; empty where it has neither letters nor digits."""
    return " ".join(words_of(normalise.view(author_name).folded))[:245]


def parse(text: str, *, now: datetime, tz: tzinfo) -> Query:
    """Read a query; dates are days of the zone `tz`, ages count back from `now`. An empty text finds everything.

    Raises NotUnderstood (an InvalidInput of the field `q`) that names the part and what may stand there.
    """
    if len(text) > MAX_LENGTH:
        raise NotUnderstood(TOO_LONG, most=str(MAX_LENGTH))
    conditions: dict[Condition, None] = {}  # the same part twice says nothing new
    empty = True
    for match in _PART.finditer(text.translate(_QUOTES)):
        empty = False
        for condition in _read(match, now, tz):
            conditions[condition] = None
    if len(conditions) > MAX_PARTS:
        raise NotUnderstood(TOO_MANY, most=str(MAX_PARTS))
    if not conditions and not empty:
        raise NotUnderstood(NO_WORD)
    query = Query(tuple(conditions))
    if len(str(query)) > MAX_LENGTH:  # a few signs unfold into whole words
        raise NotUnderstood(TOO_LONG, most=str(MAX_LENGTH))
    return query


_RUN = re.compile(r"[^\W_]+")
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "\0": " "})
_PART = re.compile(
    r'(?P<minus>-)?(?:(?P<name>[A-Za-z_]+):(?!//))?(?:"(?P<quoted>[^"]*)(?:"(?P<star>\*)?|$)|(?P<bare>[^\s"]+))'
)
_SIGNED = re.compile(r"(<=|>=|<|>|=)?\s*(\d{1,9}(?:[.,]\d{1,12})?|[.,]\d{1,12})")
_RANGE = re.compile(r"(\d{0,9}(?:[.,]\d{1,12})?)\.\.(\d{0,9}(?:[.,]\d{1,12})?)")
_AGE = re.compile(r"(\d{1,4})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CODE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_HOST = re.compile(r"[^\s\"',:/*]{1,253}")


def _read(match: re.Match[str], now: datetime, tz: tzinfo) -> Iterator[Condition]:
    part, negated = match.group(), match["minus"] is not None
    value = match["quoted"] if match["quoted"] is not None else match["bare"]
    prefix = bool(match["star"]) or value.endswith("*")
    if match["name"] is None:
        lonely = value.removesuffix(":").lower()
        if value.endswith(":") and (lonely in NAMES or lonely in ALIASES):  # a filter and nothing behind it
            raise _misplaced(ALIASES.get(lonely, lonely), part)
        given = _bare(value)
        words = _fold(given)
        if words:  # a lonely sign, as in “slot & gacor”, is no word
            yield Words(words, prefix, negated, "" if _fold(" ".join(words)) == words else given)
        return
    name = _known(match["name"])
    if negated and (name in MOMENTS or name in MEASURES or name == "reports"):
        raise NotUnderstood(NO_MINUS, part=part)
    try:
        if name in MOMENTS:
            yield _moment(name, value.strip(), now, tz)
        elif name in MEASURES or name == "reports":
            yield from _bounds(name, value)
        elif name in NUMBERS:
            yield Numbered(name, tuple(dict.fromkeys(_id(item) for item in value.split(","))), negated)
        elif name in FACETS:
            yield Facet(name, _FACET[name](value), negated)
        elif name == "author":
            yield _author(value, prefix, negated)
        else:
            yield _one_of(name, value, negated)
    except (ValueError, OverflowError):
        raise _misplaced(name, part) from None


def _known(given: str) -> str:
    name = ALIASES.get(given.lower(), given.lower())
    if name not in NAMES:
        raise NotUnderstood(UNKNOWN, part=given, known=", ".join(NAMES))
    return name


def _misplaced(name: str, part: str) -> NotUnderstood:
    if name in ("status", "is"):
        return NotUnderstood(CHOICE, part=part, known=", ".join(STATUSES if name == "status" else FLAGS))
    named: Mapping[str, str] = {"author": NAME, "domain": DOMAIN, "network": NETWORK, "phone": PHONE, "reports": COUNT}
    for names, sentence in ((MOMENTS, MOMENT), (MEASURES, MEASURE), (NUMBERS, NUMBER)):
        if name in names:
            return NotUnderstood(sentence, part=part)
    return NotUnderstood(named.get(name, CODE), part=part)


def _bare(value: str) -> str:
    return " ".join(value.rstrip("* ").split())


def _quoted(text: str, prefix: bool) -> str:
    star = "*" * prefix
    return text + star if _RUN.fullmatch(text) else f'"{text}{star}"'


def _fold(text: str) -> tuple[str, ...]:
    return tuple(words_of(normalise.view(text).folded))


def _author(value: str, prefix: bool, negated: bool) -> Author:
    given = _bare(value)
    name = name_of(given)
    if not name:
        raise ValueError
    return Author(name, prefix, negated, "" if name_of(name) == name else given)


def _one_of(name: str, value: str, negated: bool) -> OneOf:
    values = tuple(dict.fromkeys(item.strip().lower() for item in value.split(",")))
    if name == "status" and not set(values) <= set(STATUSES):
        raise ValueError
    if name == "is" and (len(values) > 1 or values[0] not in FLAGS):
        raise ValueError
    if not all(_CODE.fullmatch(item) for item in values):
        raise ValueError
    return OneOf(name, values, negated)


def _id(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):  # what fits a 64 bit id
        raise ValueError
    return int(text)


def _bounds(name: str, value: str) -> Iterator[Bound]:
    if found := _RANGE.fullmatch(value):
        low, high = found.groups()
        if not low and not high:
            raise ValueError
        if low:
            yield Bound(name, ">=", _number(name, low))
        if high:
            yield Bound(name, "<=", _number(name, high))
        return
    signed = _SIGNED.fullmatch(value)
    if signed is None or (signed[1] in (None, "=") and name != "reports"):
        raise ValueError
    yield Bound(name, signed[1] or "=", _number(name, signed[2]))


def _number(name: str, text: str) -> float:
    number = round(float(text.replace(",", ".")), 6)
    if name == "reports" and number != int(number):
        raise ValueError
    if name != "reports" and number > 1:
        raise ValueError
    return number


def _moment(name: str, value: str, now: datetime, tz: tzinfo) -> Moment:
    value = value.upper()
    if age := _AGE.fullmatch(value.lower()):
        return Moment(name, now - timedelta(**{_UNITS[age[2]]: int(age[1])}), age.group())
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        day = date.fromisoformat(value)
        return Moment(name, datetime.combine(day, time(), tz).astimezone(UTC), value)
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T", value):
        raise ValueError
    at = datetime.fromisoformat(value)
    at = (at.replace(tzinfo=tz) if at.tzinfo is None else at).astimezone(UTC)
    return Moment(name, at, _stamp(at))


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _domain(value: str) -> str:
    found = evidence.domain(normalise.view(value.strip()).folded)
    if not _HOST.fullmatch(found):
        raise ValueError
    return found


def _phone(value: str) -> str:
    found = evidence.phone(normalise.view(value).folded)
    if not found:
        raise ValueError
    return found


def _network(value: str) -> str:
    given = ipaddress.ip_network(value.strip(), strict=False)
    found = authors.network_of(str(given.network_address))
    if given.num_addresses > 1 and str(given) != found:  # only /24 (IPv4) and /48 (IPv6) are kept
        raise ValueError
    return found


_FACET: Mapping[str, Callable[[str], str]] = {"domain": _domain, "phone": _phone, "network": _network}
