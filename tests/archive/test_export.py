"""What is exported is what can be imported."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from moderation.accounts.models import Site
from moderation.archive import export
from moderation.archive.export import Wanted
from moderation.archive.rows import CsvReader, JsonlReader
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.db import Database
from moderation.parsing import is_blank
from moderation.review.models import Decision
from moderation.settings import Settings
from tests.archive.samples import import_file, jsonl, row, written, wxr, wxr_comment, wxr_item
from tests.integration.helpers import add_site, comment_of, judge_all, take
from tests.integration.helpers import given as live


def export_to(db: Database, site: Site, path: Path, kind: str, wanted: Wanted | None = None) -> Path:
    rows = export.rows(db, site.id, wanted or Wanted())
    lines: Iterator[str] = export.as_csv(rows, excel=True) if kind == "csv" else export.as_jsonl(rows)
    path.write_bytes("".join(lines).encode())
    return path


def import_again(db: Database, site: Site, path: Path, kind: str) -> int:
    maker = CsvReader if kind == "csv" else JsonlReader
    progress = import_file(db, site, path, lambda file: maker(file, UTC, {}), kind=kind)
    assert progress.counts["problems"] == 0, path.with_name(f"{path.name}.problems.jsonl").read_text()
    return progress.imported


def state(db: Database, site: Site) -> list[tuple[Any, ...]]:
    """All of a site's comments that a round trip must keep."""
    parent = Comment.__table__.alias("parent")
    with db.reading() as session:
        found = session.execute(
            select(
                Comment.external_id,
                Comment.status,
                Comment.created_at,
                Comment.author_name,
                Comment.author_url,
                Comment.staff,
                Comment.parent_external_id,
                parent.c.external_id,
                Revision.text,
                Revision.raw,
                Revision.links,
                Story.external_id,
                Story.url,
                Story.title,
                Story.section,
                Story.published_at,
                Author.external_id,
                Decision.reason,
            )
            .join(Revision, Revision.comment_id == Comment.id)
            .join(Story, Story.id == Comment.story_id)
            .join(Author, Author.id == Comment.author_id)
            .join(Decision, Decision.comment_id == Comment.id)
            .outerjoin(parent, parent.c.id == Comment.parent_id)
            .where(Comment.site_id == site.id)
            .order_by(Comment.id)
        ).all()
    return [tuple(item) for item in found]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_export_imports_into_another_site_as_the_same_comments(db: Database, tmp_path: Path, kind: str) -> None:
    one, two = add_site(db).site, add_site(db).site
    lines = [
        row(1, parent_id="4"),
        row(2, "=1+1", status="spam", post_id="s2", post_title="@judul", author={"name": "-Budi", "id": "+7"}),
        row(3, "'=a\nb\tc", status="rejected", reason="OFF_TOPIC", staff=True),
        row(4, "<p>a</p> <a href='http://x.example'>b</a>", format="html", status="pending", parent_id="2"),
        row(5, "akhir", parent_id="tidak ada", post_section="Kota", post_published_at="2024-01-01T00:00:00Z"),
    ]
    import_file(db, one, written(tmp_path / "a.jsonl", jsonl(*lines)))
    path = export_to(db, one, tmp_path / f"b.{kind}", kind)
    assert import_again(db, two, path, kind) == len(lines)
    assert state(db, two) == state(db, one)
    assert export_to(db, two, tmp_path / f"c.{kind}", kind).read_bytes() == path.read_bytes()


def test_what_was_decided_here_is_exported_with_its_newest_text_and_what_was_withdrawn_is_not(
    db: Database, settings: Settings
) -> None:
    site = add_site(db).site
    take(db, settings, site, live("a"))
    judge_all(db, settings)
    take(db, settings, site, live("b", "Belum dinilai."))
    with db.transaction() as session:
        gone = session.merge(comment_of(db, "a"))
        gone.status = "WITHDRAWN"
    take(db, settings, site, live("c"))
    rows = list(export.rows(db, site.id, Wanted()))
    assert [(item["id"], item["status"]) for item in rows] == [("b", "pending"), ("c", "pending")]
    assert not any("@" in str(value) for item in rows for value in item.values())


def test_an_export_may_be_limited_by_time_and_status(db: Database, tmp_path: Path) -> None:
    site, other = add_site(db).site, add_site(db).site
    days = [row(n, created_at=f"2024-05-0{n}T00:00:00Z", status="spam" if n == 3 else "approved") for n in range(1, 6)]
    import_file(db, site, written(tmp_path / "a.jsonl", jsonl(*days)))
    import_file(db, other, written(tmp_path / "b.jsonl", jsonl(row(9))))
    wanted = Wanted(datetime(2024, 5, 2, tzinfo=UTC), datetime(2024, 5, 5, tzinfo=UTC))
    assert [item["id"] for item in export.rows(db, site.id, wanted)] == ["2", "3", "4"]
    wanted = Wanted(wanted.since, wanted.until, ("rejected",))
    assert [item["id"] for item in export.rows(db, site.id, wanted)] == ["3"]


def test_an_export_of_many_pages_has_every_comment_once(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 3)
    site = add_site(db).site
    import_file(db, site, written(tmp_path / "a.jsonl", jsonl(*(row(n) for n in range(1, 10)))))
    assert [item["id"] for item in export.rows(db, site.id, Wanted())] == [str(n) for n in range(1, 10)]


def test_a_table_for_excel_begins_with_its_mark_and_holds_no_formula(db: Database, tmp_path: Path) -> None:
    site = add_site(db).site
    import_file(db, site, written(tmp_path / "a.jsonl", jsonl(row(1, '=HYPERLINK("http://x.example")'))))
    text = export_to(db, site, tmp_path / "a.csv", "csv").read_bytes().decode()
    assert text.startswith("\ufeffid,post_id,")
    (cells,) = list(csv.DictReader(io.StringIO(text[1:])))
    assert cells["content"] == '\'=HYPERLINK("http://x.example")'
    assert "author_email" not in cells


WORDS = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00") | st.sampled_from("=+-@'\"\t\r\n;, <>&"),
    max_size=30,
)
SHORT = WORDS.map(str.strip).map(lambda text: "".join(char for char in text if char.isprintable()))
ROWS = st.fixed_dictionaries(
    {
        "content": WORDS.filter(lambda text: not is_blank(text)),
        "format": st.sampled_from(("plain", "html")),
        "status": st.sampled_from(("approved", "pending", "spam", "rejected", "trash")),
        "author_name": SHORT,
        "author_id": st.sampled_from(("", "7", "=8")),
        "post_title": SHORT,
        "staff": st.booleans(),
        "created_at": st.datetimes(datetime(1990, 1, 2), datetime(2026, 1, 1)).map(lambda at: f"{at.isoformat()}Z"),
    }
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, min_size=1, max_size=8), st.randoms(use_true_random=False), st.sampled_from(("jsonl", "csv")))
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_whatever_can_be_imported_comes_back_from_its_export(
    db: Database, tmp_path: Path, found: list[dict[str, Any]], rand: Any, kind: str
) -> None:
    one, two = add_site(db, webhook=False).site, add_site(db, webhook=False).site
    lines = [
        {"id": f"={n}", "post_url": f"http://warta.example/{n % 2}", "parent_id": f"={rand.randrange(9)}", **values}
        for n, values in enumerate(found)
    ]
    import_file(db, one, written(tmp_path / "a.jsonl", jsonl(*lines)))
    path = export_to(db, one, tmp_path / f"b.{kind}", kind)
    import_again(db, two, path, kind)
    assert state(db, two) == state(db, one)


def test_a_wordpress_archive_comes_back_from_its_export(db: Database, tmp_path: Path) -> None:
    from moderation.archive.wxr import WxrReader

    one, two = add_site(db).site, add_site(db).site
    items = wxr_item(7, wxr_comment(1, "<b>a</b>"), wxr_comment(2, comment_parent="1", comment_approved="trash"))
    import_file(db, one, written(tmp_path / "a.xml", wxr(items)), lambda file: WxrReader(file, UTC), kind="wxr")
    import_again(db, two, export_to(db, one, tmp_path / "b.jsonl", "jsonl"), "jsonl")
    assert state(db, two) == state(db, one)
