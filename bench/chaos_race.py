"""Moderators who decide on the same comment in the same moment: `python -m bench.chaos_race`.

10,000 comments are raced for by two and 100 by thirty-two, on SQLite and on PostgreSQL, in several processes, each
racer on a connection of its own. All have seen the same version and start together; every other race locks the row
before, as the pages do, and the others rely on the version alone. Each race must have exactly one winner, whom the
database names; whoever was late must be told who decided what, or have given the very same answer; nothing else may
happen. Prints a table; exit code 1 when any of that is broken.
"""

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, insert, select

from bench import product
from bench.intake import database
from moderation import migrations
from moderation.accounts import sites
from moderation.accounts.models import Moderator
from moderation.comments.models import Comment, Revision
from moderation.comments.status import HELD
from moderation.db import Database, utcnow
from moderation.delivery.models import Delivery
from moderation.errors import Conflict
from moderation.review import decisions
from moderation.review.decisions import REASONS, Decider
from moderation.review.models import Decision

ANSWERS: Sequence[tuple[str, str | None]] = (("approve", None), *(("reject", reason) for reason in REASONS))
"""What the racers answer, in turn: of two no two are the same, of thirty-two some are."""

SEEN = 2
"""The version that everybody has seen."""

CONNECTIONS = 64
"""Of PostgreSQL's usual hundred."""


@dataclass
class Result:
    """What came of some races. `winners`: comment → the moderators who think that they decided it."""

    winners: dict[int, list[int]] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Track:
    """The races of one process: each racer is a thread that goes through all comments, and waits for the others."""

    def __init__(self, url: str, people: Sequence[tuple[int, str]], comments: Sequence[int]) -> None:
        self._db = Database(url, pool_size=len(people))
        self._people, self._comments = people, comments
        self._start = threading.Barrier(len(people))
        self._lock = threading.Lock()
        self._late: dict[int, list[dict[str, object]]] = {number: [] for number in comments}
        self.result = Result({number: [] for number in comments})

    def run(self) -> Result:
        """Race."""
        threads = [threading.Thread(target=self._racer, args=(place,)) for place in range(len(self._people))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._db.dispose()
        for number in self._comments:
            self._check(number)
        return self.result

    def _racer(self, place: int) -> None:
        for turn, number in enumerate(self._comments):
            self._start.wait()
            try:
                self._decide(place, turn, number)
            except Conflict as conflict:
                with self._lock:
                    self._late[number].append(conflict.details)
            except Exception as error:  # whatever it is, it is what the race looks for
                with self._lock:
                    self.result.told["errors"] += 1
                    self.result.violations.append(f"comment {number}: {type(error).__name__}: {error}")

    def _decide(self, place: int, turn: int, number: int) -> None:
        # Nobody answers always first: the answers go round with the races.
        action, reason = ANSWERS[(place + turn) % len(ANSWERS)]
        me = self._people[place][0]
        with self._db.transaction() as session:
            comment = session.get_one(Comment, number, with_for_update=bool(turn % 2))
            by = Decider(session.get_one(Moderator, me))
            made = decisions.decide(session, comment, action, by, seen_version=SEEN, now=utcnow(), reason=reason)
            mine = made is not None and made.moderator_id == me
            same = made is not None and (made.action, made.reason) == (action, reason)
        with self._lock:
            if mine:
                self.result.winners[number].append(me)
            elif same:
                self.result.told["same answer"] += 1
            else:
                self.result.violations.append(f"comment {number}: neither won nor told")

    def _check(self, number: int) -> None:
        winners = self.result.winners[number]
        if len(winners) != 1:
            self.result.violations.append(f"comment {number}: {len(winners)} winners")
            return
        name = dict(self._people)[winners[0]]
        for details in self._late[number]:
            self.result.told["told who"] += details.get("who") == name
            if details.get("who") != name or details.get("what") not in decisions.ACTIONS:
                self.result.violations.append(f"comment {number}: {name} won, and a loser was told {details}")


def prepare(db: Database, people: int, comments: int) -> tuple[list[tuple[int, str]], list[int]]:
    """A site with so many people and held comments: (id, name) of the people, ids of the comments."""
    now = utcnow()
    at = dict.fromkeys(("created_at", "received_at", "pending_since", "decided_at", "shown_at"), now)
    plain = {"source": "api", "status": HELD, "version": SEEN, "revision": 1, "sequence": 1, "priority": 1.0}
    orders = dict.fromkeys(("content_order", "create_order", "delete_order"), "")
    with db.transaction() as session:
        site = sites.add_site(session, name="Warta", url="http://warta.example", now=now).site
        team = [f"Rekan {number}" for number in range(people)]
        for number, name in enumerate(team):
            email = f"rekan{number}@warta.example"
            session.add(Moderator(email=email, name=name, password_hash="", role="administrator", created_at=now))
        session.flush()
        rows = [
            {"site_id": site.id, "external_id": f"c{number}", "shown": False, "shown_next": False}
            for number in range(comments)
        ]
        session.execute(insert(Comment), [{**plain, **orders, **at, **row} for row in rows])
        ids = list(session.scalars(select(Comment.id).order_by(Comment.id)))
        text = {"number": 1, "text": "Rebutan.", "links": 0, "text_hash": "", "created_at": now}
        session.execute(insert(Revision), [{"comment_id": number, **text} for number in ids])
        first = {"revision": 1, "sequence": 1, "action": "hold", "origin": "policy", "created_at": now}
        session.execute(insert(Decision), [{"comment_id": number, **first} for number in ids])
        found = session.execute(select(Moderator.id, Moderator.name).order_by(Moderator.id)).all()
        return [(row.id, row.name) for row in found], ids


def race(url: str, people: Sequence[tuple[int, str]], comments: Sequence[int], processes: int) -> Result:
    """Race for every comment, in so many processes (1: in this one), and look what the database says of it."""
    if processes == 1:
        found = [Track(url, people, comments).run()]
    else:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
            shares = [comments[n::processes] for n in range(processes)]
            found = list(pool.map(_share, [url] * processes, [people] * processes, shares))
    whole = Result()
    for result in found:
        whole.winners |= result.winners
        whole.told += result.told
        whole.violations += result.violations
    db = Database(url)
    whole.violations += audited(db, whole, comments)
    db.dispose()
    return whole


def _share(url: str, people: Sequence[tuple[int, str]], comments: Sequence[int]) -> Result:
    return Track(url, people, comments).run()


def audited(db: Database, result: Result, comments: Sequence[int]) -> list[str]:
    """What in the database is not as one decision per comment leaves it."""
    wrong = []
    with db.reading() as session:
        rows = session.execute(
            select(
                Comment.id, Comment.version, Comment.sequence, func.count(Decision.id), func.max(Decision.moderator_id)
            )
            .join(Decision, Decision.comment_id == Comment.id)
            .where(Comment.id >= comments[0], Comment.id <= comments[-1], Decision.moderator_id.is_not(None))
            .group_by(Comment.id)
        ).all()
        told = session.execute(
            select(Delivery.comment_id, func.count())
            .where(Delivery.comment_id >= comments[0], Delivery.comment_id <= comments[-1])
            .group_by(Delivery.comment_id)
        ).all()
    if len(rows) != len(comments):
        wrong.append(f"{len(comments) - len(rows)} comments without a person's decision")
    for number, version, sequence, n, by in rows:
        if (version, sequence, n, [by]) != (SEEN + 1, 2, 1, result.winners.get(number)):
            wrong.append(f"comment {number}: version {version}, sequence {sequence}, {n} decisions, by {by}")
    events: dict[int | None, int] = {row[0]: row[1] for row in told}
    wrong += [f"comment {number}: {events.get(number, 0)} events" for number in comments if events.get(number) != 1]
    return wrong


@contextmanager
def prepared(engine: str) -> Iterator[str]:
    """The address of an empty database with our tables."""
    with tempfile.TemporaryDirectory(prefix="bench-race-") as folder, database(engine, Path(folder)) as url:
        db = Database(url)
        migrations.migrate(db)
        db.dispose()
        yield url


def run(engine: str, sizes: Sequence[tuple[int, int]], processes: int) -> int:
    """Run the races, (how many, how many ways) each, on one engine; prints a line each, returns the violations."""
    broken = 0
    for races, ways in sizes:
        with prepared(engine) as url:
            db = Database(url)
            people, comments = prepare(db, ways, races)
            db.dispose()
            begun = time.monotonic()
            found = race(url, people, comments, max(1, min(processes, CONNECTIONS // ways, races)))
            seconds = time.monotonic() - begun
        won = sum(len(winners) for winners in found.winners.values())
        told, same, errors = (found.told[name] for name in ("told who", "same answer", "errors"))
        print(
            f"{engine:10} {races:7,} {ways:5} {seconds:8.1f} {races / seconds:8.0f} "
            f"{won:8,} {told:9,} {same:11,} {errors:7} {len(found.violations):10}",
            flush=True,
        )
        for text in found.violations[:20]:
            print(f"  BROKEN  {text}")
        broken += len(found.violations)
    return broken


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos_race", description=__doc__.partition("\n")[0])
    parser.add_argument("--two", type=int, default=10_000, help="races of two")
    parser.add_argument("--many", type=int, default=100, help="races of --ways")
    parser.add_argument("--ways", type=int, default=32)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), action="append", help="both, unless told")
    given = parser.parse_args(arguments)
    engines = given.engine or ["sqlite", *(["postgresql"] if product.listens(5432) else [])]
    sizes = [(races, ways) for races, ways in ((given.two, 2), (given.many, given.ways)) if races]
    print("engine       races  ways  seconds  races/s  winners  told who  same answer  errors  violations")
    broken = sum(run(engine, sizes, given.processes) for engine in engines)
    print(f"{broken} violations")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
