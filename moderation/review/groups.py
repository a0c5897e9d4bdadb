"""Floods, handled once: what waits is grouped by campaign, domain of links, phone or network, and decided together."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, func, literal_column, select, union_all
from sqlalchemy.orm import Session

from moderation import parsing
from moderation.accounts.models import Moderator
from moderation.comments import status
from moderation.comments.models import Comment, Revision
from moderation.db import BigId
from moderation.errors import Conflict, NotFound
from moderation.review import campaigns, claims, decisions, likeness, undoing
from moderation.review.campaigns import Order
from moderation.review.decisions import Decider
from moderation.review.likeness import SHOWN
from moderation.review.marks import Part
from moderation.review.models import CampaignOrder, Decision, Trait

Decided = Decision | Conflict
"""What became of one comment of many: the decision, or why there is none."""

KINDS = ("campaign", "domain", "phone", "network")
"""What a group shares: nearly the same text, the registered domain of a link, a phone number, the IP network."""

PAGE = 30
"""Members of one page."""

AT_ONCE = 500
"""So many are decided in one request; what is larger is a bulk job."""

COUNTED = 10_000
"""A group is counted up to here; one more means: more."""

SAMPLE = 20_000
RECENT = timedelta(days=7)
"""The largest groups are looked for among the newest SAMPLE that wait of each site, and not older than RECENT."""

COMPARED = 3
"""Others of a campaign with which the card in front of them is compared, to mark what differs."""


@dataclass(frozen=True, slots=True)
class Alike:
    """What waits of a campaign: how many (COUNTED + 1: more), and the greatest id: who decides all, decides what the
    page could show."""

    n: int
    until_id: int


@dataclass(frozen=True, slots=True)
class Member:
    """A comment of a group: its text, cut where it differs from the one in front (`vary`)."""

    id: int
    author: str
    received_at: datetime
    language: str
    text: str
    parts: list[Part]
    cut: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A page of what waits under one `value`. `size` counts all of it, up to COUNTED + 1; `after` begins the next page;
    `until_id` is the greatest id: who decides all decides what the page could show, not what came later.

    `front` stands for all; where nothing waits any more, the newest of a campaign whatever became of it.
    """

    kind: str
    value: str
    size: int
    front: Member | None
    members: list[Member]
    after: int | None
    until_id: int
    order: Order | None


@dataclass(frozen=True, slots=True)
class Flood:
    """A large group: how many wait, what share of all that wait that is, and one of its texts."""

    kind: str
    value: str
    size: int
    share: float
    example: Member


def alike(session: Session, campaign_ids: Sequence[int]) -> dict[int, Alike]:
    """What waits of each campaign; those of which nothing waits are left out."""
    if not campaign_ids:
        return {}
    counted = [
        select(
            literal_column(str(int(campaign_id)), BigId).label("id"),
            func.count().label("n"),
            func.max(held.c.id).label("last"),
        ).select_from(held)
        for campaign_id in sorted(set(campaign_ids))
        for held in [_waiting(campaign_id).order_by(Comment.id).limit(COUNTED + 1).subquery()]
    ]
    return {row.id: Alike(row.n, row.last) for row in session.execute(union_all(*counted)) if row.n}


def others(session: Session, fronts: Mapping[int, int]) -> dict[int, list[str]]:
    """The texts of some that wait behind a front (campaign → comment), the newest COMPARED of each campaign."""
    if not fronts:
        return {}
    newest = [
        select(_waiting(campaign_id).where(Comment.id != front).order_by(Comment.id.desc()).limit(COMPARED).subquery())
        for campaign_id, front in sorted(fronts.items())
    ]
    some = union_all(*newest).subquery()
    rows = session.execute(
        select(Comment.campaign_id, Revision.text)
        .join(some, some.c.id == Comment.id)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .order_by(Comment.id)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for campaign_id, text in rows:
        if campaign_id is not None:
            found[campaign_id].append(text[:SHOWN])
    return found


def group(session: Session, site_ids: Sequence[int], kind: str, value: str, now: datetime, *, after: int = 0) -> Group:
    """A page of a group, oldest first, from ids greater than `after`.

    Raises NotFound for a kind or a campaign that is not there.
    """
    ids = _held(session, site_ids, kind, value, COUNTED + 1)
    campaign_id = int(value) if kind == "campaign" else 0
    first = _front(session, campaign_id) if campaign_id else next(iter(ids), None)
    shown = [number for number in ids[bisect_right(ids, after) :] if number != first][: PAGE + 1]
    texts = _members(session, [*shown[:PAGE], *([first] if first else [])])
    front = texts.get(first or 0)
    return Group(
        kind=kind,
        value=value,
        size=len(ids),
        front=front,
        members=[_compared(texts[number], front) for number in shown[:PAGE] if number in texts],
        after=shown[PAGE - 1] if len(shown) > PAGE else None,
        until_id=ids[-1] if ids else 0,
        order=campaigns.order_of(session, [campaign_id], now).get(campaign_id) if campaign_id else None,
    )


def decide_all(
    session: Session,
    site_ids: Sequence[int],
    kind: str,
    value: str,
    action: str,
    me: Moderator,
    *,
    until_id: int,
    now: datetime,
    reason: str | None = None,
) -> dict[int, Decided]:
    """Decide what waits of a group, up to the comment `until_id`: at most AT_ONCE. By comment the decision, or why not.

    What somebody else is reading, or what waits for a senior, is left to them. Raises InvalidInput for an unknown
    action or reason, and NotFound like `group`.
    """
    ids = [number for number in _held(session, site_ids, kind, value, AT_ONCE) if number <= until_id]
    comments = _locked(session, ids)
    readers = claims.of_comments(session, [comment.id for comment in comments], now)
    free = []
    done: dict[int, Decided] = {}
    for comment in comments:
        reader = readers.get(comment.id)
        if reader is None or reader.moderator_id == me.id:
            free.append(comment)
        else:
            done[comment.id] = Conflict(
                "Somebody else is reading this.", details={"what": "claimed", "who": reader.name}
            )
    return done | decisions.decide_many(session, free, action, Decider(me), reason=reason, now=now)


def lock_with(session: Session, comment_id: int, until_id: int) -> None:
    """Lock a comment and what waits of its campaign in the order of their ids, as everybody does who locks several."""
    campaign_id = session.scalar(select(Comment.campaign_id).where(Comment.id == comment_id))
    if campaign_id is not None:
        ids = session.scalars(_waiting(campaign_id).order_by(Comment.id).limit(AT_ONCE)).all()
        _locked(session, sorted({comment_id, *(number for number in ids if number <= until_id)}))


def undo_all(
    session: Session, site_ids: Sequence[int], me: Moderator, at: datetime, now: datetime
) -> dict[int, Decided]:
    """Take back what I decided together at `at`, and the order that I gave with it."""
    comments = session.scalars(
        select(Comment)
        .join(Decision, and_(Decision.comment_id == Comment.id, Decision.sequence == Comment.sequence))
        .where(
            Decision.created_at == at,
            Decision.moderator_id == me.id,
            Decision.undoes.is_(None),
            Comment.site_id.in_(site_ids),
        )
        .order_by(Comment.id)
        .limit(AT_ONCE)
        .with_for_update(of=Comment)
        .execution_options(populate_existing=True)
    ).all()
    for given in session.scalars(
        select(CampaignOrder).where(CampaignOrder.moderator_id == me.id, CampaignOrder.created_at == at)
    ).all():
        campaigns.end_order(session, given.campaign_id, me, now)
    return undoing.undo_many(session, comments, me, now=now)


def floods(session: Session, site_ids: Sequence[int], now: datetime, limit: int = 10) -> dict[str, list[Flood]]:
    """The largest groups of what waits, by kind: at most `limit` of each, only those of two and more."""
    if not site_ids:
        return {kind: [] for kind in KINDS}
    newest = union_all(
        *(
            select(
                select(Comment.id, Comment.site_id, Comment.campaign_id, Comment.ip_network)
                .where(Comment.site_id == site_id, Comment.status == status.HELD, Comment.received_at > now - RECENT)
                .order_by(Comment.received_at.desc(), Comment.id.desc())
                .limit(SAMPLE)
                .subquery()
            )
            for site_id in site_ids
        )
    ).cte("newest")
    total = session.scalar(select(func.count()).select_from(newest)) or 0
    traits = select(Trait.value, newest.c.id).join_from(newest, Trait, Trait.comment_id == newest.c.id)
    shared = {
        "campaign": select(newest.c.campaign_id.label("value"), newest.c.id).where(newest.c.campaign_id.is_not(None)),
        "domain": traits.where(Trait.kind == "domain"),
        "phone": traits.where(Trait.kind == "phone"),
        "network": select(newest.c.ip_network.label("value"), newest.c.id).where(newest.c.ip_network.is_not(None)),
    }
    counted: dict[str, list[tuple[str, int, int]]] = {}
    for kind, rows in shared.items():
        each = rows.subquery()
        size = func.count().label("n")
        largest = session.execute(
            select(each.c.value, size, func.min(each.c.id).label("first"))
            .group_by(each.c.value)
            .having(size > 1)
            .order_by(size.desc(), func.min(each.c.id))
            .limit(limit)
        ).all()
        counted[kind] = [(str(row.value), row.n, row.first) for row in largest]
    texts = _members(session, [first for found in counted.values() for _, _, first in found])
    return {
        kind: [Flood(kind, value, n, n / total, texts[first]) for value, n, first in found if first in texts]
        for kind, found in counted.items()
    }


def search_line(kind: str, value: str) -> str:
    """The query that finds what waits of a group (review/filters.py)."""
    return f"{kind}:{value} status:held"


def _held(session: Session, site_ids: Sequence[int], kind: str, value: str, limit: int) -> Sequence[int]:
    """The comments of a group that wait, least id first. Raises NotFound."""
    if kind == "campaign":
        number = parsing.whole_number(value) or 0
        if campaigns.site_of(session, number) not in site_ids:
            raise NotFound("There is no such group.")
        wanted = select(Comment.id).where(Comment.campaign_id == number).order_by(Comment.id)
    elif kind == "network":
        mine = Comment.site_id.in_(site_ids)
        wanted = select(Comment.id).where(mine, Comment.ip_network == value).order_by(Comment.id)
    elif kind in KINDS:
        wanted = (
            select(Comment.id)
            .join(Trait, Trait.comment_id == Comment.id)
            .where(Trait.site_id.in_(site_ids), Trait.kind == kind, Trait.value == value)
            .order_by(Trait.comment_id)
        )
    else:
        raise NotFound("There is no such group.")
    return session.scalars(wanted.where(Comment.status == status.HELD).limit(limit)).all()


def _waiting(campaign_id: int) -> Select[int]:
    return select(Comment.id).where(Comment.campaign_id == campaign_id, Comment.status == status.HELD)


def _locked(session: Session, ids: Sequence[int]) -> Sequence[Comment]:
    """Those of the comments that wait, locked in the order of their ids."""
    return session.scalars(
        select(Comment)
        .where(Comment.id.in_(ids), Comment.status == status.HELD)
        .order_by(Comment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _front(session: Session, campaign_id: int) -> int | None:
    """The comment that stands for a campaign; where nothing waits, the newest of it."""
    own = Comment.campaign_id == campaign_id
    waits = (own, Comment.status == status.HELD, Comment.follower.is_(False))
    first = session.scalar(select(Comment.id).where(*waits).order_by(Comment.id).limit(1))
    return first or session.scalar(select(func.max(Comment.id)).where(own, Comment.status != status.WITHDRAWN))


def _members(session: Session, ids: Iterable[int]) -> dict[int, Member]:
    rows = session.execute(
        select(Comment.id, Comment.author_name, Comment.received_at, Comment.language, Revision.text)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(Comment.id.in_(sorted(set(ids))))
    ).all()
    return {
        row.id: Member(
            row.id,
            row.author_name,
            row.received_at,
            row.language or "",
            row.text[:SHOWN],
            [Part(row.text[:SHOWN])],
            len(row.text) > SHOWN,
        )
        for row in rows
    }


def _compared(member: Member, front: Member | None) -> Member:
    parts = likeness.differences(front.text, member.text) if front is not None else member.parts
    return Member(member.id, member.author, member.received_at, member.language, member.text, parts, member.cut)
