"""What the public reads: pages that neither skip nor repeat, counts, boxes, feeds, and what caches are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from moderation.accounts.models import Site
from moderation.accounts.sites import NewSite
from moderation.comments import reading
from moderation.comments.models import Comment, Revision, Story
from moderation.db import Database, utcnow

from .helpers import add_site, api_body, bearer

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SOON, EARLIER = NOW + timedelta(seconds=5), NOW - timedelta(days=3)

SHOWN = {"shown": False, "shown_next": True, "shown_at": EARLIER}
NOT_SHOWN = {"shown": False, "shown_next": False, "shown_at": EARLIER}
REJECTED_SINCE = {"shown": True, "shown_next": False, "shown_at": EARLIER}
LEAVES_SOON = {"shown": True, "shown_next": False, "shown_at": SOON}
COMES_SOON = {"shown": False, "shown_next": True, "shown_at": SOON}
PUBLIC = (SHOWN, LEAVES_SOON)

_names = count()


@dataclass(frozen=True)
class Row:
    """A comment of a test. `parent`: the place of its parent in the list; `minute`: when it was written."""

    minute: int = 0
    parent: int | None = None
    state: Any = None
    text: str = "Terima kasih, artikelnya jelas."
    staff: bool = False

    @property
    def is_public(self) -> bool:
        return self.state is None or self.state in PUBLIC


def fill(db: Database, site: Site, story: str, rows: list[Row], start: datetime = EARLIER) -> list[int]:
    """Put comments under a story; their ids, in the order of the list."""
    with db.transaction() as session:
        made = reading.story_of(session, site.id, story)
        if made is None:
            url, title = f"http://warta.example/{story}", f"Judul {story}"
            made = Story(site_id=site.id, external_id=story, url=url, title=title, created_at=NOW)
            session.add(made)
            session.flush()
        first = (session.scalar(sa.select(sa.func.max(Comment.id))) or 0) + 1
        ids = list(range(first, first + len(rows)))
        values = [
            {
                "id": number,
                "site_id": site.id,
                "story_id": made.id,
                "external_id": f"c{number}",
                "parent_id": None if row.parent is None else ids[row.parent],
                "source": "import",
                "status": "APPROVED" if row.is_public else "REJECTED",
                "author_name": f"Pembaca {number}",
                "staff": row.staff,
                "created_at": start + timedelta(minutes=row.minute),
                "received_at": NOW,
                "pending_since": NOW,
                **(row.state or SHOWN),
            }
            for number, row in zip(ids, rows, strict=True)
        ]
        # parents first: PostgreSQL checks row by row
        for value in sorted(values, key=lambda value: value["id"]):
            session.execute(insert(Comment), [value])
        texts = [
            {"comment_id": number, "number": 1, "text": row.text, "text_hash": "x", "created_at": NOW}
            for number, row in zip(ids, rows, strict=True)
        ]
        if texts:
            session.execute(insert(Revision), texts)
    return ids


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            sent.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    yield sent
    sa.event.remove(db.engine, "before_cursor_execute", note)


@pytest.fixture
def made(db: Database) -> NewSite:
    return add_site(db)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def site_path(made: NewSite, path: str) -> str:
    return f"/f/{made.site.public_id}/{path}"


# --- pages of a thread ---


def walk(db: Database, site: Site, story: str, sort: str, size: int) -> tuple[list[int], list[int]]:
    """The ids of all roots, and of everything, as somebody meets them who follows `next` and `more` to the end."""
    roots: list[int] = []
    met: list[int] = []

    def visit(item: reading.Shown) -> None:
        met.append(item.id)
        for reply in item.replies:
            visit(reply)
        if item.more is not None:
            follow(item.id, item.more)

    def follow(parent: int | None, after: reading.Cursor | None) -> None:
        while True:
            with db.reading() as session:
                page = reading.thread(
                    session, site, story, now=NOW, sort=sort, after=after, parent=parent, page_size=size
                )
            assert len(page.items) <= size
            if parent is None:
                roots.extend(item.id for item in page.items)
            for item in page.items:
                visit(item)
            if page.next is None:
                return
            after = reading.cursor(str(page.next))

    follow(None, None)
    return roots, met


@st.composite
def threads(draw: st.DrawFn) -> list[Row]:
    """Comments with any parents before them in the list, at any times (ties, replies older than what they answer)."""
    states = st.sampled_from([SHOWN, SHOWN, SHOWN, NOT_SHOWN, REJECTED_SINCE, LEAVES_SOON, COMES_SOON])
    rows: list[Row] = []
    for number in range(draw(st.integers(0, 14))):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        rows.append(Row(draw(st.integers(0, 4)), parent, draw(states)))
    return rows


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows=threads(), size=st.integers(1, 4), replies=st.integers(1, 5), levels=st.integers(1, 3))
def test_paging_through_any_thread_meets_each_shown_comment_once(
    db: Database, rows: list[Row], size: int, replies: int, levels: int
) -> None:
    with db.reading() as session:
        site = session.scalars(sa.select(Site)).first()
    site = site or add_site(db, webhook=False).site
    story = f"walk-{next(_names)}"
    ids = fill(db, site, story, rows)
    shown = [n for n, row in enumerate(rows) if row.is_public]
    tops = [n for n in shown if rows[n].parent is None or rows[n].parent not in shown]
    in_time = sorted(tops, key=lambda n: (rows[n].minute, ids[n]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "MAX_REPLIES", replies)
        patch.setattr(reading, "MAX_LEVELS", levels)
        for sort, expected in ((reading.OLDEST, in_time), (reading.NEWEST, in_time[::-1])):
            roots, met = walk(db, site, story, sort, size)
            assert roots == [ids[n] for n in expected]
            assert sorted(met) == sorted(ids[n] for n in shown)
    with db.reading() as session:
        assert reading.counts(session, site, [story], now=NOW) == {story: len(shown)}


def test_an_imported_comment_stands_at_its_own_time_and_not_at_its_arrival(
    db: Database, client: FlaskClient, made: NewSite
) -> None:
    newer, older = fill(db, made.site, "s1", [Row(minute=60), Row(minute=0)])
    for query, order in (("", [older, newer]), ("&sort=newest", [newer, older])):
        page = client.get(site_path(made, f"comments?story=s1{query}")).json
        assert [int(item["id"]) for item in page["comments"]] == order
    assert [item["id"] for item in client.get(site_path(made, "comments/recent")).json["comments"]] == [
        str(newer),
        str(older),
    ]


def test_replies_stand_under_their_roots_in_the_order_of_time_whatever_the_sort(
    db: Database, client: FlaskClient, made: NewSite
) -> None:
    root, late, early = fill(db, made.site, "s1", [Row(0), Row(9, 0), Row(5, 0)])
    for sort in reading.SORTS:
        page = client.get(site_path(made, f"comments?story=s1&sort={sort}")).json
        assert [item["id"] for item in page["comments"]] == [str(root)]
        assert [item["id"] for item in page["comments"][0]["replies"]] == [str(early), str(late)]


def test_a_comment_that_arrives_between_two_pages_moves_nothing(db: Database, made: NewSite) -> None:
    ids = fill(db, made.site, "s1", [Row(minute) for minute in (1, 2, 3, 4)])
    for sort, order in ((reading.OLDEST, ids), (reading.NEWEST, ids[::-1])):
        with db.reading() as session:
            first = reading.thread(session, made.site, "s1", now=NOW, sort=sort, page_size=2)
        fill(db, made.site, "s1", [Row(0 if sort == reading.OLDEST else 5)])  # before what was read already
        with db.reading() as session:
            second = reading.thread(session, made.site, "s1", now=NOW, sort=sort, after=first.next, page_size=2)
        seen = [item.id for item in (*first.items, *second.items)]
        assert seen == order


def test_a_page_costs_a_few_statements_however_deep_and_many_its_replies(db: Database, made: NewSite) -> None:
    chain = [Row(n, n - 1 if n else None) for n in range(60)]
    fill(db, made.site, "deep", chain)
    fill(db, made.site, "wide", [Row(0), *(Row(n, 0) for n in range(40))])
    fill(db, made.site, "many", [Row(n) for n in range(60)])
    for story in ("deep", "wide", "many"):
        with statements(db) as sent, db.reading() as session:
            page = reading.thread(session, made.site, story, now=NOW)
            assert page.items
        assert len(sent) <= 5, story


def test_pages_come_from_the_indexes_of_what_is_shown(db: Database, made: NewSite) -> None:
    fill(db, made.site, "s1", [Row(n) for n in range(3)])
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _k: Any, statement: str, values: Any, *_: Any) -> None:
        if "ORDER BY comment.created_at" in statement:
            sent.append((statement, values))

    sa.event.listen(db.engine, "before_cursor_execute", note)
    with db.reading() as session:
        reading.recent(session, made.site, limit=5, now=NOW)
        reading.thread(session, made.site, "s1", now=NOW, sort=reading.NEWEST, after=reading.Cursor(SOON, 1))
    sa.event.remove(db.engine, "before_cursor_execute", note)
    with db.engine.connect() as connection:
        if not db.is_sqlite:  # three rows are read quickest all at once
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_sort = off")
        explain = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
        plans = ["\n".join(map(str, connection.exec_driver_sql(explain + one, values))) for one, values in sent]
    assert len(plans) == 2
    assert "ix_comment_shown_site" in plans[0]
    assert "ix_comment_shown_story" in plans[1]
    assert "TEMP B-TREE" not in "".join(plans)


def test_two_comments_that_name_each_other_their_answer_harm_no_reading(db: Database, made: NewSite) -> None:
    one, other = fill(db, made.site, "s1", [Row(0), Row(1, 0)])
    with db.transaction() as session:
        session.execute(sa.update(Comment).where(Comment.id == one).values(parent_id=other))
    with db.reading() as session:
        assert reading.thread(session, made.site, "s1", now=NOW).items == []
        page = reading.thread(session, made.site, "s1", now=NOW, parent=one)
    assert [item.id for item in page.items] == [other]


def test_replies_to_what_is_not_shown_are_not_asked_for_under_it(db: Database, made: NewSite) -> None:
    gone, _ = fill(db, made.site, "s1", [Row(0, state=NOT_SHOWN), Row(1, 0)])
    with db.reading() as session:
        assert reading.thread(session, made.site, "s1", now=NOW, parent=gone).items == []


def test_staff_is_marked_on_the_author(db: Database, client: FlaskClient, made: NewSite) -> None:
    fill(db, made.site, "s1", [Row(0, staff=True), Row(1)])
    for path, headers in ((site_path(made, "comments"), {}), ("/api/v1/comments", bearer(made))):
        page = client.get(f"{path}?story=s1", headers=headers).json
        assert [item["author"]["staff"] for item in page["comments"]] == [True, False]
    assert [item["staff"] for item in client.get(site_path(made, "comments/recent")).json["comments"]] == [False, True]


@pytest.mark.parametrize(
    "after", ["x", "1", "1.", ".1", "1.2.3", "999999999999999999.1", "-999999999999999999.1", "1.1234567890123456789"]
)
def test_a_wrong_cursor_is_named(client: FlaskClient, made: NewSite, after: str) -> None:
    answer = client.get(site_path(made, f"comments?story=s1&after={after}"))
    assert (answer.status_code, answer.json["error"]["field"]) == (422, "after")


@pytest.mark.parametrize(("query", "field"), [("sort=best", "sort"), ("parent=x", "parent"), ("limit=201", "limit")])
def test_a_wrong_wish_is_named(client: FlaskClient, made: NewSite, query: str, field: str) -> None:
    answer = client.get(site_path(made, f"comments?story=s1&{query}"))
    assert (answer.status_code, answer.json["error"]["field"]) == (422, field)


# --- counts, recent, most commented ---


def test_counts_of_500_stories_take_one_statement_and_an_unknown_story_counts_0(db: Database, made: NewSite) -> None:
    fill(db, made.site, "a", [Row(0), Row(1, 0), Row(2, state=NOT_SHOWN), Row(3, state=COMES_SOON)])
    fill(db, made.site, "b", [Row(0, state=LEAVES_SOON)])
    fill(db, add_site(db, webhook=False).site, "c", [Row(0)])
    stories = ["a", "b", "c", *(f"tidak-{n}" for n in range(497))]
    with statements(db) as sent, db.reading() as session:
        found = reading.counts(session, made.site, stories, now=NOW)
    assert len(sent) == 1
    assert (found["a"], found["b"], found["c"]) == (2, 1, 0)
    assert list(found) == stories
    assert sum(found.values()) == 3


def test_both_doors_count_by_get_and_by_post(db: Database, client: FlaskClient, made: NewSite) -> None:
    fill(db, made.site, "a/b c", [Row(0)])
    for path, headers in ((site_path(made, "comments"), {}), ("/api/v1/comments", bearer(made))):
        got = client.get(f"{path}/counts", query_string={"story": ["a/b c", "lain"]}, headers=headers)
        sent = client.post(f"{path}/counts", json={"stories": ["a/b c", "lain"]}, headers=headers)
        assert got.json == sent.json == {"counts": {"a/b c": 1, "lain": 0}}


def test_counts_need_a_story_and_take_500(client: FlaskClient, made: NewSite) -> None:
    path = site_path(made, "comments/counts")
    assert client.get(path).json["error"]["field"] == "story"
    assert client.get(path, query_string={"story": ["s"] * 501}).status_code == 422
    assert client.post(path, json={"stories": ["s"] * 501}).json["error"]["field"] == "stories"
    assert client.post(path, json={"stories": [7]}).status_code == 422
    assert client.post(path, json={"stories": [str(n) for n in range(500)]}).status_code == 200


@pytest.mark.parametrize("path", ["counts?story=s", "recent", "most-commented", "?story=s"])
def test_the_servers_door_wants_the_key(client: FlaskClient, path: str) -> None:
    assert client.get(f"/api/v1/comments{path if path[0] == '?' else '/' + path}").status_code == 401


def test_the_most_commented_stories_of_the_last_days_come_first(
    db: Database, client: FlaskClient, made: NewSite
) -> None:
    now = utcnow()
    fill(db, made.site, "old", [Row(n) for n in range(5)], start=now - timedelta(days=8))
    fill(db, made.site, "two", [Row(0), Row(1)], start=now - timedelta(days=2))
    fill(db, made.site, "three", [Row(0), Row(1), Row(2), Row(3, state=NOT_SHOWN)], start=now - timedelta(days=6))
    for path, headers in ((site_path(made, "comments"), {}), ("/api/v1/comments", bearer(made))):
        week = client.get(f"{path}/most-commented", headers=headers).json
        assert [(line["story"], line["count"]) for line in week["stories"]] == [("three", 3), ("two", 2)]
        assert week["stories"][0] == {
            "story": "three",
            "title": "Judul three",
            "url": "http://warta.example/three",
            "count": 3,
        }
        month = client.get(f"{path}/most-commented?days=30&limit=1", headers=headers).json
        assert [line["story"] for line in month["stories"]] == ["old"]
    assert client.get(site_path(made, "comments/most-commented?days=91")).json["error"]["field"] == "days"


def test_recent_names_the_story(db: Database, client: FlaskClient, made: NewSite) -> None:
    fill(db, made.site, "s1", [Row(0)])
    (line,) = client.get("/api/v1/comments/recent", headers=bearer(made)).json["comments"]
    assert (line["story"], line["story_title"], line["story_url"]) == ("s1", "Judul s1", "http://warta.example/s1")


# --- feeds ---


def read_xml(xml: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(xml)  # noqa: S314 our own feed


def items(xml: bytes) -> list[str]:
    return [item.findtext("description") or "" for item in read_xml(xml).iter("item")]


def test_a_site_and_a_story_have_feeds_of_the_newest_50(db: Database, client: FlaskClient, made: NewSite) -> None:
    fill(db, made.site, "a", [Row(n, text=f"a{n}") for n in range(49)])
    fill(db, made.site, "b", [Row(n + 100, text=f"b{n}") for n in range(3)])
    fill(db, made.site, "b", [Row(200, text="rahasia", state=NOT_SHOWN)])
    site = client.get(site_path(made, "feed.rss"))
    assert site.headers["Content-Type"] == "application/rss+xml; charset=utf-8"
    assert items(site.data) == ["b2", "b1", "b0", *(f"a{n}" for n in range(48, 1, -1))]
    story = client.get(site_path(made, "feed.rss?story=b"))
    assert items(story.data) == ["b2", "b1", "b0"]
    assert "Komentar: Judul b" in story.text
    atom = client.get(site_path(made, "feed.atom?story=b"))
    assert atom.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert len(list(read_xml(atom.data).iter("{http://www.w3.org/2005/Atom}entry"))) == 3


def test_a_feed_of_a_story_that_nobody_has_commented_on_is_empty(client: FlaskClient, made: NewSite) -> None:
    answer = client.get(site_path(made, "feed.rss?story=belum"))
    assert (answer.status_code, items(answer.data)) == (200, [])
    assert "Last-Modified" not in answer.headers


def test_a_feed_tells_caches_when_it_changed(db: Database, client: FlaskClient, made: NewSite) -> None:
    fill(db, made.site, "a", [Row(5)])
    first = client.get(site_path(made, "feed.atom"))
    assert first.headers["Last-Modified"] == "Sat, 21 Nov 2026 12:05:00 GMT"
    for header in ({"If-None-Match": first.headers["ETag"]}, {"If-Modified-Since": first.headers["Last-Modified"]}):
        again = client.get(site_path(made, "feed.atom"), headers=header)
        assert (again.status_code, again.data) == (304, b"")
    fill(db, made.site, "a", [Row(6)])
    assert client.get(site_path(made, "feed.atom"), headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


# --- what caches and other origins are told ---

READ = ["comments?story=s1", "comments/counts?story=s1", "comments/recent", "comments/most-commented", "feed.rss"]


@pytest.mark.parametrize("path", [*READ, "feed.atom"])
def test_public_answers_are_cacheable_and_a_second_look_gets_304(
    db: Database, client: FlaskClient, made: NewSite, path: str
) -> None:
    fill(db, made.site, "s1", [Row(0)], start=utcnow() - timedelta(days=1))
    first = client.get(site_path(made, path), headers={"Origin": "http://warta.example"})
    assert first.headers["Cache-Control"] == "public, max-age=10, stale-while-revalidate=30"
    assert first.headers["Access-Control-Allow-Origin"] == "http://warta.example"
    assert "Origin" in first.headers["Vary"]
    again = client.get(
        site_path(made, path), headers={"If-None-Match": first.headers["ETag"], "Origin": "http://warta.example"}
    )
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Access-Control-Allow-Origin"] == "http://warta.example"
    fill(db, made.site, "s1", [Row(1)], start=utcnow() - timedelta(days=1))
    changed = client.get(site_path(made, path), headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    foreign = client.get(site_path(made, path), headers={"Origin": "http://lain.example"})
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert "Origin" in foreign.headers["Vary"]


def test_no_public_answer_tells_an_email_or_an_address(client: FlaskClient, made: NewSite, db: Database) -> None:
    body = api_body(author={"name": "Rani", "email": "rani@contoh.example", "ip": "203.0.113.7", "role": "staff"})
    assert client.post("/api/v1/comments", json=body, headers=bearer(made)).status_code == 202  # staff: shown at once
    for path in [*READ, "feed.atom"]:
        text = client.get(site_path(made, path)).text
        assert "contoh.example" not in text
        assert "203.0.113" not in text
    assert "artikelnya jelas" in client.get(site_path(made, "feed.atom")).text


# --- the form's frame and the embed ---


def test_the_frame_has_the_sites_words_in_its_language_and_a_token_that_its_form_takes(
    db: Database, client: FlaskClient, made: NewSite
) -> None:
    with db.transaction() as session:
        session.get_one(Site, made.site.id).form_texts = {"button": "Kirim sekarang"}
    frame = client.get(site_path(made, "form?story=s1"))
    assert frame.headers["Cache-Control"] == "no-store"
    assert frame.json["texts"]["button"] == "Kirim sekarang"
    assert frame.json["texts"]["heading"] == "Tinggalkan Komentar"
    assert (frame.json["language"], frame.json["labels"]["reply"]) == ("id", "Balas")
    assert client.get(site_path(made, "form?story=s1&lang=en")).json["labels"]["reply"] == "Reply"
    fields = {
        "comment": "Halo semua",
        "author": "Rani",
        "email": "rani@contoh.example",
        "comment_post_ID": "s1",
        "comment_post_url": "http://warta.example/s1",
        "moderation_token": frame.json["token"],
    }
    sent = client.post(site_path(made, "comments"), data=fields, headers={"Accept": "application/json"})
    assert sent.status_code == 202
    with db.reading() as session:
        assert session.scalars(sa.select(Comment.intake_flags)).one() == ""


def test_the_frame_says_when_a_story_is_closed(db: Database, client: FlaskClient, made: NewSite) -> None:
    fill(db, made.site, "s1", [])
    assert client.get(site_path(made, "form?story=s1")).json["closed"] is False
    with db.transaction() as session:
        session.get_one(Site, made.site.id).close_after_days = 1
        session.execute(sa.update(Story).values(created_at=utcnow() - timedelta(days=2)))
    assert client.get(site_path(made, "form?story=s1")).json["closed"] is True


def test_the_embed_is_a_script_that_any_page_may_keep_for_an_hour(client: FlaskClient, made: NewSite) -> None:
    for name, kind in (("embed.js", "text/javascript"), ("embed.css", "text/css")):
        answer = client.get(site_path(made, name))
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert answer.headers["Cache-Control"] == "public, max-age=3600"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        again = client.get(site_path(made, name), headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
    assert client.get("/f/tidak-ada/embed.js").status_code == 404
