"""What differs between two policy documents, item by item: what a person reads before they publish. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moderation.policy.document import AUTO, BURSTS, HOLD
from moderation.signals import SIGNALS

SWITCHES: Mapping[str, Any] = {"mode": AUTO, "auto_reject": False, "max_links": 2, "new_author": False, **BURSTS}
"""Fields with one value, and what a document without them means."""

LISTS = ("blocked_authors", "blocked_domains")

SHOWN = 20
"""Entries that a line of a difference names; of more it says how many."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs.

    `kind`: `switch` (a field of SWITCHES), `mark` (a mark of a signal), `words` (a word list), `entries` (a field of
    LISTS). `field` is its path in the document; `scorer`, `signal` and `mark` (`hold`, `reject`) name a mark, `name`
    and `action` a word list. `before` and `after` are values (None: there is none); of lists what was `added` and
    `removed`.
    """

    kind: str
    field: str
    before: Any = None
    after: Any = None
    scorer: str = ""
    signal: str = ""
    mark: str = ""
    name: str = ""
    action: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The told form."""
        if self.kind in ("words", "entries"):
            return {"field": self.field, "added": list(self.added), "removed": list(self.removed)}
        return {"field": self.field, "before": self.before, "after": self.after}

    def __str__(self) -> str:
        """One line of plain English, for the command line."""
        if self.kind in ("words", "entries"):
            parts = [f"+ {_listed(self.added)}"] * bool(self.added) + [f"- {_listed(self.removed)}"] * bool(
                self.removed
            )
            return f"{self.field}: {'; '.join(parts)}"
        return f"{self.field}: {_value(self.before)} -> {_value(self.after)}"


def between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """What makes `new` out of `old`, in the order in which a policy is read. Both are documents that parse."""
    return [*_switches(old, new), *_marks(old, new), *_words(old, new), *_entries(old, new)]


def _switches(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for field, usual in SWITCHES.items():
        before, after = old.get(field, usual), new.get(field, usual)
        if before != after:
            yield Change("switch", field, before, after)


def _marks(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    bands_old, bands_new = old.get("bands", {}), new.get("bands", {})
    for scorer in dict.fromkeys([*bands_old, *bands_new]):
        for signal in SIGNALS:
            one, other = (bands.get(scorer, {}).get(signal) or {} for bands in (bands_old, bands_new))
            for mark in ("hold", "reject"):
                before, after = one.get(mark), other.get(mark)
                if before != after:
                    field = f"bands.{scorer}.{signal}.{mark}"
                    yield Change("mark", field, before, after, scorer=scorer, signal=signal, mark=mark)


def _words(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    lists_old, lists_new = _lists(old), _lists(new)
    for name, action in dict.fromkeys([*lists_old, *lists_new]):
        before, after = lists_old.get((name, action), ()), lists_new.get((name, action), ())
        added, removed = _moved(before, after)
        if added or removed:
            field = f"word_lists.{name or 'unnamed'} ({action})"
            yield Change("words", field, name=name, action=action, added=added, removed=removed)


def _lists(document: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    """(name, action) → words: lists of the same name that do the same are one."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for item in document.get("word_lists", ()):
        key = (str(item.get("name", "")), item.get("action", HOLD))
        found[key] = (*found.get(key, ()), *(word.strip() for word in item.get("words", ())))
    return found


def _entries(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for field in LISTS:
        added, removed = _moved(old.get(field, ()), new.get(field, ()))
        if added or removed:
            yield Change("entries", field, added=added, removed=removed)


def _moved(before: Sequence[str], after: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    was, now = dict.fromkeys(before), dict.fromkeys(after)
    return tuple(item for item in now if item not in was), tuple(item for item in was if item not in now)


def _listed(items: Sequence[str]) -> str:
    shown = ", ".join(items[:SHOWN])
    return f"{shown} and {len(items) - SHOWN} more" if len(items) > SHOWN else shown


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
