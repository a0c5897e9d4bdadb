"""What taking a comment in costs, side by side: our POST /api/v1/comments, a bare insert, and Isso's POST /new.

`python -m bench.intake [--rounds N] [--isso PYTHON]`. Interleaved in one run, because these machines are noisy: each
round measures every server in turn, and ratios are the medians of the rounds' own ratios. All three are served by
waitress with eight threads and load comes over eight kept connections. Ours is the web process alone (no worker judges
meanwhile); with `--product` the whole product runs, workers included. Exit code 1 when an aim of the project is missed.
"""

import argparse
import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from bench import comments, product
from bench.client import bearer
from bench.product import ROOT, Product
from bench.wire import Load, Measured, request
from moderation import migrations
from moderation.db import Database

CONNECTIONS = 8
PACE = 100.0
"""Requests per second of the aim for p99."""
POSTGRES = "postgresql+psycopg://postgres@127.0.0.1/"
SHARE_OF_BARE, TIMES_ISSO, P99_SECONDS = 0.70, 3.0, 0.200


@dataclass
class Target:
    """One server under load: where it listens, and an endless supply of requests that it has not seen."""

    name: str
    port: int
    requests: Iterator[bytes]
    expected: tuple[int, ...]
    rates: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)
    paced: list[float] = field(default_factory=list)

    def measure(self, act: Callable[[Load], Measured]) -> Measured:
        """One measurement over fresh connections. Raises RuntimeError when an answer was not the expected one."""
        load = Load(self.port, self.requests, CONNECTIONS)
        try:
            found = act(load)
        finally:
            load.close()
        wrong = {code: count for code, count in found.codes.items() if code not in self.expected}
        if wrong:
            raise RuntimeError(f"{self.name} answered {wrong}")
        return found


def bodies(seed: int) -> Iterator[dict[str, object]]:
    """Comments without end; every external id and text is new."""
    for block in itertools.count():
        for made in comments.make(2000, seed + block):
            yield made.body()


def ours(port: int, api_key: str, seed: int) -> Target:
    """Our own server."""
    lines = (request("/api/v1/comments", json.dumps(body).encode(), bearer(api_key)) for body in bodies(seed))
    return Target("ours", port, lines, (202,))


def bare(port: int, seed: int) -> Target:
    """The view that only inserts."""
    lines = (request("/comments", json.dumps(body).encode(), {}) for body in bodies(seed))
    return Target("bare", port, lines, (201,))


def isso(port: int, seed: int) -> Target:
    """Isso: the title is given, so that it does not fetch the page."""

    def line(body: dict[str, object], number: int) -> bytes:
        sent = {"text": body["text"], "author": f"Pembaca {number % 40}", "title": "Cerita", "website": None}
        headers = {"Origin": f"http://127.0.0.1:{port}", "X-Forwarded-For": f"203.0.{number % 250}.7"}
        return request(f"/new?uri=%2Fcerita%2F{number % 10}%2F", json.dumps(sent).encode(), headers)

    return Target("isso", port, (line(body, n) for n, body in enumerate(bodies(seed))), (201, 202))


@contextlib.contextmanager
def serving(command: list[str], port: int, folder: Path, env: dict[str, str]) -> Iterator[None]:
    """A server in a process of its own, up when the block begins and gone when it ends."""
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 30
        while not product.listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command} does not start:\n{(folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def database(engine: str, folder: Path) -> Iterator[str]:
    """The address of an empty database, dropped afterwards."""
    if engine == "sqlite":
        yield f"sqlite:///{folder / 'bench.db'}"
        return
    name = f"moderation_bench_{uuid.uuid4().hex[:8]}"
    admin = sa.create_engine(POSTGRES + "postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield POSTGRES + name
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


@contextlib.contextmanager
def targets(engine: str, *, whole: bool, isso_python: str | None, seed: int) -> Iterator[list[Target]]:
    """All servers of one engine, up together; only one of them is under load at a time."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-intake-")))
        url = stack.enter_context(database(engine, folder))
        installed = Product(folder / "ours", more={"MODERATION_DATABASE_URL": url, "MODERATION_SWEEP_SECONDS": "2"})
        installed.folder.mkdir()
        db = Database(url)
        migrations.migrate(db)
        db.dispose()
        site = product.add_site(installed.env)
        if whole:
            installed.start()
            stack.callback(installed.stop)
            installed.wait_ready()
        else:
            command = [sys.executable, "-m", "moderation.serve"]
            stack.enter_context(serving(command, installed.port, installed.folder, installed.env))
        found = [ours(installed.port, site.api_key, seed)]
        port, own = product.free_port(), folder / "bare"
        own.mkdir()
        bare_url = url if engine != "sqlite" else f"sqlite:///{own / 'bare.db'}"
        command = [sys.executable, "-m", "bench.bare", bare_url, str(port)]
        stack.enter_context(serving(command, port, own, installed.env))
        found.append(bare(port, seed + 1))
        if isso_python:
            port, own = product.free_port(), folder / "isso"
            own.mkdir()
            command = [isso_python, str(ROOT / "bench" / "isso_server.py"), str(own), str(port)]
            stack.enter_context(serving(command, port, own, installed.env))
            found.append(isso(port, seed + 2))
        yield found


def run(engine: str, rounds: int, seconds: float, *, whole: bool, isso_python: str | None, seed: int) -> bool:
    """Measure on one engine and print it; whether the aims are met."""
    with targets(engine, whole=whole, isso_python=isso_python, seed=seed) as found:
        for target in found:
            target.measure(lambda load: load.closed(1.0))  # caches and connections warm
        for number in range(rounds):
            order = found if number % 2 == 0 else found[::-1]
            for target in order:
                measured = target.measure(lambda load: load.closed(seconds))
                target.rates.append(measured.rate)
                target.p99s.append(measured.quantile(0.99))
            for target in order:
                measured = target.measure(lambda load: load.paced(PACE, seconds))
                target.paced.append(measured.quantile(0.99))
    mine, least = found[0], found[1]
    print(f"\n{engine}{', whole product' if whole else ''}: {rounds} rounds of {seconds:g} s")
    print(f"{'server':<8}{'requests/s':>12}{'p99 at full speed':>20}{f'p99 at {PACE:g}/s':>16}{'rate of ours':>16}")
    for target in found:
        ratio = statistics.median(a / b for a, b in zip(mine.rates, target.rates, strict=True))
        print(
            f"{target.name:<8}{statistics.median(target.rates):>12.0f}"
            f"{statistics.median(target.p99s) * 1000:>17.0f} ms{statistics.median(target.paced) * 1000:>13.0f} ms"
            f"{'' if target is mine else f'{ratio:.2f} times':>16}"
        )
    met = statistics.median(mine.paced) <= P99_SECONDS
    share = statistics.median(a / b for a, b in zip(mine.rates, least.rates, strict=True))
    met = met and (whole or share >= SHARE_OF_BARE)
    if len(found) > 2:
        times = statistics.median(a / b for a, b in zip(mine.rates, found[2].rates, strict=True))
        met = met and (whole or times >= TIMES_ISSO)
    print("aims met" if met else "AIMS MISSED")
    return met


def main() -> None:
    """Run on SQLite, and on PostgreSQL where it answers at its usual port."""
    parser = argparse.ArgumentParser(description="What taking a comment in costs.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--isso", metavar="PYTHON", help="an interpreter with isso and waitress installed")
    parser.add_argument("--product", action="store_true", help="run the whole product, workers included")
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), action="append")
    given = parser.parse_args()
    engines = given.engine or ["sqlite", *(["postgresql"] if product.listens(5432) else [])]
    met = [
        run(engine, given.rounds, given.seconds, whole=given.product, isso_python=given.isso, seed=given.seed)
        for engine in engines
    ]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
