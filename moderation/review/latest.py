"""What a moderator has done last, as the page lists it to be taken back: what they decided at once is one deed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.review.models import Decision

LISTED = 50
"""Deeds of the list."""

_LOOKED_AT = (2 * LISTED, 2000)
"""Decisions that are read for it: few at first, more where many of them were made at once."""


@dataclass(frozen=True, slots=True)
class Deed:
    """A decision, or `n` of them that were made at once (`at` is the moment of all of them): a group, a selection.

    `comment_id`, `version` and `author` are those of the first comment.
    """

    comment_id: int
    version: int
    action: str
    reason: str | None
    author: str
    at: datetime
    n: int = 1

    @property
    def key(self) -> str:
        """What a page calls it: a single comment by its id, several by their moment."""
        return str(self.comment_id) if self.n == 1 else self.at.isoformat()


def of(session: Session, moderator_id: int, site_ids: Sequence[int]) -> list[Deed]:
    """The latest deeds, newest first, of which something still stands as the newest of its comment.

    Bulk jobs are not among them: they have a page of their own.
    """
    found: list[Deed] = []
    for most in _LOOKED_AT:
        rows = session.execute(
            select(
                Decision.comment_id,
                Decision.action,
                Decision.reason,
                Decision.created_at,
                Comment.version,
                Comment.author_name,
            )
            .join(Comment, and_(Comment.id == Decision.comment_id, Comment.sequence == Decision.sequence))
            .where(
                Decision.moderator_id == moderator_id,
                Decision.undoes.is_(None),
                Decision.job_id.is_(None),
                Comment.site_id.in_(site_ids),
            )
            .order_by(Decision.id.desc())
            .limit(most)
        ).all()
        deeds: dict[datetime, Deed] = {}
        for row in rows:
            n = deeds[row.created_at].n + 1 if row.created_at in deeds else 1
            deeds[row.created_at] = Deed(
                row.comment_id, row.version, row.action, row.reason, row.author_name, row.created_at, n
            )
        found = list(deeds.values())
        if len(rows) < most:
            break
        if len(found) > 1:
            found.pop()  # it may be cut off
        if len(found) >= LISTED:
            break
    return found[:LISTED]
