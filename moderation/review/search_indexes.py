"""The indexes of a search: each names the comments that meet some of a query's conditions, in one statement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import BigInteger, ColumnElement, Select, and_, func, literal_column, select, text

from moderation.comments import status
from moderation.comments.models import Comment
from moderation.review import search_conditions
from moderation.review.filters import Author, Bound, Condition, Facet, Moment, Numbered, OneOf, Query, Words
from moderation.review.models import SearchText, Trait
from moderation.review.search_conditions import NUMBERED, Scope

_JUDGED = (status.PENDING, status.HELD, status.APPROVED, status.REJECTED)


@dataclass(frozen=True, slots=True)
class Source:
    """An index that names the comments which meet some conditions (`covers`).

    `whole`: it keeps to the sites and knows what was withdrawn. `beside`: it is of another table than the comment's,
    so that a walk has to be told of it. `words`: it is the index of words, which may take long to name its first ids.
    """

    ids: Callable[[Scope], Select[int]]
    covers: frozenset[Condition]
    whole: bool = True
    beside: bool = False
    words: bool = False


def for_query(scope: Scope, query: Query) -> list[Source]:
    """The indexes that can answer a part of the query, the likeliest to have few comments first."""
    wanted = [item for item in query.conditions if not getattr(item, "negated", False)]
    found: list[Source] = []
    for item in wanted:
        if isinstance(item, Facet) and item.name != "network":
            found.append(Source(_traits(item), frozenset({item}), beside=True))
    for item in wanted:
        if isinstance(item, Author):
            found.append(Source(_authors(scope.dialect, item), frozenset({item}), beside=True))
    for item in wanted:
        column = _own_index(item)
        if column is not None:
            found.append(Source(_comments(column), frozenset({item})))
    words = [item for item in wanted if isinstance(item, Words)]
    if words and scope.dialect == "sqlite":
        # The index knows neither sites nor, letter by letter, what we take for a word: all is checked in the rows.
        found.append(Source(_fts5(words), frozenset(), whole=False, beside=True, words=True))
    elif words:
        found.append(Source(_tsvector(words), frozenset(words), beside=True, words=True))
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
    moments = [search_conditions.meets(scope, item) for item in kept if isinstance(item, Moment)]
    found.append(Source(_comments(and_(Comment.status.in_(sorted(held)), *moments)), frozenset(kept)))
    return found


def _own_index(item: Condition) -> ColumnElement[bool] | None:
    """The condition as an index of the comment's own has it, literally; None where none has."""
    if isinstance(item, Facet) and item.name == "network":
        return Comment.ip_network == item.value
    if isinstance(item, Numbered) and item.name != "site":
        return cast("ColumnElement[bool]", NUMBERED[item.name].in_(item.ids))
    if isinstance(item, OneOf) and item.name == "is":
        return {
            "escalated": cast("ColumnElement[bool]", text("comment.escalated")),
            "reported": cast("ColumnElement[bool]", text("comment.reports > 0")),
            "spam": and_(Comment.status == status.REJECTED, Comment.spam),
        }.get(item.values[0])
    if isinstance(item, Bound) and item.name == "reports" and item.sign == ">":
        return and_(
            cast("ColumnElement[bool]", text("comment.reports > 0")), search_conditions.compared(Comment.reports, item)
        )
    return None


def _comments(condition: ColumnElement[bool]) -> Callable[[Scope], Select[int]]:
    return lambda scope: select(Comment.id).where(*scope.comments(), condition)


def _traits(item: Facet) -> Callable[[Scope], Select[int]]:
    return lambda scope: select(Trait.comment_id).where(
        Trait.site_id.in_(scope.sites),
        Trait.kind == item.name,
        Trait.value == item.value,
        scope.within(Trait.comment_id),
    )


def _authors(dialect: str, item: Author) -> Callable[[Scope], Select[int]]:
    return lambda scope: select(SearchText.comment_id).where(
        SearchText.site_id.in_(scope.sites),
        search_conditions.by_author(dialect, item),
        scope.within(SearchText.comment_id),
    )


def _fts5(words: Sequence[Words]) -> Callable[[Scope], Select[int]]:
    """Words are letters and digits only and stand in quotes: nothing that a person types becomes an operator."""
    sought = " ".join(f'"{" ".join(item.words)}"' + "*" * item.prefix for item in words)
    number = literal_column("search_index.rowid", BigInteger)
    return lambda scope: (
        select(number)
        .select_from(text("search_index"))
        .where(text("search_index MATCH :sought").bindparams(sought=sought), scope.within(number))
    )


def _tsvector(words: Sequence[Words]) -> Callable[[Scope], Select[int]]:
    """The same on PostgreSQL. The rows are checked for what its own parser does not take for a word."""
    sought = " & ".join(
        "(" + " <-> ".join(f"'{word}'" for word in item.words) + ":*" * item.prefix + ")" for item in words
    )
    query = func.to_tsquery(literal_column("'simple'"), sought)
    found = literal_column("search_text.words").op("@@", is_comparison=True)(query)
    return lambda scope: select(SearchText.comment_id).where(
        found,
        SearchText.site_id.in_(scope.sites),
        *(search_conditions.says("postgresql", item) for item in words),
        scope.within(SearchText.comment_id),
    )
