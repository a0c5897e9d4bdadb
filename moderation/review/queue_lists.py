"""The lists of the queue as SQL: each is read from the end of an index that has exactly its order (comments/models.py),
site by site, so that a page costs the same among a hundred comments and among ten million.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    false,
    literal,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.comments.status import APPROVED, HELD, REJECTED

PAGE = 20
"""Cards of one page."""

_TOGETHER = 100
"""Lists that one statement unites; SQLite takes five hundred at most."""

# The conditions of the partial indexes, word for word: neither engine looks into a parameter to see that one fits.
WAITS: ColumnElement[bool] = literal_column("(comment.status = 'HELD' AND NOT comment.follower)")
_UNSCORED: ColumnElement[bool] = literal_column(
    "(comment.status = 'HELD' AND NOT comment.follower AND comment.not_scored)"
)
_REPORTED: ColumnElement[bool] = literal_column("comment.reports > 0")
ESCALATED: ColumnElement[bool] = literal_column("comment.escalated")
BUSY: ColumnElement[bool] = literal_column("story.held > 0")

DECIDED: Mapping[str, tuple[ColumnElement[bool], ...]] = {
    "approved": (Comment.status == APPROVED, Comment.spam == false()),
    "rejected": (Comment.status == REJECTED, Comment.spam == false()),
    "spam": (Comment.status == REJECTED, Comment.spam == true()),
}
"""Tab of what was decided → what is under it."""

Rows = Select[*tuple[Any, ...]]
"""A select of whatever columns."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order by one column and then by id, both downwards or both upwards, as an index has it."""

    column: Any
    down: bool

    def of(self, comment: Comment) -> Any:
        """The key of a comment, as a cursor keeps it."""
        value = getattr(comment, self.column.key)
        return value.isoformat() if isinstance(value, datetime) else value

    def by(self, column: Any, number: Any) -> tuple[Any, ...]:
        """What ORDER BY takes."""
        return (column.desc(), number.desc()) if self.down else (column, number)

    def beyond(self, value: Any, number: int) -> ColumnElement[bool]:
        """What comes after this key, among comments that have one."""
        here, there = tuple_(self.column, Comment.id), tuple_(literal(value, self.column.type), literal(number))
        return here < there if self.down else here > there

    def beyond_id(self, number: int) -> ColumnElement[bool]:
        """What comes after this id, among comments without a key."""
        return Comment.id < number if self.down else Comment.id > number


INDEXES: Mapping[tuple[str, str], str] = {
    ("held", "priority"): "ix_comment_held_priority",
    ("held", "received_at"): "ix_comment_held_received",
    ("held", "score"): "ix_comment_held_score",
    ("not_scored", "priority"): "ix_comment_unscored_priority",
    ("not_scored", "received_at"): "ix_comment_unscored_received",
    ("reported", "priority"): "ix_comment_reported",
}
"""Tab and column of the order → the index that has just this list in just this order."""

ESCALATED_INDEX = "ix_comment_escalated"
"""What is with the seniors, by priority."""


def by_index(wanted: Rows, index: str) -> Rows:
    """Name the index to SQLite; PostgreSQL counts its rows and knows."""
    return wanted.with_hint(Comment, f"INDEXED BY {index}", "sqlite")


def in_list(tab: str, site_id: int | None = None) -> tuple[ColumnElement[bool], ...]:
    """What is in the list of a tab of what waits; the index's own condition first."""
    site = () if site_id is None else (Comment.site_id == site_id,)
    if tab == "held":
        return (*site, WAITS)
    if tab == "not_scored":
        return (*site, _UNSCORED)
    return (*site, _REPORTED, Comment.status.in_((HELD, APPROVED)), Comment.follower == false())


def best(where: Iterable[ColumnElement[bool]], order: Order, key: Sequence[Any] | None, *, index: str = "") -> Rows:
    """The first page, or that after `key`, of the comments of one site: read from the end of its index."""
    wanted = select(Comment.id.label("id"), order.column.label("key")).where(*where)
    if index:
        wanted = by_index(wanted, index)
    if key is not None:
        wanted = wanted.where(order.beyond(*key))
    return wanted.order_by(*order.by(order.column, Comment.id)).limit(PAGE + 1)


def of_decided(site_id: int, tab: str, order: Order, key: Sequence[Any] | None) -> list[Rows]:
    """The lists of a tab of what was decided, of one site.

    Rows that a hand or an older version left without a time come last, whatever an engine thinks of nulls.
    """
    place = (Comment.site_id == site_id, *DECIDED[tab])
    timeless = (*place, Comment.decided_at.is_(None))
    if key is not None and key[0] is None:
        return [best((*timeless, order.beyond_id(key[1])), order, None, index="ix_comment_decided")]
    return [
        best((*place, Comment.decided_at.is_not(None)), order, key, index="ix_comment_decided"),
        best(timeless, order, None, index="ix_comment_decided"),
    ]


def united(session: Session, selects: Sequence[Rows]) -> Iterator[Row[Any]]:
    """The rows of all these selects, a hundred selects a statement."""
    for start in range(0, len(selects), _TOGETHER):
        yield from session.execute(select(union(selects[start : start + _TOGETHER])))


def union(selects: Sequence[Rows]) -> FromClause:
    """The rows of these selects, each with its own order and limit."""
    if len(selects) == 1:
        return selects[0].subquery()
    return union_all(*(select(one.subquery()) for one in selects)).subquery()


def merged(session: Session, lists: Sequence[Rows], order: Order) -> list[Comment]:
    """The first page of many lists, each of which gives ids and keys in this order."""
    rows: list[Comment] = []
    for start in range(0, len(lists), _TOGETHER):
        all_of_them = union(lists[start : start + _TOGETHER])
        by = (all_of_them.c.key.is_(None), *order.by(all_of_them.c.key, all_of_them.c.id))
        first = select(all_of_them).order_by(*by).limit(PAGE + 1).subquery()
        by = (first.c.key.is_(None), *order.by(first.c.key, first.c.id))
        rows += session.scalars(select(Comment).join_from(first, Comment, Comment.id == first.c.id).order_by(*by))
    if len(lists) > _TOGETHER:
        rows = _sorted(rows, order)
    return rows[: PAGE + 1]


def _sorted(rows: Sequence[Comment], order: Order) -> list[Comment]:
    """As the database sorts them; those without a key last."""
    keyed = [row for row in rows if order.of(row) is not None]
    keyed.sort(key=lambda row: (getattr(row, order.column.key), row.id), reverse=order.down)
    rest = sorted((row for row in rows if order.of(row) is None), key=lambda row: row.id, reverse=order.down)
    return keyed + rest
