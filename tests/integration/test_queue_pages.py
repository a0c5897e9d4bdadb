"""The queue's pages: where a form leads back to, who reads what, what others decided, what a search found."""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from moderation import pipeline
from moderation.accounts.models import Moderator, Site
from moderation.accounts.sites import NewSite
from moderation.comments.intake import AuthorInput, TextInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.review import cards, claims, saved_views
from moderation.review.marks import changes
from moderation.settings import Settings

from .helpers import BAD, KEY, Browser, add_site, add_user, comment_of, given, judge_all, log_in, take


@pytest.fixture
def site(db: Database) -> NewSite:
    return add_site(db)


@pytest.fixture
def rani(app: Flask, db: Database, settings: Settings, site: NewSite) -> Browser:
    """An administrator, and two comments that wait."""
    take(db, settings, site.site, given("c1", text=f"{BAD} satu"))
    take(db, settings, site.site, given("c2", text=f"{BAD} dua, sama sekali lain", author=AuthorInput(name="Bayu")))
    judge_all(db, settings)
    add_user(db, name="Rani")
    return log_in(app)


@pytest.fixture
def sari(app: Flask, db: Database, site: NewSite, rani: Browser) -> Browser:
    """A plain moderator of the same site."""
    add_user(db, "sari@contoh.example", role="moderator", name="Sari P.", sites=[site.site])
    return log_in(app, "sari@contoh.example")


def changed(browser: Browser, query: str) -> Any:
    return browser.client.get(f"/queue/changes?tab=held&since=0&{query}").json


def test_who_reads_a_comment_is_seen_by_others_and_not_by_oneself(rani: Browser, sari: Browser) -> None:
    assert rani.post("/queue/1/claim").status_code == 200
    assert changed(rani, "ids=1.2.1+2.2.1")["presence"] == {}
    assert changed(sari, "ids=1.2.1+2.2.1")["presence"]["1"]["who"] == "Rani"
    page = sari.get("/queue?lang=en").text
    assert "◉ Rani is reading" in page
    rani.post("/queue/1/release")
    assert changed(sari, "ids=1.2.1")["presence"] == {}


def test_a_comment_that_a_colleague_reads_is_decided_after_taking_it_over_only(
    rani: Browser, sari: Browser, db: Database
) -> None:
    rani.post("/queue/1/claim")
    refused = sari.post("/queue/1/claim")
    assert (refused.status_code, refused.json["error"]["details"]["what"]) == (409, "claimed")
    answer = sari.post("/queue/1/decision", seen_version="2", decision="approve")
    assert (answer.status_code, answer.json["error"]["details"]["who"]) == (409, "Rani")
    assert "is-claimed" in answer.json["html"]
    assert comment_of(db, "c1").status == "HELD"
    page = sari.post("/queue/1/decision", accept="text/html", seen_version="2", decision="approve")
    assert (page.status_code, "Rani" in page.text) == (409, True)
    taken = sari.post("/queue/1/claim", accept="text/html", take_over="1")
    assert (taken.status_code, taken.headers["Location"]) == (303, "/queue/1")
    assert sari.post("/queue/1/decision", seen_version="2", decision="approve").status_code == 200


def test_a_page_that_claims_late_does_not_keep_from_seniors_what_was_handed_to_them(
    rani: Browser, sari: Browser, db: Database
) -> None:
    assert sari.post("/queue/1/claim").status_code == 200
    assert sari.post("/queue/1/escalate", question="Ini ancaman?").status_code == 200
    assert sari.post("/queue/1/claim").status_code == 403
    version = str(comment_of(db, "c1").version)
    assert rani.post("/queue/1/decision", seen_version=version, reject="SPAM").status_code == 200


def test_who_comes_after_a_decision_hears_of_it_though_a_colleague_reads(rani: Browser, sari: Browser) -> None:
    rani.post("/queue/1/decision", seen_version="2", reject="SPAM")
    rani.post("/queue/1/claim")
    answer = sari.post("/queue/1/decision", seen_version="2", decision="approve")
    assert (answer.status_code, answer.json["error"]["details"]["what"]) == (409, "reject")


def test_what_a_colleague_decided_becomes_a_line_on_my_page(rani: Browser, sari: Browser) -> None:
    sari.post("/queue/2/decision", seen_version="2", reject="SPAM")
    body = changed(rani, "ids=1.2.1+2.2.1")
    assert list(body["decided"]) == ["2"]
    assert "is-gone" in body["decided"]["2"]
    assert "Sari P." in body["decided"]["2"]
    assert "/undo" not in body["decided"]["2"]
    assert "/queue/2/undo" in changed(sari, "ids=2.2.1")["decided"]["2"]  # my own, from another window
    assert changed(rani, "ids=2.3.1")["decided"] == {}  # seen already


def test_a_text_that_was_edited_is_told_of_until_the_page_shows_it(
    rani: Browser, db: Database, settings: Settings, site: NewSite
) -> None:
    mark = re.search(r'data-since="(\d+)"', rani.get("/queue").text)
    assert mark is not None
    shown = f"since={mark.group(1)}&ids=1.2.1+2.2.1"
    before = rani.client.get(f"/queue/changes?{shown}").headers["ETag"]
    with db.transaction() as session:
        home, comment = session.get_one(Site, site.site.id), session.get_one(Comment, 1)
        text = TextInput(f"{BAD} dua <b>")
        pipeline.edit(session, home, comment, text, settings=settings, key=KEY, now=utcnow(), tag="x")
    assert rani.client.get(f"/queue/changes?{shown}").json["edited"] == {}  # nobody has judged it yet
    judge_all(db, settings)
    answer = rani.client.get(f"/queue/changes?{shown}&lang=en", headers={"If-None-Match": before})
    html = answer.json["edited"]["1"]
    assert list(answer.json["edited"]) == ["1"]
    assert answer.json["new"] == 0  # it stands on the page already
    version = comment_of(db, "c1").version
    assert f'data-version="{version}" data-revision="2"' in html
    assert f'name="seen_version" value="{version}"' in html
    assert "edited since you opened it" in html
    assert "<del>satu</del><ins>dua &lt;b&gt;</ins>" in html
    assert changed(rani, f"ids=1.{version}.2+2.2.1")["edited"] == {}
    assert rani.post("/queue/1/decision", seen_version=str(version), decision="approve").status_code == 200


@pytest.mark.parametrize("ids", ["x", "1", "1.2", "1.2.3.4", "1.-2.1", "1.2." + "9" * 30])
def test_wrong_ids_are_named(rani: Browser, ids: str) -> None:
    answer = rani.client.get(f"/queue/changes?ids={ids}")
    assert (answer.status_code, answer.json["error"]["field"]) == (422, "ids")


def test_a_comment_of_somebody_elses_site_is_not_told_of(app: Flask, db: Database, rani: Browser) -> None:
    other = add_site(db)
    add_user(db, "budi@contoh.example", role="moderator", sites=[other.site])
    budi = log_in(app, "budi@contoh.example")
    rani.post("/queue/1/decision", seen_version="2", decision="approve")
    assert changed(budi, "ids=1.2.1")["decided"] == {}
    for path in ("/queue/1/card", "/queue/1", f"/queue?site={1}"):
        assert budi.get(path).status_code == 404
    assert budi.post("/queue/1/claim").status_code == 404


def test_an_edit_while_one_reads_shows_the_difference_and_applies_nothing(
    rani: Browser, db: Database, settings: Settings, site: NewSite
) -> None:
    with db.transaction() as session:
        row = session.get_one(Comment, 1)
        site_row = session.get_one(Site, site.site.id)
        new = TextInput(text=f"{BAD} tiga")
        pipeline.edit(session, site_row, row, new, settings=settings, key=KEY, now=utcnow(), tag="x")
    judge_all(db, settings)
    answer = rani.post("/queue/1/decision", seen_version="2", seen_revision="1", decision="approve")
    assert (answer.status_code, answer.json["error"]["details"]["what"]) == (409, "edited")
    assert "<del>satu</del><ins>tiga</ins>" in answer.json["html"]
    assert f'name="seen_version" value="{comment_of(db, "c1").version}"' in answer.json["html"]


def test_a_form_leads_back_to_where_it_was_sent_from(rani: Browser) -> None:
    page = rani.get("/queue?tab=held&sort=oldest&site=1").text
    assert 'name="sort" value="oldest"' in page
    answer = rani.post(
        "/queue/1/decision", "text/html", seen_version="2", reject="SPAM", tab="held", sort="oldest", site="1", q="a  b"
    )
    assert answer.headers["Location"] == "/queue?tab=held&sort=oldest&site=1&q=a+b&decided=1"
    single = rani.post("/queue/2/decision", "text/html", seen_version="2", reject="SPAM", back="comment")
    assert single.headers["Location"] == "/queue/2?decided=2"
    assert "/queue/2/undo" in rani.get(single.headers["Location"]).text


def test_one_site_of_several_can_be_looked_at_alone(rani: Browser, db: Database, settings: Settings) -> None:
    other = add_site(db)
    take(db, settings, other.site, given("d1", text=f"{BAD} di situs lain"))
    judge_all(db, settings)
    assert all(f'id="c-{number}"' in rani.get("/queue").text for number in (1, 2, 3))
    page = rani.get(f"/queue?site={other.site.id}").text
    assert 'id="c-3"' in page
    assert 'id="c-1"' not in page
    assert 'data-count="held">1</span>' in page


def test_a_search_shows_its_hits_and_a_wrong_one_says_why(rani: Browser, db: Database, settings: Settings) -> None:
    page = rani.get("/queue?q=satu&lang=en").text
    assert 'id="c-1"' in page
    assert 'id="c-2"' not in page
    assert "/queue/bulk?q=satu" in page
    wrong = rani.get("/queue?q=skor:1&lang=en")
    assert wrong.status_code == 422
    assert 'aria-invalid="true"' in wrong.text
    assert "skor" in wrong.text


def test_a_view_is_kept_for_the_team_and_removed_by_whoever_made_it(rani: Browser, sari: Browser, db: Database) -> None:
    answer = sari.post("/queue/views", "text/html", name="Banjir judi", q="slot gacor")
    assert answer.headers["Location"].startswith("/queue?")
    assert "Banjir judi" in rani.get("/queue").text
    with db.reading() as session:
        view = saved_views.listed(session)[0]
    assert f"/queue/views/{view.id}/remove" in sari.get("/queue?q=slot+gacor").text
    sari.post(f"/queue/views/{view.id}/remove", "text/html")
    assert "Banjir judi" not in rani.get("/queue").text


def test_my_keys_are_those_of_the_page(rani: Browser) -> None:
    assert rani.post("/account/shortcuts", approve="a", next="").json["keys"]["approve"] == "a"
    page = rani.get("/queue").text
    assert '<span data-action="approve">a</span>' in page
    assert 'data-action="next"' not in page
    assert '<kbd aria-hidden="true" data-key="approve">a</kbd>' in page
    for fields, field in (({"approve": "d"}, "reject"), ({"approve": "ab"}, "approve"), ({"undo": " "}, "undo")):
        wrong = rani.post("/account/shortcuts", **fields)
        assert wrong.status_code == 422
        assert wrong.json["error"]["field"] in (field, "approve")
    rani.post("/account/shortcuts", off="1")
    assert "keys-off" in rani.get("/queue").text


def test_density_and_blur_are_those_of_the_person(rani: Browser, sari: Browser) -> None:
    rani.post("/account/preferences", density="compact", blur="1")
    page = rani.get("/queue").text
    assert "is-compact" in page
    assert re.search(r'id="blur"[^>]*checked', page)
    assert "is-compact" not in sari.get("/queue").text


def test_a_late_queue_is_said_on_the_page(rani: Browser, db: Database) -> None:
    assert re.search(r'id="late"[^>]*hidden', rani.get("/queue").text)
    with db.transaction() as session:
        session.execute(sa.update(Comment).where(Comment.id == 1).values(decided_at=utcnow() - timedelta(hours=2)))
    page = rani.get("/queue").text
    assert not re.search(r'id="late"[^>]*hidden', page)
    assert re.search(r'id="oldest"[^>]*class="is-no"', page)


def test_my_latest_fifty_decisions_are_listed(rani: Browser, db: Database) -> None:
    rani.post("/queue/1/decision", seen_version="2", reject="SPAM")
    rani.post("/queue/2/decision", seen_version="2", decision="approve")
    page = rani.get("/queue").text
    assert re.findall(r'<li data-comment="(\d+)"', page) == ["2", "1"]


def test_cards_ask_as_often_for_one_comment_as_for_many(db: Database, settings: Settings, site: NewSite) -> None:
    for number in range(12):
        author = AuthorInput(name=f"a{number}", external_id=f"a{number}")
        take(db, settings, site.site, given(f"c{number}", text=f"{BAD} nomor {number}", author=author))
    judge_all(db, settings)
    asked: list[str] = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with db.reading() as session:
        rows = list(session.scalars(sa.select(Comment)))
        counts = []
        for some in (rows[:1], rows):
            asked.clear()
            cards.build(session, some)
            counts.append(len(asked))
    assert counts[0] == counts[1] <= 20


def test_a_card_says_what_everything_around_it_says(
    db: Database, settings: Settings, site: NewSite, rani: Browser
) -> None:
    rani.post("/queue/1/notes", text="Sering emosi, isinya berguna.")
    with db.transaction() as session:
        me = session.scalars(sa.select(Moderator)).one()
        claims.claim(session, session.get_one(Comment, 1), me, utcnow())
        made = cards.build(session, [session.get_one(Comment, 1)])[0]
    assert made.priority is not None
    assert made.priority.risk_hours > 0
    assert made.claim is not None
    assert not made.held_by_other(me.id)
    assert made.held_by_other(me.id + 1)
    assert [note.text for note in made.notes] == ["Sering emosi, isinya berguna."]
    assert made.record is not None
    assert (made.record.held, len(made.record.last)) == (1, 1)


def test_changes_put_together_are_the_new_text() -> None:
    made = changes("Dasar goblok, dibayar berapa?", "Dasar goblok atau memang dibayar?")
    assert "".join(part.text for part in made if part.kind != "gone") == "Dasar goblok atau memang dibayar?"
    assert "".join(part.text for part in made if part.kind != "new") == "Dasar goblok, dibayar berapa?"
