"""A site's comments out of the house, page by page: what `import` reads, or a table for a spreadsheet.

What the site has withdrawn is not exported. E-mails and addresses are not stored, so they cannot be.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from moderation.archive.rows import COLUMNS, guarded
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.comments.status import APPROVED, HELD, PENDING, REJECTED
from moderation.db import Database
from moderation.review.models import Decision

PAGE = 1000
STATUSES = {"approved": APPROVED, "held": HELD, "rejected": REJECTED, "pending": PENDING}
"""As an export names them; import knows each of them."""
_NAMES = {status: name for name, status in STATUSES.items()}
_WRITTEN = tuple(name for name in COLUMNS if name not in ("author_email", "author_ip"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which comments: written from `since` to before `until`, in one of `statuses` (all when empty)."""

    since: datetime | None = None
    until: datetime | None = None
    statuses: Sequence[str] = ()


def rows(db: Database, site_id: int, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The comments of a site as our columns, in the order in which they came. No transaction stays open between pages:
    what is decided meanwhile is exported as it stands when its page is read."""
    after = 0
    while True:
        with db.reading() as session:
            page = _page(session, site_id, wanted, after)
        for number, row in page:
            yield row
            after = number
        if len(page) < PAGE:
            return


def as_jsonl(found: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Lines of JSON; what is not known is left out, except a parent."""
    for row in found:
        line: dict[str, Any] = {}
        for name, value in row.items():
            group, _, part = name.partition("_")
            if group == "author":
                line.setdefault("author", {})
                if value:
                    line["author"][part] = value
            elif value or name == "parent_id":
                line[name] = value
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def as_csv(found: Iterator[dict[str, Any]], *, excel: bool = False) -> Iterator[str]:
    """Lines of a table in which no cell is a formula. `excel`: with the byte order mark by which Excel knows UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_WRITTEN)
    yield ("\ufeff" if excel else "") + text.getvalue()
    for row in found:
        text.seek(0)
        text.truncate()
        writer.writerow([guarded(_cell(row[name])) for name in _WRITTEN])
        yield text.getvalue()


def _page(session: Session, site_id: int, wanted: Wanted, after: int) -> list[tuple[int, dict[str, Any]]]:
    statuses = [STATUSES[name] for name in wanted.statuses or STATUSES]
    found = (
        select(Comment, Revision.text, Revision.raw, Story, Author.external_id.label("writer"), Decision.reason)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .join(Story, Story.id == Comment.story_id)
        .outerjoin(Author, Author.id == Comment.author_id)
        .outerjoin(Decision, and_(Decision.comment_id == Comment.id, Decision.sequence == Comment.sequence))
        .where(Comment.site_id == site_id, Comment.id > after, Comment.status.in_(statuses))
        .order_by(Comment.id)
        .limit(PAGE)
    )
    if wanted.since is not None:
        found = found.where(Comment.created_at >= wanted.since)
    if wanted.until is not None:
        found = found.where(Comment.created_at < wanted.until)
    return [(row.Comment.id, _values(row)) for row in session.execute(found)]


def _values(row: Any) -> dict[str, Any]:
    comment, story = row.Comment, row.Story
    return {
        "id": comment.external_id,
        "post_id": story.external_id,
        "post_url": story.url,
        "post_title": story.title,
        "post_section": story.section,
        "post_published_at": _time(story.published_at),
        "parent_id": comment.parent_external_id,
        "author_id": row.writer,
        "author_name": comment.author_name,
        "author_url": comment.author_url,
        "created_at": _time(comment.created_at),
        "status": _NAMES[comment.status],
        "reason": row.reason if comment.status == REJECTED else None,
        "staff": comment.staff,
        "format": "plain" if row.raw is None else "html",
        "content": row.text if row.raw is None else row.raw,
    }


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat().replace("+00:00", "Z")


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
