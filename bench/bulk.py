"""A bulk job beside live comments: `python -m bench.bulk [--comments N] [--seconds S] [--engine …]`.

The whole product runs over N held comments. A job rejects them all while 50 comments/s come in through the API, each
waiting for its verdict (`?wait=`): that wait is measured, in short turns with the job running and with it paused, one
after the other, because these machines are noisy. Ratios are the medians over the pairs of turns. Between the turns the
worker is killed with -9 three times. At the end the database is asked whether every comment was decided exactly once.

Exit code 1 when live judging is delayed by more than a tenth, or anything was decided twice, or not at all.
"""

import argparse
import itertools
import json
import os
import re
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

from sqlalchemy import func, select

from bench import intake, product, seeding
from bench.client import Client, bearer
from bench.product import Product
from bench.wire import Load, Measured, request
from moderation import migrations, queues
from moderation.accounts import sites
from moderation.accounts.models import Site
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.review.models import BulkItem, BulkJob, Decision

RATE = 50.0
"""Live comments per second."""
CONNECTIONS = 48
WAIT_MS = 2000
TURN_SECONDS = 5.0
SETTLE_SECONDS = 0.5
"""Between two turns: what the one began is done before the other is measured."""
START_SECONDS = 4.0
"""What a worker takes to start: nothing is measured meanwhile."""
KILLS = 3
MOST_DELAY = 1.10
DONE_SECONDS = 3600.0
QUERY = "status:held yang"


@dataclass
class Waits:
    """Seconds from a request to its verdict: per turn, paused and running, in pairs."""

    alone: list[Measured] = field(default_factory=list)
    beside: list[Measured] = field(default_factory=list)

    def ratio(self, share: float | None) -> float:
        """The job's effect on a quantile of the waits (None: on their mean): the median over the pairs."""
        pairs = zip(self.beside, self.alone, strict=True)
        return statistics.median(_figure(with_job, share) / _figure(without, share) for with_job, without in pairs)


def _figure(found: Measured, share: float | None) -> float:
    return statistics.fmean(found.waits) if share is None else found.quantile(share)


@dataclass
class Desk:
    """A moderator's browser that starts and steers the job."""

    client: Client
    path: str = ""
    token: str = ""

    @classmethod
    def logged_in(cls, port: int) -> "Desk":
        """Through the form of /login."""
        client = Client(port, {"Accept": "text/html"}, timeout=60)
        page = client.request("GET", "/login").text
        fields = {"csrf_token": hidden(page, "csrf_token"), "email": seeding.EMAIL, "password": seeding.PASSWORD}
        answer = client.post_form("/login", fields)
        assert answer.status == 303, answer.text
        return cls(client)

    def start(self) -> float:
        """Preview and confirm; seconds that the preview took."""
        began = time.monotonic()
        page = self.client.request("GET", f"/queue/bulk?q={QUERY.replace(' ', '+')}&decision=reject&reason=SPAM").text
        took = time.monotonic() - began
        names = ("csrf_token", "q", "until_id", "decision", "reason")
        answer = self.client.post_form("/queue/bulk", {name: hidden(page, name) for name in names})
        assert answer.status == 303, answer.text
        self.path, self.token = answer.location, hidden(page, "csrf_token")
        return took

    def steer(self, deed: str) -> None:
        """Press a button of the job's page; a job that is over takes none."""
        answer = self.client.post_form(self.path, {"csrf_token": self.token, "deed": deed})
        assert answer.status in (303, 409), answer.text


def hidden(page: str, name: str) -> str:
    """The value of the page's last hidden field of a name."""
    found = re.findall(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found, f"the page has no field {name}"
    return unescape(str(found[-1]))


def lines(api_key: str, seed: int) -> Iterator[bytes]:
    """Requests without end."""
    path = f"/api/v1/comments?wait={WAIT_MS}"
    return (request(path, json.dumps(body).encode(), bearer(api_key)) for body in intake.bodies(seed))


def send(port: int, requests: Iterator[bytes], seconds: float) -> Measured:
    """Live comments for so long; raises RuntimeError when one was refused."""
    load = Load(port, requests, CONNECTIONS)
    try:
        found = load.paced(RATE, seconds)
    finally:
        load.close()
    wrong = {code: count for code, count in found.codes.items() if code not in (200, 202)}
    if wrong:
        raise RuntimeError(f"live comments were answered {wrong}")
    return found


def job_of(db: Database) -> BulkJob:
    """The job as it stands."""
    with db.reading() as session:
        return session.scalars(select(BulkJob).order_by(BulkJob.id.desc())).first() or BulkJob()


def kill(installed: Product) -> float:
    """kill -9 the job's worker; seconds until another one lives."""
    old, began = installed.children().get(queues.BULK), time.monotonic()
    if old is not None:
        os.kill(old, signal.SIGKILL)
    while time.monotonic() - began < product.READY_SECONDS:
        new = installed.children().get(queues.BULK)
        if new is not None and new != old:
            return time.monotonic() - began
        time.sleep(0.02)
    raise RuntimeError("the worker did not come back")


def faults(db: Database, comments: int, live: int) -> list[str]:
    """What is not as it should be once the job is done."""
    job = job_of(db)
    found = []
    with db.reading() as session:
        mine = select(func.count(), func.count(Decision.comment_id.distinct())).where(Decision.job_id == job.id)
        made, different = session.execute(mine).one()
        rejected = session.scalar(
            select(func.count()).where(Comment.id <= job.until_id, Comment.status == "REJECTED", Comment.spam)
        )
        items = session.scalar(select(func.count()).select_from(BulkItem).where(BulkItem.outcome == "decided"))
        waiting = session.scalar(select(func.count()).where(Comment.status == "PENDING"))
        newer = session.scalar(
            select(func.count()).where(Comment.id > job.until_id, Comment.status.in_(("APPROVED", "HELD")))
        )
    for name, number, wanted in (
        ("decisions of the job", made, comments),
        ("different comments decided", different, comments),
        ("comments rejected as spam", rejected, comments),
        ("items", items, comments),
        ("decided, as the job counts", job.decided, comments),
        ("live comments that are not judged", waiting, 0),
        ("live comments approved or held", newer, live),
    ):
        if number != wanted:
            found.append(f"{name}: {number}, not {wanted}")
    return found


def run(engine: str, comments: int, seconds: float, seed: int) -> bool:
    """Measure on one engine and print it; whether the aims are met."""
    with tempfile.TemporaryDirectory(prefix="bench-bulk-") as name, intake.database(engine, Path(name)) as url:
        db = Database(url)
        migrations.migrate(db)
        seeded = seeding.seed(db, comments, comments, say=lambda _: None)
        with db.transaction() as session:
            api_key = sites.add_key(session, session.get_one(Site, seeded.site_id), actor="bench", now=utcnow())
        more = {"MODERATION_DATABASE_URL": url, "MODERATION_WEB_THREADS": "64"}
        installed = Product(Path(name) / "product", more=more)
        installed.folder.mkdir()
        installed.start()
        try:
            installed.wait_ready()
            met = _measure(installed, db, lines(api_key, seed), engine, comments, seconds)
        finally:
            installed.stop()
            db.dispose()
    return met


def _measure(
    installed: Product, db: Database, requests: Iterator[bytes], engine: str, comments: int, seconds: float
) -> bool:
    desk, port = Desk.logged_in(installed.port), installed.port
    send(port, requests, 3.0)  # caches and models; these came before the job, and it does not find them
    previewed = desk.start()
    waits, live = Waits(), 0
    kills: list[float] = []
    busy = 0.0
    done_beside = 0
    for number in itertools.count():
        if number * 2 * TURN_SECONDS >= seconds or job_of(db).state == "done":
            break
        # Each pair in the other order, so that a machine that slows down favours neither.
        for running in (True, False) if number % 2 == 0 else (False, True):
            desk.steer("resume" if running else "pause")
            time.sleep(SETTLE_SECONDS)
            before = job_of(db).decided
            found = send(port, requests, TURN_SECONDS)
            live += len(found.waits)
            if running:
                done_beside, busy = done_beside + job_of(db).decided - before, busy + found.seconds
            (waits.beside if running else waits.alone).append(found)
        if len(kills) < KILLS:
            desk.steer("resume")
            time.sleep(SETTLE_SECONDS)
            kills.append(kill(installed))
            desk.steer("pause")
            time.sleep(START_SECONDS)
    desk.steer("resume")
    left, began = comments - job_of(db).decided, time.monotonic()
    while job_of(db).state == "running" and time.monotonic() - began < DONE_SECONDS:
        if len(kills) < KILLS:
            time.sleep(SETTLE_SECONDS)
            kills.append(kill(installed))
        time.sleep(0.2)
    quiet = left / (time.monotonic() - began)
    broken = faults(db, comments, live)
    _print(engine, comments, waits, previewed, done_beside / busy if busy else 0.0, quiet, kills)
    for fault in broken:
        print(f"  BROKEN  {fault}")
    return not broken and waits.ratio(None) <= MOST_DELAY


def _print(
    engine: str, comments: int, waits: Waits, previewed: float, beside: float, quiet: float, kills: list[float]
) -> None:
    print(f"{engine}: {comments:,} comments, {len(waits.beside)} pairs of {TURN_SECONDS:g} s at {RATE:g} comments/s")
    for name, share in (("mean", None), ("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        alone = statistics.median(_figure(found, share) for found in waits.alone) * 1000
        with_job = statistics.median(_figure(found, share) for found in waits.beside) * 1000
        waited = f"{alone:6.1f} ms, beside the job {with_job:6.1f} ms"
        print(f"  received to verdict, {name:4}  {waited}: ×{waits.ratio(share):.3f}")
    judged = sum(found.codes[200] for found in waits.beside)
    asked = sum(len(found.waits) for found in waits.beside)
    print(f"  beside the job {judged} of {asked} had their verdict within {WAIT_MS} ms")
    print(f"  decided per second: {beside:.0f} beside live comments, {quiet:.0f} without (kills included)")
    back = ", ".join(f"{seconds:.2f} s" for seconds in kills)
    print(f"  preview {previewed * 1000:.0f} ms; killed {len(kills)} times, back after {back}", flush=True)


def main() -> None:
    """Run on SQLite, and on PostgreSQL where it answers at its usual port."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comments", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=240.0, help="of live comments that are measured, per engine")
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), action="append")
    given = parser.parse_args()
    engines = given.engine or ["sqlite", *(["postgresql"] if product.listens(5432) else [])]
    met = [run(engine, given.comments, given.seconds, given.seed) for engine in engines]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
