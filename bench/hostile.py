"""Do hostile receivers delay healthy ones? `python -m bench.hostile [--rounds N] [--engine …]`.

The real delivery worker, as the supervisor starts it (embedded transport, four threads), tells healthy sites at a
steady rate. Hostile sites have events of their own all the time; in one half of each round their endpoints are switched
off, in the other they are told as if nothing had been known of them. Measured per healthy event is the time from due to
told, and for every attempt how long it held its thread. Interleaved in one run. Exit code 1 when a thread was held
longer than the deadline, or healthy events were told more than 20 % later than alone.
"""

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from bench import intake, product
from moderation import migrations, pipeline, queues, settings, supervisor
from moderation.accounts import sites
from moderation.comments.intake import AuthorInput, CommentInput, StoryInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.delivery import endpoints, outbox
from moderation.delivery.models import Attempt, Delivery, Endpoint
from moderation.dispatch import CelerySender
from moderation.settings import Settings
from moderation.watchdog import FD_VARIABLE

HEALTHY = 8
RATE = 20.0
"""Healthy events per second, over all healthy sites in turn."""
HOSTILE_RATE = 10.0
COMMENTS = 25
"""Comments per site whose decisions are told in turn."""
HELD_MS = 10_500
"""The deadline of a delivery and half a second: nothing may hold a thread longer."""
MOST = 1.2
GRAIN = 0.005
"""Seconds that a timer and a busy machine add at random; a ratio of less than that says nothing."""

Script = Callable[[socket.socket], None]


def _say(connection: socket.socket, status: str, headers: str = "", body: bytes = b"") -> None:
    connection.sendall(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def _slow(connection: socket.socket) -> None:
    time.sleep(30)
    _say(connection, "204 No Content")


def _drip(connection: socket.socket) -> None:
    for letter in "HTTP/1.1 204 No Content and so on, byte by byte " * 20:
        connection.sendall(letter.encode())
        time.sleep(0.5)


def _huge(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 500 Oh\r\nContent-Type: text/plain\r\n\r\n")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        connection.sendall(b"x" * 65536)


def _endless_header(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        connection.sendall(b"x-padding: " + b"x" * 1000 + b"\r\n")
        time.sleep(0.2)


HOSTILE: dict[str, Script] = {
    "slow": _slow,
    "dripping": _drip,
    "500": lambda connection: _say(connection, "500 Internal Server Error"),
    "410": lambda connection: _say(connection, "410 Gone"),
    "redirecting": lambda connection: _say(connection, "302 Found", "Location: http://127.0.0.1:9/\r\n"),
    "closing": lambda _: None,
    "huge answer": _huge,
    "endless header": _endless_header,
}


@contextlib.contextmanager
def hostile(script: Script) -> Iterator[str]:
    """A receiver that plays `script` on every connection; its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)

        def play(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                script(connection)

        def accept() -> None:
            with contextlib.suppress(OSError):  # the listener was closed: the run is over
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=play, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"


@contextlib.contextmanager
def never_accepting() -> Iterator[str]:
    """A receiver whose queue of connections is full: nobody gets in, nobody is refused."""
    with socket.socket() as listener, contextlib.ExitStack() as held:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"


@dataclass
class Told:
    """When each event arrived at a healthy receiver (time.time())."""

    at: dict[str, float] = field(default_factory=dict)


@contextlib.contextmanager
def healthy(told: Told) -> Iterator[str]:
    """A receiver that notes the event and answers at once."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            told.at.setdefault(str(self.headers["webhook-id"]), time.time())
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Target:
    """A site of the bench: its endpoint, its comments, and how many decisions each of them had."""

    site_id: int
    endpoint_id: int
    comments: list[int]
    decisions: int = 0


@dataclass
class Half:
    """One half of a round: seconds from due to told of each healthy event; `lost` were not told in time."""

    waits: list[float]
    lost: int

    def quantile(self, share: float) -> float:
        """The wait (s) that this share of the events did not exceed."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Bench:
    """A database with healthy and hostile sites, a worker, and events for them."""

    def __init__(self, configured: Settings, told: Told) -> None:
        self.settings, self.told = configured, told
        self.nudges = CelerySender(configured)
        self.db = Database(configured.database, info={"sender": self.nudges})
        migrations.migrate(self.db)

    def add(self, name: str, url: str) -> Target:
        """A site that is told at `url`."""
        with self.db.transaction() as session:
            made = sites.add_site(session, name=name, url="http://warta.example", now=utcnow())
            endpoint = endpoints.add(session, made.site, url, now=utcnow(), actor="cli")
            for number in range(COMMENTS):
                story = StoryInput("s1", "http://warta.example/s1", "Sebuah artikel")
                comment = CommentInput(f"c{number}", story, AuthorInput(name="Rani"), f"Terima kasih {number}")
                pipeline.take_in(
                    session, made.site, comment, source="api", settings=self.settings, key=b"k" * 40, now=utcnow()
                )
            session.flush()
            numbers = session.scalars(select(Comment.id).where(Comment.site_id == made.site.id)).all()
            return Target(made.site.id, endpoint.id, list(numbers))

    def decide(self, target: Target) -> tuple[str, float]:
        """The next decision of a site, due at once; the event and when it was due (time.time())."""
        target.decisions += 1
        sequence, place = divmod(target.decisions, COMMENTS)
        event_id = outbox.new_event_id()
        with self.db.transaction() as session:
            now = utcnow()
            outbox.put(
                session,
                site_id=target.site_id,
                comment_id=target.comments[place],
                sequence=sequence + 1,
                event_id=event_id,
                told=f"APPROVED|{sequence}|",
                payload=json.dumps({"type": "comment.decided", "data": {"event_id": event_id, "filler": "x" * 1200}}),
                due_at=now,
                now=now,
            )
        self.nudges.send(queues.TASK_DELIVER)
        return event_id, now.timestamp()

    def half(self, good: Sequence[Target], bad: Sequence[Target], seconds: float) -> Half:
        """Decisions at a steady rate, those of the bad sites from a thread of their own: switched off or not."""
        due: dict[str, float] = {}
        stop = threading.Event()

        def trouble() -> None:
            number = 0
            while not stop.wait(1 / HOSTILE_RATE):
                self.decide(bad[number % len(bad)])
                number += 1

        other = threading.Thread(target=trouble)
        other.start()
        begun = time.monotonic()
        for number in range(int(RATE * seconds)):
            time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
            event_id, at = self.decide(good[number % len(good)])
            due[event_id] = at
        stop.set()
        other.join()
        until = time.monotonic() + 15
        while any(event_id not in self.told.at for event_id in due) and time.monotonic() < until:
            time.sleep(0.02)
        waits = [self.told.at[event_id] - at for event_id, at in due.items() if event_id in self.told.at]
        return Half(waits, len(due) - len(waits))

    def calm(self, bad: Sequence[Target]) -> None:
        """Switch the hostile endpoints off, and wait until no thread is held by one."""
        with self.db.transaction() as session:
            session.execute(
                update(Endpoint).where(Endpoint.id.in_([item.endpoint_id for item in bad])).values(enabled=False)
            )
        busy = select(func.count()).select_from(Delivery).where(Delivery.state == outbox.LEASED)
        while True:
            with self.db.reading() as session:
                if not session.scalar(busy):
                    return
            time.sleep(0.05)

    def provoke(self, bad: Sequence[Target]) -> None:
        """Switch the hostile endpoints on, as if nothing had been known of them."""
        with self.db.transaction() as session:
            session.execute(
                update(Endpoint)
                .where(Endpoint.id.in_([item.endpoint_id for item in bad]))
                .values(enabled=True, failures=0, failing_since=None, paused_at=None, probe_at=None, slow=False)
            )

    def held(self) -> tuple[int, int]:
        """How many attempts were made, and the longest time that one took (ms)."""
        with self.db.reading() as session:
            made, longest = session.execute(select(func.count(), func.max(Attempt.milliseconds))).one()
        return int(made), int(longest or 0)


@contextlib.contextmanager
def worker(configured: Settings) -> Iterator[None]:
    """The delivery worker with the supervisor's own command line, and its sweeps."""
    child = next(item for item in supervisor.processes(configured) if item.name == queues.DELIVERY)
    reader, writer = os.pipe()
    process = subprocess.Popen(
        child.argv,
        env={**os.environ, **child.env, FD_VARIABLE: str(reader)},
        cwd=product.ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(reader,),
    )
    ended = threading.Event()
    nudges = CelerySender(configured)

    def sweep() -> None:
        while not ended.wait(configured.sweep_seconds):
            nudges.send(queues.TASK_DELIVER)

    threading.Thread(target=sweep, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(reader)
        os.close(writer)


def run(engine: str, rounds: int, seconds: float) -> bool:
    """Measure on one engine and print it; whether the aims are met."""
    told = Told()
    with tempfile.TemporaryDirectory(prefix="bench-hostile-") as name, contextlib.ExitStack() as held:
        url = held.enter_context(intake.database(engine, Path(name)))
        configured = replace(
            settings.load({}),
            data_dir=Path(name),
            database_url=url,
            delivery_allow=("127.0.0.0/8",),
            secret_key="k" * 40,
            scorer="builtin",
        )
        bench = Bench(configured, told)
        good = [bench.add(f"healthy {number}", held.enter_context(healthy(told))) for number in range(HEALTHY)]
        bad = [bench.add(name, held.enter_context(hostile(script))) for name, script in HOSTILE.items()]
        bad.append(bench.add("never accepting", held.enter_context(never_accepting())))
        held.enter_context(worker(configured))
        bench.calm(bad)
        bench.half(good, bad, 3.0)  # the worker starts, and the healthy ones answer for the first time
        alone, beside = [], []
        for _ in range(rounds):
            bench.calm(bad)
            alone.append(bench.half(good, bad, seconds))
            bench.provoke(bad)
            beside.append(bench.half(good, bad, 2 * seconds))
        attempts, longest = bench.held()
        bench.db.dispose()
    ratios = {}
    print(f"{engine}: {rounds} rounds of {seconds:g} s alone and {2 * seconds:g} s beside {len(bad)} hostile sites,")
    print(f"  {RATE:g} healthy events/s over {HEALTHY} sites; from due to told:")
    for label, share in (("median", 0.5), ("p95", 0.95)):
        plain = statistics.median(half.quantile(share) for half in alone)
        disturbed = statistics.median(half.quantile(share) for half in beside)
        ratios[label] = (disturbed - GRAIN) / plain
        times = disturbed / plain
        print(f"  {label:<7} {plain * 1000:6.1f} ms alone, {disturbed * 1000:6.1f} ms beside: {times:.2f} times")
    lost = sum(half.lost for half in (*alone, *beside))
    print(f"  longest {max(w for h in alone for w in h.waits) * 1000:6.1f} ms alone, ", end="")
    print(f"{max(w for h in beside for w in h.waits) * 1000:6.1f} ms beside; not told in time: {lost}")
    print(f"  {attempts} attempts, the longest held its thread for {longest} ms")
    return longest <= HELD_MS and not lost and all(ratio <= MOST for ratio in ratios.values())


def main() -> None:
    """Run on SQLite, and on PostgreSQL where it answers at its usual port."""
    parser = argparse.ArgumentParser(description="Do hostile receivers delay healthy ones?")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), action="append")
    given = parser.parse_args()
    engines = given.engine or ["sqlite", *(["postgresql"] if product.listens(5432) else [])]
    met = [run(engine, given.rounds, given.seconds) for engine in engines]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
