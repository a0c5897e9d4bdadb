"""The comments of a site that are looked at together: the last so many that were judged. A query room."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.comments.status import APPROVED, HELD, REJECTED
from moderation.policy.document import APPROVE, HOLD, REJECT

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]

ACTIONS = (APPROVE, HOLD, REJECT)
"""Actions by their code, from mild to strict."""

STATUSES = {APPROVED: 0, HELD: 1, REJECTED: 2}
"""Status of a judged comment → the code of the action that gave it."""

UNDECIDED = -1
"""In `Columns.human`: no person has approved or rejected this text."""

_JUDGED = tuple(STATUSES)


@dataclass(frozen=True, slots=True)
class Window:
    """The comments that are looked at: ids from `low` to `high` of one site that were judged, staff's own left out."""

    site_id: int
    low: int
    high: int

    def holds(self) -> ColumnElement[bool]:
        """As a condition on Comment."""
        return and_(
            Comment.id.between(self.low, self.high),
            Comment.site_id == self.site_id,
            Comment.status.in_(_JUDGED),
            ~Comment.staff,
        )


def fetched(session: Session, statement: Select[*tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows of a statement as the driver gives them: of a hundred thousand, making SQLAlchemy's rows and converting
    each value costs as much as reading them. For numbers and texts only; SQLite's truths are 0 and 1."""
    result = session.connection().execute(statement)
    rows = cast("list[tuple[Any, ...]]", result.cursor.fetchall())
    result.close()
    return rows


def last(session: Session, site_id: int, most: int) -> Window:
    """The last `most` comments of a site that were judged; low > high where there is none."""
    mine = (
        select(Comment.id)
        .with_hint(Comment, "NOT INDEXED", "sqlite")
        .where(Comment.site_id == site_id, Comment.status.in_(_JUDGED), ~Comment.staff)
        .order_by(Comment.id.desc())
    )
    high = session.scalar(mine.limit(1))
    if high is None:
        return Window(site_id, 1, 0)
    low = session.scalar(mine.offset(most - 1).limit(1))
    return Window(site_id, low or 0, high)
