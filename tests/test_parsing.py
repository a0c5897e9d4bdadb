"""Strict JSON and clean text: one reading or a clear refusal, in linear time, and never another error."""

import contextlib
import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moderation.errors import InvalidInput, MalformedInput, ModerationError, TooLarge
from moderation.parsing import clean_text, is_blank, read_json

LIMIT = 256 * 1024


def read(body: bytes) -> object:
    return read_json(body, max_bytes=LIMIT)


def refusal(body: bytes) -> MalformedInput:
    with pytest.raises(MalformedInput) as refused:
        read(body)
    assert refused.value.message.endswith(".")
    return refused.value


def clean(value: str, *, multiline: bool = True, required: bool = True, chars: int = 20, size: int = 60) -> str:
    return clean_text(value, "author.name", max_chars=chars, max_bytes=size, multiline=multiline, required=required)


numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_honest_json_is_read_as_it_was_written(value: object) -> None:
    assert read(json.dumps(value).encode()) == value
    assert read(json.dumps(value, ensure_ascii=False).encode()) == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='[]{}":,\\u0dN1eE+-.9 ', max_size=80).map(str.encode))
@example(b'{"a": "\\')
@example(b'"\\ud800"')
@example(b"1" * 5000)
def test_no_bytes_raise_another_error(body: bytes) -> None:
    with contextlib.suppress(ModerationError):
        read(body)


@pytest.mark.parametrize(
    ("body", "field", "word"),
    [
        (b"", None, "empty"),
        (b" \n", None, "empty"),
        (b'\xef\xbb\xbf{"a": 1}', None, "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), None, "byte order mark"),
        ('{"a": 1}'.encode("utf-16-le"), None, "not JSON"),
        ('{"a": 1}'.encode("utf-32-be"), None, "not JSON"),
        (b'{"a": "\xe9"}', None, "byte 7"),
        (b'{"a": "\xed\xa0\x80"}', None, "not UTF-8"),
        (b'{"a": 1} x', None, "column 10"),
        (b'{"a": 1,}', None, "not JSON"),
        (b"{'a': 1}", None, "not JSON"),
        (b'{"a": "\x01"}', None, "not JSON"),
        (b'{"a": 1, "b": 2, "a": 1}', "a", "twice"),
        (b'{"author": {"name": 1, "name": 2}}', "author.name", "twice"),
        (b'{"items": [{}, {"x": [1, NaN]}]}', "items.1.x.1", "NaN"),
        (b'{"author": {"age": -Infinity}}', "author.age", "-Infinity"),
        (b'{"score": 1e999}', "score", "too large"),
        (b'{"score": -1E+400}', "score", "too large"),
        (b'{"score": 0.%s}' % (b"1" * 100), "score", "64 characters"),
        (b'{"id": 9223372036854775808}', "id", "64 bits"),
        (b'{"id": -9223372036854775809}', "id", "64 bits"),
        (b'{"id": %s}' % (b"9" * 5000), "id", "64 bits"),
        (b'{"author": {"name": "a\\ud83d"}}', "author.name", "surrogate"),
        (b'{"author": {"\\udc00": 1}}', "author.\ufffd", "surrogate"),
        (b'["a", "\\udfff"]', "1", "surrogate"),
        (b'"\\ud800"', None, "surrogate"),
        (b"NaN", None, "NaN"),
        (b'{"a\\nb": NaN}', "a\ufffdb", "NaN"),
        (b'{"%s": NaN}' % (b"k" * 5000), "k" * 99 + "…", "NaN"),
    ],
)
def test_two_ways_to_read_are_refused_and_the_field_is_named(body: bytes, field: str | None, word: str) -> None:
    error = refusal(body)
    assert error.field == field
    assert word in error.message
    error.message.encode()  # fit for an answer and a log line


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, 0, 1.5, -0.0, 1e308])
def test_numbers_at_the_edge_are_read(number: float) -> None:
    assert read(json.dumps({"n": number}).encode()) == {"n": number}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read(b'"\\ud83d\\ude00"') == "😀"


@pytest.mark.parametrize(("left", "right"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_sixteen_levels_are_read_and_seventeen_refused(left: bytes, right: bytes) -> None:
    read(left * 16 + b"1" + right * 16)
    assert "16 levels" in refusal(left * 17 + b"1" + right * 17).message
    assert "16 levels" in refusal(left * 20_000).message


def test_brackets_inside_a_string_are_no_nesting() -> None:
    text = '[[[{{{"' * 20
    assert read(json.dumps([text]).encode()) == [text]


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge) as refused:
        read_json(b"[" * 11, max_bytes=10)
    assert refused.value.details == {"max_bytes": 10}


@pytest.mark.parametrize(
    "piece", [b'"', b'\\"', b'"\\', b'"\\"', b"[]", b"{", b'{"a":1},', b"1", b"-", b"\\ud800", b'["\\ud800",']
)
def test_the_worst_bodies_are_refused_in_linear_time(piece: bytes) -> None:
    for body in (piece * (LIMIT // len(piece)), b'{"a": "' + piece * ((LIMIT - 9) // len(piece)) + b'"}'):
        started = time.process_time()
        with contextlib.suppress(MalformedInput):
            read(body)
        assert time.process_time() - started < 1.0


def test_a_deep_chain_of_long_keys_is_read_in_linear_time() -> None:
    key = b"k" * (LIMIT // 17)
    body = b'{"%s":' % key * 15 + b"1" + b"}" * 15
    started = time.process_time()
    read(body)
    assert time.process_time() - started < 0.5


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=40), st.booleans(), st.booleans())
@example("\r\n\r\n", True, False)
@example("\x00", False, False)
@example("\ud800", True, True)
def test_text_is_clean_or_refused_by_name(value: str, multiline: bool, required: bool) -> None:
    refused: ModerationError | None = None
    text = ""
    try:
        text = clean(value, multiline=multiline, required=required)
    except ModerationError as error:
        refused = error
    if refused is not None:
        assert isinstance(refused, InvalidInput)
        assert refused.field == "author.name"
        assert "author.name" in refused.message
        return
    assert len(text) <= 20
    assert len(text.encode()) <= 60
    assert not any(ord(char) < 32 and char not in "\n\t" for char in text)
    assert multiline or not any(char in "\n\t" for char in text)
    assert clean(text, multiline=multiline, required=required) == text


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("cafe\u0301 ﬁ Ａ \u202e", "cafe\u0301 ﬁ Ａ \u202e"),
        ("a\x01\x1b\tb\x7f", "a\tb\x7f"),
        ("  a  ", "  a  "),
    ],
)
def test_a_text_of_lines_is_kept_but_for_line_ends_and_controls(value: str, kept: str) -> None:
    assert clean(value) == kept


def test_a_field_of_one_line_has_no_line_breaks() -> None:
    assert clean("Budi\r\n\tSantoso\nX", multiline=False) == "Budi Santoso X"


@pytest.mark.parametrize(
    "blank", ["", " ", "\n\t ", "\u200b\u200d\ufeff", "\u00ad\u2060", "\u3164\u2800", "\ufe0f", "\x01"]
)
def test_what_nobody_can_see_is_empty(blank: str) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        clean(blank)
    assert is_blank(blank)
    assert clean(blank, required=False) is not None


@pytest.mark.parametrize("text", ["a", "😀", ".", "\u200ba", "ا", "।"])
def test_a_single_visible_character_is_a_text(text: str) -> None:
    assert clean(text) == text


def test_the_limit_counts_code_points_and_bytes_after_line_ends_became_one() -> None:
    assert clean("a\r\n" * 10) == "a\n" * 10
    for value, word in [("a" * 21, "20 characters"), ("a" * 10_000_000, "20 characters"), ("😀" * 16, "60 bytes")]:
        with pytest.raises(InvalidInput, match=word) as refused:
            clean(value)
        assert refused.value.details
