"""Feeds are valid XML whatever readers write, and their entries keep their names."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.comments import feeds
from moderation.comments.reading import Recent

ATOM = "{http://www.w3.org/2005/Atom}"
DC = "{http://purl.org/dc/elements/1.1/}"

COMMENT = Recent(
    id=7,
    author_name="Rani & Co",
    staff=False,
    story_external_id="s1",
    story_title="Tarif <feri> naik",
    story_url="https://warta.example/s1?a=1&b=2#atas",
    text="1 < 2 & 3 > 2\nbaris kedua",
    created_at=datetime(2026, 11, 1, 8, 0, tzinfo=UTC),
    updated_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
)


def feed(*comments: Recent) -> feeds.Feed:
    return feeds.Feed(
        public_id="p1",
        story=None,
        title="Komentar: Warta",
        language="id",
        page="https://warta.example",
        address="https://moderasi.example/f/p1/feed.rss?story=a&x=1",
        entries=[feeds.Entry(comment, f"{comment.author_name} di {comment.story_title}") for comment in comments],
    )


def read(xml: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(xml)  # noqa: S314 our own feed


def test_an_rss_item_links_to_the_comment_and_has_its_date_author_and_text() -> None:
    channel = read(feeds.rss(feed(COMMENT)))[0]
    item = channel.find("item")
    assert item is not None
    assert item.findtext("link") == "https://warta.example/s1?a=1&b=2#comment-7"
    assert item.findtext("pubDate") == "Sun, 01 Nov 2026 08:00:00 GMT"
    assert item.findtext(f"{DC}creator") == "Rani & Co"
    assert item.findtext("description") == "1 &lt; 2 &amp; 3 &gt; 2<br>baris kedua"  # HTML, by custom
    assert item.findtext("title") == "Rani & Co di Tarif <feri> naik"
    assert channel.findtext("language") == "id"
    assert channel.findtext("lastBuildDate") == "Mon, 02 Nov 2026 09:30:00 GMT"
    own = channel.find(f"{ATOM}link")
    assert own is not None
    assert own.attrib["href"].endswith("feed.rss?story=a&x=1")


def test_an_atom_entry_has_plain_text_and_says_when_it_was_written_and_changed() -> None:
    root = read(feeds.atom(feed(COMMENT)))
    entry = root.find(f"{ATOM}entry")
    assert entry is not None
    content = entry.find(f"{ATOM}content")
    assert content is not None
    assert (content.attrib["type"], content.text) == ("text", COMMENT.text)
    assert entry.findtext(f"{ATOM}published") == "2026-11-01T08:00:00Z"
    assert entry.findtext(f"{ATOM}updated") == "2026-11-02T09:30:00Z"
    assert root.findtext(f"{ATOM}updated") == "2026-11-02T09:30:00Z"
    assert root.attrib["{http://www.w3.org/XML/1998/namespace}lang"] == "id"


def test_an_entrys_name_stays_when_text_title_and_address_change() -> None:
    moved = replace(COMMENT, story_url="https://baru.example/x", story_title="Lain", text="lain", author_name="Lain")
    for write, path in ((feeds.rss, "channel/item/guid"), (feeds.atom, f"{ATOM}entry/{ATOM}id")):
        names = {read(write(feed(comment))).findtext(path) for comment in (COMMENT, moved)}
        assert len(names) == 1
        assert names.pop().startswith("urn:uuid:")  # type: ignore[union-attr]  # findtext found it
        assert read(write(feed(replace(COMMENT, id=8)))).findtext(path) not in names


def test_a_site_and_its_stories_have_feeds_of_different_names() -> None:
    made = [feed(), replace(feed(), story="s1"), replace(feed(), story="s2"), replace(feed(), public_id="p2")]
    assert len({read(feeds.atom(one)).findtext(f"{ATOM}id") for one in made}) == 4


@pytest.mark.parametrize("write", [feeds.rss, feeds.atom])
def test_an_empty_feed_is_a_feed_and_the_same_at_every_reading(write: Callable[[feeds.Feed], bytes]) -> None:
    assert write(feed()) == write(feed())
    assert b"Komentar: Warta" in write(feed())


@given(st.text(), st.text(max_size=40))
def test_whatever_readers_write_the_feed_is_valid_xml_and_nothing_but_forbidden_characters_is_lost(
    text: str, name: str
) -> None:
    comment = replace(COMMENT, text=text, author_name=name, story_title=name)
    read(feeds.rss(feed(comment)))
    content = read(feeds.atom(feed(comment))).findtext(f"{ATOM}entry/{ATOM}content") or ""
    allowed = "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
    assert content == allowed.replace("\r\n", "\n").replace("\r", "\n")
