"""Claims: a short lease on a comment, one at a time, that ends by itself."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from moderation.accounts.models import Moderator
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.errors import Conflict
from moderation.review import claims, decisions
from moderation.review.decisions import Decider
from moderation.review.models import Claim
from moderation.settings import Settings

from .helpers import BAD, add_site, add_user, comment_of, given, judge_all, take

NOW = datetime(2026, 11, 22, 14, 31, tzinfo=UTC)
LATER = NOW + claims.LEASE + timedelta(seconds=1)


@pytest.fixture
def held(db: Database, settings: Settings) -> Comment:
    take(db, settings, add_site(db).site, given(text=BAD))
    judge_all(db, settings)
    return comment_of(db)


@pytest.fixture
def rani(db: Database) -> int:
    return add_user(db, "rani@contoh.example", name="Rani")


@pytest.fixture
def sari(db: Database) -> int:
    return add_user(db, "sari@contoh.example", "moderator", name="Sari P.")


def claim(db: Database, user: int, now: datetime = NOW, *, take_over: bool = False) -> Claim:
    with db.transaction() as session:
        comment, me = session.get_one(Comment, 1), session.get_one(Moderator, user)
        made = claims.claim(session, comment, me, now, take_over=take_over)
        session.expunge(made)
        return made


def reader(db: Database, now: datetime = NOW) -> int | None:
    with db.reading() as session:
        found = claims.of_comments(session, [1], now).get(1)
        return found.moderator_id if found is not None else None


def test_a_claim_is_mine_for_five_minutes(db: Database, held: Comment, rani: int) -> None:
    made = claim(db, rani)
    assert (made.moderator_id, made.claimed_at, made.until) == (rani, NOW, NOW + timedelta(minutes=5))
    assert reader(db) == rani
    assert reader(db, LATER) is None
    with db.reading() as session:
        assert claims.of_comments(session, [1], NOW)[1].name == "Rani"


def test_a_colleague_learns_who_reads_it_and_until_when(db: Database, held: Comment, rani: int, sari: int) -> None:
    claim(db, sari)
    with pytest.raises(Conflict) as error:
        claim(db, rani, NOW + timedelta(minutes=1))
    until = (NOW + claims.LEASE).isoformat()
    assert error.value.details == {"what": "claimed", "who": "Sari P.", "until": until}
    assert reader(db) == sari


def test_again_is_longer_and_begins_as_it_began(db: Database, held: Comment, rani: int) -> None:
    claim(db, rani)
    made = claim(db, rani, NOW + timedelta(minutes=2))
    assert (made.claimed_at, made.until) == (NOW, NOW + timedelta(minutes=7))


def test_activity_makes_it_last(db: Database, held: Comment, rani: int, sari: int) -> None:
    claim(db, rani)
    with db.transaction() as session:
        me, other = session.get_one(Moderator, rani), session.get_one(Moderator, sari)
        assert claims.renew(session, 1, me, NOW + timedelta(minutes=4))
        assert not claims.renew(session, 1, other, NOW + timedelta(minutes=4))
    assert reader(db, LATER) == rani


def test_one_that_ran_out_is_anybodys(db: Database, held: Comment, rani: int, sari: int) -> None:
    claim(db, rani)
    assert claim(db, sari, LATER).claimed_at == LATER
    with db.transaction() as session:
        assert not claims.renew(session, 1, session.get_one(Moderator, rani), LATER)


def test_it_can_be_taken_over_knowingly(db: Database, held: Comment, rani: int, sari: int) -> None:
    claim(db, rani)
    claim(db, sari, take_over=True)
    assert reader(db) == sari


def test_only_its_owner_gives_it_back(db: Database, held: Comment, rani: int, sari: int) -> None:
    claim(db, rani)
    with db.transaction() as session:
        claims.release(session, 1, session.get_one(Moderator, sari))
    assert reader(db) == rani
    with db.transaction() as session:
        claims.release(session, 1, session.get_one(Moderator, rani))
    assert reader(db) is None


def test_the_guard_stops_everybody_but_its_owner(db: Database, held: Comment, rani: int, sari: int) -> None:
    claim(db, rani)
    with db.reading() as session:
        comment = session.get_one(Comment, 1)
        claims.guard(session, comment, session.get_one(Moderator, rani), NOW)
        with pytest.raises(Conflict):
            claims.guard(session, comment, session.get_one(Moderator, sari), NOW)
        claims.guard(session, comment, session.get_one(Moderator, sari), LATER)


def test_a_decision_ends_it(db: Database, held: Comment, rani: int) -> None:
    claim(db, rani, utcnow())
    with db.transaction() as session:
        comment, me = session.get_one(Comment, 1, with_for_update=True), session.get_one(Moderator, rani)
        decisions.decide(session, comment, "approve", Decider(me), seen_version=held.version, now=utcnow())
    with db.reading() as session:
        assert session.scalars(select(Claim)).all() == []


def test_what_the_site_withdrew_cannot_be_claimed(db: Database, held: Comment, rani: int) -> None:
    with db.transaction() as session:
        session.get_one(Comment, 1).status = "WITHDRAWN"
    with pytest.raises(Conflict) as error:
        claim(db, rani)
    assert error.value.details["what"] == "withdrawn"


def test_of_many_at_once_one_gets_it(db: Database, held: Comment) -> None:
    users = [add_user(db, f"m{number}@contoh.example") for number in range(6)]
    outcomes: list[str] = []

    def race(user: int) -> None:
        try:
            claim(db, user)
            outcomes.append("mine")
        except Conflict as error:
            outcomes.append(str(error.details["what"]))

    threads = [threading.Thread(target=race, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["claimed"] * 5 + ["mine"]


def test_housekeeping_forgets_old_claims_only(db: Database, held: Comment, rani: int) -> None:
    claim(db, rani)
    for now, left in ((LATER, 1), (NOW + timedelta(days=2), 0)):
        with db.transaction() as session:
            claims.forget(session, now)
            assert len(session.scalars(select(Claim)).all()) == left
