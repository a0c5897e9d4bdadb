"""Archives into the database and out again, on both engines."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from moderation.accounts.models import AuditEntry, Moderator, Site
from moderation.archive import runs, store
from moderation.archive.models import ArchiveImport
from moderation.archive.problems import ProblemFile
from moderation.archive.rows import JsonlReader
from moderation.archive.runs import Importer
from moderation.archive.wxr import WxrReader
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.db import Database, utcnow
from moderation.delivery.models import Delivery
from moderation.errors import Conflict, InvalidInput
from moderation.policy.models import VerdictRow
from moderation.review import queue
from moderation.review.models import Decision
from moderation.scoring.models import Work
from moderation.settings import Settings
from tests.archive.samples import comments, import_file, jsonl, nobody, row, stream, written, wxr, wxr_comment, wxr_item
from tests.conftest import Recorder
from tests.integration.helpers import KEY, add_site, given, take


@pytest.fixture
def site(db: Database) -> Site:
    return add_site(db).site


def amount(db: Database, model: Any) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_status_is_kept_as_a_decision_of_the_import_and_nobody_is_told(
    db: Database, site: Site, sender: Recorder, tmp_path: Path
) -> None:
    states = ("approved", "pending", "spam", "trash", "rejected")
    path = written(tmp_path / "a.jsonl", jsonl(*(row(n, status=name) for n, name in enumerate(states))))
    sender.sent.clear()
    progress = import_file(db, site, path)
    assert (progress.counts["approved"], progress.counts["held"], progress.counts["spam"]) == (1, 1, 1)
    assert (progress.counts["rejected"], progress.counts["records"], progress.imported) == (2, 5, 5)
    found = comments(db, site.id)
    with db.reading() as session:
        made = {row.comment_id: row for row in session.scalars(select(Decision))}
    decided = [made[comment.id] for comment in found.values()]
    assert [(c.status, d.action, d.reason) for c, d in zip(found.values(), decided, strict=True)] == [
        ("APPROVED", "approve", None),
        ("HELD", "hold", None),
        ("REJECTED", "reject", "SPAM"),
        ("REJECTED", "reject", "OTHER"),
        ("REJECTED", "reject", "OTHER"),
    ]
    assert {(d.origin, d.moderator_id, d.revision, d.sequence) for d in decided} == {("import", None, 1, 1)}
    assert [(c.shown, c.shown_next) for c in found.values()] == [(True, True)] + [(False, False)] * 4
    assert [c.not_scored for c in found.values()] == [False, True, False, False, False]
    assert [c.spam for c in found.values()] == [False, False, True, False, False]
    assert {c.source for c in found.values()} == {"import"}
    assert [amount(db, model) for model in (Delivery, VerdictRow, Work)] == [0, 0, 0]
    assert sender.sent == []


def test_what_was_decided_keeps_its_place_in_time_and_what_waits_waits_from_now(
    db: Database, site: Site, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.jsonl", jsonl(row(1), row(2, status="pending")))
    import_file(db, site, path)
    decided, waiting = comments(db, site.id).values()
    assert decided.created_at == waiting.created_at == datetime(2024, 4, 30, 20, 4, 5, tzinfo=UTC)
    assert decided.received_at == decided.decided_at == decided.created_at
    assert utcnow() - waiting.received_at < timedelta(minutes=5)
    with db.reading() as session:
        waits, _ = queue.page(session, [site.id], "held", after=None, me=Moderator(role="moderator"), now=utcnow())
        assert [c.external_id for c in waits] == ["2"]


def test_html_is_kept_as_it_was_and_read_as_text(db: Database, site: Site, tmp_path: Path) -> None:
    raw = 'Lihat <a href="http://x.example">ini</a>\n<b>tebal</b>'
    path = written(tmp_path / "a.xml", wxr(wxr_item(7, wxr_comment(1, raw))))
    import_file(db, site, path, lambda file: WxrReader(file, UTC), kind="wxr")
    with db.reading() as session:
        revision = session.scalars(select(Revision)).one()
    assert (revision.text, revision.raw, revision.links) == ("Lihat ini\ntebal", raw, 1)


def test_parents_are_found_before_and_behind_their_replies_in_any_batch(
    db: Database, site: Site, tmp_path: Path
) -> None:
    parents = {1: 5, 2: 1, 3: 1, 4: 9, 5: None, 6: 1, 7: 8, 8: 99, 9: None}
    lines = [row(n, parent_id=None if parent is None else str(parent)) for n, parent in parents.items()]
    import_file(db, site, written(tmp_path / "a.jsonl", jsonl(*lines)), batch=4)
    found = comments(db, site.id)
    assert list(found) == [str(n) for n in parents]
    names = {comment.id: name for name, comment in found.items()}
    wanted = {str(n): None if parent in (None, 99) else str(parent) for n, parent in parents.items()}
    assert {name: names.get(comment.parent_id or 0) for name, comment in found.items()} == wanted
    import_file(db, site, written(tmp_path / "b.jsonl", jsonl(row(99))))
    found = comments(db, site.id)
    assert found["8"].parent_id == found["99"].id


def test_what_is_known_is_passed_over_and_the_sites_own_data_wins(
    db: Database, settings: Settings, site: Site, tmp_path: Path
) -> None:
    take(db, settings, site, given("2", "Teks yang hidup."))
    path = written(tmp_path / "a.jsonl", jsonl(row(1), row(2), row(3), row(3, "Lain.")))
    first = import_file(db, site, path)
    assert (first.imported, first.counts["known"]) == (2, 2)
    again = import_file(db, site, path)
    assert (again.imported, again.counts["known"]) == (0, 4)
    overlapping = import_file(db, site, written(tmp_path / "b.jsonl", jsonl(row(3), row(4))))
    assert (overlapping.imported, overlapping.counts["known"]) == (1, 1)
    found = comments(db, site.id)
    assert sorted(found) == ["1", "2", "3", "4"]
    assert (found["2"].source, found["2"].status) == ("api", "PENDING")
    assert amount(db, Revision) == 4


def test_authors_and_stories_are_those_of_the_other_doors_and_no_email_is_stored(
    db: Database, settings: Settings, site: Site, tmp_path: Path
) -> None:
    take(db, settings, site, given("live"))
    here = {"post_id": "s1", "author": {"name": "Rani", "email": " RANI@contoh.example ", "ip": "203.0.113.9"}}
    by_id = {"author": {"id": "7", "name": "Rani", "email": "rani@contoh.example"}}
    import_file(db, site, written(tmp_path / "a.jsonl", jsonl(row(1, **here), row(2, **by_id), row(3, author={}))))
    found = comments(db, site.id)
    assert found["1"].author_id == found["live"].author_id
    assert found["1"].story_id == found["live"].story_id
    assert found["2"].author_id != found["1"].author_id
    assert (found["1"].ip_network, len(found["1"].ip_hash or "")) == ("203.0.113.0/24", 64)
    with db.reading() as session:
        kept = [(row.identity, row.email_hash) for row in session.scalars(select(Author).order_by(Author.id))]
        titles = [story.title for story in session.scalars(select(Story).order_by(Story.id))]
    assert not any("@" in f"{identity}{hashed}" for identity, hashed in kept)
    assert ("x:7", kept[0][1]) in kept
    assert titles == ["Sebuah artikel", ""]


def test_an_import_that_broke_off_goes_on_where_it_was(db: Database, site: Site, tmp_path: Path) -> None:
    lines = [row(n, status="spam" if n % 3 == 0 else "approved") for n in range(1, 20)]
    path = written(tmp_path / "a.jsonl", jsonl(*lines[:4], "{", *lines[4:], "}"))
    seen: list[int] = []

    def dies(progress: runs.Progress, _: object) -> None:
        seen.append(progress.position)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(db, site, path, batch=4, watch=dies)
    assert len(comments(db, site.id)) == 11
    listing = path.with_name("a.jsonl.problems.jsonl")
    with listing.open("a") as file:  # what a kill leaves of a batch that never committed
        file.write('{"record": 14, "line": 14, "id": null, "field": null, "reason": "x"}\n{"record": 1')
    progress = import_file(db, site, path, batch=4)
    assert progress.resumed_at == 12
    assert progress.counts == Counter(records=21, approved=13, spam=6, problems=2, known=0)
    assert [line.split(",")[0] for line in listing.read_text().splitlines()] == ['{"record": 5', '{"record": 21']
    assert list(comments(db, site.id)) == [str(n) for n in range(1, 20)]
    with db.reading() as session:
        run = session.scalars(select(ArchiveImport)).one()
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "archive.import")).all()
    assert (run.state, run.position, run.counts["spam"]) == ("finished", 21, 6)
    assert [entry.subject for entry in entries] == [f"archive_import:{run.id}"]
    assert "spam 6" in entries[0].detail


def test_a_batch_that_fails_leaves_nothing_behind(
    db: Database, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.jsonl", jsonl(*(row(n) for n in range(1, 9))))

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(store, "advance", broken)
        with pytest.raises(RuntimeError):
            import_file(db, site, path, batch=4)
    assert [amount(db, model) for model in (Comment, Revision, Decision, Author, Story)] == [0] * 5
    assert import_file(db, site, path, batch=4).imported == 8


def test_two_processes_do_not_import_the_same_file_at_once(db: Database, site: Site, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", jsonl(*(row(n) for n in range(1, 9))))

    def another(progress: runs.Progress, _: object) -> None:
        if progress.position == 4:
            import_file(db, site, path, batch=4)

    with pytest.raises(Conflict, match="Another process"):
        import_file(db, site, path, batch=4, watch=another)
    assert len(comments(db, site.id)) == 8


def test_a_comment_that_arrives_in_the_same_moment_is_known(
    db: Database, settings: Settings, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite has one writer")
    path = written(tmp_path / "a.jsonl", jsonl(row(1), row(2)))
    stories, times = store._stories, []

    def between(*arguments: Any) -> Any:
        if not times:
            take(db, settings, site, given("2"))
        times.append(1)
        return stories(*arguments)

    monkeypatch.setattr(store, "_stories", between)
    progress = import_file(db, site, path)
    assert (progress.imported, progress.counts["known"], len(times)) == (1, 1, 2)
    assert sorted(comments(db, site.id)) == ["1", "2"]


def test_a_file_of_another_kind_is_refused_and_nothing_is_imported(db: Database, site: Site, tmp_path: Path) -> None:
    entity = '<!DOCTYPE rss [<!ENTITY lol "lol">]>' + wxr(wxr_item(7, wxr_comment(1))).partition("?>")[2]
    for text in ("<html><body/></html>", entity):
        path = written(tmp_path / "a.xml", text)
        with pytest.raises(InvalidInput):
            import_file(db, site, path, lambda file: WxrReader(file, UTC), kind="wxr")
    assert comments(db, site.id) == {}


def test_a_file_that_is_cut_off_is_imported_up_to_the_cut(db: Database, site: Site, tmp_path: Path) -> None:
    whole = wxr(wxr_item(7, wxr_comment(1), wxr_comment(2), wxr_comment(3)))
    path = written(tmp_path / "a.xml", whole[: whole.index("<wp:comment_id><![CDATA[3]")])
    found: list[str] = []
    progress = import_file(
        db,
        site,
        path,
        lambda file: WxrReader(file, UTC),
        kind="wxr",
        watch=lambda _, problems: found.extend(str(problem) for problem in problems),
    )
    assert (progress.imported, progress.counts["records"], progress.counts["problems"]) == (2, 2, 1)
    assert "nothing after it can be read" in found[0]
    assert import_file(db, site, written(path, whole), lambda file: WxrReader(file, UTC), kind="wxr").imported == 1


def test_a_rehearsal_says_what_would_happen_and_writes_nothing(db: Database, site: Site, tmp_path: Path) -> None:
    import_file(db, site, written(tmp_path / "a.jsonl", jsonl(row(1))))
    reader = JsonlReader(stream(jsonl(row(1), row(2), "{", row(3, status="spam"), row(2))), UTC, {})
    before = [amount(db, model) for model in (Comment, ArchiveImport, AuditEntry)]
    progress = Importer(db, site, KEY, batch=2).rehearse(reader, ProblemFile(None), nobody)
    assert progress.counts == Counter(records=5, known=2, approved=1, spam=1, problems=1)
    assert [amount(db, model) for model in (Comment, ArchiveImport, AuditEntry)] == before
