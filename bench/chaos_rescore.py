"""Kill, pause, resume and cancel a rescore run at random, then count: `python -m bench.chaos_rescore [--rows N]`.

The product runs as its user runs it (`moderation up`, embedded broker) over an imported archive, on SQLite and on
PostgreSQL. Faults are drawn from kill -9 of the worker, pause and resume, cancel and a new run over the same comments.
At the end every comment must have exactly one score, every different text must have been computed exactly once, no
decision and no comment may have changed, and no batch may have been written later than CANCEL_SECONDS after a cancel.
Exit code 1 otherwise.
"""

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from sqlalchemy import select

from bench import archived, importing
from bench.archived import Archive
from bench.product import Product
from moderation import queues
from moderation.errors import Conflict
from moderation.rescoring.models import RescoreBatch, RescoreRun

KINDS = ("kill", "kill", "pause", "cancel")
CANCEL_SECONDS = 5.0
STUCK_SECONDS = 120.0
"""Without a finished batch for so long something is wrong: a lease is 30 s, a worker is back in 5 s."""


@dataclass
class Chaos:
    """One run of faults."""

    archive: Archive
    installed: Product
    rand: random.Random
    run_id: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def strike(self) -> None:
        """One fault, in the middle of whatever is going on."""
        time.sleep(self.rand.uniform(0.0, 0.6))
        kind = self.rand.choice(KINDS)
        try:
            if kind == "kill":
                pid = self.installed.children().get(queues.RESCORING)
                if pid is None:  # it is being started again
                    kind = "pause"
                else:
                    os.kill(pid, signal.SIGKILL)
            if kind == "pause":
                self.archive.steer("pause", self.run_id)
                time.sleep(self.rand.uniform(0.0, 0.5))
                self.archive.steer("resume", self.run_id)
            elif kind == "cancel":
                self.archive.steer("cancel", self.run_id)
                self.run_id = self.archive.start()
        except Conflict:  # it was just done
            return
        self.faults[kind] += 1

    def wait_for_batch(self, before: int) -> bool:
        """Until another batch is finished, or the run is over; False when it is over."""
        until = time.monotonic() + STUCK_SECONDS
        while self.archive.batches() == before:
            if self.archive.run(self.run_id).state == "done":
                return False
            if time.monotonic() > until:
                raise RuntimeError(f"no batch in {STUCK_SECONDS:.0f} s:\n{self.installed.log.read_text()[-3000:]}")
            time.sleep(0.05)
        return self.archive.run(self.run_id).state != "done"

    def finish(self) -> None:
        """Let the last run come to its end."""
        until, before = time.monotonic() + STUCK_SECONDS, -1
        while self.archive.run(self.run_id).state != "done":
            now = self.archive.batches()
            if now != before:
                until, before = time.monotonic() + STUCK_SECONDS, now
            if time.monotonic() > until:
                raise RuntimeError(f"the run does not end:\n{self.installed.log.read_text()[-3000:]}")
            time.sleep(0.2)


def broken(archive: Archive, run_id: int, fingerprint: str) -> tuple[list[str], float]:
    """What is not as it should be, and the latest that a batch was written after its run was cancelled (s)."""
    found = []
    version = archive.run(run_id).version
    scores, comments = archive.scored(version)
    if (scores, comments) != (archive.rows, archive.rows):
        found.append(f"{scores} scores of {comments} comments, not one of each of {archive.rows}")
    late = 0.0
    computed = dealt = 0
    with archive.db.reading() as session:
        for run in session.scalars(select(RescoreRun)):
            batches = session.scalars(
                select(RescoreBatch).where(RescoreBatch.run_id == run.id).order_by(RescoreBatch.after_id)
            ).all()
            done = [batch for batch in batches if batch.done]
            computed += sum(batch.scored for batch in done)
            if run.state == "cancelled" and run.finished_at is not None:
                moments = [batch.done_at for batch in done if batch.done_at is not None]
                late = max([late, *((moment - run.finished_at).total_seconds() for moment in moments)])
            if run.id == run_id:
                dealt = sum(batch.comments for batch in done)
                edges = [(batch.after_id, batch.until_id) for batch in batches]
                gaps = sum(a[1] != b[0] for a, b in pairwise(edges))
                if gaps or len(done) != len(batches) or edges[0][0] != 0 or edges[-1][1] != run.until_id:
                    found.append(f"the batches of run {run.id} do not cover it: {gaps} gaps")
    if dealt != archive.rows:
        found.append(f"the last run dealt with {dealt} comments, not {archive.rows}")
    if computed != archive.different_texts():
        found.append(f"{computed} texts were computed, there are {archive.different_texts()} different ones")
    if archive.fingerprint() != fingerprint:
        found.append("a decision or a comment has changed")
    if late > CANCEL_SECONDS:
        found.append(f"a batch was written {late:.1f} s after the cancel")
    return found, late


def run(engine: str, rows: int, faults: int, seed: int) -> bool:
    """All of it on one engine; whether nothing is broken."""
    with archived.archive(engine, rows, seed) as archive:
        folder = Path(archive.env["MODERATION_DATA_DIR"])
        more = {"MODERATION_DATABASE_URL": archive.env["MODERATION_DATABASE_URL"]}
        installed = Product(folder, more=more)
        fingerprint = archive.fingerprint()
        installed.start()
        began = time.monotonic()
        try:
            installed.wait_ready()
            chaos = Chaos(archive, installed, random.Random(seed))
            chaos.run_id = archive.start()
            before = archive.batches()
            while sum(chaos.faults.values()) < faults and chaos.wait_for_batch(before):
                before = archive.batches()
                chaos.strike()
            chaos.finish()
        finally:
            installed.stop()
        found, late = broken(archive, chaos.run_id, fingerprint)
        told = ", ".join(f"{count} × {kind}" for kind, count in sorted(chaos.faults.items()))
        print(f"{engine}: {rows:,} comments, {sum(chaos.faults.values())} faults ({told}), ", end="")
        print(f"{archive.batches()} batches, {time.monotonic() - began:.0f} s; last write after a cancel: {late:.2f} s")
    for fault in found:
        print(f"  BROKEN  {fault}")
    return not found


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), action="append", help="both, unless told")
    given = parser.parse_args()
    engines = given.engine or ["sqlite", *(["postgresql"] if importing.postgres_listens() else [])]
    whole = [run(engine, given.rows, given.faults, given.seed) for engine in engines]
    print("nothing is broken" if all(whole) else "BROKEN")
    return 0 if all(whole) else 1


if __name__ == "__main__":
    sys.exit(main())
