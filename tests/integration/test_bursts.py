"""Crowds of comments are counted when they come, hold by the policy's numbers, and are remembered with the comment."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from moderation.accounts.models import Site
from moderation.comments.intake import AuthorInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.policy import store as policies
from moderation.policy.models import VerdictRow
from moderation.review import bursts, cards, searching
from moderation.review import evidence as told
from moderation.review.filters import parse
from moderation.scoring import evidence, normalise
from moderation.scoring.scorer import TextScore
from moderation.settings import Settings

from .helpers import FakeScorer, add_site, comment_of, given, judge_all, take

TOPICS = ("jembatan baru", "harga beras", "jadwal kereta", "taman kota", "hujan semalam", "lomba lari", "pasar pagi")


class Reader(FakeScorer):
    """Approves everything, and finds evidence."""

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        found = [evidence.find(normalise.view(text)) for text in texts]
        return [
            replace(score, spans=one.spans, facts=one.facts)
            for score, one in zip(super().score(texts), found, strict=True)
        ]


@pytest.fixture
def site(db: Database) -> Site:
    made = add_site(db, webhook=False).site
    with db.transaction() as session:
        rules = {
            "bands": {},
            "burst_author": 4,
            "burst_network": 4,
            "burst_site": 6,
            "repeated_text": 2,
            "max_links": 0,
        }
        policies.publish(session, made.id, rules, by="cli", now=utcnow())
    return made


def come(
    db: Database, settings: Settings, site: Site, number: int, text: str, author: AuthorInput, **values: Any
) -> None:
    take(db, settings, site, given(f"c{number}", f"{text} {TOPICS[number % 7]}", author=author), **values)


def somebody(number: int, ip: str | None = None) -> AuthorInput:
    return AuthorInput(name=f"Pembaca {number}", external_id=f"u{number}", ip=ip)


def reasons(db: Database, number: int) -> dict[str, tuple[str, float | None]]:
    with db.reading() as session:
        row = session.scalars(
            sa.select(VerdictRow)
            .where(VerdictRow.comment_id == comment_of(db, f"c{number}").id)
            .order_by(VerdictRow.id.desc())
        ).first()
        return {} if row is None else {one["code"]: (one["action"], one["value"]) for one in row.reasons}


def test_the_burst_of_one_author_is_held_from_its_mark_on(db: Database, settings: Settings, site: Site) -> None:
    for number in range(6):
        come(db, settings, site, number, "Saya setuju soal", somebody(1))
    judge_all(db, settings, Reader())
    found = [comment_of(db, f"c{number}") for number in range(6)]
    assert [one.status for one in found] == ["APPROVED"] * 3 + ["HELD"] * 3
    assert reasons(db, 5)["burst_author"] == ("hold", 6)
    assert [bursts.read(one.intake_flags).get("burst_author", 0) for one in found] == [0, 2, 3, 4, 5, 6]


def test_what_came_earlier_or_from_an_archive_is_no_burst(db: Database, settings: Settings, site: Site) -> None:
    for number in range(3):
        come(db, settings, site, number, "Dulu soal", somebody(1), now=utcnow() - timedelta(minutes=11))
    for number in range(3, 6):
        come(db, settings, site, number, "Arsip soal", somebody(1))
    with db.transaction() as session:
        session.execute(sa.update(Comment).where(Comment.external_id.in_(["c3", "c4", "c5"])).values(source="import"))
    come(db, settings, site, 6, "Kini soal", somebody(1))
    judge_all(db, settings, Reader())
    assert comment_of(db, "c6").status == "APPROVED"
    assert bursts.read(comment_of(db, "c6").intake_flags) == {}


def test_what_a_site_sends_late_is_counted_by_when_it_was_written(db: Database, settings: Settings, site: Site) -> None:
    for number in range(6):
        written = utcnow() - timedelta(hours=6 - number)
        take(db, settings, site, given(f"c{number}", TOPICS[number], author=somebody(1), created_at=written))
    judge_all(db, settings, Reader())
    assert {comment_of(db, f"c{number}").status for number in range(6)} == {"APPROVED"}


def test_a_name_that_nobody_vouches_for_is_no_author(db: Database, settings: Settings, site: Site) -> None:
    for number in range(6):
        come(db, settings, site, number, "Saya setuju soal", AuthorInput(name="Warga"))
    judge_all(db, settings, Reader())
    assert {comment_of(db, f"c{number}").status for number in range(6)} == {"APPROVED"}


def test_many_readers_of_one_network_are_held_only_where_they_have_something_to_sell(
    db: Database, settings: Settings, site: Site
) -> None:
    for number in range(6):
        text = "Main di PULAU77 saja soal" if number == 5 else "Saya setuju soal"
        come(db, settings, site, number, text, somebody(number, f"203.0.113.{number}"))
    judge_all(db, settings, Reader())
    assert [comment_of(db, f"c{number}").status for number in range(6)] == ["APPROVED"] * 5 + ["HELD"]
    assert reasons(db, 4)["burst_network"] == ("note", 5)
    assert reasons(db, 5)["burst_network"] == ("hold", 6)
    assert reasons(db, 5)["brand"] == ("note", None)


def test_a_burst_on_the_site_holds_what_has_a_phone_number_and_nothing_else(
    db: Database, settings: Settings, site: Site
) -> None:
    for number in range(7):
        text = "Hubungi WA 0812-3456-7890 untuk" if number in (0, 6) else "Saya setuju soal"
        come(db, settings, site, number, text, somebody(number))
        judge_all(db, settings, Reader())
    assert [comment_of(db, f"c{n}").status for n in range(7)] == ["APPROVED"] * 6 + ["HELD"]
    assert reasons(db, 5)["burst_site"] == ("note", 6)


@pytest.mark.parametrize(
    "text",
    ["Cari dana cepat tanpa jaminan, cair hari ini juga, kunjungi bit.ly/danacepat sekarang", "gas PULAU77"],
    ids=["long", "short"],
)
def test_a_text_that_comes_again_is_held_where_it_sells(
    db: Database, settings: Settings, site: Site, text: str
) -> None:
    for number in range(2):
        take(db, settings, site, given(f"c{number}", text, author=somebody(number)))
        judge_all(db, settings, Reader())
    assert [comment_of(db, f"c{n}").status for n in range(2)] == ["APPROVED", "HELD"]
    assert reasons(db, 1)["repeated_text"] == ("hold", 2)


def test_a_greeting_that_many_write_is_not_counted(db: Database, settings: Settings, site: Site) -> None:
    for number in range(4):
        take(db, settings, site, given(f"c{number}", "Mantap", author=somebody(number)))
    judge_all(db, settings, Reader())
    assert "repeated_text" not in bursts.read(comment_of(db, "c3").intake_flags)


def test_a_comment_that_is_judged_again_keeps_the_burst_that_it_came_in() -> None:
    flags = bursts.written("honeypot,burst_author=3", {"burst_site": 9})
    assert flags == "honeypot,burst_site=9"
    assert (bursts.read(flags), bursts.others(flags)) == ({"burst_site": 9}, ("honeypot",))
    assert bursts.read("burst_author=x,later=2,too_fast") == {}
    fullest = bursts.written("honeypot,too_fast,no_timing_token", bursts.MOST)
    assert len(fullest) <= Comment.__table__.c.intake_flags.type.length  # type: ignore[attr-defined]


def test_every_count_is_a_range_of_an_index(db: Database, settings: Settings, site: Site) -> None:
    now = utcnow()
    _fill(db, site, now, 2000)
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    with db.reading() as session:
        some = session.scalars(sa.select(Comment).order_by(Comment.id.desc()).limit(16)).all()
        sa.event.listen(db.engine, "before_cursor_execute", note)
        for of_site in (False, True):
            statement = bursts.statement(session.get_bind().dialect.name, of_site=of_site)
            session.execute(statement, {"ids": [comment.id for comment in some]})
        sa.event.remove(db.engine, "before_cursor_execute", note)
        connection = session.connection()
        if not db.is_sqlite:  # so few rows would be read from end to end
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        explain = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
        plans = [
            "\n".join(str(row[-1]) for row in connection.exec_driver_sql(explain + statement, values))
            for statement, values in asked
        ]
    assert len(plans) == 2, "one statement per kind, however many comments"
    for index in ("ix_comment_author", "ix_comment_network", "ix_comment_source"):
        assert index in plans[0], plans[0]
    assert "ix_comment_source" in plans[1], plans[1]
    assert not [line for plan in plans for line in plan.splitlines() if "SCAN comment" in line or "Seq Scan" in line]


def _fill(db: Database, site: Site, now: datetime, count: int) -> None:
    with db.transaction() as session:
        session.execute(
            sa.insert(Comment),
            [
                {
                    **{"site_id": site.id, "external_id": f"x{n}", "source": "api", "status": "APPROVED"},
                    **{"ip_network": f"203.0.{n % 200}.0/24", "author_name": "Rani"},
                    **dict.fromkeys(
                        ("created_at", "received_at", "pending_since", "shown_at"), now - timedelta(minutes=n)
                    ),
                }
                for n in reversed(range(count))
            ],
        )
        session.execute(sa.text("ANALYZE comment"))


def test_what_is_only_noted_is_shown_to_moderators_and_not_told_to_the_site(
    db: Database, settings: Settings, site: Site
) -> None:
    take(db, settings, site, given("c0", "Info lomba: WA 0812-3456-7890", author=somebody(1)))
    judge_all(db, settings, Reader())
    with db.reading() as session:
        comment = session.scalars(sa.select(Comment)).one()
        (card,) = cards.build(session, [comment])
        assert comment.status == "APPROVED"
        assert [(one.code, one.note, one.detail) for one in card.reasons] == [("phone", True, "+6281234567890")]
        assert [(part.text, part.kinds) for part in card.text_parts if part.numbers] == [("0812-3456-7890", ("phone",))]
        assert told.of_comment(session, comment).reasons == []
        assert searching.page(session, [site.id], parse("reason:phone", now=utcnow(), tz=UTC)).count == 1
