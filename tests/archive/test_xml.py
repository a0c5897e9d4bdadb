"""XML that is hostile, damaged or merely untidy."""

import pytest

from moderation.archive.elements import MAX_DEPTH, MAX_TAG, stream
from moderation.errors import InvalidInput, MalformedInput
from tests.archive import samples


def texts(document: str | bytes) -> list[str]:
    found = stream(samples.stream(document), root="r", tops=("a",))
    return [node.text("b") for node in found]


def test_an_element_is_found_by_its_local_name_whatever_its_prefix() -> None:
    assert texts("<r><x:a><y:b>satu</y:b></x:a><a><b>dua</b></a></r>") == ["satu", "dua"]


def test_cdata_that_was_split_around_its_own_end_is_put_together() -> None:
    assert texts("<r><a><b><![CDATA[x ]]]]><![CDATA[> y]]></b></a></r>") == ["x ]]> y"]


def test_control_characters_and_references_to_them_are_left_out() -> None:
    assert texts("<r><a><b>a\x0bb\x00c&#8;d&#x1F;e&#xD800;f&#99999999;g&amp;&#33;</b></a></r>") == ["abcdefg&!"]


@pytest.mark.parametrize("before", range(65526, 65538))
def test_a_reference_between_two_pieces_of_the_file_is_seen_whole(before: int) -> None:
    start = "<r><a><b>"
    filling = "x" * (before - len(start))
    assert texts(f"{start}{filling}&#8;y&#33;</b></a></r>") == [f"{filling}y!"]


def test_what_stands_before_the_declaration_is_left_out() -> None:
    assert texts('\n\n  <?xml version="1.0" encoding="UTF-8"?><r><a><b>é</b></a></r>') == ["é"]


def test_the_declared_encoding_counts() -> None:
    assert texts('<?xml version="1.0" encoding="ISO-8859-1"?><r><a><b>é</b></a></r>'.encode("latin-1")) == ["é"]
    assert texts('<?xml version="1.0" encoding="nonsense"?><r><a><b>é</b></a></r>'.encode()) == ["é"]
    assert texts("<r><a><b>é</b></a></r>".encode("utf-16")) == ["é"]


def test_bytes_that_are_no_utf8_do_not_end_the_file() -> None:
    assert texts(b"<r><a><b>\xff</b></a><a><b>y</b></a></r>") == ["\ufffd", "y"]


def test_named_characters_of_html_are_known_without_any_declaration() -> None:
    assert texts("<r><a><b>a&nbsp;b&eacute;&unknown;</b></a></r>") == ["a\xa0bé&unknown;"]


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE r [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE r SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1/x.dtd"> %p;]>',
    ],
)
def test_a_document_type_is_refused_with_a_sentence(doctype: str) -> None:
    with pytest.raises(InvalidInput, match="document type"):
        texts(f"{doctype}<r><a><b>&b;</b></a></r>")


def test_another_kind_of_file_is_refused_and_named() -> None:
    with pytest.raises(InvalidInput, match="<disqus>"):
        texts("<disqus><a/></disqus>")


@pytest.mark.parametrize("end", ["", "<a><b>zwei", "<a></b></a></r>"])
def test_what_stands_before_the_break_is_kept_and_the_break_has_its_place(end: str) -> None:
    nodes = stream(samples.stream(f"<r><a><b>satu</b></a>\n{end}"), root="r", tops=("a",))
    assert next(nodes).text("b") == "satu"
    with pytest.raises(MalformedInput, match="line 2"):
        next(nodes)


def test_depth_has_an_end() -> None:
    with pytest.raises(MalformedInput, match="nested"):
        texts("<r>" + "<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH + "</r>")


def test_a_tag_that_never_ends_is_given_up() -> None:
    with pytest.raises(MalformedInput, match="does not end"):
        texts("<r><a x='" + "y" * (MAX_TAG + 200_000) + "'/></r>")
