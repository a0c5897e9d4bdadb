"""`moderation import` and `moderation export` as they are typed."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from moderation.accounts.models import Site
from moderation.archive.models import ArchiveImport
from moderation.cli import cli
from moderation.comments.models import Comment
from moderation.db import Database
from tests.archive.samples import comments, jsonl, row, written, wxr, wxr_comment, wxr_item
from tests.integration.helpers import add_site

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def site(db: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name in [name for name in os.environ if name.startswith("MODERATION_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MODERATION_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MODERATION_DATABASE_URL", database_url)
    return add_site(db).site


def run(*words: str | Path, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], input=input)


def test_a_clean_file_ends_with_0_and_says_what_came_in(db: Database, site: Site, tmp_path: Path) -> None:
    path = written(tmp_path / "a.xml", wxr(wxr_item(7, wxr_comment(1), wxr_comment(2, comment_type="pingback"))))
    done = run("import", "wxr", path, "--site", site.public_id)
    assert done.exit_code == 0, done.output
    assert "2 records" in done.stdout
    assert "pingback 1" in done.stdout
    assert list(comments(db, site.id)) == ["1"]
    assert not path.with_name("a.xml.problems.jsonl").exists()


def test_a_file_with_bad_lines_ends_with_3_and_lists_them(db: Database, site: Site, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", jsonl(row(1), "{", row(2, status="x")))
    done = run("import", "jsonl", path, "--site", site.id, "--json")
    assert done.exit_code == 3
    answer = json.loads(done.stdout)
    assert (answer["imported"]["approved"], answer["problems"]) == (1, 2)
    assert "a.jsonl, line 2: " in done.stderr
    listed = [json.loads(line) for line in Path(answer["problems_file"]).read_text().splitlines()]
    assert [(item["record"], item["field"]) for item in listed] == [(2, None), (3, "status")]
    chosen = tmp_path / "elsewhere.jsonl"
    run("import", "jsonl", path, "--site", site.id, "--problems", chosen)
    assert len(chosen.read_text().splitlines()) == 2


def test_many_bad_lines_are_listed_in_the_file_and_not_all_printed(site: Site, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", jsonl(*["{"] * 100))
    done = run("import", "jsonl", path, "--site", site.id)
    assert done.stderr.count("a.jsonl, line") == 20
    assert len((tmp_path / "a.jsonl.problems.jsonl").read_text().splitlines()) == 100


def test_a_dry_run_leaves_no_trace(db: Database, site: Site, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", jsonl(row(1), "{"))
    done = run("import", "jsonl", path, "--site", site.id, "--dry-run")
    assert done.exit_code == 3
    assert "would import" in done.stdout
    assert comments(db, site.id) == {}
    assert not (tmp_path / "a.jsonl.problems.jsonl").exists()


def test_several_files_standard_input_and_mapped_columns(db: Database, site: Site, tmp_path: Path) -> None:
    head = "nomor;post_url;content;created_at;status;catatan\n"
    one = written(tmp_path / "a.csv", head + "1;http://warta.example/a;Bagus;2024-05-01;1;x\n")
    table = (head + "2;http://warta.example/a;Setuju;2024-05-01;1;x\n").replace(";", "\t")
    done = run(*("import", "csv", one, "-", "--site", site.id, "--map", "nomor=id", "--map", "catatan="), input=table)
    assert done.exit_code == 0, done.output
    assert list(comments(db, site.id)) == ["1", "2"]


@pytest.mark.parametrize(
    "words",
    [
        ("--map", "nomor=nothing"),
        ("--map", "nomor"),
        ("--problems", "a.csv"),
        ("b.csv", "--problems", "p.jsonl"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    written(Path("a.csv"), "id\n")
    assert run("import", "csv", "a.csv", "--site", site.id, *words).exit_code == 2
    assert Path("a.csv").read_text() == "id\n"


def test_the_users_download_and_the_mongoexport_of_coral_are_told_apart(
    db: Database, site: Site, tmp_path: Path
) -> None:
    download = "Comment ID,Published Timestamp,Article URL,Comment URL,Comment Text,Media\n"
    table = written(tmp_path / "my.csv", download + 'c1,"5/1/2024, 03:04:05",http://warta.example/a,,Bagus,\n')
    dump = {"id": "c2", "storyID": "s", "authorID": "u", "status": "REJECTED", "revisions": [{"body": "x"}]}
    export = written(tmp_path / "comments.json", json.dumps({**dump, "createdAt": {"$date": "2024-05-01T00:00:00Z"}}))
    stories = written(tmp_path / "stories.json", json.dumps({"id": "s", "url": "http://warta.example/b"}))
    done = run("import", "coral", table, export, "--site", site.id, "--stories", stories)
    assert done.exit_code == 0, done.output
    assert [comment.status for comment in comments(db, site.id).values()] == ["HELD", "REJECTED"]


def test_an_export_goes_to_a_file_that_is_whole_or_not_there(db: Database, site: Site, tmp_path: Path) -> None:
    run("import", "jsonl", written(tmp_path / "a.jsonl", jsonl(row(1), row(2))), "--site", site.id)
    out = tmp_path / "out.jsonl.gz"
    done = run("export", "--site", site.id, "--output", out, "--since", "2024-05-01")
    assert done.exit_code == 0, done.output
    assert "2 comments" in done.stderr
    assert len(gzip.decompress(out.read_bytes()).splitlines()) == 2
    assert run("export", "--site", site.id, "--until", "2024-05-01", "--format", "csv").stdout.count("\n") == 1
    assert run("export", "--site", site.id, "--output", tmp_path / "no" / "where").exit_code == 1
    assert run("export", "--site", site.id, "--excel").exit_code == 2


def test_kill_9_in_the_middle_loses_nothing_and_doubles_nothing(db: Database, site: Site, tmp_path: Path) -> None:
    rows = 4000
    path = written(tmp_path / "a.jsonl", jsonl(*(row(n, parent_id=str(n + 1)) for n in range(1, rows + 1))))
    command = [Path(sys.executable).with_name("moderation"), "import", "jsonl", path, "--site", str(site.id), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        with db.reading() as session:
            if session.scalar(select(func.max(ArchiveImport.position))):
                process.send_signal(signal.SIGKILL)
                break
        time.sleep(0.01)
    assert process.wait() == -signal.SIGKILL
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["resumed_at"] >= 1000
    assert (answer["records"], answer["imported"]["approved"], answer["known"]) == (rows, rows, 0)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Comment)) == rows
        assert session.scalar(select(func.count()).select_from(Comment).where(Comment.parent_id.is_(None))) == 1
