"""The policy as a value: parsed from its stored document, checked once, then only read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moderation.errors import InvalidInput, not_among
from moderation.signals import SIGNALS

PRE = "pre"
AUTO = "auto"
POST = "post"
MODES = (PRE, AUTO, POST)
"""`pre`: a person reads everything. `auto`: what has a reason against it is held. `post`: published first, unless it is
bad enough to be rejected or cannot be judged."""

HOLD = "hold"
REJECT = "reject"
APPROVE = "approve"
NOTE = "note"
"""Of a reason: it is shown, and neither holds nor rejects."""

BURSTS = {"burst_author": 10, "burst_network": 30, "burst_site": 500, "repeated_text": 3}
"""From how many on a crowd of comments is a reason, where a policy does not say (docs/spam.md). 0 switches it off."""

MOST = {"max_links": 1000, "burst_author": 200, "burst_network": 300, "burst_site": 5000, "repeated_text": 100}
"""The greatest number that each rule which counts may name: nothing is counted further."""


@dataclass(frozen=True, slots=True)
class Band:
    """Marks on one signal: at or above `hold` a person decides, at or above `reject` the machine may reject."""

    hold: float
    reject: float | None = None


@dataclass(frozen=True, slots=True)
class WordList:
    """Words that hold or reject a comment; whole words, compared after normalising both sides."""

    name: str
    words: tuple[str, ...]
    action: str = HOLD


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a site's policy.

    `bands`: scorer → signal → Band; a signal without a band is only shown. `max_links`: so many links or more hold,
    0 switches the rule off. `blocked_authors`: `id:<external id>`, `name:<name>` or `email_hash:<keyed hash>`.
    `blocked_domains`: a domain and all below it. `auto_reject`: off, everything bad is held, never rejected.
    `burst_author`, `burst_network`, `burst_site`: so many comments of one author, network or the whole site within ten
    minutes, `repeated_text`: so many nearly the same texts within thirty days; 0 switches a rule off. An author's burst
    holds, the others only what also has a link, a phone number or a brand.
    """

    version: int = 0
    mode: str = AUTO
    bands: Mapping[str, Mapping[str, Band]] = field(default_factory=dict)
    auto_reject: bool = False
    max_links: int = 2
    new_author: bool = False
    word_lists: tuple[WordList, ...] = ()
    blocked_authors: frozenset[str] = frozenset()
    blocked_domains: frozenset[str] = frozenset()
    burst_author: int = BURSTS["burst_author"]
    burst_network: int = BURSTS["burst_network"]
    burst_site: int = BURSTS["burst_site"]
    repeated_text: int = BURSTS["repeated_text"]

    def band(self, scorer: str, signal: str) -> Band | None:
        """The marks of a signal as `scorer` measures it: scorers are calibrated differently.

        A newsroom layer moves what the built-in says, and is held to the built-in's marks where it has none.
        """
        found = self.bands.get(scorer, {}).get(signal)
        return self.band("builtin", signal) if found is None and scorer == "newsroom" else found


def parse(document: Mapping[str, Any], version: int = 0) -> Policy:
    """A Policy from its document. Raises InvalidInput that names the field (`bands.builtin.spam.hold`)."""
    unknown = set(document) - {
        "mode",
        "bands",
        "auto_reject",
        "max_links",
        "new_author",
        "word_lists",
        "blocked_authors",
        "blocked_domains",
        *BURSTS,
    }
    if unknown:
        name = sorted(unknown)[0]
        raise InvalidInput("A policy has no field %(name)s.", field=name, values={"name": name})
    mode = document.get("mode", AUTO)
    if mode not in MODES:
        raise not_among("mode", MODES)
    return Policy(
        version=version,
        mode=mode,
        bands={
            scorer: {signal: _band(f"bands.{scorer}.{signal}", signal, band) for signal, band in signals.items()}
            for scorer, signals in _mapping(document, "bands").items()
        },
        auto_reject=_flag(document, "auto_reject"),
        max_links=_count(document, "max_links", 2),
        new_author=_flag(document, "new_author"),
        word_lists=tuple(_word_list(f"word_lists.{n}", item) for n, item in enumerate(_list(document, "word_lists"))),
        blocked_authors=frozenset(_texts("blocked_authors", _list(document, "blocked_authors"))),
        blocked_domains=frozenset(
            text.lower().strip(".") for text in _texts("blocked_domains", _list(document, "blocked_domains"))
        ),
        **{name: _count(document, name, usual) for name, usual in BURSTS.items()},
    )


def _count(document: Mapping[str, Any], name: str, usual: int) -> int:
    value = document.get(name, usual)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST[name]:
        raise InvalidInput(
            "%(name)s must be a whole number from %(low)s to %(high)s.",
            field=name,
            values={"name": name, "low": 0, "high": MOST[name]},
        )
    if name in BURSTS and value == 1:
        raise InvalidInput(
            "%(name)s must be 0 (off) or at least 2: every comment is one.", field=name, values={"name": name}
        )
    return value


def _band(name: str, signal: str, band: Any) -> Band:
    if signal not in SIGNALS:
        raise InvalidInput("There is no signal %(signal)s.", field=name, values={"signal": signal})
    if not isinstance(band, Mapping) or set(band) - {"hold", "reject"} or "hold" not in band:
        raise InvalidInput("A band is {hold, reject}, hold required.", field=name)
    hold, reject = band["hold"], band.get("reject")
    for mark, value in (("hold", hold), ("reject", reject)):
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
        if not number and not (mark == "reject" and value is None):
            raise InvalidInput("A mark must lie between 0 and 1.", field=f"{name}.{mark}")
    if reject is not None and reject < hold:
        raise InvalidInput("The reject mark must not lie below the hold mark.", field=f"{name}.reject")
    return Band(float(hold), None if reject is None else float(reject))


def _word_list(name: str, item: Any) -> WordList:
    if not isinstance(item, Mapping) or set(item) - {"name", "words", "action"}:
        raise InvalidInput("A word list is {name, words, action}.", field=name)
    action = item.get("action", HOLD)
    if action not in (HOLD, REJECT):
        raise not_among("action", (HOLD, REJECT), field=f"{name}.action")
    words = item.get("words", [])
    if not isinstance(words, list):
        raise InvalidInput("%(name)s must be a list.", field=f"{name}.words", values={"name": "words"})
    return WordList(str(item.get("name", "")), tuple(_texts(f"{name}.words", words)), action)


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, Any]]:
    value = document.get(name, {})
    if not isinstance(value, Mapping) or not all(isinstance(item, Mapping) for item in value.values()):
        raise InvalidInput("%(name)s must be an object of objects.", field=name, values={"name": name})
    return value


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name, [])
    if not isinstance(value, list):
        raise InvalidInput("%(name)s must be a list.", field=name, values={"name": name})
    return value


def _flag(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput("%(name)s must be true or false.", field=name, values={"name": name})
    return value


def _texts(name: str, items: list[Any]) -> list[str]:
    for number, item in enumerate(items):
        if not isinstance(item, str) or not item.strip():
            raise InvalidInput("An entry must be a text that is not empty.", field=f"{name}.{number}")
    return [item.strip() for item in items]
