"""Storing archived comments, a batch in a handful of statements, and how far each import is.

What exists is passed over: the site's own data always wins. An imported comment has its decision from the start, with
origin `import`: no work row, no verdict and no delivery, so nobody is told what they told us.
"""

import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.accounts import audit
from moderation.accounts.models import Site
from moderation.archive.models import ArchiveImport
from moderation.archive.records import Record
from moderation.comments import authors, intake, status, stored_texts, storing
from moderation.comments.intake import AuthorInput
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.db import affected, insert_fast
from moderation.errors import Conflict
from moderation.review import priority
from moderation.review.models import Decision

SOURCE = ORIGIN = "import"
KNOWN = "known"
RUNNING, FINISHED = "running", "finished"

COMMENT, REVISION = cast(Table, Comment.__table__), cast(Table, Revision.__table__)
STORY, AUTHOR = cast(Table, Story.__table__), cast(Table, Author.__table__)
DECISION = cast(Table, Decision.__table__)


_COMMENTS = storing.by_name(COMMENT, "external_id", "external_id", "id")
_STORIES = storing.by_name(STORY, "external_id", "external_id", "id")
_AUTHORS = storing.by_name(AUTHOR, "identity", "identity", "id")
_ORPHANS = {
    name: wanted.where(COMMENT.c.parent_id.is_(None))
    for name, wanted in storing.by_name(COMMENT, "parent_external_id", "id", "parent_external_id").items()
}
_ADOPT = update(COMMENT).where(COMMENT.c.id == bindparam("reply")).values(parent_id=bindparam("parent"))
_NEW = {
    (name, table.name): dialect.insert(table).on_conflict_do_nothing()
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
    for table in (STORY, AUTHOR)
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record turned into the values of its rows, but for the ids. `kind` is what it counts as, `written` when it was
    when it came in and was decided; both as the database takes them."""

    record: Record
    identity: str
    kind: str
    comment: tuple[Any, ...]
    revision: tuple[Any, ...]
    decision: tuple[Any, ...]


def prepare(site: Site, records: Iterable[Record], *, secret: bytes, now: datetime, is_sqlite: bool) -> list[Prepared]:
    """The rows of records, made before the transaction so that nobody waits for us longer than for the writing."""
    stamp = _sqlite_stamp if is_sqlite else _as_is
    return [_prepared(site, record, secret, now, stamp) for record in records]


def put(session: Session, site_id: int, rows: Sequence[Prepared], *, secret: bytes) -> Counter[str]:
    """Store what the site does not have yet, in the given order; answers how many of each kind, and `known`.

    Parents are found whether they come earlier or later, in this batch or another. Raises IntegrityError when another
    transaction stored one of these comments in this very moment: do it again.
    """
    names = {row.record.comment.external_id for row in rows}
    parents = {row.record.comment.parent_external_id or "" for row in rows} - {""}
    there = _ids(session, _COMMENTS, site_id, names | parents)
    fresh: dict[str, Prepared] = {}
    for row in rows:
        name = row.record.comment.external_id
        if name not in there:
            fresh.setdefault(name, row)
    counts = Counter(row.kind for row in fresh.values())
    counts[KNOWN] += len(rows) - len(fresh)
    if not fresh:
        return counts
    stories = _stories(session, site_id, fresh.values())
    writers = _authors(session, site_id, fresh.values(), secret)
    comments, revisions, decisions = [], [], []
    for number, (name, row) in zip(_new_ids(session, len(fresh)), fresh.items(), strict=True):
        given = row.record.comment
        parent = there.get(given.parent_external_id or "")
        there[name] = number
        ids = (number, site_id, stories[given.story.external_id], writers[row.identity], parent)
        comments.append(ids + row.comment)
        revisions.append((number, *row.revision))
        decisions.append((number, *row.decision))
    connection = session.connection()
    insert_fast(connection, COMMENT, _COMMENT_COLUMNS, comments)
    insert_fast(connection, REVISION, _REVISION_COLUMNS, revisions)
    insert_fast(connection, DECISION, _DECISION_COLUMNS, decisions)
    _adopt(session, site_id, {name: there[name] for name in fresh})
    return counts


def kind_of(record: Record) -> str:
    """What a record counts as: `approved`, `held`, `rejected` or `spam`."""
    return "spam" if record.reason == "SPAM" else status.BY_ACTION[record.action].lower()


def known(session: Session, site_id: int, names: Iterable[str]) -> set[str]:
    """Which of these external ids the site has."""
    return set(_ids(session, _COMMENTS, site_id, names))


def count_rows(session: Session) -> None:
    """Let PostgreSQL count the tables that are being filled: while it takes them for empty, it would rather read every
    comment of the site than use the index of their names. SQLite needs no telling."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("ANALYZE comment, revision, decision, author, story"))


def unfinished(session: Session, site_id: int, kind: str, fingerprint: str) -> ArchiveImport | None:
    """The import of this very file that was cut off."""
    return session.scalar(
        select(ArchiveImport)
        .where(
            ArchiveImport.site_id == site_id,
            ArchiveImport.format == kind,
            ArchiveImport.fingerprint == fingerprint,
            ArchiveImport.state == RUNNING,
        )
        .order_by(ArchiveImport.id.desc())
        .limit(1)
    )


def begin(
    session: Session, *, site_id: int, kind: str, name: str, fingerprint: str, by: str, now: datetime
) -> ArchiveImport:
    """A new import, at the beginning of its file."""
    run = ArchiveImport(
        site_id=site_id,
        format=kind,
        name=name[:500],
        fingerprint=fingerprint,
        position=0,
        counts={},
        state=RUNNING,
        started_by=by,
        created_at=now,
        updated_at=now,
    )
    session.add(run)
    session.flush()
    return run


def advance(
    session: Session, run_id: int, *, seen: int, position: int, counts: Mapping[str, int], now: datetime
) -> None:
    """Move an import from position `seen` on. Raises Conflict when somebody else moves the same one."""
    done = session.execute(
        update(ArchiveImport)
        .where(ArchiveImport.id == run_id, ArchiveImport.position == seen, ArchiveImport.state == RUNNING)
        .values(position=position, counts=dict(counts), updated_at=now)
        .execution_options(synchronize_session=False)
    )
    if affected(done) != 1:
        raise Conflict("Another process is importing the same file.")


def finish(session: Session, run_id: int, *, site_id: int, by: str, detail: str, now: datetime) -> None:
    """The file is done; the audit says what came of it."""
    session.execute(
        update(ArchiveImport)
        .where(ArchiveImport.id == run_id)
        .values(state=FINISHED, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    audit.record(
        session,
        actor=by,
        action="archive.import",
        subject=f"archive_import:{run_id}",
        site_id=site_id,
        now=now,
        detail=detail,
    )


_COMMENT_COLUMNS = (
    *("id", "site_id", "story_id", "author_id", "parent_id"),
    *("external_id", "parent_external_id", "source", "status", "version", "revision", "sequence", "staff"),
    *("not_scored", "human_revision", "priority", "spam", "author_name", "author_url", "language_hint", "language"),
    *("ip_hash", "ip_network", "intake_flags", "created_at", "received_at", "pending_since", "decided_at"),
    *("shown", "shown_next", "shown_at", "content_order", "create_order", "delete_order"),
)
_REVISION_COLUMNS = ("comment_id", "number", "text", "raw", "links", "text_hash", "created_at")
_DECISION_COLUMNS = (
    *("comment_id", "revision", "sequence", "action", "reason", "origin"),
    *("moderator_id", "undoes", "policy_version", "created_at"),
)


def _prepared(site: Site, record: Record, secret: bytes, now: datetime, stamp: Callable[[datetime], Any]) -> Prepared:
    given, author = record.comment, record.comment.author
    to = status.BY_ACTION[record.action]
    created = given.created_at or now
    written = stamp(min(created, now))
    # What waits has waited since the import; what is decided takes the place that it had in the archive's time, so that
    # it neither crowds today's lists nor counts as today's flood.
    held, shown = to == status.HELD, to == status.APPROVED
    at = stamp(now) if held else written
    ip = author.ip
    comment = (
        *(given.external_id, given.parent_external_id, SOURCE, to, 1, 1, 1, intake.is_staff(site, author)),
        *(held, 0, priority.of(0.0, 0, now if held else min(created, now))),
        to == status.REJECTED and record.reason == "SPAM",
        *(author.name, author.url, given.language, None),
        authors.keyed_hash(secret, "ip", site.id, ip) if ip else None,
        network_of(ip) or None if ip else None,
        *("", stamp(created), at, at, at),
        *(shown, shown, at, "", "", ""),
    )
    text, raw, links = intake.display(given)
    revision = (1, text, raw, links, stored_texts.text_hash(text), written)
    decision = (1, 1, record.action, record.reason, ORIGIN, None, None, None, at)
    identity = authors.identity_of(site.id, author, secret)
    return Prepared(record, identity, kind_of(record), comment, revision, decision)


def network_of(address: str) -> str:
    """What authors.network_of answers, quicker for an IPv4 address that is written as usual."""
    try:
        socket.inet_pton(socket.AF_INET, address)
    except (OSError, ValueError):
        return authors.network_of(address)
    return f"{address.rpartition('.')[0]}.0/24"


def _sqlite_stamp(moment: datetime) -> str:
    """What SQLAlchemy writes into SQLite; a million rows have no time to ask it seven times each."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _as_is(moment: datetime) -> datetime:
    return moment


def _adopt(session: Session, site_id: int, made: Mapping[str, int]) -> None:
    """Replies that came before the comment that they answer, in this batch or long ago, find it now."""
    waiting = [
        {"reply": row.id, "parent": made[row.parent_external_id]}
        for row in storing.named(session, _ORPHANS, site_id, made)
        if row.id != made[row.parent_external_id]
    ]
    if waiting:
        session.connection().execute(_ADOPT, waiting)


def _stories(session: Session, site_id: int, rows: Iterable[Prepared]) -> dict[str, int]:
    wanted: dict[str, dict[str, Any]] = {}
    for row in rows:
        story = row.record.comment.story
        wanted.setdefault(
            story.external_id,
            {
                "site_id": site_id,
                "external_id": story.external_id,
                "url": story.url,
                "title": story.title,
                "section": story.section,
                "published_at": story.published_at,
                "created_at": row.record.comment.created_at,  # an old story must not count as one of today
            },
        )
    return _found_or_added(session, site_id, _STORIES, STORY, wanted)


def _authors(session: Session, site_id: int, rows: Iterable[Prepared], secret: bytes) -> dict[str, int]:
    wanted: dict[str, dict[str, Any]] = {}
    for row in rows:
        author = row.record.comment.author
        wanted.setdefault(
            row.identity,
            {
                "site_id": site_id,
                "identity": row.identity,
                "external_id": author.external_id,
                "email_hash": _email_hash(secret, site_id, author, row.identity),
                "first_seen_at": row.record.comment.created_at,
            },
        )
    return _found_or_added(session, site_id, _AUTHORS, AUTHOR, wanted)


def _email_hash(secret: bytes, site_id: int, author: AuthorInput, identity: str) -> str | None:
    if identity.startswith("e:"):
        return identity.removeprefix("e:")
    return authors.email_hash(secret, site_id, author.email) if author.email else None


def _found_or_added(
    session: Session,
    site_id: int,
    statements: Mapping[str, Select[Any]],
    table: Table,
    wanted: Mapping[str, dict[str, Any]],
) -> dict[str, int]:
    found = _ids(session, statements, site_id, wanted)
    missing = sorted(name for name in wanted if name not in found)
    if missing:
        connection = session.connection()
        connection.execute(_NEW[connection.dialect.name, table.name], [wanted[name] for name in missing])
        found |= _ids(session, statements, site_id, missing)
    return found


def _ids(session: Session, statements: Mapping[str, Select[Any]], site_id: int, names: Iterable[str]) -> dict[str, int]:
    return {row[0]: row.id for row in storing.named(session, statements, site_id, names)}


def _new_ids(session: Session, count: int) -> Iterable[int]:
    """Ids for `count` comments, ascending, before their rows are written: replies can name their parents."""
    if session.get_bind().dialect.name == "sqlite":  # there is one writer, and it is us
        last = session.scalar(select(func.max(COMMENT.c.id))) or 0
        return range(last + 1, last + 1 + count)
    drawn = text("SELECT nextval(pg_get_serial_sequence('comment', 'id')) FROM generate_series(1, :count)")
    return sorted(session.scalars(drawn, {"count": count}))
