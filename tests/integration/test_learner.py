"""Layers that are fitted by themselves: offered with a report, and never promoted by anything but a person."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from moderation import pipeline
from moderation.accounts.models import Moderator, Site
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.review import decisions, lessons, upgrades
from moderation.review.decisions import Decider
from moderation.review.upgrades import Learner
from moderation.scoring import newsroom, releases
from moderation.scoring.models import Release
from moderation.settings import Settings

from .helpers import KEY, add_site, add_user, given, judge_all
from .test_scorers import FINE, SOLD, texts

NOW = utcnow()
DAYS = 7


@pytest.fixture
def learner(db: Database, settings: Settings) -> Learner:
    """One that learns once a week."""
    return Learner(db, replace(settings, learn_days=DAYS))


def bring(db: Database, settings: Settings, site: Site, first: int, n: int) -> None:
    """So many harmless texts (`f0`, `f1`, …), and as many with which something is sold (`s0`, …), judged."""
    fine, sold = texts(FINE, first + n, 1)[first:], texts(SOLD, first + n, 2)[first:]
    with db.transaction() as session:
        wanted = [given(f"f{first + k}", text) for k, text in enumerate(fine)]
        wanted += [given(f"s{first + k}", text) for k, text in enumerate(sold)]
        pipeline.take_in_many(session, site, wanted, source="api", settings=settings, key=KEY, now=NOW)
    judge_all(db, settings)


def teach(db: Database, settings: Settings, site: Site, first: int = 0, n: int = 50) -> None:
    """Decisions on so many harmless texts, and as many with which something is sold."""
    user = add_user(db, email=f"guru{first}@contoh.example")
    bring(db, settings, site, first, n)
    with db.transaction() as session:
        moderator = session.get_one(Moderator, user)
        undecided = select(Comment).where(Comment.site_id == site.id, Comment.human_revision == 0).order_by(Comment.id)
        found = {row.external_id: row for row in session.scalars(undecided)}
        for k in range(first, first + n):  # in turn: the newest quarter is held out
            at = NOW + timedelta(minutes=k)
            decisions.decide_many(session, [found[f"f{k}"]], "approve", Decider(moderator), now=at)
            decisions.decide_many(session, [found[f"s{k}"]], "reject", Decider(moderator), now=at, reason="SPAM")


def layers(db: Database) -> list[Release]:
    """All layers, the oldest first."""
    with db.reading() as session:
        rows = session.scalars(select(Release).where(Release.scorer == newsroom.NAME).order_by(Release.id)).all()
        session.expunge_all()
        return list(rows)


def finish() -> None:
    """Wait for the thread that learns."""
    for thread in threading.enumerate():
        if thread.name == "learning":
            thread.join(timeout=60)
            assert not thread.is_alive()


def test_what_is_learned_is_offered_with_its_report_and_judges_nothing(
    db: Database, settings: Settings, learner: Learner
) -> None:
    site = add_site(db).site
    teach(db, settings, site)
    learner.tick(NOW)
    finish()
    (row,) = layers(db)
    assert (row.site_id, row.state, row.created_by) == (site.id, releases.CANDIDATE, "housekeeping")
    assert row.promoted_at is None
    # Even though nothing speaks against it, a person promotes it or nobody does.
    assert row.report["objections"] == []
    assert row.report["signals"]["spam"]["difference"]["auc"][0] > 0
    with db.reading() as session:
        assert releases.live_version(session, settings, newsroom.NAME, site.id) is None
        assert releases.serving(session) == []


def test_a_newer_candidate_takes_the_place_of_the_older_and_leaves_what_is_live(
    db: Database, settings: Settings, learner: Learner
) -> None:
    site = add_site(db).site
    teach(db, settings, site)
    learner.learn(site.id, NOW)
    with db.transaction() as session:
        releases.promote(session, releases.get(session, layers(db)[0].id), by="rani", now=NOW)
    teach(db, settings, site, first=50, n=10)
    learner.learn(site.id, NOW + timedelta(days=7))
    teach(db, settings, site, first=60, n=10)
    learner.learn(site.id, NOW + timedelta(days=14))
    live, older, newest = layers(db)
    assert [live.state, older.state, newest.state] == [releases.LIVE, releases.RETIRED, releases.CANDIDATE]
    assert live.changed_by == "rani"


def test_the_same_decisions_teach_the_same_layer_which_is_offered_once(
    db: Database, settings: Settings, learner: Learner, caplog: pytest.LogCaptureFixture
) -> None:
    site = add_site(db).site
    teach(db, settings, site)
    caplog.set_level(logging.INFO)
    learner.learn(site.id, NOW)
    learner.learn(site.id, NOW + timedelta(days=8))
    assert len(layers(db)) == 1
    assert "is known already as release" in caplog.text


def test_too_few_decisions_are_logged_and_nothing_is_offered(
    db: Database, learner: Learner, caplog: pytest.LogCaptureFixture
) -> None:
    site = add_site(db).site
    caplog.set_level(logging.INFO)
    learner.learn(site.id, NOW)
    assert layers(db) == []
    assert f"site {site.id}: no layer was fitted" in caplog.text
    assert "20 are needed" in caplog.text


def test_a_fault_is_logged_and_ends_nothing_else(
    db: Database, learner: Learner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = add_site(db).site
    monkeypatch.setattr(lessons, "read", lambda *_, **__: 1 / 0)
    learner.learn(site.id, NOW)
    assert "ZeroDivisionError" in caplog.text
    assert layers(db) == []


# --- when it learns ---


@pytest.fixture
def learned(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, datetime]]:
    """Instead of learning, what would have been learned, and when."""
    seen: list[tuple[int, datetime]] = []
    monkeypatch.setattr(learner, "learn", lambda site_id, now: seen.append((site_id, now)))
    return seen


def ticking(learner: Learner) -> Callable[[datetime], None]:
    def tick(now: datetime) -> None:
        learner.tick(now)
        finish()

    return tick


def test_each_site_has_its_turn_and_then_days_of_rest(
    db: Database, learner: Learner, learned: list[tuple[int, datetime]]
) -> None:
    one, other = (add_site(db).site.id for _ in range(2))
    tick, later = ticking(learner), NOW + timedelta(days=DAYS, seconds=1)
    for now in (NOW, NOW, NOW, NOW + timedelta(days=DAYS - 1)):
        tick(now)
    assert learned == [(one, NOW), (other, NOW)]
    tick(later)
    assert learned[2:] == [(one, later)]


def test_a_site_whose_layer_is_young_is_left_alone(
    db: Database, learner: Learner, learned: list[tuple[int, datetime]]
) -> None:
    site = add_site(db).site.id
    with db.transaction() as session:
        releases.add(session, newsroom.NAME, "a+b", b"x", site_id=site, report={}, by="rani", now=NOW)
    tick = ticking(learner)
    tick(NOW + timedelta(days=DAYS - 1))
    assert learned == []
    tick(NOW + timedelta(days=DAYS + 1))
    assert [number for number, _ in learned] == [site]


def test_without_the_setting_nothing_is_learned(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_site(db)
    assert settings.learn_days == 0
    learner = Learner(db, settings)
    monkeypatch.setattr(learner, "learn", lambda *_: pytest.fail("it learned"))
    ticking(learner)(NOW)


def test_one_site_is_learned_at_a_time(db: Database, learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        add_site(db)
    began, go_on = [], threading.Event()

    def slow(site_id: int, _now: datetime) -> None:
        began.append(site_id)
        assert go_on.wait(30)

    monkeypatch.setattr(learner, "learn", slow)
    learner.tick(NOW)
    learner.tick(NOW)  # the first is still at it
    go_on.set()
    finish()
    assert len(began) == 1
    learner.tick(NOW)
    finish()
    assert len(began) == 2


def test_a_candidate_that_was_fitted_on_another_built_in_is_not_promoted(
    db: Database, settings: Settings, learner: Learner
) -> None:
    site = add_site(db).site
    teach(db, settings, site)
    learner.learn(site.id, NOW)
    (row,) = layers(db)
    with pytest.raises(upgrades.NotBetter, match="and builtin@other judges now"):
        upgrades.guard(row, row.report, live="other")
