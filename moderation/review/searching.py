"""The search: what a query finds among all comments, and the texts that it reads.

How a query is answered: each of its conditions that an index knows is asked for at most `CAP` + 1 ids. Where one has
no more than `CAP`, the others are checked on those alone, and the answer is exact. Where all have more, comments are
walked through by id, newest first, in windows that grow while they are quick: what is common is found soon, and when
the time is up the page says how far back it has looked.

Both databases part words alike because `filters.words_of` parts them: `search_text.folded` holds those words with
single spaces between, so that a word, a phrase or a beginning can be looked for in the row itself, too.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Insert,
    Select,
    String,
    Table,
    and_,
    case,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, aliased

from moderation.comments import status
from moderation.comments.models import UNINDEXED, Comment, Revision
from moderation.composition import ANY, SCORERS, Composition, Part
from moderation.db import id_among
from moderation.errors import InvalidInput
from moderation.policy.models import VerdictRow
from moderation.review import evidence as evidences
from moderation.review import filters, traits
from moderation.review.decisions import REASONS
from moderation.review.filters import Author, Bound, Condition, Facet, Moment, Numbered, OneOf, Query, Words
from moderation.review.models import Decision, SearchText, Trait
from moderation.scoring import evidence, normalise
from moderation.scoring import store as scores
from moderation.scoring.models import Score
from moderation.scoring.normalise import View
from moderation.scoring.scorer import Span
from moderation.signals import SIGNALS, SPAM

PAGE = 20
"""Comments of one page."""

CAP = 10_000
"""So many are counted; of more the page says that there are more."""

BATCH = 200
"""Texts that one round of `catch_up` takes: a few hundredths of a second, so that no writer waits long."""

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

_JUDGED = (status.PENDING, status.HELD, status.APPROVED, status.REJECTED)
SEAM = "seamofreadings"
"""Stands between a text's words and their other readings, so that no phrase goes across."""


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
class Entry:
    """What the search keeps of a comment: the words of a text (filters.words_of), the author's name (name_of)."""

    comment_id: int
    site_id: int
    revision: int
    folded: str
    author: str


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where to look: sites, and ids greater than `low` and not greater than `high` (None: no such bound)."""

    dialect: str
    sites: tuple[int, ...]
    low: int | None = None
    high: int | None = None
    signals: Mapping[str, Any] = field(default_factory=dict)
    """What is measured of the signals that the query bounds, as SQL."""

    def measured(self, name: str) -> Any:
        """The number that a bound is about."""
        return self.signals[name] if name in self.signals else getattr(Comment, name)

    def within(self, column: Any) -> ColumnElement[bool]:
        return and_(
            true() if self.low is None else column > self.low,
            true() if self.high is None else column <= self.high,
        )

    def comments(self) -> tuple[ColumnElement[bool], ...]:
        """What holds of every comment that a search may find here."""
        return Comment.site_id.in_(self.sites), Comment.status != status.WITHDRAWN, self.within(Comment.id)


@dataclass(frozen=True, slots=True)
class _Source:
    """An index that names the comments which meet some conditions (`covers`).

    `whole`: it keeps to the sites and knows what was withdrawn. `beside`: it is of another table than the comment's,
    so that a walk has to be told of it. `words`: it is the index of words, which may take long to name its first ids.
    """

    ids: Callable[[_Scope], Select[int]]
    covers: frozenset[Condition]
    whole: bool = True
    beside: bool = False
    words: bool = False


@dataclass(frozen=True, slots=True)
class _Probed:
    """What the indexes said: the ids of the first source that has few (`source` is it), else whether there are `many`
    that meet the whole query."""

    ids: Sequence[int] | None
    source: _Source | None
    many: bool = False


def page(session: Session, site_ids: Sequence[int], query: Query, *, after: int | None = None) -> Found:
    """A page of the comments of these sites that match, newest first; `after` is the `next` of the page before.

    Raises InvalidInput (`q`) when the database cannot answer in time.
    """
    scope = _scope(session, site_ids, query)
    if not scope.sites:
        return Found([], None, 0, False)
    with _limited(session, STATEMENT_SECONDS):
        return _page(session, scope, query, after)


def _page(session: Session, scope: _Scope, query: Query, after: int | None) -> Found:
    sources = _sources(scope, query)
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
    scope = replace(_scope(session, site_ids, query), low=after_id, high=until_id)
    if not scope.sites or after_id >= until_id:
        return []
    with _limited(session, STATEMENT_SECONDS):
        return _matching(session, scope, query, limit)


def _matching(session: Session, scope: _Scope, query: Query, limit: int) -> list[int]:
    sources = _sources(scope, query)
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
    scope = _scope(session, site_ids, query)
    return set(_check(session, scope, query, None, ids)) if scope.sites else set()


def count(
    session: Session, site_ids: Sequence[int], query: Query, cap: int = CAP, *, until_id: int | None = None
) -> int:
    """How many comments match, exactly up to `cap`; a greater number says that there are more than `cap`.

    `until_id`: of those whose id is not greater. Raises InvalidInput (`q`) when the database cannot answer in time.
    """
    scope = replace(_scope(session, site_ids, query), high=until_id)
    if not scope.sites:
        return 0
    with _limited(session, STATEMENT_SECONDS):
        return _count(session, scope, query, cap)


def _count(session: Session, scope: _Scope, query: Query, cap: int) -> int:
    sources = _sources(scope, query)
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


def learn(
    session: Session, comments: Iterable[Comment], views: Mapping[int, View], spans: Mapping[int, Iterable[Span]]
) -> None:
    """Let the search know the current texts of comments, and what the scorers found in them; by comment id.

    A few statements, however many comments. The caller sets `indexed_revision`.
    """
    known = [comment for comment in comments if comment.id in views and comment.status != status.WITHDRAWN]
    fresh = [comment for comment in known if comment.indexed_revision != comment.revision]
    write(session, [_entry(comment, views[comment.id]) for comment in fresh])
    traits.forget(session, [comment.id for comment in fresh if comment.revision > 1])
    traits.write(
        session, [(comment.id, comment.site_id, traits.of_spans(spans.get(comment.id, ()))) for comment in known]
    )


def write(session: Session, entries: Sequence[Entry]) -> None:
    """Let the search know these texts, in the place of older ones of the same comments. One statement for all."""
    if entries:
        connection = session.connection()
        connection.execute(_WRITE[connection.dialect.name], [asdict(entry) for entry in entries])


def forget(session: Session, comment_ids: Sequence[int]) -> None:
    """Comments that were withdrawn are found by nothing that they said."""
    if not comment_ids:
        return
    traits.forget(session, comment_ids)
    for statement in (
        delete(SearchText).where(SearchText.comment_id.in_(comment_ids)),
        update(Comment).where(Comment.id.in_(comment_ids), Comment.indexed_revision != 0).values(indexed_revision=0),
    ):
        session.execute(statement.execution_options(synchronize_session=False))


def behind(session: Session) -> bool:
    """Whether there are judged comments whose text the search does not know: imported ones, or of the site's staff."""
    return session.scalar(select(Comment.id).where(text(UNINDEXED)).limit(1)) is not None


def catch_up(session: Session, limit: int = BATCH) -> int:
    """Let the search know at most `limit` texts that it does not know yet; answers how many they were.

    Comments that another transaction is at work on are left to the next round.
    """
    rows = session.execute(
        select(Comment, Revision.text)
        .outerjoin(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(text(UNINDEXED))
        .order_by(Comment.id)
        .limit(limit)
        .with_for_update(of=Comment, skip_locked=True)
    ).all()
    if not rows:
        return 0
    comments = [comment for comment, _ in rows]
    views = {comment.id: normalise.view(written or "") for comment, written in rows}
    learn(session, comments, views, {number: evidence.find(view).spans for number, view in views.items()})
    session.execute(
        update(Comment)
        .where(Comment.id.in_(views))
        .values(indexed_revision=Comment.revision)
        .execution_options(synchronize_session=False)
    )
    return len(rows)


def _entry(comment: Comment, view: View) -> Entry:
    words = filters.words_of(view.folded)
    readings = dict.fromkeys(word for reading in view.readings for word in filters.words_of(reading.text))
    return Entry(
        comment_id=comment.id,
        site_id=comment.site_id,
        revision=comment.revision,
        folded=" ".join([*words, SEAM, *readings] if readings else words),
        author=filters.name_of(comment.author_name),
    )


def _upsert(insert: Any) -> Any:
    same = {name: insert.excluded[name] for name in ("site_id", "revision", "folded", "author")}
    return insert.on_conflict_do_update(index_elements=["comment_id"], set_=same)


_TEXTS = cast(Table, SearchText.__table__)
_WRITE: dict[str, Insert] = {
    "sqlite": _upsert(sqlite.insert(_TEXTS)),
    # PostgreSQL's driver sends many rows as one statement when it is asked for something of them.
    "postgresql": _upsert(postgresql.insert(_TEXTS)).returning(_TEXTS.c.comment_id),
}


def _scope(session: Session, site_ids: Sequence[int], query: Query) -> _Scope:
    sites = set(site_ids)
    for condition in query.conditions:
        if isinstance(condition, Numbered) and condition.name == "site" and not condition.negated:
            sites &= set(condition.ids)
    bound = {item.name for item in query.conditions if isinstance(item, Bound) and item.name in SIGNALS}
    counting, speakers = scores.counting(session) if bound else None, evidences.speakers(session)
    signals = {name: _signal(name, speakers, counting) for name in bound if counting is not None}
    return _Scope(session.get_bind().dialect.name, tuple(sorted(sites)), signals=signals)


def _bounded(session: Session, scope: _Scope) -> _Scope:
    newest = session.scalar(select(func.max(Comment.id))) or 0
    high = newest if scope.high is None else min(scope.high, newest)
    return replace(scope, low=scope.low or 0, high=high)


def _probe(session: Session, scope: _Scope, query: Query, sources: Sequence[_Source]) -> _Probed:
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


def _check(session: Session, scope: _Scope, query: Query, source: _Source | None, ids: Sequence[int]) -> Sequence[int]:
    """Those of `ids` that meet what their source does not cover."""
    covers = source.covers if source is not None else frozenset()
    left = [condition for condition in query.conditions if condition not in covers]
    if not ids or (not left and source is not None and source.whole):
        return ids
    wanted = select(Comment.id).where(
        id_among(scope.dialect, Comment.id, ids), *scope.comments(), *_conditions(scope, left)
    )
    return session.scalars(wanted).all()


def _down(
    session: Session, scope: _Scope, query: Query, sources: Sequence[_Source], need: int, patience: float
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


def _windows(scope: _Scope, *, newest_first: bool) -> Iterator[_Scope]:
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


def _matches(scope: _Scope, query: Query, sources: Sequence[_Source], what: Any) -> Callable[[_Scope], Select[Any]]:
    """`what` of the comments of a window that match; the first index of another table, if there is one, is asked for
    its ids there."""
    beside = next((source for source in sources if source.beside), None)
    left = [item for item in query.conditions if beside is None or item not in beside.covers]
    wanted = select(what).select_from(Comment).where(*_conditions(scope, left))

    def within(window: _Scope) -> Select[Any]:
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


def _sources(scope: _Scope, query: Query) -> list[_Source]:
    """The indexes that can answer a part of the query, the likeliest to have few comments first."""
    wanted = [item for item in query.conditions if not getattr(item, "negated", False)]
    found: list[_Source] = []
    for item in wanted:
        if isinstance(item, Facet) and item.name != "network":
            found.append(_Source(_traits(item), frozenset({item}), beside=True))
    for item in wanted:
        if isinstance(item, Author):
            found.append(_Source(_authors(scope.dialect, item), frozenset({item}), beside=True))
    for item in wanted:
        column = _own_index(item)
        if column is not None:
            found.append(_Source(_comments(column), frozenset({item})))
    words = [item for item in wanted if isinstance(item, Words)]
    if words and scope.dialect == "sqlite":
        # The index knows neither sites nor, letter by letter, what we take for a word: all is checked in the rows.
        found.append(_Source(_fts5(words), frozenset(), whole=False, beside=True, words=True))
    elif words:
        found.append(_Source(_tsvector(words), frozenset(words), beside=True, words=True))
    kept = [
        item
        for item in query.conditions
        if isinstance(item, Moment) or (isinstance(item, OneOf) and item.name == "status")
    ]
    held = {
        state
        for state in _JUDGED
        if all((state.lower() in item.values) != item.negated for item in kept if isinstance(item, OneOf))
    }
    moments = [_condition(scope, item) for item in kept if isinstance(item, Moment)]
    found.append(_Source(_comments(and_(Comment.status.in_(sorted(held)), *moments)), frozenset(kept)))
    return found


def _own_index(item: Condition) -> ColumnElement[bool] | None:
    """The condition as an index of the comment's own has it, literally; None where none has."""
    if isinstance(item, Facet) and item.name == "network":
        return Comment.ip_network == item.value
    if isinstance(item, Numbered) and item.name != "site":
        return cast("ColumnElement[bool]", _NUMBERED[item.name].in_(item.ids))
    if isinstance(item, OneOf) and item.name == "is":
        return {
            "escalated": cast("ColumnElement[bool]", text("comment.escalated")),
            "reported": cast("ColumnElement[bool]", text("comment.reports > 0")),
            "spam": and_(Comment.status == status.REJECTED, Comment.spam),
        }.get(item.values[0])
    if isinstance(item, Bound) and item.name == "reports" and item.sign == ">":
        return and_(cast("ColumnElement[bool]", text("comment.reports > 0")), _compared(Comment.reports, item))
    return None


_NUMBERED: dict[str, Any] = {
    "author_id": Comment.author_id,
    "story": Comment.story_id,
    "campaign": Comment.campaign_id,
    "site": Comment.site_id,
}


def _comments(condition: ColumnElement[bool]) -> Callable[[_Scope], Select[int]]:
    return lambda scope: select(Comment.id).where(*scope.comments(), condition)


def _traits(item: Facet) -> Callable[[_Scope], Select[int]]:
    return lambda scope: select(Trait.comment_id).where(
        Trait.site_id.in_(scope.sites),
        Trait.kind == item.name,
        Trait.value == item.value,
        scope.within(Trait.comment_id),
    )


def _authors(dialect: str, item: Author) -> Callable[[_Scope], Select[int]]:
    return lambda scope: select(SearchText.comment_id).where(
        SearchText.site_id.in_(scope.sites), _named(dialect, item), scope.within(SearchText.comment_id)
    )


def _named(dialect: str, item: Author) -> ColumnElement[bool]:
    if not item.prefix:
        return SearchText.author == item.value
    least, beyond = item.value, item.value + "\U0010ffff"
    if dialect == "sqlite":
        return and_(SearchText.author >= least, SearchText.author < beyond)
    # Letter by letter, as the index is ordered, whatever the database's collation says of the alphabet.
    return and_(SearchText.author.op("~>=~")(least), SearchText.author.op("~<~")(beyond))


def _fts5(words: Sequence[Words]) -> Callable[[_Scope], Select[int]]:
    """Words are letters and digits only and stand in quotes: nothing that a person types becomes an operator."""
    sought = " ".join(f'"{" ".join(item.words)}"' + "*" * item.prefix for item in words)
    number = literal_column("search_index.rowid", BigInteger)
    return lambda scope: (
        select(number)
        .select_from(text("search_index"))
        .where(text("search_index MATCH :sought").bindparams(sought=sought), scope.within(number))
    )


def _tsvector(words: Sequence[Words]) -> Callable[[_Scope], Select[int]]:
    """The same on PostgreSQL. The rows are checked for what its own parser does not take for a word."""
    sought = " & ".join(
        "(" + " <-> ".join(f"'{word}'" for word in item.words) + ":*" * item.prefix + ")" for item in words
    )
    query = func.to_tsquery(literal_column("'simple'"), sought)
    found = literal_column("search_text.words").op("@@", is_comparison=True)(query)
    return lambda scope: select(SearchText.comment_id).where(
        found,
        SearchText.site_id.in_(scope.sites),
        *(_says("postgresql", item) for item in words),
        scope.within(SearchText.comment_id),
    )


def _says(dialect: str, item: Words) -> ColumnElement[bool]:
    """The row of the search text has these words."""
    needle = f" {' '.join(item.words)}" + ("" if item.prefix else " ")
    hay = literal(" ") + SearchText.folded + literal(" ")
    return (func.instr if dialect == "sqlite" else func.strpos)(hay, needle) > 0


def _conditions(scope: _Scope, conditions: Iterable[Condition]) -> list[ColumnElement[bool]]:
    return [_condition(scope, item) for item in conditions]


def _condition(scope: _Scope, item: Condition) -> ColumnElement[bool]:
    """A condition, asked of the comment itself."""
    if isinstance(item, Bound):
        return _compared(scope.measured(item.name), item)
    if isinstance(item, Moment):
        return Comment.received_at < item.at if item.name == "before" else Comment.received_at >= item.at
    found = _holds(scope.dialect, item)
    return ~func.coalesce(found, False) if item.negated else found


def _holds(dialect: str, item: Words | Author | Facet | Numbered | OneOf) -> ColumnElement[bool]:
    if isinstance(item, Words | Author):
        said = _says(dialect, item) if isinstance(item, Words) else _named(dialect, item)
        return select(literal(1)).where(SearchText.comment_id == Comment.id, said).correlate(Comment).exists()
    if isinstance(item, Facet):
        if item.name == "network":
            return Comment.ip_network == item.value
        same = (Trait.comment_id == Comment.id, Trait.kind == item.name, Trait.value == item.value)
        return select(literal(1)).where(*same).correlate(Comment).exists()
    if isinstance(item, Numbered):
        return cast("ColumnElement[bool]", _NUMBERED[item.name].in_(item.ids))
    if item.name == "status":
        return Comment.status.in_([value.upper() for value in item.values])
    if item.name == "lang":
        return Comment.language.in_(item.values)
    if item.name == "reason":
        return or_(_decided(item.values), _judged(dialect, item.values))
    return _FLAGS[item.values[0]]


_EARLIER = aliased(Comment)
_NEWER = aliased(VerdictRow)

_FLAGS: dict[str, ColumnElement[bool]] = {
    "reported": Comment.reports > 0,
    "escalated": Comment.escalated.is_(True),
    "unscored": and_(Comment.status == status.HELD, Comment.not_scored.is_(True)),
    "spam": and_(Comment.status == status.REJECTED, Comment.spam.is_(True)),
    "edited": Comment.revision > 1,
    "reply": Comment.parent_external_id.is_not(None),
    "staff": Comment.staff.is_(True),
    "first": and_(
        Comment.author_id.is_not(None),
        ~select(literal(1))
        .where(_EARLIER.author_id == Comment.author_id, _EARLIER.id < Comment.id)
        .correlate(Comment)
        .exists(),
    ),
}


def _compared(column: Any, item: Bound) -> ColumnElement[bool]:
    signs: dict[str, ColumnElement[bool]] = {
        "<": column < item.value,
        "<=": column <= item.value,
        ">": column > item.value,
        ">=": column >= item.value,
        "=": column == item.value,
    }
    return signs[item.sign]


def _signal(name: str, composition: Composition, counting: tuple[ColumnElement[bool], ColumnElement[int]]) -> Any:
    """A signal's value as `evidence.effective` takes it from several scorers."""
    column = getattr(Score, name)
    counts, live_first = counting
    rank = case(
        *(
            (Score.language == part.language if part.language != ANY else true(), _rank(part))
            for part in composition.parts
            if part.signal in (ANY, name)
        )
    )
    measured = select(column).where(
        Score.comment_id == Comment.id,
        Score.revision == Comment.revision,
        column.is_not(None),
        counts,
        rank.is_not(None),
    )
    if name != SPAM:
        measured = measured.where(Score.supported.is_(True))
    return measured.order_by(rank, live_first, Score.id.desc()).limit(1).correlate(Comment).scalar_subquery()


def _rank(part: Part) -> ColumnElement[Any]:
    """The place of a score's scorer among those that may speak; null for one that may not."""
    places = [(Score.scorer == scorer, literal(place)) for place, scorer in enumerate(part.scorers)]
    return case(*places, (Score.scorer.not_in(SCORERS), literal(len(places))))


def _decided(values: Sequence[str]) -> ColumnElement[bool]:
    """The decision that stands names one of these reasons."""
    codes = [value.upper() for value in values if value.upper() in REASONS]
    same = (Decision.comment_id == Comment.id, Decision.sequence == Comment.sequence, Decision.reason.in_(codes))
    return select(literal(1)).where(*same).correlate(Comment).exists()


def _judged(dialect: str, values: Sequence[str]) -> ColumnElement[bool]:
    """The newest verdict on the current text has a reason of one of these codes, or about one of these signals."""
    newest = (
        select(func.max(_NEWER.id))
        .where(_NEWER.comment_id == Comment.id, _NEWER.revision == Comment.revision)
        .correlate(Comment)
        .scalar_subquery()
    )
    named: list[ColumnElement[Any]]
    if dialect == "sqlite":
        row = func.json_each(VerdictRow.reasons).table_valued("value", name="reason")
        named = [func.json_extract(row.c.value, f"$.{key}") for key in ("code", "signal")]
        reasons = select(literal(1)).select_from(row)
    else:
        each = func.json_array_elements(VerdictRow.reasons, type_=JSON).column_valued("reason")
        named = [each.op("->>", return_type=String)(key) for key in ("code", "signal")]
        reasons = select(literal(1))
    speaks = reasons.where(or_(*(name.in_(values) for name in named))).correlate(VerdictRow).exists()
    return select(literal(1)).where(VerdictRow.id == newest, speaks).correlate(Comment).exists()
