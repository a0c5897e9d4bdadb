"""Counts of the tabs: exact whatever changed the comments, folded by several at once, mended when they are off."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.cli import cli
from moderation.comments.models import Comment, Story
from moderation.comments.status import APPROVED, HELD, PENDING, REJECTED, WITHDRAWN
from moderation.db import Database, utcnow
from moderation.review import tallies
from moderation.review.models import Tally, TallyDelta
from moderation.settings import Settings
from tests.archive.samples import import_file, jsonl, row, written

from .helpers import BAD, add_site, judge_all, take
from .helpers import given as comment_given

STATES = (PENDING, HELD, APPROVED, REJECTED, WITHDRAWN)


def recounted(session: Session, site_id: int) -> dict[str, int]:
    """The counts as anybody would count them, comment by comment."""
    found: Counter[str] = Counter(dict.fromkeys(tallies.NAMES, 0))
    for c in session.scalars(select(Comment).where(Comment.site_id == site_id)):
        found["held"] += c.status == HELD
        found["not_scored"] += c.status == HELD and c.not_scored
        found["reported"] += c.reports > 0 and c.status in (HELD, APPROVED)
        found["approved"] += c.status == APPROVED
        found["rejected"] += c.status == REJECTED and not c.spam
        found["spam"] += c.status == REJECTED and c.spam
    return dict(found)


def stories_recounted(session: Session) -> dict[int, tuple[int, int]]:
    found = dict.fromkeys(session.scalars(select(Story.id)), (0, 0))
    for c in session.scalars(select(Comment).where(Comment.story_id.is_not(None))):
        judged, held = found[c.story_id or 0]
        found[c.story_id or 0] = (judged + (c.status in (HELD, APPROVED, REJECTED)), held + (c.status == HELD))
    return found


def story_counts(session: Session) -> dict[int, tuple[int, int]]:
    return {row.id: (row.comments, row.held) for row in session.scalars(select(Story))}


def values(site_id: int, name: str, story_id: int | None, **more: Any) -> dict[str, Any]:
    now = utcnow()
    at = {"created_at": now, "received_at": now, "pending_since": now, "shown_at": now}
    flags = {"shown": False, "shown_next": False, "content_order": "", "create_order": "", "delete_order": ""}
    return {
        "site_id": site_id,
        "external_id": name,
        "story_id": story_id,
        "source": "api",
        "status": PENDING,
        **at,
        **flags,
        **more,
    }


STATUS, SOME, STORY = st.sampled_from(STATES), st.integers(0, 3), st.sampled_from([0, 1, None])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "status": STATUS,
        "not_scored": st.booleans(),
        "spam": st.booleans(),
        "reports": st.integers(0, 2),
        "story": STORY,
    },
).filter(bool)
STEPS = st.one_of(
    st.tuples(st.just("one"), CHANGES),
    st.tuples(st.just("many"), st.lists(CHANGES, min_size=2, max_size=5)),
    st.tuples(st.just("change"), SOME, CHANGES),
    st.tuples(st.just("change_by_orm"), SOME, CHANGES),
    st.tuples(st.just("delete"), SOME),
    st.tuples(st.just("fold"), st.sampled_from([1, 3, 1000])),
)


class Bench:
    """A site with two stories, and the steps that a history is made of."""

    def __init__(self, session: Session, site_id: int, stories: list[int]) -> None:
        self.session, self.site_id, self.stories = session, site_id, stories
        self.names = session.scalar(select(func.count()).select_from(Comment)) or 0

    def real(self, change: dict[str, Any]) -> dict[str, Any]:
        change = dict(change)
        if "story" in change:
            story = change.pop("story")
            change["story_id"] = None if story is None else self.stories[story]
        return change

    def new(self, change: dict[str, Any]) -> dict[str, Any]:
        self.names += 1
        given = self.real({"story": 0, **change})
        return values(self.site_id, f"n{self.names}-{utcnow().timestamp()}", given.pop("story_id"), **given)

    def do(self, kind: str, *what: Any) -> None:
        if kind == "one":
            self.session.add(Comment(**self.new(what[0])))
            self.session.flush()
        elif kind == "many":
            plain = {"not_scored": False, "spam": False, "reports": 0}
            self.session.execute(insert(Comment), [{**plain, **self.new(change)} for change in what[0]])
        elif kind == "change":
            some = Comment.id % 4 == what[0]
            self.session.execute(update(Comment).where(some).values(**self.real(what[1])))
        elif kind == "change_by_orm":
            for comment in self.session.scalars(select(Comment).where(Comment.id % 4 == what[0])):
                for name, value in self.real(what[1]).items():
                    setattr(comment, name, value)
            self.session.flush()
        elif kind == "delete":
            self.session.execute(delete(Comment).where(Comment.id % 4 == what[0]))
        else:
            tallies.fold(self.session, what[0])


@given(st.lists(st.lists(STEPS, min_size=1, max_size=4), min_size=1, max_size=3))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_changes_comments_the_counts_say_what_a_recount_says(
    db: Database, transactions: list[list[tuple[Any, ...]]]
) -> None:
    with db.transaction() as session:
        session.execute(delete(Comment))
        session.execute(delete(TallyDelta))
        session.execute(delete(Tally))
        site_id = session.scalar(select(Site.id)) or _site_with_stories(session)
        session.execute(update(Story).values(comments=0, held=0))
        stories = list(session.scalars(select(Story.id).order_by(Story.id)))
    for steps in transactions:
        with db.transaction() as session:
            bench = Bench(session, site_id, stories)
            for step in steps:
                bench.do(*step)
        with db.reading() as session:
            assert tallies.counts(session, [site_id]) == recounted(session, site_id)
            assert tallies.drift(session, site_id) == {}
    tallies.fold_all(db)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(TallyDelta)) == 0
        assert tallies.counts(session, [site_id]) == recounted(session, site_id)
        assert story_counts(session) == stories_recounted(session)


def _site_with_stories(session: Session) -> int:
    site = Site(public_id="w", name="Warta", url="http://warta.example", created_at=utcnow())
    session.add(site)
    session.flush()
    for name in ("s1", "s2"):
        session.add(
            Story(site_id=site.id, external_id=name, url="http://warta.example", title=name, created_at=utcnow())
        )
    session.flush()
    return site.id


def test_what_is_rolled_back_is_not_counted(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    take(db, settings, site, comment_given(text=BAD))
    judge_all(db, settings)
    with pytest.raises(Halt):
        approve_and_halt(db)
    with db.reading() as session:
        assert tallies.counts(session, [site.id])["held"] == 1


class Halt(Exception):
    """Something broke after the write."""


def approve_and_halt(db: Database) -> None:
    with db.transaction() as session:
        session.execute(update(Comment).values(status=APPROVED))
        raise Halt


def test_an_import_is_counted(db: Database, settings: Settings, tmp_path: Path) -> None:
    site = add_site(db).site
    states = ("approved", "pending", "spam", "trash", "approved")
    import_file(db, site, written(tmp_path / "a.jsonl", jsonl(*(row(n, status=s) for n, s in enumerate(states)))))
    tallies.fold_all(db)
    with db.reading() as session:
        assert tallies.counts(session, [site.id]) == recounted(session, site.id)
        assert tallies.counts(session, [site.id])["spam"] == 1
        assert story_counts(session) == stories_recounted(session)


def test_only_the_sites_that_are_asked_for_are_counted(db: Database, settings: Settings) -> None:
    first, second = add_site(db).site, add_site(db).site
    take(db, settings, first, comment_given("a", text=BAD))
    take(db, settings, second, comment_given("b", text=BAD))
    judge_all(db, settings)
    with db.reading() as session:
        assert [
            tallies.counts(session, ids)["held"] for ids in ([first.id], [second.id], [], [first.id, second.id])
        ] == [
            1,
            1,
            0,
            2,
        ]


def test_several_fold_at_once_and_nothing_is_lost_or_counted_twice(db: Database) -> None:
    with db.transaction() as session:
        site_id = _site_with_stories(session)
    stop, wrong = threading.Event(), list[str]()

    def write(number: int) -> None:
        for n in range(25):
            with db.transaction() as session:
                session.execute(
                    insert(Comment), [values(site_id, f"{number}-{n}-{k}", 1, status=HELD) for k in range(3)]
                )

    def fold() -> None:
        while not stop.is_set():
            with db.transaction() as session:
                tallies.fold(session, 7)

    def look() -> None:
        seen = 0
        while not stop.is_set():
            with db.reading() as session:
                now = tallies.counts(session, [site_id])["held"]
            if now < seen or now % 3:
                wrong.append(f"{seen} held, then {now}")
            seen = now

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    others = [threading.Thread(target=target) for target in (fold, fold, look)]
    for thread in (*others, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in others:
        thread.join()
    tallies.fold_all(db)
    assert wrong == []
    with db.reading() as session:
        assert session.scalars(select(Tally).where(Tally.name == "held")).one().n == 150
        assert session.scalars(select(Story).where(Story.id == 1)).one().held == 150


def test_counts_that_are_off_are_mended_and_the_differences_told(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    for number in range(3):
        take(db, settings, site, comment_given(f"c{number}", text=BAD))
    judge_all(db, settings)
    tallies.fold_all(db)
    with db.transaction() as session:
        session.execute(update(Tally).where(Tally.name == "held").values(n=5))
        session.add(TallyDelta(site_id=site.id, name="spam", n=2))
        session.execute(update(Story).values(comments=9, held=0))
    with db.reading() as session:
        assert tallies.drift(session, site.id) == {"held": -2, "spam": -2, "story": -6, "story_held": 3}
    assert tallies.repair_all(db) == {site.id: {"held": -2, "spam": -2, "story": -6, "story_held": 3}}
    assert tallies.repair_all(db) == {}
    tallies.fold_all(db)
    with db.reading() as session:
        assert tallies.counts(session, [site.id]) == recounted(session, site.id)
        assert story_counts(session) == stories_recounted(session)


def test_a_command_repairs_and_says_what_it_found(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add_site(db)
    with db.transaction() as session:
        session.add(TallyDelta(site_id=1, name="held", n=4))
    monkeypatch.setenv("MODERATION_DATABASE_URL", settings.database)
    monkeypatch.setenv("MODERATION_DATA_DIR", str(tmp_path))
    first, again = (CliRunner().invoke(cli, ["queue", "repair"]) for _ in range(2))
    assert (first.exit_code, first.output) == (0, "site 1: held -4\n")
    assert (again.exit_code, again.output) == (0, "Every count is right.\n")
