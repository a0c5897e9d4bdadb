"""The comment API: strict parsing, one answer for the same, nobody else's comments."""

import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.settings import Settings

from .helpers import BAD, add_site, api_body, bearer, comment_of, judge_all


def test_a_comment_is_accepted_once_and_the_same_again_is_known(app: Flask, db: Database) -> None:
    made, client = add_site(db), app.test_client()
    first = client.post("/api/v1/comments", json=api_body(), headers=bearer(made))
    again = client.post("/api/v1/comments", json=api_body(), headers=bearer(made))
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json == again.json == {"id": "1", "status": "PENDING", "revision": 1}
    other = client.post("/api/v1/comments", json=api_body(text="lain"), headers=bearer(made))
    assert other.status_code == 409
    assert other.json["error"]["details"]["revision"] == 1


def test_a_comment_tells_how_it_stands(app: Flask, db: Database, settings: Settings) -> None:
    made, client = add_site(db), app.test_client()
    client.post("/api/v1/comments", json=api_body(text=BAD), headers=bearer(made))
    judge_all(db, settings)
    state = client.get("/api/v1/comments/1", headers=bearer(made)).json
    assert (state["status"], state["revision"], state["scorers"]) == ("HELD", 1, ["builtin@fake1"])
    assert state["scores"]["toxicity"] == 0.99
    assert {reason["code"] for reason in state["reasons"]} == {"signal_over_reject"}
    assert state["decision"]["by"] == "policy"


def wrong(*path: str | int, value: Any) -> dict[str, Any]:
    body = api_body()
    target: Any = body
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (wrong("text", value=""), "text"),
        (wrong("text", value="\u200b \n"), "text"),
        (wrong("text", value="a\x00b"), "text"),
        (wrong("text", value=7), "text"),
        (wrong("text", value="a" * 65526), "text"),
        (wrong("external_id", value="x" * 256), "external_id"),
        (wrong("author", "name", value=None), "author.name"),
        (wrong("author", "ip", value="999.1.1.1"), "author.ip"),
        (wrong("author", "nick", value="x"), "author.nick"),
        (wrong("story", "url", value="javascript:alert(1)"), "story.url"),
        (wrong("story", value="s1"), "story"),
        (wrong("created_at", value="yesterday"), "created_at"),
        (wrong("created_at", value="2026-11-23T10:00:00"), "created_at"),
        (wrong("format", value="markdown"), "format"),
        (wrong("format", value="html") | {"text": "<p> </p>"}, "text"),
        (wrong("txet", value="x"), "txet"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    app: Flask, db: Database, body: dict[str, Any], field: str
) -> None:
    made = add_site(db)
    answer = app.test_client().post("/api/v1/comments", json=body, headers=bearer(made))
    assert answer.status_code == 422, answer.json
    assert answer.json["error"]["field"] == field
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Comment)) == 0


GOOD = json.dumps(api_body()).encode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 422),
        (GOOD.decode().encode("utf-16"), 400),
        (b"\xef\xbb\xbf" + GOOD, 400),
        (GOOD[:-1] + b', "text": "zwei"}', 400),
        (GOOD.replace(b'"Rani"', b"NaN"), 400),
        (GOOD.replace(b'"Rani"', b'"\\ud800"'), 400),
        (GOOD.replace(b'"Rani"', b"9" * 30), 400),
        (GOOD.replace(b'"Rani"', b"[" * 2000 + b"]" * 2000), 400),
        (b'{"text": "' + b"a" * 300_000 + b'"}', 413),
    ],
)
def test_what_cannot_be_read_is_a_clear_refusal(app: Flask, db: Database, body: bytes, status: int) -> None:
    made = add_site(db)
    answer = app.test_client().post(
        "/api/v1/comments", data=body, headers={**bearer(made), "Content-Type": "application/json"}
    )
    assert answer.status_code == status
    assert answer.json["error"]["message"]


def test_only_json_is_taken_as_json(app: Flask, db: Database) -> None:
    made = add_site(db)
    answer = app.test_client().post(
        "/api/v1/comments", data=GOOD, headers={**bearer(made), "Content-Type": "text/plain"}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer mk_wrong", "Basic abc", "Bearer \u00e9"])
def test_without_a_right_key_nothing_is_told(app: Flask, db: Database, header: str | None) -> None:
    add_site(db)
    headers = {} if header is None else {"Authorization": header}
    for answer in (
        app.test_client().post("/api/v1/comments", json=api_body(), headers=headers),
        app.test_client().get("/api/v1/comments/1", headers=headers),
    ):
        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers


def test_a_foreign_sites_comment_is_not_there(app: Flask, db: Database) -> None:
    mine, theirs, client = add_site(db), add_site(db), app.test_client()
    client.post("/api/v1/comments", json=api_body(), headers=bearer(mine))
    assert client.get("/api/v1/comments/1", headers=bearer(mine)).status_code == 200
    for path in ("1", "2", "0", "abc", "9" * 40, "١"):
        assert client.get(f"/api/v1/comments/{path}", headers=bearer(theirs)).status_code == 404
    assert client.post("/api/v1/comments", json=api_body(), headers=bearer(theirs)).json["id"] == "2"


def test_html_is_kept_as_sent_and_stripped_for_people_with_its_links_counted(
    app: Flask, db: Database, settings: Settings
) -> None:
    made, client = add_site(db), app.test_client()
    html = '<p>Lihat <a href="http://a.example">ini</a> dan <a href="http://b.example">itu</a></p>'
    client.post("/api/v1/comments", json=api_body(text=html, format="html"), headers=bearer(made))
    judge_all(db, settings)
    state = client.get("/api/v1/comments/1", headers=bearer(made)).json
    assert state["status"] == "HELD"
    assert [(reason["code"], reason["value"]) for reason in state["reasons"]] == [("links", 2.0)]


def test_approved_comments_are_read_threaded_and_paged(app: Flask, db: Database, settings: Settings) -> None:
    made, client = add_site(db), app.test_client()
    # the reply comes before its parent, as it may from a queue
    client.post("/api/v1/comments", json=api_body("b", "Setuju sekali", parent_external_id="a"), headers=bearer(made))
    client.post("/api/v1/comments", json=api_body("a", "Artikel bagus"), headers=bearer(made))
    client.post("/api/v1/comments", json=api_body("c", BAD), headers=bearer(made))
    client.post("/api/v1/comments", json=api_body("d", "Terima kasih"), headers=bearer(made))
    client.post("/api/v1/comments", json=api_body("e", "Balasan", parent_external_id="c"), headers=bearer(made))
    judge_all(db, settings)
    page = client.get("/api/v1/comments?story=s1&limit=2", headers=bearer(made)).json
    assert page["count"] == 4
    assert [item["external_id"] for item in page["comments"]] == ["a", "d"]
    assert [(item["external_id"], item["depth"]) for item in page["comments"][0]["replies"]] == [("b", 1)]
    after = client.get(f"/api/v1/comments?story=s1&limit=2&after={page['next']}", headers=bearer(made)).json
    assert [item["external_id"] for item in after["comments"]] == ["e"]  # its parent is not shown
    assert after["next"] is None
    recent = client.get("/api/v1/comments/recent?limit=2", headers=bearer(made)).json["comments"]
    assert [item["text"] for item in recent] == ["Balasan", "Terima kasih"]


def test_reading_names_a_wrong_parameter(app: Flask, db: Database) -> None:
    made, client = add_site(db), app.test_client()
    for query, field in (("", "story"), ("?story=s1&limit=0", "limit"), ("?story=s1&after=x", "after")):
        answer = client.get(f"/api/v1/comments{query}", headers=bearer(made))
        assert (answer.status_code, answer.json["error"]["field"]) == (422, field)


def test_personal_data_is_kept_as_keyed_hashes_only(app: Flask, db: Database) -> None:
    made = add_site(db)
    body = api_body(author={"name": "Rani", "email": "Rani@Contoh.Example", "ip": "203.0.113.77"})
    app.test_client().post("/api/v1/comments", json=body, headers=bearer(made))
    comment = comment_of(db)
    assert comment.ip_network == "203.0.113.0/24"
    with db.reading() as session:
        for table in session.get_bind().engine.dialect.get_table_names(session.connection()):
            dump = str(session.connection().exec_driver_sql(f"SELECT * FROM {table}").all())  # noqa: S608 our tables
            assert "203.0.113.77" not in dump
            assert "contoh.example" not in dump.lower()


def test_a_database_that_is_away_is_503_and_nothing_is_claimed_to_be_stored(
    app: Flask, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moderation.errors import Unavailable

    made = add_site(db)

    def away() -> None:
        raise Unavailable("The database does not answer; try again shortly.")

    monkeypatch.setattr(app.extensions["database"], "transaction", away)
    answer = app.test_client().post("/api/v1/comments", json=api_body(), headers=bearer(made))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"


def test_errors_of_machines_are_json_and_of_people_pages(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/api/v1/nothing").json["error"]["code"] == "not_found"
    page = client.get("/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert page.mimetype == "text/html"
    answer = client.put("/api/v1/comments")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_every_answer_carries_the_strict_headers(app: Flask) -> None:
    for path in ("/login", "/api/v1/openapi.json", "/healthz", "/nothing"):
        headers = app.test_client().get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_readiness_needs_living_workers(app: Flask, db: Database) -> None:
    from moderation.health import store

    client = app.test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "scoring:builtin" in " ".join(answer.json["problems"])
    with db.transaction() as session:
        for name in ("scoring:builtin", "housekeeping"):
            store.beat(session, name, utcnow())
    assert client.get("/readyz").status_code == 200
