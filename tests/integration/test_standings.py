"""What people order for authors and articles, and what becomes of the comments that come afterwards."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.accounts.models import AuditEntry, Moderator, Site
from moderation.comments import form, standings, story_orders
from moderation.comments.intake import AuthorInput
from moderation.comments.models import Author, Story
from moderation.db import Database
from moderation.errors import InvalidInput, NotAllowed
from moderation.policy import store as policies
from moderation.policy.models import VerdictRow
from moderation.settings import Settings

from .helpers import BAD, FakeScorer, add_site, add_user, comment_of, given, judge_all, take

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)

BY_ID = AuthorInput(name="Rani", external_id="u7")
BY_MAIL = AuthorInput(name="Rani", email="rani@contoh.example")
BY_NAME = AuthorInput(name="Rani")


@pytest.fixture
def site(db: Database) -> Site:
    return add_site(db).site


def person(db: Database, role: str = "senior") -> Moderator:
    user_id = add_user(db, f"{role}@contoh.example", role=role, name=role.title())
    with db.reading() as session:
        return session.get_one(Moderator, user_id)


def author_of(session: Session) -> Author:
    return session.scalars(select(Author)).one()


def order(db: Database, me: Moderator, kind: str, until: datetime | None = None, now: datetime = NOW) -> None:
    with db.transaction() as session:
        standings.set_standing(session, author_of(session), kind, until, me, now)


def judged(db: Database, settings: Settings, site: Site, number: int, text: str = "Halo", **values: Any) -> str:
    """Send one more comment, judge it, and say what became of it."""
    take(db, settings, site, given(f"c{number}", text, **values))
    judge_all(db, settings)
    return comment_of(db, f"c{number}").status


def codes(db: Database, external_id: str) -> list[str]:
    comment = comment_of(db, external_id)
    with db.reading() as session:
        row = session.scalars(select(VerdictRow).where(VerdictRow.comment_id == comment.id)).one()
        return [reason["code"] for reason in row.reasons]


def test_a_banned_authors_next_comment_is_rejected_and_what_was_decided_stays(
    db: Database, settings: Settings, site: Site
) -> None:
    assert judged(db, settings, site, 1, author=BY_ID) == "APPROVED"
    order(db, person(db), "banned")
    assert judged(db, settings, site, 2, author=BY_ID) == "REJECTED"
    assert codes(db, "c2") == ["author_banned"]
    assert comment_of(db, "c1").status == "APPROVED"
    assert judged(db, settings, site, 3, author=replace(BY_ID, external_id="u8")) == "APPROVED"


def test_an_author_who_is_held_waits_and_one_who_is_let_go_does_not(
    db: Database, settings: Settings, site: Site
) -> None:
    judged(db, settings, site, 1, author=BY_NAME)
    senior = person(db)
    order(db, senior, "held")
    assert judged(db, settings, site, 2, author=BY_NAME) == "HELD"
    assert codes(db, "c2") == ["author_held"]
    order(db, senior, "")
    assert judged(db, settings, site, 3, author=BY_NAME) == "APPROVED"


def test_a_trusted_author_passes_the_hold_mark(db: Database, settings: Settings, site: Site) -> None:
    with db.transaction() as session:
        policies.publish(session, site.id, {"bands": {"builtin": {"insult": {"hold": 0.5}}}}, by="cli", now=NOW)
    assert judged(db, settings, site, 1, f"Satu {BAD}", author=BY_ID) == "HELD"
    order(db, person(db), "trusted")
    assert judged(db, settings, site, 2, f"Dua {BAD}", author=BY_ID) == "APPROVED"
    assert codes(db, "c2") == ["signal_over_hold", "author_trusted"]


def test_an_order_with_an_end_ends(db: Database, settings: Settings, site: Site) -> None:
    judged(db, settings, site, 1, author=BY_ID)
    past = datetime(2020, 1, 1, tzinfo=UTC)
    order(db, person(db), "banned", past + timedelta(days=1), now=past)
    assert judged(db, settings, site, 2, author=BY_ID) == "APPROVED"
    with db.reading() as session:
        author = author_of(session)
        assert standings.in_force(author, past + timedelta(hours=23)) == "banned"
        assert standings.in_force(author, past + timedelta(hours=24)) == ""


@pytest.mark.parametrize(
    ("author", "kind", "allowed"),
    [
        (BY_ID, "banned", True),
        (BY_ID, "trusted", True),
        (BY_MAIL, "banned", True),
        (BY_MAIL, "trusted", False),
        (BY_NAME, "banned", False),
        (BY_NAME, "held", True),
        (BY_NAME, "trusted", False),
        (BY_ID, "jailed", False),
    ],
)
def test_who_can_be_ordered_what_depends_on_how_they_are_known(
    db: Database, settings: Settings, site: Site, author: AuthorInput, kind: str, allowed: bool
) -> None:
    take(db, settings, site, given(author=author))
    senior = person(db)
    if allowed:
        order(db, senior, kind)
        return
    with pytest.raises(InvalidInput) as refused:
        order(db, senior, kind)
    assert refused.value.field == "kind"


def test_a_plain_moderator_orders_nothing_and_an_end_lies_ahead(db: Database, settings: Settings, site: Site) -> None:
    take(db, settings, site, given(author=BY_ID))
    with pytest.raises(NotAllowed):
        order(db, person(db, "moderator"), "held")
    with pytest.raises(InvalidInput, match="future"):
        order(db, person(db), "held", NOW)
    with db.reading() as session:
        assert author_of(session).standing == ""


def test_every_order_stands_in_the_audit(db: Database, settings: Settings, site: Site) -> None:
    take(db, settings, site, given(author=BY_ID))
    senior = person(db)
    order(db, senior, "banned", NOW + timedelta(days=7))
    order(db, senior, "")
    with db.reading() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.subject == "author:1").order_by(AuditEntry.id)).all()
        assert [(row.action, row.actor, row.detail) for row in rows] == [
            ("author.ban", f"moderator:{senior.id}", "until 2026-11-29T07:00:00+00:00"),
            ("author.clear", f"moderator:{senior.id}", ""),
        ]
        author = author_of(session)
        assert (author.standing, author.standing_until, author.standing_by) == ("", None, senior.id)


def test_judging_many_asks_for_all_their_authors_at_once(db: Database, settings: Settings, site: Site) -> None:
    for number in range(4):
        take(db, settings, site, given(f"c{number}", author=replace(BY_ID, external_id=f"u{number}")))
    senior = person(db)
    with db.transaction() as session:
        for author in session.scalars(select(Author)):
            standings.set_standing(session, author, "held", None, senior, NOW)
    judge_all(db, settings, FakeScorer())
    assert {comment_of(db, f"c{number}").status for number in range(4)} == {"HELD"}


# --- articles ---


def story(db: Database, deed: Any, *values: Any) -> None:
    with db.transaction() as session:
        deed(session, session.scalars(select(Story)).one(), *values)


def test_a_closed_article_refuses_the_form_and_holds_what_the_server_sends(
    db: Database, settings: Settings, site: Site
) -> None:
    assert judged(db, settings, site, 1) == "APPROVED"
    me = person(db, "moderator")
    story(db, story_orders.close, me, NOW - timedelta(days=1000))
    assert judged(db, settings, site, 2) == "HELD"
    assert codes(db, "c2") == ["story_closed"]
    with db.reading() as session:
        assert form.is_closed(session, session.get_one(Site, site.id), "s1", NOW)
        with pytest.raises(form.StoryClosed):
            form.refuse_closed(session.get_one(Site, site.id), session.scalars(select(Story)).one(), NOW)
    story(db, story_orders.open_again, me, NOW)
    assert judged(db, settings, site, 3) == "APPROVED"


def test_a_premoderated_article_holds_everything_until_it_is_released(
    db: Database, settings: Settings, site: Site
) -> None:
    judged(db, settings, site, 1)
    me = person(db, "moderator")
    story(db, story_orders.premoderate, True, me, NOW)
    assert judged(db, settings, site, 2) == "HELD"
    assert codes(db, "c2") == ["premoderated_story"]
    story(db, story_orders.premoderate, False, me, NOW)
    assert judged(db, settings, site, 3) == "APPROVED"


def test_the_same_order_twice_is_one_in_the_audit(db: Database, settings: Settings, site: Site) -> None:
    take(db, settings, site, given())
    me = person(db, "moderator")
    for _ in range(2):
        story(db, story_orders.close, me, NOW)
        story(db, story_orders.premoderate, True, me, NOW)
    with db.reading() as session:
        done = session.scalars(select(AuditEntry.action).where(AuditEntry.subject == "story:1")).all()
    assert sorted(done) == ["story.close", "story.premoderate"]
