"""What the public may read: comments that are shown now, threaded and paged, counted, and the newest of a site."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from moderation.accounts.models import Site
from moderation.comments import stored_texts
from moderation.comments.models import Comment, Revision, Story
from moderation.comments.status import APPROVED, HELD
from moderation.errors import InvalidInput

MAX_DEPTH = 10
"""Replies deeper than this stand beside their parent instead of under it."""

MAX_REPLIES = 1000
"""Replies that one page of a thread brings at most."""

MAX_LEVELS = 50
"""Levels of replies that one page brings at most; what is cut off says how to go on (Shown.more)."""

OLDEST, NEWEST = "oldest", "newest"
SORTS = (OLDEST, NEWEST)
"""Orders of a thread's roots. Replies are always in the order of time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,18})")


class Cursor(NamedTuple):
    """A place in an order by time: the comment after which a page begins.

    By time and not by id, for an imported comment is old and has a late id.
    """

    at: datetime
    id: int

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}.{self.id}"


START = Cursor(datetime(1, 1, 1, tzinfo=UTC), 0)
"""Before every comment."""


def cursor(text: str) -> Cursor:
    """The cursor that was written as `text`. Raises InvalidInput naming `after`."""
    found = _CURSOR.fullmatch(text)
    try:
        if found is not None:
            return Cursor(_EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))
    except OverflowError:
        pass
    raise InvalidInput("after must be the `next` of the page before.", field="after")


@dataclass(slots=True)
class Shown:
    """A comment as the public sees it; `text` is plain text. `depth` 0 stands at the top of the page.

    `more`: some of its replies did not fit on the page; they follow after this place under `parent=<id>`.
    """

    id: int
    external_id: str
    author_name: str
    author_url: str | None
    staff: bool
    text: str
    created_at: datetime
    parent_id: int | None
    depth: int = 0
    replies: list["Shown"] = field(default_factory=list)
    more: Cursor | None = None

    @property
    def place(self) -> Cursor:
        """Where it stands in the order of time."""
        return Cursor(self.created_at, self.id)


@dataclass(frozen=True, slots=True)
class Thread:
    """A page of a story's comments. `count`: all that are shown under the story; `next`: where to go on, or None."""

    count: int
    items: list[Shown]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Recent:
    """One line of a "Recent Comments" box, or one entry of a feed. `updated_at`: when it got the text that it has."""

    id: int
    author_name: str
    staff: bool
    story_external_id: str
    story_title: str
    story_url: str
    text: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Commented:
    """A story and how many comments it got."""

    external_id: str
    title: str
    url: str
    count: int


@dataclass(frozen=True, slots=True)
class Own:
    """A comment as its author may follow it, by the hash that only they were given."""

    id: int
    status: str
    author_name: str
    text: str
    created_at: datetime


def shown_now(row: Any, now: datetime) -> ColumnElement[bool]:
    """Whether a comment (the class or an alias) is public at `now`: a decision shows when it is due."""
    # The first half says nothing new; it is what the partial indexes of what is shown are made of, word by word.
    return and_(or_(row.shown, row.shown_next), case((row.shown_at <= now, row.shown_next), else_=row.shown))


def story_of(session: Session, site_id: int, external_id: str) -> Story | None:
    """A registered story."""
    return session.scalar(select(Story).where(Story.site_id == site_id, Story.external_id == external_id))


def thread(
    session: Session,
    site: Site,
    story_external_id: str,
    *,
    now: datetime,
    sort: str = OLDEST,
    after: Cursor | None = None,
    parent: int | None = None,
    page_size: int = 50,
) -> Thread:
    """The comments shown under a story: `page_size` roots after `after`, each with its replies.

    `sort` is one of SORTS. A reply whose parent is not shown stands as a root. An unknown story has no comments. With
    `parent` the page's roots are the replies to that comment, oldest first: how to go on where `Shown.more` says so.
    However many comments there are, a page costs five statements at most.
    """
    story = story_of(session, site.id, story_external_id)
    if story is None:
        return Thread(0, [], None)
    here = and_(Comment.story_id == story.id, shown_now(Comment, now))
    above = aliased(Comment)
    answered = (
        select(above.id)
        .where(above.id == Comment.parent_id, above.story_id == story.id, shown_now(above, now))
        .exists()
    )
    if parent is None:
        top = or_(Comment.parent_id.is_(None), ~answered)
    else:
        top, sort = and_(Comment.parent_id == parent, answered), OLDEST
    count = session.scalar(select(func.count()).select_from(Comment).where(here)) or 0
    roots = _page(session, and_(here, top), sort, after, page_size + 1)
    more = len(roots) > page_size
    roots = roots[:page_size]
    _hang_replies(session, roots, story.id, now)
    return Thread(count, roots, roots[-1].place if more else None)


def counts(session: Session, site: Site, stories: Iterable[str], *, now: datetime) -> dict[str, int]:
    """How many comments are shown under each of these stories (external ids); 0 for one that is not known."""
    wanted = list(dict.fromkeys(stories))
    rows = session.execute(
        select(Story.external_id, func.count())
        .join(Comment, Comment.story_id == Story.id)
        .where(Story.site_id == site.id, Story.external_id.in_(wanted), shown_now(Comment, now))
        .group_by(Story.id, Story.external_id)
    )
    return dict.fromkeys(wanted, 0) | dict(rows.all())


def recent(
    session: Session, site: Site, *, limit: int, now: datetime, story_external_id: str | None = None
) -> list[Recent]:
    """The newest comments shown on the site, or under one story of it."""
    where = Comment.site_id == site.id
    if story_external_id is not None:
        story = story_of(session, site.id, story_external_id)
        if story is None:
            return []
        where = Comment.story_id == story.id
    rows = session.execute(
        select(
            Comment.id,
            Comment.author_name,
            Comment.staff,
            Story.external_id,
            Story.title,
            Story.url,
            Revision.text,
            Comment.created_at,
            case((Revision.number == 1, Comment.created_at), else_=Revision.created_at),
        )
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .join(Story, Story.id == Comment.story_id)
        .where(where, shown_now(Comment, now))
        .order_by(Comment.created_at.desc(), Comment.id.desc())
        .limit(limit)
    )
    return [Recent(*row) for row in rows]


def most_commented(session: Session, site: Site, *, since: datetime, limit: int, now: datetime) -> list[Commented]:
    """The stories with the most comments written after `since` and shown now; of equals the one with the newest."""
    number = func.count().label("number")
    busiest = (
        select(Comment.story_id, number, func.max(Comment.id).label("newest"))
        .where(Comment.site_id == site.id, Comment.created_at > since, shown_now(Comment, now))
        .group_by(Comment.story_id)
        .order_by(number.desc(), func.max(Comment.id).desc())
        .limit(limit)
        .subquery()
    )
    rows = session.execute(
        select(Story.external_id, Story.title, Story.url, busiest.c.number)
        .join(busiest, busiest.c.story_id == Story.id)
        .order_by(busiest.c.number.desc(), busiest.c.newest.desc())
    )
    return [Commented(*row) for row in rows]


def own_hash(key: bytes, comment_id: int) -> str:
    """What lets an anonymous author follow their comment: HMAC-SHA-256 of its id, 32 hex digits."""
    return hmac.new(key, f"own:{comment_id}".encode(), hashlib.sha256).hexdigest()[:32]


def own(session: Session, site: Site, comment_id: int, hash_: str, key: bytes) -> Own | None:
    """The comment, if the hash is right; None tells nothing else."""
    if not hmac.compare_digest(own_hash(key, comment_id).encode(), hash_.encode("utf-8", "surrogatepass")):
        return None
    comment = session.scalar(select(Comment).where(Comment.id == comment_id, Comment.site_id == site.id))
    if comment is None:
        return None
    revision = stored_texts.current_revision(session, comment)
    text = revision.text if revision is not None else ""
    # What is held again without a word to anybody (a rescoring) is shown still.
    seen = APPROVED if comment.status == HELD and comment.shown_next else comment.status
    return Own(comment.id, seen, comment.author_name, text, comment.created_at)


def _columns() -> tuple[Any, ...]:
    """The columns of a Shown, in its order."""
    return (
        Comment.id,
        Comment.external_id,
        Comment.author_name,
        Comment.author_url,
        Comment.staff,
        Revision.text,
        Comment.created_at,
        Comment.parent_id,
    )


_CURRENT = and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision)


def _page(session: Session, where: ColumnElement[bool], sort: str, after: Cursor | None, limit: int) -> list[Shown]:
    place = tuple_(Comment.created_at, Comment.id)
    order = (Comment.created_at, Comment.id) if sort == OLDEST else (Comment.created_at.desc(), Comment.id.desc())
    query = select(*_columns()).join(Revision, _CURRENT).where(where).order_by(*order).limit(limit)
    if after is not None:
        mark = tuple_(literal(after.at, Comment.created_at.type), literal(after.id, Comment.id.type))
        query = query.where(place > mark if sort == OLDEST else place < mark)
    return [Shown(*row) for row in session.execute(query)]


def _hang_replies(session: Session, roots: Sequence[Shown], story_id: int, now: datetime) -> None:
    """Give the roots their replies, level by level, as many as one page may bring, and mark what was left out."""
    if not roots:
        return
    # It starts with the roots themselves, so that every step goes by parent, and none reads the whole story.
    first = select(Comment.id, literal(0).label("level")).where(Comment.id.in_([root.id for root in roots]))
    above = first.cte("tree", recursive=True)
    reply = aliased(Comment)
    tree = above.union_all(
        select(reply.id, above.c.level + 1)
        .join(above, reply.parent_id == above.c.id)
        .where(reply.story_id == story_id, shown_now(reply, now), above.c.level < MAX_LEVELS)
    )
    rows = session.execute(
        select(*_columns(), tree.c.level)
        .join(tree, tree.c.id == Comment.id)
        .join(Revision, _CURRENT)
        .where(tree.c.level > 0)
        .order_by(tree.c.level, Comment.created_at, Comment.id)
        .limit(MAX_REPLIES + 1)
    ).all()
    known = {root.id: root for root in roots}
    holders = dict(known)
    brought: dict[int, list[Shown]] = {}
    for *values, level in rows[:MAX_REPLIES]:
        item = Shown(*values)
        item.depth = min(level, MAX_DEPTH)
        parent_id = item.parent_id or 0
        if item.id in known:  # a site may have named two comments each other's answer
            continue
        holder = holders[parent_id]
        holder.replies.append(item)
        known[item.id] = item
        brought.setdefault(parent_id, []).append(item)
        # beyond the depth limit a reply's own replies hang beside it, on the same holder
        holders[item.id] = item if level < MAX_DEPTH else holder
    for item in known.values():
        item.replies.sort(key=lambda reply: reply.place)
    if len(rows) > MAX_REPLIES or (rows and rows[-1][-1] == MAX_LEVELS):
        _mark_left_out(session, known, brought, and_(Comment.story_id == story_id, shown_now(Comment, now)))


def _mark_left_out(
    session: Session, known: Mapping[int, Shown], brought: Mapping[int, Sequence[Shown]], here: ColumnElement[bool]
) -> None:
    """Mark those of `known` that have more replies than were brought: what was brought of one is its oldest."""
    totals = session.execute(
        select(Comment.parent_id, func.count()).where(Comment.parent_id.in_(known), here).group_by(Comment.parent_id)
    )
    for number, total in totals:
        replies = brought.get(number or 0, ())
        if total > len(replies):
            known[number or 0].more = replies[-1].place if replies else START
