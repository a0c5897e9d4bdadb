"""Statistics: what the hours add up to is what a recount of all rows finds; the page says it, and so does the CSV."""

import csv
import io
import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from click.testing import CliRunner
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from sqlalchemy import delete, event, func, select, update
from sqlalchemy.orm import Session

import moderation
from moderation.accounts.models import Moderator, Site
from moderation.cli import cli
from moderation.comments.models import Comment, Revision
from moderation.db import Database, utcnow
from moderation.policy.models import VerdictRow
from moderation.review import decisions, statistics, statistics_counting, statistics_keeping, statistics_reading
from moderation.review.decisions import Decider
from moderation.review.models import Decision, SecondLook, Statistic
from moderation.review.statistics import HOUR, Sums
from moderation.review.statistics_counting import Step
from moderation.review.statistics_reading import Slot
from moderation.settings import Settings

from .helpers import BAD, Browser, add_site, add_user, comment_of, judge_all, log_in, take
from .helpers import given as comment_given

BEGIN = datetime(2026, 11, 20, 3, tzinfo=UTC)
SPAN = 8
"""Hours in which everything of the small world below happens."""


# --- a small world, and its figures counted while it is made ---


@dataclass
class World:
    """Writes rows as the pipeline would, and counts along, comment by comment."""

    session: Session
    sites: list[int]
    people: list[int]
    figures: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    ids: int = 0

    def comment(self, site: int, minute: int, source: str, language: str | None, lives: list[Any]) -> None:
        self.ids += 1
        at = BEGIN + timedelta(minutes=minute)
        comment = Comment(
            **{"site_id": self.sites[site], "external_id": f"c{self.ids}", "source": source, "status": "HELD"},
            **{"created_at": at, "received_at": at, "pending_since": at, "shown_at": at, "language": language},
        )
        self.session.add(comment)
        self.session.flush()
        if source != "import":
            self.figures[comment.site_id, "received", ""] += 1
        sequence = 0
        for revision, (wait, origin, action, reason, acts) in enumerate(lives, 1):
            came = at
            self.session.add(
                Revision(comment_id=comment.id, number=revision, text="teks", text_hash="", created_at=came)
            )
            reasons = [{"code": reason, "signal": "insult" if reason == "signal_over_hold" else None}] if reason else []
            self.session.add(
                VerdictRow(
                    **{"comment_id": comment.id, "revision": revision, "policy_version": 0, "action": action},
                    **{"not_scored": False, "reasons": reasons, "created_at": came},
                )
            )
            at += timedelta(minutes=wait)
            sequence += 1
            held_at = at
            self.session.add(
                Decision(
                    **{"comment_id": comment.id, "revision": revision, "sequence": sequence, "action": action},
                    **{"origin": origin, "created_at": at},
                )
            )
            self.figures[comment.site_id, "decided", f"{origin}:{action}"] += 1
            self.figures[comment.site_id, "first", f"{origin}:{action}"] += 1
            made: list[Decision] = []
            for gap, person, what in acts:
                at += timedelta(seconds=gap)
                standing = [row for row in made if row.undoes is None and row.id not in {d.undoes for d in made}]
                if what == "undo" and not standing:
                    continue
                sequence += 1
                row = Decision(
                    **{"comment_id": comment.id, "revision": revision, "sequence": sequence, "created_at": at},
                    **{"action": "hold" if what == "undo" else what, "origin": "moderator"},
                    **{"moderator_id": self.people[person], "undoes": standing[-1].id if what == "undo" else None},
                )
                self.session.add(row)
                self.session.flush()
                made.append(row)
                self.figures[comment.site_id, "decided", f"moderator:{what}"] += 1
                self.figures[comment.site_id, "person", f"{self.people[person]}:{what}"] += 1
            undone = {row.undoes for row in made}
            first = next((d for d in made if d.undoes is None and d.id not in undone and d.action != "hold"), None)
            if first is None:
                continue
            if action == "hold":
                since = held_at if origin == "import" else came
                seconds = (first.created_at - since).total_seconds()
                self.figures[comment.site_id, "wait", str(statistics.bucket(seconds))] += 1
            if origin in ("policy", "deadline"):
                signal = {"": "none", "signal_over_hold": "insult"}.get(reason, reason)
                kind = f"{signal}:{language or ''}:{action}:{first.action}"
                self.figures[comment.site_id, "verdict", kind] += 1


ACTS = st.lists(
    st.tuples(st.integers(0, 1200), st.integers(0, 1), st.sampled_from(["approve", "reject", "undo", "hold"])),
    max_size=4,
)
LIVES = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from(["policy", "policy", "deadline", "staff", "import", "campaign"]),
        st.sampled_from(["approve", "hold", "hold", "reject"]),
        st.sampled_from(["", "signal_over_hold", "links", "not_scored"]),
        ACTS,
    ),
    min_size=1,
    max_size=2,
)
COMMENT = st.tuples(
    st.integers(0, 1),
    st.integers(0, 120),
    st.sampled_from(["api", "form", "webhook", "import"]),
    st.sampled_from(["id", "en", None]),
    LIVES,
)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(COMMENT, max_size=6))
def test_the_hours_add_up_to_a_recount(db: Database, comments: list[Any]) -> None:
    with db.transaction() as session:
        for table in (Statistic, VerdictRow, Decision, Revision, Comment):
            session.execute(delete(table))
        sites = list(session.scalars(select(Site.id)))
    sites = sites or [add_site(db, webhook=False).site.id for _ in range(2)]
    with db.reading() as session:
        people = list(session.scalars(select(Moderator.id)))
    people = people or [add_user(db, f"m{n}@contoh.example") for n in range(2)]
    with db.transaction() as session:
        world = World(session, sites, people)
        for comment in comments:
            world.comment(*comment)
    for n in range(SPAN):
        statistics_keeping.count_hour(db, BEGIN + n * HOUR)
    slots = [Slot(BEGIN + n * 2 * HOUR, BEGIN + (n + 1) * 2 * HOUR) for n in range(SPAN // 2)]
    with db.reading() as session:
        for wanted in (sites, sites[:1]):
            found = statistics_reading.read(session, wanted, slots, BEGIN + timedelta(days=3))
            expected: Counter[tuple[str, str]] = Counter()
            for (site, name, key), n in world.figures.items():
                expected[name, key] += n if site in wanted else 0
            got = {
                key: n for key, n in found.total.counts.items() if key[0] not in (statistics.COUNTED, statistics.ACTIVE)
            }
            assert got == {key: n for key, n in expected.items() if n}
            sums: Counter[tuple[str, str]] = Counter()
            for slot in found.slots:
                sums.update(slot.counts)
            assert sums == found.total.counts


# --- times as buckets ---


@given(st.lists(st.floats(1, 10**8), min_size=1, max_size=50), st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_a_quantile_out_of_buckets_is_off_by_the_stated_share_at_most(times: list[float], share: float) -> None:
    buckets = Counter(statistics.bucket(seconds) for seconds in times)
    exact = sorted(times)[max(0, -int(-share * len(times) // 1) - 1)]
    found = statistics.quantile(buckets, share)
    assert found is not None
    assert abs(found / exact - 1) <= statistics.BUCKET_ERROR + 1e-9


def test_of_nothing_there_is_no_quantile() -> None:
    assert statistics.quantile({}, 0.5) is None
    assert statistics.quantile({statistics.bucket(0.2): 3}, 0.5) == pytest.approx(1, abs=0.1)


# --- what a person's decision says of the machine ---


def step(n: int, action: str, *, by: str = "", undoes: int | None = None, revision: int = 1) -> Step:
    return Step(n, revision, action, by or "moderator", not by, undoes, BEGIN + timedelta(minutes=n))


def test_the_first_decision_that_stands_counts_and_what_was_taken_back_does_not() -> None:
    history = [step(1, "hold", by="policy"), step(2, "reject"), step(3, "hold", undoes=2), step(4, "approve")]
    (item,) = statistics_counting.judged(history)
    assert (item.step.id, item.machine, item.held and item.held.id) == (4, "hold", 1)
    assert statistics_counting.judged(history[:3]) == []


def test_what_the_machine_approved_did_not_wait_and_can_be_overturned() -> None:
    (item,) = statistics_counting.judged([step(1, "approve", by="policy"), step(2, "reject"), step(3, "approve")])
    assert (item.step.id, item.machine, item.held) == (2, "approve", None)


def test_what_a_person_ordered_is_no_verdict_of_the_machine() -> None:
    (item,) = statistics_counting.judged([step(1, "reject", by="campaign"), step(2, "approve")])
    assert item.machine is None


def test_every_revision_is_judged_for_itself() -> None:
    history = [step(1, "hold", by="policy"), step(2, "approve"), step(3, "approve", by="policy", revision=2)]
    assert [item.step.id for item in statistics_counting.judged([*history, step(4, "reject", revision=2)])] == [2, 4]


def test_to_hold_is_to_suspect_and_a_rule_alone_judges_nothing() -> None:
    sums = Sums(
        {
            ("verdict", "insult:id:hold:approve"): 3,
            ("verdict", "insult:id:hold:reject"): 7,
            ("verdict", "none:id:approve:reject"): 1,
            ("verdict", "none:id:approve:approve"): 4,
            ("verdict", "story_closed:id:hold:approve"): 100,
        }
    )
    assert sums.overturned == (4, 15)


# --- the sweep ---


def counted(db: Database) -> list[datetime]:
    with db.reading() as session:
        return list(
            session.scalars(
                select(Statistic.hour).where(Statistic.name == "counted").distinct().order_by(Statistic.hour)
            )
        )


def site_made_at(db: Database, at: datetime) -> int:
    site_id = add_site(db, webhook=False).site.id
    with db.transaction() as session:
        session.execute(update(Site).values(created_at=at))
    return site_id


def test_the_sweep_counts_an_hour_when_it_is_over_and_catches_up_newest_first(db: Database) -> None:
    site_made_at(db, BEGIN + timedelta(minutes=20))
    rollup = statistics_keeping.Rollup(db, round_seconds=0)
    assert rollup.tick(BEGIN + timedelta(minutes=30)) == 0
    now = BEGIN + 4 * HOUR
    assert rollup.tick(now + timedelta(minutes=4)) == 1
    assert counted(db) == [BEGIN + 2 * HOUR]  # the hour that ended four minutes ago may still be written to
    assert [rollup.tick(now + timedelta(minutes=n)) for n in (5, 6, 7, 8)] == [1, 1, 1, 1]
    assert counted(db) == [BEGIN, BEGIN + HOUR, BEGIN + 2 * HOUR, BEGIN + 3 * HOUR]


def test_when_nothing_is_left_to_count_the_sweep_asks_nothing(db: Database) -> None:
    site_made_at(db, BEGIN)
    rollup = statistics_keeping.Rollup(db, round_seconds=60)
    now = BEGIN + 4 * HOUR + timedelta(minutes=10)
    assert rollup.tick(now) == 4
    db.dispose()
    assert rollup.tick(now + timedelta(minutes=20)) == 0


def test_a_change_that_came_late_is_found_when_the_hour_is_counted_again(db: Database) -> None:
    site_id = site_made_at(db, BEGIN)
    rollup = statistics_keeping.Rollup(db, round_seconds=60)
    rollup.tick(BEGIN + HOUR + timedelta(minutes=6))
    with db.transaction() as session:
        World(session, [site_id], []).comment(0, 10, "api", "id", [(1, "policy", "approve", "", [])])
    slots = [Slot(BEGIN, BEGIN + HOUR)]
    later = BEGIN + 5 * HOUR
    with db.reading() as session:
        assert statistics_reading.read(session, [site_id], slots, later).total.received == 0
    rollup.tick(BEGIN + 2 * HOUR + timedelta(minutes=6))
    with db.reading() as session:
        assert statistics_reading.read(session, [site_id], slots, later).total.received == 1


def test_counting_an_hour_twice_leaves_the_same(db: Database) -> None:
    site_id = site_made_at(db, BEGIN)
    with db.transaction() as session:
        World(session, [site_id], []).comment(0, 10, "api", "id", [(1, "policy", "hold", "links", [])])
    rows = []
    for _ in range(2):
        statistics_keeping.count_hour(db, BEGIN)
        with db.reading() as session:
            rows.append(sorted((row.name, row.key, row.n) for row in session.scalars(select(Statistic))))
    assert rows[0] == rows[1]
    with db.transaction() as session:
        session.execute(delete(Decision))
    statistics_keeping.count_hour(db, BEGIN)
    with db.reading() as session:
        assert {row.name for row in session.scalars(select(Statistic))} == {"counted", "received"}


def test_the_running_hour_is_counted_live_and_what_nobody_counted_is_named(db: Database) -> None:
    now = utcnow()
    hour = statistics.hour_of(now)
    site_id = site_made_at(db, hour - 6 * HOUR)
    with db.transaction() as session:
        world = World(session, [site_id], [])
        world.comment(0, int((now - BEGIN).total_seconds() // 60), "api", "id", [(0, "policy", "approve", "", [])])
        world.comment(
            0, int((hour - 5 * HOUR - BEGIN).total_seconds() // 60), "api", "id", [(0, "staff", "approve", "", [])]
        )
    slots = [Slot(hour - 7 * HOUR, hour + HOUR)]
    with db.reading() as session:
        found = statistics_reading.read(session, [site_id], slots, now)
    assert (found.total.received, found.total.judged, found.missing) == (1, 1, 4)
    statistics_keeping.rebuild(db, 1, now + HOUR)
    with db.reading() as session:
        found = statistics_reading.read(session, [site_id], slots, now)
    assert (found.total.received, found.total.judged, found.missing) == (2, 1, 0)


def test_the_command_counts_the_last_days_again(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_site(db, webhook=False)
    monkeypatch.setenv("MODERATION_DATABASE_URL", settings.database)
    monkeypatch.setenv("MODERATION_DATA_DIR", str(settings.data_dir))
    done = CliRunner().invoke(cli, ["statistics", "rebuild", "--days", "1"])
    assert done.exit_code == 0, done.output
    assert "24 hours are counted." in done.output
    assert len(counted(db)) == 24


def test_neither_counting_nor_reading_goes_through_whole_tables(sqlite_template: Path, tmp_path: Path) -> None:
    """SQLite says how it reads; PostgreSQL goes by what it knows of the rows, and here are none."""
    shutil.copy(sqlite_template, tmp_path / "moderation.db")
    db = Database(f"sqlite:///{tmp_path / 'moderation.db'}")
    site_id, seen = site_made_at(db, BEGIN), list[tuple[str, Any]]()
    with db.transaction() as session:
        rani = Moderator(email="r", name="", password_hash="", role="moderator", created_at=BEGIN)
        session.add(rani)
        session.flush()
        world = World(session, [site_id], [rani.id])
        world.comment(0, 10, "api", "id", [(1, "policy", "hold", "links", [(60, 0, "approve")])])
    with db.engine.connect() as connection, Session(connection) as session:
        event.listen(connection, "before_cursor_execute", lambda c, cursor, sql, values, *_: seen.append((sql, values)))
        figures = statistics_counting.count(session, BEGIN)
        statistics_keeping.keep(session, BEGIN, figures)
        statistics_reading.read(session, [site_id], [Slot(BEGIN, BEGIN + HOUR)], BEGIN + HOUR)
        read = [(sql, values) for sql, values in seen if sql.startswith(("SELECT", "WITH", "DELETE"))]
        assert len(read) > 10
        for sql, values in read:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
            scanned = [step for step in plan if re.match(r"SCAN (comment|decision|verdict|revision|statistic)", step)]
            assert scanned == [], (sql, plan)
    db.dispose()


# --- the page ---


@pytest.fixture
def busy(app: Flask, db: Database, settings: Settings) -> Browser:
    """Six comments, four of them held; Rani approved one and rejected one, =Budi rejected what was approved."""
    site = add_site(db, webhook=False).site
    rani = add_user(db, "rani@contoh.example", name="Rani")
    budi = add_user(db, "budi@contoh.example", role="moderator", name="=Budi", sites=[site])
    for number in range(1, 7):
        take(db, settings, site, comment_given(f"c{number}", f"{BAD} {number}" if number <= 4 else f"Baik {number}"))
    judge_all(db, settings)
    decide(db, rani, "c1", "approve")
    decide(db, rani, "c2", "reject")
    decide(db, budi, "c5", "reject")
    return log_in(app, "rani@contoh.example")


def decide(db: Database, who: int, external_id: str, action: str) -> None:
    with db.transaction() as session:
        comment = session.get_one(Comment, comment_of(db, external_id).id)
        me = session.get_one(Moderator, who)
        reason = "SPAM" if action == "reject" else None
        decisions.decide(
            session, comment, action, Decider(me), seen_version=comment.version, now=utcnow(), reason=reason
        )


def lines(browser: Browser, chart: str, query: str = "") -> list[list[str]]:
    answer = browser.get(f"/statistics.csv?chart={chart}{query}")
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "text/csv"
    assert f"statistics-{chart}-" in answer.headers["Content-Disposition"]
    return list(csv.reader(io.StringIO(answer.text)))


def test_the_page_says_what_happened_in_both_languages(busy: Browser) -> None:
    page = busy.get("/statistics?lang=en").text
    for sentence in (
        "6 comments judged, 67\u00a0% of them held",
        "3 decisions by people, 67\u00a0% of them rejections",
        "The machine decided 33\u00a0% of what it judged itself; people overturned 67\u00a0% of the 3 verdicts",
        "the median was never over the target of 1 h",
        "2 people decided",
        "within the target of 1 h",
    ):
        assert sentence in page, sentence
    assert "Statistik" in busy.get("/statistics?lang=id").text


def test_every_chart_has_its_table_and_its_csv(busy: Browser) -> None:
    page = busy.get("/statistics?lang=en").text
    for chart in ("volume", "decisions", "waiting", "machine", "overturned", "people", "looks"):
        assert f'id="{chart}"' in page
        assert f"chart={chart}" in page
        assert len(lines(busy, chart)) >= 1
    assert page.count("<svg viewBox") >= 4
    assert "style=" not in page


def test_the_csv_has_plain_numbers_that_add_up(busy: Browser) -> None:
    head, *rows = lines(busy, "volume", "&days=7&lang=en")
    assert head == ["Day", "Received", "Approved at once", "Held", "Rejected at once"]
    assert len(rows) == 7
    assert rows[-1][1:] == ["6", "2", "4", "0"]
    assert all(row[1:] == ["0"] * 4 for row in rows[:-1])
    hours = lines(busy, "volume", "&days=7&by=hour")[1:]
    assert len(hours) == 7 * 24
    assert sum(int(row[1]) for row in hours) == 6
    assert lines(busy, "machine")[-1][1:] == ["6", "2", "0.3333", "3", "2", "0.6667"]


def test_no_cell_of_the_csv_is_a_formula(busy: Browser) -> None:
    assert [row[0] for row in lines(busy, "people")[1:]] == ["'=Budi", "Rani"]


def test_a_moderator_sees_their_own_row_and_the_others_together(busy: Browser, app: Flask) -> None:
    budi = log_in(app, "budi@contoh.example")
    _, *rows = lines(budi, "people", "&lang=en")
    assert [row[0] for row in rows] == ["'=Budi", "all others"]
    assert [row[1:6] for row in rows] == [["0", "1", "0", "0", "1"], ["1", "1", "0", "0", "1"]]
    assert "Rani" not in budi.get("/statistics").text.partition("<main")[2]


def test_overturned_verdicts_are_told_by_signal_and_language(busy: Browser) -> None:
    head, *rows = lines(busy, "overturned", "&lang=en")
    assert head == ["Signal", "Looked at by people", "Overturned", "Share overturned", "id"]
    assert [row[1:] for row in rows] == [["2", "1", "0.5", "0.5"], ["1", "1", "1.0", "1.0"]]
    assert rows[1][0] == "approved: nothing against it"


def test_second_looks_are_counted(busy: Browser, db: Database) -> None:
    with db.transaction() as session:
        site_id = session.scalars(select(Site.id)).one()
        for n, (first, second) in enumerate((("approve", "approve"), ("reject", "approve")), 1):
            made = session.scalars(
                select(Decision).where(Decision.moderator_id.is_not(None)).order_by(Decision.id)
            ).all()[n]
            session.add(
                SecondLook(
                    **{"site_id": site_id, "comment_id": made.comment_id, "decision_id": made.id, "first_by": 1},
                    **{"first_action": first, "created_at": utcnow(), "second_by": 2, "action": second},
                    looked_at=utcnow(),
                )
            )
    assert "agreed on 50\u00a0% of 2" in busy.get("/statistics?lang=en").text
    assert lines(busy, "looks", "&lang=en")[1:] == [
        ["Approved", "Approved", "1", "0.5"],
        ["Rejected", "Approved", "1", "0.5"],
    ]


def test_the_oldest_held_comment_has_a_level_in_words_and_colour(busy: Browser, db: Database) -> None:
    def level(minutes: int) -> str:
        with db.transaction() as session:
            session.execute(update(Comment).values(decided_at=utcnow() - timedelta(minutes=minutes)))
        page = busy.get("/statistics?lang=en").text
        return next(name for name in ("is-ok", "is-soon", "is-late") if f"level {name}" in page)

    assert [level(n) for n in (5, 50, 61)] == ["is-ok", "is-soon", "is-late"]
    assert "over the target of" in busy.get("/statistics?lang=en").text


def test_only_my_sites_count(busy: Browser, db: Database, settings: Settings, app: Flask) -> None:
    other = add_site(db, webhook=False).site
    take(db, settings, other, comment_given("o1"))
    judge_all(db, settings)
    assert lines(busy, "volume")[-1][1] == "7"
    assert lines(busy, "volume", f"&site={other.id}")[-1][1] == "1"
    budi = log_in(app, "budi@contoh.example")
    assert lines(budi, "volume")[-1][1] == "6"
    assert budi.get(f"/statistics?site={other.id}").status_code == 404


def test_strange_wishes_are_refused_or_brought_to_the_next_span(busy: Browser) -> None:
    assert busy.get("/statistics?days=0").status_code == 422
    assert busy.get("/statistics.csv?chart=none").status_code == 404
    assert len(lines(busy, "volume", "&days=14")) == 31
    assert len(lines(busy, "volume", "&days=90&by=hour")) == 91
    assert len(lines(busy, "volume", "&days=1")) == 25


def test_nobody_sees_statistics_without_logging_in(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/statistics", headers={"Accept": "text/html"}).headers["Location"] == "/login?next=/statistics"


def test_nothing_at_all_is_a_page_too(app: Flask, db: Database) -> None:
    add_user(db)
    page = log_in(app).get("/statistics?lang=en").text
    assert "No comments in this span" in page
    assert "nothing waits" in page


def test_decisions_in_bulk_stand_apart(db: Database) -> None:
    sums = Sums({("person", "7:approve"): 2, ("person", "7:bulk"): 500, ("decided", "moderator:approve"): 502})
    assert sums.people == {7: {"approve": 2, "bulk": 500}}
    assert sums.decided_by_people == 502
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Statistic)) == 0


@pytest.mark.parametrize(
    "path", ["review/statistics_panel_views.py", "review/shown_views.py", "accounts/account_views.py"]
)
def test_what_these_views_say_is_said_in_indonesian_too(path: str) -> None:
    root = Path(moderation.__file__).parent
    catalogue = read_po((root / "translations/id/LC_MESSAGES/messages.po").open("rb"))
    source = io.BytesIO((root / path).read_bytes())
    said = [message for _, message, _, _ in extract("python", source, keywords={"gettext": None, "ngettext": (1, 2)})]
    found = [catalogue.get(one if isinstance(one, str) else one[0]) for one in said]
    assert [said[n] for n, message in enumerate(found) if message is None or not message.string] == []
