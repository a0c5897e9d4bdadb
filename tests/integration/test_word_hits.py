"""What is remembered of listed words: nothing is looked at twice, and nothing that changed is answered from memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select

from moderation import pipeline
from moderation.accounts.models import Site
from moderation.comments.intake import TextInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.rescoring import columns, word_hits
from moderation.settings import Settings

from .helpers import KEY, add_site, given, judge_all

SLOT, COFFEE = ("slot gacor",), ("kopi",)


@pytest.fixture
def site(db: Database, settings: Settings) -> Site:
    made = add_site(db).site
    write(
        db, settings, made, ["Ayo main slot gacor", "Minum kopi pagi", "Slot, gacor", "Cuaca cerah", "SLOT GACOR kopi"]
    )
    return made


def write(db: Database, settings: Settings, site: Site, texts: Sequence[str], first: int = 0) -> None:
    with db.transaction() as session:
        wanted = [given(f"c{first + n}", text) for n, text in enumerate(texts)]
        pipeline.take_in_many(session, site, wanted, source="api", settings=settings, key=KEY, now=utcnow())
    judge_all(db, settings)


def held(
    db: Database, site: Site, lists: Sequence[tuple[str, ...]], most: int = 100
) -> dict[tuple[str, ...], list[str]]:
    """List → external ids of the comments that hold one of its words."""
    with db.reading() as session:
        seen = columns.load(session, session.get_one(Site, site.id), most, utcnow())
        found = word_hits.holding(session, seen, lists)
        names = dict(session.execute(select(Comment.id, Comment.external_id)).all())
        return {words: [names[number] for number in seen.ids[flags].tolist()] for words, flags in found.items()}


@contextmanager
def texts_read(db: Database) -> Iterator[list[str]]:
    """Statements that read texts."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "revision.text" in statement:
            seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine, "before_cursor_execute", note)


def test_a_text_is_looked_at_once(db: Database, site: Site) -> None:
    with texts_read(db) as seen:
        first = held(db, site, [SLOT, COFFEE])
        assert len(seen) == 1
        assert held(db, site, [SLOT, COFFEE]) == first == {SLOT: ["c0", "c4"], COFFEE: ["c1", "c4"]}
        assert held(db, site, [SLOT], most=3) == {SLOT: ["c4"]}
        assert held(db, site, [COFFEE]) == {COFFEE: ["c1", "c4"]}
        assert len(seen) == 1


def test_what_came_or_was_edited_since_is_looked_at(db: Database, settings: Settings, site: Site) -> None:
    held(db, site, [SLOT])
    write(db, settings, site, ["slot gacor lagi"], first=5)
    assert held(db, site, [SLOT], most=2) == {SLOT: ["c4", "c5"]}
    with db.transaction() as session:
        for name, text in (("c0", "Sudah diubah"), ("c3", "Cuaca slot gacor")):
            comment = session.scalars(select(Comment).where(Comment.external_id == name)).one()
            new = TextInput(text)
            pipeline.edit(session, site, comment, new, settings=settings, key=KEY, now=utcnow(), tag="2")
    judge_all(db, settings)
    with db.reading() as session:
        edited = session.scalars(select(Comment.revision).where(Comment.external_id.in_(("c0", "c3")))).all()
    assert list(edited) == [2, 2]
    assert held(db, site, [SLOT]) == {SLOT: ["c3", "c4", "c5"]}


def test_another_list_and_another_site_are_looked_at(db: Database, settings: Settings, site: Site) -> None:
    held(db, site, [SLOT])
    assert held(db, site, [SLOT, ("cerah",)])["cerah",] == ["c3"]
    other = add_site(db).site
    write(db, settings, other, ["Kopi saja", "slot gacor"])
    assert held(db, other, [SLOT]) == {SLOT: ["c1"]}
    assert held(db, site, [SLOT]) == {SLOT: ["c0", "c4"]}


def test_what_nobody_commits_is_not_remembered(db: Database, site: Site) -> None:
    with texts_read(db) as seen:
        with db.transaction() as session:
            word_hits.holding(session, columns.load(session, session.merge(site), 100, utcnow()), [SLOT])
        held(db, site, [SLOT])
        assert len(seen) == 2


def test_the_oldest_lists_are_forgotten(db: Database, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_hits, "REMEMBERED", 1)
    with texts_read(db) as seen:
        held(db, site, [SLOT])
        held(db, site, [COFFEE])
        assert held(db, site, [SLOT]) == {SLOT: ["c0", "c4"]}
        assert len(seen) == 3


def test_a_site_without_comments_has_no_hits_and_later_some(db: Database, settings: Settings) -> None:
    empty = add_site(db).site
    assert held(db, empty, [SLOT]) == {SLOT: []}
    write(db, settings, empty, ["slot gacor"])
    assert held(db, empty, [SLOT]) == {SLOT: ["c0"]}
