"""Readers' reports: by the site's server, by its readers' browsers, counted until a person decides."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from moderation.accounts.models import Moderator
from moderation.accounts.sites import NewSite
from moderation.comments import form, reports
from moderation.comments.models import Comment, Report
from moderation.db import Database, utcnow
from moderation.review import decisions, tallies, undoing
from moderation.settings import Settings

from .helpers import KEY, add_site, add_user, bearer, comment_of, given, judge_all, shown_and_held, take

SPAM = {"reason": "SPAM", "text": "Iklan judi", "reporter": {"external_id": "u1"}}


@pytest.fixture
def made(db: Database, settings: Settings) -> NewSite:
    """A site with one comment that is shown (1) and one that waits (2)."""
    return shown_and_held(db, settings)


def send(app: Flask, made: NewSite, comment: str = "1", **values: Any) -> TestResponse:
    return app.test_client().post(f"/api/v1/comments/{comment}/reports", json={**SPAM, **values}, headers=bearer(made))


def browse(
    app: Flask, made: NewSite, comment: int = 1, accept: str = "application/json", origin: str = "", **fields: str
) -> TestResponse:
    token = form.make_token(KEY, made.site.public_id, "s1", utcnow())
    return app.test_client().post(
        f"/f/{made.site.public_id}/comments/{comment}/reports",
        data={"reason": "SPAM", "moderation_token": token, **fields},
        headers={"Accept": accept} | ({"Origin": origin} if origin else {}),
    )


def rows(db: Database) -> list[Report]:
    with db.reading() as session:
        return list(session.scalars(select(Report).order_by(Report.id)))


def reported(db: Database) -> int:
    """What the tab says."""
    with db.reading() as session:
        return tallies.counts(session, [1])["reported"]


def test_the_reasons_are_those_with_which_a_person_rejects() -> None:
    assert reports.REASONS == decisions.REASONS


def test_a_report_of_the_sites_server_is_counted_and_keeps_no_reader(app: Flask, db: Database, made: NewSite) -> None:
    answer = send(app, made)
    assert (answer.status_code, answer.json) == (201, {"id": "1", "comment_id": "1", "created": True})
    (row,) = rows(db)
    assert (row.reason, row.text, row.revision) == ("SPAM", "Iklan judi", 1)
    assert "u1" not in row.reporter
    assert len(row.reporter) == 64
    comment = comment_of(db)
    assert (comment.reports, comment.status, comment.version) == (1, "APPROVED", 2)  # nobody's decision is disturbed
    assert reported(db) == 1


def test_one_reader_one_report_a_comment(app: Flask, db: Database, made: NewSite) -> None:
    send(app, made)
    again = send(app, made, reason="OTHER")
    assert (again.status_code, again.json) == (200, {"id": "1", "comment_id": "1", "created": False})
    assert send(app, made, reporter={"external_id": "u2"}).status_code == 201
    assert send(app, made, reporter={"ip": "192.0.2.7"}).status_code == 201
    assert comment_of(db).reports == 3
    assert [row.reason for row in rows(db)] == ["SPAM", "SPAM", "SPAM"]


def test_a_decision_of_a_person_resolves_and_the_next_report_counts_anew(
    app: Flask, db: Database, made: NewSite
) -> None:
    send(app, made)
    with db.transaction() as session:
        session.get_one(Comment, 1).reports = 0
        reports.resolve(session, [1], utcnow())
    assert reported(db) == 0
    assert rows(db)[0].resolved_at is not None
    assert send(app, made, reason="OTHER").status_code == 201
    (row,) = rows(db)
    assert (row.reason, row.resolved_at) == ("OTHER", None)
    assert comment_of(db).reports == 1


@pytest.mark.parametrize("many", [False, True])
def test_who_approves_again_what_readers_reported_since_has_answered_them(
    app: Flask, db: Database, made: NewSite, many: bool
) -> None:
    user = add_user(db)

    def approve() -> None:
        with db.transaction() as session:
            comment, by = session.get_one(Comment, 1), decisions.Decider(session.get_one(Moderator, user))
            if many:
                decisions.decide_many(session, [comment], "approve", by, now=utcnow())
            else:
                decisions.decide(session, comment, "approve", by, seen_version=comment.version, now=utcnow())

    for _ in range(2):
        send(app, made)
        assert reported(db) == 1
        approve()
        assert (reported(db), comment_of(db).reports, comment_of(db).status) == (0, 0, "APPROVED")


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("by_machine", [False, True])  # what the first approval was
def test_undoing_a_second_approval_opens_again_what_it_had_answered(
    app: Flask, db: Database, made: NewSite, many: bool, by_machine: bool
) -> None:
    user = add_user(db)

    def approve() -> None:
        with db.transaction() as session:
            comment, by = session.get_one(Comment, 1), decisions.Decider(session.get_one(Moderator, user))
            decisions.decide(session, comment, "approve", by, seen_version=comment.version, now=utcnow())

    if not by_machine:
        approve()
    send(app, made)
    approve()
    assert reported(db) == 0
    with db.transaction() as session:
        comment, me = session.get_one(Comment, 1), session.get_one(Moderator, user)
        if many:
            undoing.undo_many(session, [comment], me, now=utcnow())
        else:
            undoing.undo(session, comment, me, seen_version=comment.version, now=utcnow())
    assert (reported(db), comment_of(db).reports, comment_of(db).status) == (1, 1, "APPROVED")
    with db.reading() as session:
        assert [one.resolved_at for one in reports.of_comment(session, 1)] == [None]


def test_another_text_may_be_reported_again_and_counts_once(app: Flask, db: Database, made: NewSite) -> None:
    send(app, made)
    with db.transaction() as session:
        comment = session.get_one(Comment, 1)
        comment.revision = 2
    assert send(app, made).status_code == 201
    assert (len(rows(db)), rows(db)[0].revision, comment_of(db).reports) == (1, 2, 1)


@pytest.mark.parametrize(
    ("comment", "status", "code"),
    [("2", 409, "not_shown"), ("99", 404, "not_found"), ("x", 404, "not_found")],
)
def test_only_what_is_shown_can_be_reported(
    app: Flask, db: Database, made: NewSite, comment: str, status: int, code: str
) -> None:
    answer = send(app, made, comment)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert rows(db) == []


def test_a_comment_of_another_site_is_not_there(app: Flask, db: Database, made: NewSite) -> None:
    other = add_site(db)
    assert send(app, other).status_code == 404
    assert browse(app, other).status_code == 404
    assert rows(db) == []


def test_a_site_may_name_the_comment_by_its_own_id(app: Flask, made: NewSite) -> None:
    client = app.test_client()
    answer = client.post("/api/v1/comments/reports?external_id=c1", json=SPAM, headers=bearer(made))
    assert (answer.status_code, answer.json["comment_id"]) == (201, "1")
    assert client.post("/api/v1/comments/reports?external_id=no", json=SPAM, headers=bearer(made)).status_code == 404
    assert client.post("/api/v1/comments/reports", json=SPAM, headers=bearer(made)).status_code == 422


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"reason": "BORING"}, "reason"),
        ({"text": "x" * 1001}, "text"),
        ({"reporter": {}}, "reporter.external_id"),
        ({"reporter": {"ip": "here"}}, "reporter.ip"),
        ({"mood": "bad"}, "mood"),
    ],
)
def test_a_wrong_report_names_its_field(
    app: Flask, db: Database, made: NewSite, values: dict[str, Any], field: str
) -> None:
    answer = send(app, made, **values)
    assert (answer.status_code, answer.json["error"]["field"]) == (422, field)
    assert rows(db) == []


def test_without_the_key_nothing_is_reported(app: Flask, made: NewSite) -> None:
    assert app.test_client().post("/api/v1/comments/1/reports", json=SPAM).status_code == 401


def test_a_readers_browser_is_thanked_in_the_sites_language(app: Flask, db: Database, made: NewSite) -> None:
    answer = browse(app, made, origin="http://warta.example", text="Iklan")
    assert answer.status_code == 201
    assert answer.json["message"] == "Terima kasih. Redaksi akan memeriksa komentar ini."
    assert answer.headers["Access-Control-Allow-Origin"] == "http://warta.example"
    assert browse(app, made).status_code == 200
    assert (comment_of(db).reports, rows(db)[0].text) == (1, "Iklan")


def test_without_script_the_reader_returns_to_the_article(app: Flask, made: NewSite) -> None:
    answer = browse(app, made, accept="text/html")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "http://warta.example/s1?reported=1#comment-1"


def test_a_reader_who_sees_no_such_comment_learns_nothing_of_it(app: Flask, made: NewSite) -> None:
    hidden, unknown = browse(app, made, 2), browse(app, made, 99)
    assert (hidden.status_code, hidden.json) == (unknown.status_code, unknown.json)
    assert hidden.status_code == 404


@pytest.mark.parametrize(
    ("fields", "origin"),
    [
        ({"moderation_token": ""}, ""),
        ({"moderation_token": "1.ff"}, ""),
        ({}, "http://evil.example"),
        ({}, "null"),
    ],
)
def test_a_report_from_elsewhere_or_without_its_token_is_refused(
    app: Flask, db: Database, made: NewSite, fields: dict[str, str], origin: str
) -> None:
    answer = browse(app, made, origin=origin, **fields)
    assert answer.status_code == 403
    page = browse(app, made, accept="text/html", origin=origin, **fields)
    assert (page.status_code, page.mimetype) == (403, "text/html")
    assert rows(db) == []


def test_a_token_of_another_article_does_not_count(app: Flask, made: NewSite) -> None:
    token = form.make_token(KEY, made.site.public_id, "s2", utcnow())
    assert browse(app, made, moderation_token=token).status_code == 403


def test_one_address_reports_only_so_much(
    app: Flask, db: Database, made: NewSite, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "PER_WINDOW", 1)
    take(db, settings, made.site, given("c3", text="Satu lagi"))
    judge_all(db, settings)
    assert browse(app, made).status_code == 201
    assert browse(app, made).status_code == 200  # the same again costs nothing
    answer = browse(app, made, 3)
    assert answer.status_code == 429
    assert 3500 < int(answer.headers["Retry-After"]) <= 3601
    assert send(app, made, "3").status_code == 201  # the site's server answers for its readers itself


def test_moderators_read_what_was_said_and_a_card_how_often(db: Database, made: NewSite, app: Flask) -> None:
    for number, reason in enumerate(("OTHER", "SPAM", "SPAM")):
        send(app, made, reason=reason, reporter={"external_id": f"u{number}"})
    with db.reading() as session:
        assert reports.summary(session, [1, 2]) == {1: [("SPAM", 2), ("OTHER", 1)]}
        found = reports.of_comment(session, 1)
    assert [(item.reason, item.text) for item in found] == [
        ("SPAM", "Iklan judi"),
        ("SPAM", "Iklan judi"),
        ("OTHER", "Iklan judi"),
    ]


def test_two_reports_at_once_are_both_counted(db: Database, made: NewSite) -> None:
    def count(session: Session, reader: str) -> None:
        comment = reports.reportable(session, made.site.id, 1, utcnow())
        reports.add(session, comment, reporter=reader, reason="SPAM", now=utcnow())

    with db.transaction() as session:
        count(session, "a")
        count(session, "b")
        count(session, "a")
    assert comment_of(db).reports == 2


def test_the_form_frame_names_the_reasons(app: Flask, made: NewSite) -> None:
    frame = app.test_client().get(f"/f/{made.site.public_id}/form?story=s1").json
    assert list(frame["reasons"]) == list(reports.REASONS)
    assert frame["reasons"]["SPAM"] == "Spam"
    assert frame["labels"]["report"] == "Laporkan"
