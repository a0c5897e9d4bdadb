"""The drift panel: what is compared with what, a shadow beside what is live, and that it stays small."""

import html
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import event, update

from moderation import pipeline
from moderation.accounts import tokens
from moderation.accounts.models import Moderator, Site
from moderation.comments.models import Comment, Revision
from moderation.db import Database, utcnow
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.rescoring import drift, sampled, stability
from moderation.review import decisions
from moderation.review.decisions import Decider
from moderation.scoring import builtin, comparing, newsroom, registry, releases
from moderation.scoring import store as scores
from moderation.scoring.scorer import TextScore
from moderation.scoring.store import NewScore
from moderation.settings import Settings
from moderation.signals import SIGNALS

from .helpers import KEY, FakeScorer, add_site, add_user, given, log_in

MARK = DEFAULT_DOCUMENT["bands"]["builtin"]["toxicity"]["hold"]

NOW = utcnow()
VERSION = str(registry.package_version())
FOUR = timedelta(days=4)
RANDOM = np.random.default_rng(4)


def score(value: float) -> TextScore:
    return TextScore({**dict.fromkeys(SIGNALS, value / 2), "toxicity": value}, "id", supported=True)


def add(
    db: Database,
    settings: Settings,
    site: Site,
    given_scores: list[TextScore | None],
    at: datetime,
    *,
    within: timedelta = timedelta(hours=20),
    took: float = 2.0,
    source: str = "api",
) -> list[int]:
    """Comments that came in the hours before `at`, scored after `took` seconds and judged."""
    step = within / max(len(given_scores), 1)
    wanted = [given(f"{at:%d%H%M}-{source}-{n}", f"cuaca cerah {n}") for n in range(len(given_scores))]
    with db.transaction() as session:
        pipeline.take_in_many(session, site, wanted, source=source, settings=settings, key=KEY, now=at)
        rows = {row.external_id: row for row in session.query(Comment).where(Comment.site_id == site.id)}
        made = [rows[one.external_id] for one in wanted]
        for n, (comment, known) in enumerate(zip(made, given_scores, strict=True)):
            came = at - n * step
            comment.received_at, comment.status = came, "APPROVED"
            session.execute(update(Revision).where(Revision.comment_id == comment.id).values(created_at=came))
            if known is not None:
                later = came + timedelta(seconds=took)
                scores.put(session, builtin.NAME, VERSION, [NewScore(comment.id, 1, known)], later)
        return [comment.id for comment in made]


def read(db: Database, settings: Settings, site: Site) -> drift.Drift:
    with db.reading() as session:
        return drift.read(session, settings, session.get_one(Site, site.id), NOW)


@pytest.fixture
def site(db: Database) -> Site:
    return add_site(db).site


def test_scores_of_the_week_are_compared_with_the_four_weeks_before(
    db: Database, settings: Settings, site: Site
) -> None:
    calm = [score(value) for value in RANDOM.uniform(0, 0.4, 400)]
    add(db, settings, site, calm, NOW - timedelta(days=10), within=timedelta(days=20))
    add(db, settings, site, [score(v) for v in RANDOM.uniform(0.5, 0.9, 400)], NOW - timedelta(days=2), within=FOUR)
    told = read(db, settings, site)
    found = {(one.signal, one.language): one for one in told.spreads}
    toxicity = found["toxicity", drift.ALL]
    assert (toxicity.scorer, toxicity.version) == ("builtin", VERSION)
    assert (toxicity.week.state, toxicity.week.before, toxicity.week.n) == (stability.SHIFTED, 400, 400)
    assert toxicity.day.state == stability.FEW  # nobody wrote on the last day
    assert toxicity.mark == MARK
    assert toxicity.over[1:] == (1.0, None)
    assert told.languages == ["id"]
    assert found["toxicity", "id"].week == toxicity.week
    assert found["threat", drift.ALL].week.state == stability.SHIFTED


def test_a_site_that_stays_as_it_was_is_stable_and_a_small_one_is_told_so(
    db: Database, settings: Settings, site: Site
) -> None:
    same = [score(value) for value in np.linspace(0, 0.5, 400)]
    add(db, settings, site, same, NOW - timedelta(days=9), within=timedelta(days=20))
    add(db, settings, site, same, NOW - timedelta(days=2), within=FOUR)
    add(db, settings, site, [score(0.9)] * 20, NOW - timedelta(minutes=1))
    toxicity = next(one for one in read(db, settings, site).spreads if one.signal == "toxicity")
    assert toxicity.week.state == stability.STABLE
    assert toxicity.day.state == stability.FEW
    assert toxicity.day.n == 20


def test_scores_of_another_version_are_no_reference(db: Database, settings: Settings, site: Site) -> None:
    old = add(db, settings, site, [None] * 50, NOW - timedelta(days=9))
    add(db, settings, site, [score(0.2)] * 50, NOW - timedelta(days=1, hours=2))
    with db.transaction() as session:
        scores.put(session, builtin.NAME, "older", [NewScore(one, 1, score(0.8)) for one in old], NOW)
    spread = read(db, settings, site).spreads[0]
    assert (spread.week.before, spread.week.n, spread.week.state) == (0, 50, stability.FEW)


def test_what_an_import_brought_and_what_staff_wrote_is_not_looked_at(
    db: Database, settings: Settings, site: Site
) -> None:
    add(db, settings, site, [score(0.1)] * 3, NOW - timedelta(hours=1))
    (staffs,) = add(db, settings, site, [score(0.1)], NOW - timedelta(hours=2))
    imported = add(db, settings, site, [score(0.1)] * 5, NOW - timedelta(hours=3))
    with db.transaction() as session:
        session.get_one(Comment, staffs).staff = True
        session.execute(update(Comment).where(Comment.id.in_(imported)).values(source="import"))
    assert read(db, settings, site).day.comments == 3


def test_the_pace_tells_what_is_not_scored_and_how_long_scoring_takes(
    db: Database, settings: Settings, site: Site
) -> None:
    add(db, settings, site, [score(0.1)] * 19, NOW - timedelta(hours=1), took=2)
    add(db, settings, site, [score(0.1)], NOW - timedelta(hours=2), took=60)
    add(db, settings, site, [None] * 5, NOW - timedelta(hours=3))
    day = read(db, settings, site).day
    assert (day.comments, day.whole, day.unscored, day.timed, day.median) == (25, True, 5, 20, 2.0)
    assert day.p95 is not None
    assert 2 < day.p95 < 60


def test_a_shadow_is_measured_by_what_the_whole_policy_would_decide(
    db: Database, settings: Settings, site: Site
) -> None:
    user = add_user(db)
    live = [0.05] * 60 + [0.9] * 20
    ids = add(db, settings, site, [score(value) for value in live], NOW - timedelta(hours=1))
    with db.transaction() as session:
        row = releases.add(session, builtin.NAME, "other", b"x", site_id=None, report={}, by="test", now=NOW)
        releases.put_in_shadow(session, row, by="test", now=NOW)
        # It lets ten pass that are held, and would hold one that passes.
        said = [0.05] * 59 + [0.95] + [0.05] * 10 + [0.9] * 10
        new = [NewScore(one, 1, score(value)) for one, value in zip(ids, said, strict=True)]
        scores.put(session, builtin.NAME, "other", new, NOW, shadow=True)
        moderator = session.get_one(Moderator, user)
        for comment_id in ids[40:]:  # people approve what the shadow lets pass, and reject the rest of what is held
            comment = session.get_one(Comment, comment_id)
            bad = ids.index(comment_id) >= 70
            comment.status = "HELD"
            decisions.decide(
                session,
                comment,
                "reject" if bad else "approve",
                Decider(moderator),
                seen_version=comment.version,
                now=NOW,
                reason="OFFENSIVE" if bad else None,
            )
    (beside,) = read(db, settings, site).shadows
    assert (beside.release, beside.version, beside.comments) == (row.id, "other", 80)
    assert beside.moves == {
        ("approve", "approve"): 59,
        ("approve", "hold"): 1,
        ("hold", "approve"): 10,
        ("hold", "hold"): 10,
    }
    assert beside.differing == 11
    assert beside.languages == {"id": (80, 11)}
    assert (beside.people.decisions, beside.people.live, beside.people.shadow) == (40, 30, 39)
    toxicity = next(one for one in beside.differences if (one.signal, one.language) == ("toxicity", drift.ALL))
    assert (toxicity.n, round(toxicity.mean, 4)) == (80, round((0.9 - 10 * 0.85) / 80, 4))
    assert round(toxicity.size, 4) == round((0.9 + 10 * 0.85) / 80, 4)
    assert toxicity.p95 == pytest.approx(0.85)
    # What the shadow said is not what counts.
    assert next(one for one in read(db, settings, site).spreads if one.signal == "toxicity").week.n == 80


def test_a_sample_is_bounded_and_comes_from_the_whole_span(
    db: Database, settings: Settings, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled, "PART", 5)
    add(db, settings, site, [score(0.1)] * 100, NOW - timedelta(seconds=1), within=timedelta(hours=23, minutes=59))
    with db.reading() as session:
        found = sampled.read(session, site.id, NOW - drift.DAY, NOW)
        assert (len(found), found.whole) == (5 * sampled.SLICES, False)
        came = [session.get_one(Comment, number).received_at for number in found.ids.tolist()]
    assert max(came) - min(came) > timedelta(hours=20)


def test_the_panel_takes_as_many_statements_whatever_the_number_of_comments(
    db: Database, settings: Settings, site: Site
) -> None:
    def statements() -> int:
        seen: list[str] = []

        def note(_c: Any, _cur: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        event.listen(db.engine, "before_cursor_execute", note)
        read(db, settings, site)
        event.remove(db.engine, "before_cursor_execute", note)
        return len(seen)

    add(db, settings, site, [score(0.1)] * 3, NOW - timedelta(hours=1))
    few = statements()
    add(db, settings, site, [score(0.1)] * 60, NOW - timedelta(hours=2))
    assert statements() == few


def test_each_walk_of_the_sample_reads_an_index(db: Database, settings: Settings, site: Site) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("a planner with statistics chooses by them; SQLite's says what it can do")
    seen: list[tuple[str, Any]] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _cur, sql, given, *_: seen.append((sql, given)))
    read(db, settings, site)
    walks = next((sql, given) for sql, given in seen if "UNION ALL" in sql)
    with db.engine.connect() as connection:
        plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {walks[0]}", walks[1])]
    assert not [step for step in plan if step.startswith("SCAN comment")]
    assert any("ix_comment_source" in step for step in plan)


# --- the doors ---


def layer_offered(db: Database, site: Site, objections: list[str]) -> int:
    with db.transaction() as session:
        report = {"base": VERSION, "objections": objections}
        made = f"{VERSION}+abc{len(objections)}"
        return releases.add(session, newsroom.NAME, made, b"x", site_id=site.id, report=report, by="cli", now=NOW).id


def test_the_page_shows_who_speaks_what_was_offered_and_drift(
    app: Flask, db: Database, settings: Settings, site: Site
) -> None:
    add_user(db)
    number = layer_offered(db, site, [])
    calm, now = [score(v) for v in RANDOM.uniform(0, 0.4, 400)], [score(v) for v in RANDOM.uniform(0.3, 0.9, 400)]
    add(db, settings, site, calm, NOW - timedelta(days=10), within=timedelta(days=20))
    add(db, settings, site, now, NOW - timedelta(days=1), within=FOUR)
    browser = log_in(app)
    page = browser.get("/scorers?lang=en").text
    assert VERSION in page
    assert f"moderation scorers promote {number}" in page
    assert "another population" in page
    assert "too few comments" in page
    assert "Toxicity: the last week (bars) against the reference (line)" in page
    assert "Pergeseran" in browser.get("/scorers?lang=id").text
    assert browser.get(f"/scorers?site={site.id}&language=id").status_code == 200
    assert browser.get("/scorers?site=999").status_code == 404


def test_a_version_with_objections_is_not_offered_for_promotion(app: Flask, db: Database, site: Site) -> None:
    add_user(db)
    number = layer_offered(db, site, ["spam: it ranks worse."])
    page = log_in(app).get("/scorers?lang=en").text
    assert "1 objection" in page
    assert f"scorers promote {number}" not in page


def test_the_page_shows_the_report_of_a_release_in_the_readers_language(app: Flask, db: Database, site: Site) -> None:
    add_user(db)
    labels = np.array([0, 1] * 40)
    good, chance = np.where(labels == 1, 0.9, 0.1), np.tile([0.6, 0.4], 40)
    passed = {"comments": 50, "before": 0.02, "after": 0.5}
    figures = {"spam": comparing.compare(labels, good, chance, 0.45, 0.45) | {"passed": passed}}
    report = {"base": VERSION, "signals": figures, "objections": comparing.objections(figures, better=True)}
    with db.transaction() as session:
        releases.add(session, newsroom.NAME, f"{VERSION}+bad", b"x", site_id=site.id, report=report, by="cli", now=NOW)
    browser = log_in(app)
    page = html.unescape(browser.get("/scorers?lang=en").text)
    assert "Spam: it ranks the decided comments worse (AUC −1.000)." in page
    assert "40 approved and 40 rejected comments, held from 0.450 on." in page
    assert "Of 50 comments that were approved without a person it holds 50.0 %, and as it is 2.0 %." in page
    translated = html.unescape(browser.get("/scorers?lang=id").text)
    assert "Spam: ia akan menahan 50,0 % dari komentar yang disetujui tanpa orang; sampai sekarang 2,0 %." in translated
    assert "Untuk tidak satu sinyal pun" in translated
    assert "ranks the decided comments" not in translated


def test_a_new_installation_has_a_page_that_says_so(app: Flask, db: Database) -> None:
    add_user(db)
    assert "There is no site yet." in log_in(app).get("/scorers?lang=en").text
    add_site(db)
    page = log_in(app).get("/scorers?lang=en").text
    assert "there is nothing to compare" in page
    assert "No other version of a scorer has been offered." in page


def test_only_seniors_see_scorers(app: Flask, db: Database, site: Site) -> None:
    add_user(db, email="mod@contoh.example", role="moderator", sites=[site])
    browser = log_in(app, "mod@contoh.example")
    assert browser.get("/scorers").status_code == 403
    assert '"/scorers"' not in browser.get("/queue").text


def test_the_api_tells_the_same(app: Flask, db: Database, settings: Settings, site: Site) -> None:
    client = app.test_client()

    def tool(role: str, mine: list[Site]) -> Any:
        user = add_user(db, email=f"{role}{len(mine)}@contoh.example", role=role, sites=mine)
        with db.transaction() as session:
            token = tokens.create(session, session.get_one(Moderator, user), "alat", "30", utcnow())[1]

        def ask(path: str, code: int = 200) -> Any:
            answer = client.get(f"/api/v1/scorers{path}", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == code, answer.text
            return answer.json

        return ask

    ask, stranger, plain = tool("senior", [site]), tool("senior", []), tool("moderator", [site])
    number = layer_offered(db, site, ["spam: it ranks worse."])
    add(db, settings, site, [score(0.1)] * 3 + [None], NOW - timedelta(hours=1))
    listed = ask("")
    assert listed["live"] == [{"scorer": "builtin", "version": VERSION, "site": None, "release": None}]
    assert listed["composition"][-1]["scorers"] == ["newsroom", "detoxify", "builtin"]
    (offered,) = listed["releases"]
    assert (offered["id"], offered["state"], offered["objections"]) == (
        str(number),
        "candidate",
        ["spam: it ranks worse."],
    )
    assert stranger("")["releases"] == []
    plain("", 403)
    told = ask(f"/drift?site={site.id}")
    assert (told["week"]["comments"], told["week"]["unscored"], told["reference"]["comments"]) == (4, 1, 0)
    toxicity = next(one for one in told["spreads"] if one["signal"] == "toxicity" and one["language"] is None)
    assert (toxicity["week"]["state"], toxicity["week"]["index"], toxicity["hold"]) == ("few", None, MARK)
    assert told["shadows"] == []
    assert ask("/drift", 422)["error"]["field"] == "site"
    stranger(f"/drift?site={site.id}", 404)
    plain(f"/drift?site={site.id}", 403)


def test_a_fake_scorer_of_another_name_is_no_live_one(db: Database, settings: Settings, site: Site) -> None:
    ids = add(db, settings, site, [None] * 2, NOW - timedelta(hours=1))
    with db.transaction() as session:
        scores.put(session, FakeScorer.name, FakeScorer.version, [NewScore(one, 1, score(0.5)) for one in ids], NOW)
    told = read(db, settings, site)
    assert (told.spreads, told.day.unscored) == ([], 0)
