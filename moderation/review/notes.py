"""Notes: what a moderator wants colleagues to know of an author, a story or a comment. Readers never see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation import parsing
from moderation.accounts.models import Moderator
from moderation.errors import InvalidInput
from moderation.review.models import Note

AUTHOR, STORY, COMMENT = "author", "story", "comment"
KINDS = (AUTHOR, STORY, COMMENT)

MAX_CHARS = 2000

WRONG_NOTE = "A note has 1 to 2000 characters."


@dataclass(frozen=True, slots=True)
class NoteLine:
    """A note as a page shows it."""

    id: int
    subject_id: int
    text: str
    name: str
    created_at: datetime


def add(session: Session, site_id: int, kind: str, subject_id: int, me: Moderator, text: str, now: datetime) -> Note:
    """Write a note. The caller has checked that `subject_id` is of a site that `me` works on.

    Raises InvalidInput naming `text`.
    """
    if kind not in KINDS:
        raise ValueError(f"there are no notes on a {kind}")
    note = Note(
        site_id=site_id,
        kind=kind,
        subject_id=subject_id,
        moderator_id=me.id,
        text=cleaned(text, "text", MAX_CHARS, WRONG_NOTE),
        created_at=now,
    )
    session.add(note)
    session.flush()
    return note


def of(session: Session, kind: str, subject_ids: Sequence[int]) -> dict[int, list[NoteLine]]:
    """The notes on these subjects, the newest first; a subject without any is not there."""
    rows = session.execute(
        select(Note.id, Note.subject_id, Note.text, Moderator.name, Note.created_at)
        .join(Moderator, Moderator.id == Note.moderator_id)
        .where(Note.kind == kind, Note.subject_id.in_(subject_ids))
        .order_by(Note.id.desc())
    ).all()
    found: dict[int, list[NoteLine]] = {}
    for row in rows:
        found.setdefault(row.subject_id, []).append(NoteLine(*row))
    return found


def counts(session: Session, kind: str, subject_ids: Sequence[int]) -> dict[int, int]:
    """How many notes each of these subjects has; one without any is not there."""
    rows = session.execute(
        select(Note.subject_id, func.count())
        .where(Note.kind == kind, Note.subject_id.in_(subject_ids))
        .group_by(Note.subject_id)
    ).all()
    return {row[0]: row[1] for row in rows}


def cleaned(text: str, field: str, limit: int, sentence: str) -> str:
    """What a moderator wrote, at least 1 and at most `limit` characters. Raises InvalidInput, with `sentence`."""
    try:
        clean = parsing.clean_text(
            text.strip(), field, max_chars=limit, max_bytes=limit * 4, multiline=True, required=True
        )
    except InvalidInput:
        raise InvalidInput(sentence, field=field) from None
    return clean.strip()
