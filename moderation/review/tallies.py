"""How many comments stand under each tab, exactly, however many there are.

Triggers on `comment` write every change as a row of `tally_delta`, in the transaction that makes it: a row that
everybody would have to rewrite would let only one transaction at a time through. A count is `tally` and its deltas
together; the sweep folds the deltas into `tally` and into the counts of stories. Should a count ever be off, `repair`
mends it with a delta.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Insert,
    Select,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.comments.models import Comment, Story
from moderation.comments.status import APPROVED, HELD, REJECTED
from moderation.db import Database
from moderation.review.models import Tally, TallyDelta

log = logging.getLogger(__name__)

NAMES = ("held", "not_scored", "reported", "approved", "rejected", "spam")

STORY, STORY_HELD = "story", "story_held"
"""Names of the deltas that belong to a story: its judged comments, and those of them that wait."""

FOLD = 20_000
"""Deltas of one transaction: a bulk job leaves few, an import of a million comments on SQLite three million."""

REPAIR_SECONDS = 600
"""What a recount may take; the usual limit of a statement is far less than ten million comments need."""


def counts(session: Session, site_ids: Sequence[int]) -> dict[str, int]:
    """Name of a tab → comments of these sites under it, in one statement, so that no change is seen half."""
    known = union_all(
        select(Tally.name, Tally.n).where(Tally.site_id.in_(site_ids)),
        select(TallyDelta.name, TallyDelta.n).where(TallyDelta.site_id.in_(site_ids), TallyDelta.subject.is_(None)),
    ).subquery()
    rows = session.execute(select(known.c.name, func.sum(known.c.n)).group_by(known.c.name)).all()
    return dict.fromkeys(NAMES, 0) | {name: int(n) for name, n in rows}


def fold(session: Session, limit: int = FOLD) -> int:
    """Add up to `limit` deltas to the counts that they belong to; returns how many. Several may fold at once."""
    oldest = select(TallyDelta.id).order_by(TallyDelta.id).limit(limit).with_for_update(skip_locked=True)
    gone = session.execute(
        delete(TallyDelta)
        .where(TallyDelta.id.in_(oldest))
        .returning(TallyDelta.site_id, TallyDelta.name, TallyDelta.subject, TallyDelta.n)
        .execution_options(synchronize_session=False)
    ).all()
    tabs: Counter[tuple[int, str]] = Counter()
    stories: dict[str, Counter[int]] = {STORY: Counter(), STORY_HELD: Counter()}
    for site_id, name, subject, n in gone:
        if subject is None:
            tabs[site_id, name] += n
        else:
            stories[name][subject] += n
    connection = session.connection()
    # In one order, so that two who fold at once do not wait for each other in a ring.
    changed = [{"site": site, "tab": name, "by": n} for (site, name), n in sorted(tabs.items()) if n]
    if changed:
        connection.execute(_ADD[connection.dialect.name], changed)
    numbers = sorted({*stories[STORY], *stories[STORY_HELD]})
    under = [
        {"story": number, "more": stories[STORY][number], "waiting": stories[STORY_HELD][number]} for number in numbers
    ]
    if under:
        connection.execute(_ADD_TO_STORY, under)
    return len(gone)


def fold_all(db: Database) -> int:
    """What the sweep does: fold whatever there is, a transaction at a time; returns how many deltas."""
    with db.reading() as session:  # most sweeps find nothing: they should not take the writer's turn
        if session.scalar(select(TallyDelta.id).limit(1)) is None:
            return 0
    folded = 0
    while True:
        with db.transaction() as session:
            some = fold(session)
        folded += some
        if some < FOLD:
            return folded


def drift(session: Session, site_id: int) -> dict[str, int]:
    """By how much the counts of a site are off: name → what is missing. Empty, as it should be, when they are right."""
    _take_time(session)
    wrong = _wrong(site_id).subquery()
    rows = session.execute(select(wrong.c.name, func.sum(wrong.c.n)).group_by(wrong.c.name)).all()
    return {name: int(n) for name, n in rows}


def repair(session: Session, site_id: int) -> dict[str, int]:
    """Recount a site and write what is missing as deltas; returns the differences that were mended, by name.

    One statement sees the comments, the counts and the deltas at one moment, and a difference is added rather than a
    count set: whoever writes meanwhile does no harm.
    """
    _take_time(session)
    if session.get_bind().dialect.name == "postgresql":  # two who repair at once would both add the difference
        session.execute(select(func.pg_advisory_xact_lock(_REPAIR_LOCK, site_id % 2**31)))
    wrong = _wrong(site_id).subquery()
    columns = ("site_id", "name", "subject", "n")
    given = session.execute(
        insert(TallyDelta)
        .from_select(columns, select(literal(site_id), wrong.c.name, wrong.c.subject, wrong.c.n))
        .returning(TallyDelta.name, TallyDelta.n)
    ).all()
    mended: Counter[str] = Counter()
    for name, n in given:
        mended[name] += n
    if given:
        log.warning("counts of site %d were off and are mended: %s", site_id, dict(mended))
    return dict(mended)


def repair_all(db: Database) -> dict[int, dict[str, int]]:
    """Repair every site whose counts are off: site → the differences. Looking takes no writer's turn."""
    with db.reading() as session:
        site_ids = list(session.scalars(select(Site.id).order_by(Site.id)))
    mended: dict[int, dict[str, int]] = {}
    for site_id in site_ids:
        with db.reading() as session:
            off = drift(session, site_id)
        if off:
            with db.transaction() as session:
                mended[site_id] = repair(session, site_id)
    return {site_id: differences for site_id, differences in mended.items() if differences}


_REPAIR_LOCK = 0x74616C79
"""First key of PostgreSQL's advisory lock ("taly" in ASCII); the second is the site."""


def _add(dialect: Any) -> Insert:
    new = dialect.insert(Tally.__table__).values(site_id=bindparam("site"), name=bindparam("tab"), n=bindparam("by"))
    made: Insert = new.on_conflict_do_update(
        index_elements=["site_id", "name"], set_={"n": Tally.__table__.c.n + new.excluded.n}
    )
    return made


_ADD = {"sqlite": _add(sqlite), "postgresql": _add(postgresql)}
_ADD_TO_STORY = (
    update(Story.__table__)  # type: ignore[arg-type]  # a declarative class says FromClause, and it is a Table
    .where(Story.__table__.c.id == bindparam("story"))
    .values(comments=Story.__table__.c.comments + bindparam("more"), held=Story.__table__.c.held + bindparam("waiting"))
)


def _take_time(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SET LOCAL statement_timeout = '{REPAIR_SECONDS}s'"))


def _wrong(site_id: int) -> Select[*tuple[Any, ...]]:
    """Rows (name, subject, n) for a delta each: where the comments of a site and its counts differ."""
    tabs = union_all(
        *_recount(site_id),
        select(Tally.name, -Tally.n).where(Tally.site_id == site_id),
        select(TallyDelta.name, -TallyDelta.n).where(TallyDelta.site_id == site_id, TallyDelta.subject.is_(None)),
    ).subquery()
    missing = func.sum(tabs.c.n)
    stories = _recount_stories(site_id)
    wrong = union_all(
        select(tabs.c.name, null().label("subject"), missing.label("n")).group_by(tabs.c.name).having(missing != 0),
        select(literal(STORY), stories.c.id, stories.c.comments).where(stories.c.comments != 0),
        select(literal(STORY_HELD), stories.c.id, stories.c.held).where(stories.c.held != 0),
    ).subquery()
    return select(wrong.c.name, wrong.c.subject, wrong.c.n)


def _recount(site_id: int) -> tuple[Select[*tuple[Any, ...]], ...]:
    """As the triggers have it (migration 0003): one pass over an index for four of the tabs, few rows for the rest."""
    mine = Comment.site_id == site_id
    places = (
        select(Comment.status, Comment.spam, func.count().label("n"))
        .where(mine, Comment.status.in_(_JUDGED))
        .group_by(Comment.status, Comment.spam)
        .subquery()
    )
    tab = case(
        (places.c.status == HELD, "held"),
        (places.c.status == APPROVED, "approved"),
        (places.c.spam == true(), "spam"),
        else_="rejected",
    )
    reported = (Comment.reports > literal_column("0"), Comment.status.in_((HELD, APPROVED)))
    return (
        select(tab.label("name"), places.c.n.label("n")),
        select(literal("not_scored"), func.count()).where(mine, Comment.status == HELD, Comment.not_scored == true()),
        select(literal("reported"), func.count()).where(mine, *reported),
    )


_JUDGED = (HELD, APPROVED, REJECTED)


def _recount_stories(site_id: int) -> CTE:
    """Story → what is missing in its two counts."""
    held = Comment.status == HELD
    there = (
        select(Comment.story_id, func.count().label("comments"), func.count().filter(held).label("held"))
        .where(Comment.story_id.in_(select(Story.id).where(Story.site_id == site_id)), Comment.status.in_(_JUDGED))
        .group_by(Comment.story_id)
        .subquery()
    )
    change = func.sum(TallyDelta.n)
    coming = (
        select(
            TallyDelta.subject,
            change.filter(TallyDelta.name == STORY).label("comments"),
            change.filter(TallyDelta.name == STORY_HELD).label("held"),
        )
        .where(TallyDelta.site_id == site_id, TallyDelta.subject.is_not(None))
        .group_by(TallyDelta.subject)
        .subquery()
    )

    def missing(name: str) -> ColumnElement[int]:
        known = getattr(Story, name) + func.coalesce(coming.c[name], 0)
        off: ColumnElement[int] = func.coalesce(there.c[name], 0) - known
        return off.label(name)

    return (
        select(Story.id, missing("comments"), missing("held"))
        .outerjoin(there, there.c.story_id == Story.id)
        .outerjoin(coming, coming.c.subject == Story.id)
        .where(Story.site_id == site_id)
        .cte("stories")
    )
