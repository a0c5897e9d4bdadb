"""The delivery API, its page and its commands: what a site's developer, a moderator and an engineer do with them."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from moderation.accounts.models import AuditEntry
from moderation.accounts.sites import NewSite
from moderation.cli import cli
from moderation.db import Database, utcnow
from moderation.delivery import endpoints
from moderation.delivery.models import Attempt, Delivery, Endpoint
from moderation.settings import Settings

from .helpers import Browser, add_site, add_user, bearer, given, judge_all, log_in, take

URL = "https://warta.example/hook"


@pytest.fixture
def made(db: Database) -> NewSite:
    return add_site(db, webhook=False)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def endpoint(db: Database, made: NewSite) -> int:
    with db.transaction() as session:
        return endpoints.add(session, made.site, URL, now=utcnow(), actor="cli").id


@pytest.fixture
def admin(db: Database, app: Flask) -> Browser:
    add_user(db)
    return log_in(app)


def decided(db: Database, settings: Settings, made: NewSite, count: int = 1) -> None:
    for number in range(count):
        take(db, settings, made.site, given(f"c{number}", text=f"Terima kasih {number}"))
    judge_all(db, settings)


def failed(db: Database, **values: Any) -> None:
    """Every delivery was tried once and given up."""
    with db.transaction() as session:
        for row in session.scalars(select(Delivery)):
            row.state, row.attempts, row.last_status, row.last_error = "dead", 1, 500, "answered 500"
            for name, value in values.items():
                setattr(row, name, value)
            session.add(Attempt(delivery_id=row.id, at=utcnow(), status=500, error="answered 500", milliseconds=1234))


def call(client: FlaskClient, made: NewSite, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = client.open(f"/api/v1{path}", method=method, json=body, headers=bearer(made))
    return answer.status_code, answer.json


def states(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(Delivery.state).order_by(Delivery.id)))


def test_a_site_manages_its_endpoints_by_key(db: Database, made: NewSite, client: FlaskClient) -> None:
    status, added = call(client, made, "POST", "/endpoints", {"url": URL})
    assert (status, added["state"], added["waiting"]) == (201, "works", 0)
    path = f"/endpoints/{added['id']}"
    assert call(client, made, "POST", f"{path}/pause")[1]["state"] == "paused"
    assert call(client, made, "POST", f"{path}/resume")[1]["state"] == "works"
    assert call(client, made, "PATCH", path, {"enabled": False})[1]["reason"] == "by hand"
    assert call(client, made, "POST", f"{path}/resume")[0] == 409
    changed = call(client, made, "PATCH", path, {"url": f"{URL}/2", "enabled": True})[1]
    assert (changed["url"], changed["state"]) == (f"{URL}/2", "works")
    assert [item["id"] for item in call(client, made, "GET", "/endpoints")[1]["endpoints"]] == [added["id"]]
    assert call(client, made, "DELETE", path) == (200, {"handed_over": 0, "closed": 0})
    assert call(client, made, "GET", "/endpoints")[1] == {"endpoints": []}
    assert call(client, made, "PATCH", path, {"enabled": True})[0] == 404
    with db.reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action.startswith("endpoint."))).all()
        assert {entry.actor for entry in entries} == {f"site:{made.site.id}"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "ftp://warta.example"}, "url"),
        ({"url": "https://0x7f.1/"}, "url"),
        ({"url": ""}, "url"),
        ({"url": 7}, "url"),
        ({}, "url"),
        ({"url": URL, "enabled": True}, "enabled"),
    ],
)
def test_a_wrong_endpoint_is_refused_by_name(made: NewSite, client: FlaskClient, body: Any, field: str) -> None:
    status, answer = call(client, made, "POST", "/endpoints", body)
    assert (status, answer["error"]["field"]) == (422, field)
    assert call(client, made, "GET", "/endpoints")[1] == {"endpoints": []}


@pytest.mark.parametrize("body", [{}, {"enabled": "yes"}, {"name": "x"}])
def test_a_wrong_change_is_refused(made: NewSite, client: FlaskClient, endpoint: int, body: Any) -> None:
    assert call(client, made, "PATCH", f"/endpoints/{endpoint}", body)[0] == 422


def test_what_belongs_to_another_site_is_not_there(
    db: Database, settings: Settings, made: NewSite, client: FlaskClient, endpoint: int
) -> None:
    other = add_site(db, webhook=False)
    decided(db, settings, made)
    failed(db)
    for method, path, body in (
        ("PATCH", f"/endpoints/{endpoint}", {"enabled": False}),
        ("DELETE", f"/endpoints/{endpoint}", None),
        ("POST", f"/endpoints/{endpoint}/test", None),
        ("POST", f"/endpoints/{endpoint}/pause", None),
        ("POST", f"/endpoints/{endpoint}/resume", None),
        ("GET", "/deliveries/1", None),
        ("POST", "/deliveries/1/replay", None),
        ("POST", "/deliveries:replay", {"state": "dead", "endpoint": endpoint}),
        ("GET", f"/deliveries/{2**80}", None),
        ("PATCH", f"/endpoints/{2**80}", {"enabled": False}),
    ):
        assert call(client, other, method, path, body)[0] == 404, path
    assert call(client, other, "GET", "/deliveries")[1]["deliveries"] == []
    assert call(client, other, "POST", "/deliveries:replay", {"ids": [1]})[1] == {"replayed": 0, "skipped": ["1"]}
    assert states(db) == ["dead"]


def test_deliveries_are_listed_by_state_page_by_page_and_shown_with_every_try(
    db: Database, settings: Settings, made: NewSite, client: FlaskClient, endpoint: int
) -> None:
    decided(db, settings, made, 5)
    failed(db)
    with db.transaction() as session:
        session.execute(update(Delivery).where(Delivery.id == 3).values(state="delivered"))
    found, after = [], ""
    while True:
        page = call(client, made, "GET", f"/deliveries?state=dead&endpoint={endpoint}&limit=2{after}")[1]
        found += [item["id"] for item in page["deliveries"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == ["5", "4", "2", "1"]
    shown = call(client, made, "GET", "/deliveries/1")[1]
    assert (shown["url"], shown["last_error"], shown["payload"]["type"]) == (URL, "answered 500", "comment.decided")
    assert [(item["status"], item["milliseconds"]) for item in shown["tries"]] == [(500, 1234)]
    assert call(client, made, "GET", "/deliveries?state=lost")[1]["error"]["field"] == "state"


def test_one_many_or_all_dead_letters_are_replayed(
    db: Database, settings: Settings, made: NewSite, client: FlaskClient, endpoint: int
) -> None:
    decided(db, settings, made, 4)
    failed(db)
    assert call(client, made, "POST", "/deliveries/1/replay")[1] == {"replayed": 1, "skipped": []}
    assert call(client, made, "POST", "/deliveries/1/replay")[1] == {"replayed": 0, "skipped": ["1"]}
    assert call(client, made, "POST", "/deliveries:replay", {"ids": ["2", 77]})[1]["skipped"] == ["77"]
    answer = call(client, made, "POST", "/deliveries:replay", {"state": "dead", "endpoint": endpoint})
    assert answer == (200, {"replayed": 2, "skipped": []})
    assert states(db) == ["due"] * 4
    for wrong in ({}, {"ids": [1], "state": "dead"}, {"ids": [1], "endpoint": endpoint}, {"state": "due"}):
        assert call(client, made, "POST", "/deliveries:replay", wrong)[0] == 422


def test_a_test_event_is_accepted_and_its_delivery_can_be_looked_at(
    db: Database, made: NewSite, client: FlaskClient, endpoint: int
) -> None:
    status, sent = call(client, made, "POST", f"/endpoints/{endpoint}/test")
    assert status == 202
    shown = call(client, made, "GET", f"/deliveries/{sent['delivery']}")[1]
    assert (shown["type"], shown["state"], shown["comment"]) == ("endpoint.test", "due", None)
    assert shown["payload"]["data"] == {"event_id": sent["event_id"], "endpoint": str(endpoint)}


def test_without_a_key_nothing_is_shown_or_done(client: FlaskClient, endpoint: int) -> None:
    for method, path in (
        ("GET", "/endpoints"),
        ("POST", "/endpoints"),
        ("PATCH", f"/endpoints/{endpoint}"),
        ("DELETE", f"/endpoints/{endpoint}"),
        ("POST", f"/endpoints/{endpoint}/test"),
        ("GET", "/deliveries"),
        ("POST", "/deliveries:replay"),
    ):
        assert client.open(f"/api/v1{path}", method=method, json={}).status_code == 401, path


def test_an_administrator_adds_stops_and_removes_endpoints_on_the_page(
    db: Database, settings: Settings, made: NewSite, admin: Browser
) -> None:
    decided(db, settings, made)
    wrong = admin.post("/deliveries/endpoints?lang=en", "text/html", site=str(made.site.id), url="http://[x")
    assert wrong.status_code == 422
    assert 'value="http://[x"' in wrong.text
    assert "This address cannot be used" in wrong.text
    done = admin.post("/deliveries/endpoints", "text/html", site=str(made.site.id), url=URL)
    assert (done.status_code, done.headers["Location"]) == (303, "/deliveries?done=added")
    assert URL in admin.get("/deliveries").text
    for deed, state in (("pause", "paused"), ("resume", "works"), ("disable", "disabled"), ("enable", "works")):
        assert admin.post(f"/deliveries/endpoints/1/{deed}", "text/html").status_code == 303
        with db.reading() as session:
            assert endpoints.state_of(session.get_one(Endpoint, 1)) == state
    assert admin.post("/deliveries/endpoints/1/change", "text/html", url=f"{URL}/2").status_code == 303
    assert admin.post("/deliveries/endpoints/1/nothing", "text/html").status_code == 404
    page = admin.post("/deliveries/endpoints/1/remove", "text/html", chosen=str(made.site.id))
    assert page.headers["Location"] == f"/deliveries?done=remove&site={made.site.id}"
    with db.reading() as session:
        assert session.scalars(select(Delivery.endpoint_id)).one() is None


def test_the_page_shows_states_and_sends_again(
    db: Database, settings: Settings, made: NewSite, admin: Browser, endpoint: int
) -> None:
    decided(db, settings, made, 2)
    failed(db)
    with db.transaction() as session:
        found = session.get_one(Endpoint, endpoint)
        found.paused_at = found.failing_since = utcnow() - timedelta(minutes=20)
        found.probe_at, found.failures = utcnow() + timedelta(minutes=9), 14
        found.disabled_reason = "14 failures in a row; the last: answered 500"
    page = admin.get("/deliveries?lang=en&state=dead").text
    assert "it failed again and again" in page
    assert "14 failures in a row; the last: answered 500" in page
    assert page.count('<a href="/deliveries/') == 2
    one = admin.get("/deliveries/1?lang=en").text
    assert "HTTP 500" in one
    assert "1,234 ms" in one
    assert admin.post("/deliveries/1/replay", "text/html").headers["Location"].endswith("done=replayed&count=1")
    assert admin.post("/deliveries/replay", "text/html", site=str(made.site.id)).status_code == 303
    assert states(db) == ["due", "due"]
    sent = admin.post(f"/deliveries/endpoints/{endpoint}/test", "text/html")
    assert "A test event is under way" in admin.get(f"{sent.headers['Location']}&lang=en").text


def test_a_moderator_sees_their_sites_deliveries_and_changes_nothing(
    db: Database, settings: Settings, made: NewSite, app: Flask, endpoint: int
) -> None:
    other = add_site(db, webhook=False)
    with db.transaction() as session:
        endpoints.add(session, other.site, "https://lain.example/hook", now=utcnow(), actor="cli")
    decided(db, settings, made)
    failed(db)
    add_user(db, "sari@contoh.example", role="moderator", sites=[made.site])
    browser = log_in(app, "sari@contoh.example")
    page = browser.get("/deliveries").text
    assert URL in page
    assert "lain.example" not in page
    assert '<form method="post" action="/deliveries' not in page
    assert browser.get(f"/deliveries?site={other.site.id}").status_code == 404
    for path, form in (
        ("/deliveries/endpoints", {"site": str(made.site.id), "url": URL}),
        (f"/deliveries/endpoints/{endpoint}/disable", {}),
        (f"/deliveries/endpoints/{endpoint}/test", {}),
        ("/deliveries/1/replay", {}),
        ("/deliveries/replay", {"site": str(made.site.id)}),
    ):
        assert browser.post(path, "text/html", **form).status_code == 403, path
    assert states(db) == ["dead"]


def test_a_form_without_its_token_does_nothing(db: Database, admin: Browser, endpoint: int) -> None:
    answer = admin.client.post(f"/deliveries/endpoints/{endpoint}/disable", headers={"Accept": "text/html"})
    assert answer.status_code == 403
    with db.reading() as session:
        assert session.get_one(Endpoint, endpoint).enabled


def test_the_page_pages_through_many_events(
    db: Database, settings: Settings, made: NewSite, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moderation.delivery.page_views.PAGE", 2)
    decided(db, settings, made, 3)
    first = admin.get("/deliveries?lang=en").text
    assert "after=2#list" in first
    second = admin.get("/deliveries?after=2").text
    assert '/deliveries/1"' in second
    assert '/deliveries/3"' not in second


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The command line on the test's database."""
    monkeypatch.setenv("MODERATION_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MODERATION_DATABASE_URL", settings.database_url)
    monkeypatch.setattr("moderation.delivery.commands.PATIENCE", 0.05)

    def invoke(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(cli, ["deliveries", *words])
        assert result.exit_code == code, result.output + repr(result.exception)
        return result.output

    return invoke


def test_the_command_line_does_the_same(
    db: Database, settings: Settings, made: NewSite, endpoint: int, run: Any
) -> None:
    decided(db, settings, made, 2)
    failed(db)
    assert f"works     site {made.site.id}  {URL}  0 wait" in run("endpoints")
    assert "answered 500  (1234 ms)" in run("show", "1")
    assert json.loads(run("show", "1", "--json"))["tries"][0]["status"] == 500
    assert run("list", "--state", "dead", "--after", "2").count("\n") == 1
    assert "1 delivery is" in run("replay", "1")
    assert "1 delivery is" in run("replay", "--all-dead", "--endpoint", str(endpoint))
    assert "paused" in run("pause", str(endpoint))
    assert "works" in run("resume", str(endpoint))
    assert "disabled" in run("disable", str(endpoint))
    assert json.loads(run("endpoints", "--json"))["reason"] == "by hand"
    assert "works" in run("enable", str(endpoint))
    assert f"{URL}/2" in run("change", str(endpoint), f"{URL}/2")
    assert "waits for a worker" in run("test", str(endpoint), code=1)
    assert "Endpoint 2 is told" in run("add", str(made.site.id), URL)
    assert "2 events handed over" in run("remove", str(endpoint), "--yes")
    run("pause", str(endpoint), code=1)
    run("show", "99", code=1)


def test_nothing_of_the_page_is_built_from_what_an_address_holds(db: Database, made: NewSite, admin: Browser) -> None:
    with db.transaction() as session:
        evil = "https://warta.example/?x='\"><script>alert(1)</script>"
        session.add(Endpoint(site_id=made.site.id, url=evil, created_at=utcnow()))
    page = admin.get("/deliveries").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
