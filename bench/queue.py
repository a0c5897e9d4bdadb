"""What the moderator's queue costs at its real size: `python -m bench.queue [--engine …] [--comments N --held M]`.

Two databases of the same kind, one big and one with 10,000 comments, are asked the same things in turn through the web
application (rendered pages, no network): first page, next page, counts, decide, undo, search, a group's card. Prints
p50, p95, p99 in ms and the ratio of the medians, big to small. Exit code 1 when an aim is missed.

A database is filled once (`bench.seeding`) and kept under the name that `--keep` gives, to be measured again.
"""

import argparse
import contextlib
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from flask.testing import FlaskClient

from bench import seeding
from bench.importing import POSTGRES
from moderation import migrations
from moderation.app import create_app
from moderation.db import Database
from moderation.settings import load

SMALL = (10_000, 1_000)
AIMS_MS = {"first page": 50.0, "next page": 50.0, "decide": 50.0, "search, 1 in 1,000": 200.0, "search, in most": 200.0}
"""Greatest p95 of the big database, in milliseconds."""
MOST_RATIO = 1.3
RATIO_FOR = ("first page", "next page", "decide")


class Silent:
    """Nudges go nowhere: no worker listens."""

    def send(self, task: str) -> None:
        """Nothing."""


@dataclass
class Desk:
    """A logged-in moderator at one database, and what their requests took in seconds."""

    client: FlaskClient
    token: str
    every: int
    held: int
    taken: dict[str, list[float]] = field(default_factory=dict)
    following: str = ""
    decided: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str, path: str) -> str:
        """Ask for a page."""
        began = time.perf_counter()
        answer = self.client.get(path, headers={"Accept": "text/html"})
        self.taken.setdefault(name, []).append(time.perf_counter() - began)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer.get_data(as_text=True)

    def post(self, name: str, path: str, **values: str) -> dict[str, str]:
        """Post a form as the page's script does."""
        began = time.perf_counter()
        answer = self.client.post(
            path, data={"csrf_token": self.token, **values}, headers={"Accept": "application/json"}
        )
        self.taken.setdefault(name, []).append(time.perf_counter() - began)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.get_data(as_text=True)[:300]}"
        found: dict[str, str] = answer.get_json()
        return found


def open_desk(url: str, folder: Path, every: int, held: int) -> Desk:
    """Log in at the web application of a database."""
    settings = replace(
        load({}), data_dir=folder, database_url=url, secret_key="k" * 40, test_fast_hash=True, scorer="off"
    )
    client = create_app(settings, sender=Silent()).test_client()
    page = client.get("/login").get_data(as_text=True)
    token = _token(page)
    answer = client.post("/login", data={"email": seeding.EMAIL, "password": seeding.PASSWORD, "csrf_token": token})
    assert answer.status_code == 303, answer.get_data(as_text=True)[:300]
    return Desk(client, _token(client.get("/queue").get_data(as_text=True)), every, held)


def _token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None, "the page has no form"
    return found.group(1)


def first_page(desk: Desk, _number: int) -> None:
    """The queue as it opens."""
    page = desk.get("first page", "/queue?tab=held")
    found = re.search(r'id="more" href="([^"]+)"', page)
    assert found is not None, "there is no next page"
    desk.following = found.group(1).replace("&amp;", "&")


def next_page(desk: Desk, _number: int) -> None:
    """What follows the page before, twenty further each time."""
    page = desk.get("next page", desk.following)
    found = re.search(r'id="more" href="([^"]+)"', page)
    if found is not None:
        desk.following = found.group(1).replace("&amp;", "&")


def counts(desk: Desk, _number: int) -> None:
    """What the page polls."""
    desk.get("counts", "/queue/changes?tab=held&since=0")


def decide(desk: Desk, number: int) -> None:
    """Reject one that waits, and leave it to `undo`."""
    comment = str((desk.held // 2 + number) * desk.every)
    body = desk.post("decide", f"/queue/{comment}/decision", seen_version="2", reject="OFFENSIVE", tab="held")
    desk.decided.append((comment, str(body["version"])))


def undo(desk: Desk, _number: int) -> None:
    """Take the latest decision back."""
    comment, version = desk.decided.pop()
    desk.post("undo", f"/queue/{comment}/undo", seen_version=version, tab="held")


def search_rare(desk: Desk, number: int) -> None:
    """A word that stands in one comment of a thousand: 10,000 of ten million."""
    desk.get("search, 1 in 1,000", f"/queue?q=w{number % 1000}")


def search_common(desk: Desk, _number: int) -> None:
    """A word that stands in every comment."""
    desk.get("search, in most", "/queue?q=yang")


def search_filters(desk: Desk, number: int) -> None:
    """A word and filters."""
    desk.get("search, filtered", f"/queue?q=w{number % 1000}+status:held+score:%3E0.5")


def group(desk: Desk, _number: int) -> None:
    """A campaign's page."""
    desk.get("group", "/queue/groups/campaign/1")


STEPS: tuple[Callable[[Desk, int], None], ...] = (
    *(first_page, next_page, counts, decide, undo),
    *(search_rare, search_common, search_filters, group),
)


@contextlib.contextmanager
def filled(engine: str, name: str, comments: int, held: int, keep: bool) -> Iterator[str]:
    """The address of a filled database; made where there is none of that name, dropped at the end unless kept."""
    gone: Callable[[], object]
    if engine == "sqlite":
        folder = Path(tempfile.gettempdir()) / name
        path = folder / "moderation.db"
        fresh = not path.is_file()
        folder.mkdir(exist_ok=True)
        url = f"sqlite:///{path}"
        gone = partial(shutil.rmtree, folder)
    else:
        url = f"{POSTGRES}/{name}"
        admin = sa.create_engine(f"{POSTGRES}/postgres", isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            found = connection.scalar(sa.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
            fresh = found is None
            if fresh:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
        gone = partial(_drop, admin, name)

    try:
        if fresh:
            print(f"{engine}: making {comments:,} comments, {held:,} held")
            db = Database(url)
            migrations.migrate(db)
            seeding.seed(db, comments, held)
            db.dispose()
        yield url
    finally:
        if not keep:
            gone()


def _drop(admin: sa.Engine, name: str) -> None:
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def run(engine: str, comments: int, held: int, rounds: int, keep: bool) -> bool:
    """Measure one engine and print the table; whether the aims are met."""
    with (
        filled(engine, f"moderation_bench_{comments}", comments, held, keep) as big_url,
        filled(engine, "moderation_bench_small", *SMALL, False) as small_url,
        tempfile.TemporaryDirectory() as folder,
    ):
        desks = [
            open_desk(url, Path(folder), n // h, h) for url, n, h in ((big_url, comments, held), (small_url, *SMALL))
        ]
        for number in range(-3, rounds):  # three rounds to warm up
            if number == 0:
                for desk in desks:
                    desk.taken.clear()
            for step in STEPS:
                for desk in desks if number % 2 else reversed(desks):
                    step(desk, number + 3)
    print(f"{engine}: {held:,} held of {comments:,} comments, {rounds} rounds, beside {SMALL[1]:,} of {SMALL[0]:,}")
    print(f"{'':24}{'p50':>8}{'p95':>8}{'p99':>8}{'small p50':>11}{'ratio':>8}   (ms)")
    fine = True
    big, small = desks
    for name, times in big.taken.items():
        cuts = [quantile(times, share) * 1000 for share in (0.5, 0.95, 0.99)]
        beside = statistics.median(small.taken[name]) * 1000
        ratio = cuts[0] / beside
        bad = cuts[1] > AIMS_MS.get(name, 1e9) or (name in RATIO_FOR and ratio > MOST_RATIO)
        fine = fine and not bad
        figures = "".join(f"{value:8.1f}" for value in cuts)
        print(f"{name:24}{figures}{beside:11.1f}{ratio:8.2f}{'   over the aim' if bad else ''}")
    return fine


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    """Both engines, or the one that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"))
    parser.add_argument("--comments", type=int)
    parser.add_argument("--held", type=int)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--keep", action="store_true", help="keep the big database for another run")
    options = parser.parse_args()
    sizes = {"sqlite": (1_000_000, 200_000), "postgresql": (10_000_000, 1_000_000)}
    fine = True
    for engine in (options.engine,) if options.engine else sizes:
        comments, held = sizes[engine]
        fine &= run(engine, options.comments or comments, options.held or held, options.rounds, options.keep)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
