"""The queue: which comments wait for a person, in which order, and what stands under the other tabs.

One card stands for a whole campaign: its followers are counted, but in no list of what waits. queue_lists.py reads the
lists, queue_cursors.py says where a page goes on.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, literal, select, true, tuple_
from sqlalchemy.orm import Session

from moderation.accounts import moderators
from moderation.accounts.models import Moderator
from moderation.comments.models import Comment, Report, Story
from moderation.comments.status import HELD
from moderation.errors import InvalidInput
from moderation.review import queue_cursors, queue_lists, tallies
from moderation.review.models import Claim, Decision
from moderation.review.queue_lists import BUSY, DECIDED, ESCALATED, ESCALATED_INDEX, INDEXES, PAGE, WAITS, Order, Rows

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

ARRIVALS = 100
"""Newcomers are counted up to here: "99+" says enough."""

WRONG_SORT = "The order must be one of: priority, newest, oldest, score, story."

_STORIES = 20
"""Stories that are looked at together for the order by story."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_WAITING = (Comment.status == HELD, Comment.spam == false())
_PLACES: Mapping[str, tuple[ColumnElement[bool], ...]] = {"held": _WAITING, "not_scored": _WAITING, **DECIDED}
"""Tab → where its comments stand in the index of what was decided when; to hold is a decision, too."""


def counts(session: Session, site_ids: Sequence[int], me: Moderator, now: datetime) -> dict[str, int]:
    """How many comments stand under each tab, exactly."""
    return tallies.counts(session, site_ids) | {"mine": _mine(session, site_ids, me, now)}


_ORDERS: Mapping[tuple[str, bool], Order] = {
    ("priority", False): Order(Comment.priority, down=True),
    ("score", False): Order(Comment.score, down=True),
    ("newest", False): Order(Comment.received_at, down=True),
    ("oldest", False): Order(Comment.received_at, down=False),
    ("newest", True): Order(Comment.decided_at, down=True),
    ("oldest", True): Order(Comment.decided_at, down=False),
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

    In the order by priority, what is with the seniors comes last for who is none: there is nothing to do for them.
    A `sort` that the tab does not have is its usual one. Raises InvalidInput naming `sort`, or `after` when that is
    not what a page of this list gave.
    """
    if sort not in SORTS:
        raise InvalidInput(WRONG_SORT, field="sort")
    sort = sort if sort in SORTS_OF[tab] else SORTS_OF[tab][0]
    key = queue_cursors.read(after, tab, sort)
    if sort == "story":
        return _page_by_story(session, site_ids, key)
    if sort == "priority" and tab != "mine" and not moderators.is_senior(me):
        return _page_of_a_junior(session, site_ids, tab, key)
    key = key and key[:2]
    order = _ORDERS[sort, tab in DECIDED]
    if tab in DECIDED:
        lists = [one for site_id in site_ids for one in queue_lists.of_decided(site_id, tab, order, key)]
    elif tab == "mine":
        lists = _my_lists(site_ids, order, key, me, now)
    else:
        index = INDEXES[tab, order.column.key]
        lists = [queue_lists.best(queue_lists.in_list(tab, site_id), order, key, index=index) for site_id in site_ids]
    rows = queue_lists.merged(session, lists, order)
    return queue_cursors.cut(rows, tab, sort, lambda comment: [order.of(comment), comment.id])


def oldest(session: Session, site_ids: Sequence[int]) -> datetime | None:
    """Since when the comment waits that has waited longest: it was held then, seconds after it came, or again later."""
    first = [
        select(Comment.decided_at.label("at"))
        .where(Comment.site_id == site_id, *_WAITING, Comment.decided_at.is_not(None))
        .order_by(Comment.decided_at)
        .limit(1)
        for site_id in site_ids
    ]
    return min((row.at for row in queue_lists.united(session, first)), default=None)


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
    return max(((row.at - _EPOCH) // timedelta(microseconds=1) for row in queue_lists.united(session, last)), default=0)


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
        listed = select(Comment.id).where(
            Comment.id == Report.comment_id, *queue_lists.in_list(tab), Comment.site_id.in_(site_ids)
        )
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
    return min(ARRIVALS, sum(1 for _ in queue_lists.united(session, come)))


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


_LAST_MARK = 250_000_000_000_000_000
"""Microseconds to the year 9892: what an address may say, and a datetime can hold."""


def _my_lists(
    site_ids: Sequence[int], order: Order, key: Sequence[Any] | None, me: Moderator, now: datetime
) -> list[Rows]:
    senior = moderators.is_senior(me)
    claimed = queue_lists.best(_claimed(site_ids, me, now, senior=senior), order, key).join(
        Claim, Claim.comment_id == Comment.id
    )
    if not senior:
        return [claimed]
    return [claimed, *(queue_lists.best((Comment.site_id == site_id, ESCALATED), order, key) for site_id in site_ids)]


def _claimed(site_ids: Sequence[int], me: Moderator, now: datetime, *, senior: bool) -> tuple[ColumnElement[bool], ...]:
    """What I am reading, where it is not counted already as escalated to me."""
    mine = (Claim.moderator_id == me.id, Claim.until > now, Comment.site_id.in_(site_ids))
    return (*mine, Comment.escalated == false()) if senior else mine


def _mine(session: Session, site_ids: Sequence[int], me: Moderator, now: datetime) -> int:
    senior = moderators.is_senior(me)
    wanted = select(func.count()).select_from(Claim).join(Comment, Comment.id == Claim.comment_id)
    n = session.scalar(wanted.where(*_claimed(site_ids, me, now, senior=senior))) or 0
    if senior:
        n += session.scalar(select(func.count()).where(Comment.site_id.in_(site_ids), ESCALATED)) or 0
    return n


def _page_of_a_junior(
    session: Session, site_ids: Sequence[int], tab: str, key: Sequence[Any] | None
) -> tuple[list[Comment], str | None]:
    """By priority: first what everybody may decide, then what is with the seniors.

    `key`: the priority and the id of the last card, and whether it was with the seniors.
    """
    rows: list[Comment] = []
    order, began = _ORDERS["priority", False], key is not None and key[2:] == [True]
    parts = {False: (Comment.escalated == false(), INDEXES[tab, "priority"]), True: (ESCALATED, ESCALATED_INDEX)}
    for escalated, (part, index) in parts.items():
        if began <= escalated and len(rows) <= PAGE:
            after = key[:2] if key is not None and began == escalated else None
            lists = [
                queue_lists.best((*queue_lists.in_list(tab, site_id), part), order, after, index=index)
                for site_id in site_ids
            ]
            rows += queue_lists.merged(session, lists, order)
    return queue_cursors.cut(rows, tab, "priority", lambda comment: [order.of(comment), comment.id, comment.escalated])


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
    return queue_cursors.cut(
        rows, "held", "story", lambda c: [place[c.story_id or 0], c.story_id, c.received_at.isoformat(), c.id]
    )


def _busy_stories(session: Session, site_ids: Sequence[int], reached: tuple[int, int] | None) -> list[tuple[int, int]]:
    """The next stories under which somebody waits, and how many comments each has."""
    lists: list[Rows] = []
    for site_id in site_ids:
        wanted = select(Story.id.label("id"), Story.comments.label("n")).where(Story.site_id == site_id, BUSY)
        if reached is not None:
            wanted = wanted.where(tuple_(Story.comments, Story.id) < tuple_(literal(reached[0]), literal(reached[1])))
        lists.append(wanted.order_by(Story.comments.desc(), Story.id.desc()).limit(_STORIES))
    found = sorted(((row.n, row.id) for row in queue_lists.united(session, lists)), reverse=True)
    return [(story_id, n) for n, story_id in found[:_STORIES]]


def _held_under(session: Session, stories: Sequence[int], key: Sequence[Any] | None) -> list[Comment]:
    """The first of what waits under these stories, in their order; of the first story only what comes after `key`."""
    lists = []
    for number, story_id in enumerate(stories):
        wanted = select(Comment.id.label("id"), literal(number).label("story"), Comment.received_at.label("at")).where(
            Comment.story_id == story_id, WAITS
        )
        if key is not None and number == 0:
            there = tuple_(literal(key[2], Comment.received_at.type), literal(key[3]))
            wanted = wanted.where(tuple_(Comment.received_at, Comment.id) > there)
        wanted = queue_lists.by_index(wanted, "ix_comment_held_story")
        lists.append(wanted.order_by(Comment.received_at, Comment.id).limit(PAGE + 1))
    under = queue_lists.union(lists)
    first = select(under).order_by(under.c.story, under.c.at, under.c.id).limit(PAGE + 1).subquery()
    cards = select(Comment).join_from(first, Comment, Comment.id == first.c.id)
    return list(session.scalars(cards.order_by(first.c.story, first.c.at, first.c.id)))
