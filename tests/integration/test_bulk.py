"""Bulk jobs: what a preview says, what a worker does to the comments that match, what people see of it."""

import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from moderation import pipeline, queues
from moderation.accounts.models import AuditEntry, Moderator, ModeratorSite, Site
from moderation.comments.intake import AuthorInput, TextInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.errors import Conflict, InvalidInput, NotAllowed, NotFound
from moderation.health import store as health
from moderation.review import (
    bulk,
    bulk_preview,
    bulk_progress,
    bulk_turns,
    bulk_work,
    claims,
    decisions,
    escalations,
    filters,
    searching,
    undoing,
)
from moderation.review.bulk_work import Pace
from moderation.review.decisions import Decider
from moderation.review.filters import Query
from moderation.review.models import BulkItem, BulkJob, Decision
from moderation.settings import Settings
from tests.conftest import Recorder

from .helpers import BAD, KEY, Browser, add_site, add_user, comment_of, given, judge_all, log_in, take

SPAM = "status:held slot"


def parse(line: str) -> Query:
    return filters.parse(line, now=utcnow(), tz=UTC)


def pace(size: int = 3) -> Pace:
    """A worker that takes so many at once and learns nothing."""
    made = Pace()
    made.size = size
    made.learn = lambda *_: None  # type: ignore[method-assign]  # batches as small as a test wants them
    return made


@pytest.fixture
def site(db: Database) -> Site:
    return add_site(db).site


@pytest.fixture
def me(db: Database, site: Site) -> int:
    return add_user(db, "rani@contoh.example", "moderator", name="Rani", sites=[site])


@pytest.fixture
def flood(db: Database, settings: Settings, site: Site) -> Callable[..., None]:
    """Held comments c1 … cN that say `slot`, and two that do not."""

    def make(count: int = 7, first: int = 1) -> None:
        numbers = range(first, first + count)
        wanted = [given(f"c{number}", f"{BAD} slot nomor {number} {'x' * number}") for number in numbers]
        wanted += [
            given(f"other{first}", f"{BAD} tentang cuaca"),
            given(f"good{first}", "slot waktu yang baik", author=AuthorInput("Tono")),
        ]
        with db.transaction() as session:
            pipeline.take_in_many(session, site, wanted, source="api", settings=settings, key=KEY, now=utcnow())
        judge_all(db, settings)

    return make


def start(
    db: Database,
    site: Site,
    me: int,
    line: str = SPAM,
    action: str = "reject",
    reason: str | None = "SPAM",
    **values: Any,
) -> int:
    with db.transaction() as session:
        moderator = session.get_one(Moderator, me)
        return bulk.start(session, moderator, [site.id], parse(line), action, reason, utcnow(), **values).id


def job_of(db: Database, job_id: int) -> BulkJob:
    with db.reading() as session:
        return session.get_one(BulkJob, job_id)


def rounds(db: Database, most: int = 100, worker: Pace | None = None) -> int:
    """Work without rest until nothing is left or `most` batches are done; how many comments were decided."""
    worker = worker or pace()
    decided = 0
    for _ in range(most):
        with db.transaction() as session:
            session.execute(update(BulkJob).values(lease_until=None))
        done = bulk_work.work_due(db, worker)
        decided += done.decided
        if not done.more:
            break
    return decided


def act(db: Database, deed: Callable[..., Any], job_id: int, me: int) -> Any:
    """Steer a job as somebody."""
    with db.transaction() as session:
        job = session.get_one(BulkJob, job_id, with_for_update=True)
        return deed(session, job, session.get_one(Moderator, me), utcnow())


def decide(db: Database, external_id: str, me: int, action: str = "approve", **values: Any) -> None:
    with db.transaction() as session:
        comment = session.scalars(select(Comment).where(Comment.external_id == external_id)).one()
        by = Decider(session.get_one(Moderator, me))
        decisions.decide(session, comment, action, by, seen_version=comment.version, now=utcnow(), **values)


def statuses(db: Database, names: Sequence[str]) -> list[str]:
    return [comment_of(db, name).status for name in names]


def conflicts(db: Database, site: Site, job_id: int) -> list[tuple[int, str, str]]:
    with db.reading() as session:
        found, _ = bulk_progress.items(session, [site.id], session.get_one(BulkJob, job_id), bulk.CONFLICT)
        return [(item.comment_id, item.what, item.who) for item in found]


NAMES = [f"c{number}" for number in range(1, 8)]


def test_a_job_decides_what_matches_and_nothing_else(
    db: Database, site: Site, me: int, flood: Callable[..., None], sender: Recorder
) -> None:
    flood()
    sender.sent.clear()
    job_id = start(db, site, me)
    assert queues.TASK_BULK in sender.sent
    assert rounds(db) == 7
    assert statuses(db, NAMES) == ["REJECTED"] * 7
    assert statuses(db, ["other1", "good1"]) == ["HELD", "APPROVED"]
    job = job_of(db, job_id)
    assert (job.state, job.total, job.decided, job.conflicts) == (bulk.DONE, 7, 7, 0)
    assert job.finished_at is not None
    with db.reading() as session:
        made = session.scalars(select(Decision).where(Decision.job_id == job_id)).all()
        assert {(row.action, row.reason, row.moderator_id) for row in made} == {("reject", "SPAM", me)}
        assert len({row.comment_id for row in made}) == len(made) == 7
        items = session.scalars(select(BulkItem).where(BulkItem.job_id == job_id)).all()
        assert {item.decision_id for item in items} == {row.id for row in made}
        told = bulk_progress.progress(session, job, utcnow())
        assert (told.share, told.decided, told.gone, told.rate) == (1.0, 7, 0, None)


def test_newcomers_are_not_touched(db: Database, site: Site, me: int, flood: Callable[..., None]) -> None:
    flood(3)
    seen = comment_of(db, "c3").id
    flood(2, first=10)
    start(db, site, me, until_id=seen)
    flood(2, first=20)
    assert rounds(db) == 3
    assert statuses(db, ["c10", "c20"]) == ["HELD", "HELD"]


def test_ages_stay_where_they_were_at_the_preview(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood(2)
    with db.transaction() as session:
        old = utcnow() - timedelta(days=7) + timedelta(seconds=30)
        session.execute(update(Comment).where(Comment.external_id == "c1").values(received_at=old))
    job_id = start(db, site, me, "status:held slot after:7d")
    assert "7d" not in job_of(db, job_id).query
    with db.transaction() as session:  # a minute later the comment is older than seven days
        session.execute(update(BulkJob).values(created_at=utcnow() + timedelta(minutes=1)))
    assert rounds(db) == 2


@pytest.mark.parametrize(
    ("line", "action", "reason", "field"),
    [
        ("", "approve", None, "q"),
        ("tidakada", "approve", None, "q"),
        ("slot " + " ".join(f"story:{n}" for n in range(25)) + " " + "kata" * 200, "approve", None, "q"),
        (SPAM, "delete", None, "decision"),
        (SPAM, "reject", None, "reason"),
        (SPAM, "reject", "BORED", "reason"),
    ],
)
def test_a_job_needs_a_filter_something_to_decide_and_a_reason(
    db: Database,
    site: Site,
    me: int,
    flood: Callable[..., None],
    line: str,
    action: str,
    reason: str | None,
    field: str,
) -> None:
    flood(1)
    with pytest.raises(InvalidInput) as caught:
        start(db, site, me, line, action, reason)
    assert caught.value.field == field


def test_the_same_job_asked_for_twice_is_started_once(
    db: Database, site: Site, me: int, flood: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flood(2)
    job_id = start(db, site, me)
    assert start(db, site, me) == job_id
    monkeypatch.setattr(bulk, "MOST_OPEN", 1)
    with pytest.raises(Conflict):
        start(db, site, me, action="approve")


def test_what_a_colleague_decided_meanwhile_stays_and_is_listed(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood()
    other = add_user(db, "budi@contoh.example", name="Budi")
    decide(db, "c2", other, "approve")  # before the job: it never matched
    job_id = start(db, site, me)
    decide(db, "c4", other, "approve")
    assert rounds(db, 1) == 3  # c1, c3 and c5: c4 does not match any more
    decide(db, "c7", other, "reject", reason="OFFENSIVE")
    rounds(db)
    assert statuses(db, NAMES) == ["REJECTED", "APPROVED", "REJECTED", "APPROVED", *["REJECTED"] * 3]
    assert conflicts(db, site, job_id) == [
        (comment_of(db, "c4").id, "approve", "Budi"),
        (comment_of(db, "c7").id, "reject", "Budi"),
    ]
    job = job_of(db, job_id)
    assert (job.decided, job.conflicts, job.total) == (4, 2, 6)


def test_a_colleagues_word_counts_though_the_search_asks_for_no_status(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood(3)
    other = add_user(db, "budi@contoh.example", name="Budi")
    job_id = start(db, site, me, "slot -waktu")
    decide(db, "c2", other, "approve")
    assert rounds(db) == 2
    assert statuses(db, ["c1", "c2", "c3"]) == ["REJECTED", "APPROVED", "REJECTED"]
    assert conflicts(db, site, job_id) == [(comment_of(db, "c2").id, "approve", "Budi")]


def test_one_that_a_colleague_decided_and_took_back_is_counted_once(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood()
    other = add_user(db, "budi@contoh.example", name="Budi")
    job_id = start(db, site, me)
    decide(db, "c7", other, "approve")
    rounds(db, 1)
    assert job_of(db, job_id).conflicts == 1
    with db.transaction() as session:
        comment = session.scalars(select(Comment).where(Comment.external_id == "c7")).one()
        by = session.get_one(Moderator, other)
        undoing.undo(session, comment, by, seen_version=comment.version, now=utcnow())
    rounds(db)
    job = job_of(db, job_id)
    assert (job.state, job.decided, job.conflicts) == (bulk.DONE, 6, 1)
    assert conflicts(db, site, job_id) == [(comment_of(db, "c7").id, "hold", "Budi")]


def test_what_somebody_reads_and_what_is_with_the_seniors_is_left_alone(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood(4)
    other = add_user(db, "budi@contoh.example", name="Budi")
    with db.transaction() as session:
        budi = session.get_one(Moderator, other)
        by_name = {comment.external_id: comment for comment in session.scalars(select(Comment))}
        claims.claim(session, by_name["c1"], budi, utcnow())
        claims.claim(session, by_name["c2"], session.get_one(Moderator, me), utcnow())
        escalations.raise_(session, by_name["c3"], budi, "Apakah ini iklan?", utcnow())
    with db.reading() as session:
        told = bulk_preview.preview(session, [site.id], parse(SPAM), session.get_one(Moderator, me), now=utcnow())
        assert (told.total, told.skipped) == (4, {"escalated": 1})
    job_id = start(db, site, me)
    assert rounds(db) == 2
    assert conflicts(db, site, job_id) == [
        (comment_of(db, "c1").id, "claimed", "Budi"),
        (comment_of(db, "c3").id, "escalated", ""),
    ]


def test_a_senior_decides_what_is_with_the_seniors(db: Database, site: Site, flood: Callable[..., None]) -> None:
    flood(1)
    senior = add_user(db, "sari@contoh.example", "senior", sites=[site])
    with db.transaction() as session:
        comment = session.scalars(select(Comment).where(Comment.external_id == "c1")).one()
        escalations.raise_(session, comment, session.get_one(Moderator, senior), "Apakah ini iklan?", utcnow())
    start(db, site, senior)
    assert rounds(db) == 1
    assert not comment_of(db, "c1").escalated


def test_a_comment_that_is_being_judged_is_left_to_its_new_text(
    db: Database, settings: Settings, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood(2)
    job_id = start(db, site, me, "slot")
    with db.transaction() as session:
        comment = session.scalars(select(Comment).where(Comment.external_id == "c1")).one()
        text, now = TextInput("Teks yang lain"), utcnow()
        pipeline.edit(session, site, comment, text, settings=settings, key=KEY, now=now, tag="t1")
    rounds(db, worker=impatient())
    assert conflicts(db, site, job_id) == [(comment_of(db, "c1").id, "pending", "")]


def impatient() -> Pace:
    """A worker that gives way to nobody."""
    made = pace()
    made.gives_way = lambda patience: False  # type: ignore[method-assign]  # whether it does has tests of its own
    return made


def test_what_stands_so_already_is_neither_decided_nor_a_conflict(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood(3)
    decide(db, "c2", me, "reject", reason="SPAM")
    job_id = start(db, site, me, "slot -waktu")
    assert rounds(db) == 2
    with db.reading() as session:
        job = session.get_one(BulkJob, job_id)
        told = bulk_progress.progress(session, job, utcnow())
        assert (told.decided, told.conflicts, told.same, told.gone) == (2, 0, 1, 0)


def test_a_job_decides_all_of_a_campaign_though_one_card_stands_for_it(
    db: Database, settings: Settings, site: Site, me: int
) -> None:
    for number in range(5):
        text = f"{BAD}: daftar slot gacor sekarang juga di kota nomor {number} dan menang terus"
        take(db, settings, site, given(f"c{number}", text))
    judge_all(db, settings)
    assert sum(comment_of(db, f"c{number}").follower for number in range(5)) == 4
    start(db, site, me)
    assert rounds(db) == 5
    assert statuses(db, [f"c{number}" for number in range(5)]) == ["REJECTED"] * 5


# Steering


def test_a_paused_job_rests_and_goes_on_where_it_stopped(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood()
    job_id = start(db, site, me)
    assert rounds(db, 1) == 3
    act(db, bulk.pause, job_id, me)
    act(db, bulk.pause, job_id, me)  # twice is once
    assert rounds(db) == 0
    act(db, bulk.resume, job_id, me)
    assert rounds(db) == 4
    assert job_of(db, job_id).decided == 7


def test_a_cancelled_job_keeps_what_it_has_done(db: Database, site: Site, me: int, flood: Callable[..., None]) -> None:
    flood()
    job_id = start(db, site, me)
    rounds(db, 1)
    act(db, bulk.cancel, job_id, me)
    assert rounds(db) == 0
    assert statuses(db, NAMES) == ["REJECTED"] * 3 + ["HELD"] * 4
    with pytest.raises(Conflict):
        act(db, bulk.resume, job_id, me)


def test_a_job_that_is_paused_while_its_batch_is_looked_for_does_nothing_more(
    db: Database, site: Site, me: int, flood: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flood()
    job_id = start(db, site, me)
    look = bulk_turns.look

    def slow(*given: Any) -> Any:
        turn = look(*given)
        act(db, bulk.pause, job_id, me)
        return turn

    monkeypatch.setattr(bulk_turns, "look", slow)
    assert rounds(db, 1) == 0
    assert job_of(db, job_id).decided == 0


def test_the_table_of_states_is_whole(db: Database, site: Site, me: int, flood: Callable[..., None]) -> None:
    flood(1)
    deeds = {bulk.pause: bulk.PAUSED, bulk.resume: bulk.RUNNING, bulk.cancel: bulk.CANCELLED}
    job_id = start(db, site, me)
    for state, following in bulk.TRANSITIONS.items():
        for deed, to in deeds.items():
            with db.transaction() as session:
                session.execute(update(BulkJob).values(state=state))
            if to in following or to == state:
                act(db, deed, job_id, me)
                assert job_of(db, job_id).state == to
            else:
                with pytest.raises(Conflict):
                    act(db, deed, job_id, me)
                assert job_of(db, job_id).state == state


def test_only_who_started_a_job_and_seniors_steer_it(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood(1)
    job_id = start(db, site, me)
    peer = add_user(db, "budi@contoh.example", "moderator", sites=[site])
    senior = add_user(db, "sari@contoh.example", "senior", sites=[site])
    for deed in (bulk.pause, bulk.resume, bulk.cancel, bulk.undo):
        with pytest.raises(NotAllowed):
            act(db, deed, job_id, peer)
    act(db, bulk.pause, job_id, senior)


def test_a_job_of_other_sites_is_not_there(db: Database, site: Site, me: int, flood: Callable[..., None]) -> None:
    flood(1)
    job_id = start(db, site, me)
    other = add_site(db).site
    stranger = add_user(db, "budi@contoh.example", "moderator", sites=[other])
    with db.reading() as session:
        peer = session.get_one(Moderator, stranger)
        assert bulk.listed(session, [other.id], peer, utcnow()) == []
        with pytest.raises(NotFound):
            bulk.of_mine(session, [other.id], peer, job_id)
        assert [line.who for line in bulk.listed(session, [site.id], session.get_one(Moderator, me), utcnow())] == [
            "Rani"
        ]


def test_a_job_ends_when_its_starter_may_not_moderate_any_more(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood()
    job_id = start(db, site, me)
    rounds(db, 1)
    with db.transaction() as session:
        session.query(ModeratorSite).delete()
    assert rounds(db) == 0
    job = job_of(db, job_id)
    assert (job.state, job.error, job.decided) == (bulk.FAILED, bulk_work.NO_ACCESS, 3)


# Taking back


def test_taking_back_restores_what_was_and_leaves_what_was_decided_since(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood()
    job_id = start(db, site, me)
    rounds(db)
    other = add_user(db, "budi@contoh.example", name="Budi")
    decide(db, "c5", other, "approve")
    undo_id = act(db, bulk.undo, job_id, me).id
    assert rounds(db) == 6
    assert statuses(db, NAMES) == ["HELD"] * 4 + ["APPROVED"] + ["HELD"] * 2
    assert conflicts(db, site, undo_id) == [(comment_of(db, "c5").id, "approve", "Budi")]
    job = job_of(db, undo_id)
    assert (job.state, job.total, job.decided, job.conflicts) == (bulk.DONE, 7, 6, 1)
    with db.reading() as session:
        rows = session.scalars(select(Decision).where(Decision.job_id == undo_id)).all()
        assert all(row.undoes is not None for row in rows)
    for number in (job_id, undo_id):
        with pytest.raises(Conflict):
            act(db, bulk.undo, number, me)


def test_a_job_is_taken_back_only_when_it_is_over_and_has_done_something(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood()
    job_id = start(db, site, me)
    with pytest.raises(Conflict) as caught:
        act(db, bulk.undo, job_id, me)
    assert caught.value.message == bulk.NOT_OVER
    act(db, bulk.cancel, job_id, me)
    with pytest.raises(Conflict) as caught:
        act(db, bulk.undo, job_id, me)
    assert caught.value.message == bulk.NOTHING_DONE


def test_a_cancelled_taking_back_may_be_begun_again(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood()
    job_id = start(db, site, me)
    rounds(db)
    first = act(db, bulk.undo, job_id, me).id
    rounds(db, 1)
    act(db, bulk.cancel, first, me)
    act(db, bulk.undo, job_id, me)
    rounds(db)
    assert statuses(db, NAMES) == ["HELD"] * 7


# The worker


def test_a_worker_that_dies_in_a_batch_leaves_nothing_of_it_and_the_next_goes_on(
    db: Database, site: Site, me: int, flood: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flood()
    job_id = start(db, site, me)
    assert rounds(db, 1) == 3

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    write = bulk_work._write
    monkeypatch.setattr(bulk_work, "_write", die)
    with pytest.raises(Killed):
        rounds(db, 1)
    assert job_of(db, job_id).decided == 3
    monkeypatch.setattr(bulk_work, "_write", write)
    assert rounds(db) == 4
    with db.reading() as session:
        twice = select(Decision.comment_id).where(Decision.job_id == job_id).group_by(Decision.comment_id)
        assert session.scalars(twice.having(func.count() > 1)).all() == []


def test_one_comment_that_cannot_be_decided_keeps_no_other_from_it(
    db: Database, site: Site, me: int, flood: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flood()
    job_id = start(db, site, me)
    poison = comment_of(db, "c5").id
    real = decisions.decide_many

    def breaks(session: Any, comments: Sequence[Comment], *values: Any, **more: Any) -> Any:
        if poison in [comment.id for comment in comments]:
            raise RuntimeError("poison")
        return real(session, comments, *values, **more)

    monkeypatch.setattr(decisions, "decide_many", breaks)
    assert rounds(db) == 6
    assert conflicts(db, site, job_id) == [(poison, "error", "")]
    assert job_of(db, job_id).state == bulk.DONE


def test_a_search_that_takes_too_long_ends_the_job_and_it_can_go_on_later(
    db: Database, site: Site, me: int, flood: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flood()
    job_id = start(db, site, me)
    real = searching.matching

    def slow(*_: Any, **__: Any) -> list[int]:
        raise InvalidInput(searching.TOO_SLOW, field="q")

    monkeypatch.setattr(searching, "matching", slow)
    assert rounds(db) == 0
    job = job_of(db, job_id)
    assert (job.state, job.error) == (bulk.FAILED, searching.TOO_SLOW)
    monkeypatch.setattr(searching, "matching", real)
    act(db, bulk.resume, job_id, me)
    assert job_of(db, job_id).error == ""
    assert rounds(db) == 7


def test_live_comments_go_first_but_not_for_ever(
    db: Database, settings: Settings, site: Site, me: int, flood: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flood()
    start(db, site, me)
    worker = pace()
    take(db, settings, site, given("live", "Baru saja datang"))
    done = bulk_work.work_due(db, worker)
    assert (done.decided, done.more, done.wait) == (0, True, bulk_work.GLANCE)
    judge_all(db, settings)
    monkeypatch.setattr(bulk_work, "REST", 1.0)  # the lease, too, lasts for the rest: not long on a slow machine
    assert bulk_work.work_due(db, worker).decided == 3
    take(db, settings, site, given("live2", "Baru saja datang"))
    monkeypatch.setattr(bulk_work, "PATIENCE", 0.0)
    now = utcnow() + timedelta(seconds=0.9)
    assert bulk_work.work_due(db, worker, now).decided == 3
    now += timedelta(seconds=9)
    assert bulk_work.work_due(db, worker, now).decided == 0  # a comment has waited for seconds: more patience
    monkeypatch.setattr(bulk_work, "LONG_PATIENCE", 0.0)
    assert bulk_work.work_due(db, worker, now).decided == 1


def test_a_batch_is_followed_by_a_rest_that_all_workers_keep(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood()
    start(db, site, me)
    now = utcnow()
    first = bulk_work.work_due(db, pace(), now)
    assert first.wait > 0
    second = bulk_work.work_due(db, pace(), now)
    assert (second.decided, second.more) == (0, True)
    assert 0 < second.wait < 10
    assert bulk_work.work_due(db, pace(), now + timedelta(seconds=10)).decided == 3


def test_several_jobs_take_turns(db: Database, site: Site, me: int, flood: Callable[..., None]) -> None:
    flood()
    first = start(db, site, me)
    second = start(db, site, me, "status:held cuaca", "approve", None)
    for _ in range(2):
        bulk_work.work_due(db, pace())
    assert (job_of(db, first).decided, job_of(db, second).decided) == (3, 1)


def test_batches_grow_while_they_are_quick_and_shrink_when_they_are_not() -> None:
    worker = Pace()
    for _ in range(9):
        worker.learn(worker.size, 0.01, 0.1)
    assert worker.size == bulk_work.MOST
    worker.learn(3, 0.01, 0.1)  # a short batch says nothing
    for _ in range(19):
        worker.learn(worker.size, 0.2, 0.1)
    assert worker.size == bulk_work.LEAST


def test_the_rate_says_when_a_job_will_be_over(db: Database, site: Site, me: int, flood: Callable[..., None]) -> None:
    flood()
    job_id = start(db, site, me)
    rounds(db, 1)
    with db.transaction() as session:
        session.execute(update(Decision).where(Decision.job_id == job_id).values(created_at=utcnow()))
    with db.reading() as session:
        job = session.get_one(BulkJob, job_id)
        told = bulk_progress.progress(session, job, utcnow() + timedelta(seconds=6))
    assert told.rate == pytest.approx(0.5, rel=0.05)
    assert told.seconds == pytest.approx(8, abs=1)
    assert told.share == pytest.approx(3 / 7)


# Preview


def test_a_preview_counts_by_status_and_shows_newest_riskiest_and_random(
    db: Database, site: Site, me: int, flood: Callable[..., None]
) -> None:
    flood(20)
    risky = comment_of(db, "c3").id
    with db.transaction() as session:
        session.execute(update(Comment).where(Comment.id != risky).values(score=0.4))
    with db.reading() as session:
        rani = session.get_one(Moderator, me)
        told = bulk_preview.preview(session, [site.id], parse("slot"), rani, now=utcnow(), draw=random.Random(1))
    assert (told.total, told.by_status) == (21, {"held": 20, "approved": 1})
    why = {sample.card.id: sample.why for sample in told.sample}
    assert len(why) == len(told.sample) == bulk_preview.SAMPLE
    newest = [comment_of(db, name).id for name in ("good1", "c20", "c19", "c18")]
    assert [number for number, reason in why.items() if reason == "newest"] == newest
    assert why[risky] == "riskiest"
    assert "random" in why.values()
    assert all(sample.card.text and (sample.card.reasons or sample.card.status == "APPROVED") for sample in told.sample)


def test_a_preview_changes_nothing_and_tells_when_there_are_more(
    db: Database, site: Site, me: int, flood: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flood(3)
    monkeypatch.setattr(bulk_preview, "COUNTED", 2)
    with db.reading() as session:
        before = session.scalar(select(func.count()).select_from(Decision))
        rani = session.get_one(Moderator, me)
        assert bulk_preview.preview(session, [site.id], parse(SPAM), rani, now=utcnow()).total == 3
        nothing = bulk_preview.preview(session, [site.id], parse("tidakada"), rani, now=utcnow())
        assert (nothing.total, nothing.sample) == (0, ())
        assert session.scalar(select(func.count()).select_from(Decision)) == before
    job_id = start(db, site, me)
    rounds(db, 1)
    with db.reading() as session:
        job = session.get_one(BulkJob, job_id)
        told = bulk_progress.progress(session, job, utcnow())
    assert 0 < told.share <= 1
    assert told.seconds is None


def test_steps_of_people_are_in_the_audit(db: Database, site: Site, me: int, flood: Callable[..., None]) -> None:
    flood(1)
    job_id = start(db, site, me)
    act(db, bulk.pause, job_id, me)
    act(db, bulk.resume, job_id, me)
    rounds(db)
    with db.reading() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.subject == f"bulk:{job_id}").order_by(AuditEntry.id))
        assert [(row.actor, row.action) for row in rows] == [
            (f"moderator:{me}", "bulk.start"),
            (f"moderator:{me}", "bulk.paused"),
            (f"moderator:{me}", "bulk.running"),
            ("worker", "bulk.done"),
        ]


# The pages


@pytest.fixture
def browser(app: Flask, me: int, flood: Callable[..., None]) -> Browser:
    flood()
    return log_in(app, "rani@contoh.example")


def hidden(page: str, name: str) -> str:
    found = re.findall(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found, name
    return unescape(found[-1])


def confirm(browser: Browser, page: str) -> str:
    """Press the button that repeats the deed; the address of the job's page."""
    fields = {name: hidden(page, name) for name in ("q", "until_id", "decision", "reason")}
    answer = browser.post("/queue/bulk", "text/html", **fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_a_job_is_previewed_confirmed_followed_and_taken_back(browser: Browser, db: Database) -> None:
    page = browser.get("/queue/bulk?q=status:held+slot&lang=en").text
    assert "7 comments match" in page
    assert "kata buruk slot nomor 7" in page
    assert 'id="confirm"' not in page
    page = browser.get("/queue/bulk?q=status:held+slot&decision=reject&reason=SPAM&lang=en").text
    assert "Reject 7 comments (Spam)" in page
    place = confirm(browser, page)
    page = browser.get(place).text
    assert "0 of 7 comments" in page
    assert 'value="pause"' in page
    assert rounds(db, 1) == 3
    page = browser.get(place).text
    assert "3 of 7 comments" in page
    assert 'value="428" max="1000"' in page
    rounds(db)
    page = browser.get(place).text
    assert "Take 7 decisions back" in page
    assert 'value="pause"' not in page
    answer = browser.post(place, "text/html", deed="undo")
    assert answer.headers["Location"] != place
    rounds(db)
    assert statuses(db, NAMES) == ["HELD"] * 7
    page = browser.get("/queue/bulk").text
    assert "Take 7 decisions back" in page
    assert "Reject 7 comments (Spam)" in page
    assert "Taken back by" in browser.get(place).text


def test_the_pages_buttons_pause_resume_and_cancel(browser: Browser, db: Database) -> None:
    place = confirm(browser, browser.get("/queue/bulk?q=status:held+slot&decision=reject&reason=SPAM").text)
    for deed, state in (("pause", bulk.PAUSED), ("resume", bulk.RUNNING), ("cancel", bulk.CANCELLED)):
        assert browser.post(place, "text/html", deed=deed).status_code == 303
        assert job_of(db, int(place.rpartition("/")[2])).state == state
    assert browser.post(place, deed="explode").status_code == 422
    assert browser.post(place, deed="resume").status_code == 409


def test_conflicts_are_listed_with_who_and_what(browser: Browser, db: Database) -> None:
    place = confirm(browser, browser.get("/queue/bulk?q=status:held+slot&decision=reject&reason=SPAM").text)
    other = add_user(db, "budi@contoh.example", name="Budi <b>")
    decide(db, "c4", other, "reject", reason="OFFENSIVE")
    rounds(db)
    page = browser.get(place + "?lang=id").text
    assert f'<a href="/queue/{comment_of(db, "c4").id}">' in page
    assert "ditolak oleh Budi &lt;b&gt; · Menyinggung" in page


def test_progress_is_told_with_an_etag(browser: Browser, db: Database) -> None:
    place = confirm(browser, browser.get("/queue/bulk?q=status:held+slot&decision=reject&reason=SPAM").text)
    first = browser.client.get(place + "/progress?lang=en")
    assert first.json["state"] == "running"
    assert first.json["texts"]["head"] == "0 of 7 comments"
    again = browser.client.get(place + "/progress?lang=en", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    rounds(db)
    done = browser.client.get(place + "/progress?lang=en", headers={"If-None-Match": first.headers["ETag"]})
    assert (done.json["state"], done.json["share"], done.json["texts"]["percent"]) == ("done", 1.0, "100 %")


def test_a_page_says_that_no_worker_of_bulk_jobs_is_there(browser: Browser, db: Database) -> None:
    place = confirm(browser, browser.get("/queue/bulk?q=status:held+slot&decision=reject&reason=SPAM").text)
    sentence = "No worker of bulk jobs gives a sign of life"
    assert sentence in browser.get(place + "?lang=en").text
    with db.transaction() as session:
        health.beat(session, "bulk", utcnow())
    assert sentence not in browser.get(place + "?lang=en").text


def test_a_search_that_cannot_be_read_is_told_in_the_line(browser: Browser) -> None:
    answer = browser.get("/queue/bulk?q=status:maybe&lang=en")
    assert answer.status_code == 422
    assert "“status:maybe”: one of held, approved, rejected, pending goes there." in answer.text
    assert browser.get("/queue/bulk?q=%22%22").status_code == 422
    assert "0 comments match" in browser.get("/queue/bulk?q=tidakada&lang=en").text


def test_nobody_starts_or_steers_without_the_forms_token(browser: Browser) -> None:
    for path in ("/queue/bulk", "/queue/bulk/1", "/queue/selection"):
        assert browser.client.post(path, data={"csrf_token": "x"}).status_code == 403
    assert browser.post("/queue/bulk", q=SPAM, decision="approve", until_id="x").status_code == 422
    assert browser.get("/queue/bulk/99").status_code == 404


# What was picked by hand


def picked(db: Database, *names: str) -> list[str]:
    return [f"{comment.id}:{comment.version}" for comment in (comment_of(db, name) for name in names)]


def test_a_selection_is_decided_at_once_and_every_loser_is_told(browser: Browser, db: Database, me: int) -> None:
    wanted = picked(db, "c1", "c2", "c3", "c4")
    other = add_user(db, "budi@contoh.example", name="Budi")
    decide(db, "c2", other, "approve")
    with db.transaction() as session:
        claims.claim(
            session, session.get_one(Comment, comment_of(db, "c3").id), session.get_one(Moderator, other), utcnow()
        )
    answer = browser.post("/queue/selection", reject="SPAM", comment=[*wanted, "999:1"])
    assert answer.status_code == 200, answer.text
    results = answer.json["results"]
    assert [item["outcome"] for item in results] == ["decided", "conflict", "conflict", "decided", "conflict"]
    assert [item.get("what") for item in results] == [None, "approve", "claimed", None, "not_found"]
    assert results[1]["who"] == "Budi"
    assert results[0]["version"] == comment_of(db, "c1").version
    assert statuses(db, ["c1", "c2", "c3", "c4"]) == ["REJECTED", "APPROVED", "HELD", "REJECTED"]
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Decision).where(Decision.job_id.is_not(None))) == 0


def test_a_selection_without_script_leads_back_to_where_it_was_made(browser: Browser, db: Database) -> None:
    wanted = picked(db, "c1", "c2")
    decide(db, "c2", add_user(db, "budi@contoh.example", name="Budi"), "reject", reason="OTHER")
    answer = browser.post("/queue/selection", "text/html", decision="approve", comment=wanted, tab="held", q="slot")
    assert answer.headers["Location"].startswith("/queue?tab=held&q=slot&decided_many=1&conflicts=1&at=")


def test_a_selection_is_one_line_of_my_latest_and_is_taken_back_as_one(browser: Browser, db: Database) -> None:
    answer = browser.post("/queue/selection", reject="SPAM", comment=picked(db, "c1", "c2", "c3")).json
    assert "Spam · 3 komentar" in answer["line"]
    page = browser.get("/queue?lang=en").text
    assert page.count("<li data-comment=") == 1
    at = page.split('name="at" value="')[1].split('"')[0]
    assert browser.post("/queue/undo", at=at).json["text"].endswith("3 decisions undone.")
    assert statuses(db, ["c1", "c2", "c3"]) == ["HELD"] * 3
    assert "<li data-comment=" not in browser.get("/queue").text


def test_a_selection_has_a_size_a_deed_and_pairs(browser: Browser, db: Database) -> None:
    many = [f"{number}:1" for number in range(1, 102)]
    for fields, status, field in (
        ({"decision": "approve"}, 422, "comment"),
        ({"decision": "approve", "comment": many}, 422, "comment"),
        ({"decision": "approve", "comment": ["x"]}, 400, "comment"),
        ({"decision": "delete", "comment": many[:1]}, 422, "decision"),
        ({"decision": "reject", "comment": many[:1]}, 422, "reason"),
    ):
        answer = browser.post("/queue/selection", **fields)
        assert (answer.status_code, answer.json["error"]["field"]) == (status, field)
