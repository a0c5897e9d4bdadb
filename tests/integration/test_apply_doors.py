"""The doors of applying a report: the command line and the API; who may, what is refused and which field is named."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import update

from moderation.accounts import tokens
from moderation.accounts.models import Moderator, Site
from moderation.cli import cli
from moderation.db import Database, utcnow
from moderation.errors import ModerationError
from moderation.rescoring import apply_work, report, runs, table_views
from moderation.rescoring.apply_work import Pace
from moderation.rescoring.models import RescoreBatch, RescoreRun
from moderation.settings import Settings

from .helpers import add_user, comment_of
from .test_applying import rani, run_id, site  # noqa: F401 fixtures: a run that would hold c1 … c4, c4 decided

WET = {"was": "approve", "would": "hold"}


def work(db: Database) -> None:
    while apply_work.work_due(db, Pace()).more:
        pass


@pytest.fixture
def call(db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`moderation rescore …` on the test's database; answers what it printed, or the refusal's sentence."""
    for name in ("commands", "apply_commands"):
        monkeypatch.setattr(f"moderation.rescoring.{name}.opened", lambda nudging=False: (settings, db))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["rescore", *arguments])
        return done.exception.message if isinstance(done.exception, ModerationError) else done.output

    return run


@pytest.fixture
def tool(app: Flask, db: Database) -> Callable[..., Any]:
    """Somebody's tool: asks under /api/v1/rescores with a personal token."""

    def make(role: str, sites: list[Site]) -> Any:
        user = add_user(db, f"{role}{len(sites)}@contoh.example", role, name=role, sites=sites)
        with db.transaction() as session:
            token = tokens.create(session, session.get_one(Moderator, user), "alat", "30", utcnow())[1]

        def ask(method: str, path: str, body: Any = None, code: int = 200) -> Any:
            headers = {"Authorization": f"Bearer {token}"}
            answer = app.test_client().open(f"/api/v1/rescores{path}", method=method, json=body, headers=headers)
            assert answer.status_code == code, answer.text
            return answer.json if answer.is_json else answer.text

        return ask

    return make


def test_the_command_line_previews_applies_follows_and_takes_back(
    db: Database,
    run_id: int,  # noqa: F811
    call: Callable[..., str],
) -> None:
    chosen = (str(run_id), "--move", "approve:hold", "--min-score", "0.9")
    assert "3 would be put into the queue, 3 of them published" in call("apply", "preview", *chosen)
    told = json.loads(call("apply", "preview", *chosen, "--signal", "spam", "--json"))
    assert (told["total"], told["movements"][0]["signal"]) == (told["queued"] + told["decided"], "spam")
    assert call("apply", "status") == ""
    assert "Job 1 puts 4 comments" in call("apply", "start", *chosen)
    assert "at work already" in call("apply", "start", *chosen)
    assert call("apply", "pause", "1") == "Job 1 is paused.\n"
    assert call("apply", "resume", "1") == "Job 1 is running.\n"
    work(db)
    shown = call("apply", "status", "1")
    assert "in the queue   3" in shown
    assert re.search(r"^started +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC by ", shown, re.M)
    assert "left alone     1, 1 decided" in shown
    assert comment_of(db, "c1").status == "HELD"
    assert call("apply", "cancel", "1") == "This job is over."
    assert "Job 2 takes 3 comments of job 1 back" in call("apply", "undo", "1")
    work(db)
    assert comment_of(db, "c1").status == "APPROVED"
    assert "taken back by  job 2" in call("apply", "status", "1")
    first, second = call("apply", "status").splitlines()
    assert "undoes 1" in first
    assert "approve:hold from 0.9" in second
    assert call("apply", "status", "9") == "There is no such job."


def test_the_command_line_names_what_is_wrong(call: Callable[..., str]) -> None:
    for wrong, named in (
        (("--move", "hold:reject"), "--move"),
        (("--move", "approve"), "--move"),
        (("--move", "approve:hold", "--min-score", "1.5"), "--min-score"),
        (("--move", "approve:hold", "--signal", "rudeness"), "--signal"),
        ((), "--move"),
    ):
        told = call("apply", "preview", "1", *wrong)
        assert "Error: " in told
        assert named in told.partition("Error: ")[2]


def test_the_api_previews_applies_follows_and_takes_back(
    db: Database,
    site: Site,  # noqa: F811
    run_id: int,  # noqa: F811
    tool: Callable[..., Any],
) -> None:
    ask, stranger, plain = tool("senior", [site]), tool("senior", []), tool("moderator", [site])
    path = f"/{run_id}/applies"
    told = ask("POST", path, {"movements": [{**WET, "min_score": 0.9}], "dry_run": True})
    assert (told["total"], told["decided"], told["changed"], told["queued"], told["published"]) == (4, 1, 0, 3, 3)
    assert ask("GET", path) == {"jobs": []}
    body = {"movements": [WET]}
    for method, more in (("POST", ""), ("GET", "")):
        stranger(method, path + more, body, 404)
        plain(method, path + more, body, 403)
    assert ask("POST", path, {"movements": [{**WET, "min_score": 0.999}]}, 422)["error"]["field"] == "movements"
    made = ask("POST", path, body, 202)
    assert (made["state"], made["total"], made["who"], made["undoes"]) == ("running", 4, "senior", None)
    assert ask("POST", path, body, 409)["error"]["details"] == {"what": "active", "job": made["id"]}
    job = f"{path}/{made['id']}"
    for deed, state in (("pause", "paused"), ("resume", "running")):
        stranger("POST", f"{job}/{deed}", code=404)
        plain("POST", f"{job}/{deed}", code=403)
        assert ask("POST", f"{job}/{deed}")["state"] == state
    assert ask("POST", f"{job}/undo", code=409)["error"]["details"]["what"] == "running"
    work(db)
    told = ask("GET", job)
    assert (told["state"], told["done"], told["left"], told["reasons_left"]) == ("done", 3, 1, {"decided": 1})
    left = ask("GET", f"{job}/items?outcome=left")["items"]
    assert [(one["comment_id"], one["what"]) for one in left] == [(str(comment_of(db, "c4").id), "decided")]
    assert len(ask("GET", f"{job}/items")["items"]) == 4
    assert ask("GET", f"{job}/items?outcome=x", code=422)["error"]["field"] == "outcome"
    assert ask("POST", f"{job}/cancel", code=409)["error"]["details"]["what"] == "done"
    back = ask("POST", f"{job}/undo", code=202)
    assert back["undoes"] == made["id"]
    work(db)
    assert ask("GET", job)["undone_by"] == back["id"]
    assert comment_of(db, "c1").status == "APPROVED"
    assert [one["id"] for one in ask("GET", path)["jobs"]] == [back["id"], made["id"]]
    ask("GET", f"{path}/999", code=404)


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "movements"),
    ({"movements": []}, "movements"),
    ({"movements": [WET] * 21}, "movements"),
    ({"movements": [{"was": "hold", "would": "reject"}]}, "movements.0.was"),
    ({"movements": [{"was": "approve", "would": "approve"}]}, "movements"),
    ({"movements": [{"was": "approve"}]}, "movements.0.would"),
    ({"movements": [{**WET, "min_score": "0.9"}]}, "movements.0.min_score"),
    ({"movements": [{**WET, "min_score": 1.5}]}, "movements.0.min_score"),
    ({"movements": [{**WET, "signal": "rudeness"}]}, "movements.0.signal"),
    ({"movements": [{**WET, "surprise": 1}]}, "movements.0.surprise"),
    ({"movements": [WET], "dry_run": "yes"}, "dry_run"),
)


def test_the_api_names_the_field_that_is_wrong(
    site: Site,  # noqa: F811
    run_id: int,  # noqa: F811
    tool: Callable[..., Any],
) -> None:
    ask = tool("senior", [site])
    for wrong, field in WRONG:
        assert ask("POST", f"/{run_id}/applies", wrong, 422)["error"]["field"] == field, wrong


def test_a_run_that_is_not_finished_cannot_be_applied(
    db: Database,
    site: Site,  # noqa: F811
    run_id: int,  # noqa: F811
    tool: Callable[..., Any],
) -> None:
    with db.transaction() as session:
        session.execute(update(RescoreRun).values(state="paused"))
    refused = tool("senior", [site])("POST", f"/{run_id}/applies", {"movements": [WET]}, 409)
    assert refused["error"]["details"]["what"] == "paused"


def test_samples_come_with_the_score_that_speaks_for_them_and_wrong_movements_are_named(
    site: Site,  # noqa: F811
    run_id: int,  # noqa: F811
    tool: Callable[..., Any],
) -> None:
    ask = tool("senior", [site])
    found = ask("GET", f"/{run_id}/samples?was=approve&would=hold")["samples"]
    assert len(found) == 4
    assert (found[0]["before"], found[0]["after"]) == (0.01, 0.99)
    assert sorted(one["decided"] or "" for one in found) == ["", "", "", "approve"]
    assert len(ask("GET", f"/{run_id}/samples?was=approve&would=hold&skip=3")["samples"]) == 1
    for query, field in (("was=x&would=hold", "was"), ("was=hold&would=hold", "would"), ("was=hold", "would")):
        assert ask("GET", f"/{run_id}/samples?{query}", code=422)["error"]["field"] == field
    assert ask("GET", f"/{run_id}/samples?was=approve&would=hold&skip=x", code=422)["error"]["field"] == "skip"


def test_the_report_is_the_same_table_over_http_and_in_a_file_and_no_cell_is_a_formula(
    db: Database,
    site: Site,  # noqa: F811
    run_id: int,  # noqa: F811
    tool: Callable[..., Any],
    call: Callable[..., str],
    tmp_path: Path,
) -> None:
    with db.transaction() as session:
        (batch,) = session.query(RescoreBatch).filter(RescoreBatch.comments > 0).all()
        batch.counts = {**batch.counts, "languages": {"=1+1": {"approve>hold": 2}}}
    text = tool("senior", [site])("GET", f"/{run_id}/report.csv")
    tool("moderator", [site])("GET", f"/{run_id}/report.csv", code=403)
    call("report", str(run_id), "--csv", str(tmp_path / "report.csv"))
    assert (tmp_path / "report.csv").read_bytes().decode() == text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {"of": "movement", "which": "approve>hold", "figure": "comments", "value": "4"} in rows
    assert {"of": "language", "which": "'=1+1", "figure": "approve>hold", "value": "2"} in rows
    changes = [row["figure"] for row in rows if row["of"] == "change" and row["which"] == "spam"]
    assert [float(middle) for middle in changes] == [n / 10 for n in range(-10, 11)]
    with db.reading() as session:
        assert table_views.table(report.of_run(session, runs.get(session, run_id))) == text
