"""Traits: what floods share and can be asked for by its value. The domains that a comment links to, its phone numbers.

They come from the spans that the scorer found, so that a moderator finds what the card shows.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, cast

from sqlalchemy import Insert, Table, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.review.models import Trait
from moderation.scoring.scorer import Span

KINDS = {"link": "domain", "phone": "phone"}
"""Kind of a span → kind of the trait that its detail is."""

_TABLE = cast(Table, Trait.__table__)
_INSERT: dict[str, Insert] = {
    "sqlite": sqlite.insert(_TABLE).on_conflict_do_nothing(),
    # PostgreSQL's driver sends many rows as one statement when it is asked for something of them.
    "postgresql": postgresql.insert(_TABLE).on_conflict_do_nothing().returning(_TABLE.c.comment_id),
}


def of_spans(spans: Iterable[Span]) -> frozenset[tuple[str, str]]:
    """The traits, (kind, value), that spans of a text name."""
    return frozenset(
        (KINDS[span.kind], span.detail.lower()[:255]) for span in spans if span.kind in KINDS and span.detail
    )


def write(session: Session, rows: Iterable[tuple[int, int, Collection[tuple[str, str]]]]) -> None:
    """Add the traits of comments: (comment, site, traits). What is there already stays."""
    values: list[dict[str, Any]] = [
        {"comment_id": comment_id, "site_id": site_id, "kind": kind, "value": value}
        for comment_id, site_id, traits in rows
        for kind, value in sorted(traits)
    ]
    if values:
        connection = session.connection()
        connection.execute(_INSERT[connection.dialect.name], values)


def forget(session: Session, comment_ids: Sequence[int]) -> None:
    """Take away all traits of comments: their text is another one by now, or gone."""
    if comment_ids:
        session.execute(
            delete(Trait).where(Trait.comment_id.in_(comment_ids)).execution_options(synchronize_session=False)
        )
