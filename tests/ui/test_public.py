"""What readers see: the form with its faults, and the demo article with thread, waiting note and recent comments."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from moderation.accounts import sites
from moderation.comments.models import Comment, Story
from moderation.db import Database, utcnow
from moderation.review import decisions
from moderation.review.decisions import Decider
from moderation.settings import Settings
from tests.integration.helpers import BAD, judge_all

from .conftest import Render
from .dom import Node, parse

GOOD = {"comment": "Semoga tarifnya turun.", "author": "Ratri", "email": "ratri@contoh.example"}
EVIL = "<b>tebal</b><script>alert(1)</script>"


def read(app: Flask, path: str = "/demo", **headers: str) -> Node:
    client = app.test_client(use_cookies=False)  # else the client's empty jar would replace a Cookie header
    answer = client.get(path, headers={"Accept": "text/html", **headers})
    assert answer.status_code == 200, answer.text
    return parse(answer.text)


def fields(page: Node) -> dict[str, str]:
    form = page.one("form", id="commentform")
    return {field.attrs["name"]: field.attrs.get("value", "") for field in form.all("input") if "name" in field.attrs}


def send(app: Flask, page: Node, accept: str = "text/html", **values: str) -> Any:
    given = {k: v for k, v in fields(page).items() if k != "wp-comment-cookies-consent"}
    action = page.one("form", id="commentform").attrs["action"]
    return app.test_client().post(action, data={**given, **GOOD, **values}, headers={"Accept": accept})


def decide(db: Database, comment_id: int, action: str) -> None:
    with db.transaction() as session:
        comment = session.scalars(select(Comment).where(Comment.id == comment_id)).one()
        reason = "OFFENSIVE" if action == "reject" else None
        decisions.decide(
            session,
            comment,
            action,
            Decider(origin="policy"),
            seen_version=comment.version,
            now=utcnow(),
            reason=reason,
        )


def test_the_form_has_wordpress_field_names_and_a_trap_nobody_sees(app: Flask) -> None:
    page = read(app)
    assert set(fields(page)) == {
        "author",
        "email",
        "url",
        "wp-comment-cookies-consent",
        "comment_post_ID",
        "comment_parent",
        "moderation_token",
        "moderation_website",
    }
    assert (fields(page)["comment_post_ID"], fields(page)["comment_parent"]) == ("demo-1", "0")
    assert page.one("textarea", name="comment").attrs["maxlength"] == "65525"
    trap = page.one("input", name="moderation_website")
    assert (trap.attrs["tabindex"], trap.attrs["autocomplete"]) == ("-1", "off")
    assert any(trap in box.walk() for box in page.all("div", class_="vh", aria_hidden="true"))


@pytest.mark.parametrize(
    ("path", "lang", "title"), [("/demo", "id", "Feri"), ("/demo?lang=en", "en", "First electric")]
)
def test_the_article_speaks_the_sites_language_and_the_one_in_its_address(
    app: Flask, path: str, lang: str, title: str
) -> None:
    page = read(app, path, Cookie="lang=en", **{"Accept-Language": "en"})
    assert page.one("html").attrs["lang"] == lang
    assert page.one("h1").text.startswith(title)


def test_links_keep_the_language_that_was_asked_for(app: Flask) -> None:
    page = read(app, "/demo?lang=en")
    own = [a.attrs["href"] for a in page.all("a") if a.attrs["href"].startswith("/demo")]
    assert own
    assert [href for href in own if "lang=" not in href] == []
    assert page.one("form", id="commentform").attrs["action"].endswith("?lang=en")


def test_the_four_faults_are_answered_at_their_fields_in_the_pages_language(app: Flask) -> None:
    answer = send(app, read(app), comment=" ", author="", email="")
    assert answer.status_code == 422
    page = parse(answer.text)
    summary = page.one("div", id="faults")
    assert summary.attrs["role"] == "alert"
    assert [(a.attrs["href"], a.text) for a in summary.all("a")] == [
        ("#comment", "Silakan tulis komentar Anda!"),
        ("#author", "Silakan tulis nama Anda di sini"),
        ("#email", "Silakan tulis alamat surel Anda di sini"),
    ]
    for name in ("comment", "author", "email"):
        field = page.one(id=name)
        assert (field.attrs["aria-invalid"], field.attrs["aria-describedby"]) == ("true", f"e-{name}")
        assert page.one(id=f"e-{name}").text
    assert "aria-invalid" not in page.one(id="url").attrs
    english = parse(send(app, read(app, "/demo?lang=en"), email="ratri@contoh").text)
    assert english.one("div", id="faults").one("a").text == "You have entered an incorrect email address!"
    assert english.one("form").attrs["action"].endswith("?lang=en")


def test_a_form_that_had_faults_keeps_what_was_written_as_text(app: Flask) -> None:
    written = "\n</textarea>" + EVIL
    page = parse(send(app, read(app), comment=written, author=EVIL, email="x", url='"><b>').text)
    assert "".join(str(child) for child in page.one("textarea").children).strip() == written.strip()
    assert page.one("input", name="author").attrs["value"] == EVIL
    assert page.one("input", name="url").attrs["value"] == '"><b>'
    assert page.all("script") == []


def test_a_fault_of_the_whole_form_is_one_sentence(render: Render) -> None:
    page = render(
        "public/form_errors.html",
        path="/f/x/comments",
        site_name="Warta",
        story_title="Artikel",
        story_url="https://warta.example/a",
        action="/f/x/comments",
        values={"comment": "halo", "comment_post_url": "https://warta.example/a"},
        errors={},
        problem="Anda mengirim komentar terlalu cepat.",
        texts={"heading": "Tinggalkan Komentar", "intro": "", "button": "Kirim Komentar"},
        token="t",
    )
    assert page.one("div", id="faults").text == "Komentar Anda belum terkirim. Anda mengirim komentar terlalu cepat."
    assert page.one("input", name="comment_post_url").attrs["value"] == "https://warta.example/a"
    assert page.all("p", class_="err") == []


def test_the_author_alone_sees_that_a_comment_waits(app: Flask, db: Database, settings: Settings) -> None:
    answer = send(app, read(app), comment=f"{BAD} {EVIL}")
    assert answer.status_code == 303
    judge_all(db, settings)
    path = answer.headers["Location"].removeprefix(settings.base_url)
    assert path.startswith("/demo?unapproved=1&moderation-hash=")
    note = read(app, path.partition("#")[0]).one("article", id="comment-1")
    assert note.text.startswith("Komentar Anda menunggu moderasi. Hanya Anda yang melihatnya.")
    assert note.one("blockquote").text == f"{BAD} {EVIL}"
    for other in ("/demo", "/demo?unapproved=1&moderation-hash=0", "/demo?unapproved=x&moderation-hash=y"):
        assert BAD not in read(app, other).text
    decide(db, 1, "reject")
    assert "Komentar Anda tidak diterbitkan." in read(app, path.partition("#")[0]).text


def test_approved_comments_are_threaded_counted_and_listed_as_recent(
    app: Flask, db: Database, settings: Settings
) -> None:
    send(app, read(app), comment="Yang pertama", author=EVIL)
    judge_all(db, settings)
    reply = read(app, "/demo?replytocom=1")
    assert fields(reply)["comment_parent"] == "1"
    assert reply.one("h2", id="reply-h").text == f"Balas {EVIL}"
    send(app, reply, comment="Jawabannya", author="wira", email="wira@contoh.example")
    send(app, read(app, "/demo/2"), comment="Di artikel lain", author="nur", email="nur@contoh.example")
    judge_all(db, settings)
    page = read(app)
    assert page.one("h2", id="comments-h").text == "2 komentar"
    inner = [item for item in page.one("section", id="comments").all("ol") if item.all("article", id="comment-2")]
    assert len(inner) == 2  # the reply hangs in a list inside the list of its parent
    recent = page.one("aside", id="recent").all("li")
    assert [line.text.split(" di ")[0] for line in recent] == ["nur", "wira", EVIL]
    assert recent[0].one("a").attrs["href"] == "/demo/2#comment-3"
    assert page.all("b", dir="") == []


def test_replying_to_what_is_not_shown_is_a_plain_comment(app: Flask) -> None:
    for wanted in ("99", "x", "1 OR 1"):
        page = read(app, f"/demo?replytocom={wanted}")
        assert fields(page)["comment_parent"] == "0"


def test_a_saved_name_comes_back_without_script(app: Flask) -> None:
    cookie = "comment_author=Ratri; comment_author_email=ratri@contoh.example"
    page = read(app, Cookie=cookie)
    assert page.one("input", name="author").attrs["value"] == "Ratri"
    assert page.one("input", name="email").attrs["value"] == "ratri@contoh.example"
    assert "checked" in page.one("input", name="wp-comment-cookies-consent").attrs
    assert "checked" not in read(app).one("input", name="wp-comment-cookies-consent").attrs


def test_the_demo_is_not_there_without_its_site(app: Flask, db: Database) -> None:
    with db.transaction() as session:
        site = sites.demo_site(session)
        assert site is not None
        site.is_demo = False
    answer = app.test_client().get("/demo", headers={"Accept": "text/html"})
    assert answer.status_code == 404


def test_the_demo_article_uses_the_sites_own_words_and_closes_with_them(app: Flask, db: Database) -> None:
    with db.transaction() as session:
        site = sites.demo_site(session)
        assert site is not None
        site.form_texts = {"heading": "Ikut bicara", "button": "Kirim!", "closed": "Diskusi sudah selesai."}
    page = read(app)
    assert page.one(id="reply-h").text == "Ikut bicara"
    assert page.one("form", id="commentform").one("button").text == "Kirim!"
    with db.transaction() as session:
        site = sites.demo_site(session)
        assert site is not None
        site.close_after_days = 1
        for story in session.scalars(select(Story)):
            story.published_at = utcnow() - timedelta(days=1)
    section = read(app).one("section", id="reply")
    assert section.all("form") == []
    assert section.one("p", class_="note").text == "Diskusi sudah selesai."
