"""Labels that a site submits: they teach the site's layer, and decide nothing."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from moderation.accounts.models import Moderator
from moderation.accounts.sites import NewSite
from moderation.comments.models import Comment, Label
from moderation.db import Database, utcnow
from moderation.review import decisions, histories, lessons
from moderation.review.upgrades import Learner
from moderation.scoring import newsroom
from moderation.settings import Settings

from .helpers import BAD, add_site, add_user, bearer, comment_of, judge_all, shown_and_held
from .test_learner import bring, layers


@pytest.fixture
def made(db: Database, settings: Settings) -> NewSite:
    """A site with one comment that is shown (1) and one that waits (2)."""
    return shown_and_held(db, settings)


def say(app: Flask, made: NewSite, which: str = "1/label", label: Any = "spam", **more: Any) -> TestResponse:
    return app.test_client().put(f"/api/v1/comments/{which}", json={"label": label, **more}, headers=bearer(made))


def learned_from(db: Database, site_id: int) -> list[tuple[str, bool, str | None, bool]]:
    with db.reading() as session:
        found = lessons.read(session, [site_id]).decided
    return [(lesson.text, lesson.approved, lesson.reason, lesson.submitted) for lesson in found]


def test_a_label_is_kept_and_the_newest_counts(app: Flask, db: Database, made: NewSite) -> None:
    body = {"comment_id": "1", "revision": 1, "label": "spam", "changed": True, "outranked": False}
    first = say(app, made)
    assert (first.status_code, first.json) == (200, body)
    assert say(app, made).json == {**body, "changed": False}
    assert say(app, made, label="ham").json == {**body, "label": "ham"}
    assert [lesson[1:] for lesson in learned_from(db, made.site.id)] == [(True, None, True)]


def test_a_label_decides_nothing(app: Flask, db: Database, made: NewSite) -> None:
    before = [(row.status, row.version, row.sequence) for row in (comment_of(db), comment_of(db, "c2"))]
    say(app, made)
    say(app, made, "2/label", "ham")
    assert [(row.status, row.version, row.sequence) for row in (comment_of(db), comment_of(db, "c2"))] == before


def test_a_label_is_submitted_by_the_sites_own_id_too(app: Flask, db: Database, made: NewSite) -> None:
    answer = say(app, made, "label?external_id=c2")
    assert (answer.status_code, (answer.json or {})["comment_id"]) == (200, "2")
    assert [lesson[0] for lesson in learned_from(db, made.site.id)] == [BAD]


@pytest.mark.parametrize("label", ["junk", "", None, 1, ["spam"]])
def test_another_word_is_refused_by_the_fields_name(app: Flask, db: Database, made: NewSite, label: Any) -> None:
    answer = say(app, made, label=label)
    assert answer.status_code == 422
    assert answer.json is not None
    assert "label" in str(answer.json["error"])
    assert learned_from(db, made.site.id) == []


def test_a_comment_of_another_site_is_not_there(app: Flask, db: Database, made: NewSite) -> None:
    other = add_site(db, webhook=False)
    assert say(app, other).status_code == 404
    assert say(app, made, "x/label").status_code == 404
    assert say(app, made, "label?external_id=none").status_code == 404
    assert say(app, made, "label").status_code == 422
    assert app.test_client().put("/api/v1/comments/1/label", json={"label": "spam"}).status_code == 401


def test_a_withdrawn_comment_takes_no_label_and_teaches_nothing(app: Flask, db: Database, made: NewSite) -> None:
    say(app, made)
    app.test_client().delete("/api/v1/comments/1", headers=bearer(made))
    assert say(app, made).status_code == 404
    assert learned_from(db, made.site.id) == []


def test_a_label_speaks_of_the_text_that_it_saw(app: Flask, db: Database, settings: Settings, made: NewSite) -> None:
    say(app, made)
    app.test_client().patch("/api/v1/comments/1", json={"text": "Jalannya sudah diperbaiki."}, headers=bearer(made))
    judge_all(db, settings)
    assert learned_from(db, made.site.id) == []
    assert (say(app, made, label="ham").json or {})["revision"] == 2
    assert learned_from(db, made.site.id) == [("Jalannya sudah diperbaiki.", True, None, True)]


def test_a_decision_made_here_outranks_what_the_site_says(app: Flask, db: Database, made: NewSite) -> None:
    say(app, made, "2/label", "ham")
    user = add_user(db)
    with db.transaction() as session:
        comment, by = session.get_one(Comment, 2), decisions.Decider(session.get_one(Moderator, user))
        decisions.decide(session, comment, "reject", by, seen_version=comment.version, now=utcnow(), reason="SPAM")
    assert learned_from(db, made.site.id) == [(BAD, False, "SPAM", False)]
    assert (say(app, made, "2/label", "ham").json or {})["outranked"] is True
    assert learned_from(db, made.site.id) == [(BAD, False, "SPAM", False)]


def test_the_history_tells_what_the_site_said(app: Flask, db: Database, made: NewSite) -> None:
    say(app, made)
    with db.reading() as session:
        events = histories.of_comment(session, session.get_one(Comment, 1))
    assert [event.detail for event in events if event.what == "labelled"] == ["spam"]


def test_ham_says_nothing_of_how_rude_a_comment_is() -> None:
    lesson = lessons.Lesson("…", True, None, utcnow(), submitted=True)
    assert (lesson.label("spam"), lesson.label("toxicity")) == (0, None)
    lesson = lessons.Lesson("…", False, "SPAM", utcnow(), submitted=True)
    assert (lesson.label("spam"), lesson.label("toxicity")) == (1, None)


def test_a_layer_is_fitted_from_labels_alone(db: Database, settings: Settings) -> None:
    site, now = add_site(db).site, utcnow()
    bring(db, settings, site, 0, 50)
    with db.transaction() as session:
        for comment in session.query(Comment).order_by(Comment.id):
            label, turn = ("spam", 1) if comment.external_id[0] == "s" else ("ham", 0)
            at = now.replace(microsecond=2 * int(comment.external_id[1:]) + turn)  # in turn: the newest are held out
            row = Label(comment_id=comment.id, site_id=site.id, revision=1, label=label, created_at=at)
            session.add(row)
    Learner(db, settings).learn(site.id, now)
    (layer,) = layers(db)
    assert (layer.scorer, list(layer.report["signals"])) == (newsroom.NAME, ["spam"])
    assert layer.report["decisions"]["submitted"] == 100
    assert layer.report["signals"]["spam"]["difference"]["auc"][0] > 0
