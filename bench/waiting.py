"""Does waiting for verdicts slow intake down? `python -m bench.waiting [--rounds N] [--engine …]`.

The whole product runs, eight web threads. Two senders share 50 requests/s: the first never waits for a verdict and is
measured; the second sends alike in one half of each round, and with `?wait=800` in the other. Interleaved in one run,
ratios are the medians of the rounds' own. Exit code 1 when the first one's p99 is more than 1.5 times itself.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from bench import intake, product
from bench.client import bearer
from bench.product import Product
from bench.wire import Load, Measured, request

RATE = 50.0
"""Requests per second of both senders together."""
MOST = 1.5


def lines(path: str, api_key: str, seed: int) -> Iterator[bytes]:
    """Requests without end."""
    return (request(path, json.dumps(body).encode(), bearer(api_key)) for body in intake.bodies(seed))


def send(port: int, requests: Iterator[bytes], connections: int, seconds: float) -> Measured:
    """Half of the rate over connections of its own."""
    load = Load(port, requests, connections)
    try:
        return load.paced(RATE / 2, seconds)
    finally:
        load.close()


def both(port: int, first: Iterator[bytes], second: Iterator[bytes], seconds: float) -> tuple[Measured, Measured]:
    """Two senders at once; the first is the one that never waits."""
    found: list[Measured] = []
    other = threading.Thread(target=lambda: found.append(send(port, second, 32, seconds)))
    other.start()
    mine = send(port, first, 16, seconds)
    other.join()
    return mine, found[0]


def run(engine: str, rounds: int, seconds: float, seed: int) -> bool:
    """Measure on one engine and print it; whether the aim is met."""
    with tempfile.TemporaryDirectory(prefix="bench-waiting-") as name, intake.database(engine, Path(name)) as url:
        installed = Product(Path(name) / "product", more={"MODERATION_DATABASE_URL": url})
        installed.folder.mkdir()
        installed.start()
        try:
            installed.wait_ready()
            site = product.add_site(installed.env)
            seeds = itertools.count(seed, 1_000_000)
            plain = lines("/api/v1/comments", site.api_key, next(seeds))
            alike = lines("/api/v1/comments", site.api_key, next(seeds))
            waiting = lines("/api/v1/comments?wait=800", site.api_key, next(seeds))
            both(installed.port, plain, alike, 3.0)  # caches and models warm
            without: list[float] = []
            beside: list[float] = []
            judged = asked = 0
            for number in range(rounds):
                for waits in (False, True) if number % 2 == 0 else (True, False):
                    mine, other = both(installed.port, plain, waiting if waits else alike, seconds)
                    (beside if waits else without).append(mine.quantile(0.99))
                    if waits:
                        judged, asked = judged + other.codes[200], asked + len(other.waits)
        finally:
            installed.stop()
    ratio = statistics.median(a / b for a, b in zip(beside, without, strict=True))
    print(f"{engine}: {rounds} rounds of 2 × {seconds:g} s at {RATE:g} requests/s")
    print(f"  p99 of those who do not wait: {statistics.median(without) * 1000:.0f} ms beside their like,")
    print(f"  {statistics.median(beside) * 1000:.0f} ms beside those who wait: {ratio:.2f} times")
    print(f"  of {asked} that waited up to 800 ms, {judged} got their verdict at once")
    return bool(ratio <= MOST)


def main() -> None:
    """Run on SQLite, and on PostgreSQL where it answers at its usual port."""
    parser = argparse.ArgumentParser(description="Does waiting for verdicts slow intake down?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), action="append")
    given = parser.parse_args()
    engines = given.engine or ["sqlite", *(["postgresql"] if product.listens(5432) else [])]
    met = [run(engine, given.rounds, given.seconds, given.seed) for engine in engines]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
