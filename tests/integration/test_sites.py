"""A site's settings, keys and secrets, the rules of its stories, and the pages and commands that change them."""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from moderation.accounts import commands, site_settings, site_views, sites
from moderation.accounts.models import AuditEntry, Site, WebhookSecret
from moderation.accounts.sites import NewSite
from moderation.comments import form
from moderation.comments.intake import StoryInput
from moderation.comments.models import Comment, Story
from moderation.db import Database, utcnow
from moderation.delivery import endpoints, outbox
from moderation.delivery.models import Delivery
from moderation.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from moderation.policy import store as policies
from moderation.policy.models import VerdictRow
from moderation.settings import Settings
from tests.ui.test_catalogue import refused, translation

from .helpers import KEY, Browser, add_site, add_user, api_body, bearer, given, judge_all, log_in, signed, take


def change(db: Database, made: NewSite, **values: Any) -> list[str]:
    with db.transaction() as session:
        return site_settings.change(session, session.get_one(Site, made.site.id), values, actor="cli", now=utcnow())


def site_of(db: Database, made: NewSite) -> Site:
    with db.reading() as session:
        site = session.get_one(Site, made.site.id)
        session.expunge(site)
        return site


def audits(db: Database, action: str) -> list[tuple[str, str]]:
    with db.reading() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id))
        return [(row.actor, row.detail) for row in rows]


# --- settings ---


def test_a_change_sets_what_it_names_and_leaves_an_entry_in_the_audit(db: Database) -> None:
    made = add_site(db)
    changed = change(
        db,
        made,
        name=" Warta Baru ",
        timezone="Asia/Makassar",
        grace_seconds="30",
        close_after_days="14",
        premoderated_sections=["/politik/", "Politik", ""],
        staff_ids=["u-1", "u-1", " "],
        form_texts={"button": "Kirim!", "intro": " "},
    )
    site = site_of(db, made)
    assert (site.name, site.timezone, site.grace_seconds, site.close_after_days) == (
        "Warta Baru",
        "Asia/Makassar",
        30,
        14,
    )
    assert (site.premoderated_sections, site.staff_ids, site.form_texts) == (["Politik"], ["u-1"], {"button": "Kirim!"})
    assert audits(db, "site.change") == [("cli", ", ".join(changed))]
    assert change(db, made, name="Warta Baru") == []
    assert change(db, made, close_after_days="") == ["close_after_days"]
    assert site_of(db, made).close_after_days is None


def test_the_addresss_own_origin_may_always_use_the_form(db: Database) -> None:
    made = add_site(db)
    change(db, made, url="https://www.baru.example/berita/", origins=["https://amp.baru.example/x"])
    site = site_of(db, made)
    assert site.url == "https://www.baru.example/berita"
    assert site.origins == ["https://www.baru.example", "https://amp.baru.example"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": " "}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"url": "ftp://warta.example"}, "url"),
    ({"url": "https://warta.example/a b"}, "url"),
    ({"url": "https://a'b.example"}, "url"),
    ({"origins": ["https://warta.example", "kacau"]}, "origins"),
    ({"origins": [f"https://{n}.example" for n in range(21)]}, "origins"),
    ({"language": "fr"}, "language"),
    ({"timezone": "Asia/Atlantis"}, "timezone"),
    ({"timezone": "../etc/passwd"}, "timezone"),
    ({"grace_seconds": "-1"}, "grace_seconds"),
    ({"grace_seconds": "3601"}, "grace_seconds"),
    ({"close_after_days": "0"}, "close_after_days"),
    ({"close_after_days": "1.5"}, "close_after_days"),
    ({"premoderated_sections": ["x" * 101]}, "premoderated_sections"),
    ({"staff_ids": ["x" * 256]}, "staff_ids"),
    ({"form_texts": {"button": "x" * 41}}, "form_texts.button"),
    ({"form_texts": {"intro": "<b>Halo</b>"}}, "form_texts.intro"),
    ({"form_texts": {"footer": "x"}}, "form_texts.footer"),
    ({"public_id": "s_1"}, "public_id"),
]


def test_a_wrong_setting_is_named_and_nothing_is_changed(db: Database) -> None:
    made = add_site(db)
    for values, field in WRONG:
        with pytest.raises(InvalidInput) as error:
            change(db, made, **{"staff_ids": ["u-1"], **values})
        assert field in site_settings.faults_of(error.value), values
    site = site_of(db, made)
    assert (site.name, site.staff_ids, site.origins) == ("Warta Uji", [], ["http://warta.example"])
    assert audits(db, "site.change") == []


def test_every_fault_of_a_section_is_named_at_once(db: Database) -> None:
    made = add_site(db)
    with pytest.raises(InvalidInput) as error:
        change(db, made, name="", url="x", form_texts={"button": "x" * 41, "intro": "<b>"})
    assert set(site_settings.faults_of(error.value)) == {"name", "url", "form_texts.button", "form_texts.intro"}


# --- keys and secrets ---


def test_several_keys_live_until_each_is_revoked(app: Flask, db: Database) -> None:
    made = add_site(db)
    with db.transaction() as session:
        new = sites.add_key(session, made.site, actor="cli", now=utcnow())
        second, first = sites.keys(session, made.site.id)
        assert second.hint == f"{new[:9]}…"
    client = app.test_client()
    old_headers, new_headers = bearer(made), {"Authorization": f"Bearer {new}"}
    assert client.post("/api/v1/comments", json=api_body("a"), headers=old_headers).status_code == 202
    assert client.post("/api/v1/comments", json=api_body("b"), headers=new_headers).status_code == 202
    with db.transaction() as session:
        sites.revoke_key(session, made.site, first.id, actor="cli", now=utcnow())
        sites.revoke_key(session, made.site, first.id, actor="cli", now=utcnow())
    assert client.post("/api/v1/comments", json=api_body("c"), headers=old_headers).status_code == 401
    assert client.post("/api/v1/comments", json=api_body("d"), headers=new_headers).status_code == 202
    assert audits(db, "site.key.revoke") == [("cli", f"key:{first.id}")]


def test_the_last_key_is_revoked_only_on_purpose_and_never_another_sites(db: Database) -> None:
    made, other = add_site(db), add_site(db)
    with db.transaction() as session:
        mine, theirs = sites.keys(session, made.site.id)[0], sites.keys(session, other.site.id)[0]
        with pytest.raises(NotFound):
            sites.revoke_key(session, made.site, theirs.id, actor="cli", now=utcnow(), last=True)
        with pytest.raises(Conflict):
            sites.revoke_key(session, made.site, mine.id, actor="cli", now=utcnow())
        sites.by_key(session, made.api_key)
        sites.revoke_key(session, made.site, mine.id, actor="cli", now=utcnow(), last=True)
    with db.reading() as session, pytest.raises(NotAuthenticated):
        sites.by_key(session, made.api_key)


def test_two_who_revoke_at_once_leave_a_key(db: Database) -> None:
    made = add_site(db)
    with db.transaction() as session:
        sites.add_key(session, made.site, actor="cli", now=utcnow())
        second, first = sites.keys(session, made.site.id)
    refusals: list[Conflict] = []

    def revoke_second() -> None:
        try:
            with db.transaction() as session:
                sites.revoke_key(session, made.site, second.id, actor="moderator:2", now=utcnow())
        except Conflict as error:
            refusals.append(error)

    other = threading.Thread(target=revoke_second)
    with db.transaction() as session:
        sites.revoke_key(session, made.site, first.id, actor="moderator:1", now=utcnow())
        other.start()
        other.join(0.3)  # long enough to get past us, were there no lock
    other.join(10)
    assert len(refusals) == 1
    with db.reading() as session:
        sites_keys = {item.id: item.ended_at is None for item in sites.keys(session, made.site.id)}
    assert sites_keys == {first.id: False, second.id: True}


def test_a_change_of_secrets_loses_no_event(app: Flask, db: Database) -> None:
    made = add_site(db)
    client, path = app.test_client(), f"/webhooks/{made.site.public_id}/comments"

    def send(secret: str, number: str) -> int:
        event = {"type": "comment.created", "timestamp": "2026-11-23T10:00:00Z", "data": api_body(number)}
        told = NewSite(made.site, made.api_key, secret)
        return client.post(path, **signed(told, event, f"msg_{number}")).status_code

    with db.transaction() as session:
        new = sites.add_secret(session, made.site, actor="cli", now=utcnow())
        assert sites.live_secrets(session, made.site.id) == [new, made.webhook_secret]
        old = sites.webhook_secrets(session, made.site.id)[1]
        assert old.hint == f"{made.webhook_secret[:12]}…"
    assert [send(made.webhook_secret, "1"), send(new, "2")] == [202, 202]
    with db.transaction() as session:
        sites.retire_secret(session, made.site, old.id, actor="cli", now=utcnow())
    assert [send(made.webhook_secret, "3"), send(new, "4")] == [401, 202]
    with db.transaction() as session:
        only = sites.webhook_secrets(session, made.site.id)[0]
        with pytest.raises(Conflict):
            sites.retire_secret(session, made.site, only.id, actor="cli", now=utcnow())


def test_a_site_has_no_more_secrets_than_a_receiver_should_try(db: Database) -> None:
    made = add_site(db)
    with db.transaction() as session:
        for _ in range(sites.MAX_SECRETS - 1):
            sites.add_secret(session, made.site, actor="cli", now=utcnow())
        with pytest.raises(Conflict):
            sites.add_secret(session, made.site, actor="cli", now=utcnow())


# --- rules of stories, and the mode ---


def reasons_of(db: Database, external_id: str = "c1") -> list[str]:
    with db.reading() as session:
        comment = session.scalars(select(Comment).where(Comment.external_id == external_id)).one()
        row = session.scalars(
            select(VerdictRow).where(VerdictRow.comment_id == comment.id).order_by(VerdictRow.id.desc())
        ).first()
        assert row is not None
        return [comment.status, *(reason["code"] for reason in row.reasons)]


def test_what_a_server_sends_for_a_closed_story_is_held_and_not_lost(db: Database, settings: Settings) -> None:
    made = add_site(db)
    change(db, made, close_after_days=7)
    site = site_of(db, made)
    old = StoryInput("s-old", "http://warta.example/old", "Lama", published_at=utcnow() - timedelta(days=8))
    young = StoryInput("s-new", "http://warta.example/new", "Baru", published_at=utcnow() - timedelta(days=6))
    take(db, settings, site, given("late", story=old))
    take(db, settings, site, given("soon", "Terima kasih banyak.", story=young))
    judge_all(db, settings)
    assert reasons_of(db, "late") == ["HELD", "story_closed"]
    assert reasons_of(db, "soon") == ["APPROVED"]


def test_who_was_in_time_is_not_shut_out_by_a_slow_queue(db: Database, settings: Settings) -> None:
    made = add_site(db)
    change(db, made, close_after_days=7)
    now = utcnow()
    story = StoryInput("s", "http://warta.example/s", "Artikel", published_at=now - timedelta(days=7, hours=1))
    take(db, settings, site_of(db, made), given(story=story), now=now - timedelta(hours=2))
    judge_all(db, settings)  # an hour after the story closed
    assert reasons_of(db) == ["APPROVED"]


def test_every_comment_of_a_premoderated_section_is_held(db: Database, settings: Settings) -> None:
    made = add_site(db)
    change(db, made, premoderated_sections=["Politik"])
    site = site_of(db, made)
    by_name = StoryInput("s1", "http://warta.example/1", "Satu", section="politik")
    by_path = StoryInput("s2", "http://warta.example/politik/2", "Dua")
    other = StoryInput("s3", "http://warta.example/olahraga/3", "Tiga", section="Olahraga")
    for number, story in (("a", by_name), ("b", by_path), ("c", other)):
        take(db, settings, site, given(number, f"Terima kasih, {number}.", story=story))
    judge_all(db, settings)
    assert [reasons_of(db, number) for number in "abc"] == [
        ["HELD", "premoderated_section"],
        ["HELD", "premoderated_section"],
        ["APPROVED"],
    ]


def test_a_mode_is_the_next_version_of_the_policy_and_keeps_the_rest(db: Database) -> None:
    made = add_site(db)
    with db.transaction() as session:
        document, _ = policies.live_document(session, made.site.id)
        policies.publish(session, made.site.id, {**document, "max_links": 7}, by="cli", now=utcnow())
        changed = policies.set_mode(session, made.site.id, "post", by="cli", now=utcnow())
        assert changed is not None
        assert (changed.version, changed.mode, changed.max_links) == (2, "post", 7)
        assert policies.set_mode(session, made.site.id, "post", by="cli", now=utcnow()) is None
        with pytest.raises(InvalidInput):
            policies.set_mode(session, made.site.id, "later", by="cli", now=utcnow())
    assert audits(db, "policy.publish") == [("cli", "mode")]


def test_publishing_first_shows_what_has_a_light_reason_against_it(db: Database, settings: Settings) -> None:
    made = add_site(db)
    with db.transaction() as session:
        policies.set_mode(session, made.site.id, "post", by="cli", now=utcnow())
    links = "<a href='http://satu.example'>satu</a> dan <a href='http://dua.example'>dua</a>"
    take(db, settings, made.site, given(text=f"<p>Lihat {links} ya.</p>", format="html"))
    judge_all(db, settings)
    assert reasons_of(db) == ["APPROVED", "links"]


# --- the form ---


def send_form(app: Flask, made: NewSite, accept: str = "application/json", **fields: Any) -> TestResponse:
    token = form.make_token(KEY, made.site.public_id, "s1", utcnow())
    data = {"comment": "Halo semua", "author": "Rani", "email": "rani@contoh.example", "comment_post_ID": "s1"}
    return app.test_client().post(
        f"/f/{made.site.public_id}/comments",
        data={**data, "moderation_token": token, **fields},
        headers={"Accept": accept},
    )


def add_story(db: Database, made: NewSite, days_old: int) -> None:
    at = utcnow() - timedelta(days=days_old)
    with db.transaction() as session:
        session.add(
            Story(site_id=made.site.id, external_id="s1", url="http://warta.example/s1", title="Artikel", created_at=at)
        )


def test_the_form_of_a_closed_story_refuses_in_the_sites_words_and_keeps_the_text(app: Flask, db: Database) -> None:
    made = add_site(db)
    add_story(db, made, days_old=30)
    change(db, made, close_after_days=30)
    answer = send_form(app, made)
    assert answer.status_code == 403
    assert answer.json is not None
    assert answer.json["error"]["code"] == "story_closed"
    assert answer.json["error"]["message"] == "Artikel ini tidak lagi menerima komentar."
    change(db, made, form_texts={"closed": "Diskusi sudah selesai."})
    page = send_form(app, made, accept="text/html", comment="Terlambat sehari")
    assert page.status_code == 403
    assert "Diskusi sudah selesai." in page.text
    assert "Terlambat sehari" in page.text
    with db.reading() as session:
        assert session.scalars(select(Comment)).all() == []


def test_the_token_says_whether_the_story_is_closed(app: Flask, db: Database) -> None:
    made = add_site(db)
    add_story(db, made, days_old=3)

    def closed(story: str) -> Any:
        answer = app.test_client().get(f"/f/{made.site.public_id}/token?story={story}").json
        assert answer is not None
        return answer["closed"]

    assert [closed("s1"), closed("unknown")] == [False, False]
    change(db, made, close_after_days=3)
    assert [closed("s1"), closed("unknown")] == [True, False]


def test_the_form_speaks_with_the_sites_own_words(app: Flask, db: Database) -> None:
    made = add_site(db)
    add_story(db, made, days_old=0)
    answer = send_form(app, made).json
    assert answer is not None
    assert answer["message"] == "Komentar Anda menunggu moderasi."
    own = {"heading": "Ikut bicara", "intro": "Santun & jelas.", "button": "Kirim!", "waiting": "Kami baca dulu."}
    change(db, made, form_texts=own)
    answer = send_form(app, made, comment="Satu lagi").json
    assert answer is not None
    assert answer["message"] == "Kami baca dulu."
    page = send_form(app, made, accept="text/html", comment="").text
    for text in ("Ikut bicara", "Santun &amp; jelas.", ">Kirim!<"):
        assert text in page


def test_no_own_text_means_the_usual_one_and_an_empty_intro_stays_empty() -> None:
    site = Site(form_texts={"button": "Kirim!"})
    assert form.texts(site, str.upper) == {
        "heading": "LEAVE A REPLY",
        "intro": "",
        "button": "Kirim!",
        "waiting": "YOUR COMMENT IS AWAITING MODERATION.",
        "closed": "THIS ARTICLE NO LONGER TAKES COMMENTS.",
    }


def test_every_text_of_the_form_has_a_limit_and_every_limit_a_text() -> None:
    assert set(form.TEXTS) == set(site_settings.FORM_TEXT_CHARS)


# --- pages ---


@pytest.fixture
def admin(app: Flask, db: Database) -> Browser:
    add_user(db)
    return log_in(app)


def post(admin: Browser, path: str, **fields: Any) -> TestResponse:
    return admin.client.post(path, data={"csrf_token": admin.token, **fields}, headers={"Accept": "text/html"})


def test_only_administrators_see_the_sites(app: Flask, db: Database) -> None:
    made = add_site(db)
    add_user(db, "mod@contoh.example", role="moderator", sites=[made.site])
    browser = log_in(app, "mod@contoh.example")
    for path in ("/sites", "/sites/new", "/sites/1", "/sites/1/connect", "/sites/1/connect/state"):
        assert browser.get(path).status_code == 403, path
        assert app.test_client().get(path, headers={"Accept": "text/html"}).status_code == 303, path
    for path in ("/sites/new", "/sites/1/address", "/sites/1/keys", "/sites/1/secrets", "/sites/1/keys/1/revoke"):
        assert post(browser, path, name="x", last="yes").status_code == 403, path
    assert "/sites" not in browser.get("/queue").text
    with db.reading() as session:
        sites.by_key(session, made.api_key)


def test_a_form_without_its_token_changes_nothing(admin: Browser, db: Database) -> None:
    made = add_site(db)
    for path in ("address", "mode", "keys", "secrets"):
        answer = admin.client.post(f"/sites/1/{path}", data={"name": "X"}, headers={"Accept": "text/html"})
        assert answer.status_code == 403
    assert site_of(db, made).name == "Warta Uji"


def test_a_site_is_made_and_its_key_is_shown_once(app: Flask, admin: Browser, db: Database) -> None:
    answer = post(
        admin, "/sites/new", name="Warta Anda", url="https://anda.example", webhook_url="https://anda.example/h"
    )
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    with db.reading() as session:
        site = session.scalars(select(Site)).one()
        assert [endpoint.url for endpoint in endpoints.of_site(session, site.id)] == ["https://anda.example/h"]
        secret = session.scalars(select(WebhookSecret.secret)).one()
    key = answer.text.partition('value="mk_')[2].partition('"')[0]
    assert secret in answer.text
    sent = app.test_client().post("/api/v1/comments", json=api_body(), headers={"Authorization": f"Bearer mk_{key}"})
    assert sent.status_code == 202
    for path in ("/sites", f"/sites/{site.id}", f"/sites/{site.id}/connect"):
        page = admin.get(path).text
        assert key not in page
        assert secret not in page


def test_a_faulty_new_site_is_not_made_and_what_was_written_is_kept(admin: Browser, db: Database) -> None:
    answer = post(admin, "/sites/new", name="", url="ftp://x", webhook_url="https://u:p@h.example/")
    assert answer.status_code == 422
    assert answer.text.count('class="err" id="e-') == 3
    assert 'value="https://u:p@h.example/"' in answer.text
    with db.reading() as session:
        assert session.scalars(select(Site)).all() == []


def test_each_section_is_saved_by_itself(admin: Browser, db: Database) -> None:
    made = add_site(db)
    sections: dict[str, dict[str, str]] = {
        "address": {
            "name": "Baru",
            "url": "http://warta.example",
            "origins": "http://a.example\r\nhttp://b.example\r\n",
        },
        "clock": {"language": "en", "timezone": "Asia/Jayapura"},
        "mode": {"mode": "pre"},
        "grace": {"grace_seconds": "20"},
        "stories": {"close_after_days": "9", "premoderated_sections": "politik\r\ndaerah/bali"},
        "staff": {"staff_ids": "u-1\r\nu-2"},
        "looks": {"second_look_percent": "5"},
        "texts": {"form_texts.button": "Kirim!"},
    }
    assert set(sections) == set(site_views.SECTIONS)
    for section, fields in sections.items():
        answer = post(admin, f"/sites/1/{section}", **fields)
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"/sites/1?saved={section}#{section}"
    site = site_of(db, made)
    assert (site.name, site.language, site.timezone, site.grace_seconds) == ("Baru", "en", "Asia/Jayapura", 20)
    assert site.origins == ["http://warta.example", "http://a.example", "http://b.example"]
    assert (site.close_after_days, site.premoderated_sections) == (9, ["politik", "daerah/bali"])
    assert (site.staff_ids, site.form_texts) == (["u-1", "u-2"], {"button": "Kirim!"})
    with db.reading() as session:
        assert policies.live(session, site.id).mode == "pre"
    page = admin.get("/sites/1?saved=mode").text
    for text in ("http://b.example", 'value="9"', "daerah/bali", 'value="Kirim!"', "Kebijakan versi 1"):
        assert text in page
    assert {actor for actor, _ in audits(db, "site.change")} == {"moderator:1"}


def test_a_fault_stands_beside_its_field_and_the_text_is_kept(admin: Browser, db: Database) -> None:
    made = add_site(db)
    answer = post(admin, "/sites/1/stories", close_after_days="besok", premoderated_sections="politik")
    assert answer.status_code == 422
    assert 'id="e-close_after_days"' in answer.text
    assert 'value="besok"' in answer.text
    assert "politik</textarea>" in answer.text
    assert site_of(db, made).premoderated_sections == []
    assert post(admin, "/sites/1/mode", mode="x").status_code == 422
    assert post(admin, "/sites/1/nothing").status_code == 404
    assert admin.get("/sites/99").status_code == 404


def test_keys_and_secrets_are_changed_on_the_page(admin: Browser, db: Database) -> None:
    made = add_site(db)
    refusal = post(admin, "/sites/1/keys/1/revoke")
    assert refusal.status_code == 409
    assert "Ini kunci terakhir" in refusal.text
    assert post(admin, "/sites/1/secrets/1/retire").status_code == 409
    new_key = post(admin, "/sites/1/keys")
    assert (new_key.status_code, new_key.text.count('value="mk_')) == (201, 1)
    new_secret = post(admin, "/sites/1/secrets")
    assert new_secret.text.count('value="whsec_') == 1
    assert post(admin, "/sites/1/keys/1/revoke").status_code == 303
    assert post(admin, "/sites/1/secrets/1/retire").status_code == 303
    assert post(admin, "/sites/1/keys/2/revoke", last="yes").status_code == 303
    with db.reading() as session:
        assert len(sites.live_secrets(session, made.site.id)) == 1
        assert [item.ended_at is None for item in sites.keys(session, made.site.id)] == [False, False]


def test_the_list_says_what_is_connected(admin: Browser, db: Database, settings: Settings) -> None:
    made = add_site(db)
    add_site(db, webhook=False)
    assert admin.get("/sites").text.count("Menunggu komentar pertama") == 2
    take(db, settings, made.site, given())
    page = admin.get("/sites").text
    assert page.count("Menunggu komentar pertama") == 1
    assert page.count("✓ Tersambung") == 1
    with db.transaction() as session:  # what an archive brought connects nothing
        session.execute(update(Comment).values(source="import"))
    assert admin.get("/sites").text.count("Menunggu komentar pertama") == 2


def test_the_line_turns_green_with_the_first_comment_and_again_with_the_first_decision(
    admin: Browser, db: Database, settings: Settings
) -> None:
    made = add_site(db)
    waiting = admin.client.get("/sites/1/connect/state")
    assert "Menunggu komentar pertama" in waiting.text
    same = admin.client.get("/sites/1/connect/state", headers={"If-None-Match": waiting.headers["ETag"]})
    assert same.status_code == 304
    take(db, settings, made.site, given())
    arrived = admin.client.get("/sites/1/connect/state", headers={"If-None-Match": waiting.headers["ETag"]})
    assert (arrived.status_code, arrived.text.count("is-yes")) == (200, 1)
    judge_all(db, settings)
    told = admin.client.get("/sites/1/connect/state", headers={"If-None-Match": arrived.headers["ETag"]})
    assert "Ada keputusan yang menunggu dikirim" in told.text
    with db.transaction() as session:
        session.execute(update(Delivery).values(state=outbox.DELIVERED, finished_at=utcnow()))
    assert admin.client.get("/sites/1/connect/state").text.count("is-yes") == 2
    assert admin.get("/sites/1/connect").text.count("note is-yes") == 2


def test_the_lines_to_paste_name_this_very_site_and_no_key(admin: Browser, db: Database, settings: Settings) -> None:
    made = add_site(db)
    page = admin.get("/sites/1/connect").text
    assert f"{settings.base_url}/f/{made.site.public_id}/embed.js" in page
    assert f"{settings.base_url}/webhooks/{made.site.public_id}/comments" in page
    assert "http://warta.example/wp-json/moderation/v1/decided" in page
    assert page.count("mk_PASTE_YOUR_KEY") >= 3
    assert made.api_key not in page


def test_the_form_to_paste_speaks_the_sites_language_and_words(admin: Browser, db: Database) -> None:
    made = add_site(db)
    assert "&lt;button&gt;Kirim Komentar&lt;/button&gt;" in admin.get("/sites/1/connect?lang=en").text
    change(db, made, language="en")
    page = admin.get("/sites/1/connect?lang=id").text
    assert "&lt;label&gt;Comment&lt;br&gt;" in page
    assert "&lt;button&gt;Post Comment&lt;/button&gt;" in page
    change(db, made, form_texts={"button": "Go & say"})
    assert "&lt;button&gt;Go &amp;amp; say&lt;/button&gt;" in admin.get("/sites/1/connect").text


def test_what_the_sites_pages_refuse_with_is_translated() -> None:
    sentences: list[str] = []
    for module in (sites, site_settings, site_views):
        sentences += [v for n, v in vars(module).items() if n.isupper() and isinstance(v, str) and " " in v]
    sentences += refused(Path(site_views.__file__ or ""))
    sentences += ["The site has no such key.", "The site has no such secret."]
    sentences.remove(sites.WRONG_KEY)  # only the API says it
    assert sites.LAST_KEY in sentences
    assert [sentence for sentence in sentences if not translation(sentence)] == []


# --- commands ---


def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setenv("MODERATION_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("MODERATION_DATABASE_URL", settings.database_url or "")
    result = CliRunner().invoke(commands.sites_group, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_commands_do_the_same(db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made = add_site(db)

    def sites_command(*arguments: str) -> str:
        return run(settings, monkeypatch, *arguments)

    out = sites_command("set", "1", "--name", "Baru", "--mode", "post", "--close-after-days", "9", "--staff", "u-1")
    assert out.splitlines() == [
        "Changed: name, close_after_days, staff_ids.",
        "Policy version 1 is live, in mode post: for comments judged from now on.",
    ]
    sites_command("set", made.site.public_id, "--form-text", "button=Kirim!", "--close-after-days", "")
    sites_command("set", "1", "--form-text", "intro=Halo", "--staff", "")
    assert sites_command("set", "1", "--name", "Baru") == "Nothing is different.\n"
    key = sites_command("key-add", "1").strip()
    secret = sites_command("secret-add", "1").strip()
    sites_command("key-revoke", "1", "1")
    sites_command("secret-retire", "1", "1")
    shown = json.loads(sites_command("show", "1", "--json"))
    assert (shown["name"], shown["mode"], shown["close_after_days"], shown["staff_ids"]) == ("Baru", "post", None, [])
    assert shown["form_texts"] == {"button": "Kirim!", "intro": "Halo"}
    assert shown["keys"][0] == {**shown["keys"][0], "hint": f"{key[:9]}…", "ended_at": None}
    assert shown["secrets"][0]["hint"] == f"{secret[:12]}…"
    plain = sites_command("show", "1")
    assert key not in plain
    assert secret not in plain
    with pytest.raises(Conflict):
        sites_command("key-revoke", "1", "2")
    with pytest.raises(NotFound):
        sites_command("show", "99")


def test_a_site_is_found_by_number_and_by_public_id_and_switched_off_only_where_asked_for(db: Database) -> None:
    made = add_site(db)
    with db.transaction() as session:
        site = session.get_one(Site, made.site.id)
        assert sites.named(session, str(site.id)) is sites.named(session, site.public_id) is site
        with pytest.raises(NotFound, match="There is no site 9999"):
            sites.named(session, "9999")
        site.disabled_at = utcnow()
        session.flush()
        for name in (str(site.id), site.public_id):
            with pytest.raises(NotFound):
                sites.named(session, name)
            assert sites.named(session, name, switched_off=True) is site
