"""The pages and the commands of policies: everybody reads, seniors draft and publish what they have seen."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from moderation.cli import cli
from moderation.db import Database
from moderation.policy import drafts, store
from moderation.settings import Settings

from .helpers import BAD, add_site, add_user, given, judge_all, log_in, take


def field(page: str, name: str) -> str:
    return page.split(f'name="{name}" value="')[1].split('"')[0]


def test_a_senior_drafts_looks_and_publishes(app: Flask, db: Database, settings: Settings) -> None:
    site = add_site(db).site
    add_user(db, "senior@contoh.example", role="senior", sites=[site])
    add_user(db, "biasa@contoh.example", role="moderator", sites=[site])
    for n in range(3):
        take(db, settings, site, given(f"c{n}", f"{BAD} {n}" if n else "Terima kasih"))
    judge_all(db, settings)
    rani = log_in(app, "senior@contoh.example")
    made = rani.post(f"/policies/{site.id}/drafts", "text/html")
    path = made.headers["Location"]
    page = rani.get(path).text
    form = {
        **{"name": "longgar", "mode": "auto", "max_links": "4", "last": "50000", "seen": field(page, "seen")},
        **{"hold.builtin.toxicity": "0,995", "hold.builtin.insult": "", "words.0": "terima kasih\n"},
        **{"words_name.0": "sopan", "words_action.0": "hold", "blocked_authors": "email:a@b.example"},
        **{"burst_author": "12", "burst_site": "0"},
    }
    assert rani.post(path, "text/html", **form).status_code == 303
    page = rani.get(path).text
    assert "longgar" in page
    assert "0,995" in page or "0.995" in page
    with db.reading() as session:
        (draft,) = drafts.of_site(session, site.id)
        assert draft.document["bands"]["builtin"]["toxicity"] == {"hold": 0.995}
        assert "insult" not in draft.document["bands"]["builtin"]
        kept = [draft.document[name] for name in ("burst_author", "burst_network", "burst_site")]
        assert kept == [12, 30, 0], "a field that the form does not send stays"
        assert draft.document["blocked_authors"][0].startswith("email_hash:")
    again = rani.post(path, "text/html", **form)
    assert again.status_code == 409, "the form was open while the draft changed"
    wrong = rani.post(path, "text/html", **{**form, "seen": field(page, "seen"), "hold.builtin.spam": "3"})
    assert wrong.status_code == 422
    assert "bands.builtin.spam.hold" in wrong.text
    wrong = rani.post(f"{path}?lang=en", "text/html", **{**form, "seen": field(page, "seen"), "burst_network": "1"})
    assert "burst_network must be 0 (off) or at least 2: every comment is one." in wrong.text
    asked = rani.get(f"{path}/publish").text
    told = {"seen": field(asked, "seen"), "seen_live": field(asked, "seen_live")}
    biasa = log_in(app, "biasa@contoh.example")
    assert biasa.get(path).status_code == 200
    assert biasa.post(f"{path}/publish", **told).status_code == 403
    assert rani.post(f"{path}/shadow", "text/html", shadow="on").status_code == 303
    assert rani.post(f"{path}/publish", "text/html", **told).status_code == 303
    with db.reading() as session:
        assert store.live(session, site.id).version == 1
    for address in ("", f"/{site.id}", f"/{site.id}/diff?old=0&new=1", f"/{site.id}/advice", f"/{site.id}/revert"):
        assert rani.get(f"/policies{address}").status_code == (422 if address.endswith("x") else 200), address
    assert rani.post(f"/policies/{site.id}/revert", "text/html", version="0", seen_live="1").status_code == 303
    other = add_site(db).site
    assert rani.get(f"/policies/{other.id}").status_code == 404


def test_the_same_is_done_from_the_command_line(
    db: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODERATION_DATABASE_URL", settings.database)
    monkeypatch.setenv("MODERATION_DATA_DIR", str(tmp_path))
    site = add_site(db).site
    take(db, settings, site, given("c1", f"{BAD} sekali"))
    judge_all(db, settings)
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"mode": "auto", "bands": {}}))

    def run(*words: str) -> str:
        answer = CliRunner().invoke(cli, ["policy", *words], catch_exceptions=False)
        assert answer.exit_code == 0, answer.output
        return answer.output

    assert "Draft 1" in run("draft", str(site.id), str(file), "--name", "tanpa batas")
    assert "tanpa batas" in run("drafts", str(site.id))
    assert "hold -> approve: 1" in run("simulate", "1")
    assert json.loads(run("simulate", "1", "--json"))["draft"]["approve"]["n"] == 1
    assert "is on" in run("shadow", "1", "on")
    assert "0 comments" in run("shadow", "1")
    assert "bands.builtin.spam.hold" in run("diff", str(site.id), "live", "draft:1")
    assert "too few for advice" in run("advice", str(site.id))
    assert "Version 1 is live" in run("publish-draft", "1")
    assert "Version 2 is live" in run("revert", str(site.id), "0")
    assert "the default" in run("history", str(site.id))
