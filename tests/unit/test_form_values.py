"""The form's four faults, its limits, and its timing token."""

from datetime import UTC, datetime, timedelta

import pytest

from moderation.comments import form
from moderation.comments.form import FormFaults, make_token, read, token_flag
from moderation.errors import NotAllowed

GOOD = {"comment": "Halo", "author": "Rani", "email": "rani@contoh.example", "url": ""}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = b"k" * 32


def faults(**fields: str) -> dict[str, str]:
    with pytest.raises(FormFaults) as error:
        read({**GOOD, **fields}, None)
    return dict(error.value.errors)


def test_a_good_form_is_read() -> None:
    given = read({**GOOD, "comment_parent": "7"}, "127.0.0.1")
    assert (given.text, given.author.name, given.parent_id) == ("Halo", "Rani", 7)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("comment", "", "Please enter your comment!"),
        ("comment", " \u200b\n ", "Please enter your comment!"),
        ("author", "  ", "Please enter your name here"),
        ("email", "", "Please enter your email address here"),
        ("email", "rani@contoh", "You have entered an incorrect email address!"),
        ("email", "rani", "You have entered an incorrect email address!"),
    ],
)
def test_the_four_faults_have_the_themes_four_texts(field: str, value: str, sentence: str) -> None:
    assert faults(**{field: value}) == {field: sentence}


def test_all_faults_are_told_at_once() -> None:
    assert set(faults(comment="", author="", email="x")) == {"comment", "author", "email"}


@pytest.mark.parametrize(("field", "size"), [("comment", 65526), ("author", 246), ("url", 201)])
def test_lengths_are_wordpresss_in_bytes(field: str, size: int) -> None:
    assert field in faults(**{field: "a" * size})
    assert field in faults(**{field: "😀" * (size // 4 + 1)})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("example.org", "http://example.org"),
        ("https://example.org/a?b", "https://example.org/a?b"),
        ("javascript:alert(1)", None),
        ("ftp://example.org", None),
        ("http://user:pw@example.org", None),
        ("http://exa mple.org", None),
    ],
)
def test_only_web_addresses_are_kept(given: str, kept: str | None) -> None:
    assert form.clean_url(given) == kept


def flag(token: str, later: float = 10.0, story: str = "s1") -> str | None:
    return token_flag(
        token,
        key=KEY,
        public_id="p",
        story_external_id=story,
        now=NOW + timedelta(seconds=later),
        min_seconds=2,
    )


def test_a_token_tells_how_long_the_form_was_open() -> None:
    token = make_token(KEY, "p", "s1", NOW)
    assert flag(token) is None
    assert flag(token, later=1) == "too_fast"
    assert flag(token, later=3 * 86400) == "no_timing_token"
    assert flag("") == "no_timing_token"


@pytest.mark.parametrize("token", ["1.2", "abc", "9" * 40 + ".x", "١٢٣.x", "1763899200.é"])
def test_a_forged_token_is_refused(token: str) -> None:
    with pytest.raises(NotAllowed):
        flag(token)


def test_a_token_of_another_story_is_forged() -> None:
    with pytest.raises(NotAllowed):
        flag(make_token(KEY, "p", "s2", NOW))
