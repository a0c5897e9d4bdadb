"""The file transport: what was published arrives whole, rubbish hurts nobody, a full folder takes no more."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection, Consumer, Producer, Queue

from moderation import nudgefs

PUBLISH = """
import sys
from pathlib import Path
from kombu import Connection, Producer, Queue
from moderation import nudgefs
nudgefs.register()
folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
options = nudgefs.transport_options(folder, max_depth=100_000)
with Connection("nudgefs://", transport_options=options) as connection:
    producer = Producer(connection.channel())
    for number in range(count):
        body = {"from": name, "number": number, "filler": "x" * 5000}
        producer.publish(body, routing_key="scoring", declare=[Queue("scoring")] if number == 0 else [])
"""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    nudgefs.register()
    with Connection("nudgefs://", transport_options=nudgefs.transport_options(tmp_path)) as opened:
        yield opened


def publish(connection: Connection, *bodies: object, queue: str = "scoring") -> None:
    producer = Producer(connection.channel())
    for body in bodies:
        producer.publish(body, serializer="json", routing_key=queue, declare=[Queue(queue)])


def consume(connection: Connection, expected: int, queue: str = "scoring", seconds: float = 20.0) -> list[object]:
    got: list[object] = []

    def take(body: object, message: object) -> None:
        got.append(body)
        message.ack()

    until = time.monotonic() + seconds
    with Consumer(connection.channel(), [Queue(queue)], callbacks=[take], accept=["json"]):
        while len(got) < expected and time.monotonic() < until:
            try:
                connection.drain_events(timeout=0.2)
            except TimeoutError:
                continue
    return got


def files(folder: Path, queue: str = "scoring") -> list[Path]:
    return sorted((folder / "broker" / queue).iterdir())


def test_all_messages_of_two_producers_arrive_whole_at_one_consumer(connection: Connection, tmp_path: Path) -> None:
    producers = [subprocess.Popen([sys.executable, "-c", PUBLISH, str(tmp_path), name, "1000"]) for name in ("a", "b")]
    got = consume(connection, 2000)
    assert [producer.wait(10) for producer in producers] == [0, 0]
    seen = {(body["from"], body["number"]) for body in got}
    assert len(got) == 2000
    assert seen == {(name, number) for name in ("a", "b") for number in range(1000)}
    assert files(tmp_path) == []


def test_messages_come_in_the_order_of_the_wall_clock(connection: Connection) -> None:
    publish(connection, *range(50))
    assert consume(connection, 50) == list(range(50))


def test_a_queue_takes_nothing_from_a_queue_of_a_similar_name(connection: Connection, tmp_path: Path) -> None:
    publish(connection, "mine", queue="a.scoring")
    assert consume(connection, 1, queue="scoring", seconds=0.3) == []
    assert consume(connection, 1, queue="a.scoring") == ["mine"]


def test_a_half_written_message_is_not_taken(connection: Connection, tmp_path: Path) -> None:
    publish(connection, "whole")
    half = tmp_path / "broker" / "scoring" / "00000000000000000001-1-00000000.part"
    half.write_text('{"body": "')
    assert consume(connection, 2, seconds=0.3) == ["whole"]
    assert half.exists()


def test_what_a_dead_producer_left_half_written_is_swept_away(connection: Connection, tmp_path: Path) -> None:
    publish(connection, "whole")
    half = tmp_path / "broker" / "scoring" / "00000000000000000001-1-00000000.part"
    half.write_text("{")
    os.utime(half, (time.time() - 3600, time.time() - 3600))
    assert consume(connection, 1) == ["whole"]
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"{",
        b"\xff\x00",
        b"[]",
        b"null",
        b'{"body": "e30="}',
        b"[" * 100_000,
        b'{"body": "e30=", "headers": {}, "properties": {"delivery_tag": "1", "delivery_in',
        json.dumps({"body": "e30=", "headers": {}, "properties": {"delivery_tag": 1, "delivery_info": {}}}).encode(),
        json.dumps(
            {
                "body": "a",
                "headers": {},
                "properties": {"delivery_tag": "1", "delivery_info": {}, "body_encoding": "base64"},
            }
        ).encode(),
        json.dumps(
            {
                "body": "a",
                "headers": {},
                "properties": {"delivery_tag": "1", "delivery_info": {}, "body_encoding": "rot13"},
            }
        ).encode(),
    ],
)
def test_a_broken_file_is_removed_and_the_next_message_arrives(
    connection: Connection, tmp_path: Path, rubbish: bytes
) -> None:
    publish(connection, "first")
    (tmp_path / "broker" / "scoring" / "00000000000000000001-1-00000000.msg").write_bytes(rubbish)
    assert consume(connection, 1) == ["first"]
    assert files(tmp_path) == []


def test_a_full_queue_drops_further_messages_and_another_queue_is_not_concerned(tmp_path: Path) -> None:
    nudgefs.register()
    options = nudgefs.transport_options(tmp_path, max_depth=5)
    with Connection("nudgefs://", transport_options=options) as connection:
        publish(connection, *range(9))
        publish(connection, "other", queue="delivery")
        assert len(files(tmp_path)) == 5
        assert consume(connection, 9, seconds=0.3) == [0, 1, 2, 3, 4]
        publish(connection, 9)
        assert consume(connection, 1) == [9]
        assert consume(connection, 1, queue="delivery") == ["other"]


def test_the_folders_may_be_emptied_or_removed_under_a_living_consumer(connection: Connection, tmp_path: Path) -> None:
    publish(connection, "lost")
    for path in files(tmp_path):
        path.unlink()
    (tmp_path / "broker" / "scoring").rmdir()
    publish(connection, "kept")
    assert consume(connection, 1) == ["kept"]


def test_a_message_that_cannot_be_written_is_an_error_for_the_sender(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("no folder")
    with pytest.raises(OSError, match="broker"):
        publish(connection, "x")


@pytest.mark.parametrize("name", ["../etc", "a/b", ".", "..", "", ".hidden", "a\n", "x" * 200])
def test_a_queue_name_cannot_leave_the_folder(connection: Connection, name: str) -> None:
    channel = connection.channel()
    with pytest.raises(ValueError, match="name of a queue"):
        channel._put(name, {})


def test_an_unacknowledged_message_comes_back_when_its_consumer_closes(tmp_path: Path) -> None:
    nudgefs.register()
    options = nudgefs.transport_options(tmp_path)
    with Connection("nudgefs://", transport_options=options) as first:
        publish(first, "again")
        with Consumer(first.channel(), [Queue("scoring")], callbacks=[lambda body, message: None], accept=["json"]):
            first.drain_events(timeout=2)
    with Connection("nudgefs://", transport_options=options) as second:
        assert consume(second, 1) == ["again"]


def test_fanout_is_not_offered_so_that_workers_need_no_control_queues(connection: Connection) -> None:
    assert not connection.supports_exchange_type("fanout")
    assert connection.supports_exchange_type("direct")
