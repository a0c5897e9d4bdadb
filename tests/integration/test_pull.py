"""Pulling: what is due and was not told can be read and confirmed, whatever its endpoints do."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from moderation.accounts.models import Site
from moderation.accounts.sites import NewSite
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.delivery import endpoints, leasing, outbox, pull, schedule
from moderation.delivery.egress import Answer
from moderation.delivery.leasing import Claimed
from moderation.delivery.models import Delivery
from moderation.settings import Settings

from . import helpers
from .helpers import BAD, add_site, bearer, judge_all, take

COMMENTS = 2
OK = Answer(204, "", None, 1)


@pytest.fixture
def made(db: Database) -> NewSite:
    """A site that is told by pulling only."""
    return add_site(db, webhook=False)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def decided(db: Database, settings: Settings, made: NewSite, *texts: str) -> None:
    for number, text in enumerate(texts):
        take(db, settings, made.site, helpers.given(f"c{number}", text=text))
    judge_all(db, settings)


def pulled(client: FlaskClient, made: NewSite, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/decisions{query}", headers=bearer(made))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json["decisions"]
    return found


def confirm(client: FlaskClient, made: NewSite, *ids: str) -> Any:
    answer = client.post("/api/v1/decisions:confirm", json={"event_ids": list(ids)}, headers=bearer(made))
    assert answer.status_code == 200, answer.text
    return answer.json


def test_a_site_pulls_page_by_page_and_what_it_confirms_does_not_come_again(
    db: Database, settings: Settings, made: NewSite, client: FlaskClient
) -> None:
    decided(db, settings, made, "Satu kata", "Dua kata", f"Tiga {BAD}")
    first = pulled(client, made, "?limit=2")
    rest = pulled(client, made, f"?limit=2&after={first[-1]['cursor']}")
    assert [item["data"]["external_id"] for item in first + rest] == ["c0", "c1", "c2"]
    assert pulled(client, made, f"?after={rest[-1]['cursor']}") == []
    assert first[0]["event_id"] == first[0]["data"]["event_id"]
    assert (first[0]["type"], rest[0]["data"]["status"]) == ("comment.decided", "HELD")
    assert confirm(client, made, first[0]["event_id"], rest[0]["event_id"]) == {"confirmed": 2, "unknown": []}
    assert [item["data"]["external_id"] for item in pulled(client, made)] == ["c1"]  # the next pass


def test_confirming_is_idempotent_and_names_what_it_does_not_know(
    db: Database, settings: Settings, made: NewSite, client: FlaskClient
) -> None:
    other = add_site(db, webhook=False)
    decided(db, settings, made, "Satu kata")
    decided(db, settings, other, "Kata orang lain")
    mine, theirs = pulled(client, made)[0]["event_id"], pulled(client, other)[0]["event_id"]
    for _ in range(2):
        assert confirm(client, made, mine, "msg_x", theirs, mine) == {"confirmed": 1, "unknown": ["msg_x", theirs]}
    assert len(pulled(client, other)) == 1


@pytest.mark.parametrize("stop", [endpoints.pause, endpoints.disable])
def test_a_stopped_endpoints_events_can_be_pulled_and_are_then_not_pushed(
    db: Database, settings: Settings, made: NewSite, client: FlaskClient, stop: Any
) -> None:
    with db.transaction() as session:
        urls = ("https://warta.example/a", "https://warta.example/b")
        both = [endpoints.add(session, made.site, url, now=utcnow(), actor="cli") for url in urls]
        stop(session, both[0], now=utcnow(), actor="cli")
    decided(db, settings, made, "Satu kata")
    (event,) = pulled(client, made)  # once, although two endpoints wait for it
    confirm(client, made, event["event_id"])
    with db.reading() as session:
        assert list(session.scalars(select(Delivery.state))) == ["delivered", "delivered"]
    with db.transaction() as session:
        assert leasing.claim(session, now=utcnow(), limit=9, timeout=3) == []


def test_neither_back_off_nor_being_given_up_hides_an_event_and_its_grace_does(
    db: Database, settings: Settings, made: NewSite, client: FlaskClient
) -> None:
    decided(db, settings, made, "Satu kata", "Dua kata", "Tiga kata")
    later = utcnow() + timedelta(hours=5)
    with db.transaction() as session:
        for number, values in enumerate(
            ({"attempts": 4, "due_at": later}, {"attempts": 10, "state": "dead"}, {"due_at": later}), start=1
        ):
            session.execute(update(Delivery).where(Delivery.id == number).values(**values))
    assert [item["data"]["external_id"] for item in pulled(client, made)] == ["c0", "c1"]


def test_a_worker_in_flight_with_a_confirmed_event_loses_quietly(
    db: Database, settings: Settings, made: NewSite, client: FlaskClient
) -> None:
    with db.transaction() as session:
        endpoints.add(session, made.site, "https://warta.example/a", now=utcnow(), actor="cli")
    decided(db, settings, made, "Satu kata")
    with db.transaction() as session:
        (taken,) = leasing.claim(session, now=utcnow(), limit=1, timeout=3)
    confirm(client, made, pulled(client, made)[0]["event_id"])
    with db.transaction() as session:
        kept = leasing.finish(
            session, taken, now=utcnow(), status=500, error="answered 500", milliseconds=1, retry_in=5.0
        )
    assert kept is False
    with db.reading() as session:
        row = session.scalars(select(Delivery)).one()
        assert (row.state, row.last_status) == ("delivered", None)


def test_a_test_event_is_not_pulled(db: Database, made: NewSite, client: FlaskClient) -> None:
    with db.transaction() as session:
        endpoint = endpoints.add(session, made.site, "https://warta.example/a", now=utcnow(), actor="cli")
        outbox.put_test(session, endpoint, utcnow())
    assert pulled(client, made) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "event_ids"),
        ({"event_ids": []}, "event_ids"),
        ({"event_ids": ["m"] * 501}, "event_ids"),
        ({"event_ids": [7]}, "event_ids.0"),
        ({"event_ids": ["m"], "all": True}, "all"),
    ],
)
def test_a_wrong_confirmation_names_the_field(made: NewSite, client: FlaskClient, body: Any, field: str) -> None:
    answer = client.post("/api/v1/decisions:confirm", json=body, headers=bearer(made))
    assert (answer.status_code, answer.json["error"]["field"]) == (422, field)


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "after=-1", "after=1e3"])
def test_a_wrong_page_is_refused(made: NewSite, client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/v1/decisions?{query}", headers=bearer(made))
    assert (answer.status_code, answer.json["error"]["field"]) == (422, query.partition("=")[0])


def test_without_a_key_nothing_is_pulled_or_confirmed(client: FlaskClient) -> None:
    assert client.get("/api/v1/decisions").status_code == 401
    assert client.post("/api/v1/decisions:confirm", json={"event_ids": ["m"]}).status_code == 401


STEPS = st.one_of(
    st.tuples(st.just("decide"), st.integers(0, COMMENTS - 1), st.sampled_from(["APPROVED", "REJECTED"])),
    st.tuples(st.just("grace"), st.integers(0, COMMENTS - 1), st.sampled_from(["APPROVED", "REJECTED"])),
    st.tuples(st.just("pull"), st.integers(1, 3)),
    st.tuples(st.just("confirm"), st.integers(0, 5)),
    st.tuples(st.just("claim")),
    st.tuples(st.just("answer"), st.sampled_from(["ok", "failed", "heard but no answer"])),
    st.tuples(st.just("wait"), st.sampled_from([1, 11, 4000, 90_000])),
    st.tuples(st.just("add")),
    st.tuples(st.just("remove")),
    st.tuples(st.just("stop"), st.sampled_from(["pause", "disable", "enable"])),
)


PULLED_AND_TAKEN_BACK = [
    ("decide", 0, "APPROVED"),
    ("pull", 1),
    ("confirm", 0),
    ("grace", 0, "REJECTED"),
    ("wait", 11),
    ("pull", 1),
    ("decide", 0, "APPROVED"),
]
"""The site has read the second decision without confirming it: taking it back must be told."""

HEARD_AND_TAKEN_BACK = [
    ("add",),
    ("decide", 0, "APPROVED"),
    ("claim",),
    ("answer", "ok"),
    ("decide", 0, "REJECTED"),
    ("claim",),
    ("answer", "heard but no answer"),
    ("decide", 0, "APPROVED"),
]


@dataclass
class World:
    """A site that keeps, per comment, the event with the highest sequence of those that it was told or has pulled."""

    db: Database
    site: Site
    comments: list[int]
    now: datetime = field(default_factory=utcnow)
    kept: dict[int, tuple[int, str]] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    last: dict[int, str] = field(default_factory=dict)
    sequences: dict[int, int] = field(default_factory=dict)
    flying: list[Claimed] = field(default_factory=list)
    urls: int = 0

    def hear(self, payload: dict[str, Any]) -> None:
        assert payload["site"] == self.site.id
        comment, sequence = payload["comment"], payload["sequence"]
        self.heard.add(payload["event_id"])
        if sequence >= self.kept.get(comment, (0, ""))[0]:
            self.kept[comment] = (sequence, payload["told"])

    def decide(self, number: int, told: str, grace: int = 0) -> None:
        comment = self.comments[number]
        self.sequences[comment] = sequence = self.sequences.get(comment, 0) + 1
        self.last[comment] = told
        event = {
            "site": self.site.id,
            "comment": comment,
            "sequence": sequence,
            "told": told,
            "event_id": outbox.new_event_id(),
        }
        with self.db.transaction() as session:
            outbox.put(
                session,
                site_id=self.site.id,
                comment_id=comment,
                sequence=sequence,
                event_id=str(event["event_id"]),
                told=told,
                payload=json.dumps(event),
                due_at=self.now + timedelta(seconds=grace),
                now=self.now,
            )

    def grace(self, number: int, told: str) -> None:
        self.decide(number, told, grace=10)

    def pull(self, limit: int) -> None:
        after = 0
        with self.db.reading() as session:
            while found := pull.waiting(session, self.site.id, now=self.now, after=after, limit=limit):
                after = found[-1].cursor
                for item in found:
                    self.hear(item.payload)
                    self.seen.append(item.event_id)

    def confirm(self, number: int) -> None:
        chosen = self.seen[number::2]
        if chosen:
            with self.db.transaction() as session:
                assert pull.confirm(session, self.site.id, chosen, self.now)[1] == []

    def claim(self) -> None:
        with self.db.transaction() as session:
            for item in leasing.claim(session, now=self.now, limit=4, timeout=10):
                if item.site_id == self.site.id:
                    self.flying.append(item)
                else:  # another site's receiver answers at once
                    endpoints.note(session, item.endpoint_id, OK, now=self.now, rand=lambda: 0.0)
                    leasing.finish(session, item, now=self.now, status=204, error="", milliseconds=1, retry_in=None)

    def answer(self, how: str) -> None:
        if not self.flying:
            return
        claimed = self.flying.pop(0)
        if how != "failed":
            self.hear(json.loads(claimed.payload))
        given = OK if how == "ok" else Answer(None, "no answer within 10 s", None, 1)
        with self.db.transaction() as session:
            paused = endpoints.note(session, claimed.endpoint_id, given, now=self.now, rand=lambda: 0.0)
            leasing.finish(
                session,
                claimed,
                now=self.now,
                status=given.status,
                error=given.error,
                milliseconds=1,
                retry_in=schedule.next_delay(claimed.attempts, None, lambda: 0.0),
                spare=paused,
            )

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def add(self) -> None:
        with self.db.transaction() as session:
            if len(endpoints.of_site(session, self.site.id)) < 3:
                self.urls += 1
                url = f"https://warta.example/{self.urls}"
                endpoints.add(session, self.site, url, now=self.now, actor="cli")

    def remove(self) -> None:
        with self.db.transaction() as session:
            found = endpoints.of_site(session, self.site.id)
            if found:
                endpoints.remove(session, found[0], now=self.now, actor="cli")

    def stop(self, how: str) -> None:
        with self.db.transaction() as session:
            for endpoint in endpoints.of_site(session, self.site.id)[:1]:
                if how != "pause" or endpoint.enabled:
                    getattr(endpoints, how)(session, endpoint, now=self.now, actor="cli")

    def rest(self) -> None:
        """Everything comes to an end: what flies is answered, the site pulls and confirms until nothing is left."""
        while self.flying:
            self.answer("failed")
        self.wait(100)
        self.pull(2)
        self.confirm(0)
        self.confirm(1)


@pytest.mark.parametrize("push_at_the_end", [False, True])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, max_size=25))
@example(steps=PULLED_AND_TAKEN_BACK)
@example(steps=HEARD_AND_TAKEN_BACK)
def test_whatever_happens_every_event_that_stands_is_told_and_the_last_state_is_what_the_site_knows(
    db: Database, settings: Settings, push_at_the_end: bool, steps: list[Any]
) -> None:
    made, other = add_site(db, webhook=False), add_site(db, webhook=False)
    for number in range(COMMENTS):
        for site in (made.site, other.site):
            take(db, settings, site, helpers.given(f"c{number}", text=f"Kata {number}"))
    numbers = []
    with db.reading() as session:
        for site in (made.site, other.site):
            numbers.append(list(session.scalars(select(Comment.id).where(Comment.site_id == site.id))))
    world, noise = World(db, made.site, numbers[0]), World(db, other.site, numbers[1])
    noise.add()
    noise.decide(0, "APPROVED")
    for name, *values in steps:
        getattr(world, name)(*values)
    if push_at_the_end:
        finish_by_pushing(world)
    else:
        world.rest()
    assert {comment: told for comment, (_, told) in world.kept.items()} == world.last
    with db.reading() as session:
        left = select(Delivery.event_id).where(Delivery.site_id == made.site.id, Delivery.state != "superseded")
        assert set(session.scalars(left)) <= world.heard


def finish_by_pushing(world: World) -> None:
    """The receivers are well again, people enable what was stopped, and nobody pulls."""
    while world.flying:
        world.answer("failed")
    world.add()
    with world.db.transaction() as session:
        for endpoint in endpoints.of_site(session, world.site.id):
            endpoints.enable(session, endpoint, now=world.now, actor="cli")
        outbox.replay_dead(session, [world.site.id], world.now)
    for _ in range(60):
        world.wait(100)
        world.claim()
        if not world.flying:
            return
        while world.flying:
            world.answer("ok")
