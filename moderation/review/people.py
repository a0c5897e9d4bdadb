"""Who writes, and what is written about: an author's record, an article's counts, and what people ordered for them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Select, and_, bindparam, func, select, union_all
from sqlalchemy.orm import Session

from moderation.accounts.models import AuditEntry, Moderator, Site
from moderation.comments import standings, status
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.review import notes

PAGE = 20
"""Comments of one page of an author or a story."""

LAST = 5
"""Comments of an author that a card shows."""

CHARS = 140
"""Characters of each of these."""

SHOWN_CHARS = 1000
"""Characters of a comment in a list; the whole text stands on its own page."""

NAMES_AMONG = 100
"""Newest comments in which an author's names are looked for."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of an author: how their comments stand now, and what a person ordered.

    `last`: the newest comments, (id, status, beginning of the text). `notes`: how many colleagues have left.
    `first_id`: their first comment, 0 where there is none.
    """

    approved: int
    rejected: int
    held: int
    first_seen_at: datetime
    standing: str
    standing_until: datetime | None
    last: Sequence[tuple[int, str, str]]
    notes: int
    first_id: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One comment of a list."""

    id: int
    status: str
    text: str
    revision: int
    reports: int
    escalated: bool
    received_at: datetime
    author_id: int | None
    author_name: str
    story_id: int | None
    story_title: str
    version: int


@dataclass(frozen=True, slots=True)
class Order:
    """An entry of the audit: who ordered what, and when. `detail` is `until <time>`, `for ever`, or empty."""

    action: str
    who: str
    at: datetime
    detail: str

    @property
    def until(self) -> datetime | None:
        """When the order ends; None where it has no end."""
        return datetime.fromisoformat(self.detail.removeprefix("until ")) if self.detail.startswith("until ") else None


def records(session: Session, author_ids: Collection[int], now: datetime) -> dict[int, Record]:
    """The records of these authors, in four statements however many they are."""
    ids = sorted(set(author_ids))
    if not ids:
        return {}
    authors = session.scalars(select(Author).where(Author.id.in_(ids))).all()
    numbers = _numbers(session, ids)
    last = _last(session, ids)
    noted = notes.counts(session, notes.AUTHOR, ids)
    found = {}
    for author in authors:
        counts, first_id = numbers.get(author.id, ({}, 0))
        standing = standings.in_force(author, now)
        found[author.id] = Record(
            approved=counts.get(status.APPROVED, 0),
            rejected=counts.get(status.REJECTED, 0),
            held=counts.get(status.HELD, 0),
            first_seen_at=author.first_seen_at,
            standing=standing,
            standing_until=author.standing_until if standing else None,
            last=last.get(author.id, []),
            notes=noted.get(author.id, 0),
            first_id=first_id,
        )
    return found


def author_of(session: Session, site_ids: Sequence[int], author_id: int, *, lock: bool = False) -> Author | None:
    """An author of these sites; somebody else's is not there."""
    wanted = select(Author).where(Author.id == author_id, Author.site_id.in_(site_ids))
    return session.scalar(wanted.with_for_update() if lock else wanted)


def story_of(session: Session, site_ids: Sequence[int], story_id: int, *, lock: bool = False) -> Story | None:
    """A story of these sites; somebody else's is not there."""
    wanted = select(Story).where(Story.id == story_id, Story.site_id.in_(site_ids))
    return session.scalar(wanted.with_for_update() if lock else wanted)


def site_of(session: Session, thing: Author | Story) -> Site:
    """The site that an author or a story is of."""
    return session.get_one(Site, thing.site_id)


def names_of(session: Session, author_id: int) -> list[str]:
    """The names under the author's newest comments, the newest first: who writes under many names is worth a look."""
    newest = (
        select(Comment.id, Comment.author_name)
        .where(Comment.author_id == author_id)
        .order_by(Comment.id.desc())
        .limit(NAMES_AMONG)
        .subquery()
    )
    rows = session.execute(
        select(newest.c.author_name).group_by(newest.c.author_name).order_by(func.max(newest.c.id).desc())
    )
    return [name for name in rows.scalars() if name]


def comments_by(session: Session, author_id: int, *, after: int | None) -> tuple[list[Line], int | None]:
    """A page of everything by this author, the newest first, and the `after` of the next page (None at the end)."""
    wanted = select(Comment.id).where(Comment.author_id == author_id)
    if after is not None:
        wanted = wanted.where(Comment.id < after)
    return _page(session, session.scalars(wanted.order_by(Comment.id.desc()).limit(PAGE + 1)).all())


def comments_under(session: Session, story_id: int, *, after: int | None) -> tuple[list[Line], int | None]:
    """A page of everything under this story, the newest first, and the `after` of the next page."""
    # The index goes by status first: the newest few of each, united, are the newest of all.
    parts = []
    for name in status.STATUSES:
        part = select(Comment.id).where(Comment.story_id == story_id, Comment.status == name)
        if after is not None:
            part = part.where(Comment.id < after)
        parts.append(select(part.order_by(Comment.id.desc()).limit(PAGE + 1).subquery().c.id))
    newest = union_all(*parts).subquery()
    return _page(session, session.scalars(select(newest.c.id).order_by(newest.c.id.desc()).limit(PAGE + 1)).all())


def story_numbers(session: Session, story_id: int) -> dict[str, int]:
    """How many comments under a story have which status."""
    rows = session.execute(
        select(Comment.status, func.count()).where(Comment.story_id == story_id).group_by(Comment.status)
    )
    return dict(rows.all())


def orders_of(session: Session, subject: str) -> list[Order]:
    """What people ordered for a subject of the audit (`author:7`, `story:3`), the newest first."""
    rows = session.execute(
        select(AuditEntry.action, AuditEntry.actor, AuditEntry.at, AuditEntry.detail)
        .where(AuditEntry.subject == subject)
        .order_by(AuditEntry.id.desc())
        .limit(100)
    ).all()
    numbers = {int(row.actor.removeprefix("moderator:")) for row in rows if row.actor.startswith("moderator:")}
    known = session.execute(select(Moderator.id, Moderator.name).where(Moderator.id.in_(numbers)))
    names = {f"moderator:{number}": name for number, name in known}
    return [Order(row.action, names.get(row.actor, row.actor), row.at, row.detail) for row in rows]


def _numbers(session: Session, author_ids: Sequence[int]) -> dict[int, tuple[dict[str, int], int]]:
    """Author → how many of their comments have which status, and the first of them."""
    rows = session.execute(
        select(Comment.author_id, Comment.status, func.count(), func.min(Comment.id))
        .where(Comment.author_id.in_(author_ids))
        .group_by(Comment.author_id, Comment.status)
    ).all()
    found: dict[int, tuple[dict[str, int], int]] = {}
    for author_id, name, number, first in rows:
        counts, before = found.get(author_id or 0, ({}, first))
        found[author_id or 0] = (counts | {name: number}, min(before, first))
    return found


def _last(session: Session, author_ids: Sequence[int]) -> dict[int, list[tuple[int, str, str]]]:
    rows = session.execute(_newest_of(len(author_ids)), {f"author_{n}": one for n, one in enumerate(author_ids)}).all()
    found: dict[int, list[tuple[int, str, str]]] = {}
    for author_id, comment_id, state, text in rows:
        short = text if len(text) <= CHARS else text[: CHARS - 1] + "…"
        found.setdefault(author_id or 0, []).append((comment_id, state, short))
    return found


@lru_cache(maxsize=128)
def _newest_of(authors: int) -> Select[int | None, int, str, str]:
    """The newest comments of so many authors, the newest first; kept, because to write it takes longer than to run it.

    Five steps in the index for each author: a window over all that they wrote would read all of it.
    """
    parts = [
        select(
            select(Comment.id)
            .where(Comment.author_id == bindparam(f"author_{n}", type_=Comment.author_id.type))
            .order_by(Comment.id.desc())
            .limit(LAST)
            .subquery()
            .c.id
        )
        for n in range(authors)
    ]
    return (
        select(Comment.author_id, Comment.id, Comment.status, func.substr(Revision.text, 1, CHARS + 1))
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(Comment.id.in_(union_all(*parts)))
        .order_by(Comment.id.desc())
    )


def _page(session: Session, ids: Sequence[int]) -> tuple[list[Line], int | None]:
    shown = ids[:PAGE]
    rows = session.execute(
        select(
            Comment.id,
            Comment.status,
            func.coalesce(func.substr(Revision.text, 1, SHOWN_CHARS), ""),
            Comment.revision,
            Comment.reports,
            Comment.escalated,
            Comment.received_at,
            Comment.author_id,
            Comment.author_name,
            Comment.story_id,
            func.coalesce(Story.title, ""),
            Comment.version,
        )
        .outerjoin(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .outerjoin(Story, Story.id == Comment.story_id)
        .where(Comment.id.in_(shown))
        .order_by(Comment.id.desc())
    ).all()
    return [Line(*row) for row in rows], shown[-1] if len(ids) > PAGE else None
