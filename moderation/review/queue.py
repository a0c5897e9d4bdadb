"""The queue: which comments wait for a person, in which order, and what stands under the other tabs.

Every list is read from the end of an index that has exactly its order (comments/models.py), site by site, so that a
page costs the same among a hundred comments and among ten million. Paging is by key: it neither skips nor repeats
while the list changes. One card stands for a whole campaign: its followers are counted, but in no list of what waits.
"""

import base64
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    and_,
    false,
    func,
    literal,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from moderation.accounts import moderators
from moderation.accounts.models import Moderator
from moderation.comments.models import Comment, Report, Story
from moderation.comments.status import APPROVED, HELD, REJECTED
from moderation.errors import InvalidInput
from moderation.review import tallies
from moderation.review.models import Claim, Decision

TABS = ("held", "not_scored", "reported", "approved", "rejected", "spam", "mine")

SORTS = ("priority", "newest", "oldest", "score", "story")

SORTS_OF: Mapping[str, Sequence[str]] = {
    "held": SORTS,
    "not_scored": ("priority", "newest", "oldest"),
    "reported": ("priority",),
    "approved": ("newest", "oldest"),
    "rejected": ("newest", "oldest"),
    "spam": ("newest", "oldest"),
    "mine": ("priority",),
}
"""The orders that each tab has; the first is the usual one, and what a tab does not have counts as it."""

PAGE = 20
"""Cards of one page."""

ARRIVALS = 100
"""Newcomers are counted up to here: "99+" says enough."""

WRONG_CURSOR = "This address is cut off; begin at the queue again."
WRONG_SORT = "The order must be one of: priority, newest, oldest, score, story."

_TOGETHER = 100
"""Lists that one statement unites; SQLite takes five hundred at most."""
_STORIES = 20
"""Stories that are looked at together for the order by story."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The conditions of the partial indexes, word for word: neither engine looks into a parameter to see that one fits.
_WAITS: ColumnElement[bool] = literal_column("(comment.status = 'HELD' AND NOT comment.follower)")
_UNSCORED: ColumnElement[bool] = literal_column(
    "(comment.status = 'HELD' AND NOT comment.follower AND comment.not_scored)"
)
_REPORTED: ColumnElement[bool] = literal_column("comment.reports > 0")
_ESCALATED: ColumnElement[bool] = literal_column("comment.escalated")
_BUSY: ColumnElement[bool] = literal_column("story.held > 0")

_DECIDED: Mapping[str, tuple[ColumnElement[bool], ...]] = {
    "approved": (Comment.status == APPROVED, Comment.spam == false()),
    "rejected": (Comment.status == REJECTED, Comment.spam == false()),
    "spam": (Comment.status == REJECTED, Comment.spam == true()),
}
_WAITING = (Comment.status == HELD, Comment.spam == false())
_PLACES: Mapping[str, tuple[ColumnElement[bool], ...]] = {"held": _WAITING, "not_scored": _WAITING, **_DECIDED}
"""Tab → where its comments stand in the index of what was decided when; to hold is a decision, too."""


def counts(session: Session, site_ids: Sequence[int], me: Moderator, now: datetime) -> dict[str, int]:
    """How many comments stand under each tab, exactly."""
    return tallies.counts(session, site_ids) | {"mine": _mine(session, site_ids, me, now)}


Rows = Select[*tuple[Any, ...]]
"""A select of whatever columns."""


@dataclass(frozen=True, slots=True)
class _Order:
    """An order by one column and then by id, both downwards or both upwards, as an index has it."""

    column: Any
    down: bool

    def of(self, comment: Comment) -> Any:
        """The key of a comment, as a cursor keeps it."""
        value = getattr(comment, self.column.key)
        return value.isoformat() if isinstance(value, datetime) else value

    def by(self, column: Any, number: Any) -> tuple[Any, ...]:
        """What ORDER BY takes."""
        return (column.desc(), number.desc()) if self.down else (column, number)

    def beyond(self, value: Any, number: int) -> ColumnElement[bool]:
        """What comes after this key, among comments that have one."""
        here, there = tuple_(self.column, Comment.id), tuple_(literal(value, self.column.type), literal(number))
        return here < there if self.down else here > there

    def beyond_id(self, number: int) -> ColumnElement[bool]:
        """What comes after this id, among comments without a key."""
        return Comment.id < number if self.down else Comment.id > number


_ORDERS: Mapping[tuple[str, bool], _Order] = {
    ("priority", False): _Order(Comment.priority, down=True),
    ("score", False): _Order(Comment.score, down=True),
    ("newest", False): _Order(Comment.received_at, down=True),
    ("oldest", False): _Order(Comment.received_at, down=False),
    ("newest", True): _Order(Comment.decided_at, down=True),
    ("oldest", True): _Order(Comment.decided_at, down=False),
}
"""Sort, and whether of decided comments → how."""


def page(
    session: Session,
    site_ids: Sequence[int],
    tab: str,
    *,
    sort: str = "priority",
    after: str | None,
    me: Moderator,
    now: datetime,
) -> tuple[list[Comment], str | None]:
    """A page of a tab, and what to give as `after` for the next one (None at the end).

    A `sort` that the tab does not have is its usual one. Raises InvalidInput naming `sort`, or `after` when that is
    not what a page of this list gave.
    """
    if sort not in SORTS:
        raise InvalidInput(WRONG_SORT, field="sort")
    sort = sort if sort in SORTS_OF[tab] else SORTS_OF[tab][0]
    key = _read(after, tab, sort)
    if sort == "story":
        return _page_by_story(session, site_ids, key)
    order = _ORDERS[sort, tab in _DECIDED]
    if tab in _DECIDED:
        lists = [one for site_id in site_ids for one in _decided(site_id, tab, order, key)]
    elif tab == "mine":
        lists = _my_lists(site_ids, order, key, me, now)
    else:
        index = _INDEXES[tab, order.column.key]
        lists = [_best(_listed(tab, site_id), order, key, index=index) for site_id in site_ids]
    rows = _merged(session, lists, order)
    return _cut(rows, tab, sort, lambda comment: [order.of(comment), comment.id])


def oldest(session: Session, site_ids: Sequence[int]) -> datetime | None:
    """Since when the comment waits that has waited longest: it was held then, seconds after it came, or again later."""
    first = [
        select(Comment.decided_at.label("at"))
        .where(Comment.site_id == site_id, *_WAITING, Comment.decided_at.is_not(None))
        .order_by(Comment.decided_at)
        .limit(1)
        for site_id in site_ids
    ]
    return min((row.at for row in _united(session, first)), default=None)


def newest(session: Session, site_ids: Sequence[int], tab: str) -> int:
    """A mark for `arrived_since`: up to where a page of this tab, read now, has seen."""
    if tab == "mine":
        return 0
    if tab == "reported":
        return session.scalar(select(func.max(Report.id))) or 0
    last = [
        select(Comment.decided_at.label("at"))
        .where(Comment.site_id == site_id, *_PLACES[tab], Comment.decided_at.is_not(None))
        .order_by(Comment.decided_at.desc())
        .limit(1)
        for site_id in site_ids
    ]
    return max(((row.at - _EPOCH) // timedelta(microseconds=1) for row in _united(session, last)), default=0)


def arrived_since(
    session: Session, site_ids: Sequence[int], tab: str, mark: int, *, known: Collection[int] = ()
) -> int:
    """How many comments have come under a tab since `newest` gave that mark; ARRIVALS at most.

    Those that the page shows (`known`) are not new, though they may have come back. Of what waits, those count that the
    machine brought: what a person put back is on that person's page already.
    """
    if tab == "mine":
        return 0
    if tab == "reported":
        listed = select(Comment.id).where(Comment.id == Report.comment_id, *_listed(tab), Comment.site_id.in_(site_ids))
        fresh = (Report.id > mark, Report.resolved_at.is_(None), Report.comment_id.not_in(known))
        wanted = select(Report.comment_id).where(*fresh, listed.exists()).distinct().limit(ARRIVALS)
        return len(session.execute(wanted).all())
    since = _EPOCH + timedelta(microseconds=min(mark, _LAST_MARK))
    rest: list[ColumnElement[bool]] = [Comment.id.not_in(known)] if known else []
    if tab in ("held", "not_scored"):
        rest += [Comment.follower == false(), Comment.human_revision != Comment.revision]
    if tab == "not_scored":
        rest.append(Comment.not_scored == true())
    come = [
        select(Comment.id)
        .where(Comment.site_id == site_id, *_PLACES[tab], Comment.decided_at > since, *rest)
        .limit(ARRIVALS)
        for site_id in site_ids
    ]
    return min(ARRIVALS, sum(1 for _ in _united(session, come)))


def of_site(session: Session, site_ids: Sequence[int], comment_id: int) -> Comment | None:
    """A comment that this moderator may see; somebody else's is not there."""
    return session.scalar(select(Comment).where(Comment.id == comment_id, Comment.site_id.in_(site_ids)))


def my_latest(
    session: Session, moderator_id: int, site_ids: Sequence[int], limit: int
) -> list[tuple[Decision, Comment]]:
    """A moderator's own latest decisions that still stand as the newest of their comment.

    Those of bulk jobs are not among them: a job is taken back as a whole.
    """
    rows = session.execute(
        select(Decision, Comment)
        .join(Comment, and_(Comment.id == Decision.comment_id, Comment.sequence == Decision.sequence))
        .where(
            Decision.moderator_id == moderator_id,
            Decision.undoes.is_(None),
            Decision.job_id.is_(None),
            Comment.site_id.in_(site_ids),
        )
        .order_by(Decision.id.desc())
        .limit(limit)
    ).all()
    return [(decision, comment) for decision, comment in rows]


_INDEXES: Mapping[tuple[str, str], str] = {
    ("held", "priority"): "ix_comment_held_priority",
    ("held", "received_at"): "ix_comment_held_received",
    ("held", "score"): "ix_comment_held_score",
    ("not_scored", "priority"): "ix_comment_unscored_priority",
    ("not_scored", "received_at"): "ix_comment_unscored_received",
    ("reported", "priority"): "ix_comment_reported",
}
"""Tab and column of the order → the index that has just this list in just this order."""

_LAST_MARK = 250_000_000_000_000_000
"""Microseconds to the year 9892: what an address may say, and a datetime can hold."""


def _by(wanted: Rows, index: str) -> Rows:
    """Name the index to SQLite; PostgreSQL counts its rows and knows."""
    return wanted.with_hint(Comment, f"INDEXED BY {index}", "sqlite")


def _listed(tab: str, site_id: int | None = None) -> tuple[ColumnElement[bool], ...]:
    """What is in the list of a tab of what waits; the index's own condition first."""
    site = () if site_id is None else (Comment.site_id == site_id,)
    if tab == "held":
        return (*site, _WAITS)
    if tab == "not_scored":
        return (*site, _UNSCORED)
    return (*site, _REPORTED, Comment.status.in_((HELD, APPROVED)), Comment.follower == false())


def _best(where: Iterable[ColumnElement[bool]], order: _Order, key: Sequence[Any] | None, *, index: str = "") -> Rows:
    """The first page, or that after `key`, of the comments of one site: read from the end of its index."""
    wanted = select(Comment.id.label("id"), order.column.label("key")).where(*where)
    if index:
        wanted = _by(wanted, index)
    if key is not None:
        wanted = wanted.where(order.beyond(*key))
    return wanted.order_by(*order.by(order.column, Comment.id)).limit(PAGE + 1)


def _decided(site_id: int, tab: str, order: _Order, key: Sequence[Any] | None) -> list[Rows]:
    """Rows that a hand or an older version left without a time come last, whatever an engine thinks of nulls."""
    place = (Comment.site_id == site_id, *_DECIDED[tab])
    timeless = (*place, Comment.decided_at.is_(None))
    if key is not None and key[0] is None:
        return [_best((*timeless, order.beyond_id(key[1])), order, None, index="ix_comment_decided")]
    return [
        _best((*place, Comment.decided_at.is_not(None)), order, key, index="ix_comment_decided"),
        _best(timeless, order, None, index="ix_comment_decided"),
    ]


def _my_lists(
    site_ids: Sequence[int], order: _Order, key: Sequence[Any] | None, me: Moderator, now: datetime
) -> list[Rows]:
    senior = moderators.is_senior(me)
    claimed = _best(_claimed(site_ids, me, now, senior=senior), order, key).join(Claim, Claim.comment_id == Comment.id)
    if not senior:
        return [claimed]
    return [claimed, *(_best((Comment.site_id == site_id, _ESCALATED), order, key) for site_id in site_ids)]


def _claimed(site_ids: Sequence[int], me: Moderator, now: datetime, *, senior: bool) -> tuple[ColumnElement[bool], ...]:
    """What I am reading, where it is not counted already as escalated to me."""
    mine = (Claim.moderator_id == me.id, Claim.until > now, Comment.site_id.in_(site_ids))
    return (*mine, Comment.escalated == false()) if senior else mine


def _mine(session: Session, site_ids: Sequence[int], me: Moderator, now: datetime) -> int:
    senior = moderators.is_senior(me)
    wanted = select(func.count()).select_from(Claim).join(Comment, Comment.id == Claim.comment_id)
    n = session.scalar(wanted.where(*_claimed(site_ids, me, now, senior=senior))) or 0
    if senior:
        n += session.scalar(select(func.count()).where(Comment.site_id.in_(site_ids), _ESCALATED)) or 0
    return n


def _united(session: Session, selects: Sequence[Rows]) -> Iterator[Row[Any]]:
    """The rows of all these selects, a hundred selects a statement."""
    for start in range(0, len(selects), _TOGETHER):
        yield from session.execute(select(_union(selects[start : start + _TOGETHER])))


def _union(selects: Sequence[Rows]) -> FromClause:
    if len(selects) == 1:
        return selects[0].subquery()
    return union_all(*(select(one.subquery()) for one in selects)).subquery()


def _merged(session: Session, lists: Sequence[Rows], order: _Order) -> list[Comment]:
    """The first page of many lists, each of which gives ids and keys in this order."""
    rows: list[Comment] = []
    for start in range(0, len(lists), _TOGETHER):
        all_of_them = _union(lists[start : start + _TOGETHER])
        by = (all_of_them.c.key.is_(None), *order.by(all_of_them.c.key, all_of_them.c.id))
        first = select(all_of_them).order_by(*by).limit(PAGE + 1).subquery()
        by = (first.c.key.is_(None), *order.by(first.c.key, first.c.id))
        rows += session.scalars(select(Comment).join_from(first, Comment, Comment.id == first.c.id).order_by(*by))
    if len(lists) > _TOGETHER:
        rows = _sorted(rows, order)
    return rows[: PAGE + 1]


def _sorted(rows: Sequence[Comment], order: _Order) -> list[Comment]:
    """As the database sorts them; those without a key last."""
    keyed = [row for row in rows if order.of(row) is not None]
    keyed.sort(key=lambda row: (getattr(row, order.column.key), row.id), reverse=order.down)
    rest = sorted((row for row in rows if order.of(row) is None), key=lambda row: row.id, reverse=order.down)
    return keyed + rest


def _page_by_story(
    session: Session, site_ids: Sequence[int], key: Sequence[Any] | None
) -> tuple[list[Comment], str | None]:
    """The stories with most comments first; under each, who has waited longest first.

    `key`: how many comments the story of the last card had, its id, and when that card's comment came, and its id.
    """
    rows: list[Comment] = []
    place: dict[int, int] = {} if key is None else {key[1]: key[0]}
    here, reached = list(place), None if key is None else (key[0], key[1])
    while len(rows) <= PAGE:
        following = _busy_stories(session, site_ids, reached)
        place.update(following)
        stories = [*here, *(story_id for story_id, _ in following)]
        if not stories:
            break
        rows += _held_under(session, stories, key if here else None)
        here = []
        if len(following) < _STORIES:
            break
        reached = (following[-1][1], following[-1][0])
    return _cut(rows, "held", "story", lambda c: [place[c.story_id or 0], c.story_id, c.received_at.isoformat(), c.id])


def _busy_stories(session: Session, site_ids: Sequence[int], reached: tuple[int, int] | None) -> list[tuple[int, int]]:
    """The next stories under which somebody waits, and how many comments each has."""
    lists: list[Rows] = []
    for site_id in site_ids:
        wanted = select(Story.id.label("id"), Story.comments.label("n")).where(Story.site_id == site_id, _BUSY)
        if reached is not None:
            wanted = wanted.where(tuple_(Story.comments, Story.id) < tuple_(literal(reached[0]), literal(reached[1])))
        lists.append(wanted.order_by(Story.comments.desc(), Story.id.desc()).limit(_STORIES))
    found = sorted(((row.n, row.id) for row in _united(session, lists)), reverse=True)
    return [(story_id, n) for n, story_id in found[:_STORIES]]


def _held_under(session: Session, stories: Sequence[int], key: Sequence[Any] | None) -> list[Comment]:
    """The first of what waits under these stories, in their order; of the first story only what comes after `key`."""
    lists = []
    for number, story_id in enumerate(stories):
        wanted = select(Comment.id.label("id"), literal(number).label("story"), Comment.received_at.label("at")).where(
            Comment.story_id == story_id, _WAITS
        )
        if key is not None and number == 0:
            there = tuple_(literal(key[2], Comment.received_at.type), literal(key[3]))
            wanted = wanted.where(tuple_(Comment.received_at, Comment.id) > there)
        wanted = _by(wanted, "ix_comment_held_story")
        lists.append(wanted.order_by(Comment.received_at, Comment.id).limit(PAGE + 1))
    under = _union(lists)
    first = select(under).order_by(under.c.story, under.c.at, under.c.id).limit(PAGE + 1).subquery()
    cards = select(Comment).join_from(first, Comment, Comment.id == first.c.id)
    return list(session.scalars(cards.order_by(first.c.story, first.c.at, first.c.id)))


def _cut(
    rows: list[Comment], tab: str, sort: str, key: Callable[[Comment], list[Any]]
) -> tuple[list[Comment], str | None]:
    """A page, and the cursor of the next one where there is more."""
    if len(rows) <= PAGE:
        return rows, None
    rows = rows[:PAGE]
    text = json.dumps([tab, sort, *key(rows[-1])], separators=(",", ":"))
    return rows, base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(after: str | None, tab: str, sort: str) -> list[Any] | None:
    """What a cursor says, checked. Raises InvalidInput naming `after`."""
    if after is None:
        return None
    try:
        said = json.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        where, key = said[:2], said[2:]
        if where != [tab, sort]:
            raise ValueError
        if sort == "story":
            comments, story_id, at, number = key
            return [_whole(comments), _whole(story_id), _moment(at), _whole(number)]
        value, number = key
        if sort in ("newest", "oldest"):
            return [None if value is None and tab in _DECIDED else _moment(value), _whole(number)]
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError
        return [float(value), _whole(number)]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise InvalidInput(WRONG_CURSOR, field="after") from None


def _whole(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError
    return value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
