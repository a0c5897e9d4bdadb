"""Versions of scorers: learned, measured, promoted by a person, taken back; a shadow counts for nothing."""

import itertools
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from moderation import pipeline
from moderation.accounts.models import Moderator
from moderation.cli import cli
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.health import checks
from moderation.policy.models import VerdictRow
from moderation.review import decisions, evidence, searching
from moderation.review.decisions import Decider
from moderation.review.filters import Query, parse
from moderation.scoring import linear, newsroom, registry, releases
from moderation.scoring import store as scores
from moderation.scoring.builtin import ARTEFACT, BuiltinScorer
from moderation.scoring.lineup import Lineup
from moderation.scoring.models import Score
from moderation.scoring.newsroom import BLOCK, Head
from moderation.settings import Settings
from moderation.signals import SIGNALS

from .helpers import KEY, add_site, add_user, comment_of, given, judge_all, take

Run = Callable[..., Result]
BASE = BuiltinScorer()
TOPICS = (
    "pajak jalan sekolah banjir pasar kereta harga beras pemilu gubernur listrik vaksin".split()  # noqa: SIM905
)
NAMES = "Rani Budi Sari Joko Dewi Anton Maya Heru Wulan Tono".split()  # noqa: SIM905
FINE = ["Saya setuju soal {}, {}.", "Berita tentang {} ini kurang lengkap, {}.", "Semoga {} cepat selesai ya {}"]
SOLD = ["Titip jual {} di lapak {} saja", "Lapak kelas menulis {}, tanya {} ya", "Kelas menulis {} dibuka lapak {}"]
NEXT = "Lapak kami membuka kelas menulis pantun"


def texts(kinds: list[str], n: int, seed: int) -> list[str]:
    """Different texts, without digits."""
    rng = random.Random(seed)
    topics = list(itertools.permutations(TOPICS, 2))
    rng.shuffle(topics)
    return [rng.choice(kinds).format(" ".join(topic), rng.choice(NAMES)) for topic in topics[:n]]


def layer(bias: float, site_id: int, base: str = BASE.version) -> newsroom.Layer:
    """A layer that adds `bias` to every text's spam logit."""
    head = Head("spam", bias, np.zeros(len(SIGNALS)), np.zeros(2 * BLOCK, dtype=np.float16))
    return newsroom.make(base, site_id, [head], {})


def add_release(db: Database, made: newsroom.Layer, state: str, **report: object) -> int:
    with db.transaction() as session:
        row = releases.add(
            session, "newsroom", made.version, made.file, site_id=made.site_id, report=report, by="test", now=utcnow()
        )
        if state == releases.SHADOW:
            releases.put_in_shadow(session, row, by="test", now=utcnow())
        if state == releases.LIVE:
            releases.promote(session, row, by="test", now=utcnow())
        return row.id


def sought(line: str) -> Query:
    return parse(line, now=utcnow(), tz=ZoneInfo("UTC"))


@pytest.fixture
def lineup(db: Database, settings: Settings) -> Lineup:
    """A worker's, which looks at the releases every time."""
    return Lineup(db, settings, clock=itertools.count(0, 100).__next__)


def judge(db: Database, settings: Settings, lineup: Lineup) -> None:
    while pipeline.score_due(db, lineup.builtin(), settings, lineup).more:
        pass


def rows(db: Database, comment_id: int) -> list[tuple[str, str, bool]]:
    with db.reading() as session:
        found = session.scalars(select(Score).where(Score.comment_id == comment_id).order_by(Score.id))
        return [(row.scorer, row.version, row.shadow) for row in found]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MODERATION_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("MODERATION_DATABASE_URL", settings.database_url)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(cli, words)

    return invoke


def test_a_newsroom_teaches_promotes_and_takes_back(db: Database, settings: Settings, lineup: Lineup, run: Run) -> None:
    site, user = add_site(db).site, add_user(db)
    mixed = [pair for pairs in zip(texts(FINE, 60, 1), texts(SOLD, 60, 2), strict=True) for pair in pairs]
    sold = set(texts(SOLD, 60, 2))
    now = utcnow()
    with db.transaction() as session:
        pipeline.take_in_many(
            session,
            site,
            [given(f"c{n}", text) for n, text in enumerate(mixed)],
            source="api",
            settings=settings,
            key=KEY,
            now=now,
        )
    judge(db, settings, lineup)
    with db.transaction() as session:
        moderator = session.get_one(Moderator, user)
        comments = list(session.scalars(select(Comment).order_by(Comment.id)))
        for start in range(0, 120, 12):
            part = comments[start : start + 12]
            for action, reason, wanted in (("approve", None, False), ("reject", "SPAM", True)):
                some = [comment for comment, text in zip(part, mixed[start:], strict=False) if (text in sold) == wanted]
                decisions.decide_many(
                    session, some, action, Decider(moderator), now=now + timedelta(minutes=start), reason=reason
                )
    trained = run("train", "--from-decisions", "--site", str(site.id))
    assert trained.exit_code == 0, trained.output
    assert "Nothing speaks against it" in trained.output
    assert re.search(
        r"spam: measured on \d+ approved and \d+ rejected comments, held from 0\.\d{3} on\n", trained.output
    )
    assert re.search(r"until \d{4}-\d\d-\d\d \d\d:\d\d\n", trained.output)  # not to the microsecond

    take(db, settings, site, given("before", NEXT))
    judge(db, settings, lineup)
    before = comment_of(db, "before")
    assert [name for name, _, _ in rows(db, before.id)] == ["builtin"]  # a candidate judges nothing

    promoted = run("scorers", "promote", "1")
    assert promoted.exit_code == 0, promoted.output
    take(db, settings, site, given("after", NEXT + "."))
    judge(db, settings, lineup)
    after = comment_of(db, "after")
    (_, own, _), (name, version, shadow) = rows(db, after.id)
    assert (name, shadow) == ("newsroom", False)
    assert version.startswith(f"{own}+")
    with db.reading() as session:
        known = evidence.of_comment(session, after)
        assert known.scores["spam"] > 0.8 > evidence.of_comment(session, before).scores["spam"]
        assert f"newsroom@{version}" in known.scorers
        query = sought("spam:>0.8")
        assert after.id in searching.among(session, [site.id], query, [before.id, after.id])

    back = run("scorers", "rollback", "--site", str(site.id))
    assert "No newsroom layer judges any more" in back.output
    take(db, settings, site, given("rolled", NEXT + "!"))
    judge(db, settings, lineup)
    assert [name for name, _, _ in rows(db, comment_of(db, "rolled").id)] == ["builtin"]
    assert run("scorers", "rollback", "--site", str(site.id)).exit_code != 0


def test_too_few_decisions_teach_nothing_and_say_what_is_missing(db: Database, run: Run) -> None:
    add_site(db)
    refused = run("train", "--from-decisions", "--site", "1")
    assert refused.exit_code != 0
    assert "0 comments rejected for it to learn from, 20 are needed" in str(refused.output) + str(refused.exception)
    assert run("train", "--from-decisions").exit_code != 0


def test_a_worse_candidate_is_refused_with_the_reason_unless_a_person_insists(db: Database, run: Run) -> None:
    site = add_site(db).site
    number = add_release(db, layer(1.0, site.id), releases.CANDIDATE, objections=["spam: it ranks worse."])
    refused = run("scorers", "promote", str(number))
    assert refused.exit_code != 0
    assert "it ranks worse" in refused.output + str(refused.exception)
    assert run("scorers", "promote", str(number), "--anyway").exit_code == 0
    with db.reading() as session:
        assert releases.get(session, number).state == releases.LIVE


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, True),
        ({"MODERATION_SCORER": "builtin"}, False),  # Detoxify's weights lie there and judge nothing
        ({"MODERATION_COMPOSITION": "en:toxicity=detoxify,builtin"}, False),
    ],
)
def test_who_promotes_a_layer_is_told_where_it_takes_detoxifys_place_unmeasured(
    db: Database, run: Run, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], told: bool
) -> None:
    monkeypatch.setattr(registry, "languages_of_detoxify", lambda _: frozenset({"en"}))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    site = add_site(db).site
    number = add_release(db, layer(1.0, site.id), releases.CANDIDATE, signals={"toxicity": {}, "spam": {}})
    output = run("scorers", "promote", str(number), "--anyway").output
    assert ("en:toxicity=detoxify,builtin" in output) is told
    assert "spam" not in output  # Detoxify does not measure it


def test_releases_of_a_site_that_is_not_there_are_refused_not_empty(db: Database, run: Run) -> None:
    add_site(db)
    for words in (("list",), ("rollback",)):
        result = run("scorers", *words, "--site", "999")
        assert "There is no site 999" in str(result.exception)


def test_a_shadow_is_kept_and_never_changes_a_verdict(db: Database, settings: Settings, lineup: Lineup) -> None:
    site = add_site(db).site
    made = layer(20.0, site.id)
    number = add_release(db, made, releases.SHADOW)
    take(db, settings, site, given())
    judge(db, settings, lineup)
    comment = comment_of(db)
    assert rows(db, comment.id) == [("builtin", BASE.version, False), ("newsroom", made.version, True)]
    with db.reading() as session:
        verdict = session.scalars(select(VerdictRow)).one()
        assert (comment.status, verdict.action, verdict.reasons) == ("APPROVED", "approve", [])
        assert [item.scorer for item in scores.of_revision(session, comment.id, 1)] == ["builtin"]
        query = sought("spam:>0.9")
        assert searching.among(session, [site.id], query, [comment.id]) == set()
    with db.transaction() as session:
        releases.promote(session, releases.get(session, number), by="test", now=utcnow())
        assert evidence.of_comment(session, comment).scores["spam"] > 0.9  # its version is the live one now
        assert searching.among(session, [site.id], query, [comment.id]) == {comment.id}


def test_a_layer_that_is_damaged_or_of_another_built_in_leaves_the_built_in_alone(
    db: Database, settings: Settings, lineup: Lineup, caplog: pytest.LogCaptureFixture
) -> None:
    site, other = add_site(db).site, add_site(db, webhook=False).site
    strange = add_release(db, layer(20.0, site.id, "000000000000.1"), releases.LIVE)
    with db.transaction() as session:
        row = releases.add(
            session, "newsroom", f"{BASE.version}+x", b"x", site_id=other.id, report={}, by="t", now=utcnow()
        )
        releases.promote(session, row, by="t", now=utcnow())
    for number, where in enumerate((site, other)):
        take(db, settings, where, given(f"c{number}"))
    judge(db, settings, lineup)
    assert [comment_of(db, f"c{number}").status for number in range(2)] == ["APPROVED", "APPROVED"]
    assert f"release {strange} (newsroom@000000000000.1+" in caplog.text
    assert "could not be loaded" in caplog.text
    assert any(f"release {strange})" in finding.what for finding in checks.examine(db, settings))


def test_another_built_in_artefact_is_tried_promoted_and_taken_back(
    db: Database, settings: Settings, lineup: Lineup, run: Run, tmp_path: Path
) -> None:
    site = add_site(db).site
    model = linear.load(ARTEFACT)
    path = tmp_path / "other.npz"
    replace(model, about={**model.about, "note": "another"}).save(path)
    other = BuiltinScorer(path).version
    added = run("scorers", "add", str(path))
    assert added.exit_code == 0, added.output
    line = tmp_path / "in.jsonl"
    line.write_text('{"id": 1, "text": "Terima kasih"}')
    for spec in ("builtin@1", f"builtin@{other[:8]}"):
        assert f'"scorer": "builtin/{other}"' in run("score", "--scorer", spec, str(line)).output
    assert run("scorers", "promote", "1").exit_code != 0  # nothing was measured: nobody has decided anything
    assert run("scorers", "shadow", "1").exit_code == 0
    take(db, settings, site, given("c1"))
    judge(db, settings, lineup)
    assert rows(db, comment_of(db, "c1").id) == [("builtin", BASE.version, False), ("builtin", other, True)]
    assert run("scorers", "promote", "1", "--anyway").exit_code == 0
    take(db, settings, site, given("c2"))
    judge(db, settings, lineup)
    assert rows(db, comment_of(db, "c2").id) == [("builtin", other, False)]
    with db.reading() as session:
        choice = releases.resolve(session, settings, "builtin")
        assert (choice.version, choice.live, choice.make().version) == (other, True, other)
        assert releases.resolve(session, settings, f"builtin@{BASE.version[:8]}").live is False
        # Of the first comment both have judged: the live version's score counts.
        (kept,) = scores.of_revision(session, comment_of(db, "c1").id, 1)
        assert kept.version == other
    assert run("scorers", "rollback").exit_code == 0
    with db.reading() as session:
        assert releases.resolve(session, settings, "builtin").version == BASE.version


def test_a_rollback_goes_back_one_promotion_and_never_to_what_was_taken_back(db: Database) -> None:
    site = add_site(db).site
    first, second, third = (add_release(db, layer(float(n), site.id), releases.LIVE) for n in (1, 2, 3))

    def rollback() -> int | None:
        with db.transaction() as session:
            row = releases.rollback(session, "newsroom", site.id, by="test", now=utcnow())
            return None if row is None else row.id

    assert rollback() == second
    with db.transaction() as session:
        releases.promote(session, releases.get(session, third), by="test", now=utcnow())
    assert [rollback(), rollback(), rollback()] == [second, first, None]


def test_scores_of_a_fake_scorer_are_judged_without_layers(db: Database, settings: Settings, lineup: Lineup) -> None:
    site = add_site(db).site
    add_release(db, layer(20.0, site.id), releases.LIVE)
    take(db, settings, site, given())
    judge_all(db, settings)
    assert comment_of(db).status == "APPROVED"
