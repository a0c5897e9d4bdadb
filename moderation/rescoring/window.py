"""The comments of a site that are looked at together: the last so many that were judged. A query room."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, or_, select, true, union_all
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

SPARSE = 8
"""A window with so many times more ids than comments is read by the index of what came when."""


@dataclass(frozen=True, slots=True)
class Window:
    """The comments that are looked at: those of one site that were judged, staff's own left out, with ids from `low` to
    `high`, that came at `since` or later (None: whenever); of those that came just then, the ids from `first` on.

    `dense`: most ids from `low` to `high` are of the window, so that SQLite walks the table sooner than an index.
    `newest`: their ids when the window was made, the last to come first.
    """

    site_id: int
    low: int
    high: int
    since: datetime | None = None
    first: int = 0
    dense: bool = True
    newest: Integers = field(default_factory=lambda: np.zeros(0, np.int64), compare=False)

    def holds(self) -> ColumnElement[bool]:
        """As a condition on Comment."""
        came, since = Comment.received_at, self.since
        late = true() if since is None else and_(came >= since, or_(came > since, Comment.id >= self.first))
        return and_(
            Comment.id.between(self.low, self.high),
            Comment.site_id == self.site_id,
            Comment.status.in_(_JUDGED),
            ~Comment.staff,
            late,
        )

    def ages(self, ids: Integers) -> Integers:
        """Of each of these comments of the window how many came after it."""
        place = np.argsort(self.newest)
        return place[np.searchsorted(self.newest, ids, sorter=place)]

    def hint(self) -> str:
        """How SQLite is to read Comment where it meets `holds`."""
        return "NOT INDEXED" if self.dense else "INDEXED BY ix_comment_queue"


def fetched(session: Session, statement: Select[*tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows of a statement as the driver gives them: of a hundred thousand, making SQLAlchemy's rows and converting
    each value costs as much as reading them. For numbers and texts only; SQLite's truths are 0 and 1."""
    result = session.connection().execute(statement)
    rows = cast("list[tuple[Any, ...]]", result.cursor.fetchall())
    result.close()
    return rows


def last(session: Session, site_id: int, most: int) -> Window:
    """The last `most` comments of a site that were judged, by when they came; low > high where there is none.

    An archive that is brought in late has the greatest ids, and its comments the times at which they were written.
    """
    parts = [
        select(
            select(Comment.received_at.label("at"), Comment.id)
            .where(Comment.site_id == site_id, Comment.status == name, ~Comment.staff)
            .order_by(Comment.received_at.desc(), Comment.id.desc())
            .limit(most)
            .subquery()
        )
        for name in _JUDGED
    ]
    lists = union_all(*parts).subquery()
    wanted = select(lists.c.id).order_by(lists.c.at.desc(), lists.c.id.desc()).limit(most)
    newest = np.array([row[0] for row in fetched(session, wanted)], np.int64)
    if not len(newest):
        return Window(site_id, 1, 0)
    low, high, first = int(newest.min()), int(newest.max()), int(newest[-1])
    since = session.scalar(select(Comment.received_at).where(Comment.id == first))
    return Window(site_id, low, high, since, first, high - low < SPARSE * len(newest), newest)
