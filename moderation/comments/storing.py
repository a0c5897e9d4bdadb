"""Storing many new comments in a few statements, whoever sends them.

Intake is what a site waits for, so its statements are counted: one row costs as many as five hundred. What is not new
(a repeat, an edit, a conflict) is left to `intake`, one by one. Rows are written in the
order of their names, so that two transactions which touch the same ones do not wait for each other in a ring.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    Insert,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    literal,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.comments import authors, intake, replies, status
from moderation.comments.intake import CommentInput, StoryInput
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.db import insert_many, inserts, listed, one_of

COMMENT = cast(Table, Comment.__table__)
REVISION = cast(Table, Revision.__table__)
STORY = cast(Table, Story.__table__)
AUTHOR = cast(Table, Author.__table__)


def by_name(table: Table, name: str, *columns: str) -> dict[str, Select[Any]]:
    """What `named` asks: these columns of a site's rows whose column `name` is in a list, per dialect."""
    wanted = select(*(table.c[column] for column in columns)).where(table.c.site_id == bindparam("site_id"))
    return {dialect: wanted.where(condition) for dialect, condition in one_of(table.c[name], "names").items()}


def named(
    session: Session, statements: Mapping[str, Select[Any]], site_id: int, names: Iterable[str]
) -> Sequence[Row[Any]]:
    """The rows of a site that have one of `names`; nothing is asked when there are none."""
    wanted = set(names)
    if not wanted:
        return ()
    statement = statements[session.get_bind().dialect.name]
    return session.connection().execute(statement, {"site_id": site_id, "names": listed(session, wanted)}).all()


# Made once: SQLAlchemy spends more on building such a statement than SQLite on running it.
def _around() -> dict[str, CompoundSelect[Any]]:
    """What there is of a batch's surroundings, in one question per dialect: its stories, authors and parents, and older
    replies that wait for one of its comments. Columns: kind, name, id, and what a story or author is described by."""
    site: BindParameter[Any] = bindparam("site_id")
    nothing = [null().label(name) for name in ("url", "title", "section", "published_at")]
    found = {}
    for dialect in ("sqlite", "postgresql"):
        told = [STORY.c.url, STORY.c.title, STORY.c.section, STORY.c.published_at]
        found[dialect] = union_all(
            select(literal("story").label("kind"), STORY.c.external_id.label("name"), STORY.c.id, *told).where(
                STORY.c.site_id == site, one_of(STORY.c.external_id, "stories")[dialect]
            ),
            select(literal("author"), AUTHOR.c.identity, AUTHOR.c.id, AUTHOR.c.email_hash, *nothing[1:]).where(
                AUTHOR.c.site_id == site, one_of(AUTHOR.c.identity, "authors")[dialect]
            ),
            select(literal("parent"), COMMENT.c.external_id, COMMENT.c.id, *nothing).where(
                COMMENT.c.site_id == site, one_of(COMMENT.c.external_id, "parents")[dialect]
            ),
            select(literal("orphan"), COMMENT.c.parent_external_id, COMMENT.c.id, *nothing).where(
                COMMENT.c.site_id == site,
                one_of(COMMENT.c.parent_external_id, "comments")[dialect],
                COMMENT.c.parent_id.is_(None),
                COMMENT.c.parent_external_id.is_not(None),
            ),
        )
    return found


_AROUND = _around()
_STORIES = by_name(STORY, "external_id", "external_id", "id")
_AUTHORS = by_name(AUTHOR, "identity", "identity", "id")
_TEXTS = (
    select(COMMENT.c.external_id, COMMENT.c.id, COMMENT.c.status, COMMENT.c.revision, REVISION.c.text, REVISION.c.raw)
    .join(REVISION, and_(REVISION.c.comment_id == COMMENT.c.id, REVISION.c.number == COMMENT.c.revision))
    .where(COMMENT.c.site_id == bindparam("site_id"))
)
_KNOWN = {dialect: _TEXTS.where(condition) for dialect, condition in one_of(COMMENT.c.external_id, "names").items()}
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
_REVISIONS = inserts(REVISION)


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
    identities = [authors.identity_of(site.id, item.author, secret) for item in items]
    around = _look_around(session, site.id, items, identities)
    stories = _stories(session, site.id, items, around["story"], now)
    writers = _authors(session, site.id, items, identities, around["author"], secret, now)
    parents = {row.name: row.id for row in around["parent"]}
    rows = [
        {
            **_EMPTY,
            **describe(site, item, secret),
            "site_id": site.id,
            "external_id": item.external_id,
            "source": source,
            "intake_flags": ",".join(item.flags),
            "story_id": stories[item.story.external_id],
            "author_id": writers[identity],
            "parent_external_id": item.parent_external_id,
            "parent_id": parents.get(item.parent_external_id or ""),
            "created_at": item.created_at or now,
            "received_at": now,
            "pending_since": now,
            "shown_at": now,
        }
        for item, identity in zip(items, identities, strict=True)
    ]
    made = _inserted(session, _NEW_COMMENTS, rows)
    if not made:
        return {}
    insert_many(
        session,
        _REVISIONS,
        [intake.revision_values(made[item.external_id], 1, item, now) for item in items if item.external_id in made],
    )
    waiting = [(row.id, row.name) for row in around["orphan"]]
    waiting += [
        (made[item.external_id], item.parent_external_id)
        for item in items
        if item.external_id in made and item.parent_external_id in made
    ]
    replies.adopt(session, waiting, made)
    return {firsts[name]: number for name, number in made.items()}


def find_same(session: Session, site: Site, given: Sequence[CommentInput]) -> dict[int, Known]:
    """Those of `given` that are known with just this text and are not withdrawn: position → how they stand."""
    rows = {row.external_id: row for row in named(session, _KNOWN, site.id, {item.external_id for item in given})}
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


def _look_around(
    session: Session, site_id: int, items: Sequence[CommentInput], identities: Iterable[str]
) -> Mapping[str, Sequence[Any]]:
    rows = session.connection().execute(
        _AROUND[session.get_bind().dialect.name],
        {
            "site_id": site_id,
            "stories": listed(session, {item.story.external_id for item in items}),
            "authors": listed(session, set(identities)),
            "parents": listed(session, {item.parent_external_id for item in items if item.parent_external_id}),
            "comments": listed(session, {item.external_id for item in items}),
        },
    )
    found: dict[str, list[Any]] = {"story": [], "author": [], "parent": [], "orphan": []}
    for row in rows:
        found[row.kind].append(row)
    return found


def _stories(
    session: Session, site_id: int, items: Sequence[CommentInput], known: Sequence[Any], now: datetime
) -> dict[str, int]:
    wanted: dict[str, StoryInput] = {item.story.external_id: item.story for item in items}
    changed = [
        {
            "story": row.id,
            "new_url": given.url,
            "new_title": given.title,
            "new_section": given.section or row.section,
            "new_published_at": given.published_at or row.published_at,
        }
        for row in sorted(known, key=lambda row: row.id)
        if intake.story_differs(row, given := wanted[row.name])
    ]
    if changed:
        session.connection().execute(_DESCRIBE_STORY, changed)
    new = {
        name: {
            "site_id": site_id,
            "external_id": name,
            "url": given.url,
            "title": given.title,
            "section": given.section,
            "published_at": given.published_at,
            "created_at": now,
        }
        for name, given in sorted(wanted.items())
    }
    return _with_new(session, site_id, {row.name: row.id for row in known}, new, _NEW_STORIES, _STORIES)


def _authors(
    session: Session,
    site_id: int,
    items: Sequence[CommentInput],
    identities: Sequence[str],
    known: Sequence[Any],
    secret: bytes,
    now: datetime,
) -> dict[str, int]:
    wanted = {identity: item.author for identity, item in zip(identities, items, strict=True)}
    hashes = {
        name: authors.email_hash(secret, site_id, author.email) if author.email else None
        for name, author in wanted.items()
    }
    changed = [
        {"author": row.id, "hashed": hashes[row.name]}
        for row in sorted(known, key=lambda row: row.id)
        if hashes[row.name] and hashes[row.name] != row.url  # the fourth column is an author's e-mail hash
    ]
    if changed:
        session.connection().execute(_REHASH, changed)
    new = {
        name: {
            "site_id": site_id,
            "identity": name,
            "external_id": author.external_id,
            "email_hash": hashes[name],
            "first_seen_at": now,
        }
        for name, author in sorted(wanted.items())
    }
    return _with_new(session, site_id, {row.name: row.id for row in known}, new, _NEW_AUTHORS, _AUTHORS)


def _with_new(
    session: Session,
    site_id: int,
    ids: dict[str, int],
    rows: Mapping[str, dict[str, Any]],
    insertion: Mapping[str, Insert],
    again: Mapping[str, Select[Any]],
) -> dict[str, int]:
    """`ids` and those of the rows that are not among them: made now, or by a request in this very moment."""
    missing = [name for name in rows if name not in ids]
    ids |= _inserted(session, insertion, [rows[name] for name in missing])
    late = [name for name in missing if name not in ids]
    return ids | {row[0]: row.id for row in named(session, again, site_id, late)}
