"""The signed door: any order and number of repeats ends in the same state; forged and stale events do nothing."""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from moderation.accounts.models import WebhookSecret
from moderation.accounts.sites import NewSite
from moderation.comments.models import Author, Comment, Revision, Story, WebhookEvent
from moderation.db import Database, utcnow
from moderation.policy.models import VerdictRow
from moderation.scoring.models import Score, Work
from moderation.settings import Settings

from .helpers import add_site, api_body, bearer, comment_of, judge_all, signed

START = datetime(2026, 11, 23, 10, tzinfo=UTC)


def event(kind: str, seconds: int, text: str = "halo dunia", external_id: str = "c1", **data: Any) -> dict[str, Any]:
    body = {"external_id": external_id} if kind == "deleted" else api_body(external_id, text)
    at = (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    return {"type": f"comment.{kind}", "timestamp": at, "data": {**body, **data}}


def post(app: Flask, made: NewSite, body: Any, webhook_id: str, **values: Any) -> Any:
    return app.test_client().post(
        f"/webhooks/{made.site.public_id}/comments", **signed(made, body, webhook_id, **values)
    )


def test_a_signed_event_is_taken_and_its_repeat_gets_the_same_answer(app: Flask, db: Database) -> None:
    made = add_site(db)
    first = post(app, made, event("created", 0), "msg_1")
    again = post(app, made, event("created", 0), "msg_1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json == again.json == {"id": "1", "status": "PENDING", "revision": 1, "outcome": "created"}


def test_the_same_id_with_another_body_is_refused(app: Flask, db: Database) -> None:
    made = add_site(db)
    post(app, made, event("created", 0), "msg_1")
    assert post(app, made, event("created", 0, "lain"), "msg_1").status_code == 409
    assert comment_of(db).revision == 1


@pytest.mark.parametrize("shift", [-330, 330])  # a slow machine takes a second or two on the way
def test_a_stale_or_early_event_is_refused(app: Flask, db: Database, shift: int) -> None:
    made = add_site(db)
    answer = post(app, made, event("created", 0), "msg_1", at=utcnow() + timedelta(seconds=shift))
    assert answer.status_code == 401


def test_a_forged_event_changes_nothing(app: Flask, db: Database) -> None:
    made = add_site(db)
    sent = signed(made, event("created", 0), "msg_1")
    sent["data"] = sent["data"].replace(b"halo", b"hallo")
    answer = app.test_client().post(f"/webhooks/{made.site.public_id}/comments", **sent)
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "bad_signature")
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Comment)) == 0


def test_each_of_several_live_secrets_signs_and_a_retired_one_does_not(app: Flask, db: Database) -> None:
    made = add_site(db)
    with db.transaction() as session:
        other = "whsec_" + "B" * 43 + "="
        session.add(WebhookSecret(site_id=made.site.id, secret=other, created_at=utcnow()))
    assert post(app, made, event("created", 0), "msg_1").status_code == 202
    renewed = NewSite(made.site, made.api_key, other)
    assert post(app, renewed, event("updated", 1, "baru"), "msg_2").status_code == 202
    with db.transaction() as session:
        for row in session.scalars(select(WebhookSecret).where(WebhookSecret.secret == made.webhook_secret)):
            row.retired_at = utcnow()
    assert post(app, made, event("updated", 2), "msg_3").status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**event("created", 0), "type": "comment.liked"}, "type"),
        ({**event("created", 0), "timestamp": "now"}, "timestamp"),
        ({**event("created", 0), "data": {"external_id": "c1"}}, "data.author"),
        (event("created", 0, revision="2"), "data.revision"),
        (event("created", 0, revision=10**30), ""),
        (event("deleted", 0, text="x"), "data.text"),
    ],
)
def test_a_wrong_event_names_its_field(app: Flask, db: Database, body: dict[str, Any], field: str) -> None:
    answer = post(app, add_site(db), body, "msg_1")
    if field == "data.text":  # a delete carries its external_id and nothing else is known of it
        body["data"]["text"] = "x"
        answer = post(app, add_site(db), body, "msg_2")
    assert answer.status_code in (400, 422)
    assert field in (answer.json["error"]["field"] or "") or field in str(answer.json["error"]["details"])


def test_an_update_makes_the_next_revision_and_the_older_one_comes_too_late(
    app: Flask, db: Database, settings: Settings
) -> None:
    made = add_site(db)
    post(app, made, event("created", 0, "pertama"), "msg_1")
    assert post(app, made, event("updated", 2, "ketiga"), "msg_2").json["outcome"] == "revised"
    late = post(app, made, event("updated", 1, "kedua"), "msg_3")
    assert (late.status_code, late.json["outcome"]) == (200, "ignored")
    judge_all(db, settings)
    comment = comment_of(db)
    assert (comment.revision, comment.status) == (2, "APPROVED")


def test_a_delete_before_its_create_leaves_a_tombstone(app: Flask, db: Database, settings: Settings) -> None:
    made = add_site(db)
    assert post(app, made, event("deleted", 5), "msg_1").json["status"] == "WITHDRAWN"
    assert post(app, made, event("created", 0), "msg_2").json["outcome"] == "ignored"
    judge_all(db, settings)
    assert comment_of(db).status == "WITHDRAWN"
    api = app.test_client().post("/api/v1/comments", json=api_body(), headers=bearer(made))
    assert (api.status_code, api.json["status"]) == (200, "WITHDRAWN")


def test_the_sites_own_revision_count_orders_events_where_it_is_sent(app: Flask, db: Database) -> None:
    made = add_site(db)
    post(app, made, event("created", 9, "pertama", revision=1), "msg_1")
    assert post(app, made, event("updated", 0, "kedua", revision=2), "msg_2").json["outcome"] == "revised"
    mixed = post(app, made, event("updated", 99, "ketiga"), "msg_3")
    assert (mixed.status_code, mixed.json["error"]["field"]) == (422, "data.revision")


def test_the_same_webhook_from_many_threads_acts_once(app: Flask, db: Database) -> None:
    made = add_site(db)
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(post(app, made, event("created", 0), "msg_1").status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [202] * 8
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Revision)) == 1


TEXTS = ["halo dunia", "selamat pagi", "terima kasih"]

HISTORIES = st.lists(
    st.tuples(st.sampled_from(["created", "updated", "deleted"]), st.integers(0, 4), st.sampled_from(TEXTS)),
    min_size=1,
    max_size=6,
)


def reference(events: list[tuple[str, int, str, str]]) -> tuple[bool, str | None]:
    """What must be: withdrawn or not, and the text that stands. Greatest (time, id) wins; see ordering."""
    keys = {kind: max((e[1], e[3]) for e in events if e[0] == kind) for kind in {e[0] for e in events}}
    contents = [e for e in events if e[0] != "deleted"]
    text = max(contents, key=lambda e: (e[1], e[3]))[2] if contents else None
    withdrawn = "deleted" in keys and ("created" not in keys or keys["deleted"] > keys["created"])
    return withdrawn, text


@given(HISTORIES, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_number_of_repeats_ends_in_the_same_state(
    app: Flask, db: Database, history: list[tuple[str, int, str]], random: Any
) -> None:
    with db.transaction() as session:
        session.execute(delete(WebhookEvent))
        for table in (Work, Score, VerdictRow, Revision, Comment, Author, Story):
            session.execute(delete(table))
    made = add_site(db)
    events = [(kind, seconds, text, f"msg_{number}") for number, (kind, seconds, text) in enumerate(history)]
    sent = events * 2
    random.shuffle(sent)
    for kind, seconds, text, webhook_id in sent:
        assert post(app, made, event(kind, seconds, text), webhook_id).status_code in (200, 202)
    withdrawn, text = reference(events)
    comment = comment_of(db)
    assert (comment.status == "WITHDRAWN") is withdrawn
    with db.reading() as session:
        current = session.scalar(
            select(Revision.text).where(Revision.comment_id == comment.id, Revision.number == comment.revision)
        )
        assert current == text
        work = select(Work.revision).where(Work.comment_id == comment.id, Work.state == "due")
        assert session.scalars(work).all() == ([] if withdrawn else [comment.revision])


def test_raw_bytes_are_verified_before_anything_is_parsed(app: Flask, db: Database) -> None:
    made = add_site(db)
    answer = post(app, made, b"{not json", "msg_1")
    assert answer.status_code == 400
    body = json.dumps(event("created", 0), indent=3).encode()
    assert post(app, made, body, "msg_2").status_code == 202
