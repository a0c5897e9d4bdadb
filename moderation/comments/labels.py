"""Submitted labels: what the site's own people say that a comment is, as Akismet's submit-spam and submit-ham do.

A label teaches (review/lessons.py) and decides nothing: who wants a comment down decides in the queue. Where a person
decided here on the same text, their decision is what is learned from.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from moderation.comments.models import Comment, Label
from moderation.comments.reports import NO_COMMENT
from moderation.comments.status import WITHDRAWN
from moderation.errors import InvalidInput, NotFound

SPAM = "spam"
HAM = "ham"
LABELS = (SPAM, HAM)
"""`ham` says that a comment is no spam, and nothing of how rude it is."""

WRONG_LABEL = "A label is spam or ham."


@dataclass(frozen=True, slots=True)
class Labelled:
    """What came of a label. `changed`: it is new or another than before. `outranked`: a person decided here on this
    text, and that is what is learned from."""

    comment_id: int
    revision: int
    label: str
    changed: bool
    outranked: bool


def submit(session: Session, comment: Comment, label: str, now: datetime) -> Labelled:
    """Keep what the site says of the current text of `comment` (locked by the caller), in place of what it said before.

    Raises InvalidInput naming `label`, and NotFound for a comment that the site withdrew.
    """
    if label not in LABELS:
        raise InvalidInput(WRONG_LABEL, field="label")
    if comment.status == WITHDRAWN:
        raise NotFound(NO_COMMENT)
    known = session.get(Label, comment.id)
    changed = known is None or (known.label, known.revision) != (label, comment.revision)
    if known is None:
        known = Label(comment_id=comment.id, site_id=comment.site_id)
        session.add(known)
    if changed:
        known.label, known.revision, known.created_at = label, comment.revision, now
    session.flush()
    outranked = comment.human_revision == comment.revision
    return Labelled(comment.id, comment.revision, label, changed, outranked)


def of_comment(session: Session, comment_id: int) -> Label | None:
    """What the site said last of a comment."""
    return session.get(Label, comment_id)
