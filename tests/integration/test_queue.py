"""The queue's lists: every tab in every order, page by page, from the indexes that were made for them."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from moderation.accounts.models import Moderator
from moderation.comments.models import Comment, Report, Story
from moderation.comments.status import APPROVED, HELD, PENDING, REJECTED
from moderation.db import Database, utcnow
from moderation.errors import InvalidInput
from moderation.review import claims, queue, queue_lists, tallies
from moderation.settings import Settings

from .helpers import BAD, add_site, add_user, given, judge_all, take

NOW = datetime(2026, 11, 22, 14, 31, tzinfo=UTC)


def comments(db: Database, site_id: int, rows: list[dict[str, Any]]) -> list[int]:
    """Comments of a site as rows; what a row does not say is usual. Returns their ids."""
    plain = {
        "site_id": site_id,
        "story_id": None,
        "source": "api",
        "status": HELD,
        "not_scored": False,
        "spam": False,
        "escalated": False,
        "follower": False,
        "reports": 0,
        "priority": 0.0,
        "score": 0.0,
        "decided_at": NOW,
        **dict.fromkeys(("created_at", "received_at", "pending_since", "shown_at"), NOW),
        **dict.fromkeys(("shown", "shown_next"), False),
        **dict.fromkeys(("content_order", "create_order", "delete_order"), ""),
    }
    with db.transaction() as session:
        first = session.scalar(select(sa.func.count()).select_from(Comment)) or 0
        wanted = [{**plain, "id": n, "external_id": f"c{n}", **row} for n, row in enumerate(rows, first + 1)]
        session.execute(insert(Comment), wanted)
    return list(range(first + 1, first + 1 + len(rows)))


def mixed(site_id: int, amount: int, seed: int = 7) -> list[dict[str, Any]]:
    """Comments of all kinds, with many equal keys."""
    rand = random.Random(seed)
    rows = []
    for _ in range(amount):
        status = rand.choice((HELD, HELD, HELD, APPROVED, REJECTED, PENDING))
        rows.append(
            {
                "status": status,
                "not_scored": status == HELD and rand.random() < 0.4,
                "spam": status == REJECTED and rand.random() < 0.5,
                "reports": rand.choice((0, 0, 1)),
                "follower": status == HELD and rand.random() < 0.2,
                "escalated": rand.random() < 0.2,
                "priority": rand.choice((1.5, 2.25, 1 / 3)),
                "score": rand.choice((0.0, 0.5, 0.9)),
                "received_at": NOW - timedelta(minutes=rand.randint(0, 5), microseconds=rand.randint(0, 1)),
                "decided_at": None if rand.random() < 0.1 else NOW - timedelta(minutes=rand.randint(0, 3)),
            }
        )
    return rows


def walk(db: Database, site_ids: list[int], tab: str, sort: str, me: Moderator) -> list[Comment]:
    """All pages of a list."""
    found: list[Comment] = []
    after: str | None = None
    while True:
        with db.reading() as session:
            rows, after = queue.page(session, site_ids, tab, sort=sort, after=after, me=me, now=NOW)
            assert len(rows) <= queue_lists.PAGE
            session.expunge_all()
        found += rows
        if after is None:
            return found


LISTED: dict[str, Callable[[Comment], bool]] = {
    "held": lambda c: c.status == HELD and not c.follower,
    "not_scored": lambda c: c.status == HELD and not c.follower and c.not_scored,
    "reported": lambda c: c.reports > 0 and c.status in (HELD, APPROVED) and not c.follower,
    "approved": lambda c: c.status == APPROVED,
    "rejected": lambda c: c.status == REJECTED and not c.spam,
    "spam": lambda c: c.status == REJECTED and c.spam,
    "mine": lambda c: c.escalated,
}
DECIDED = ("approved", "rejected", "spam")


def ordered(rows: list[Comment], tab: str, sort: str) -> list[int]:
    """The ids in the order that the list promises."""
    if tab in DECIDED:
        sign = -1 if sort != "oldest" else 1
        return [
            c.id
            for c in sorted(
                rows,
                key=lambda c: (
                    c.decided_at is None,
                    sign * c.decided_at.timestamp() if c.decided_at else 0,
                    sign * c.id,
                ),
            )
        ]
    if sort == "oldest":
        return [c.id for c in sorted(rows, key=lambda c: (c.received_at, c.id))]
    keys = {"priority": lambda c: c.priority, "score": lambda c: c.score, "newest": lambda c: c.received_at}
    return [c.id for c in sorted(rows, key=lambda c: (keys[sort](c), c.id), reverse=True)]


@pytest.fixture
def me() -> Moderator:
    return Moderator(id=1, role="administrator", name="Rani")


@pytest.mark.parametrize("sites", [1, 3])
def test_every_list_is_whole_and_in_its_order_page_by_page(db: Database, me: Moderator, sites: int) -> None:
    site_ids = [add_site(db, webhook=False).site.id for _ in range(sites)]
    other = add_site(db, webhook=False).site.id
    for number, site_id in enumerate([*site_ids, other]):
        comments(db, site_id, mixed(site_id, 150 // sites, seed=number))
    with db.reading() as session:
        there = list(session.scalars(select(Comment).where(Comment.site_id.in_(site_ids))))
    for tab in queue.TABS:
        wanted = [c for c in there if LISTED[tab](c)]
        for sort in queue.SORTS_OF[tab]:
            if sort == "story":
                continue
            found = [c.id for c in walk(db, site_ids, tab, sort, me)]
            assert found == ordered(wanted, tab, sort), (tab, sort)


@pytest.mark.parametrize("tab", ["held", "not_scored", "reported"])
def test_what_is_with_the_seniors_steps_back_for_who_is_none(db: Database, me: Moderator, tab: str) -> None:
    site_ids = [add_site(db, webhook=False).site.id for _ in range(2)]
    for number, site_id in enumerate(site_ids):
        comments(db, site_id, mixed(site_id, 150, seed=number))
    with db.reading() as session:
        wanted = [c for c in session.scalars(select(Comment)) if LISTED[tab](c)]
    mine, theirs = ([c for c in wanted if c.escalated == with_them] for with_them in (False, True))
    assert len(mine) > queue_lists.PAGE
    found = [c.id for c in walk(db, site_ids, tab, "priority", Moderator(id=2, role="moderator", name="Budi"))]
    assert found == [*ordered(mine, tab, "priority"), *ordered(theirs, tab, "priority")]
    assert [c.id for c in walk(db, site_ids, tab, "priority", me)] == ordered(wanted, tab, "priority")


def test_a_page_that_changes_while_it_is_read_neither_skips_nor_repeats(db: Database, me: Moderator) -> None:
    site_id = add_site(db, webhook=False).site.id
    ids = comments(db, site_id, [{"priority": float(n)} for n in range(50)])
    with db.reading() as session:
        rows, after = queue.page(session, [site_id], "held", after=None, me=me, now=NOW)
        seen = [c.id for c in rows]
    comments(db, site_id, [{"priority": 99.0}])
    with db.transaction() as session:
        session.execute(update(Comment).where(Comment.id == seen[-1]).values(status=APPROVED))
    with db.reading() as session:
        rows, _ = queue.page(session, [site_id], "held", after=after, me=me, now=NOW)
        assert [c.id for c in rows] == sorted(ids, reverse=True)[20:40]


def test_the_story_with_most_comments_comes_first_and_in_it_who_waits_longest(db: Database, me: Moderator) -> None:
    first, second = (add_site(db, webhook=False).site.id for _ in range(2))
    rand = random.Random(3)
    with db.transaction() as session:
        for number in range(1, 61):
            site_id = first if number % 3 else second
            story = {"external_id": f"s{number}", "url": "http://warta.example", "title": "", "created_at": NOW}
            session.add(Story(id=number, site_id=site_id, comments=number % 7, held=1 if number % 5 else 0, **story))
    rows = []
    for number in range(1, 61):
        for _ in range(rand.choice((0, 1, 2, 3)) if number != 6 else 30):
            received = NOW - timedelta(minutes=rand.randint(0, 9))
            site_id = first if number % 3 else second
            rows.append({"site_id": site_id, "story_id": number, "received_at": received})
    for site_id in (first, second):
        comments(db, site_id, [row for row in rows if row["site_id"] == site_id])
    with db.reading() as session:
        there = [c for c in session.scalars(select(Comment)) if (c.story_id or 0) % 5]
    wanted = sorted(there, key=lambda c: (-((c.story_id or 0) % 7), -(c.story_id or 0), c.received_at, c.id))
    assert [c.id for c in walk(db, [first, second], "held", "story", me)] == [c.id for c in wanted]


def test_followers_of_a_campaign_are_counted_and_not_listed(db: Database, me: Moderator) -> None:
    site_id = add_site(db, webhook=False).site.id
    ids = comments(db, site_id, [{}, {"follower": True}, {"follower": True, "reports": 1}])
    assert [c.id for c in walk(db, [site_id], "held", "priority", me)] == ids[:1]
    assert walk(db, [site_id], "reported", "priority", me) == []
    with db.reading() as session:
        assert tallies.counts(session, [site_id])["held"] == 3


def test_mine_is_what_i_read_and_for_seniors_what_was_escalated(db: Database) -> None:
    site, other = (add_site(db, webhook=False).site for _ in range(2))
    plain, senior = add_user(db, "a@contoh.example", "moderator"), add_user(db, "b@contoh.example", "senior")
    ids = comments(db, site.id, [{"priority": float(n), "escalated": n in (2, 3)} for n in range(5)])
    comments(db, other.id, [{"escalated": True}])
    with db.transaction() as session:
        for user, number in ((plain, ids[0]), (plain, ids[2]), (senior, ids[1]), (senior, ids[3])):
            claims.claim(session, session.get_one(Comment, number), session.get_one(Moderator, user), NOW)
        claims.claim(session, session.get_one(Comment, ids[4]), session.get_one(Moderator, plain), NOW - claims.LEASE)
    found = {}
    for user in (plain, senior):
        with db.reading() as session:
            me = session.get_one(Moderator, user)
            session.expunge(me)
        rows = walk(db, [site.id], "mine", "priority", me)
        with db.reading() as session:
            assert queue.counts(session, [site.id], me, NOW)["mine"] == len(rows)
        found[user] = [c.id for c in rows]
    assert found == {plain: [ids[2], ids[0]], senior: [ids[3], ids[2], ids[1]]}


def test_an_order_that_a_tab_does_not_have_is_its_usual_one(db: Database, me: Moderator) -> None:
    site_id = add_site(db, webhook=False).site.id
    comments(db, site_id, [{"status": APPROVED, "decided_at": NOW + timedelta(seconds=n)} for n in (1, 3, 2)])
    assert [c.id for c in walk(db, [site_id], "approved", "score", me)] == [2, 3, 1]
    with pytest.raises(InvalidInput) as error, db.reading() as session:
        queue.page(session, [site_id], "held", sort="loudest", after=None, me=me, now=NOW)
    assert error.value.field == "sort"


def cursors() -> Iterator[str]:
    import base64

    yield from ("x", "", "%%%", "W10", "é", "A" * 5000)
    for text in (
        "[]",
        "{}",
        "3",
        '["held","priority"]',
        '["held","priority","a",1]',
        '["held","priority",NaN,1]',
        '["held","priority",1.0,-1]',
        '["held","priority",1.0,1e3]',
        '["held","priority",1.0,99999999999999999999]',
        '["held","newest",1.0,1]',
        '["spam","priority",1.0,1]',
        '["held","priority",1.0,1,1]',
        "[" * 3000,
    ):
        yield base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize("after", list(cursors()))
def test_a_cursor_that_no_page_gave_is_refused(db: Database, me: Moderator, after: str) -> None:
    site_id = add_site(db, webhook=False).site.id
    with pytest.raises(InvalidInput) as error, db.reading() as session:
        queue.page(session, [site_id], "held", after=after, me=me, now=NOW)
    assert error.value.field == "after"


def test_newcomers_are_those_that_the_machine_brought_since_and_a_hundred_at_most(
    db: Database, settings: Settings
) -> None:
    site = add_site(db).site
    take(db, settings, site, given("c1", text=BAD))
    judge_all(db, settings)
    with db.reading() as session:
        marks = {tab: queue.newest(session, [site.id], tab) for tab in queue.TABS}
        assert {tab: queue.arrived_since(session, [site.id], tab, marks[tab]) for tab in queue.TABS} == dict.fromkeys(
            queue.TABS, 0
        )
        assert queue.arrived_since(session, [site.id], "held", 10**18) == 0
    take(db, settings, site, given("c2", text=BAD))
    take(db, settings, site, given("c3"))
    judge_all(db, settings)
    later = utcnow() + timedelta(seconds=1)
    put_back = {"human_revision": 1, "decided_at": later}  # by a person, whose page shows it already
    comments(db, site.id, [put_back, {"follower": True, "decided_at": later}])
    with db.reading() as session:
        found = {tab: queue.arrived_since(session, [site.id], tab, marks[tab]) for tab in queue.TABS}
    assert found == dict.fromkeys(queue.TABS, 0) | {"held": 1, "approved": 1}
    comments(db, site.id, [{"decided_at": later, "not_scored": n % 2 == 0} for n in range(130)])
    with db.reading() as session:
        assert queue.arrived_since(session, [site.id], "held", marks["held"]) == queue.ARRIVALS
        assert queue.arrived_since(session, [site.id], "not_scored", marks["not_scored"]) == 65


def test_a_new_report_is_news_under_reported(db: Database) -> None:
    site = add_site(db, webhook=False).site
    ids = comments(db, site.id, [{"status": APPROVED, "reports": 1}, {"status": REJECTED, "reports": 1}])
    with db.reading() as session:
        mark = queue.newest(session, [site.id], "reported")
    with db.transaction() as session:
        for number, who in ((ids[0], "a"), (ids[0], "b"), (ids[1], "a")):
            session.add(
                Report(site_id=site.id, comment_id=number, revision=1, reporter=who, reason="SPAM", created_at=NOW)
            )
    with db.reading() as session:
        assert queue.arrived_since(session, [site.id], "reported", mark) == 1


def test_the_oldest_is_of_all_my_sites(db: Database) -> None:
    site_ids = [add_site(db, webhook=False).site.id for _ in range(2)]
    comments(db, site_ids[0], [{"decided_at": NOW}, {"decided_at": NOW - timedelta(hours=9), "status": APPROVED}])
    # It came long ago, and waits since it was held.
    old = {"received_at": NOW - timedelta(days=900), "decided_at": NOW - timedelta(hours=1)}
    comments(db, site_ids[1], [{"decided_at": NOW - timedelta(hours=2)}, old])
    with db.reading() as session:
        assert queue.oldest(session, site_ids) == NOW - timedelta(hours=2)
        assert queue.oldest(session, []) is None


PLANS = [
    ("held", "priority", "ix_comment_held_priority"),
    ("held", "newest", "ix_comment_held_received"),
    ("held", "oldest", "ix_comment_held_received"),
    ("held", "score", "ix_comment_held_score"),
    ("held", "story", "ix_comment_held_story"),
    ("not_scored", "priority", "ix_comment_unscored_priority"),
    ("not_scored", "newest", "ix_comment_unscored_received"),
    ("reported", "priority", "ix_comment_reported"),
    ("approved", "newest", "ix_comment_decided"),
    ("spam", "oldest", "ix_comment_decided"),
    ("mine", "priority", "ix_comment_escalated"),
]


def plans(db: Database, deed: Callable[[Session], Any]) -> str:
    """How the database would answer the statements of a deed."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    with db.reading() as session:
        connection = session.connection()
        if not db.is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # so few rows would be read from end to end
            connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        sa.event.listen(db.engine, "before_cursor_execute", note)
        deed(session)
        sa.event.remove(db.engine, "before_cursor_execute", note)
        explain = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
        lines = [
            str(row[-1]) for statement, given in asked for row in connection.exec_driver_sql(explain + statement, given)
        ]
    return "\n".join(lines)


def test_every_page_is_read_from_the_end_of_its_index(db: Database, me: Moderator) -> None:
    site_ids = [add_site(db, webhook=False).site.id for _ in range(2)]
    with db.transaction() as session:
        for number in (1, 2):
            story = {"external_id": f"s{number}", "url": "", "title": "", "created_at": NOW}
            session.add(Story(id=number, site_id=site_ids[0], comments=90, held=40, **story))
    for site_id in site_ids:
        comments(db, site_id, [{**row, "story_id": 1 + n % 2} for n, row in enumerate(mixed(site_id, 1500))])
    with db.transaction() as session:
        session.execute(sa.text("ANALYZE comment"))
    junior = Moderator(id=2, role="moderator", name="Budi")
    for who, (tab, sort, index) in [*((me, plan) for plan in PLANS), *((junior, plan) for plan in PLANS[:8])]:
        with db.reading() as session:
            _, after = queue.page(session, site_ids, tab, sort=sort, after=None, me=who, now=NOW)
        for cursor in (None, after):
            found = plans(
                db,
                lambda s, who=who, tab=tab, sort=sort, cursor=cursor: queue.page(
                    s, site_ids, tab, sort=sort, after=cursor, me=who, now=NOW
                ),
            )
            assert index in found, found
            assert "SCAN comment" not in found, found
            assert "Seq Scan on comment" not in found, found
            assert "Incremental Sort" not in found, found


def test_neither_newcomers_nor_the_oldest_are_looked_for_from_end_to_end(db: Database) -> None:
    site_ids = [add_site(db, webhook=False).site.id for _ in range(2)]
    for site_id in site_ids:
        comments(db, site_id, mixed(site_id, 600))
    with db.transaction() as session:
        session.execute(sa.text("ANALYZE comment"))
    found = plans(
        db,
        lambda session: [
            queue.oldest(session, site_ids),
            *(queue.newest(session, site_ids, tab) for tab in ("held", "spam")),
            *(queue.arrived_since(session, site_ids, tab, 0) for tab in ("held", "not_scored", "approved")),
        ],
    )
    assert found.count("ix_comment_decided") >= 6
    assert "SCAN comment" not in found
    assert "Seq Scan on comment" not in found
