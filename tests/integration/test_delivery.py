"""The outbox: every decision told once it is due, retried from the row, shown when it is given up."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook

from moderation.accounts.sites import NewSite
from moderation.db import Database, utcnow
from moderation.delivery import endpoints, leasing, outbox, sender
from moderation.delivery.models import Attempt, Delivery, Endpoint
from moderation.settings import Settings

from .helpers import BAD, add_site, given, judge_all, take


class Receiver(ThreadingHTTPServer):
    """A site's receiver on loopback: keeps what it got and answers `answers` in turn, then 204."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
                self.send_response(outer.answers.pop(0) if outer.answers else 204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def allowing(settings: Settings) -> Settings:
    return replace(settings, delivery_allow=("127.0.0.0/8",), delivery_timeout=3)


@pytest.fixture
def made(db: Database, receiver: Receiver) -> NewSite:
    made = add_site(db)
    with db.transaction() as session:
        endpoints.set_endpoint(session, made.site, receiver.url, utcnow())
    return made


def decided(db: Database, settings: Settings, made: NewSite, external_id: str = "c1", text: str = "halo") -> None:
    take(db, settings, made.site, given(external_id, text=text))
    judge_all(db, settings)


def rows(db: Database) -> list[Delivery]:
    with db.reading() as session:
        found = list(session.scalars(select(Delivery).order_by(Delivery.id)))
        session.expunge_all()
        return found


def let_all_go(db: Database) -> None:
    """Time passes: every open row is due, and every endpoint may be tried."""
    with db.transaction() as session:
        session.execute(update(Delivery).where(Delivery.state == "due").values(due_at=utcnow()))
        session.execute(update(Endpoint).where(Endpoint.probe_at.is_not(None)).values(probe_at=utcnow()))


def test_a_decision_arrives_signed_as_the_reference_library_verifies(
    db: Database, allowing: Settings, made: NewSite, receiver: Receiver
) -> None:
    decided(db, allowing, made, text=BAD)
    assert sender.deliver_due(db, allowing) == 1
    headers, body = receiver.got[0]
    event: Any = Webhook(made.webhook_secret).verify(body.decode(), headers)
    assert event["type"] == "comment.decided"
    data = event["data"]
    assert (data["external_id"], data["status"], data["sequence"], data["revision"]) == ("c1", "HELD", 1, 1)
    assert data["reasons"][0]["code"] == "signal_over_reject"
    assert data["scorers"] == ["builtin@fake1"]
    assert data["policy_version"] == 0
    assert (rows(db)[0].state, rows(db)[0].last_status) == ("delivered", 204)


@pytest.mark.parametrize("status", [500, 301, 404, 429])
def test_anything_but_2xx_is_tried_again_later(
    db: Database, allowing: Settings, made: NewSite, receiver: Receiver, status: int
) -> None:
    receiver.answers = [status]
    decided(db, allowing, made)
    sender.deliver_due(db, allowing)
    row = rows(db)[0]
    assert (row.state, row.attempts, row.last_status) == ("due", 1, status)
    assert row.due_at > utcnow()
    assert sender.deliver_due(db, allowing) == 0
    with db.transaction() as session:
        session.execute(update(Delivery).values(due_at=utcnow()))
    sender.deliver_due(db, allowing)
    assert rows(db)[0].state == "delivered"
    first, second = receiver.got
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    with db.reading() as session:
        assert [row.status for row in session.scalars(select(Attempt).order_by(Attempt.id))] == [status, 204]


def test_after_the_whole_schedule_a_delivery_is_dead_and_can_be_replayed(
    db: Database, allowing: Settings, made: NewSite, receiver: Receiver
) -> None:
    receiver.answers = [500] * 10
    decided(db, allowing, made)
    for _ in range(10):
        let_all_go(db)
        sender.deliver_due(db, allowing)
    assert (rows(db)[0].state, len(receiver.got)) == ("dead", 10)
    with db.transaction() as session:
        assert outbox.replay_dead(session, [made.site.id], utcnow()) == 1
        session.execute(update(Endpoint).values(probe_at=None))
    sender.deliver_due(db, allowing)
    assert rows(db)[0].state == "delivered"


def test_a_private_address_is_not_reached_unless_it_is_allowed(
    db: Database, settings: Settings, made: NewSite, receiver: Receiver
) -> None:
    decided(db, settings, made)
    sender.deliver_due(db, settings)
    assert receiver.got == []
    assert rows(db)[0].state == "dead"
    assert "127.0.0.1" in rows(db)[0].last_error


def test_410_disables_the_endpoint_and_loses_nothing(
    db: Database, allowing: Settings, made: NewSite, receiver: Receiver
) -> None:
    receiver.answers = [410]
    decided(db, allowing, made)
    sender.deliver_due(db, allowing)
    with db.reading() as session:
        endpoint = session.scalars(select(Endpoint)).one()
        assert (endpoint.enabled, endpoint.disabled_reason) == (False, "the endpoint answered 410 Gone")
    decided(db, allowing, made, "c2", "halo lagi")
    assert sender.deliver_due(db, allowing) == 0
    with db.transaction() as session:
        endpoints.set_endpoint(session, made.site, receiver.url, utcnow())
        session.execute(update(Delivery).values(due_at=utcnow()))
    while sender.deliver_due(db, allowing):
        pass
    assert {row.state for row in rows(db)} == {"delivered"}


def test_a_dead_workers_delivery_is_sent_again_under_the_same_id(
    db: Database, allowing: Settings, made: NewSite, receiver: Receiver
) -> None:
    decided(db, allowing, made)
    with db.transaction() as session:
        assert len(leasing.claim(session, now=utcnow(), limit=1, timeout=3)) == 1
    assert sender.deliver_due(db, allowing) == 0
    with db.transaction() as session:
        session.execute(update(Delivery).values(lease_until=utcnow() - timedelta(seconds=1)))
    assert sender.deliver_due(db, allowing) == 1
    assert json.loads(receiver.got[0][1])["data"]["event_id"] == receiver.got[0][0]["webhook-id"]


def test_one_endpoint_is_told_one_thing_at_a_time(db: Database, allowing: Settings, made: NewSite) -> None:
    other = add_site(db)
    for number in range(3):
        decided(db, allowing, made, f"c{number}", f"halo {number}")
    decided(db, allowing, other, "x", "halo dari situs lain")
    with db.transaction() as session:
        first = leasing.claim(session, now=utcnow(), limit=10, timeout=3)
    assert sorted(item.site_id for item in first) == [made.site.id, other.site.id]
    with db.transaction() as session:
        assert leasing.claim(session, now=utcnow(), limit=10, timeout=3) == []


def test_a_decision_is_not_told_before_it_is_due(
    db: Database, allowing: Settings, made: NewSite, receiver: Receiver
) -> None:
    decided(db, allowing, made)
    with db.transaction() as session:
        session.execute(update(Delivery).values(due_at=utcnow() + timedelta(seconds=5)))
    assert sender.deliver_due(db, allowing) == 0
    assert receiver.got == []


def test_a_failed_event_that_a_newer_one_has_overtaken_is_not_repeated(
    db: Database, allowing: Settings, made: NewSite, receiver: Receiver
) -> None:
    decided(db, allowing, made)
    with db.transaction() as session:
        claimed = leasing.claim(session, now=utcnow(), limit=1, timeout=3)[0]
    with db.transaction() as session:  # a newer decision while the first is in flight
        first = session.scalars(select(Delivery)).one()
        outbox.put(
            session,
            site_id=first.site_id,
            comment_id=first.comment_id,
            sequence=2,
            event_id=outbox.new_event_id(),
            told="REJECTED|1|SPAM",
            payload="{}",
            due_at=utcnow(),
            now=utcnow(),
        )
    with db.transaction() as session:
        leasing.finish(session, claimed, now=utcnow(), status=500, error="", milliseconds=1, retry_in=5.0)
    assert [row.state for row in rows(db)] == ["superseded", "due"]
