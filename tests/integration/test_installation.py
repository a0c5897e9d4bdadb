"""Migrations, the first start, the API's description, and the commands."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from flask import Flask

from moderation import bootstrap, migrations, openapi
from moderation.cli import cli
from moderation.db import Database
from moderation.delivery.models import Delivery
from moderation.errors import InvalidInput
from moderation.health import checks
from moderation.scoring import detoxify_torch, weights
from moderation.settings import Settings
from moderation.tables import metadata

from .helpers import add_site, given, judge_all, take


def test_the_migrations_make_exactly_the_models_tables(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": migrations.is_ours}
        )
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_does_nothing(db: Database) -> None:
    assert migrations.migrate(db) == []
    assert migrations.current(db) == migrations.head()


def test_the_newest_version_is_the_one_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    assert migrations.head() == ScriptDirectory.from_config(config).get_current_head()


def test_sqlite_is_set_up_to_keep_what_it_acknowledged(sqlite_template: Path) -> None:
    db = Database(f"sqlite:///{sqlite_template}")
    with db.reading() as session:
        values = {
            name: session.execute(sa.text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    db.dispose()
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_the_first_start_makes_an_administrator_and_the_demo_once(db: Database, settings: Settings) -> None:
    first = bootstrap.prepare(db, replace(settings, admin_password="sandi-pertama-sekali"))
    again = bootstrap.prepare(db, replace(settings, admin_password="sandi-pertama-sekali", port=8001))
    assert (first.admin_email, first.admin_password) == ("admin@example.org", "sandi-pertama-sekali")
    assert again.admin_password is None
    with db.reading() as session:
        sites = session.execute(sa.text("SELECT url FROM site")).scalars().all()
        assert sites == ["http://127.0.0.1:8001"]  # the demo follows the port of each start
        assert session.execute(sa.text("SELECT count(*) FROM story")).scalar() == 2


def test_the_description_is_complete_and_every_reference_leads_somewhere(app: Flask) -> None:
    assert openapi.undocumented(app) == []
    spec = app.test_client().get("/api/v1/openapi.json").json
    assert spec["openapi"] == "3.1.0"
    names = set(spec["components"]["schemas"])
    text = json.dumps(spec)
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in names
    assert spec["paths"]["/api/v1/comments"]["post"]["security"] == [{"key": []}]


def test_the_description_is_true_to_what_the_api_answers(app: Flask, db: Database, settings: Settings) -> None:
    from .helpers import api_body, bearer

    made, client = add_site(db), app.test_client()
    spec = client.get("/api/v1/openapi.json").json
    created = client.post("/api/v1/comments", json=api_body(), headers=bearer(made))
    judge_all(db, settings)
    answers = {
        ("/api/v1/comments", "post", "202"): created.json,
        ("/api/v1/comments/{comment_id}", "get", "200"): client.get("/api/v1/comments/1", headers=bearer(made)).json,
        ("/api/v1/comments", "get", "200"): client.get("/api/v1/comments?story=s1", headers=bearer(made)).json,
        ("/api/v1/comments", "post", "422"): client.post("/api/v1/comments", json={}, headers=bearer(made)).json,
    }
    for (path, method, status), body in answers.items():
        schema = spec["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
        check(spec, schema, body, f"{method} {path}")


def check(spec: Any, schema: Any, value: Any, where: str) -> None:
    """A small check of a value against the parts of JSON Schema that our description uses."""
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        schema = next((s for s in schema["anyOf"] if (s.get("type") == "null") == (value is None)), schema["anyOf"][0])
        if value is not None:
            check(spec, schema, value, where)
        return
    kinds = schema.get("type")
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    kind = "null" if value is None else names[type(value)]
    allowed = {kinds} if isinstance(kinds, str) else set(kinds or [kind])
    assert kind in allowed or (kind == "integer" and "number" in allowed), f"{where}: {value!r} is no {kinds}"
    if kind == "object":
        assert set(schema.get("required", [])) <= set(value), where
        for name, item in value.items():
            if "properties" in schema:
                assert name in schema["properties"], f"{where}: {name} is not described"
                check(spec, schema["properties"][name], item, f"{where}.{name}")
    for item in value if kind == "array" else []:
        check(spec, schema.get("items", {}), item, where)


@pytest.fixture
def environment(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MODERATION_DATABASE_URL", database_url)
    monkeypatch.setenv("MODERATION_TEST_FAST_HASH", "1")


def run(*words: str, ok: bool = True) -> str:
    result = CliRunner().invoke(cli, words)
    assert (result.exit_code == 0) is ok, result.output + repr(result.exception)
    return result.output


@pytest.mark.usefixtures("environment")
def test_a_site_is_added_with_the_four_agreed_names() -> None:
    made = json.loads(run("sites", "add", "--name", "Warta", "--url", "https://warta.example", "--json"))
    assert set(made) == {"site", "api_key", "webhook_secret", "public_id"}
    assert made["webhook_secret"].startswith("whsec_")
    assert "Warta" in run("sites", "list")
    assert made["api_key"] not in run("sites", "list", "--json")


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("url", ["warta.example", "ftp://warta.example", "http://", "javascript:alert(1)"])
def test_a_site_with_a_wrong_address_is_refused(url: str) -> None:
    run("sites", "add", "--name", "Warta", "--url", url, ok=False)
    assert run("sites", "list") == ""


@pytest.mark.usefixtures("environment")
def test_users_are_added_listed_renewed_and_disabled() -> None:
    assert "Password: " in run("users", "add", "rani@warta.example", "--name", "Rani")
    run("users", "add", "rani@warta.example", ok=False)
    run("users", "set-password", "rani@warta.example", "--password", "sandi-yang-baru")
    run("users", "set-password", "rani@warta.example", "--password", "pendek", ok=False)
    run("users", "disable", "rani@warta.example")
    assert "disabled" in run("users", "list")


@pytest.mark.usefixtures("environment")
def test_deliveries_are_listed_and_replayed(db: Database, settings: Settings) -> None:
    take(db, settings, add_site(db).site, given())
    judge_all(db, settings)
    with db.transaction() as session:
        session.execute(sa.update(Delivery).values(state="dead", last_error="HTTP 500"))
    assert "dead" in run("deliveries", "list", "--state", "dead")
    assert json.loads(run("deliveries", "list", "--json"))["sequence"] == 1
    run("deliveries", "replay", ok=False)
    assert "1 delivery is" in run("deliveries", "replay", "--all-dead")


@pytest.mark.usefixtures("environment")
def test_a_policy_is_published_as_the_next_version_and_a_wrong_one_changes_nothing(
    db: Database, settings: Settings, tmp_path: Path
) -> None:
    site = add_site(db).site
    file = tmp_path / "policy.json"
    document = json.loads(run("policy", "show", str(site.id)).split("\n", 1)[1])
    file.write_text(json.dumps({**document, "mode": "pre", "blocked_authors": ["email:Budi@contoh.example"]}))
    assert "Version 1 is live" in run("policy", "publish", str(site.id), str(file))
    assert "contoh.example" not in run("policy", "show", str(site.id))
    for wrong, field in (({"mode": "never"}, "mode"), ({"blocked_authors": 7}, "blocked_authors")):
        file.write_text(json.dumps({**document, **wrong}))
        refused = CliRunner().invoke(cli, ["policy", "publish", str(site.id), str(file)]).exception
        assert isinstance(refused, InvalidInput)
        assert refused.field == field
    assert '"mode": "pre"' in run("policy", "show", str(site.id))
    take(db, settings, site, given())
    judge_all(db, settings)
    with db.reading() as session:
        assert session.execute(sa.text("SELECT status FROM comment")).scalar() == "HELD"


@pytest.mark.usefixtures("environment")
def test_the_doctor_says_what_is_wrong_and_what_to_do() -> None:
    output = run("doctor", ok=False)
    assert "No sign of life of scoring:builtin" in output
    assert "moderation up" in output


@pytest.fixture
def damaged(settings: Settings) -> Settings:
    """Detoxify's weights lie in the data folder, and a byte of theirs has changed since."""
    item = weights.store(settings.data_dir) / ("ab" * 32)
    item.mkdir(parents=True)
    (item / "x.ckpt").write_bytes(b"changed")
    manifest = {"sha256": "ab" * 32, "checkpoint": "x.ckpt", "kind": "original", "languages": ["en"], "classes": []}
    (item / "manifest.json").write_text(json.dumps(manifest | {"installed_at": "2026-11-28T00:00:00+00:00"}))
    weights.activate(settings.data_dir, "ab" * 32)
    return replace(settings, detoxify_runtime="torch")


def test_the_doctor_says_that_weights_are_damaged_and_not_only_that_their_worker_is_silent(
    damaged: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detoxify_torch, "installed", lambda: True)
    (found,) = checks.examine_weights(damaged)
    assert "are damaged" in found.what
    assert "moderation models install" in found.remedy
    assert not found.fatal
    assert checks.examine_weights(replace(damaged, scorer="builtin")) == []


def test_weights_that_are_wanted_and_missing_are_named(settings: Settings) -> None:
    assert checks.examine_weights(settings) == []
    (found,) = checks.examine_weights(replace(settings, scorer="detoxify"))
    assert "no weights are active" in found.what


def test_the_worker_of_detoxify_is_missed_only_where_detoxify_may_judge(
    db: Database, damaged: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detoxify_torch, "installed", lambda: True)

    def missed(scorer: str) -> int:
        found = checks.examine(db, replace(damaged, scorer=scorer))
        return sum("scoring:detoxify" in one.what for one in found)

    assert (missed("auto"), missed("builtin"), missed("detoxify")) == (1, 0, 1)
