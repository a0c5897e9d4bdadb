"""The pages of authors and articles, notes, escalation and second looks by their doors, with and without script."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask

from moderation.accounts import moderators
from moderation.accounts.models import Moderator, Site
from moderation.accounts.sites import NewSite
from moderation.cli import cli
from moderation.comments.intake import AuthorInput
from moderation.comments.models import Author, Comment, Story
from moderation.db import Database, utcnow
from moderation.review import claims, notes, people
from moderation.settings import Settings

from .helpers import BAD, Browser, add_site, add_user, comment_of, given, judge_all, log_in, take

BUDI = AuthorInput(name="Budi", external_id="u1")
ANI = AuthorInput(name="Ani <b>", email="ani@contoh.example")


@pytest.fixture
def made(db: Database, settings: Settings) -> NewSite:
    """Budi: three comments, two held and one published; Ani: one held."""
    made = add_site(db)
    take(db, settings, made.site, given("c1", f"Satu {BAD}", author=BUDI))
    take(db, settings, made.site, given("c2", "Dua", author=BUDI))
    take(db, settings, made.site, given("c3", f"Tiga {BAD}", author=replace(BUDI, name="Budi Lain")))
    take(db, settings, made.site, given("c4", f"<script>alert(4)</script> {BAD}", author=ANI))
    judge_all(db, settings)
    for name, role in (("mod", "moderator"), ("senior", "senior")):
        add_user(db, f"{name}@contoh.example", role=role, name=name.title(), sites=[made.site])
    return made


@pytest.fixture
def senior(app: Flask, made: NewSite) -> Browser:
    return log_in(app, "senior@contoh.example")


@pytest.fixture
def mod(app: Flask, made: NewSite) -> Browser:
    return log_in(app, "mod@contoh.example")


# --- records ---


def test_records_of_many_authors_take_a_fixed_number_of_statements(
    db: Database, made: NewSite, settings: Settings
) -> None:
    with db.transaction() as session:
        notes.add(session, made.site.id, notes.AUTHOR, 1, session.get_one(Moderator, 1), "Sering emosi", utcnow())
    asked: list[str] = []
    with db.reading() as session:
        session.connection()
        sa.event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
        one = people.records(session, [1], utcnow())
        few = len(asked)
        asked.clear()
        both = people.records(session, [1, 2, 1], utcnow())
        assert len(asked) == few == 4
        assert people.records(session, [], utcnow()) == {}
    budi = both[1]
    assert one[1] == budi
    assert (budi.approved, budi.rejected, budi.held, budi.notes, budi.standing) == (1, 0, 2, 1, "")
    assert budi.last == [(3, "HELD", f"Tiga {BAD}"), (2, "APPROVED", "Dua"), (1, "HELD", f"Satu {BAD}")]
    assert (both[2].held, both[2].notes) == (1, 0)


def test_a_record_shows_the_last_five_and_cuts_what_is_long(db: Database, made: NewSite, settings: Settings) -> None:
    for number in range(5, 11):
        take(db, settings, made.site, given(f"c{number}", f"{number} " + "a" * 300, author=BUDI))
    with db.reading() as session:
        last = people.records(session, [1], utcnow())[1].last
    assert [number for number, _, _ in last] == [10, 9, 8, 7, 6]
    assert all(len(text) == people.CHARS and text.endswith("…") for _, _, text in last)


# --- authors ---


def test_an_authors_page_shows_everything_they_wrote_as_text(mod: Browser, db: Database) -> None:
    page = mod.get("/authors/1?lang=en").text
    assert [page.index(text) for text in ("Tiga", "Dua", "Satu")] == sorted(
        page.index(text) for text in ("Tiga", "Dua", "Satu")
    )
    assert "Also writes as" in page
    assert "<code>u1</code>" in page
    other = mod.get("/authors/2?lang=en").text
    assert "<script>alert" not in other
    assert "&lt;script&gt;alert(4)" in other
    assert "Ani &lt;b&gt;" in other
    assert "ani@contoh" not in other


def test_an_authors_pages_go_on_by_key(mod: Browser, db: Database, made: NewSite, settings: Settings) -> None:
    for number in range(5, 30):
        take(db, settings, made.site, given(f"c{number}", f"teks-{number:02}.", author=BUDI))
    first = mod.get("/authors/1?lang=en").text
    assert "teks-29." in first
    assert "teks-10." in first
    assert "teks-09." not in first
    following = mod.get("/authors/1?after=10&lang=en").text
    assert "teks-09." in following
    assert "Satu" in following
    assert "teks-10." not in following
    assert "/authors/1?after=10" in first
    assert "Older" not in following


@pytest.mark.parametrize("path", ["/authors/1", "/authors/99", "/stories/1", "/stories/99", "/authors/1/ban"])
def test_people_and_articles_of_other_sites_are_not_there(app: Flask, db: Database, made: NewSite, path: str) -> None:
    other = add_site(db)
    add_user(db, "lain@contoh.example", role="senior", sites=[other.site])
    stranger = log_in(app, "lain@contoh.example")
    assert stranger.get(path).status_code == 404
    for deed in ("/authors/1/standing", "/authors/1/notes", "/stories/1/order", "/stories/1/notes", "/queue/1/notes"):
        fields = {"kind": "banned", "deed": "close", "text": "x"}
        assert stranger.post(deed, **fields).status_code == 404
    assert stranger.post("/queue/1/escalate", question="?").status_code == 404


def test_a_ban_is_asked_for_once_more_and_then_counts(senior: Browser, db: Database) -> None:
    page = senior.get("/authors/1/ban?lang=en").text
    assert "Ban Budi Lain</button>" in page
    assert "2 comments of theirs still wait" in page
    answer = senior.post("/authors/1/standing", accept="text/html", kind="banned", until="week")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/authors/1?done=banned")
    shown = senior.get("/authors/1?done=banned&lang=en").text
    assert "Every comment from now on is rejected." in shown
    assert "<b>Senior</b> banned, until" in shown
    assert "Lift the order" in shown
    with db.reading() as session:
        author = session.get_one(Author, 1)
        assert author.standing == "banned"
        assert author.standing_until is not None
        assert 6 < (author.standing_until - utcnow()).total_seconds() / 86400 < 7.1


def test_an_order_may_end_with_a_day_of_the_desks_calendar(senior: Browser, db: Database) -> None:
    senior.post("/authors/1/standing", kind="held", until="date", until_date="2099-12-31")
    with db.reading() as session:
        until = session.get_one(Author, 1).standing_until
    assert until is not None
    assert until.isoformat() == "2099-12-31T17:00:00+00:00"  # midnight in Jakarta


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "banned", "until": "date"}, "until"),
        ({"kind": "banned", "until": "date", "until_date": "2020-01-01"}, "until"),
        ({"kind": "banned", "until": "date", "until_date": "9999-12-31"}, "until"),
        ({"kind": "banned", "until": "soon"}, "until"),
        ({"kind": "jailed"}, "kind"),
    ],
)
def test_a_wrong_order_names_its_field_and_the_page_says_so(
    senior: Browser, db: Database, fields: dict[str, str], field: str
) -> None:
    answer = senior.post("/authors/1/standing", **fields)
    assert (answer.status_code, answer.json["error"]["field"]) == (422, field)
    page = senior.post("/authors/1/standing", accept="text/html", **fields)
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    with db.reading() as session:
        assert session.get_one(Author, 1).standing == ""


def test_a_plain_moderator_bans_nobody(mod: Browser, db: Database) -> None:
    assert mod.get("/authors/1/ban").status_code == 403
    assert mod.post("/authors/1/standing", kind="banned").status_code == 403
    page = mod.get("/authors/1?lang=en").text
    assert "/authors/1/ban" not in page
    assert "Seniors and administrators may ban" in page


def test_an_author_known_by_name_only_is_offered_to_be_held(
    senior: Browser, db: Database, made: NewSite, settings: Settings
) -> None:
    take(db, settings, made.site, given("c9", author=AuthorInput(name="Anonim")))
    page = senior.get("/authors/3/ban?lang=en").text
    assert "This author cannot be banned" in page
    assert 'value="held"' in page
    assert senior.post("/authors/3/standing", kind="banned").status_code == 422


# --- articles ---


def test_an_articles_page_shows_everything_under_it_and_closes_it(mod: Browser, db: Database) -> None:
    page = mod.get("/stories/1?lang=en").text
    assert "Sebuah artikel" in page
    assert [page.index(text) for text in ("alert(4)", "Tiga", "Dua", "Satu")] == sorted(
        page.index(text) for text in ("alert(4)", "Tiga", "Dua", "Satu")
    )
    answer = mod.post("/stories/1/order", accept="text/html", deed="close")
    assert answer.headers["Location"] == "/stories/1?done=close"
    with db.reading() as session:
        assert session.get_one(Story, 1).closed_at is not None
    page = mod.get(answer.headers["Location"] + "&lang=en").text
    assert "Open it again" in page
    assert "<b>Mod</b> closed the article" in page
    mod.post("/stories/1/order", deed="open")
    mod.post("/stories/1/order", deed="premoderate")
    page = mod.get("/stories/1?lang=en").text
    assert "everything is held" in page
    assert mod.post("/stories/1/order", deed="release").status_code == 200
    assert mod.post("/stories/1/order", deed="burn").status_code == 422
    with db.reading() as session:
        story = session.get_one(Story, 1)
        assert (story.closed_at, story.premoderated) == (None, False)


def test_an_articles_pages_go_on_by_key_whatever_the_status(db: Database, made: NewSite, settings: Settings) -> None:
    for number in range(5, 40):
        text = BAD if number % 3 else "Baik"
        take(db, settings, made.site, given(f"c{number}", f"{number} {text}", author=BUDI))
    judge_all(db, settings)
    seen, after = [], None
    with db.reading() as session:
        while True:
            lines, after = people.comments_under(session, 1, after=after)
            seen += [line.id for line in lines]
            if after is None:
                break
    assert seen == list(range(39, 0, -1))


def test_a_page_of_a_busy_article_reads_the_index_only_as_far_as_it_shows(db: Database, made: NewSite) -> None:
    statements: list[str] = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with db.reading() as session:
        people.comments_under(session, 1, after=None)
    union = next(text for text in statements if "UNION" in text)
    assert union.count("LIMIT") >= 5


# --- notes and escalation ---


@pytest.mark.parametrize(
    ("path", "kind", "back"),
    [
        ("/authors/1/notes", "author", "/authors/1?done=noted#notes"),
        ("/stories/1/notes", "story", "/stories/1?done=noted#notes"),
        ("/queue/1/notes", "comment", "/queue?tab=held&noted=1"),
    ],
)
def test_a_note_is_kept_for_colleagues(mod: Browser, db: Database, path: str, kind: str, back: str) -> None:
    answer = mod.post(path, accept="text/html", text="Sering <i>emosi</i>")
    assert (answer.status_code, answer.headers["Location"]) == (303, back)
    told = mod.post(path, text="Lagi").json
    assert told["count"] == 2
    assert "Lagi" in told["html"]
    with db.reading() as session:
        assert [note.text for note in notes.of(session, kind, [1, 2])[1]] == ["Lagi", "Sering <i>emosi</i>"]
    if kind != "comment":
        page = mod.get(back.partition("?")[0]).text
        assert "Sering &lt;i&gt;emosi" in page
        assert mod.post(path, accept="text/html", text=" ").status_code == 422
    refused = mod.post(path, text="x" * 2001)
    assert (refused.status_code, refused.json["error"]["field"]) == (422, "text")


def test_a_comment_is_handed_over_and_comes_back_with_an_answer(mod: Browser, senior: Browser, db: Database) -> None:
    answer = mod.post("/queue/1/escalate", accept="text/html", question="Boleh?", back="comment")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/queue/1?escalated=1")
    assert comment_of(db).escalated
    assert mod.post("/queue/1/escalate", question="").json["error"]["field"] == "question"
    assert mod.post("/queue/1/answer", answer="Ya").status_code == 403
    assert mod.post("/queue/1/decision", seen_version="2", decision="approve").status_code == 403
    assert senior.post("/queue/1/answer", answer="").status_code == 422
    assert senior.post("/queue/1/answer", answer="Ya").json["escalated"] is False
    assert not comment_of(db).escalated
    assert senior.post("/queue/1/answer", answer="Ya").status_code == 409


def test_what_a_colleague_reads_is_not_handed_over(mod: Browser, db: Database) -> None:
    with db.transaction() as session:
        claims.claim(session, session.get_one(Comment, 1), session.get_one(Moderator, 2), utcnow())
    assert mod.post("/queue/1/escalate", question="Boleh?").status_code == 409
    assert not comment_of(db).escalated


def test_deeds_need_their_token(mod: Browser) -> None:
    for path in ("/queue/1/escalate", "/queue/1/notes", "/authors/1/notes", "/stories/1/order", "/stories/1/notes"):
        assert mod.client.post(path, data={"deed": "close", "text": "x", "question": "?"}).status_code == 403


# --- second looks ---


def test_a_second_look_is_blind_and_a_difference_is_told(mod: Browser, senior: Browser, db: Database) -> None:
    with db.transaction() as session:
        session.get_one(Site, 1).second_look_percent = 100
    assert "Nothing waits" in senior.get("/queue/second-looks?lang=en").text
    mod.post("/queue/1/decision", seen_version="2", reject="SPAM")
    page = senior.get("/queue/second-looks?lang=en").text
    assert f"Satu {BAD}" in page
    assert 'action="/queue/second-looks/1"' in page
    card = page[page.index("<article") : page.index("</article>")]
    assert "Rejected" not in card
    assert "Mod" not in card
    assert "Nothing waits" in mod.get("/queue/second-looks?lang=en").text
    assert "last one" in senior.get("/queue/second-looks?after=1&lang=en").text
    answer = senior.post("/queue/second-looks/1", accept="text/html", decision="approve")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/queue/second-looks?looked=other")
    assert "You two differ" in senior.get(answer.headers["Location"] + "&lang=en").text
    comment = comment_of(db)
    assert (comment.status, comment.escalated) == ("REJECTED", True)
    assert senior.post("/queue/second-looks/1", decision="approve").status_code == 409
    assert senior.post("/queue/second-looks/99", decision="approve").status_code == 404


def test_the_share_of_second_looks_is_a_setting_of_the_site(app: Flask, db: Database, made: NewSite) -> None:
    add_user(db)
    admin = log_in(app)
    answer = admin.post("/sites/1/looks", accept="text/html", second_look_percent="5")
    assert answer.status_code == 303
    with db.reading() as session:
        assert session.get_one(Site, 1).second_look_percent == 5
    assert 'value="5"' in admin.get("/sites/1").text
    wrong = admin.post("/sites/1/looks", accept="text/html", second_look_percent="101")
    assert wrong.status_code == 422
    assert "0 sampai 100" in wrong.text


def test_the_command_line_gives_roles_and_the_share_of_second_looks(
    db: Database, made: NewSite, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODERATION_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("MODERATION_DATA_DIR", str(settings.data_dir))

    def run(*words: str) -> int:
        return CliRunner().invoke(cli, words).exit_code

    assert run("users", "set-role", "mod@contoh.example", "senior") == 0
    assert run("users", "set-role", "mod@contoh.example", "king") != 0
    assert run("sites", "set", "1", "--second-look-percent", "7") == 0
    assert run("sites", "set", "1", "--second-look-percent", "700") != 0
    with db.reading() as session:
        assert moderators.is_senior(session.get_one(Moderator, 1))
        assert session.get_one(Site, 1).second_look_percent == 7
