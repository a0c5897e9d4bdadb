"""The search: what a query finds among all comments.

How a query is answered: each of its conditions that an index knows (search_indexes.py) is asked for at most `CAP` + 1
ids. Where one has no more than `CAP`, the others are checked on those alone (search_conditions.py), and the answer is
exact. Where all have more, comments are walked through by id, newest first, in windows that grow while they are quick:
what is common is found soon, and when the time is up the page says how far back it has looked.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.db import id_among
from moderation.errors import InvalidInput
from moderation.review import search_conditions, search_indexes
from moderation.review.filters import Query
from moderation.review.search_conditions import Scope
from moderation.review.search_indexes import Source

PAGE = 20
"""Comments of one page."""

CAP = 10_000
"""So many are counted; of more the page says that there are more."""

PROBE_SECONDS = 0.15
"""Words whose first comments are not named within this time count as common (PostgreSQL)."""
COUNT_SECONDS = 0.12
"""How long a walk goes on counting when its page is full."""
PAGE_SECONDS = 1.0
"""How long a walk looks for what fills a page."""
STATEMENT_SECONDS = 5.0
"""When a statement takes longer, the search is given up (PostgreSQL)."""

FIRST_WINDOW = 8192
"""Ids of a walk's first window."""

SLICE = 2000
"""Ids that are checked at once where the first few matches are enough."""

TOO_SLOW = "This search takes too long: add a word, a date or another filter."


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found, newest first. `next` is what to give as `after` for the next one, None at the end.

    `count`: how many there are; with `more_than`, so many and more. `reached`: the time was up before the page was
    full; only what came later than this was looked at, and `next` goes on from there.
    """

    comments: list[Comment]
    next: int | None
    count: int
    more_than: bool
    reached: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Probed:
    """What the indexes said: the ids of the first source that has few (`source` is it), else whether there are `many`
    that meet the whole query."""

    ids: Sequence[int] | None
    source: Source | None
    many: bool = False


def page(session: Session, site_ids: Sequence[int], query: Query, *, after: int | None = None) -> Found:
    """A page of the comments of these sites that match, newest first; `after` is the `next` of the page before.

    Raises InvalidInput (`q`) when the database cannot answer in time.
    """
    scope = search_conditions.scope_of(session, site_ids, query)
    if not scope.sites:
        return Found([], None, 0, False)
    with _limited(session, STATEMENT_SECONDS):
        return _page(session, scope, query, after)


def _page(session: Session, scope: Scope, query: Query, after: int | None) -> Found:
    sources = search_indexes.for_query(scope, query)
    probed = _probe(session, scope, query, sources)
    if probed.ids is not None:
        ids = sorted(_check(session, scope, query, probed.source, probed.ids), reverse=True)
        rest = [number for number in ids if after is None or number < after]
        return Found(_load(session, rest[:PAGE]), _next(rest), len(ids), False)
    found: list[int] = []
    count, more, edge = CAP, True, None
    if not probed.many:
        patience = PAGE_SECONDS if after is None else COUNT_SECONDS
        found, edge = _down(session, scope, query, sources, CAP + 1, patience)
        count, more = min(len(found), CAP), edge is not None
    if probed.many or after is not None:
        older = scope if after is None else replace(scope, high=after - 1)
        found, edge = _down(session, older, query, sources, PAGE + 1, PAGE_SECONDS)
    if edge is not None and len(found) <= PAGE:
        return Found(_load(session, found), edge + 1, count, True, _came(session, edge))
    return Found(_load(session, found[:PAGE]), _next(found), count, more)


def matching(
    session: Session, site_ids: Sequence[int], query: Query, *, after_id: int, until_id: int, limit: int
) -> list[int]:
    """Ids of the comments that match, ascending, of those greater than `after_id` and not greater than `until_id`; at
    most `limit`. Fewer: there are no more. Raises InvalidInput (`q`) when the database cannot answer in time."""
    scope = replace(search_conditions.scope_of(session, site_ids, query), low=after_id, high=until_id)
    if not scope.sites or after_id >= until_id:
        return []
    with _limited(session, STATEMENT_SECONDS):
        return _matching(session, scope, query, limit)


def _matching(session: Session, scope: Scope, query: Query, limit: int) -> list[int]:
    sources = search_indexes.for_query(scope, query)
    probed = _probe(session, scope, query, sources)
    found: list[int] = []
    if probed.ids is not None:
        ids = sorted(probed.ids)
        for start in range(0, len(ids), SLICE):
            found += sorted(_check(session, scope, query, probed.source, ids[start : start + SLICE]))
            if len(found) >= limit:
                break
        return found[:limit]
    matches = _matches(scope, query, sources, Comment.id)
    for window in _windows(scope, newest_first=False):
        found += session.scalars(matches(window).order_by(Comment.id).limit(limit - len(found)))
        if len(found) == limit:
            break
    return found


def among(session: Session, site_ids: Sequence[int], query: Query, ids: Sequence[int]) -> set[int]:
    """Those of `ids` that match as they stand now."""
    scope = search_conditions.scope_of(session, site_ids, query)
    return set(_check(session, scope, query, None, ids)) if scope.sites else set()


def count(
    session: Session, site_ids: Sequence[int], query: Query, cap: int = CAP, *, until_id: int | None = None
) -> int:
    """How many comments match, exactly up to `cap`; a greater number says that there are more than `cap`.

    `until_id`: of those whose id is not greater. Raises InvalidInput (`q`) when the database cannot answer in time.
    """
    scope = replace(search_conditions.scope_of(session, site_ids, query), high=until_id)
    if not scope.sites:
        return 0
    with _limited(session, STATEMENT_SECONDS):
        return _count(session, scope, query, cap)


def _count(session: Session, scope: Scope, query: Query, cap: int) -> int:
    sources = search_indexes.for_query(scope, query)
    probed = _probe(session, scope, query, sources)
    if probed.ids is not None:
        return min(len(_check(session, scope, query, probed.source, probed.ids)), cap + 1)
    total = 0
    matches = _matches(scope, query, sources, func.count())
    for window in _windows(_bounded(session, scope), newest_first=True):
        total += session.scalar(matches(window)) or 0
        if total > cap:
            return cap + 1
    return total


def _bounded(session: Session, scope: Scope) -> Scope:
    newest = session.scalar(select(func.max(Comment.id))) or 0
    high = newest if scope.high is None else min(scope.high, newest)
    return replace(scope, low=scope.low or 0, high=high)


def _probe(session: Session, scope: Scope, query: Query, sources: Sequence[Source]) -> _Probed:
    """Ask each index for its first ids, the likeliest to have few first."""
    many = False
    for source in sources:
        wanted = source.ids(scope).limit(CAP + 1)
        try:
            with _limited(session, PROBE_SECONDS) if source.words else nullcontext():
                ids = session.scalars(wanted).all()
        except InvalidInput:
            continue
        if len(ids) <= CAP:
            return _Probed(ids, source)
        many = many or (source.whole and source.covers.issuperset(query.conditions))
    return _Probed(None, None, many)


def _check(session: Session, scope: Scope, query: Query, source: Source | None, ids: Sequence[int]) -> Sequence[int]:
    """Those of `ids` that meet what their source does not cover."""
    covers = source.covers if source is not None else frozenset()
    left = [condition for condition in query.conditions if condition not in covers]
    if not ids or (not left and source is not None and source.whole):
        return ids
    wanted = select(Comment.id).where(
        id_among(scope.dialect, Comment.id, ids), *scope.comments(), *search_conditions.meets_all(scope, left)
    )
    return session.scalars(wanted).all()


def _down(
    session: Session, scope: Scope, query: Query, sources: Sequence[Source], need: int, patience: float
) -> tuple[list[int], int | None]:
    """Walk newest first until `need` are found, or enough for a page when the time for counting is up, or `patience`
    (s) is at its end.

    Answers the ids, and where the walk ended before its time: the ids not greater than that were not looked at.
    """
    found: list[int] = []
    began = time.monotonic()
    matches = _matches(scope, query, sources, Comment.id)
    for window in _windows(_bounded(session, scope), newest_first=True):
        found += session.scalars(matches(window).order_by(Comment.id.desc()).limit(need - len(found)))
        if len(found) >= need:
            return found, found[-1] - 1
        spent = time.monotonic() - began
        if spent > (COUNT_SECONDS if len(found) > PAGE else patience):
            return found, window.low or None
    return found, None


def _windows(scope: Scope, *, newest_first: bool) -> Iterator[Scope]:
    """Pieces of a scope, one after the other; they grow while what is done between two of them is quick."""
    low, high, size = scope.low or 0, scope.high or 0, FIRST_WINDOW
    while low < high:
        window = replace(scope, low=max(low, high - size)) if newest_first else replace(scope, low=low)
        window = replace(window, high=high if newest_first else min(high, low + size))
        began = time.monotonic()
        yield window
        spent = time.monotonic() - began
        low, high = (low, window.low or 0) if newest_first else (window.high or high, high)
        if spent < 0.05:
            size *= 4 if spent < 0.02 else 2
        elif spent > 0.25:
            size = max(FIRST_WINDOW, size // 2)


def _matches(scope: Scope, query: Query, sources: Sequence[Source], what: Any) -> Callable[[Scope], Select[Any]]:
    """`what` of the comments of a window that match; the first index of another table, if there is one, is asked for
    its ids there."""
    beside = next((source for source in sources if source.beside), None)
    left = [item for item in query.conditions if beside is None or item not in beside.covers]
    wanted = select(what).select_from(Comment).where(*search_conditions.meets_all(scope, left))

    def within(window: Scope) -> Select[Any]:
        found = wanted.where(*window.comments())
        return found if beside is None else found.where(Comment.id.in_(beside.ids(window)))

    return within


def _load(session: Session, ids: Sequence[int]) -> list[Comment]:
    if not ids:
        return []
    return list(session.scalars(select(Comment).where(Comment.id.in_(ids)).order_by(Comment.id.desc())))


def _next(ids: Sequence[int]) -> int | None:
    return ids[PAGE - 1] if len(ids) > PAGE else None


def _came(session: Session, edge: int) -> datetime | None:
    return session.scalar(select(Comment.received_at).where(Comment.id > edge).order_by(Comment.id).limit(1))


@contextmanager
def _limited(session: Session, seconds: float) -> Iterator[None]:
    """No statement within takes longer, on PostgreSQL; on SQLite indexes and windows bound the work already.

    Raises InvalidInput (`q`) when one was given up; the caller's transaction lives on.
    """
    if session.get_bind().dialect.name == "sqlite":
        yield
        return
    try:
        with session.begin_nested():  # what is given up would end the caller's transaction
            before = session.scalar(select(func.current_setting("statement_timeout")))
            session.execute(
                select(
                    func.set_config("statement_timeout", str(int(seconds * 1000)), True),
                    # A plan that is good for any value is good for none: words are rare or common.
                    func.set_config("plan_cache_mode", "force_custom_plan", True),
                    func.set_config("jit", "off", True),  # compiling takes longer than most searches
                )
            )
            yield
            session.execute(select(func.set_config("statement_timeout", before, True)))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", "") != "57014":  # query_canceled
            raise
        raise InvalidInput(TOO_SLOW, field="q") from None
