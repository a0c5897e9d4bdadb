"""Handing a comment to the seniors with a question, and getting it back."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from moderation.accounts.models import AuditEntry, Moderator
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.errors import Conflict, InvalidInput, NotAllowed
from moderation.review import claims, decisions, escalations, queue
from moderation.review.decisions import Decider
from moderation.settings import Settings

from .helpers import BAD, add_site, add_user, comment_of, given, judge_all, take

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


@pytest.fixture
def people(db: Database, settings: Settings) -> dict[str, Moderator]:
    """A held comment (1), a published one (2), and who works on them."""
    site = add_site(db).site
    take(db, settings, site, given("c1", BAD))
    take(db, settings, site, given("c2"))
    judge_all(db, settings)
    ids = {}
    for name, role in (("rani", "moderator"), ("budi", "moderator"), ("sari", "senior"), ("admin", "administrator")):
        sites = () if role == "administrator" else (site,)
        ids[name] = add_user(db, f"{name}@contoh.example", role=role, name=name.title(), sites=sites)
    with db.reading() as session:
        return {name: session.get_one(Moderator, number) for name, number in ids.items()}


def escalate(db: Database, me: Moderator, question: str = "Boleh ini?", comment: int = 1) -> int:
    with db.transaction() as session:
        return escalations.raise_(session, session.get_one(Comment, comment), me, question, NOW).id


def test_an_escalated_comment_carries_its_question_and_loses_my_claim(
    db: Database, people: dict[str, Moderator]
) -> None:
    with db.transaction() as session:
        claims.claim(session, session.get_one(Comment, 1), people["rani"], NOW)
    escalate(db, people["rani"])
    comment = comment_of(db)
    assert (comment.escalated, comment.status, comment.version) == (True, "HELD", 2)
    with db.reading() as session:
        asked = escalations.open_of(session, [1, 2])
        assert {number: (item.question, item.name) for number, item in asked.items()} == {1: ("Boleh ini?", "Rani")}
        assert claims.of_comments(session, [1], NOW) == {}
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "comment.escalate")).one()
        assert (entry.subject, entry.actor) == ("comment:1", f"moderator:{people['rani'].id}")


def test_a_published_comment_can_be_handed_over_too(db: Database, people: dict[str, Moderator]) -> None:
    escalate(db, people["rani"], comment=2)
    assert comment_of(db, "c2").escalated


def test_the_same_question_twice_is_one_and_another_ones_is_a_conflict(
    db: Database, people: dict[str, Moderator]
) -> None:
    assert escalate(db, people["rani"]) == escalate(db, people["rani"], " Boleh ini? ")
    with pytest.raises(Conflict) as refused:
        escalate(db, people["budi"])
    assert (refused.value.details["who"], refused.value.details["what"]) == ("Rani", "escalated")


@pytest.mark.parametrize("question", ["", " \u200b ", "x" * 1001, "a\x00b"])
def test_a_question_says_something_and_is_short(db: Database, people: dict[str, Moderator], question: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        escalate(db, people["rani"], question)
    assert refused.value.field == "question"
    assert not comment_of(db).escalated


def test_what_was_withdrawn_or_is_being_judged_is_not_handed_over(db: Database, people: dict[str, Moderator]) -> None:
    for status in ("WITHDRAWN", "PENDING"):
        with db.transaction() as session:
            session.get_one(Comment, 1).status = status
        with pytest.raises(Conflict):
            escalate(db, people["rani"])


def test_only_seniors_decide_what_was_escalated(db: Database, people: dict[str, Moderator]) -> None:
    escalate(db, people["rani"])
    comment = comment_of(db)
    for name, allowed in (("rani", False), ("budi", False), ("sari", True), ("admin", True)):
        if allowed:
            escalations.guard(comment, people[name])
        else:
            with pytest.raises(NotAllowed):
                escalations.guard(comment, people[name])
    escalations.guard(comment_of(db, "c2"), people["budi"])


def test_a_seniors_answer_gives_the_comment_back(db: Database, people: dict[str, Moderator]) -> None:
    escalate(db, people["rani"])
    with db.transaction() as session:
        comment = session.get_one(Comment, 1)
        with pytest.raises(NotAllowed):
            escalations.answer(session, comment, people["budi"], "Tidak", NOW)
        with pytest.raises(InvalidInput):
            escalations.answer(session, comment, people["sari"], "", NOW)
        escalations.answer(session, comment, people["sari"], "Boleh, ini kutipan.", NOW + timedelta(minutes=1))
    assert not comment_of(db).escalated
    with db.reading() as session:
        assert escalations.open_of(session, [1]) == {}
        (asked,) = escalations.of_comment(session, 1)
        assert (asked.answer, asked.answered_by) == ("Boleh, ini kutipan.", "Sari")
    with db.transaction() as session, pytest.raises(Conflict):
        escalations.answer(session, session.get_one(Comment, 1), people["sari"], "Lagi", NOW)
    escalate(db, people["budi"], "Dan sekarang?")  # a new question may come


def test_a_seniors_decision_is_an_answer(db: Database, people: dict[str, Moderator]) -> None:
    escalate(db, people["rani"])
    with db.transaction() as session:
        comment = session.get_one(Comment, 1)
        with pytest.raises(NotAllowed):
            decisions.decide(session, comment, "approve", Decider(people["budi"]), seen_version=2, now=utcnow())
    with db.transaction() as session:
        comment = session.get_one(Comment, 1)
        decisions.decide(session, comment, "approve", Decider(people["sari"]), seen_version=2, now=utcnow())
    assert (comment_of(db).status, comment_of(db).escalated) == ("APPROVED", False)
    with db.reading() as session:
        (asked,) = escalations.of_comment(session, 1)
        assert (asked.answer, asked.answered_by) == ("", "Sari")


def test_what_waits_for_the_seniors_stands_among_their_own(db: Database, people: dict[str, Moderator]) -> None:
    escalate(db, people["rani"])
    with db.reading() as session:
        for name, seen in (("rani", 0), ("budi", 0), ("sari", 1), ("admin", 1)):
            rows, _ = queue.page(session, [1], "mine", after=None, me=people[name], now=NOW)
            assert len(rows) == seen
