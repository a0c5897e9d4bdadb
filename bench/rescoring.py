"""What judging the archive again costs, what live comments notice of it, and what a second host brings.

    python -m bench.rescoring [--rows 1000000] [--engine …] [--part cost|live|hosts]

`cost`: rows are imported from JSONL and rescored with the built-in scorer by one worker process; printed are the CPU
time that a comment costs the worker beside the scorer (whose own CPU time is counted inside the run), what the scorer
takes bare on the same texts afterwards, what PostgreSQL itself spends on it, and resident memory at 10 % and at the
end.

`live`: the whole product runs; comments come in through the API, each waiting for its verdict, in short turns with the
run going on and paused, one after the other. Ratios are the medians over the pairs of turns.

`hosts`: one PostgreSQL, one RabbitMQ, and workers in two network namespaces that reach both only through addresses of
their own; the scorer sleeps. Needs root and `ip`; else two processes of different host names take their place, and
that is said. Exit code 1 when an aim is missed.
"""

import argparse
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from bench import archived, bulk, importing, product
from bench.archived import Archive
from bench.bulk import Waits
from bench.product import Product
from moderation import dispatch, queues
from moderation.accounts import sites
from moderation.accounts.models import Site
from moderation.comments.models import Revision
from moderation.db import Database, utcnow
from moderation.rescoring import batches
from moderation.rescoring.batches import Worker
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.scorer import Scorer, TextScore
from moderation.settings import load

ENGINES = ("sqlite", "postgresql")
PARTS = ("cost", "live", "hosts")
MOST_BESIDE = 50e-6
"""Seconds of CPU that a comment may cost beside scoring."""
FLAT = 0.05
MOST_DELAY = 1.10
LEAST_SPEEDUP = 1.9
BARE = 20_000
"""Texts that the bare scorer is given."""
RABBITMQ = "amqp://guest:guest@{host}:{port}//"
SLEEP_MS = 5.0
WARM_SECONDS, SHARE_SECONDS = 6.0, 20.0


# --- cost ---


@dataclass
class Timed:
    """The built-in scorer, and the CPU seconds that it has taken."""

    inner: Scorer
    spent: float = 0.0

    @property
    def name(self) -> str:
        """As the scorer inside."""
        return self.inner.name

    @property
    def version(self) -> str:
        """As the scorer inside."""
        return self.inner.version

    @property
    def languages(self) -> frozenset[str]:
        """As the scorer inside."""
        return self.inner.languages

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        """As the scorer inside."""
        began = time.thread_time()
        found = self.inner.score(texts)
        self.spent += time.thread_time() - began
        return found


def work(run_id: int) -> None:
    """What the measured process does: work on the run until it is done, then the scorer bare; prints JSON."""
    settings = load()
    db = Database(settings.database, info={"composition": settings.speakers})
    made: list[Timed] = []

    def timed(session: Any, config: Any, run: Any) -> Scorer:
        made.append(Timed(batches.load(session, config, run)))
        return made[-1]

    worker = Worker(db, settings, load=timed)
    pid = os.getpid()
    memory: list[tuple[int, int]] = []
    done, began, cpu = 0, time.monotonic(), time.process_time()
    while (found := worker.work_due()).more:
        done += found.comments
        memory.append((done, importing.resident(pid)))
        time.sleep(found.wait)
    cpu = time.process_time() - cpu
    seconds = time.monotonic() - began
    server = _server_cpu(db)
    with db.reading() as session:
        texts = session.scalars(select(Revision.text).order_by(Revision.id).limit(BARE)).all()
    scorer, bare = BuiltinScorer(), time.thread_time()
    for start in range(0, len(texts), batches.TOGETHER):
        scorer.score(texts[start : start + batches.TOGETHER])
    bare = (time.thread_time() - bare) / max(1, len(texts))
    spent = sum(one.spent for one in made)
    answer = {"run": run_id, "done": done, "seconds": seconds, "cpu": cpu, "scorer": spent, "bare": bare}
    print(json.dumps({**answer, "server": server, "memory": memory, "size": worker.size}))
    db.dispose()


def _server_cpu(db: Database) -> float:
    """CPU seconds of PostgreSQL's own processes that serve this database, where they run on this machine."""
    if db.is_sqlite:
        return 0.0
    with db.reading() as session:
        wanted = text(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name"
        )
        pids = session.scalars(wanted, {"name": "moderation"}).all()
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def cost(engine: str, rows: int, seed: int) -> bool:
    """Measure on one engine and print it; whether the aims are met."""
    with archived.archive(engine, rows, seed) as archive:
        before = archive.fingerprint()
        run_id = archive.start()
        archive.db.dispose()  # none of our own connections among those whose CPU is counted
        command = [sys.executable, "-m", "bench.rescoring", "--work", str(run_id)]
        done = subprocess.run(command, env=archive.env, cwd=product.ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the worker ended with {done.returncode}: {done.stderr}")
        found = json.loads(done.stdout)
        run = archive.run(run_id)
        whole = (run.state, archive.scored(run.version)) == ("done", (rows, rows))
        same = archive.fingerprint() == before
    beside = (found["cpu"] - found["scorer"]) / rows
    early = next(size for count, size in found["memory"] if count >= rows / 10)
    late = found["memory"][-1][1]
    change = late / early - 1
    print(f"{engine}: {rows:,} comments in {found['seconds']:.0f} s: {rows / found['seconds']:.0f}/s")
    print(f"  CPU of a comment beside the scorer {beside * 1e6:.0f} µs", end="")
    print(f"; the scorer {found['scorer'] / rows * 1e6:.0f} µs in the run, {found['bare'] * 1e6:.0f} µs bare", end="")
    print(f"; PostgreSQL itself {found['server'] / rows * 1e6:.0f} µs" if found["server"] else "")
    print(f"  resident {early / 2**20:.1f} MiB at 10 %, {late / 2**20:.1f} MiB at the end ({change:+.1%}); ", end="")
    print(f"batches of {found['size']}; run {run.state}, {run.scored} computed, {run.reused} known")
    wrong = []
    if not whole:
        wrong.append("not every comment was scored exactly once")
    if not same:
        wrong.append("a decision or a comment has changed")
    if beside > MOST_BESIDE:
        wrong.append(f"more than {MOST_BESIDE * 1e6:.0f} µs")
    if abs(change) > FLAT:
        wrong.append("memory is not flat")
    for sentence in wrong:
        print(f"  MISSED  {sentence}")
    sys.stdout.flush()
    return not wrong


# --- live ---


def live(engine: str, rows: int, seconds: float, seed: int) -> bool:
    """Live judging beside a run; prints it, and whether its 99th percentile is delayed by no more than a tenth."""
    with archived.archive(engine, rows, seed) as archive:
        with archive.db.transaction() as session:
            site = session.get_one(Site, archived.SITE)
            api_key = sites.add_key(session, site, actor="bench", now=utcnow())
        more = {"MODERATION_DATABASE_URL": archive.env["MODERATION_DATABASE_URL"], "MODERATION_WEB_THREADS": "64"}
        installed = Product(Path(archive.env["MODERATION_DATA_DIR"]), more=more)
        installed.start()
        try:
            installed.wait_ready()
            return _live(archive, installed, engine, bulk.lines(api_key, seed), seconds)
        finally:
            installed.stop()


def _live(archive: Archive, installed: Product, engine: str, requests: Iterator[bytes], seconds: float) -> bool:
    bulk.send(installed.port, requests, 3.0)  # caches and models
    run_id = archive.start()
    waits, done, busy = Waits(), 0, 0.0
    for number in itertools.count():
        if number * 2 * bulk.TURN_SECONDS >= seconds or archive.run(run_id).state == "done":
            break
        # Each pair in the other order, so that a machine that slows down favours neither.
        for running in (True, False) if number % 2 == 0 else (False, True):
            archive.steer("resume" if running else "pause", run_id)
            time.sleep(2 * bulk.SETTLE_SECONDS)
            before = archive.dealt(run_id)
            found = bulk.send(installed.port, requests, bulk.TURN_SECONDS)
            if running:
                done, busy = done + archive.dealt(run_id) - before, busy + found.seconds
            (waits.beside if running else waits.alone).append(found)
    run = archive.run(run_id)
    print(f"{engine}: {len(waits.beside)} pairs of {bulk.TURN_SECONDS:g} s at {bulk.RATE:g} comments/s")
    for name, share in (("mean", None), ("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        print(f"  received to verdict, {name:4} ×{waits.ratio(share):.3f}")
    print(f"  rescored {done / busy if busy else 0:.0f}/s beside them; gave way {run.yielded} times", flush=True)
    return waits.ratio(0.99) <= MOST_DELAY


# --- hosts ---


class Forwarder:
    """Listens at an address that a namespace reaches, and passes on to a service of this machine's loopback."""

    def __init__(self, host: str, to_port: int) -> None:
        self._to = ("127.0.0.1", to_port)
        self._listener = socket.create_server((host, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._to)
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@dataclass(frozen=True, slots=True)
class Host:
    """Where a worker runs: what goes before its command, and the address under which it reaches the services."""

    name: str
    before: tuple[str, ...]
    services: str


@contextlib.contextmanager
def namespaces() -> Iterator[list[Host]]:
    """Two network namespaces, each joined to us by a wire of its own; without the right to make them, plain hosts."""
    found: list[Host] = []
    tag = f"mb{os.getpid() % 10_000}"
    try:
        if os.geteuid() == 0 and shutil.which("ip"):
            for number in (1, 2):
                found.append(_namespace(f"{tag}{number}", number))
        else:
            found = [Host(f"host{number}", (), "127.0.0.1") for number in (1, 2)]
        yield found
    finally:
        for number in (1, 2):
            subprocess.run(["ip", "netns", "del", f"{tag}{number}"], capture_output=True, check=False)


def _namespace(name: str, number: int) -> Host:
    network = f"10.213.{number}"
    for line in (
        f"netns add {name}",
        f"link add {name}a type veth peer name {name}b",
        f"link set {name}b netns {name}",
        f"addr add {network}.1/24 dev {name}a",
        f"link set {name}a up",
        f"-n {name} addr add {network}.2/24 dev {name}b",
        f"-n {name} link set {name}b up",
        f"-n {name} link set lo up",
    ):
        done = subprocess.run(["ip", *line.split()], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"ip {line}: {done.stderr.strip()}")
    return Host(name, ("ip", "netns", "exec", name), f"{network}.1")


def hosts(seed: int) -> bool:
    """The rate of two hosts against that of one; prints it, and whether it is nearly twice as high."""
    rows = int(1.3 * 3 * (WARM_SECONDS + SHARE_SECONDS) * 1000 / SLEEP_MS)  # one works alone, then two
    if not product.listens(5672):
        print("hosts: RabbitMQ does not answer at its usual port; not measured")
        return True
    with archived.archive("postgresql", rows, seed) as archive, namespaces() as both, contextlib.ExitStack() as stack:
        real = bool(both[0].before)
        name = archive.env["MODERATION_DATABASE_URL"].rpartition("/")[2]
        run_id = archive.start()
        broker = load({"MODERATION_BROKER_URL": RABBITMQ.format(host="127.0.0.1", port=5672)})
        nudges = dispatch.make_celery(broker)
        nudges.control.purge()
        alone = together = 0.0
        started: list[subprocess.Popen[bytes]] = []
        try:
            for host in both:
                started.append(stack.enter_context(_worker(archive, host, name)))
                _pass(nudges, WARM_SECONDS)
                before, began = archive.dealt(run_id), time.monotonic()
                _pass(nudges, SHARE_SECONDS)
                together = (archive.dealt(run_id) - before) / (time.monotonic() - began)
                alone = alone or together
        finally:
            for process in started:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            nudges.control.purge()
            nudges.close()
    ratio = together / alone if alone else 0.0
    where = "two network namespaces" if real else "two host names (no right to make namespaces)"
    print(f"hosts: a scorer that sleeps {SLEEP_MS:g} ms a text, workers in {where}:")
    print(f"  one {alone:.0f}/s, two {together:.0f}/s: ×{ratio:.2f}", flush=True)
    return ratio >= LEAST_SPEEDUP


def _pass(nudges: Any, seconds: float) -> None:
    """Let time pass, with a sweep every second as beat does it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        nudges.send_task(queues.TASK_RESCORE, expires=dispatch.NUDGE_SECONDS)
        time.sleep(1.0)


@contextlib.contextmanager
def _worker(archive: Archive, host: Host, database: str) -> Iterator[subprocess.Popen[bytes]]:
    usual = (5432, 5672)
    forwarders = [Forwarder(host.services, port) for port in usual] if host.before else []
    ports = [one.port for one in forwarders] or usual
    env = {
        **archive.env,
        "MODERATION_DATABASE_URL": f"postgresql://postgres@{host.services}:{ports[0]}/{database}",
        "MODERATION_BROKER_URL": RABBITMQ.format(host=host.services, port=ports[1]),
        "STUB_SLEEP_MS": str(SLEEP_MS),
    }
    line = f"-A bench.stub_worker worker -Q rescoring -n rescoring@{host.name} --pool solo --without-gossip -l WARNING"
    log = Path(archive.env["MODERATION_DATA_DIR"]) / f"{host.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*host.before, product.script("celery"), "--quiet", *line.split(), "--without-mingle"],
            env=env,
            cwd=product.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for forwarder in forwarders:
            forwarder.close()


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=240.0, help="of live comments that are measured, per engine")
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--engine", choices=ENGINES, action="append", help="both, unless told")
    parser.add_argument("--part", choices=PARTS, action="append", help="all, unless told")
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        work(given.work)
        return 0
    postgres = importing.postgres_listens()
    engines = given.engine or ["sqlite", *(["postgresql"] if postgres else [])]
    parts = given.part or PARTS
    met = []
    if "cost" in parts:
        met += [cost(engine, given.rows, given.seed) for engine in engines]
    if "live" in parts:
        met += [live(engine, min(given.rows, 300_000), given.seconds, given.seed) for engine in engines]
    if "hosts" in parts and postgres:
        met.append(hosts(given.seed))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
