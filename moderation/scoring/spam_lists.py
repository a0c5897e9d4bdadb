"""Lists behind the evidence: shorteners, messengers, and the words that tell a gambling brand from `covid19`."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).parent / "lists" / "spam.txt"

SHORTENER, MESSENGER = "shortener", "messenger"


@lru_cache(maxsize=1)
def lists() -> Mapping[str, frozenset[str]]:
    """Sort → its entries. Raises ValueError naming the line of an entry that stands twice or under no sort."""
    found: dict[str, set[str]] = {}
    sort = ""
    for number, line in enumerate(FILE.read_text(encoding="utf-8").splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        if entry.startswith("["):
            sort = entry.strip("[]")
            found[sort] = set()
        elif not sort or entry in found[sort]:
            raise ValueError(f"{FILE.name}, line {number}: {entry!r} stands twice, or under no sort")
        else:
            found[sort].add(entry)
    return {name: frozenset(entries) for name, entries in found.items()}


def sort_of(domain: str) -> str:
    """`shortener`, `messenger`, or nothing; `domain` is a registered one."""
    return next((name for name in (SHORTENER, MESSENGER) if domain in lists()[name]), "")
