"""The browser form: the four faults in the site's language, WordPress's refusals, exact origins, 303 to the story."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from moderation.accounts.sites import NewSite
from moderation.app import create_app
from moderation.comments import form
from moderation.comments.models import Comment, Story
from moderation.db import Database, utcnow
from moderation.settings import Settings
from tests.conftest import Recorder

from .helpers import BAD, KEY, add_site, judge_all

GOOD = {"comment": "Halo semua", "author": "Rani", "email": "rani@contoh.example", "comment_post_ID": "s1"}


@pytest.fixture
def made(db: Database) -> NewSite:
    made = add_site(db)
    with db.transaction() as session:
        session.add(
            Story(
                site_id=made.site.id,
                external_id="s1",
                url="http://warta.example/artikel?p=1#atas",
                title="Artikel",
                created_at=utcnow(),
            )
        )
    return made


def token(made: NewSite, story: str = "s1") -> str:
    return form.make_token(KEY, made.site.public_id, story, utcnow())


def send(
    app: Flask, made: NewSite, accept: str = "application/json", origin: str | None = None, **fields: Any
) -> TestResponse:
    headers = {"Accept": accept} | ({"Origin": origin} if origin else {})
    data = {**GOOD, "moderation_token": token(made), **fields}
    return app.test_client().post(f"/f/{made.site.public_id}/comments", data=data, headers=headers)


def comments(db: Database) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(Comment)) or 0


def test_a_script_learns_where_to_follow_its_comment(
    app: Flask, db: Database, made: NewSite, settings: Settings
) -> None:
    answer = send(app, made)
    assert answer.status_code == 202
    assert answer.json["message"] == "Komentar Anda menunggu moderasi."
    judge_all(db, settings)
    followed = app.test_client().get(answer.json["status_url"])
    assert followed.json == {"id": answer.json["id"], "status": "APPROVED"}
    forged = answer.json["status_url"].replace("hash=", "hash=0")
    assert app.test_client().get(forged).status_code == 404


def test_without_script_the_browser_is_sent_to_the_storys_stored_address(app: Flask, made: NewSite) -> None:
    answer = app.test_client().post(
        f"/f/{made.site.public_id}/comments",
        data={**GOOD, "moderation_token": token(made)},
        headers={"Accept": "text/html", "Referer": "http://evil.example/"},
    )
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("http://warta.example/artikel?p=1&unapproved=1&moderation-hash=")
    assert answer.headers["Location"].endswith("#comment-1")


@pytest.mark.parametrize(
    ("field", "value", "indonesian"),
    [
        ("comment", "", "Silakan tulis komentar Anda!"),
        ("author", "", "Silakan tulis nama Anda di sini"),
        ("email", "", "Silakan tulis alamat surel Anda di sini"),
        ("email", "rani@contoh", "Alamat surel yang Anda tulis keliru!"),
    ],
)
def test_the_four_faults_are_answered_in_the_sites_language(
    app: Flask, db: Database, made: NewSite, field: str, value: str, indonesian: str
) -> None:
    answer = send(app, made, **{field: value})
    assert (answer.status_code, answer.json) == (422, {"errors": {field: indonesian}})
    page = send(app, made, accept="text/html", **{field: value})
    assert page.status_code == 422
    assert indonesian in page.text
    assert GOOD["author"] in page.text or field == "author"  # what was typed is not lost
    assert comments(db) == 0


def test_an_english_site_answers_in_english(app: Flask, db: Database) -> None:
    made = add_site(db, language="en")
    answer = send(app, made, comment="", comment_post_url="http://warta.example/x", moderation_token="")
    assert answer.json == {"errors": {"comment": "Please enter your comment!"}}


def test_a_duplicate_is_409_and_a_flood_429_as_wordpress_answers_them(
    db: Database, settings: Settings, sender: Recorder, made: NewSite
) -> None:
    app = create_app(replace(settings, form_flood_seconds=15), sender=sender)
    assert send(app, made).status_code == 202
    assert send(app, made).status_code == 409
    other = send(app, made, comment="Lain lagi")
    assert other.status_code == 429
    assert 1 <= int(other.headers["Retry-After"]) <= 16
    stranger = send(app, made, comment="Lain lagi", email="lain@contoh.example")
    assert stranger.status_code == 429  # the same address
    assert comments(db) == 1


def test_a_site_takes_only_so_many_forms_a_minute(
    db: Database, settings: Settings, sender: Recorder, made: NewSite
) -> None:
    app = create_app(replace(settings, form_site_per_minute=2), sender=sender)
    codes = [send(app, made, comment=f"nomor {n}", email=f"p{n}@contoh.example").status_code for n in range(3)]
    assert codes == [202, 202, 429]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"moderation_token": ""}, "no_timing_token"),
        ({"moderation_website": "http://spam.example"}, "honeypot"),
    ],
)
def test_a_suspicious_form_is_held_never_dropped(
    app: Flask, db: Database, made: NewSite, settings: Settings, fields: dict[str, str], reason: str
) -> None:
    answer = send(app, made, **fields)
    assert answer.status_code == 202
    judge_all(db, settings)
    state = app.test_client().get("/api/v1/comments/1", headers={"Authorization": f"Bearer {made.api_key}"}).json
    assert (state["status"], [item["code"] for item in state["reasons"]]) == ("HELD", [reason])


def test_a_form_sent_too_fast_is_held(db: Database, settings: Settings, sender: Recorder, made: NewSite) -> None:
    app = create_app(replace(settings, form_min_seconds=3), sender=sender)
    assert send(app, made).status_code == 202
    judge_all(db, settings)
    with db.reading() as session:
        assert session.scalars(select(Comment.status)).one() == "HELD"


def test_a_forged_token_is_403(app: Flask, db: Database, made: NewSite) -> None:
    assert send(app, made, moderation_token="1763899200.deadbeef").status_code == 403
    assert send(app, made, moderation_token=token(made, "s2")).status_code == 403
    assert comments(db) == 0


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://warta.example", True),
        ("https://warta.example", False),
        ("http://warta.example.evil.example", False),
        ("http://WARTA.example", False),
        ("http://warta.example:80", False),
        ("null", False),
        ("http://evil.example", False),
    ],
)
def test_only_the_exact_origin_of_the_site_may_post(
    app: Flask, db: Database, made: NewSite, origin: str, allowed: bool
) -> None:
    answer = send(app, made, origin=origin)
    assert (answer.status_code == 202) is allowed
    assert (answer.headers.get("Access-Control-Allow-Origin") == origin) is allowed
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]
    assert comments(db) == int(allowed)


def test_a_preflight_of_the_sites_origin_is_answered(app: Flask, made: NewSite) -> None:
    path = f"/f/{made.site.public_id}/comments"
    mine = app.test_client().options(path, headers={"Origin": "http://warta.example"})
    assert mine.headers["Access-Control-Allow-Origin"] == "http://warta.example"
    assert (
        "Access-Control-Allow-Origin"
        not in app.test_client().options(path, headers={"Origin": "http://e.example"}).headers
    )


def test_an_unknown_story_is_refused_unless_its_address_is_the_sites_own(
    app: Flask, db: Database, made: NewSite
) -> None:
    assert send(app, made, comment_post_ID="s9").status_code == 422
    evil = send(app, made, comment_post_ID="s9", comment_post_url="http://evil.example/x")
    assert (evil.status_code, evil.json["error"]["field"]) == (422, "comment_post_url")
    good = send(
        app,
        made,
        comment_post_ID="s9",
        comment_post_url="http://warta.example/s9",
        moderation_token=token(made, "s9"),
    )
    assert good.status_code == 202


def test_a_reply_needs_a_shown_parent(app: Flask, db: Database, made: NewSite, settings: Settings) -> None:
    send(app, made)
    assert send(app, made, comment="balas", comment_parent="1").status_code == 403
    judge_all(db, settings)
    assert send(app, made, comment="balas", comment_parent="1").status_code == 202
    judge_all(db, settings)
    thread = app.test_client().get(f"/f/{made.site.public_id}/comments?story=s1").json
    assert thread["comments"][0]["replies"][0]["text"] == "balas"


def test_browsers_read_without_a_key_with_an_etag_and_no_personal_data(
    app: Flask, db: Database, made: NewSite, settings: Settings
) -> None:
    send(app, made)
    send(app, made, comment=BAD, email="x@contoh.example")
    judge_all(db, settings)
    path = f"/f/{made.site.public_id}/comments?story=s1"
    answer = app.test_client().get(path)
    assert [item["text"] for item in answer.json["comments"]] == ["Halo semua"]
    assert "rani@contoh.example" not in answer.text
    assert "max-age=10" in answer.headers["Cache-Control"]
    again = app.test_client().get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_save_my_name_works_without_script(app: Flask, made: NewSite) -> None:
    answer = send(app, made, accept="text/html", **{"wp-comment-cookies-consent": "yes"})
    assert any(cookie.startswith("comment_author=Rani") for cookie in answer.headers.getlist("Set-Cookie"))


def test_fields_of_themes_and_plugins_are_carried_past(app: Flask, made: NewSite) -> None:
    assert send(app, made, ak_js="1", submit="Kirim", _wp_unfiltered_html_comment="x").status_code == 202


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_in_another_encoding_is_refused_not_garbled(app: Flask, db: Database, made: NewSite, kind: str) -> None:
    if kind.startswith("multipart"):
        parts = (
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in GOOD.items()
        )
        body = ("".join(parts) + "--x--\r\n").encode().replace(b"Halo", b"Hal\xe9")
    else:
        body = b"comment=Hal%E9&author=Rani&email=rani%40contoh.example&comment_post_ID=s1"
    path = f"/f/{made.site.public_id}/comments"
    assert app.test_client().post(path, data=body, headers={"Content-Type": kind}).status_code == 400
    assert comments(db) == 0
    good = body.replace(b"%E9", b"%C3%A9").replace(b"Hal\xe9", "Halé".encode())
    assert app.test_client().post(path, data=good, headers={"Content-Type": kind}).status_code == 202
