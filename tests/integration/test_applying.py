"""Applying a report: chosen movements wait for people again, nothing changes outside, all can be taken back."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from moderation.accounts.models import Moderator, Site
from moderation.comments import reading
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.delivery.models import Delivery
from moderation.errors import Conflict, InvalidInput
from moderation.rescoring import apply_work, applying, report, runs
from moderation.rescoring.apply_work import Pace
from moderation.rescoring.applying import Movement
from moderation.rescoring.models import RescoreApplied, RescoreRun
from moderation.rescoring.runs import By
from moderation.review import cards, decided, decisions, undoing
from moderation.review.decisions import Decider
from moderation.review.models import Decision
from moderation.settings import Settings

from .helpers import add_site, add_user, comment_of, given, judge_all, take
from .test_rescoring import Stub, start, work, worker

WET = [Movement("approve", "hold")]


@pytest.fixture
def site(db: Database) -> Site:
    return add_site(db).site


@pytest.fixture
def rani(db: Database) -> int:
    return add_user(db, name="Rani", role="senior")


@pytest.fixture
def run_id(db: Database, settings: Settings, site: Site, rani: int) -> int:
    """A finished run that would hold c1 … c4; a person has approved c4."""
    for number in range(1, 7):
        take(db, settings, site, given(f"c{number}", f"cuaca nomor {number} {'hujan' if number < 5 else 'cerah'}"))
    judge_all(db, settings)
    decide(db, "c4", "approve", rani)
    made = start(db, settings, site)
    work(worker(db, settings, Stub(), 10))
    return made


def decide(db: Database, external_id: str, action: str, by: int, **values: Any) -> None:
    with db.transaction() as session:
        comment = session.scalars(select(Comment).where(Comment.external_id == external_id)).one()
        me = session.get_one(Moderator, by)
        decisions.decide(session, comment, action, Decider(me), seen_version=comment.version, now=utcnow(), **values)


def undo(db: Database, external_id: str, by: int) -> None:
    with db.transaction() as session:
        comment = session.scalars(select(Comment).where(Comment.external_id == external_id)).one()
        undoing.undo(session, comment, session.get_one(Moderator, by), seen_version=comment.version, now=utcnow())


def apply(db: Database, run_id: int, chosen: list[Movement], undoes: int | None = None) -> int:
    """Start a job and let it work to its end; its id."""
    with db.transaction() as session:
        run = runs.get(session, run_id, lock=True)
        if undoes is None:
            job = applying.start(session, run, chosen, By(), utcnow())
        else:
            job = applying.undo(session, run, applying.get(session, run, undoes), By(), utcnow())
        job_id = job.id
    while apply_work.work_due(db, Pace()).more:
        pass
    return job_id


def outcomes(db: Database, job_id: int) -> dict[str, tuple[str, str]]:
    with db.reading() as session:
        rows = session.execute(
            select(Comment.external_id, RescoreApplied.outcome, RescoreApplied.detail)
            .join(Comment, Comment.id == RescoreApplied.comment_id)
            .where(RescoreApplied.apply_id == job_id)
        )
        return {name: (outcome, detail) for name, outcome, detail in rows}


def told(db: Database) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(Delivery)) or 0


def shown(db: Database, site: Site) -> set[str]:
    with db.reading() as session:
        thread = reading.thread(session, session.get_one(Site, site.id), "s1", now=utcnow())
        return {item.external_id for item in thread.items}


def test_what_is_applied_waits_for_people_while_nothing_changes_outside(db: Database, site: Site, run_id: int) -> None:
    before, public = told(db), shown(db, site)
    job_id = apply(db, run_id, WET)

    assert outcomes(db, job_id) == {**dict.fromkeys(("c1", "c2", "c3"), ("held", "")), "c4": ("left", "decided")}
    assert [comment_of(db, f"c{n}").status for n in range(1, 7)] == ["HELD"] * 3 + ["APPROVED"] * 3
    assert (told(db), shown(db, site)) == (before, public)
    with db.reading() as session:
        comment = session.scalars(select(Comment).where(Comment.external_id == "c1")).one()
        (card,) = cards.build(session, [comment])
        last = decided.latest(session, comment.id)
        assert last is not None
        assert (last.action, last.origin, last.moderator_id) == ("hold", "rescore", None)
        reason = card.reasons[0]
        assert (reason.code, reason.before, reason.value) == ("rescored", 0.01, 0.99)
        assert {bar.value for bar in card.signals} == {0.99}
        assert decided.told_of(session, last).outward == decided.Standing("approve", None)
        own = reading.own(session, session.get_one(Site, site.id), comment.id, reading.own_hash(b"k", comment.id), b"k")
        assert own is not None
        assert own.status == "APPROVED"


def test_an_undone_job_leaves_everything_as_it_was_exactly_once(db: Database, site: Site, run_id: int) -> None:
    before = told(db)
    job_id = apply(db, run_id, WET)
    back = apply(db, run_id, [], undoes=job_id)

    assert set(outcomes(db, back).values()) == {("restored", "")}
    assert [comment_of(db, f"c{n}").status for n in range(1, 5)] == ["APPROVED"] * 4
    assert told(db) == before
    with db.reading() as session:
        (card,) = cards.build(session, session.scalars(select(Comment).where(Comment.external_id == "c1")).all())
        assert [reason.code for reason in card.reasons] == []
        assert applying.held_of(session, [run_id]) == {}
    with pytest.raises(Conflict, match="taken back"):
        apply(db, run_id, [], undoes=job_id)


def test_whoever_decides_meanwhile_is_not_overruled_by_the_undo(
    db: Database, site: Site, run_id: int, rani: int
) -> None:
    job_id = apply(db, run_id, WET)
    decide(db, "c2", "reject", rani, reason="SPAM")
    back = apply(db, run_id, [], undoes=job_id)

    assert outcomes(db, back)["c2"] == ("left", "decided")
    assert comment_of(db, "c2").status == "REJECTED"
    assert "c2" not in shown(db, site)


def test_undoing_a_rejection_of_what_was_applied_shows_it_again(
    db: Database, site: Site, run_id: int, rani: int
) -> None:
    apply(db, run_id, WET)
    decide(db, "c1", "reject", rani, reason="SPAM")
    undo(db, "c1", rani)

    assert comment_of(db, "c1").status == "HELD"
    assert "c1" in shown(db, site)
    with db.reading() as session:
        payloads = session.scalars(select(Delivery.payload).order_by(Delivery.id.desc()).limit(1)).all()
    assert '"status":"APPROVED"' in payloads[0]


def test_what_was_edited_withdrawn_or_held_meanwhile_is_left_alone_with_why(db: Database, run_id: int) -> None:
    with db.transaction() as session:
        for name, values in (
            ("c1", {"revision": 2}),
            ("c2", {"status": "WITHDRAWN"}),
            ("c3", {"status": "HELD"}),
        ):
            session.execute(update(Comment).where(Comment.external_id == name).values(**values))
    with db.reading() as session:
        found = applying.preview(session, runs.get(session, run_id), WET)
    assert (found.total, found.decided, found.changed, found.queued) == (4, 1, 3, 0)
    with pytest.raises(InvalidInput, match="None of the chosen"):
        apply(db, run_id, WET)
    with db.transaction() as session:
        session.execute(update(Comment).where(Comment.external_id == "c3").values(status="APPROVED"))
    found_outcomes = outcomes(db, apply(db, run_id, WET))
    assert found_outcomes["c1"] == ("left", "edited")
    assert found_outcomes["c2"] == ("left", "withdrawn")
    assert found_outcomes["c3"] == ("held", "")


def test_only_what_is_chosen_by_signal_and_score_is_applied(db: Database, run_id: int) -> None:
    with db.reading() as session:
        run = runs.get(session, run_id)
        spoken = {row.signal for row in report.moves(session, run)}
        (signal,) = spoken

        def count(**values: Any) -> int:
            return applying.preview(session, run, [Movement("approve", "hold", **values)]).total

        assert (count(), count(min_score=0.98), count(min_score=0.995)) == (4, 4, 0)
        assert (count(signal=signal), count(signal="threat" if signal != "threat" else "spam")) == (4, 0)
    for wrong in ({"was": "hold", "would": "reject"}, {"was": "approve", "would": "approve"}, {"was": "approve"}):
        with pytest.raises(InvalidInput):
            Movement.parse(wrong)
    with pytest.raises(InvalidInput):
        Movement.parse({"was": "approve", "would": "hold", "min_score": 1.5})


def test_a_job_that_breaks_on_one_comment_goes_on_with_the_others(
    db: Database, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = decisions.decide_many

    def brittle(session: Any, comments: Any, *args: Any, **values: Any) -> Any:
        if any(comment.external_id == "c2" for comment in comments):
            raise RuntimeError("broken")
        return real(session, comments, *args, **values)

    monkeypatch.setattr(decisions, "decide_many", brittle)
    found = outcomes(db, apply(db, run_id, WET))
    assert (found["c1"], found["c2"], found["c3"]) == (("held", ""), ("left", "error"), ("held", ""))


def test_a_run_that_is_not_finished_is_not_applied_and_one_job_works_at_a_time(db: Database, run_id: int) -> None:
    with db.transaction() as session:
        run = runs.get(session, run_id, lock=True)
        first = applying.start(session, run, WET, By(), utcnow())
        with pytest.raises(Conflict, match="at work"):
            applying.start(session, run, WET, By(), utcnow())
        applying.pause(session, run, first, By(), utcnow())
    assert not apply_work.work_due(db, Pace()).more
    with db.transaction() as session:
        run = runs.get(session, run_id, lock=True)
        job = applying.get(session, run, first.id, lock=True)
        applying.cancel(session, run, job, By(), utcnow())
        with pytest.raises(Conflict, match="nothing"):
            applying.undo(session, run, job, By(), utcnow())
        session.execute(update(RescoreRun).values(state="paused"))
        session.refresh(run)
        with pytest.raises(Conflict, match="not finished"):
            applying.start(session, run, WET, By(), utcnow())
        assert session.scalar(select(func.count()).select_from(Decision).where(Decision.origin == "rescore")) == 0


def test_the_report_of_a_run_adds_up_its_batches_and_shows_samples_most_surprising_first(
    db: Database, run_id: int
) -> None:
    with db.reading() as session:
        run = runs.get(session, run_id)
        told_ = report.of_run(session, run)
        assert (told_.comments, told_.moved) == (6, 4)
        assert told_.matrix["approve", "hold"] == 4
        assert told_.decided["approve", "hold"] == 1
        assert told_.confusions["after"].overturned == 1
        samples = report.samples(session, run, "approve", "hold", limit=3)
        assert len(samples) == 3
        assert [one.surprise for one in samples] == sorted((one.surprise for one in samples), reverse=True)
        assert "hujan" in samples[0].text
        body = report.as_json(told_)
        assert body["comments"] == 6
        rows = list(report.csv_rows(told_))
        assert ("movement", "approve>hold", "comments", 4) in rows
