"""Rescore runs: what is planned, handed out, scored once, left alone; who gives way to whom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from moderation import pipeline, queues
from moderation.accounts.models import Site
from moderation.comments.intake import TextInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.policy.models import PolicyDraft
from moderation.rescoring import batches, runs
from moderation.rescoring.batches import Worker
from moderation.rescoring.models import RescoreBatch, RescoreMove, RescoreRun
from moderation.rescoring.runs import By
from moderation.review.models import Decision
from moderation.scoring import builtin, live
from moderation.scoring.models import Score
from moderation.scoring.scorer import TextScore
from moderation.settings import Settings
from moderation.signals import SIGNALS
from tests.conftest import Recorder

from .helpers import BAD, KEY, POISON, add_site, comment_of, given, judge_all, take

VERSION = builtin.BuiltinScorer().version


@dataclass
class Stub:
    """The new version: says 0.99 to `hujan`, 0.01 to the rest; fails on `teks racun`."""

    name: str = "builtin"
    version: str = VERSION
    languages: frozenset[str] = frozenset({"id"})
    seen: list[str] = field(default_factory=list)
    before: Callable[[], None] | None = None

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        if self.before is not None:
            self.before()
        if any(POISON in text for text in texts):
            raise RuntimeError("racun")
        self.seen += texts
        values = [0.99 if "hujan" in text else 0.01 for text in texts]
        return [TextScore(dict.fromkeys(SIGNALS, value), "id") for value in values]


@pytest.fixture
def site(db: Database) -> Site:
    return add_site(db).site


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def archive(db: Database, settings: Settings, site: Site) -> Callable[..., None]:
    """Comments with these texts, c1 …, judged by the old version."""

    def make(*texts: str) -> None:
        wanted = [given(f"c{number}", text) for number, text in enumerate(texts, 1)]
        with db.transaction() as session:
            pipeline.take_in_many(session, site, wanted, source="api", settings=settings, key=KEY, now=utcnow())
        judge_all(db, settings)

    return make


def worker(db: Database, settings: Settings, stub: Stub, size: int = 3) -> Worker:
    """A worker of batches of `size`, that learns nothing."""
    made = Worker(db, settings, load=lambda *_: stub)
    made.size = size
    made._learn = lambda *_: None  # type: ignore[method-assign]  # batches as small as a test wants them
    return made


def plan(db: Database, settings: Settings, site: Site, line: str = "", **values: Any) -> runs.Plan:
    with db.reading() as session:
        return runs.plan(session, settings, site, line, "builtin", tz=UTC, now=utcnow(), **values)


def start(db: Database, settings: Settings, site: Site, line: str = "", **values: Any) -> int:
    planned = plan(db, settings, site, line, **values)
    with db.transaction() as session:
        return runs.start(session, planned, By(), utcnow()).id


def run_of(db: Database, run_id: int) -> RescoreRun:
    with db.reading() as session:
        return runs.get(session, run_id)


def work(made: Worker, most: int = 60) -> int:
    """Rounds until nothing is left; how many comments were dealt with."""
    dealt = 0
    for _ in range(most):
        done = made.work_due()
        dealt += done.comments
        if not done.more:
            break
    return dealt


def steer(db: Database, deed: Callable[..., None], run_id: int) -> None:
    with db.transaction() as session:
        deed(session, runs.get(session, run_id, lock=True), By(), utcnow())


def expire(db: Database) -> None:
    with db.transaction() as session:
        past = utcnow() - timedelta(minutes=1)
        session.execute(update(RescoreBatch).where(RescoreBatch.done.is_(False)).values(lease_until=past))


def scores(db: Database) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(Score).where(Score.version == VERSION)) or 0


def decisions(db: Database) -> list[Any]:
    with db.reading() as session:
        wanted = select(Decision.comment_id, Decision.sequence, Decision.action).order_by(Decision.id)
        return [tuple(row) for row in session.execute(wanted)]


def test_each_comment_is_scored_once_and_nothing_is_decided(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub, sender: Recorder
) -> None:
    archive(*(f"cuaca {number} {'hujan' if number < 3 else 'cerah'}" for number in range(8)), f"{BAD} di sana")
    before = decisions(db)
    run_id = start(db, settings, site)
    assert queues.TASK_RESCORE in sender.sent
    assert work(worker(db, settings, stub)) == 9
    run = run_of(db, run_id)
    assert (run.state, run.total, run.scored, run.reused, run.failed) == ("done", 9, 9, 0, 0)
    assert scores(db) == 9
    assert len(stub.seen) == 9
    assert decisions(db) == before
    assert comment_of(db, "c1").status == "APPROVED"
    with db.reading() as session:
        moves = session.scalars(select(RescoreMove).order_by(RescoreMove.comment_id)).all()
        assert [(move.was, move.would) for move in moves] == [("approve", "hold")] * 3 + [("hold", "approve")]
        assert all(move.before is not None and move.human is None for move in moves)
        counts = session.scalars(select(RescoreBatch.counts)).all()
        assert sum(found["comments"] for found in counts) == 9
        new = session.scalars(select(Score).where(Score.version == VERSION)).first()
        assert new is not None
        assert not new.shadow  # the version that is live


def test_only_what_matches_is_scored_and_what_came_later_is_not(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive("cuaca hujan", "cuaca cerah", f"{BAD} hujan")
    run_id = start(db, settings, site, "status:approved")
    take(db, settings, site, given("later", "cuaca lain"))
    judge_all(db, settings)
    assert work(worker(db, settings, stub)) == 2
    assert run_of(db, run_id).scored == 2


def test_an_equal_text_is_not_computed_again(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive("Mantap sekali", "mantap  sekali", "cuaca cerah")
    run_id = start(db, settings, site, "mantap")
    work(worker(db, settings, stub))
    assert (run_of(db, run_id).scored, run_of(db, run_id).reused, len(stub.seen)) == (1, 1, 1)
    again = start(db, settings, site, "status:approved")
    work(worker(db, settings, stub))
    run = run_of(db, again)
    assert (run.scored, run.reused) == (1, 2)
    assert scores(db) == 3
    take(db, settings, site, given("c9", "MANTAP sekali"))
    judge_all(db, settings)
    third = start(db, settings, site, "mantap")
    work(worker(db, settings, stub))
    assert (run_of(db, third).reused, scores(db)) == (3, 4)
    assert len(stub.seen) == 2


def test_a_worker_that_died_costs_one_batch_and_its_late_result_is_dropped(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive(*(f"cuaca {number}" for number in range(7)))
    run_id = start(db, settings, site)
    second = Stub()

    def others() -> None:
        stub.before = None
        expire(db)
        work(worker(db, settings, second))

    stub.before = others
    late = worker(db, settings, stub)
    late.work_due()
    run = run_of(db, run_id)
    assert (run.state, run.scored, scores(db)) == ("done", 7, 7)
    assert len(second.seen) == 7
    with db.reading() as session:
        assert session.scalar(select(func.sum(RescoreBatch.scored))) == 7


def test_two_workers_share_a_run(db: Database, settings: Settings, site: Site, archive: Any, stub: Stub) -> None:
    archive(*(f"cuaca {number}" for number in range(9)))
    run_id = start(db, settings, site)
    first, second = worker(db, settings, stub, 2), worker(db, settings, Stub(), 2)
    stub.before = lambda: second.work_due() and None
    work(first)
    assert (run_of(db, run_id).state, scores(db)) == ("done", 9)
    assert 0 < len(stub.seen) < 9


def test_a_text_that_raises_is_counted_as_failed_and_the_run_goes_on(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive("cuaca 1", "cuaca 2")
    take(db, settings, site, given("poison", f"{POISON} cuaca"))
    with db.transaction() as session:
        session.execute(update(Comment).values(status="HELD"))
    run_id = start(db, settings, site)
    work(worker(db, settings, stub))
    run = run_of(db, run_id)
    assert (run.state, run.scored, run.failed, scores(db)) == ("done", 2, 1, 2)


class Killed(BaseException):
    """What a kill -9 looks like from inside."""


def test_a_text_that_kills_its_worker_is_alone_soon_and_fails_after_three_attempts(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive(*(f"cuaca {number}" for number in range(30)))
    deaths = 0

    class Deadly(Stub):
        def score(self, texts: Sequence[str]) -> list[TextScore]:
            if "cuaca 17" in texts:
                raise Killed
            return super().score(texts)

    run_id = start(db, settings, site)
    deadly = Deadly()
    for _ in range(80):
        made = worker(db, settings, deadly, 30)
        try:
            if not made.work_due().more:
                break
        except Killed:
            deaths += 1
            expire(db)
    run = run_of(db, run_id)
    assert (run.state, run.scored, run.failed) == ("done", 29, 1)
    assert deaths == 5  # thirty together, three together, three times alone


def test_nothing_is_written_after_a_cancel(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive(*(f"cuaca {number}" for number in range(6)))
    run_id = start(db, settings, site)
    made = worker(db, settings, stub)
    made.work_due()
    stub.before = lambda: steer(db, runs.cancel, run_id)
    assert made.work_due().comments == 0
    run = run_of(db, run_id)
    assert (run.state, run.scored, scores(db)) == ("cancelled", 3, 3)
    assert not made.work_due().more
    with pytest.raises(Conflict):
        steer(db, runs.resume, run_id)


def test_a_paused_run_hands_out_nothing_until_it_is_resumed(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive(*(f"cuaca {number}" for number in range(6)))
    run_id = start(db, settings, site)
    stub.before = lambda: steer(db, runs.pause, run_id)
    made = worker(db, settings, stub)
    assert made.work_due().comments == 3  # what is at work may finish
    stub.before = None
    assert work(made) == 0
    steer(db, runs.resume, run_id)
    assert work(made) == 3
    assert run_of(db, run_id).state == "done"


def test_there_is_one_active_run_for_a_site_scorer_and_search(
    db: Database, settings: Settings, site: Site, archive: Any
) -> None:
    archive("cuaca")
    run_id = start(db, settings, site, "cuaca")
    with pytest.raises(Conflict) as refused:
        start(db, settings, site, "cuaca")
    assert refused.value.details["run"] == str(run_id)
    start(db, settings, site, "status:approved")
    steer(db, runs.cancel, run_id)
    start(db, settings, site, "cuaca")


def test_a_plan_counts_and_shows_and_changes_nothing(
    db: Database, settings: Settings, site: Site, archive: Any
) -> None:
    archive("cuaca hujan", "cuaca cerah", "lain")
    planned = plan(db, settings, site, "cuaca after:30d")
    assert (planned.total, planned.scorer, planned.version, planned.live) == (2, "builtin", VERSION, True)
    assert [one.text for one in planned.sample] == ["cuaca cerah", "cuaca hujan"]
    assert "30d" not in planned.query  # a moment in the place of the age
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(RescoreRun)) == 0
    for wrong, field_name in (
        ({"line": "nothere:1"}, "q"),
        ({"policy": "draft:9"}, "policy"),
        ({"policy": "x"}, "policy"),
        ({"device": "cuda"}, "device"),
    ):
        with pytest.raises(InvalidInput) as refused:
            plan(db, settings, site, **wrong)  # type: ignore[arg-type]  # each a keyword of its own
        assert refused.value.field == field_name
    with pytest.raises(InvalidInput):
        start(db, settings, site, "takada")


def test_a_draft_judges_as_it_stood_when_the_run_began(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive("cuaca hujan", "cuaca cerah")
    with db.transaction() as session:
        draft = PolicyDraft(
            site_id=site.id,
            name="ketat",
            based_on=0,
            document={"word_lists": [{"name": "x", "words": ["cerah"]}]},
            created_by="rani",
            created_at=utcnow(),
            updated_at=utcnow(),
        )
        session.add(draft)
        session.flush()
        draft_id = draft.id
    run_id = start(db, settings, site, policy=f"draft:{draft_id}")
    with db.transaction() as session:
        session.execute(update(PolicyDraft).values(document={}))
    work(worker(db, settings, stub))
    assert run_of(db, run_id).draft_id == draft_id
    with db.reading() as session:
        assert [move.was for move in session.scalars(select(RescoreMove))] == ["approve"]


def test_an_edited_text_is_scored_in_its_new_revision_and_a_withdrawn_one_is_left_out(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive("cuaca 1", "cuaca 2", "cuaca 3")
    run_id = start(db, settings, site)
    with db.transaction() as session:
        one, two = (session.scalars(select(Comment).where(Comment.external_id == name)).one() for name in ("c1", "c2"))
        values: dict[str, Any] = {"settings": settings, "key": KEY, "now": utcnow()}
        pipeline.edit(session, site, one, TextInput("cuaca baru"), tag="2", **values)
        pipeline.withdraw(session, site, two, tag="2", **values)
    judge_all(db, settings)
    work(worker(db, settings, stub))
    assert sorted(stub.seen) == ["cuaca 3", "cuaca baru"]
    run = run_of(db, run_id)
    assert (run.state, run.scored, scores(db)) == ("done", 2, 2)


def test_a_run_gives_way_while_a_live_comment_waits_too_long_and_says_so(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive(*(f"cuaca {number}" for number in range(4)))
    run_id = start(db, settings, site)
    take(db, settings, site, given("live", "cuaca sekarang"))
    made = worker(db, settings, stub)
    assert made.work_due().comments == 3  # it has only just come
    with db.transaction() as session:
        past = utcnow() - timedelta(seconds=3)
        session.execute(update(Comment).where(Comment.status == "PENDING").values(pending_since=past))
    assert made.work_due().comments == 0
    assert made.work_due().wait > 0
    assert not stub.seen[3:]
    judge_all(db, settings)
    assert work(made) == 1
    run = run_of(db, run_id)
    assert (run.state, run.yielded) == ("done", 1)
    assert run.yielded_seconds > 0


def test_a_run_rests_after_each_batch_as_long_as_live_comments_rush_in_and_not_when_it_is_quiet(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(*(f"cuaca {number}" for number in range(6)))
    start(db, settings, site)
    made = worker(db, settings, stub)
    monkeypatch.setattr(live, "RUSH", 12)
    with db.reading() as session:
        now = utcnow()
        assert (live.rush(session, now), live.rush(session, now + live.QUIET)) == (0.5, 0.0)
    assert made.work_due().wait > 0
    assert made.work_due(utcnow() + live.QUIET).wait == 0


def test_a_run_gives_way_while_the_database_is_slow(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive(*(f"cuaca {number}" for number in range(4)))
    run_id = start(db, settings, site)
    made = worker(db, replace(settings, rescore_slow_ms=50), stub)
    made._write_seconds = 0.06
    assert (made.work_due().comments, made.work_due().comments) == (0, 0)
    made._since = made._since and made._since - 1
    assert work(made) == 4
    assert run_of(db, run_id).yielded == 1


def test_a_machine_without_the_scorer_leaves_the_run_to_others_and_says_why(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive("cuaca 1")
    run_id = start(db, settings, site)

    def refuse(*_: Any) -> Stub:
        raise NotFound("no weights here")

    lacking = Worker(db, settings, load=refuse)
    assert work(lacking) == 0
    assert (run_of(db, run_id).state, run_of(db, run_id).error) == ("running", "no weights here")
    assert work(worker(db, settings, stub)) == 1
    assert (run_of(db, run_id).state, run_of(db, run_id).error) == ("done", "")


def test_progress_says_how_far_how_fast_and_how_long_still(
    db: Database, settings: Settings, site: Site, archive: Any, stub: Stub
) -> None:
    archive(*(f"cuaca {number}" for number in range(6)))
    run_id = start(db, settings, site)
    made = worker(db, settings, stub)
    made.work_due()
    with db.reading() as session:
        told = runs.progress(session, runs.get(session, run_id), utcnow() + timedelta(seconds=1))
    assert (told.share, told.remaining, told.tally.scored, told.total) == (0.5, 3, 3, 6)
    assert told.rate is not None
    assert told.rate > 0
    assert told.seconds is not None


def test_the_scorer_of_a_run_is_loaded_by_its_version(
    db: Database, settings: Settings, site: Site, archive: Any
) -> None:
    archive("Terima kasih, artikelnya jelas.", "Dasar goblok, mati aja lo")
    run_id = start(db, settings, site)
    assert work(Worker(db, settings, load=batches.load)) == 2
    assert run_of(db, run_id).scored == 2
