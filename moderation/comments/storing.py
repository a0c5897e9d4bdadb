"""Storing many new comments in a few statements, whoever sends them.

Intake is what a site waits for, so its statements are counted: one row costs as many as five hundred. What is not new
(a repeat, an edit, a conflict) is left to `intake`, one by one. Rows are written in the
order of their names, so that two transactions which touch the same ones do not wait for each other in a ring.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Insert, Table, and_, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.comments import authors, intake, status
from moderation.comments.intake import CommentInput, StoryInput
from moderation.comments.models import Author, Comment, Revision, Story

COMMENT = cast(Table, Comment.__table__)
REVISION = cast(Table, Revision.__table__)
STORY = cast(Table, Story.__table__)
AUTHOR = cast(Table, Author.__table__)

# Made once: SQLAlchemy spends more on building such a statement than SQLite on running it.
_STORIES = select(
    STORY.c.external_id, STORY.c.id, STORY.c.url, STORY.c.title, STORY.c.section, STORY.c.published_at
).where(STORY.c.site_id == bindparam("site_id"), STORY.c.external_id.in_(bindparam("names", expanding=True)))
_AUTHORS = select(AUTHOR.c.identity, AUTHOR.c.id, AUTHOR.c.email_hash).where(
    AUTHOR.c.site_id == bindparam("site_id"), AUTHOR.c.identity.in_(bindparam("names", expanding=True))
)
_PARENTS = select(COMMENT.c.external_id, COMMENT.c.id).where(
    COMMENT.c.site_id == bindparam("site_id"), COMMENT.c.external_id.in_(bindparam("names", expanding=True))
)
_KNOWN = (
    select(COMMENT.c.external_id, COMMENT.c.id, COMMENT.c.status, COMMENT.c.revision, REVISION.c.text, REVISION.c.raw)
    .join(REVISION, and_(REVISION.c.comment_id == COMMENT.c.id, REVISION.c.number == COMMENT.c.revision))
    .where(COMMENT.c.site_id == bindparam("site_id"), COMMENT.c.external_id.in_(bindparam("names", expanding=True)))
)
_DESCRIBE_STORY = (
    update(STORY)
    .where(STORY.c.id == bindparam("story"))
    .values(
        url=bindparam("new_url"),
        title=bindparam("new_title"),
        section=bindparam("new_section"),
        published_at=bindparam("new_published_at"),
    )
)
_REHASH = update(AUTHOR).where(AUTHOR.c.id == bindparam("author")).values(email_hash=bindparam("hashed"))
_REVISIONS = insert(REVISION)


def _unless_known(table: Table, *returned: str) -> Mapping[str, Insert]:
    """INSERT … ON CONFLICT DO NOTHING RETURNING, per dialect."""
    return {
        name: dialect.insert(table).on_conflict_do_nothing().returning(*(table.c[column] for column in returned))
        for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
    }


_NEW_STORIES = _unless_known(STORY, "external_id", "id")
_NEW_AUTHORS = _unless_known(AUTHOR, "identity", "id")
_NEW_COMMENTS = _unless_known(COMMENT, "external_id", "id")


@dataclass(frozen=True, slots=True)
class Known:
    """A comment that was sent before, as it stands now."""

    comment_id: int
    status: str
    revision: int


def store_new(
    session: Session, site: Site, given: Sequence[CommentInput], *, source: str, secret: bytes, now: datetime
) -> dict[int, int]:
    """Store those of `given` that the site has not sent before: position in `given` → id of the new comment.

    Each new comment is PENDING with its first revision. Of two with one external id the first counts. A position that
    is missing in the answer was known: `intake.accept` says what that means.
    """
    firsts: dict[str, int] = {}
    for position, item in enumerate(given):
        firsts.setdefault(item.external_id, position)
    items = [given[position] for position in firsts.values()]
    stories = _stories(session, site.id, items, now)
    writers = _authors(session, site.id, items, secret, now)
    parents = _parents(session, site.id, items)
    rows = [
        {
            **_EMPTY,
            **describe(site, item, secret),
            "site_id": site.id,
            "external_id": item.external_id,
            "source": source,
            "intake_flags": ",".join(item.flags),
            "story_id": stories[item.story.external_id],
            "author_id": writers[authors.identity_of(site.id, item.author, secret)],
            "parent_external_id": item.parent_external_id,
            "parent_id": parents.get(item.parent_external_id or ""),
            "created_at": item.created_at or now,
            "received_at": now,
            "pending_since": now,
            "shown_at": now,
        }
        for item in items
    ]
    made = _inserted(session, _NEW_COMMENTS, rows)
    if not made:
        return {}
    session.connection().execute(
        _REVISIONS,
        [intake.revision_values(made[item.external_id], 1, item, now) for item in items if item.external_id in made],
    )
    intake.adopt(session, site.id, made)
    return {firsts[name]: number for name, number in made.items()}


def find_same(session: Session, site: Site, given: Sequence[CommentInput]) -> dict[int, Known]:
    """Those of `given` that are known with just this text and are not withdrawn: position → how they stand."""
    rows = {row.external_id: row for row in _named(session, _KNOWN, site.id, {item.external_id for item in given})}
    return {
        position: Known(row.id, row.status, row.revision)
        for position, item in enumerate(given)
        if (row := rows.get(item.external_id)) is not None
        and row.status != status.WITHDRAWN
        and intake.display(item)[:2] == (row.text, row.raw)
    }


def describe(site: Site, given: CommentInput, secret: bytes) -> dict[str, Any]:
    """The columns of a comment that its author's description gives."""
    author = given.author
    return {
        "author_name": author.name,
        "author_url": author.url,
        "language_hint": given.language,
        "staff": intake.is_staff(site, author),
        "ip_hash": authors.keyed_hash(secret, "ip", site.id, author.ip) if author.ip else None,
        "ip_network": (authors.network_of(author.ip) or None) if author.ip else None,
    }


_EMPTY: Mapping[str, Any] = {
    "status": status.PENDING,
    "version": 1,
    "revision": 1,
    "sequence": 0,
    "not_scored": False,
    "human_revision": 0,
    "priority": 0.0,
    "language": None,
    "decided_at": None,
    "shown": False,
    "shown_next": False,
    "content_order": "",
    "create_order": "",
    "delete_order": "",
}


def _inserted(session: Session, statements: Mapping[str, Insert], rows: list[dict[str, Any]]) -> dict[str, int]:
    """Name → id of the rows that were not there yet."""
    if not rows:
        return {}
    connection = session.connection()
    made = connection.execute(statements[connection.dialect.name], rows)
    return {row[0]: row[1] for row in made}


def _stories(session: Session, site_id: int, items: Sequence[CommentInput], now: datetime) -> dict[str, int]:
    wanted: dict[str, StoryInput] = {item.story.external_id: item.story for item in items}
    found = {row.external_id: row for row in _named(session, _STORIES, site_id, wanted)}
    changed = [
        {
            "story": row.id,
            "new_url": given.url,
            "new_title": given.title,
            "new_section": given.section or row.section,
            "new_published_at": given.published_at or row.published_at,
        }
        for name, row in sorted(found.items())
        if intake.story_differs(row, given := wanted[name])
    ]
    if changed:
        session.connection().execute(_DESCRIBE_STORY, changed)
    ids = {name: row.id for name, row in found.items()}
    missing = sorted(name for name in wanted if name not in ids)
    ids |= _inserted(
        session,
        _NEW_STORIES,
        [
            {
                "site_id": site_id,
                "external_id": name,
                "url": wanted[name].url,
                "title": wanted[name].title,
                "section": wanted[name].section,
                "published_at": wanted[name].published_at,
                "created_at": now,
            }
            for name in missing
        ],
    )
    # those that a request made in this very moment
    late = [name for name in missing if name not in ids]
    return ids | {row.external_id: row.id for row in _named(session, _STORIES, site_id, late)}


def _authors(
    session: Session, site_id: int, items: Sequence[CommentInput], secret: bytes, now: datetime
) -> dict[str, int]:
    wanted = {authors.identity_of(site_id, item.author, secret): item.author for item in items}
    found = {row.identity: row for row in _named(session, _AUTHORS, site_id, wanted)}
    hashes = {
        name: authors.email_hash(secret, site_id, author.email) if author.email else None
        for name, author in wanted.items()
    }
    changed = [
        {"author": row.id, "hashed": hashes[name]}
        for name, row in sorted(found.items())
        if hashes[name] and hashes[name] != row.email_hash
    ]
    if changed:
        session.connection().execute(_REHASH, changed)
    ids = {name: row.id for name, row in found.items()}
    missing = sorted(name for name in wanted if name not in ids)
    ids |= _inserted(
        session,
        _NEW_AUTHORS,
        [
            {
                "site_id": site_id,
                "identity": name,
                "external_id": wanted[name].external_id,
                "email_hash": hashes[name],
                "first_seen_at": now,
            }
            for name in missing
        ],
    )
    late = [name for name in missing if name not in ids]
    return ids | {row.identity: row.id for row in _named(session, _AUTHORS, site_id, late)}


def _parents(session: Session, site_id: int, items: Sequence[CommentInput]) -> dict[str, int]:
    wanted = {item.parent_external_id for item in items if item.parent_external_id}
    return {row.external_id: row.id for row in _named(session, _PARENTS, site_id, wanted)}


def _named(session: Session, statement: Any, site_id: int, names: Iterable[str]) -> Sequence[Any]:
    listed = sorted(names)
    if not listed:
        return ()
    return session.connection().execute(statement, {"site_id": site_id, "names": listed}).all()
