"""XML read as a stream, whatever its size: elements of interest come out one by one, nothing else is kept.

Exports are often not well-formed: control characters, references to them and blank lines before the declaration are
taken out on the fly, undeclared prefixes do not matter, HTML's named characters are known. A document type is refused,
so that there are no entities to expand.
"""

import codecs
import html.entities
import re
from collections import deque
from collections.abc import Collection, Iterator
from xml.parsers import expat

from moderation.archive.sources import PIECE, Bytes
from moderation.errors import InvalidInput, MalformedInput

MAX_TEXT = 1 << 20
"""Characters that are kept of one element: more than any comment may have."""
MAX_TAG = 4 << 20
"""Bytes that the parser may hold without having found the end of a tag."""
MAX_DEPTH = 64
MAX_CHILDREN = 200

_ENCODING = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile("&#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
_LONGEST_REFERENCE = 13
_ONE_BYTE = ("iso8859", "cp125", "koi8")
"""Encodings besides UTF-8 in which a declaration can be read at all."""


class Node:
    """An element: the line that it begins on, its own text, and those of its children that were asked for."""

    __slots__ = ("_parts", "_size", "attributes", "children", "line", "name", "parent")

    def __init__(self, name: str, line: int, attributes: dict[str, str], parent: "Node | None") -> None:
        self.name, self.line, self.attributes, self.parent = name, line, attributes, parent
        self.children: list[Node] = []
        self._parts: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        """More of its text; beyond MAX_TEXT it is dropped, which still shows as too long."""
        if self._size <= MAX_TEXT:
            self._parts.append(text)
            self._size += len(text)

    def child(self, name: str) -> "Node | None":
        """The first child of a local name."""
        return next((node for node in self.children if node.name == name), None)

    def text(self, name: str) -> str:
        """The text of the first child of a local name, empty when there is none."""
        node = self.child(name)
        return "" if node is None else "".join(node._parts)


def stream(
    file: Bytes, *, root: str, tops: Collection[str], inner: Collection[str] = (), passed: Collection[str] = ()
) -> Iterator[Node]:
    """Elements by local name: each of `tops`, and inside of one each of `inner` as soon as it ends, with its parent.

    `passed` are children that nobody wants. Raises InvalidInput when the document has another root or a document
    type, MalformedInput where it stops being XML.
    """
    parser = _Parser(root, tops, inner, passed)
    for piece in _sanitised(file):
        parser.feed(piece)
        while parser.ready:
            yield parser.ready.popleft()
        if parser.error is not None:
            raise parser.error
    parser.finish()


class _Parser:
    def __init__(self, root: str, tops: Collection[str], inner: Collection[str], passed: Collection[str]) -> None:
        self.ready: deque[Node] = deque()
        self.error: InvalidInput | MalformedInput | None = None
        self._root, self._tops, self._inner, self._passed = root, tops, inner, passed
        self._open: list[Node] = []
        self._depth = self._silent = self._fed = 0
        self._expat = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.UseForeignDTD(True)  # an unknown &name; is handed to us instead of being the end of the document
        parser.StartDoctypeDeclHandler = self._doctype
        parser.SkippedEntityHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data

    def feed(self, text: str) -> None:
        data = text.encode()
        self._fed += len(data)
        self._parse(data, last=False)
        if self.error is None and self._fed - self._expat.CurrentByteIndex > MAX_TAG:
            self.error = MalformedInput(f"A tag on line {self._expat.CurrentLineNumber} does not end.")

    def finish(self) -> None:
        self._parse(b"", last=True)
        if self.error is not None:
            raise self.error

    def _parse(self, data: bytes, *, last: bool) -> None:
        try:
            self._expat.Parse(data, last)
        except expat.ExpatError as error:
            self.error = MalformedInput(
                f"From line {error.lineno}, column {error.offset + 1} on this is not XML "
                f"({expat.ErrorString(error.code)}); nothing after it can be read."
            )
        except (InvalidInput, MalformedInput) as error:
            self.error = error

    def _doctype(self, *_: object) -> None:
        raise InvalidInput("The file declares a document type (DTD), which an export never does; it is refused.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        name = name.rpartition(":")[2]
        if self._depth == 1 and name != self._root:
            raise InvalidInput(f"This is another kind of file: it begins with <{name[:50]}>, not with <{self._root}>.")
        if self._depth > MAX_DEPTH:
            raise MalformedInput(f"Line {self._expat.CurrentLineNumber} is nested deeper than {MAX_DEPTH} elements.")
        if self._silent or (not self._open and name not in self._tops):
            return
        if self._open and name in self._passed:
            self._silent = self._depth
            return
        local = {key.rpartition(":")[2]: value for key, value in attributes.items()}
        parent = self._open[-1] if self._open else None
        self._open.append(Node(name, self._expat.CurrentLineNumber, local, parent))

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._silent:
            if self._depth < self._silent:
                self._silent = 0
            return
        if not self._open:
            return
        node = self._open.pop()
        if not self._open or node.name in self._inner:
            self.ready.append(node)
        elif len(self._open[-1].children) < MAX_CHILDREN:
            self._open[-1].children.append(node)

    def _data(self, text: str) -> None:
        if self._open and not self._silent:
            self._open[-1].add(text)

    def _entity(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._data(html.entities.html5.get(f"{name};", f"&{name};"))


def _sanitised(file: Bytes) -> Iterator[str]:
    """The document's text, decoded, without what XML forbids."""
    piece = file.read(PIECE)
    decoder = codecs.getincrementaldecoder(_encoding(piece))("replace")
    held, begun = "", False
    while piece:
        text = held + decoder.decode(piece)
        cut = text.rfind("&", max(0, len(text) - _LONGEST_REFERENCE))
        held = text[cut:] if cut >= 0 and ";" not in text[cut:] else ""
        text = _clean(text[: len(text) - len(held)])
        if not begun:  # plugins print blank lines and marks before the declaration
            text = text.lstrip("\ufeff \t\r\n")
            begun = text != ""
        if text:
            yield text
        piece = file.read(PIECE)
    yield _clean(held + decoder.decode(b"", True))


def _clean(text: str) -> str:
    text = _ILLEGAL.sub("", text)
    return _REFERENCE.sub(_checked, text) if "&#" in text else text


def _checked(found: re.Match[str]) -> str:
    number = int(found[1], 16) if found[1] else int(found[2])
    legal = number <= 0x10FFFF and not _ILLEGAL.match(chr(number))
    return found[0] if legal else ""


def _encoding(start: bytes) -> str:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    declared = _ENCODING.search(start[:1000])
    try:
        name = codecs.lookup(declared[1].decode()).name if declared else ""
    except LookupError:
        name = ""
    return name if name.startswith(_ONE_BYTE) else "utf-8"
