"""Stored first, judged later, decided once: the way of a comment on both engines."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from moderation import pipeline, queues
from moderation.comments import intake
from moderation.comments.models import Comment, Revision
from moderation.db import Database, utcnow
from moderation.delivery.models import Delivery
from moderation.errors import Conflict
from moderation.policy import rules
from moderation.policy import store as policies
from moderation.policy.document import Policy
from moderation.policy.models import VerdictRow
from moderation.review.models import Decision
from moderation.scoring import work
from moderation.scoring.models import Score, Work
from moderation.settings import Settings
from tests.conftest import Recorder

from .helpers import BAD, KEY, POISON, FakeScorer, add_site, comment_of, given, judge_all, take


def count(db: Database, model: type) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_comment_is_stored_with_its_work_and_nudged_after_the_commit(
    db: Database, settings: Settings, sender: Recorder
) -> None:
    site = add_site(db).site
    taken = take(db, settings, site, given())
    assert (taken.outcome, taken.comment.status) == ("created", "PENDING")
    assert count(db, Work) == 1
    assert sender.sent == [queues.TASK_SCORE]


def test_a_rolled_back_transaction_stores_and_nudges_nothing(
    db: Database, settings: Settings, sender: Recorder
) -> None:
    site = add_site(db).site

    def fail_late() -> None:
        with db.transaction() as session:
            pipeline.take_in(session, site, given(), source="api", settings=settings, key=KEY, now=utcnow())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_late()
    assert count(db, Comment) == 0
    assert sender.sent == []


def test_a_friendly_comment_is_published_and_the_site_is_told(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given())
    judge_all(db, settings)
    assert comment_of(db).status == "APPROVED"
    assert comment_of(db).shown_next is True
    with db.reading() as session:
        row = session.scalars(select(Delivery)).one()
        assert (row.state, row.sequence) == ("due", 1)
        assert '"status":"APPROVED"' in row.payload
        assert '"scorers":["builtin@fake1"]' in row.payload


def test_a_bad_comment_is_held_with_its_reasons(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given(text=f"ini {BAD}"))
    judge_all(db, settings)
    comment = comment_of(db)
    assert (comment.status, comment.not_scored, comment.shown_next) == ("HELD", False, False)
    with db.reading() as session:
        verdict = session.scalars(select(VerdictRow)).one()
        assert {reason["signal"] for reason in verdict.reasons} == {"toxicity", "insult"}


def test_the_same_again_answers_as_the_first_did(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    first = take(db, settings, site, given())
    again = take(db, settings, site, given())
    assert again.outcome == "unchanged"
    assert again.comment.id == first.comment.id
    assert (count(db, Comment), count(db, Revision), count(db, Work)) == (1, 1, 1)


def test_another_text_under_the_same_id_is_refused_and_names_the_revision(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    take(db, settings, site, given())
    with pytest.raises(Conflict) as error:
        take(db, settings, site, given(text="teks lain"))
    assert error.value.details["revision"] == 1


def test_a_comment_is_held_as_not_scored_when_the_scorer_fails_three_times(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given(text=POISON))
    scorer = judge_all(db, settings)
    assert len(scorer.seen) == work.MAX_ATTEMPTS
    comment = comment_of(db)
    assert (comment.status, comment.not_scored) == ("HELD", True)


def test_one_poison_text_charges_nobody_else(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    for number in range(5):
        take(db, settings, site, given(f"c{number}", text=POISON if number == 2 else f"Salam nomor {number}"))
    judge_all(db, settings)
    assert [comment_of(db, f"c{number}").status for number in range(5)] == ["APPROVED"] * 2 + ["HELD"] + [
        "APPROVED"
    ] * 2


def test_a_result_out_of_range_counts_as_a_failure(db: Database, settings: Settings) -> None:
    class Broken(FakeScorer):
        def score(self, texts):  # type: ignore[no-untyped-def]
            return [replace(score, signals={"spam": float("nan")}) for score in super().score(texts)]

    take(db, settings, add_site(db).site, given())
    judge_all(db, settings, Broken())
    assert comment_of(db).not_scored is True
    assert count(db, Score) == 0


def test_a_comment_past_its_deadline_goes_to_people_as_not_scored(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given(), now=utcnow() - timedelta(seconds=61))
    assert pipeline.overdue(db, settings) == 1
    comment = comment_of(db)
    assert (comment.status, comment.not_scored) == ("HELD", True)


def test_a_comment_within_its_deadline_is_left_alone(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given(), now=utcnow() - timedelta(seconds=50))
    assert pipeline.overdue(db, settings) == 0
    assert comment_of(db).status == "PENDING"


def test_a_late_score_may_still_approve_what_only_the_deadline_held(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given(), now=utcnow() - timedelta(seconds=61))
    pipeline.overdue(db, settings)
    judge_all(db, settings)
    comment = comment_of(db)
    assert (comment.status, comment.not_scored) == ("APPROVED", False)


def test_a_late_score_that_holds_leaves_the_not_scored_list(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given(text=BAD), now=utcnow() - timedelta(seconds=61))
    pipeline.overdue(db, settings)
    judge_all(db, settings)
    comment = comment_of(db)
    assert (comment.status, comment.not_scored) == ("HELD", False)


def test_without_a_scorer_every_comment_waits_for_a_person(db: Database, settings: Settings) -> None:
    take(db, replace(settings, scorer="off"), add_site(db).site, given())
    comment = comment_of(db)
    assert (comment.status, comment.not_scored) == ("HELD", True)


def test_a_language_that_the_scorer_does_not_speak_is_held(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given(text="Спасибо большое"))
    judge_all(db, settings, FakeScorer(supported=False))
    assert comment_of(db).status == "HELD"
    with db.reading() as session:
        assert session.scalars(select(VerdictRow)).one().reasons[0]["code"] == "language_not_supported"


def test_a_dead_workers_row_is_claimed_again_when_its_lease_runs_out(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given())
    with db.transaction() as session:
        assert len(work.claim(session, "builtin", now=utcnow(), limit=16)) == 1
    assert judge_all(db, settings).seen == []  # still leased to the dead one
    with db.transaction() as session:
        session.execute(update(Work).values(lease_until=utcnow() - timedelta(seconds=1)))
    judge_all(db, settings)
    assert comment_of(db).status == "APPROVED"


def test_a_worker_that_died_three_times_over_a_text_leaves_it_to_people(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given())
    with db.transaction() as session:
        past = utcnow() - timedelta(seconds=1)
        session.execute(update(Work).values(state="leased", attempts=3, lease_token="dead", lease_until=past))
    pipeline.overdue(db, settings)
    comment = comment_of(db)
    assert (comment.status, comment.not_scored) == ("HELD", True)


def test_a_result_that_comes_after_its_lease_is_dropped(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given())

    def steal() -> None:
        with db.transaction() as session:
            session.execute(update(Work).values(lease_token="somebody else"))

    pipeline.score_due(db, FakeScorer(before=steal), settings)
    assert count(db, Score) == 0
    assert comment_of(db).status == "PENDING"


def test_a_comment_that_nobody_was_asked_to_judge_is_found_by_the_sweep(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    with db.transaction() as session:
        intake.accept(session, site, given(), source="api", secret=KEY, now=utcnow())
    pipeline.overdue(db, settings)
    judge_all(db, settings)
    assert comment_of(db).status == "APPROVED"


def test_two_workers_never_judge_one_text_twice(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    for number in range(40):
        take(db, settings, site, given(f"c{number}", text=f"Salam nomor {number}"))
    scorers = [FakeScorer(), FakeScorer()]
    threads = [threading.Thread(target=judge_all, args=(db, settings, scorer)) for scorer in scorers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [text for scorer in scorers for batch in scorer.seen for text in batch]
    assert sorted(texts) == sorted(f"Salam nomor {number}" for number in range(40))
    assert (count(db, Score), count(db, Decision), count(db, Delivery)) == (40, 40, 40)


def test_the_policy_of_the_day_judges_and_its_version_is_kept(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    with db.transaction() as session:
        policies.publish(session, site.id, {"mode": "pre"}, by="test", now=utcnow())
    take(db, settings, site, given())
    judge_all(db, settings)
    assert comment_of(db).status == "HELD"
    with db.reading() as session:
        assert session.scalars(select(VerdictRow)).one().policy_version == 1


def test_automatic_rejection_happens_only_where_the_site_switched_it_on(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    with db.transaction() as session:
        bands = {"builtin": {"toxicity": {"hold": 0.5, "reject": 0.9}}}
        policies.publish(session, site.id, {"auto_reject": True, "bands": bands}, by="test", now=utcnow())
    take(db, settings, site, given(text=BAD))
    judge_all(db, settings)
    assert comment_of(db).status == "REJECTED"


def test_one_comment_that_cannot_be_judged_harms_no_other_of_its_batch(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = add_site(db).site
    for number in range(5):
        take(db, settings, site, given(f"c{number}", text=f"Komentar {number}"))
    judge = rules.judge

    def breaks_on_the_third(policy: Policy, facts: rules.Facts) -> rules.Verdict:
        if "komentar 2" in facts.folded:
            raise RuntimeError("a rule broke")
        return judge(policy, facts)

    monkeypatch.setattr(rules, "judge", breaks_on_the_third)
    judge_all(db, settings)
    assert [comment_of(db, f"c{n}").status for n in range(5)].count("APPROVED") == 4
    broken = comment_of(db, "c2")
    assert (broken.status, broken.not_scored) == ("HELD", True)


def test_a_comment_whose_judgement_breaks_goes_to_people_when_its_deadline_is_over(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = add_site(db).site
    for number in range(3):
        take(db, settings, site, given(f"c{number}"), now=utcnow() - timedelta(seconds=settings.score_deadline + 1))

    def broken(*_: object) -> rules.Verdict:
        raise RuntimeError("a rule broke")

    monkeypatch.setattr(rules, "judge", broken)
    pipeline.overdue(db, settings)
    assert {(comment_of(db, f"c{n}").status, comment_of(db, f"c{n}").not_scored) for n in range(3)} == {("HELD", True)}
