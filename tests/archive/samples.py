"""Small exports in the shape of the real ones, and ways to read and import them."""

import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

from sqlalchemy import select

from moderation.accounts.models import Site
from moderation.archive.problems import Problem, ProblemFile
from moderation.archive.records import Reader, Record, Skipped
from moderation.archive.rows import JsonlReader
from moderation.archive.runs import Importer, Progress
from moderation.archive.sources import open_source
from moderation.comments.models import Comment
from moderation.db import Database
from moderation.errors import ModerationError
from tests.integration.helpers import KEY

WXR_HEAD = """<?xml version="1.0" encoding="UTF-8" ?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wp="http://wordpress.org/export/1.2/">
<channel><title>Kabar</title><wp:wxr_version>1.2</wp:wxr_version>
"""
WXR_TAIL = "</channel></rss>\n"


def wxr_comment(number: int, text: str = "Terima kasih.", **fields: str) -> str:
    """One <wp:comment>."""
    values = {
        "comment_id": str(number),
        "comment_author": "Rani",
        "comment_author_email": "rani@contoh.example",
        "comment_author_url": "",
        "comment_author_IP": "203.0.113.9",
        "comment_date": "2024-05-01 10:04:05",
        "comment_date_gmt": "2024-05-01 03:04:05",
        "comment_content": text,
        "comment_approved": "1",
        "comment_type": "comment",
        "comment_parent": "0",
        "comment_user_id": "0",
        **fields,
    }
    inner = "".join(f"<wp:{name}><![CDATA[{value}]]></wp:{name}>" for name, value in values.items())
    meta = "<wp:commentmeta><wp:meta_key>comment_id</wp:meta_key><wp:meta_value>9</wp:meta_value></wp:commentmeta>"
    return f"<wp:comment>{inner}{meta}</wp:comment>\n"


def wxr_item(number: int, *comments: str, link: str = "http://warta.example/banjir/") -> str:
    """One <item> with its comments."""
    return (
        f"<item><title><![CDATA[Banjir & macet]]></title><link>{link}</link>"
        f'<guid isPermaLink="false">http://warta.example/?p={number}</guid>'
        f"<content:encoded><![CDATA[Isi]]></content:encoded><wp:post_id>{number}</wp:post_id>"
        "<wp:post_date_gmt><![CDATA[2024-04-30 19:24:07]]></wp:post_date_gmt>"
        f"{''.join(comments)}</item>\n"
    )


def wxr(*items: str) -> str:
    """A whole file."""
    return WXR_HEAD + "".join(items) + WXR_TAIL


def row(number: int | str, text: str = "Terima kasih.", **fields: Any) -> dict[str, Any]:
    """A comment as a line of JSONL."""
    return {
        "id": str(number),
        "post_url": "http://warta.example/banjir/",
        "parent_id": None,
        "author": {"name": "Rani", "email": "rani@contoh.example", "ip": "203.0.113.9"},
        "created_at": "2024-05-01T03:04:05+07:00",
        "status": "approved",
        "content": text,
        **fields,
    }


def jsonl(*rows: Any) -> str:
    """Lines of JSON; what is text already stays as it is."""
    return "".join((item if isinstance(item, str) else json.dumps(item)) + "\n" for item in rows)


class Read:
    """What a reader makes of a file."""

    def __init__(self, reader: Reader) -> None:
        self.records: list[Record] = []
        self.faults: list[tuple[int, int, str]] = []
        self.skipped: list[str] = []
        for item in reader.items():
            try:
                if isinstance(item.raw, ModerationError):
                    raise item.raw
                self.records.append(reader.read(item))
            except Skipped as skipped:
                self.skipped.append(skipped.kind)
            except ModerationError as error:
                self.faults.append((item.number, item.line, error.message))

    @property
    def by_id(self) -> dict[str, Record]:
        return {record.comment.external_id: record for record in self.records}


def stream(text: str | bytes) -> io.BytesIO:
    """A file in memory."""
    return io.BytesIO(text if isinstance(text, bytes) else text.encode())


def nobody(_: Progress, __: Sequence[Problem]) -> None:
    """Watches nothing."""


def import_file(
    db: Database,
    site: Site,
    path: Path,
    make: Callable[[Any], Reader] = lambda file: JsonlReader(file, UTC, {}),
    *,
    kind: str = "jsonl",
    batch: int = 1000,
    watch: Callable[[Progress, Sequence[Problem]], None] = nobody,
) -> Progress:
    """Import a file as the command does."""
    source = open_source(str(path))
    try:
        listing = ProblemFile(path.with_name(f"{path.name}.problems.jsonl"))
        return Importer(db, site, KEY, batch=batch).run(kind, source, make(source.file), listing, watch)
    finally:
        source.close()


def written(path: Path, text: str) -> Path:
    """`path` with this content."""
    path.write_text(text, encoding="utf-8")
    return path


def comments(db: Database, site_id: int) -> dict[str, Comment]:
    """The comments of a site by external id, in the order in which they were stored."""
    with db.reading() as session:
        found = session.scalars(select(Comment).where(Comment.site_id == site_id).order_by(Comment.id)).all()
        session.expunge_all()
        return {comment.external_id: comment for comment in found}
