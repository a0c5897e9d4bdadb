"""Saved views: the team's searches, each under a name of its own."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from moderation.accounts.models import AuditEntry, Moderator
from moderation.db import Database
from moderation.errors import Conflict, InvalidInput, NotAllowed, NotFound
from moderation.review import saved_views

from .helpers import add_user

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
JAKARTA = ZoneInfo("Asia/Jakarta")


def add(db: Database, me: int, name: str, query: str) -> int:
    with db.transaction() as session:
        return saved_views.add(session, name, query, session.get_one(Moderator, me), now=NOW, tz=JAKARTA).id


def remove(db: Database, me: int, view: int) -> None:
    with db.transaction() as session:
        saved_views.remove(session, view, session.get_one(Moderator, me), now=NOW)


def names(db: Database) -> list[str]:
    with db.reading() as session:
        return [view.name for view in saved_views.listed(session)]


def test_a_view_is_everybodys_and_keeps_its_ages(db: Database) -> None:
    me = add_user(db, role="moderator")
    add(db, me, "  Judi   online ", 'SLOT  "judi online" after:7d')
    add(db, me, "baru", "is:first status:held")
    with db.reading() as session:
        views = saved_views.listed(session)
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "view.add")).first()
    assert [(view.name, view.query, view.moderator_id) for view in views] == [
        ("baru", "is:first status:held", me),
        ("Judi online", 'slot "judi online" after:7d', me),
    ]
    assert entry is not None
    assert (entry.actor, entry.detail) == (f"moderator:{me}", "Judi online")


def test_a_view_needs_a_name_of_its_own_and_a_query_that_can_be_read(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = add_user(db)
    add(db, me, "Judi", "slot")
    for name, query, field in [
        ("", "slot", "name"),
        ("x" * 81, "slot", "name"),
        ("a\x00b", "slot", "name"),
        ("a", "", "q"),
        ("a", "colour:red", "q"),
        ("a", "x" * 1001, "q"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            add(db, me, name, query)
        assert caught.value.field == field
    with pytest.raises(Conflict):
        add(db, me, "Judi", "gacor")
    monkeypatch.setattr(saved_views, "MAX_VIEWS", 1)
    with pytest.raises(Conflict):
        add(db, me, "Lain", "gacor")
    assert names(db) == ["Judi"]


def test_whoever_made_a_view_or_a_senior_removes_it(db: Database) -> None:
    mine = add_user(db, "a@contoh.example", "moderator")
    other = add_user(db, "b@contoh.example", "moderator")
    senior = add_user(db, "c@contoh.example", "senior")
    first, second = add(db, mine, "satu", "slot"), add(db, mine, "dua", "slot")
    with pytest.raises(NotAllowed):
        remove(db, other, first)
    remove(db, mine, first)
    remove(db, senior, second)
    with pytest.raises(NotFound):
        remove(db, mine, first)
    assert names(db) == []
