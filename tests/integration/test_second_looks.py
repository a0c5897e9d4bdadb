"""The second opinion: blind, by somebody else, counted; a difference goes to the seniors."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from moderation.accounts.models import Moderator, Site
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.review import decisions, escalations, second_looks, undoing
from moderation.review.decisions import Decider
from moderation.review.models import Decision, SecondLook
from moderation.settings import Settings

from .helpers import BAD, add_site, add_user, comment_of, given, judge_all, take

EVER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
def people(db: Database, settings: Settings) -> dict[str, Moderator]:
    """Four held comments of a site where every decision is looked at twice, and who works there."""
    site = add_site(db).site
    with db.transaction() as session:
        session.get_one(Site, site.id).second_look_percent = 100
    for number in range(1, 5):
        take(db, settings, site, given(f"c{number}", f"{BAD} {number}"))
    judge_all(db, settings)
    ids = {name: add_user(db, f"{name}@contoh.example", name=name.title()) for name in ("rani", "budi", "sari")}
    with db.reading() as session:
        return {name: session.get_one(Moderator, number) for name, number in ids.items()}


def decide(db: Database, me: Moderator, comment: int, action: str = "approve") -> Decision:
    with db.transaction() as session:
        row = session.get_one(Comment, comment)
        made = decisions.decide(
            session,
            row,
            action,
            Decider(me),
            seen_version=row.version,
            now=utcnow(),
            reason="SPAM" if action == "reject" else None,
        )
        assert made is not None
        return made


def look(db: Database, me: Moderator, look_id: int = 1, action: str = "approve", reason: str | None = None) -> Any:
    with db.transaction() as session:
        return second_looks.look(session, look_id, [1], me, action, reason, utcnow(), question="Mana yang berlaku?")


def waiting(db: Database, me: Moderator) -> int:
    with db.reading() as session:
        return second_looks.waiting(session, [1], me)


def test_somebody_else_looks_and_agrees(db: Database, people: dict[str, Moderator]) -> None:
    decide(db, people["rani"], 1)
    assert (waiting(db, people["rani"]), waiting(db, people["budi"])) == (0, 1)
    with pytest.raises(NotFound):
        look(db, people["rani"])
    looked = look(db, people["budi"])
    assert (looked.agreed, looked.first_action) == (True, "approve")
    assert waiting(db, people["budi"]) == 0
    assert not comment_of(db).escalated
    with pytest.raises(Conflict):
        look(db, people["sari"])


def test_a_difference_changes_nothing_but_asks_the_seniors(db: Database, people: dict[str, Moderator]) -> None:
    decide(db, people["rani"], 1)
    looked = look(db, people["budi"], action="reject", reason="OFFENSIVE")
    assert not looked.agreed
    comment = comment_of(db)
    assert (comment.status, comment.escalated) == ("APPROVED", True)
    with db.reading() as session:
        asked = escalations.open_of(session, [1])[1]
        assert (asked.question, asked.name) == ("Mana yang berlaku?", "Budi")


def test_agreement_is_counted_by_what_each_said(db: Database, people: dict[str, Moderator]) -> None:
    for number, action in ((1, "approve"), (2, "approve"), (3, "reject"), (4, "reject")):
        decide(db, people["rani"], number, action)
    look(db, people["budi"], 1)
    look(db, people["budi"], 2, "reject", "OTHER")
    look(db, people["sari"], 3, "reject", "OTHER")
    with db.reading() as session:
        found = second_looks.agreement(session, [1], *EVER)
        assert (found.looked, found.agreed) == (3, 2)
        assert found.pairs == {("approve", "approve"): 1, ("approve", "reject"): 1, ("reject", "reject"): 1}
        assert second_looks.agreement(session, [2], *EVER).looked == 0
        assert second_looks.agreement(session, [1], EVER[0], EVER[0] + timedelta(days=1)).looked == 0


def test_a_decision_that_was_taken_back_is_looked_at_no_more(db: Database, people: dict[str, Moderator]) -> None:
    decide(db, people["rani"], 1)
    with db.transaction() as session:
        comment = session.get_one(Comment, 1)
        undoing.undo(session, comment, people["rani"], seen_version=comment.version, now=utcnow())
    assert waiting(db, people["budi"]) == 0
    with pytest.raises((Conflict, NotFound)):
        look(db, people["budi"])


def test_what_was_edited_since_is_looked_at_no_more(db: Database, people: dict[str, Moderator]) -> None:
    decide(db, people["rani"], 1)
    with db.transaction() as session:
        session.get_one(Comment, 1).revision = 2
    assert waiting(db, people["budi"]) == 0
    with pytest.raises(Conflict):
        look(db, people["budi"])


@pytest.mark.parametrize(("action", "reason", "field"), [("hold", None, "decision"), ("reject", None, "reason")])
def test_a_second_look_says_approve_or_reject_with_a_reason(
    db: Database, people: dict[str, Moderator], action: str, reason: str | None, field: str
) -> None:
    decide(db, people["rani"], 1)
    with pytest.raises(InvalidInput) as refused:
        look(db, people["budi"], action=action, reason=reason)
    assert refused.value.field == field


def test_another_sites_decisions_are_not_mine_to_look_at(db: Database, people: dict[str, Moderator]) -> None:
    decide(db, people["rani"], 1)
    with db.transaction() as session, pytest.raises(NotFound):
        second_looks.look(session, 1, [2], people["budi"], "approve", None, utcnow(), question="?")


def test_one_after_the_other_and_skipping(db: Database, people: dict[str, Moderator]) -> None:
    decide(db, people["rani"], 1)
    decide(db, people["budi"], 2)
    decide(db, people["rani"], 3)
    with db.reading() as session:
        first = second_looks.following(session, [1], people["budi"])
        assert first is not None
        assert first.comment_id == 1
        second = second_looks.following(session, [1], people["budi"], after=first.id)
        assert second is not None
        assert second.comment_id == 3
        assert second_looks.following(session, [1], people["budi"], after=second.id) is None


def test_the_sites_share_says_how_many(db: Database, people: dict[str, Moderator]) -> None:
    numbers: Iterator[float] = iter([0.0, 0.249, 0.25, 0.99])
    with db.transaction() as session:
        site = session.get_one(Site, 1)
        site.second_look_percent = 0
    made = [decide(db, people["rani"], number) for number in range(1, 5)]
    with db.transaction() as session:
        assert session.scalars(select(SecondLook)).all() == []
        site = session.get_one(Site, 1)
        site.second_look_percent = 25
        pairs = [(decision, session.get_one(Comment, decision.comment_id)) for decision in made]
        second_looks.maybe(session, pairs, site, utcnow(), draw=lambda: next(numbers))
        picked = session.scalars(select(SecondLook.comment_id).order_by(SecondLook.comment_id)).all()
    assert list(picked) == [1, 2]


def test_the_machine_an_undo_and_a_bulk_job_are_not_picked(db: Database, people: dict[str, Moderator]) -> None:
    me = people["rani"].id
    with db.transaction() as session:
        comment, site = session.get_one(Comment, 1), session.get_one(Site, 1)
        for values in (
            {"moderator_id": None, "action": "approve"},
            {"moderator_id": me, "action": "hold"},
            {"moderator_id": me, "action": "approve", "undoes": 1},
            {"moderator_id": me, "action": "approve", "job_id": 1},
        ):
            second_looks.maybe(session, [(Decision(id=9, **values), comment)], site, utcnow())
        assert session.scalars(select(SecondLook)).all() == []
