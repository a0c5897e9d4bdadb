"""Sending comments in bulk, editing and withdrawing them by API, staff, and waiting for a verdict."""

import threading
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import func, select

from moderation import pipeline
from moderation.accounts.models import Site, SiteKey
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.db import Database, utcnow
from moderation.delivery.models import Delivery
from moderation.scoring.models import Work
from moderation.settings import Settings
from tests.conftest import Recorder

from .helpers import BAD, KEY, add_site, api_body, bearer, comment_of, given, judge_all


def batch(app: Flask, made: Any, *items: Any) -> Any:
    answer = app.test_client().post("/api/v1/comments:batch", json={"comments": list(items)}, headers=bearer(made))
    assert answer.status_code == 200, answer.json
    return answer.json


def count(db: Database, model: Any) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_batch_answers_each_comment_for_itself_and_a_bad_one_harms_no_other(app: Flask, db: Database) -> None:
    made = add_site(db)
    answer = batch(app, made, api_body("a"), {**api_body("b"), "text": ""}, "no object", api_body("c"), api_body("a"))
    assert [line["outcome"] for line in answer["results"]] == ["created", "refused", "refused", "created", "unchanged"]
    assert (answer["stored"], answer["known"], answer["refused"]) == (2, 1, 2)
    refused = answer["results"][1]
    assert (refused["index"], refused["external_id"], refused["error"]["field"]) == (1, "b", "text")
    assert answer["results"][4]["id"] == answer["results"][0]["id"]
    assert count(db, Comment) == count(db, Revision) == count(db, Work) == 2
    assert count(db, Story) == count(db, Author) == 1


def test_the_same_batch_again_stores_nothing_and_names_what_differs(app: Flask, db: Database) -> None:
    made = add_site(db)
    items = [api_body(f"c{n}", text=f"Komentar {n}") for n in range(30)]
    first = batch(app, made, *items)
    again = batch(app, made, *items[:-1], {**items[-1], "text": "lain"})
    assert [line["id"] for line in first["results"]][:-1] == [line["id"] for line in again["results"]][:-1]
    assert (again["stored"], again["known"], again["refused"]) == (0, 29, 1)
    assert again["results"][-1]["error"]["code"] == "conflict"
    assert count(db, Comment) == count(db, Work) == 30


def test_a_batch_is_judged_like_single_comments_and_asks_the_workers_once(
    app: Flask, db: Database, settings: Settings, sender: Recorder
) -> None:
    made = add_site(db)
    readers = [{"name": f"Pembaca {n}", "email": f"pembaca{n}@contoh.example"} for n in range(20)]
    batch(app, made, *(api_body(f"c{n}", BAD if n % 3 == 0 else "Bagus", author=readers[n]) for n in range(20)))
    assert sender.sent == ["workers.scoring.score_due"]
    judge_all(db, settings)
    with db.reading() as session:
        found = dict(session.execute(select(Comment.status, func.count()).group_by(Comment.status)).all())
    assert found == {"HELD": 7, "APPROVED": 13}


def test_a_reply_finds_its_parent_within_and_across_batches(app: Flask, db: Database) -> None:
    made = add_site(db)
    batch(app, made, api_body("r1", parent_external_id="p"), api_body("r2", parent_external_id="r1"))
    assert comment_of(db, "r1").parent_id is None
    assert comment_of(db, "r2").parent_id == comment_of(db, "r1").id
    batch(app, made, api_body("p"))
    assert comment_of(db, "r1").parent_id == comment_of(db, "p").id


@pytest.mark.parametrize(
    ("body", "field"),
    [({"comments": []}, "comments"), ({"comments": [{}] * 501}, "comments"), ({}, "comments"), ({"x": 1}, "comments")],
)
def test_a_batch_that_is_none_names_what_is_wrong(app: Flask, db: Database, body: Any, field: str) -> None:
    made = add_site(db)
    answer = app.test_client().post("/api/v1/comments:batch", json=body, headers=bearer(made))
    assert (answer.status_code, answer.json["error"]["field"]) == (422, field)


def test_a_batch_may_be_larger_than_a_single_comment(app: Flask, db: Database, settings: Settings) -> None:
    made = add_site(db)
    long = "kata " * 1200
    items = [api_body(f"c{n}", text=f"{long}{n}") for n in range(80)]
    assert batch(app, made, *items)["stored"] == 80
    over = app.test_client().post(
        "/api/v1/comments:batch", data=b"x" * (settings.max_batch_bytes + 1), headers=bearer(made)
    )
    assert over.status_code in (400, 413)
    single = app.test_client().post("/api/v1/comments", json=api_body(text="x" * 300_000), headers=bearer(made))
    assert (single.status_code, single.json["error"]["details"]["max_bytes"]) == (413, settings.max_body_bytes)


def test_a_batch_of_five_hundred_costs_as_many_statements_as_a_batch_of_two(db: Database, settings: Settings) -> None:
    made = add_site(db)
    asked: list[str] = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda *values: asked.append(values[2]))

    def send(first: int, number: int) -> int:
        asked.clear()
        with db.transaction() as session:
            items = [given(f"c{n}", f"Teks {n}") for n in range(first, first + number)]
            pipeline.take_in_many(session, made.site, items, source="api", settings=settings, key=KEY, now=utcnow())
        return len(asked)

    send(0, 2)
    assert send(1000, 500) <= send(10, 2)


def test_a_key_that_was_revoked_a_moment_ago_stores_nothing(app: Flask, db: Database) -> None:
    made, client = add_site(db), app.test_client()
    assert client.post("/api/v1/comments", json=api_body("a"), headers=bearer(made)).status_code == 202
    with db.transaction() as session:
        session.scalars(select(SiteKey)).one().revoked_at = utcnow()
    assert client.post("/api/v1/comments", json=api_body("b"), headers=bearer(made)).status_code == 401
    many = client.post("/api/v1/comments:batch", json={"comments": [api_body("c")]}, headers=bearer(made))
    assert many.status_code == 401
    assert count(db, Comment) == 1


def test_requests_that_come_together_are_stored_each_for_its_own_site(app: Flask, db: Database) -> None:
    sites = [add_site(db), add_site(db)]
    answers: dict[tuple[int, int], int] = {}

    def send(number: int, site: int) -> None:
        answer = app.test_client().post("/api/v1/comments", json=api_body(f"c{number}"), headers=bearer(sites[site]))
        answers[number, site] = answer.status_code

    threads = [threading.Thread(target=send, args=(n, site)) for n in range(8) for site in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(answers.values()) == {202}
    with db.reading() as session:
        found = session.execute(select(Comment.site_id, func.count()).group_by(Comment.site_id)).all()
    assert sorted(tuple(row) for row in found) == [(sites[0].site.id, 8), (sites[1].site.id, 8)]


def test_an_edit_by_api_is_a_new_revision_that_nobody_has_judged(app: Flask, db: Database, settings: Settings) -> None:
    made, client = add_site(db), app.test_client()
    client.post("/api/v1/comments", json=api_body(), headers=bearer(made))
    judge_all(db, settings)
    assert comment_of(db).status == "APPROVED"
    same = client.patch("/api/v1/comments/1", json={"text": api_body()["text"]}, headers=bearer(made))
    assert (same.status_code, same.json["outcome"]) == (200, "unchanged")
    changed = client.patch("/api/v1/comments?external_id=c1", json={"text": BAD}, headers=bearer(made))
    assert (changed.status_code, changed.json["outcome"], changed.json["revision"]) == (202, "revised", 2)
    assert (comment_of(db).status, comment_of(db).shown_next) == ("PENDING", False)
    judge_all(db, settings)
    assert comment_of(db).status == "HELD"


def test_how_a_comment_stands_is_told_by_the_sites_own_id_too(app: Flask, db: Database) -> None:
    mine, theirs, client = add_site(db), add_site(db), app.test_client()
    client.post("/api/v1/comments", json=api_body("c/1 ä"), headers=bearer(mine))
    address = "/api/v1/comments/state?external_id=c/1%20%C3%A4"
    assert client.get(address, headers=bearer(mine)).json == client.get("/api/v1/comments/1", headers=bearer(mine)).json
    assert client.get(address, headers=bearer(theirs)).status_code == 404
    assert client.get("/api/v1/comments/state", headers=bearer(mine)).json["error"]["field"] == "external_id"


def test_a_withdrawal_by_api_is_final_and_its_repeat_is_the_same(app: Flask, db: Database, settings: Settings) -> None:
    made, client = add_site(db), app.test_client()
    client.post("/api/v1/comments", json=api_body(), headers=bearer(made))
    for _ in range(2):
        gone = client.delete("/api/v1/comments/1", headers=bearer(made))
        assert (gone.status_code, gone.json["status"], gone.json["outcome"]) == (200, "WITHDRAWN", "withdrawn")
    assert client.patch("/api/v1/comments/1", json={"text": "lagi"}, headers=bearer(made)).status_code == 409
    assert client.post("/api/v1/comments", json=api_body(), headers=bearer(made)).json["status"] == "WITHDRAWN"
    assert judge_all(db, settings).seen == []


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_nobody_edits_or_withdraws_the_comment_of_another_site(app: Flask, db: Database, method: str) -> None:
    mine, theirs, client = add_site(db), add_site(db), app.test_client()
    client.post("/api/v1/comments", json=api_body(), headers=bearer(theirs))
    for address in ("/api/v1/comments/1", "/api/v1/comments?external_id=c1", "/api/v1/comments/nichts"):
        answer = getattr(client, method)(address, json={"text": "x"}, headers=bearer(mine))
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")
    unnamed = getattr(client, method)("/api/v1/comments", json={"text": "x"}, headers=bearer(mine))
    assert (unnamed.status_code, unnamed.json["error"]["field"]) == (422, "external_id")
    assert comment_of(db).status == "PENDING"


def test_staff_by_role_or_by_id_is_approved_at_once_and_marked_so(app: Flask, db: Database, settings: Settings) -> None:
    made, client = add_site(db), app.test_client()
    with db.transaction() as session:
        session.get_one(Site, made.site.id).staff_ids = ["redaksi-1"]
    for name, author in (("a", {"name": "Sari", "role": "staff"}), ("b", {"name": "Sari", "external_id": "redaksi-1"})):
        answer = client.post(
            "/api/v1/comments", json={**api_body(name, text=BAD), "author": author}, headers=bearer(made)
        )
        assert (answer.status_code, answer.json["status"]) == (202, "APPROVED")
        state = client.get(f"/api/v1/comments/{answer.json['id']}", headers=bearer(made)).json
        assert (state["staff"], state["decision"]["by"]) == (True, "staff")
    reader = {"name": "Sari", "role": "reader", "external_id": "pembaca-1"}
    answer = client.post("/api/v1/comments", json={**api_body("c"), "author": reader}, headers=bearer(made))
    assert answer.json["status"] == "PENDING"
    assert judge_all(db, settings).seen == [[api_body()["text"]]]
    with db.reading() as session:
        told = session.scalars(select(Delivery.payload).order_by(Delivery.id)).all()
    assert ['"staff":true' in payload for payload in told] == [True, True, False]


def test_an_edit_of_staff_is_approved_too(app: Flask, db: Database) -> None:
    made, client = add_site(db), app.test_client()
    author = {"name": "Sari", "role": "staff"}
    client.post("/api/v1/comments", json={**api_body(), "author": author}, headers=bearer(made))
    client.patch("/api/v1/comments/1", json={"text": "Diperbaiki."}, headers=bearer(made))
    assert (comment_of(db).status, comment_of(db).revision) == ("APPROVED", 2)
    assert count(db, Work) == 0


def test_a_verdict_that_comes_in_time_is_the_answer(app: Flask, db: Database, settings: Settings) -> None:
    made = add_site(db)
    answers: list[Any] = []

    def send() -> None:
        answers.append(app.test_client().post("/api/v1/comments?wait=2000", json=api_body(), headers=bearer(made)))

    thread = threading.Thread(target=send)
    thread.start()
    while not count(db, Work):
        threading.Event().wait(0.005)
    judge_all(db, settings)
    thread.join(10)
    assert answers[0].status_code == 200
    assert (answers[0].json["status"], answers[0].json["decision"]["action"]) == ("APPROVED", "approve")


def test_a_verdict_that_does_not_come_in_time_leaves_202(app: Flask, db: Database) -> None:
    made = add_site(db)
    answer = app.test_client().post("/api/v1/comments?wait=30", json=api_body(), headers=bearer(made))
    assert (answer.status_code, answer.json) == (202, {"id": "1", "status": "PENDING", "revision": 1})


def test_who_comes_when_half_of_the_threads_wait_does_not_wait(app: Flask, db: Database, settings: Settings) -> None:
    made = add_site(db)
    watch = app.extensions["verdicts"]
    others = [threading.Thread(target=watch.wait, args=(10**6 + n, 30.0)) for n in range(settings.web_threads // 2)]
    for thread in others:
        thread.start()
    while len(watch._waiting) < settings.web_threads // 2:
        threading.Event().wait(0.001)
    answer = app.test_client().post("/api/v1/comments?wait=2000", json=api_body(), headers=bearer(made))
    assert (answer.status_code, answer.json["status"]) == (202, "PENDING")
    for _, event in watch._waiting[:]:
        event.set()
    for thread in others:
        thread.join(10)


def test_waiting_gives_its_place_back_and_holds_no_transaction(app: Flask, db: Database, settings: Settings) -> None:
    made = add_site(db)
    for n in range(settings.web_threads + 1):
        app.test_client().post("/api/v1/comments?wait=1", json=api_body(f"c{n}"), headers=bearer(made))
    watch = app.extensions["verdicts"]
    assert watch._waiting == []
    while watch._looking:  # its thread has a connection while it looks, and ends when nobody waits any more
        threading.Event().wait(0.001)
    assert app.extensions["database"].engine.pool.checkedout() == 0


@pytest.mark.parametrize("wait", ["-1", "2001", "satu"])
def test_a_wrong_wait_is_named_and_nothing_is_stored(app: Flask, db: Database, wait: str) -> None:
    made = add_site(db)
    answer = app.test_client().post(f"/api/v1/comments?wait={wait}", json=api_body(), headers=bearer(made))
    assert (answer.status_code, answer.json["error"]["field"]) == (422, "wait")
    assert count(db, Comment) == 0


def test_a_story_keeps_its_section_and_date_when_a_later_comment_leaves_them_out(app: Flask, db: Database) -> None:
    made, client = add_site(db), app.test_client()
    story = {**api_body()["story"], "section": "politik", "published_at": "2026-11-01T08:00:00+07:00"}
    client.post("/api/v1/comments", json={**api_body("a"), "story": story}, headers=bearer(made))
    client.post("/api/v1/comments", json=api_body("b"), headers=bearer(made))
    with db.reading() as session:
        kept = session.scalars(select(Story)).one()
    assert kept.section == "politik"
    assert kept.published_at is not None
    assert kept.published_at.isoformat() == "2026-11-01T01:00:00+00:00"


def test_comments_that_name_each_other_or_themselves_as_parent_make_no_ring(app: Flask, db: Database) -> None:
    made = add_site(db)
    batch(app, made, api_body("self", parent_external_id="self"), api_body("a", parent_external_id="b"))
    batch(app, made, api_body("b", parent_external_id="c"))
    app.test_client().post("/api/v1/comments", json=api_body("c", parent_external_id="a"), headers=bearer(made))
    above = {name: comment_of(db, name).parent_id for name in ("self", "a", "b", "c")}
    ids = {name: comment_of(db, name).id for name in above}
    assert above == {"self": None, "a": ids["b"], "b": None, "c": ids["a"]}
