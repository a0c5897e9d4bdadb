"""Files to import: plain, gzip, the ZIP of a user's download, or standard input; read in pieces, never as a whole."""

import gzip
import hashlib
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

from moderation.errors import InvalidInput, MalformedInput

PIECE = 1 << 16
STDIN = "-"
BOM = b"\xef\xbb\xbf"


class Bytes(Protocol):
    """What readers need of a file."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end."""

    def readline(self, size: int, /) -> bytes:
        """A line, or the first `size` bytes of it."""


class _Unpacked:
    """A compressed file whose damage is a fault of the input, in our words."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        with _named():
            return self._file.read(size)

    def readline(self, size: int, /) -> bytes:
        with _named():
            return self._file.readline(size)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile):
        raise MalformedInput("The compressed file is cut off or damaged here.") from None


@dataclass(frozen=True, slots=True)
class Source:
    """An opened file. `size` is 0 where it cannot be known; `name` is for people."""

    name: str
    path: Path | None
    file: Bytes
    size: int
    _raw: IO[bytes]

    def position(self) -> int:
        """How many of the `size` bytes were read."""
        return self._raw.tell() if self.size else 0

    def fingerprint(self) -> str:
        """Size and hash of the file: the same file, wherever it lies. Empty for standard input."""
        if self.path is None:
            return ""
        digest = hashlib.blake2b(digest_size=16)
        with self.path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return f"{self.size}-{digest.hexdigest()}"

    def close(self) -> None:
        """Let go of the file."""
        if self.path is not None:
            self._raw.close()


def open_source(name: str) -> Source:
    """Open a file, `-` is standard input. Raises InvalidInput when it cannot be opened."""
    if name == STDIN:
        return Source("standard input", None, cast("Bytes", sys.stdin.buffer), 0, sys.stdin.buffer)
    path = Path(name)
    try:
        raw = path.open("rb")
        start = raw.read(4)
        raw.seek(0)
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}.", field="file") from None
    file: Bytes = raw
    if start.startswith(b"\x1f\x8b"):
        file = _Unpacked(cast("IO[bytes]", gzip.GzipFile(fileobj=raw)))
    elif start == b"PK\x03\x04":
        file = _Unpacked(_member(raw, name))
    return Source(path.name, path, file, path.stat().st_size, raw)


def _member(raw: IO[bytes], name: str) -> IO[bytes]:
    try:
        archive = zipfile.ZipFile(raw)
        names = [item for item in archive.namelist() if not item.endswith("/")]
        wanted = [item for item in names if item.rpartition("/")[2] == "my_comments.csv"] or names
        if len(wanted) == 1:
            return archive.open(wanted[0])
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        raise InvalidInput(f"{name} is a damaged ZIP file or needs a password.", field="file") from None
    raise InvalidInput(f"{name} holds {len(names)} files; unpack it and name the one to import.", field="file")


def lines(file: Bytes, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Number and bytes of each line; None for a line of more than `limit` bytes. A byte order mark is taken off."""
    number = 0
    while line := file.readline(limit):
        number += 1
        if number == 1:
            line = line.removeprefix(BOM)
        if len(line) < limit or line.endswith(b"\n"):
            yield number, line
            continue
        while (rest := file.readline(limit)) and not rest.endswith(b"\n"):
            pass
        yield number, None


_MARKS = re.compile(rb'\\.|["{}\n]', re.DOTALL)


def json_objects(file: Bytes, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """The objects of a JSON array, or of a file of one object after another: line of the start, and bytes.

    None for an object of more than `limit` bytes. Whether an object is right inside is for its reader to say.
    Raises MalformedInput when the file ends inside an object.
    """
    parts: list[bytes] = []
    size = depth = begun = 0
    quoted, line = False, 1
    while piece := _piece(file):
        start = 0
        for mark in _MARKS.finditer(piece):
            sign = mark[0]
            if sign == b"\n":
                line += 1
            elif quoted:
                quoted = sign != b'"'
            elif depth and sign == b'"':
                quoted = True
            elif sign == b"{":
                if depth == 0:
                    start, begun, parts, size = mark.start(), line, [], 0
                depth += 1
            elif sign == b"}" and depth:
                depth -= 1
                if depth == 0:
                    parts.append(piece[start : mark.end()])
                    size += mark.end() - start
                    yield begun, b"".join(parts) if size <= limit else None
        if depth:
            size += len(piece) - start
            parts = [*parts, piece[start:]] if size <= limit else []
    if depth:
        raise MalformedInput(f"The file ends inside the object that begins on line {begun}.")


def _piece(file: Bytes) -> bytes:
    """A piece that does not end between a backslash and what it escapes."""
    piece = file.read(PIECE)
    while piece.endswith(b"\\") and (more := file.read(1)):
        piece += more
    return piece
