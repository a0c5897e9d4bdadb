"""The pages of rescore runs: seniors look first, start, steer, read the report, apply and take back; others stay
out."""

import csv
import io
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from moderation.accounts.models import Site
from moderation.db import Database, utcnow
from moderation.policy import drafts
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.rescoring import apply_work, runs
from moderation.rescoring.apply_work import Pace
from moderation.rescoring.models import RescoreApply, RescoreRun
from moderation.settings import Settings

from .helpers import Browser, add_site, add_user, comment_of, log_in
from .test_applying import rani, run_id, site  # noqa: F401 fixtures: a run that would hold c1 … c4, c4 decided
from .test_rescoring import Stub, start, worker
from .test_rescoring import work as score

HTML = "text/html"


@pytest.fixture
def senior(app: Flask, db: Database, site: Site) -> Browser:  # noqa: F811
    add_user(db, "senior@contoh.example", role="senior", sites=[site])
    made = log_in(app, "senior@contoh.example")
    made.get("/rescores?lang=en")
    return made


def work(db: Database) -> None:
    while apply_work.work_due(db, Pace()).more:
        pass


def test_a_senior_looks_first_and_begins_what_was_shown(
    db: Database,
    settings: Settings,
    site: Site,  # noqa: F811
    run_id: int,  # noqa: F811
    senior: Browser,
) -> None:
    with db.transaction() as session:
        draft = drafts.create(
            session, site.id, by="cli", now=utcnow(), name="longgar", document={**DEFAULT_DOCUMENT, "bands": {}}
        )
        spec = f"draft:{draft.id}"
    form = {"site": str(site.id), "q": "hujan", "scorer": "builtin", "policy": spec}
    shown = senior.get("/rescores", query_string=form).text
    assert "4 comments match" in shown
    assert "cuaca nomor 4 hujan" in shown
    assert "longgar" in shown
    assert "Rescore run 2" not in shown, "looking begins nothing"
    begun = senior.post("/rescores", HTML, **form)
    assert begun.status_code == 303
    path = begun.headers["Location"]
    page = senior.get(path).text
    assert "0 of 4 comments" in page
    assert "No worker of rescoring gives a sign of life" in page
    twice = senior.post("/rescores", HTML, **form)
    assert twice.status_code == 409
    assert f'href="{path}"' in twice.text
    assert senior.post(path, HTML, deed="pause").status_code == 303
    assert senior.get(f"{path}/progress").json["state"] == "paused"  # type: ignore[index]  # it is JSON
    assert senior.post(path, HTML, deed="resume").status_code == 303
    score(worker(db, settings, Stub(), 2))
    told = senior.get(f"{path}/progress").json
    assert told is not None
    assert (told["state"], told["share"], told["texts"]["head"]) == ("done", 1.0, "4 of 4 comments")
    with db.reading() as session:
        assert runs.get(session, int(path.rpartition("/")[2])).draft_id == draft.id
    assert senior.post(path, HTML, deed="cancel").status_code == 409
    assert senior.post(path, HTML, deed="dance").status_code == 422
    assert "Rescore run 2" in senior.get("/rescores").text


def test_what_is_wrong_in_the_form_of_a_new_run_is_said_beside_its_field(
    db: Database,
    site: Site,  # noqa: F811
    senior: Browser,
) -> None:
    strange = add_site(db).site
    right = {"site": str(site.id), "q": "", "scorer": "builtin", "policy": ""}
    for name, value in (
        ("site", str(strange.id)),
        ("site", "x"),
        ("q", "score:viel"),
        ("scorer", "magic"),
        ("policy", "draft:99"),
        ("device", "cuda"),
        ("device", "abacus"),
    ):
        wrong = {**right, name: value}
        for answer in (senior.get("/rescores", query_string=wrong), senior.post("/rescores", HTML, **wrong)):
            assert answer.status_code == 422
            assert answer.text.count('id="wrong"') == 1
            field = answer.text.partition(f'name="{name}"')[2].partition(">")[0]
            assert 'aria-describedby="wrong"' in field, name
    nothing = senior.post("/rescores", HTML, **{**right, "q": "tidakada"})
    assert nothing.status_code == 422
    assert "nothing to score" in nothing.text
    indonesian = senior.get("/rescores", query_string={**right, "device": "abacus", "lang": "id"}).text
    assert "device harus salah satu dari cpu, cuda." in indonesian


def test_why_a_run_cannot_go_on_is_told_in_the_pages_language(
    db: Database,
    settings: Settings,
    site: Site,  # noqa: F811
    run_id: int,  # noqa: F811
    senior: Browser,
) -> None:
    number = start(db, settings, site)
    score(worker(db, settings, Stub(version="lain")))
    with db.reading() as session:
        run = session.get_one(RescoreRun, number)
        assert run.error == f"{run.scorer} is lain here; the run wants {run.version}."
    assert f"{run.scorer} di sini berversi lain; " in senior.get(f"/rescores/{number}?lang=id").text


def test_the_report_is_read_and_taken_along(run_id: int, senior: Browser) -> None:  # noqa: F811
    page = senior.get(f"/rescores/{run_id}").text
    assert "4 of 6 would move (66.7 %)" in page
    assert "Against 1 decision of people" in page
    assert "So few decisions say little." in page
    assert 'value="approve>hold"' in page.replace("&gt;", ">")
    assert "1 decided by people" in page
    chart = page.partition("<svg viewBox")[2].partition("</svg>")[0]
    assert chart.count('class="c-no"') == 1
    assert chart.count('class="c-calm"') == 1
    assert "+1.0" in page, "the table under the chart says what changed by how much"
    rows = list(csv.reader(io.StringIO(senior.get(f"/rescores/{run_id}/report.csv").text)))
    assert ["movement", "approve>hold", "comments", "4"] in rows
    told = senior.get(f"/rescores/{run_id}/report.json").json
    assert told is not None
    assert told["matrix"]["approve>hold"] == 4
    samples = senior.get(f"/rescores/{run_id}/movement?was=approve&would=hold").text
    assert samples.count('class="words"') == 4
    assert "0.01 → 0.99" in samples
    rest = senior.get(f"/rescores/{run_id}/movement?was=approve&would=hold&skip=3").text
    assert rest.count('class="words"') == 1
    assert senior.get(f"/rescores/{run_id}/movement?was=approve&would=x").status_code == 422


def test_chosen_movements_are_previewed_applied_followed_and_taken_back(
    db: Database,
    run_id: int,  # noqa: F811
    senior: Browser,
) -> None:
    path = f"/rescores/{run_id}/apply"
    chosen: dict[str, Any] = {"move": "approve>hold", "signal": "", "min_score": "0,9"}
    page = senior.get(path, query_string=chosen).text
    assert "4 comments are chosen" in page
    assert "Queue 3 comments again" in page
    assert "3 of them are published" in page
    assert comment_of(db, "c1").status == "APPROVED"
    begun = senior.post(path, HTML, **chosen)
    job = begun.headers["Location"]
    assert senior.post(path, HTML, **chosen).status_code == 409
    assert "0 of 4 comments" in senior.get(job).text
    assert senior.post(job, HTML, deed="pause").status_code == 303
    assert senior.post(job, HTML, deed="resume").status_code == 303
    work(db)
    told = senior.get(f"{job}/progress")
    assert told.json is not None
    assert (told.json["state"], told.json["texts"]["held"], told.json["texts"]["left"]) == ("done", "3", "1")
    again = senior.client.get(f"{job}/progress", headers={"If-None-Match": told.headers["ETag"]})
    assert again.status_code == 304
    page = senior.get(job).text
    assert "Decided by a person: 1" in page
    assert comment_of(db, "c1").status == "HELD"
    assert "None of the chosen comments" in senior.get(path, query_string=chosen).text
    back = senior.post(job, HTML, deed="undo").headers["Location"]
    work(db)
    assert "Takes job 1 back" in senior.get(back).text
    assert "Taken back by" in senior.get(job).text
    assert comment_of(db, "c1").status == "APPROVED"
    assert senior.get(f"/rescores/{run_id}").text.count(">Job ") == 2
    assert senior.post(job, HTML, deed="dance").status_code == 422


def test_a_wrong_choice_leads_back_to_the_report_with_a_sentence(run_id: int, senior: Browser) -> None:  # noqa: F811
    for query, sentence in (
        ("", "Choose at least one movement."),
        ("move=approve>hold&min_score=viel", "must lie between 0 and 1"),
        ("move=approve>hold&min_score=nan", "must lie between 0 and 1"),
        ("move=hold>reject", "Choose movements of published or rejected comments"),
        ("move=approve>hold&signal=x", "Choose movements of published or rejected comments"),
    ):
        answer = senior.get(f"/rescores/{run_id}/apply?{query}")
        assert answer.status_code == 422
        assert sentence in answer.text
        assert "4 of 6 would move" in answer.text


def test_a_run_that_is_not_finished_shows_its_report_but_cannot_be_applied(
    db: Database,
    run_id: int,  # noqa: F811
    senior: Browser,
) -> None:
    with db.transaction() as session:
        session.execute(update(RescoreRun).values(state="paused", error="The weights are not here."))
    page = senior.get(f"/rescores/{run_id}").text
    assert "as far as the run is" in page
    assert "It cannot go on: The weights are not here." in page
    assert '<button class="primary" disabled>' in page
    refused = senior.post(f"/rescores/{run_id}/apply", HTML, move="approve>hold")
    assert refused.status_code == 409
    with db.reading() as session:
        assert session.query(RescoreApply).count() == 0


def test_only_seniors_of_the_site_come_in(app: Flask, db: Database, site: Site, run_id: int) -> None:  # noqa: F811
    add_user(db, "biasa@contoh.example", role="moderator", sites=[site])
    add_user(db, "tetangga@contoh.example", role="senior", sites=[add_site(db).site])
    plain, stranger = log_in(app, "biasa@contoh.example"), log_in(app, "tetangga@contoh.example")
    assert "/rescores" not in plain.get("/queue").text
    assert 'href="/rescores"' in stranger.get("/queue").text
    run = f"/rescores/{run_id}"
    apply = f"{run}/apply"
    for path in ("/rescores", run, f"{run}/progress", f"{run}/report.csv", f"{run}/report.json", apply, f"{apply}/1"):
        assert plain.get(path).status_code == 403, path
        if path != "/rescores":
            assert stranger.get(path).status_code == 404, path
    assert "Rescore run" not in stranger.get("/rescores").text
    for path, values in (
        (run, {"deed": "cancel"}),
        (apply, {"move": "approve>hold"}),
        (f"{apply}/1", {"deed": "undo"}),
    ):
        assert plain.post(path, HTML, **values).status_code == 403, path
        assert stranger.post(path, HTML, **values).status_code == 404, path
