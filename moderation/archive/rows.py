"""Our own columns, as CSV and as JSON lines: what `export` writes and what everybody else can make.

In JSON lines the author's columns stand in an object: `author_name` is `{"author": {"name": …}}`.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from moderation import parsing
from moderation.archive import records
from moderation.archive.records import Item, Record
from moderation.archive.sources import Bytes, lines
from moderation.errors import InvalidInput, ModerationError

COLUMNS = (
    "id",
    "post_id",
    "post_url",
    "post_title",
    "post_section",
    "post_published_at",
    "parent_id",
    "author_id",
    "author_name",
    "author_email",
    "author_url",
    "author_ip",
    "created_at",
    "status",
    "reason",
    "staff",
    "format",
    "content",
)
NEEDED = ("id", "post_url", "created_at", "status", "content")
MAX_LINE = 1 << 20
"""Bytes of one line: a comment of 64 KiB with every character escaped fits."""

FORMATS = ("plain", "html")
TRUE, FALSE = ("true", "1", "yes"), ("", "false", "0", "no")
_FORMULA = re.compile(r"'+[=+\-@\t\r]")
_SEPARATORS = (",", ";", "\t")


class JsonlReader:
    """One JSON object a line. `names` maps names that the file uses to columns; empty: left out."""

    def __init__(self, file: Bytes, zone: tzinfo, names: Mapping[str, str]) -> None:
        self._file, self._zone, self._names = file, zone, names

    def items(self) -> Iterator[Item]:
        """Each line that is not blank; its number is that of the line."""
        for number, line in lines(self._file, MAX_LINE):
            if line is None:
                yield Item(number, number, InvalidInput(f"The line is longer than {MAX_LINE} bytes."))
            elif not line.isspace():
                yield Item(number, number, line)

    def read(self, item: Item) -> Record:
        """The comment."""
        names, values = self._names, {}
        for name, value in _object(item.raw).items():
            if name == "author" and isinstance(value, dict):
                for part, about in value.items():
                    values[names.get(f"author.{part}", f"author_{part}")] = about
            else:
                values[names.get(name, name)] = value
        values.pop("", None)
        unknown = values.keys() - _KNOWN
        if unknown:
            name = min(unknown)[:100]
            raise InvalidInput(f"The field {ascii(name)[1:-1]} is unknown; see --map.", field=name)
        return read_row(
            {name: value if type(value) is str else _as_text(name, value) for name, value in values.items()}, self._zone
        )


class CsvReader:
    """A table with a header. The separator is a comma, a semicolon or a tab."""

    def __init__(self, file: Bytes, zone: tzinfo, names: Mapping[str, str]) -> None:
        self._file, self._zone, self._names = file, zone, names

    def items(self) -> Iterator[Item]:
        """Each row, numbered from 1 below the header; `line` is the one that it begins on."""
        header, rows = rows_of(self._file)
        columns = [self._names.get(name.strip(), name.strip().lower()) for name in header]
        unknown = [name for name in columns if name and name not in _KNOWN]
        missing = [name for name in NEEDED if name not in columns]
        if unknown:
            raise InvalidInput(
                f"The column {unknown[0]} is unknown. Say what it is with --map {unknown[0]}=COLUMN, or leave it out "
                f"with --map {unknown[0]}= (columns: {', '.join(COLUMNS)}).",
                field=unknown[0],
            )
        if missing:
            raise InvalidInput(
                f"The column {missing[0]} is missing. Where it has another name: --map NAME={missing[0]}.",
                field=missing[0],
            )
        doubled = next((name for name in columns if name and columns.count(name) > 1), None)
        if doubled:
            raise InvalidInput(f"The column {doubled} is there twice.", field=doubled)
        for number, (line, values) in enumerate(rows, 1):
            if isinstance(values, InvalidInput):
                yield Item(number, line, values)
            elif len(values) != len(columns):
                wrong = InvalidInput(f"The row has {len(values)} columns, the header {len(columns)}.")
                yield Item(number, line, wrong)
            else:
                row = dict(zip(columns, values, strict=True))
                yield Item(number, line, row, row["id"] or None)

    def read(self, item: Item) -> Record:
        """The comment; the quote before a cell that a spreadsheet would take for a formula is taken off."""
        return read_row({name: unguarded(value) for name, value in item.raw.items()}, self._zone)


def read_row(values: Mapping[str, str], zone: tzinfo) -> Record:
    """A comment of our columns. Raises InvalidInput naming the column."""
    get = values.get
    published = get("post_published_at", "")
    kind = get("format", "") or "plain"
    if kind not in FORMATS:
        raise InvalidInput("The field format is neither plain nor html.", field="format")
    staff = get("staff", "").strip().lower()
    if staff not in TRUE + FALSE:
        raise InvalidInput("The field staff is neither true nor false.", field="staff")
    return records.make(
        external_id=get("id", ""),
        story=records.make_story(
            get("post_id", ""),
            get("post_url", ""),
            get("post_title", ""),
            get("post_section", ""),
            records.moment(published, "post_published_at", zone) if published else None,
        ),
        author=records.make_author(
            get("author_name", ""),
            external_id=get("author_id", ""),
            email=get("author_email", ""),
            url=get("author_url", ""),
            ip=get("author_ip", ""),
            staff=staff in TRUE,
        ),
        text=get("content", ""),
        html=kind == "html",
        created_at=records.moment(get("created_at", ""), "created_at", zone),
        verdict=records.verdict_of(get("status", ""), get("reason", "")),
        parent=get("parent_id", ""),
    )


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: a quote stands before what would begin one."""
    return f"'{cell}" if cell[:1] in _STARTS or (cell[:1] == "'" and _FORMULA.match(cell)) else cell


def unguarded(cell: str) -> str:
    """What `guarded` was given."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


_STARTS = frozenset("=+-@\t\r")
_KNOWN = frozenset(COLUMNS)


Row = tuple[int, Sequence[str] | InvalidInput]
"""The line that a row begins on, and its cells or why it has none."""


def rows_of(file: Bytes) -> tuple[list[str], Iterator[Row]]:
    """The header of a CSV file and its rows, less blank ones. Raises InvalidInput when there is no header."""
    source = lines(file, MAX_LINE)
    first = next(source, (1, b""))[1]
    if not first or first.isspace():
        raise InvalidInput("The file does not begin with the names of columns.")
    text = _decoded(first)
    counts = {mark: text.count(mark) for mark in _SEPARATORS}
    separator = max(_SEPARATORS, key=lambda mark: counts[mark])
    header = next(csv.reader([text], delimiter=separator))
    return header, _rows(source, separator)


def _rows(source: Iterator[tuple[int, bytes | None]], separator: str) -> Iterator[Row]:
    reader = csv.reader((_decoded(line) for _, line in source), delimiter=separator)
    while True:
        begins = reader.line_num + 2  # below the header, counted from 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield begins, InvalidInput(f"This is no row of CSV: {error}.")
            continue
        if not any(row):
            continue
        if any("\udc80" <= char <= "\udcff" for cell in row if not cell.isascii() for char in cell):
            yield begins, InvalidInput("The row is not UTF-8.")
        else:
            yield begins, row


def _decoded(line: bytes | None) -> str:
    """A line as text; bytes that are no UTF-8 stay visible as such. A line that is too long is one that CSV refuses."""
    return "\0" * (csv.field_size_limit() + 1) if line is None else line.decode("utf-8", "surrogateescape")


def _object(line: bytes) -> dict[str, Any]:
    """The object of a line. What is wrong with a line is said by the strict parser, which a million right ones need
    not pay for: texts are cleaned afterwards, and nothing but texts is used."""
    try:
        found = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    try:
        parsing.read_json(line, max_bytes=MAX_LINE)
    except ModerationError as error:
        raise InvalidInput(error.message.replace("The body", "The line", 1), field=error.field) from None
    raise InvalidInput("The line is no JSON object.")


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_no_doubles)
"""Made once: making it costs more than a line."""


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise InvalidInput(f"The field {name} is no text.", field=name)
