"""Deciding: guarded by the version that was seen, a person above the machine, nothing overwritten silently."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from moderation import pipeline
from moderation.accounts.models import AuditEntry, Moderator
from moderation.comments.intake import AuthorInput
from moderation.comments.models import Comment, Report, Story
from moderation.db import Database, utcnow
from moderation.delivery.models import Delivery
from moderation.errors import Conflict, InvalidInput, NotAllowed
from moderation.review import claims, decided, decisions, escalations, priority, tallies, undoing
from moderation.review.decisions import Decider
from moderation.review.models import Decision, Escalation
from moderation.settings import Settings

from .helpers import BAD, KEY, add_site, add_user, comment_of, given, judge_all, take


@pytest.fixture
def held(db: Database, settings: Settings) -> Comment:
    take(db, settings, add_site(db).site, given(text=BAD))
    judge_all(db, settings)
    return comment_of(db)


def decide(
    db: Database, user: int, action: str, seen: int, reason: str | None = None, **values: Any
) -> Decision | None:
    with db.transaction() as session:
        comment = session.get_one(Comment, 1, with_for_update=True)
        me = session.get_one(Moderator, user)
        return decisions.decide(
            session, comment, action, Decider(me), seen_version=seen, now=utcnow(), reason=reason, **values
        )


def undo(db: Database, user: int, seen: int) -> None:
    with db.transaction() as session:
        comment = session.get_one(Comment, 1, with_for_update=True)
        undoing.undo(session, comment, session.get_one(Moderator, user), seen_version=seen, now=utcnow())


def deliveries(db: Database) -> list[tuple[int, str]]:
    with db.reading() as session:
        return [(row.sequence, row.state) for row in session.scalars(select(Delivery).order_by(Delivery.sequence))]


def test_a_decision_is_comment_history_audit_and_outbox_in_one(db: Database, held: Comment) -> None:
    user = add_user(db)
    decide(db, user, "approve", held.version)
    comment = comment_of(db)
    assert (comment.status, comment.version, comment.sequence) == ("APPROVED", held.version + 1, 2)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Decision)) == 2
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "comment.approve")).one()
        assert entry.actor == f"moderator:{user}"
    assert deliveries(db) == [(1, "superseded"), (2, "due")]


def test_the_second_of_two_moderators_learns_who_what_and_when(db: Database, held: Comment) -> None:
    first, second = add_user(db), add_user(db, "sari@contoh.example", name="Sari P.")
    decide(db, second, "reject", held.version, "SPAM")
    with pytest.raises(Conflict) as error:
        decide(db, first, "approve", held.version)
    assert error.value.details["who"] == "Sari P."
    assert (error.value.details["what"], error.value.details["reason"]) == ("reject", "SPAM")
    assert comment_of(db).status == "REJECTED"


def test_the_same_answer_twice_is_a_quiet_success(db: Database, held: Comment) -> None:
    user = add_user(db)
    first = decide(db, user, "reject", held.version, "SPAM")
    again = decide(db, user, "reject", held.version, "SPAM")
    assert first is not None
    assert again is not None
    assert again.id == first.id
    assert comment_of(db).version == held.version + 1


def test_the_same_action_for_another_reason_is_a_conflict(db: Database, held: Comment) -> None:
    user = add_user(db)
    decide(db, user, "reject", held.version, "SPAM")
    with pytest.raises(Conflict):
        decide(db, user, "reject", held.version, "OFFENSIVE")


def test_many_at_once_give_one_winner(db: Database, held: Comment) -> None:
    users = [add_user(db, f"m{number}@contoh.example") for number in range(6)]
    outcomes: list[str] = []

    def race(user: int, reason: str) -> None:
        try:
            decide(db, user, "reject", held.version, reason)
            outcomes.append("won")
        except Conflict:
            outcomes.append("lost")

    threads = [
        threading.Thread(target=race, args=(user, decisions.REASONS[number])) for number, user in enumerate(users)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 5 + ["won"]
    with db.reading() as session:
        human = select(func.count()).select_from(Decision).where(Decision.moderator_id.is_not(None))
        assert session.scalar(human) == 1


def test_a_rejection_by_a_person_needs_a_known_reason(db: Database, held: Comment) -> None:
    user = add_user(db)
    for reason in (None, "BORING"):
        with pytest.raises(InvalidInput) as error:
            decide(db, user, "reject", held.version, reason)
        assert error.value.field == "reason"
    assert comment_of(db).status == "HELD"


def test_a_person_outranks_the_machine_whose_score_comes_later(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given(text=BAD), now=utcnow() - timedelta(seconds=90))
    pipeline.overdue(db, settings)
    user = add_user(db)
    decide(db, user, "approve", comment_of(db).version)
    judge_all(db, settings)
    assert comment_of(db).status == "APPROVED"


def test_an_edit_while_reading_asks_again(db: Database, settings: Settings, held: Comment) -> None:
    user = add_user(db)
    with db.transaction() as session:
        site = session.get_one(decisions.Site, held.site_id)
        pipeline.take_event(
            session, site, "updated", "t1|x", "c1", given(text="teks baru"), settings=settings, key=KEY, now=utcnow()
        )
    with pytest.raises(Conflict) as error:
        decide(db, user, "approve", held.version)
    assert error.value.details["what"] == "edited"
    assert comment_of(db).status == "PENDING"


def test_who_read_the_new_text_before_the_machine_did_is_not_told_that_a_person_was_first(
    db: Database, settings: Settings, held: Comment
) -> None:
    user = add_user(db)
    with db.transaction() as session:
        site = session.get_one(decisions.Site, held.site_id)
        new = given(text=f"teks baru {BAD}")
        pipeline.take_event(session, site, "updated", "t1|x", "c1", new, settings=settings, key=KEY, now=utcnow())
    seen = comment_of(db).version
    judge_all(db, settings)
    with pytest.raises(Conflict, match="The machine judged this text meanwhile") as error:
        decide(db, user, "approve", seen)
    assert (error.value.details["who"], error.value.details["what"]) == ("policy", "hold")


def test_a_new_revision_is_judged_anew_even_after_a_persons_decision(
    db: Database, settings: Settings, held: Comment
) -> None:
    decide(db, add_user(db), "approve", held.version)
    with db.transaction() as session:
        site = session.get_one(decisions.Site, held.site_id)
        pipeline.take_event(
            session, site, "updated", "t1|x", "c1", given(text=f"lain {BAD}"), settings=settings, key=KEY, now=utcnow()
        )
    assert comment_of(db).shown_next is False  # not public while it is not judged
    judge_all(db, settings)
    assert (comment_of(db).status, comment_of(db).revision) == ("HELD", 2)


def test_an_undo_inside_the_grace_goes_by_unheard(db: Database, settings: Settings) -> None:
    site = add_site(db, grace_seconds=10).site
    take(db, settings, site, given(text=BAD))
    judge_all(db, settings)
    with db.transaction() as session:  # the site has heard that it is held
        session.scalars(select(Delivery)).one().state = "delivered"
    user = add_user(db)
    seen = comment_of(db).version
    decide(db, user, "approve", seen)
    comment = comment_of(db)
    assert comment.shown is False
    assert comment.shown_at > utcnow()
    undo(db, user, comment.version)
    assert comment_of(db).status == "HELD"
    assert deliveries(db) == [(1, "delivered"), (2, "superseded")]


def test_an_undo_after_the_grace_is_told_with_a_higher_sequence(db: Database, held: Comment) -> None:
    user = add_user(db)
    decide(db, user, "approve", held.version)
    with db.transaction() as session:
        for row in session.scalars(select(Delivery).where(Delivery.state == "due")):
            row.state, row.attempts = "delivered", 1
    undo(db, user, comment_of(db).version)
    assert comment_of(db).status == "HELD"
    assert deliveries(db) == [(1, "superseded"), (2, "delivered"), (3, "due")]


def test_nobody_undoes_what_is_not_theirs(db: Database, held: Comment) -> None:
    first, second = add_user(db), add_user(db, "sari@contoh.example")
    decide(db, first, "approve", held.version)
    with pytest.raises(InvalidInput):
        undo(db, second, comment_of(db).version)
    assert comment_of(db).status == "APPROVED"


def test_a_withdrawn_comment_cannot_be_decided_and_is_not_told(db: Database, settings: Settings, held: Comment) -> None:
    user = add_user(db)
    with db.transaction() as session:
        site = session.get_one(decisions.Site, held.site_id)
        pipeline.take_event(session, site, "deleted", "t9|x", "c1", None, settings=settings, key=KEY, now=utcnow())
    with pytest.raises(Conflict) as error:
        decide(db, user, "approve", held.version)
    assert error.value.details["what"] == "withdrawn"
    assert deliveries(db) == [(1, "superseded")]


def test_another_reason_is_another_decision_and_can_be_taken_back(db: Database, held: Comment) -> None:
    user = add_user(db)
    decide(db, user, "reject", held.version, "OFFENSIVE")
    decide(db, user, "reject", comment_of(db).version, "SPAM")
    assert (comment_of(db).spam, comment_of(db).sequence) == (True, 3)
    undo(db, user, comment_of(db).version)
    assert (comment_of(db).status, comment_of(db).spam) == ("REJECTED", False)
    with db.reading() as session:
        last = decided.latest(session, 1)
    assert last is not None
    assert (last.reason, last.undoes) == ("OFFENSIVE", 3)


def test_a_confirmation_can_be_taken_back_too(db: Database, held: Comment) -> None:
    user = add_user(db)
    decide(db, user, "hold", held.version)
    undo(db, user, comment_of(db).version)
    with db.reading() as session:
        last = decided.latest(session, 1)
    assert last is not None
    assert (last.action, last.undoes, comment_of(db).sequence) == ("hold", 2, 3)


def test_what_is_rejected_as_spam_says_so_only_as_long_as_it_is(db: Database, held: Comment) -> None:
    user = add_user(db)
    for action, reason, spam in (("reject", "SPAM", True), ("approve", None, False), ("reject", "OTHER", False)):
        decide(db, user, action, comment_of(db).version, reason)
        assert comment_of(db).spam is spam


def test_what_was_escalated_only_seniors_decide(db: Database, held: Comment) -> None:
    plain, senior = add_user(db, "a@contoh.example", "moderator"), add_user(db, "b@contoh.example", "senior")
    with db.transaction() as session:
        comment, me = session.get_one(Comment, 1), session.get_one(Moderator, plain)
        escalations.raise_(session, comment, me, "Bolehkah?", utcnow())
    with pytest.raises(NotAllowed):
        decide(db, plain, "approve", held.version)
    decide(db, senior, "approve", held.version)
    assert (comment_of(db).status, comment_of(db).escalated) == ("APPROVED", False)
    with db.reading() as session:
        assert session.scalars(select(Escalation)).one().answered_by == senior


def test_a_decision_of_a_person_answers_the_readers_reports(db: Database, held: Comment) -> None:
    user = add_user(db)
    with db.transaction() as session:
        report = {"site_id": held.site_id, "comment_id": 1, "revision": 1, "reporter": "a", "reason": "SPAM"}
        session.add(Report(**report, created_at=utcnow()))
        session.get_one(Comment, 1).reports = 1
    decide(db, user, "approve", held.version)
    assert comment_of(db).reports == 0
    with db.reading() as session:
        assert session.scalars(select(Report.resolved_at)).one() is not None


def test_a_late_score_approves_neither_what_somebody_reads_nor_what_was_escalated(
    db: Database, settings: Settings
) -> None:
    site, user = add_site(db).site, add_user(db)
    for name in ("read", "escalated", "free"):
        take(db, settings, site, given(name, text=f"Terima kasih {name}"), now=utcnow() - timedelta(seconds=90))
    pipeline.overdue(db, settings)
    with db.transaction() as session:
        me = session.get_one(Moderator, user)
        found = {row.external_id: row for row in session.scalars(select(Comment))}
        claims.claim(session, found["read"], me, utcnow())
        escalations.raise_(session, found["escalated"], me, "Bolehkah?", utcnow())
    judge_all(db, settings)
    assert [comment_of(db, name).status for name in ("read", "escalated", "free")] == ["HELD", "HELD", "APPROVED"]


def test_what_comes_into_the_queue_unjudged_gets_a_place_by_its_age(db: Database, settings: Settings) -> None:
    user = add_user(db)
    take(db, settings, add_site(db).site, given(author=AuthorInput("Redaksi", staff=True)))
    decide(db, user, "hold", comment_of(db).version)
    comment = comment_of(db)
    assert comment.priority == priority.of(0.0, 0, comment.received_at)


def test_the_greatest_risk_and_signal_and_the_storys_reach_make_the_place(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    take(db, settings, site, given("c1", text=BAD))
    judge_all(db, settings)
    tallies.fold_all(db)
    with db.transaction() as session:
        session.get_one(Story, 1).comments = 99
    take(db, settings, site, given("c2", text=f"{BAD} lagi"))
    judge_all(db, settings)
    first, second = comment_of(db, "c1"), comment_of(db, "c2")
    assert first.score == second.score == pytest.approx(0.99)
    waited = (second.received_at - first.received_at).total_seconds() / 3600
    assert second.priority - first.priority == pytest.approx(12.0 - waited)
