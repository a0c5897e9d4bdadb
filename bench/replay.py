"""Send archived comments through the signed webhook into the product and time it: `python -m bench.replay DATA`.

DATA is a folder outside the project with the two files that bench/archive.py names. The product is started in an empty
folder (`moderation up`, SQLite, the embedded broker, the built-in scorer). Exit code 1 when a row was refused, lost,
changed, stored or judged twice, or not judged at all.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from bench import archive, checker, product
from bench.archive import Row
from bench.checker import Ledger
from bench.client import Client
from bench.product import Product, Site
from moderation.comments.models import Comment
from moderation.db import Database
from moderation.review.models import Decision

PATIENCE_SECONDS = 300.0
"""Without all verdicts after this long the run has failed."""


@dataclass
class Sending:
    """Several senders that share one list; `rate` (comments/s of all together) spreads them, 0 = at full speed."""

    port: int
    site: Site
    rows: Sequence[Row]
    rate: float
    ledger: Ledger = field(default_factory=Ledger)
    waits: list[float] = field(default_factory=list)
    """Seconds from each request to its 2xx."""
    begun: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, senders: int) -> float:
        """Send everything; returns the seconds from the first request to the last answer."""
        shared = iter(self.rows)
        threads = [threading.Thread(target=self._send_all, args=(shared,), daemon=True) for _ in range(senders)]
        self.begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - self.begun

    def _send_all(self, shared: Iterator[Row]) -> None:
        client = Client(self.port)
        while True:
            with self._lock:
                row = next(shared, None)
                if row is None:
                    break
                self.ledger.sent[row.external_id] = row.text
            if self.rate:
                time.sleep(max(0.0, self.begun + row.number / self.rate - time.monotonic()))
            asked = time.monotonic()
            answer = client.post_signed(
                f"/webhooks/{self.site.public_id}/comments",
                self.site.webhook_secret,
                f"msg_{row.external_id}",
                row.event(),
            )
            with self._lock:
                self.ledger.answers[str(answer.status)] += 1
                if answer.status in (200, 202):
                    self.ledger.acked[row.external_id] = answer.json()["id"]
                    self.waits.append(time.monotonic() - asked)
        client.close()


@dataclass(frozen=True, slots=True)
class Result:
    """What the database says afterwards: statuses by external id, when each verdict came, how many were not scored."""

    statuses: dict[str, str]
    waits: list[float]
    """Seconds from the receipt of a comment to its first verdict, one per judged comment."""
    first: datetime
    last: datetime
    not_scored: int


def read(db: Database) -> Result:
    """The outcome of a finished run."""
    first = select(Decision.comment_id, func.min(Decision.created_at).label("at")).group_by(Decision.comment_id)
    verdict = first.subquery()
    with db.reading() as session:
        rows = session.execute(
            select(Comment.received_at, verdict.c.at).join(verdict, verdict.c.comment_id == Comment.id)
        ).all()
        not_scored = session.scalar(select(func.count()).select_from(Comment).where(Comment.not_scored)) or 0
    return Result(
        checker.statuses(db),
        [(row.at - row.received_at).total_seconds() for row in rows],
        min(row.received_at for row in rows),
        max(row.at for row in rows),
        not_scored,
    )


def outcomes(rows: Sequence[Row], statuses: dict[str, str]) -> list[str]:
    """A table in Markdown: how each label of each source was judged."""
    groups = sorted(rows, key=lambda row: (row.source, row.label))
    lines = ["| source | label | sent | APPROVED | HELD | REJECTED | held |", "|---|---|--:|--:|--:|--:|--:|"]
    for (source, label), members in itertools.groupby(groups, key=lambda row: (row.source, row.label)):
        found = Counter(statuses.get(row.external_id, "lost") for row in members)
        whole = found.total()
        counts = " | ".join(str(found[status]) for status in ("APPROVED", "HELD", "REJECTED"))
        lines.append(f"| {source} | {label} | {whole} | {counts} | {100 * found['HELD'] / whole:.0f} % |")
    return lines


def quantiles(seconds: Sequence[float]) -> str:
    """Median, 95th percentile and maximum, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"median {1000 * cuts[49]:.0f} ms, p95 {1000 * cuts[94]:.0f} ms, longest {1000 * max(seconds):.0f} ms"


def execute(folder: Path, rows: Sequence[Row], *, senders: int, rate: float) -> int:
    """The whole run in an empty folder; prints it and returns the exit code."""
    running = Product(folder)
    sending = Sending(running.port, product.add_site(running.env), rows, rate)
    db = running.database()
    try:
        running.start()
        running.wait_ready()
        seconds = sending.run(senders)
        until = time.monotonic() + PATIENCE_SECONDS
        while checker.waiting(db)["pending"] and time.monotonic() < until:
            time.sleep(0.2)
    finally:
        running.stop()
    found = checker.check(db, sending.ledger, checker.WITHOUT_RECEIVER)
    result = read(db)
    db.dispose()
    judged = (result.last - result.first).total_seconds()
    print("\n".join(outcomes(rows, result.statuses)))
    print(
        f"\nstored {len(result.statuses)}, judged {len(result.waits)}, of them not scored in time {result.not_scored}"
    )
    print(f"in: {len(sending.waits) / seconds:.0f} comments/s; to the 2xx: {quantiles(sending.waits)}")
    print(f"judged: {len(result.waits) / judged:.0f} comments/s; to the verdict: {quantiles(result.waits)}")
    print("\n".join(checker.report(found)))
    complete = len(rows) == len(result.statuses) == len(result.waits)
    return 0 if complete and not any(found.values()) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with the archived comments")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--senders", type=int, default=6)
    parser.add_argument("--rate", type=float, default=0.0, help="comments/s of all senders; 0 = as fast as they can")
    parser.add_argument("--seed", type=int, default=1, help="which rows are drawn, and in which order")
    given = parser.parse_args(arguments)
    try:
        rows = archive.sample(given.data, given.rows, given.seed)
    except (OSError, ValueError) as error:
        print(f"The archive cannot be read: {error}", file=sys.stderr)
        return 2
    speed = f"{given.rate:g} comments/s" if given.rate else "full speed"
    print(f"{len(rows)} rows (seed {given.seed}) from {given.senders} senders at {speed}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="moderation-replay-") as folder:
        return execute(Path(folder), rows, senders=given.senders, rate=given.rate)


if __name__ == "__main__":
    sys.exit(main())
