"""The status of a comment: one table of allowed transitions, and the only write of it.

PENDING: stored, not judged. HELD: waits for a person. APPROVED, REJECTED: decided. WITHDRAWN: the site deleted it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from moderation.comments.models import Comment
from moderation.db import affected

PENDING = "PENDING"
HELD = "HELD"
APPROVED = "APPROVED"
REJECTED = "REJECTED"
WITHDRAWN = "WITHDRAWN"

STATUSES = (PENDING, HELD, APPROVED, REJECTED, WITHDRAWN)

TRANSITIONS: Mapping[str, frozenset[str]] = {
    PENDING: frozenset({PENDING, HELD, APPROVED, REJECTED, WITHDRAWN}),
    HELD: frozenset({PENDING, APPROVED, REJECTED, WITHDRAWN}),
    APPROVED: frozenset({PENDING, HELD, REJECTED, WITHDRAWN}),
    REJECTED: frozenset({PENDING, HELD, APPROVED, WITHDRAWN}),
    WITHDRAWN: frozenset({PENDING}),
}
"""From → to. PENDING → PENDING is a new revision before the first was judged; WITHDRAWN → PENDING a later create."""

BY_ACTION: Mapping[str, str] = {"approve": APPROVED, "reject": REJECTED, "hold": HELD}
"""A decision's action → the status that it gives."""


def move(session: Session, comment: Comment, to: str, *, now: datetime, **values: Any) -> bool:
    """Compare and set: give `comment` the status `to` if it still has the version that was read.

    Raises `version` by one and sets `values` with it. Returns False, and changes nothing,
    when another transaction was first.

    Raises ValueError when the table of transitions does not allow it: a fault of the caller.
    """
    if to not in TRANSITIONS[comment.status]:
        raise ValueError(f"{comment.status} -> {to} is not allowed")
    if to == PENDING:
        values["pending_since"] = now
    return _compare_and_set(session, comment, {"status": to, **values})


def touch(session: Session, comment: Comment, **values: Any) -> bool:
    """Compare and set without a change of status: a person confirms what stands. False when somebody was first."""
    return _compare_and_set(session, comment, values)


def _compare_and_set(session: Session, comment: Comment, values: dict[str, Any]) -> bool:
    session.flush()
    done = session.execute(
        update(Comment)
        .where(Comment.id == comment.id, Comment.version == comment.version, Comment.status == comment.status)
        .values(version=comment.version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    if affected(done) != 1:
        return False
    for name, value in {**values, "version": comment.version + 1}.items():
        set_committed_value(comment, name, value)  # what the row holds now; reading it again would tell nothing new
    return True
