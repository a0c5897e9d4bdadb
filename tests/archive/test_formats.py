"""What each format is read as, without a database."""

import gzip
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.archive import records, rows, store
from moderation.archive.coral import CoralReader, DownloadReader, Peeked
from moderation.archive.disqus import DisqusReader
from moderation.archive.rows import CsvReader, JsonlReader
from moderation.archive.sources import json_objects, open_source
from moderation.archive.wxr import WxrReader
from moderation.comments import authors
from moderation.errors import InvalidInput, MalformedInput
from tests.archive.samples import Read, jsonl, row, stream, wxr, wxr_comment, wxr_item

JAKARTA = ZoneInfo("Asia/Jakarta")
AT = datetime(2024, 5, 1, 3, 4, 5, tzinfo=UTC)


def read_wxr(text: str) -> Read:
    return Read(WxrReader(stream(text), JAKARTA))


def read_csv(text: str | bytes, **names: str) -> Read:
    return Read(CsvReader(stream(text), JAKARTA, names))


def read_jsonl(text: str | bytes, **names: str) -> Read:
    return Read(JsonlReader(stream(text), JAKARTA, names))


# --- WordPress ---


def test_a_wordpress_comment_comes_with_its_story_author_and_html() -> None:
    text = 'Lihat <a href="http://x.example">ini</a> ]]]]><![CDATA[> & "itu" 😀'
    found = read_wxr(wxr(wxr_item(7, wxr_comment(1, text), wxr_comment(2, comment_parent="1", comment_user_id="5"))))
    first, second = (record.comment for record in found.records)
    assert (first.external_id, first.story.external_id, first.story.title) == ("1", "7", "Banjir & macet")
    assert first.story.published_at == datetime(2024, 4, 30, 19, 24, 7, tzinfo=UTC)
    assert (first.created_at, first.format, first.parent_external_id) == (AT, "html", None)
    assert first.text == 'Lihat <a href="http://x.example">ini</a> ]]> & "itu" 😀'
    assert (first.author.email, first.author.ip, first.author.external_id) == (
        "rani@contoh.example",
        "203.0.113.9",
        None,
    )
    assert (second.parent_external_id, second.author.external_id) == ("1", "5")


@pytest.mark.parametrize(
    ("approved", "verdict"),
    [
        ("1", ("approve", None)),
        ("0", ("hold", None)),
        ("spam", ("reject", "SPAM")),
        ("trash", ("reject", "OTHER")),
        ("post-trashed", ("reject", "OTHER")),
    ],
)
def test_a_wordpress_status_is_a_decision(approved: str, verdict: tuple[str, str | None]) -> None:
    (record,) = read_wxr(wxr(wxr_item(7, wxr_comment(1, comment_approved=approved)))).records
    assert (record.action, record.reason) == verdict


def test_what_no_reader_wrote_is_skipped_by_kind() -> None:
    kinds = ("pingback", "trackback", "order_note", "", "comment")
    found = read_wxr(wxr(wxr_item(7, *(wxr_comment(n, comment_type=kind) for n, kind in enumerate(kinds)))))
    assert found.skipped == ["pingback", "trackback", "order_note"]
    assert list(found.by_id) == ["3", "4"]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_every_version_of_wxr_is_read(version: str) -> None:
    text = wxr(wxr_item(7, wxr_comment(1))).replace("export/1.2/", f"export/{version}/")
    assert len(read_wxr(text).records) == 1


def test_without_a_time_in_utc_the_sites_own_time_counts() -> None:
    found = read_wxr(wxr(wxr_item(7, wxr_comment(1, comment_date_gmt="0000-00-00 00:00:00"))))
    assert found.records[0].comment.created_at == AT


def test_a_story_without_a_link_has_its_guid() -> None:
    (record,) = read_wxr(wxr(wxr_item(7, wxr_comment(1), link=""))).records
    assert record.comment.story.url == "http://warta.example/?p=7"


def test_bad_wordpress_comments_are_named_by_number_and_line_and_the_others_read() -> None:
    text = wxr(
        wxr_item(
            7,
            wxr_comment(1),
            wxr_comment(2, "<p> </p>"),
            wxr_comment(3, "x" * 70_000),
            wxr_comment(4, comment_approved="perhaps"),
            wxr_comment(5, comment_date_gmt="yesterday"),
            wxr_comment(6, comment_author="y" * 300),
            wxr_comment(7),
        )
    )
    found = read_wxr(text)
    assert list(found.by_id) == ["1", "7"]
    assert [number for number, _, _ in found.faults] == [2, 3, 4, 5, 6]
    assert [line for _, line, _ in found.faults] == [5, 6, 7, 8, 9]
    assert "content" in found.faults[1][2]
    assert "author_name" in found.faults[4][2]


def test_a_claim_about_the_author_that_is_none_is_left_out() -> None:
    wrong = {
        "comment_author_url": "javascript:alert(1)",
        "comment_author_IP": "300.1.2.3",
        "comment_author_email": "x" * 101,
    }
    (record,) = read_wxr(wxr(wxr_item(7, wxr_comment(1, **wrong)))).records
    author = record.comment.author
    assert (author.url, author.ip, author.email) == (None, None, None)


# --- Disqus ---

DISQUS = """<?xml version="1.0" encoding="utf-8"?>
<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">
<category dsq:id="100"><title>General</title></category>
<thread dsq:id="200"><id>4 http://warta.example/?p=4</id><category dsq:id="100"/><link>http://warta.example/a/</link>
<title>A</title><createdAt>2024-05-01T02:00:00Z</createdAt></thread>
<thread dsq:id="201"><id>other</id><link>http://warta.example/a/</link><title>A again</title></thread>
<thread dsq:id="202"><id/><link>http://warta.example/b/</link><title>B</title></thread>
%s</disqus>"""


def post(
    number: int, thread: int, flags: str = "<isDeleted>false</isDeleted><isSpam>false</isSpam>", more: str = ""
) -> str:
    return (
        f'<post dsq:id="{number}"><id/><message><![CDATA[<p>Bagus &amp; lengkap</p>]]></message>'
        f"<createdAt>2024-05-01T03:04:05Z</createdAt>{flags}<author><name>Budi</name>"
        f"<isAnonymous>false</isAnonymous><username>budi77</username></author>"
        f'<thread dsq:id="{thread}"/>{more}</post>\n'
    )


def test_disqus_threads_of_one_address_are_one_story_named_as_the_site_names_it() -> None:
    found = Read(DisqusReader(stream(DISQUS % (post(1, 200) + post(2, 201) + post(3, 202)))))
    stories = [record.comment.story for record in found.records]
    assert [story.external_id for story in stories] == ["4", "4", "http://warta.example/b/"]
    assert stories[0].published_at == datetime(2024, 5, 1, 2, tzinfo=UTC)


def test_disqus_flags_are_decisions_and_spam_outweighs_deleted() -> None:
    flags = "<isDeleted>{}</isDeleted><isSpam>{}</isSpam>"
    wanted = [("false", "false"), ("true", "false"), ("false", "true"), ("true", "true")]
    posts = "".join(post(n, 200, flags.format(*pair)) for n, pair in enumerate(wanted))
    found = Read(DisqusReader(stream(DISQUS % posts)))
    assert [(record.action, record.reason) for record in found.records] == [
        ("approve", None),
        ("reject", "OTHER"),
        ("reject", "SPAM"),
        ("reject", "SPAM"),
    ]


def test_a_disqus_post_knows_its_parent_and_its_account() -> None:
    anonymous = post(2, 200, more='<parent dsq:id="1"/><ipAddress>203.0.113.9</ipAddress>').replace(
        "<isAnonymous>false", "<isAnonymous>true"
    )
    found = Read(DisqusReader(stream(DISQUS % (post(1, 200) + anonymous + post(3, 999)))))
    assert found.by_id["1"].comment.author.external_id == "disqus:budi77"
    second = found.by_id["2"].comment
    assert (second.parent_external_id, second.author.external_id, second.author.ip) == ("1", None, "203.0.113.9")
    assert [fault[0] for fault in found.faults] == [3]


# --- Coral ---


def coral(number: int, **fields: object) -> dict[str, object]:
    return {
        "_id": {"$oid": "665000000000000000000001"},
        "id": f"c{number}",
        "authorID": "u1",
        "storyID": "s1",
        "parentID": None,
        "revisions": [{"body": "<div>lama</div>"}, {"body": '<div>Berita {bagus} \\ "</div>', "metadata": {}}],
        "status": "NONE",
        "tags": [],
        "createdAt": {"$date": "2024-05-01T03:04:05.000Z"},
        **fields,
    }


STORY = {
    "id": "s1",
    "url": "http://warta.example/a/",
    "metadata": {"title": "A", "section": "Kota", "publishedAt": {"$date": {"$numberLong": "1714528800000"}}},
}
USER = {"id": "u1", "username": "Budi", "email": "budi@contoh.example"}


def read_coral(text: str) -> Read:
    return Read(CoralReader(stream(text), stream(json.dumps([STORY])), stream(jsonl(USER))))


@pytest.mark.parametrize("shape", ["lines", "array", "pretty array"])
def test_coral_is_read_as_lines_and_as_an_array(shape: str) -> None:
    listed = [coral(1), coral(2, parentID="c1")]
    text = {"lines": jsonl(*listed), "array": json.dumps(listed), "pretty array": json.dumps(listed, indent=2)}[shape]
    found = read_coral(text)
    first, second = (record.comment for record in found.records)
    assert (first.text, first.created_at) == ('<div>Berita {bagus} \\ "</div>', AT)
    assert (first.author.name, first.author.external_id, first.author.email) == ("Budi", "u1", "budi@contoh.example")
    assert (first.story.external_id, first.story.title, first.story.section) == ("s1", "A", "Kota")
    assert first.story.published_at == datetime(2024, 5, 1, 2, tzinfo=UTC)
    assert second.parent_external_id == "c1"


def test_corals_statuses_are_decisions() -> None:
    spam = [{"body": "x", "metadata": {"akismet": True}}]
    found = read_coral(
        jsonl(
            coral(1, status="NONE"),
            coral(2, status="APPROVED"),
            coral(3, status="REJECTED"),
            coral(4, status="REJECTED", revisions=spam),
            coral(5, status="PREMOD"),
            coral(6, status="SYSTEM_WITHHELD", tags=[{"type": "STAFF"}]),
            coral(7, deletedAt={"$date": "2025-01-01T00:00:00Z"}),
            coral(8, deletedAt={"$date": "2025-01-01T00:00:00Z"}, revisions=[]),
            coral(9, status="WHATEVER"),
            coral(10, storyID="s9"),
        )
    )
    assert [(record.action, record.reason) for record in found.records] == [
        ("approve", None),
        ("approve", None),
        ("reject", "OTHER"),
        ("reject", "SPAM"),
        ("hold", None),
        ("hold", None),
        ("reject", "OTHER"),
    ]
    assert found.by_id["c6"].comment.author.staff
    assert found.skipped == ["erased"]
    assert [number for number, _, _ in found.faults] == [9, 10]


def test_coral_needs_its_stories() -> None:
    with pytest.raises(InvalidInput, match="--stories"):
        list(CoralReader(stream(jsonl(coral(1))), None, None).items())


@given(
    st.lists(st.dictionaries(st.text(max_size=9), st.text(max_size=20) | st.none(), max_size=3), max_size=5),
    st.booleans(),
)
def test_objects_are_cut_out_of_json_whatever_their_texts(values: list[dict[str, str]], pretty: bool) -> None:
    text = json.dumps(values, indent=1 if pretty else None, ensure_ascii=False)
    assert [json.loads(body or b"") for _, body in json_objects(stream(text), 10_000)] == values


def test_an_object_that_is_too_large_or_cut_off_is_told() -> None:
    text = json.dumps([{"a": "x" * 500_000}, {"a": "y"}], indent=1)
    assert [(line, body and json.loads(body)) for line, body in json_objects(stream(text), 1000)] == [
        (2, None),
        (5, {"a": "y"}),
    ]
    with pytest.raises(MalformedInput, match="line 2"):
        list(json_objects(stream('[\n{"a": 1'), 1000))


DOWNLOAD = (
    "Comment ID,Published Timestamp,Article URL,Comment URL,Comment Text,Media\r\n"
    'c1,"5/1/2024, 03:04:05",http://warta.example/a/,http://warta.example/a/?commentID=c1,<b>Bagus</b>,\r\n'
    "c2,1/5/2024 03.04.05,http://warta.example/a/,,Bagus,\r\n"
    'c3,"31/1/2024, 3:04:05 PM",http://warta.example/a/,,Bagus,\r\n'
    "c4,sometime,http://warta.example/a/,,Bagus,\r\n"
)


def test_a_users_download_is_held_and_its_local_times_are_read(tmp_path: Path) -> None:
    path = tmp_path / "download.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("my_comments.csv", DOWNLOAD)
    source = open_source(str(path))
    file = Peeked(source.file)
    assert file.is_table()
    found = Read(DownloadReader(file))
    source.close()
    assert {record.action for record in found.records} == {"hold"}
    assert [record.comment.created_at for record in found.records] == [
        AT,
        AT,
        datetime(2024, 1, 31, 15, 4, 5, tzinfo=UTC),
    ]
    assert [fault[:2] for fault in found.faults] == [(4, 5)]


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=20))
def test_a_file_that_was_looked_at_reads_as_before(content: bytes, sizes: list[int]) -> None:
    looked, plain = Peeked(io.BytesIO(content)), io.BytesIO(content)
    for size in sizes:
        if size % 2:
            assert looked.readline(size) == plain.readline(size)
        else:
            assert looked.read(size) == plain.read(size)


# --- our own columns ---

TABLE = "id,post_url,parent_id,author_name,author_email,author_ip,created_at,status,content\r\n"


def test_a_table_may_have_a_byte_order_mark_semicolons_and_line_breaks_in_cells() -> None:
    text = (
        TABLE
        + '1,http://warta.example/a,,Budi,budi@contoh.example,203.0.113.9,2024-05-01T03:04:05Z,spam,"a ""b"",\nc"\r\n'
    )
    (record,) = read_csv(text).records
    assert (record.comment.text, record.reason, record.comment.created_at) == ('a "b",\nc', "SPAM", AT)
    assert record.comment.story.external_id == "http://warta.example/a"
    again = read_csv(("\ufeff" + text.replace(",", ";")).encode())
    assert again.records[0].comment.text == 'a "b";\nc'


def test_bad_rows_of_a_table_are_named_by_number_and_line() -> None:
    good = "{},http://warta.example/a,,Budi,,,2024-05-01T03:04:05Z,approved,{}\r\n"
    text = (
        (
            TABLE
            + good.format(1, '"satu\ndua"')
            + "2,http://warta.example/a\r\n"
            + "\r\n"
            + good.format(3, "x" * 200_000)
            + good.format(4, "y" * 2_000_000)
            + good.format(5, "akhir").replace("approved", "perhaps")
            + good.format(6, "akhir").replace("http:", "ftp:")
            + good.format(7, "akhir").replace("2024-05-01", "01/05/2024")
        ).encode()
        + good.format(8, "\udcff").encode("utf-8", "surrogateescape")
        + good.format(9, "akhir").encode()
    )
    found = read_csv(text)
    assert list(found.by_id) == ["1", "9"]
    assert [fault[:2] for fault in found.faults] == [(2, 4), (3, 6), (4, 7), (5, 8), (6, 9), (7, 10), (8, 11)]
    assert [
        word in fault[2]
        for word, fault in zip(
            ("columns", "limit", "limit", "status", "http", "created_at", "UTF-8"), found.faults, strict=True
        )
    ] == [True] * 7


def test_columns_of_another_name_are_mapped_and_unknown_ones_refused() -> None:
    text = "nomor,post_url,isi,created_at,status,catatan\n1,http://warta.example/a,Bagus,2024-05-01,1,x\n"
    with pytest.raises(InvalidInput, match="--map nomor"):
        read_csv(text)
    with pytest.raises(InvalidInput, match="content is missing"):
        read_csv(text, nomor="id", isi="", catatan="")
    (record,) = read_csv(text, nomor="id", isi="content", catatan="").records
    assert (record.comment.external_id, record.comment.text, record.action) == ("1", "Bagus", "approve")
    assert record.comment.created_at == datetime(2024, 4, 30, 17, tzinfo=UTC)


@given(st.text())
def test_no_cell_is_a_formula_and_every_cell_comes_back(cell: str) -> None:
    assert rows.guarded(cell)[:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert rows.unguarded(rows.guarded(cell)) == cell


def test_a_line_of_json_is_read_with_numbers_as_ids() -> None:
    found = read_jsonl(
        "\ufeff" + jsonl(row(1, id=1, status="trash"), "", row(2, parent_id=1, staff=True, format="html"))
    )
    first, second = found.records
    assert (first.comment.external_id, first.reason) == ("1", "OTHER")
    assert (second.comment.parent_external_id, second.comment.author.staff, second.comment.format) == (
        "1",
        True,
        "html",
    )


def test_bad_lines_of_json_are_named_by_line_and_none_ends_the_file() -> None:
    bad = [
        "{",
        "[1]",
        '{"id": "1", "id": "2"}',
        jsonl(row(2, "a\x00b")).strip(),
        '{"content": "\\ud800"}',
        jsonl(row(3, parentid="1")).strip(),
        jsonl(row(4, content=["x"])).strip(),
        jsonl(row(5, created_at="0001-01-01T00:00:00+07:00")).strip(),
        jsonl(row(6, "x" * 1_100_000)).strip(),
        jsonl(row("")).strip(),
        jsonl(row(7, "\u200b")).strip(),
        "[" * 100_000,
        jsonl(row(8, reason="UGLY", status="rejected")).strip(),
        jsonl(row(9, author="Budi")).strip(),
    ]
    found = read_jsonl(jsonl(row(1), *bad, row(100)).encode() + b'{"id": "\xff"}\n')
    assert list(found.by_id) == ["1", "100"]
    assert [line for _, line, _ in found.faults] == [*range(2, 2 + len(bad)), 3 + len(bad)]
    assert "parentid" in found.faults[5][2]


def test_a_gzip_file_is_read_and_its_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(jsonl(row(1)).encode()))
    source = open_source(str(path))
    assert len(Read(JsonlReader(source.file, UTC, {})).records) == 1
    source.close()
    path.write_bytes(path.read_bytes()[:-12])
    source = open_source(str(path))
    with pytest.raises(MalformedInput, match="damaged"):
        Read(JsonlReader(source.file, UTC, {}))
    source.close()


def test_an_address_that_is_too_long_for_an_id_still_tells_stories_apart() -> None:
    long = [records.story_id_of(f"http://warta.example/{'x' * 300}{end}") for end in "ab"]
    assert long[0] != long[1]
    assert max(len(name) for name in long) <= 255
    assert records.story_id_of("http://warta.example/a#komentar") == "http://warta.example/a"


@given(st.ip_addresses().map(str) | st.text(max_size=20))
def test_the_quick_way_to_a_network_answers_as_the_slow_one(address: str) -> None:
    assert store.network_of(address) == authors.network_of(address)
