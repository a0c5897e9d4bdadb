"""The texts of comments as they are stored: the current ones, and the hash that tells equal ones."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.comments.models import Comment, Revision


def current_revision(session: Session, comment: Comment) -> Revision | None:
    """The text of a comment as it stands; None for a tombstone whose create never came."""
    return session.scalar(
        select(Revision).where(Revision.comment_id == comment.id, Revision.number == comment.revision)
    )


def current_revisions(session: Session, keys: Sequence[tuple[int, int]]) -> dict[int, Revision]:
    """The texts of many comments, named as (comment, number of its current revision), by comment id."""
    wanted = dict(keys)
    rows = session.scalars(select(Revision).where(Revision.comment_id.in_(wanted))) if wanted else ()
    return {row.comment_id: row for row in rows if row.number == wanted[row.comment_id]}


def text_hash(text: str) -> str:
    """SHA-256 (hex) of a text with case and spaces evened out: equal for repeats, for duplicate checks."""
    return hashlib.sha256(" ".join(text.casefold().split()).encode("utf-8", "surrogatepass")).hexdigest()
