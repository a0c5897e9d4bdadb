"""Kill processes at random while comments come in, then count what was lost: `python -m bench.chaos_smoke [SEED]`.

The product runs as its user runs it (`moderation up`, SQLite, the embedded broker) in an empty folder. Its children
die by kill -9 ten times and its supervisor once, always with comments on their way. Exit code 1 when any rule of
bench/checker.py is broken. `--sabotage NAME` damages a copy of the result: a checker that sees has to exit with 1.
"""

import argparse
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import checker, product, receiver, sabotage
from bench.checker import Ledger
from bench.comments import Made, make
from bench.load import Load
from bench.product import Product
from bench.receiver import Receiver
from moderation import queues
from moderation.db import Database

CHILDREN = ("web", queues.SCORING, queues.DELIVERY, queues.HOUSEKEEPING)
SUPERVISOR = "supervisor"
CLIENTS = 4
ORPHANS_SECONDS = 5.0
"""What the supervisor's children may take to notice that it is gone."""
BACK_SECONDS = 20.0
QUIET_SECONDS = 75.0
"""Longer than the longest lease (45 s of a text to score), the sweep that follows it and what has piled up by then."""
LIMIT_SECONDS = 120.0
"""What a run of 500 comments and 11 faults may take on two cores."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happened: whom, at how many accepted comments, when (s after the first comment), how long until `outcome`.

    `seconds` is None when the outcome did not come in time.
    """

    victim: str
    accepted: int
    at: float
    seconds: float | None
    outcome: str


def plan(rand: random.Random, children: int) -> list[str]:
    """Whom to kill, in order: every child's turn comes before any has its next, the supervisor once in between."""
    victims: list[str] = []
    while len(victims) < children:
        victims += rand.sample(CHILDREN, len(CHILDREN))
    victims = victims[:children]
    victims.insert(rand.randint(children // 3, children), SUPERVISOR)
    return victims


class Chaos:
    """One run: the product, its load and its faults."""

    def __init__(self, running: Product, load: Load, ledger: Ledger, rand: random.Random) -> None:
        self._product, self._load, self._ledger, self._rand = running, load, ledger, rand
        self._begun = time.monotonic()
        self.faults: list[Fault] = []
        self.violations: list[str] = []

    def run(self, victims: Sequence[str], comments: int) -> None:
        """Send `comments` in as many shares as there are faults and one more; a fault falls into each but the last."""
        self._load.start()
        share = comments / (len(victims) + 1)
        for number, victim in enumerate(victims):
            self._load.open_to(round((number + 1) * share))
            # Somewhere in the share, but never at its end: the clients are in the middle of it when the victim dies.
            enough = round((number + self._rand.uniform(0.1, 0.7)) * share)
            if not self._load.wait_for(enough, product.READY_SECONDS):
                self.violations.append(f"only {len(self._ledger.acked)} comments were accepted before {victim} died")
            self._strike(victim)
        self._load.open_to(comments)
        self._load.join()

    def _strike(self, victim: str) -> None:
        if victim == SUPERVISOR:
            self._kill_supervisor()
        else:
            self._kill_child(victim)

    def _kill_child(self, name: str) -> None:
        pid = self._wait_child(name)
        accepted, at = len(self._ledger.acked), time.monotonic()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        back = self._wait_child(name, other_than=pid) if pid is not None else None
        seconds = time.monotonic() - at if back is not None else None
        self.faults.append(Fault(name, accepted, at - self._begun, seconds, "started again"))
        if seconds is None:
            self.violations.append(f"{name} was killed and did not come back in {BACK_SECONDS:.0f} s")

    def _kill_supervisor(self) -> None:
        accepted, at = len(self._ledger.acked), time.monotonic()
        seconds = self._product.kill_supervisor(patience=4 * ORPHANS_SECONDS)
        self.faults.append(Fault(SUPERVISOR, accepted, at - self._begun, seconds, "children gone"))
        if seconds is None or seconds > ORPHANS_SECONDS:
            shown = "not gone at all" if seconds is None else f"gone after {seconds:.1f} s"
            self.violations.append(f"the killed supervisor's children were {shown}; allowed: {ORPHANS_SECONDS:.0f} s")
        begun = time.monotonic()
        self._product.start()
        self._product.wait_ready()
        self.faults.append(Fault("", accepted, begun - self._begun, time.monotonic() - begun, "product ready again"))

    def _wait_child(self, name: str, other_than: int | None = None) -> int | None:
        until = time.monotonic() + BACK_SECONDS
        while time.monotonic() < until:
            pid = self._product.children().get(name)
            if pid is not None and pid != other_than:
                return pid
            time.sleep(0.02)
        return None

    def settle(self, db: Database) -> dict[str, float]:
        """Wait until nothing is on its way any more; seconds until the last of each kind (see checker.waiting)."""
        begun = time.monotonic()
        last: dict[str, float] = {}
        while time.monotonic() - begun < QUIET_SECONDS:
            counts = checker.waiting(db)
            last |= {kind: time.monotonic() - begun for kind, count in counts.items() if count or kind not in last}
            if not any(counts.values()):
                break
            time.sleep(0.3)
        return last


def table(faults: Sequence[Fault]) -> list[str]:
    """The faults as lines."""
    lines = ["     s  accepted  kill -9       what followed"]
    for fault in faults:
        shown = "NOT in time" if fault.seconds is None else f"after {fault.seconds:.2f} s"
        lines.append(f"{fault.at:6.1f}  {fault.accepted:8}  {fault.victim:12}  {fault.outcome} {shown}")
    return lines


def outcomes(db: Database, made: Sequence[Made], ledger: Ledger) -> list[str]:
    """How the kinds of comments were judged, as lines; for the reader, not a rule."""
    kinds = {item.external_id: item.kind for item in made}
    found = Counter((kinds.get(name, "unknown"), status) for name, status in checker.statuses(db).items())
    judged = ", ".join(f"{kind} {status} {count}" for (kind, status), count in sorted(found.items()))
    answers = ", ".join(f"{name} {count}" for name, count in sorted(ledger.answers.items()))
    events = len({item.event_id for item in ledger.heard})
    return [f"judged: {judged}", f"answers: {answers}", f"events heard: {len(ledger.heard)} of {events} different ones"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. `damage` names a sabotage; `limit` is in seconds."""

    seed: int
    comments: int
    faults: int
    damage: str | None
    limit: float


def execute(folder: Path, told: Receiver, wanted: Options) -> int:
    """The whole run in an empty folder; prints it and returns the exit code."""
    begun = time.monotonic()
    rand, ledger = random.Random(wanted.seed), Ledger(heard=told.heard, faults=told.faults)
    running = Product(folder)
    site = product.add_site(running.env, told.url)
    told.secret = site.webhook_secret
    made = make(wanted.comments, wanted.seed)
    db = running.database()
    try:
        running.start()
        print(f"ready after {running.wait_ready():.1f} s", flush=True)
        load = Load(running.port, site.api_key, made, ledger, threads=CLIENTS, seed=wanted.seed)
        chaos = Chaos(running, load, ledger, rand)
        chaos.run(plan(rand, wanted.faults), wanted.comments)
        quiet = chaos.settle(db)
    finally:
        running.stop()
    print("\n".join(table(chaos.faults)))
    waited = ", ".join(f"none {kind} after {seconds:.1f} s" for kind, seconds in quiet.items())
    print(f"since the last comment was accepted: {waited}")
    print("\n".join(outcomes(db, made, ledger)))
    if wanted.damage is not None:
        db.dispose()
        return _sabotaged(folder, ledger, wanted.damage)
    found = checker.check(db, ledger)
    db.dispose()
    print("\n".join(checker.report(found)))
    whole = time.monotonic() - begun
    if whole > wanted.limit:
        chaos.violations.append(f"the run took {whole:.0f} s; allowed: {wanted.limit:.0f} s")
    for text in chaos.violations:
        print(f"  BROKEN  {text}")
    violations = chaos.violations + [text for texts in found.values() for text in texts]
    struck = sum(fault.victim != "" for fault in chaos.faults)
    print(f"{len(ledger.acked)} accepted, {struck} kill -9, {whole:.0f} s, {len(violations)} violations")
    return 1 if violations else 0


def _sabotaged(folder: Path, ledger: Ledger, damage: str) -> int:
    """Check a damaged copy: 1 when the rule that guards against this damage is broken, 0 when the checker is blind."""
    sabotage.damaged(folder / "moderation.db", folder / "damaged.db", damage)
    db = Database(f"sqlite:///{folder / 'damaged.db'}")
    found = checker.check(db, ledger)
    db.dispose()
    rule = sabotage.DEEDS[damage][0]
    print("\n".join(checker.report(found)))
    print(f"sabotage {damage}: rule {rule!r} {'noticed it' if found[rule] else 'is BLIND to it'}")
    return 1 if found[rule] else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos_smoke", description=__doc__.partition("\n")[0])
    parser.add_argument("seed", nargs="?", type=int, help="repeat the plan of an earlier run; random when not given")
    parser.add_argument("--comments", type=int, default=500)
    parser.add_argument("--faults", type=int, default=10, help="children to kill; the supervisor dies once more")
    parser.add_argument("--sabotage", choices=sorted(sabotage.DEEDS), help="damage a copy of the result: must exit 1")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds that the whole run may take")
    given = parser.parse_args(arguments)
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}: {given.comments} comments from {CLIENTS} clients, {given.faults} + 1 kill -9", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="moderation-chaos-"))
    code = 1
    try:
        with receiver.listening() as told:
            code = execute(folder, told, Options(seed, given.comments, given.faults, given.sabotage, given.limit))
    finally:
        if code and given.sabotage is None:
            print(f"kept for a look: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
