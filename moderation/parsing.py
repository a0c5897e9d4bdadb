"""Reading what strangers send: strict JSON and clean text. One reading, or a clear refusal that names the field."""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moderation.errors import InvalidInput, MalformedInput, TooLarge

MAX_DEPTH = 16

# One step per string, however long: possessive loops never go back, and a string without end is eaten up to the end,
# so that the scan stays linear for any bytes.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_INT64 = range(-(2**63), 2**63)
_LONGEST_INT = 20  # characters of -9223372036854775808
_LONGEST_FLOAT = 64
_SHOWN = 100  # characters of a path or a value in a message

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]")  # C0 but tab and line feed
_LINE_BREAKS = re.compile(r"\r\n?")
_BREAKS = re.compile(r"[\t\n\r]+")
# Blank to the eye although Unicode counts them as letters or symbols: Hangul fillers and the empty braille cell.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands where a value was that must be refused: json's hooks do not know the path, the walk afterwards does."""

    reason: str


class _Doubled(dict[str, Any]):
    """An object with a key twice; `key` is the first such key."""

    key = ""


def whole_number(text: str, digits: int = 18) -> int | None:
    """The number that up to so many ASCII digits write, else None; 18 digits always fit a key of the database."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def read_json(body: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """The value of a JSON body, read in the one way that every strict reader agrees on.

    Raises TooLarge over `max_bytes`; MalformedInput, with the dotted path of the field where it can be told, for
    anything but UTF-8 without a byte order mark, wrong JSON, nesting over `max_depth` levels, doubled keys, NaN,
    Infinity and numbers that no double holds, integers over 64 bits and lone surrogates. Linear in the size of the
    body; depth is counted before the parser recurses. NUL inside a string is left to `clean_text`.
    """
    if len(body) > max_bytes:
        raise TooLarge(
            "The body is larger than %(most)s bytes.", details={"max_bytes": max_bytes}, values={"most": max_bytes}
        )
    if not body.strip():
        raise MalformedInput("The body is empty, it should be JSON.")
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise MalformedInput("The body begins with a byte order mark; send plain UTF-8.")
    _check_depth(body, max_depth)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedInput(f"The body is not UTF-8: byte {error.start} is wrong.") from None
    try:
        value = json.loads(
            text, parse_int=_int, parse_float=_float, parse_constant=_constant, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise MalformedInput(f"The body is not JSON: {reason}{where}.") from None
    for path, reason in _faults(value, ""):
        field = _shown(path) or None
        raise MalformedInput(f"{f'The field {field}' if field else 'The body'} {reason}.", field=field)
    return value


def clean_text(
    value: str, field: str, *, max_chars: int, max_bytes: int, multiline: bool, required: bool = False
) -> str:
    """The text as the reader wrote it, less what no store or page can hold.

    Kept byte for byte (no Unicode normalisation: judging and showing make their own copies), but for this:
    control characters of C0 are dropped except tab and line feed; with `multiline` CRLF and CR become line feeds,
    without it every run of tabs and line breaks becomes one space.

    Raises InvalidInput that names `field`: over `max_chars` code points or `max_bytes` bytes of UTF-8, NUL, a lone
    surrogate, and, when `required`, nothing left that an eye could see (only white space, zero-width and formatting
    characters). Length is looked at first, all steps are linear.
    """
    # Twice, because CRLF counts as one character below and a browser sends every line break as CRLF.
    if len(value) > 2 * max_chars:
        raise _too_long(field, max_chars, "characters")
    if "\x00" in value:
        raise InvalidInput("The field %(field)s holds a NUL character.", field=field, values={"field": field})
    text = _LINE_BREAKS.sub("\n", value) if multiline else _BREAKS.sub(" ", value)
    text = _CONTROLS.sub("", text)
    if len(text) > max_chars:
        raise _too_long(field, max_chars, "characters")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidInput(
            "The field %(field)s holds half a character (a lone surrogate).", field=field, values={"field": field}
        ) from None
    if size > max_bytes:
        raise _too_long(field, max_bytes, "bytes")
    if required and is_blank(text):
        raise InvalidInput("The field %(field)s is empty.", field=field, values={"field": field})
    return text


def is_blank(text: str) -> bool:
    """Whether nothing of `text` can be seen: white space, formatting and zero-width characters only."""
    return all(
        char.isspace() or unicodedata.category(char) in _INVISIBLE or char in _BLANKS or _is_selector(char)
        for char in text
    )


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _too_long(field: str, limit: int, unit: str) -> InvalidInput:
    return InvalidInput(
        f"The field %(field)s is longer than %(most)s {unit}.",
        field=field,
        details={f"max_{unit}": limit},
        values={"field": field, "most": limit},
    )


def _check_depth(body: bytes, max_depth: int) -> None:
    depth = 0
    for token in _TOKENS.finditer(body):
        first = body[token.start()]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                raise MalformedInput(f"The body is nested deeper than {max_depth} levels.")
        elif first in b"]}":
            depth -= 1


def _int(text: str) -> Any:
    # The length first: turning a number of many digits into an int takes quadratic time.
    if len(text) > _LONGEST_INT or int(text) not in _INT64:
        return _Fault("is a whole number of more than 64 bits")
    return int(text)


def _float(text: str) -> Any:
    if len(text) > _LONGEST_FLOAT:
        return _Fault(f"is a number of more than {_LONGEST_FLOAT} characters")
    number = float(text)
    if number in (float("inf"), float("-inf")):
        return _Fault("is a number too large to be held")
    return number


def _constant(text: str) -> Any:
    return _Fault(f"is {text}, which is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    doubled = _Doubled(plain)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            doubled.key = key
            break
        seen.add(key)
    return doubled


def _faults(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every fault below `value` with its path; the depth is bounded by `_check_depth`."""
    if isinstance(value, _Fault):
        yield path, value.reason
    elif isinstance(value, str):
        if _has_surrogate(value):
            yield path, "holds half a character (a lone surrogate)"
    elif isinstance(value, dict):
        if isinstance(value, _Doubled):
            yield _join(path, value.key), "is there twice"
        for key, item in value.items():
            if _has_surrogate(key):
                yield _join(path, key), "has a name with half a character (a lone surrogate)"
            yield from _faults(item, _join(path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(item, _join(path, str(index)))


def _join(path: str, name: str) -> str:
    # Bounded: a chain of long keys would otherwise be copied again at every level.
    return f"{path}.{name[: _SHOWN + 1]}" if path else name[: _SHOWN + 1]


def _has_surrogate(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _shown(path: str) -> str:
    """A path fit for a message and a log line: printable, encodable and short."""
    text = "".join(char if char.isprintable() else "\ufffd" for char in path[: _SHOWN + 1])
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
