"""Which comments hold a word of a list, exactly as rules.judge finds it. A query room.

What the search keeps of a text (its words, then those of its other readings) has all parts of every listed word that
the text holds; so only texts that have all of them are matched. Texts that the search does not know yet are matched in
any case, and all of them for a listed word that has no letter.

A text never changes, its comment gets another revision. So what was found once is remembered in this process, for the
lists that were asked last: an editor who moves a mark, or adds a word to one list, waits for what is new only.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Engine, Select, and_, select
from sqlalchemy.orm import Session

from moderation.comments.models import Comment, Revision
from moderation.db import id_among
from moderation.policy import rules
from moderation.rescoring.columns import MOST, Columns
from moderation.rescoring.window import Flags, Integers, Window, fetched
from moderation.review import filters, search_texts
from moderation.review.models import SearchText
from moderation.scoring import normalise

Words = tuple[str, ...]

REMEMBERED = 16
"""Lists of sites that are remembered: 17 bytes a comment each, 3.4 MB at most."""

FEW = 2000
"""So few texts are asked for one by one; for more the whole window is read."""


@dataclass(frozen=True, slots=True)
class _Hits:
    """Of comments (rising ids) at a revision: whether their text holds a word of the list."""

    ids: Integers
    revision: Integers
    held: Flags

    def of(self, columns: Columns) -> tuple[Flags, Flags]:
        """Which of these comments are known at their revision, and which of those hold a word."""
        place = np.searchsorted(self.ids, columns.ids)
        place[place == len(self.ids)] = 0
        known = (self.ids[place] == columns.ids) & (self.revision[place] == columns.revision)
        return known, known & self.held[place]

    def beside(self, newer: "_Hits") -> "_Hits":
        """Both; of what both have, what is newer. Of more than a window may hold the oldest are forgotten."""
        other = ~np.isin(self.ids, newer.ids, assume_unique=True)
        if not other.any():
            return newer
        ids = np.concatenate((self.ids[other], newer.ids))
        order = np.argsort(ids)[-MOST:]
        return _Hits(
            ids[order],
            np.concatenate((self.revision[other], newer.revision))[order],
            np.concatenate((self.held[other], newer.held))[order],
        )


class _Memory:
    """What was found of one database, by site and list; threads share it."""

    def __init__(self) -> None:
        self._hits: OrderedDict[tuple[int, Words], _Hits] = OrderedDict()
        self._lock = Lock()

    def get(self, site_id: int, words: Words) -> _Hits | None:
        with self._lock:
            found = self._hits.get((site_id, words))
            if found is not None:
                self._hits.move_to_end((site_id, words))
            return found

    def put(self, site_id: int, words: Words, hits: _Hits) -> None:
        with self._lock:
            old = self._hits.get((site_id, words))
            self._hits[site_id, words] = hits if old is None else old.beside(hits)
            self._hits.move_to_end((site_id, words))
            while len(self._hits) > REMEMBERED:
                self._hits.popitem(last=False)


_memories: WeakKeyDictionary[Engine, _Memory] = WeakKeyDictionary()


def holding(session: Session, columns: Columns, lists: Sequence[Words]) -> dict[Words, Flags]:
    """List → which of the comments hold one of its words."""
    connection = session.connection()
    memory = _memories.setdefault(connection.engine, _Memory())
    if connection.get_execution_options().get("moderation_write"):
        memory = _Memory()  # it may see texts that nobody commits, under numbers that others get then
    unknown = np.zeros(len(columns), np.bool_)
    found: dict[Words, Flags] = {}
    for words in lists:
        hits = memory.get(columns.window.site_id, words)
        none = np.zeros(len(columns), np.bool_)
        known, found[words] = (none, none) if hits is None or not len(hits.ids) else hits.of(columns)
        unknown |= ~known
    if unknown.any():
        _look(session, columns, unknown, found)
    for words in lists:
        memory.put(columns.window.site_id, words, _Hits(columns.ids, columns.revision, found[words]))
    return found


@dataclass(frozen=True, slots=True)
class _Sought:
    """A listed word as the normaliser folds it, and the words that the search would keep of it."""

    folded: str
    list: int
    parts: frozenset[str]


Candidate = tuple[int, str, Sequence[_Sought], bool]
"""A row, its text, the words that it may hold, and whether its other readings may hold one."""


def _look(session: Session, columns: Columns, rows: Flags, found: dict[Words, Flags]) -> None:
    """Match the texts of `rows`, and put what they hold into `found`."""
    lists = list(found)
    sought: dict[str, list[_Sought]] = defaultdict(list)
    everywhere: list[_Sought] = []
    for number, words in enumerate(lists):
        for word in words:
            folded = normalise.view(word).folded.strip()
            parts = filters.words_of(folded)
            item = _Sought(folded, number, frozenset(parts))
            if parts:
                sought[max(parts, key=len)].append(item)
            elif folded:
                everywhere.append(item)
    for words in lists:
        found[words] = found[words] & ~rows
    if not sought and not everywhere:
        return
    wanted = columns.ids[rows].tolist()
    place = dict(zip(wanted, np.flatnonzero(rows).tolist(), strict=True))
    candidates = list(_candidates(session, columns.window, place, sought, everywhere))
    patterns = _patterns(candidates, len(lists))
    for row, text, items, readings in candidates:
        folded, view = normalise.folded(text), None
        for number in {item.list for item in items}:
            pattern = patterns[number]
            held = pattern.search(folded) is not None
            if not held and readings:  # they cost more, and are seldom what holds it
                view = view or normalise.view(text)
                held = any(pattern.search(reading.text) for reading in view.readings)
            if held:
                found[lists[number]][row] = True


def _candidates(
    session: Session,
    seen: Window,
    place: Mapping[int, int],
    sought: Mapping[str, Sequence[_Sought]],
    everywhere: Sequence[_Sought],
) -> Iterator[Candidate]:
    every = [*everywhere, *(item for items in sought.values() for item in items)]
    keys = set(sought)
    for comment_id, text, kept in fetched(session, _texts(session, seen, list(place))):
        row = place.get(comment_id)
        if row is None:
            continue
        if kept is None:
            yield row, text, every, True
            continue
        words = kept.split(" ")
        some: list[_Sought] = []
        if not keys.isdisjoint(words):
            whole = set(words)
            for key in keys & whole:
                some += [item for item in sought[key] if item.parts <= whole]
        if some or everywhere:
            yield row, text, [*everywhere, *some], bool(everywhere) or search_texts.SEAM in words


def _patterns(candidates: Sequence[Candidate], lists: int) -> list[Any]:
    """Per list the pattern of those of its words that any comment may hold."""
    words: list[set[str]] = [set() for _ in range(lists)]
    for _, _, items, _ in candidates:
        for item in items:
            words[item.list].add(item.folded)
    return [rules.pattern(tuple(sorted(some))) for some in words]


def _texts(session: Session, seen: Window, comment_ids: Sequence[int]) -> Select[*tuple[Any, ...]]:
    """Comment, its current text, and what the search keeps of it (None where it does not know it)."""
    statement: Select[*tuple[Any, ...]] = (
        select(Comment.id, Revision.text, SearchText.folded)
        .select_from(Comment)
        .with_hint(Comment, seen.hint(), "sqlite")
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .outerjoin(SearchText, and_(SearchText.comment_id == Comment.id, SearchText.revision == Comment.revision))
        .where(seen.holds())
    )
    if len(comment_ids) > FEW:
        return statement
    return statement.where(id_among(session.get_bind().dialect.name, Comment.id, comment_ids))
