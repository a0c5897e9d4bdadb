"""The doors of rescore runs: the command line and the API; who may, and what they are told."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask

from moderation import pipeline
from moderation.accounts import tokens
from moderation.accounts.models import Moderator, Site
from moderation.cli import cli
from moderation.db import Database, utcnow
from moderation.errors import ModerationError
from moderation.rescoring.batches import Worker
from moderation.settings import Settings

from .helpers import KEY, add_site, add_user, given, judge_all


@pytest.fixture
def site(db: Database, settings: Settings) -> Site:
    made = add_site(db).site
    wanted = [given(f"c{number}", f"cuaca cerah {number}") for number in range(4)]
    with db.transaction() as session:
        pipeline.take_in_many(session, made, wanted, source="api", settings=settings, key=KEY, now=utcnow())
    judge_all(db, settings)
    return made


def work(db: Database, settings: Settings) -> None:
    made = Worker(db, settings)
    while made.work_due().more:
        pass


@pytest.fixture
def call(db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`moderation rescore …` on the test's database; answers what it printed, or the refusal's sentence."""
    monkeypatch.setattr("moderation.rescoring.commands.opened", lambda nudging=False: (settings, db))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["rescore", *arguments])
        if isinstance(done.exception, ModerationError):
            return done.exception.message
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_the_command_line_plans_starts_follows_and_steers(
    db: Database, settings: Settings, site: Site, call: Any, tmp_path: Path
) -> None:
    asked = ("start", "--site", str(site.id), "--filter", "cuaca", "--scorer", "builtin")
    assert "4 comments match: cuaca" in call(*asked, "--dry-run")
    assert json.loads(call(*asked, "--dry-run", "--json"))["total"] == 4
    assert call("status") == ""
    assert "Run 1 scores 4 comments with builtin@" in call(*asked)
    assert "Run 1 judges the same comments" in call(*asked)
    assert call("pause", "1") == "Run 1 is paused.\n"
    assert "0 of 4, 4 remain  –/s  paused" in call("watch", "1")
    assert call("resume", "1") == "Run 1 is running.\n"
    work(db, settings)
    assert "100.0%" in call("watch", "1")
    assert " site 1 " in call("status")
    shown = call("status", "1")
    assert "comments       4 of 4 (100.0%)" in shown
    assert "by command line" in shown
    assert json.loads(call("status", "--json"))["progress"]["scored"] == 4
    assert "4 comments compared, " in call("report", "1")
    assert json.loads(call("report", "1", "--json"))["comments"] == 4
    assert "stands in" in call("report", "1", "--csv", str(tmp_path / "report.csv"))
    assert (tmp_path / "report.csv").read_text().startswith("of,which,figure,value")
    assert call("cancel", "1") == "This rescore run is over."
    assert call("status", "9") == "There is no such rescore run."


def test_the_api_plans_starts_follows_and_steers(app: Flask, db: Database, settings: Settings, site: Site) -> None:
    client = app.test_client()

    def tool(role: str, sites: list[Site]) -> Any:
        user = add_user(db, f"{role}{len(sites)}@contoh.example", role, name=role, sites=sites)
        with db.transaction() as session:
            token = tokens.create(session, session.get_one(Moderator, user), "alat", "30", utcnow())[1]

        def ask(method: str, path: str, body: Any = None, code: int = 200) -> Any:
            headers = {"Authorization": f"Bearer {token}"}
            answer = client.open(f"/api/v1/rescores{path}", method=method, json=body, headers=headers)
            assert answer.status_code == code, answer.text
            return answer.json

        return ask

    ask, stranger, plain = tool("senior", [site]), tool("senior", []), tool("moderator", [site])
    body = {"site": str(site.id), "q": "cuaca", "scorer": "builtin"}
    assert ask("POST", "", {**body, "dry_run": True})["total"] == 4
    assert ask("GET", "")["runs"] == []
    plain("POST", "", body, 403)
    plain("GET", "", code=403)
    stranger("POST", "", body, 404)
    assert ask("POST", "", {**body, "scorer": "other"}, 422)["error"]["field"] == "scorer"
    assert ask("POST", "", {**body, "q": "x:1"}, 422)["error"]["field"] == "q"
    made = ask("POST", "", body, 202)
    assert (made["state"], made["who"], made["progress"]["remaining"]) == ("running", "senior", 4)
    path = f"/{made['id']}"
    assert ask("POST", "", body, 409)["error"]["details"]["run"] == made["id"]
    for method, deed in (("GET", ""), ("POST", "/cancel")):
        stranger(method, path + deed, code=404)
        plain(method, path + deed, code=403)
    assert ask("POST", f"{path}/pause")["state"] == "paused"
    assert ask("POST", f"{path}/resume")["state"] == "running"
    work(db, settings)
    told = ask("GET", path)
    assert (told["state"], told["progress"]["share"], told["progress"]["scored"]) == ("done", 1.0, 4)
    assert ask("GET", f"{path}/report")["comments"] == 4
    plain("GET", f"{path}/report", code=403)
    assert ask("POST", f"{path}/cancel", code=409)["error"]["details"]["what"] == "done"
    assert [one["id"] for one in ask("GET", "")["runs"]] == [made["id"]]
