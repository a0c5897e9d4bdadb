"""What it takes to find a flood: near-duplicate texts among those of thirty days, and bursts among many comments.

    python -m bench.floods --sqlite 200000 --postgres 1000000

Signatures are drawn at random; one in fifty shares a band with all others of its kind, as texts that begin with the
same phrase do. Half of the texts that are looked up are nearly one that is known, half are new. Bursts are counted
among seeded comments of a year, with a flood of 2,000 from one author and network in the last ten minutes.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from bench.seeding import seed
from bench.simulator import databases
from moderation import migrations
from moderation.comments.models import Author, Comment
from moderation.db import Database, utcnow
from moderation.review import bursts
from moderation.scoring import campaigns, fingerprints
from moderation.scoring.fingerprints import ALIKE, BANDS, ROWS, VALUES, Signature

PART = 20_000
FIRST_ID = 100_000_000
"""Beyond the campaigns of the seeded comments."""

FLOOD = 2_000
BATCH = 16
AIM_MS = 10.0
"""Milliseconds: what "found in milliseconds" is taken to mean."""


def signatures(count: int, rand: np.random.Generator) -> np.ndarray[Any, Any]:
    """`count` signatures; one in fifty has the first band of a common phrase."""
    made = rand.integers(0, 2**16, (count, VALUES), dtype=np.uint16)
    made[::50, :ROWS] = 7
    return made


def fill(db: Database, site_id: int, made: np.ndarray[Any, Any]) -> None:
    """Store campaigns of these signatures, the way that the engine takes many rows."""
    now = utcnow()
    connection = db.engine.raw_connection()
    try:
        cursor = connection.cursor()
        stamp: Any = now.replace(tzinfo=None).isoformat(" ") if db.is_sqlite else now
        campaign = ("campaign", ("id", "site_id", "signature", "size", "created_at", "last_seen_at"))
        band = ("campaign_band", ("campaign_id", "band", "site_id", "key"))
        for first in range(0, len(made), PART):
            part = made[first : first + PART]
            rows = [
                (FIRST_ID + first + n, site_id, fingerprints.stored(one), 1, stamp, stamp) for n, one in enumerate(part)
            ]
            bands = [
                (FIRST_ID + first + n, place, site_id, key)
                for n, one in enumerate(part)
                for place, key in enumerate(fingerprints.keys(one))
            ]
            for (table, columns), values in ((campaign, rows), (band, bands)):
                _put(cursor, table, columns, values, copy=not db.is_sqlite)
        if not db.is_sqlite:
            cursor.execute("SELECT setval(pg_get_serial_sequence('campaign', 'id'), %s)", (FIRST_ID + len(made),))
        connection.commit()
    finally:
        connection.close()


def _put(cursor: Any, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], *, copy: bool) -> None:
    names = ", ".join(columns)
    if copy:
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as sink:
            for row in rows:
                sink.write_row(row)
    else:
        marks = ", ".join("?" * len(columns))
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608 our own names


def probes(made: np.ndarray[Any, Any], count: int, rand: np.random.Generator) -> list[tuple[Signature, bool]]:
    """Signatures to look up, and whether one of those stored is nearly the same: a fifth of the values differs."""
    found = []
    for n in range(count):
        known = n % 2 == 0
        one = made[rand.integers(len(made))].copy() if known else signatures(1, rand)[0]
        if known:
            places = rand.choice(VALUES, VALUES // 5, replace=False)
            one[places] = rand.integers(0, 2**16, len(places), dtype=np.uint16)
        elif n % 4 == 1:
            one[:ROWS] = 7
        found.append((one, known))
    return found


def look_up(session: Session, site_id: int, one: Signature) -> bool:
    """What campaigns.join does for a new text before it writes."""
    since = utcnow() - campaigns.MEMORY
    groups = campaigns.near(session, site_id, [one], since)
    return bool(groups) and max(fingerprints.alike_many(one, np.stack([g.signature for g in groups]))) >= ALIKE


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    into.append((time.perf_counter() - began) * 1000)


def told(title: str, took: Sequence[float], more: str = "") -> None:
    ordered = sorted(took)
    p95 = ordered[int(len(ordered) * 0.95)]
    print(f"  {title:<50} p50 {statistics.median(ordered):7.2f} ms   p95 {p95:7.2f} ms   {more}")


def measure(name: str, url: str, count: int, comments: int, rounds: int) -> None:
    """Fill one database and print what the lookups take."""
    rand = np.random.default_rng(4)
    db = Database(url)
    migrations.migrate(db)
    began = time.perf_counter()
    seeded = seed(db, comments, comments // 10, say=lambda _: None)
    made = signatures(count, rand)
    fill(db, seeded.site_id, made)
    with db.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("ANALYZE")
    print(f"{name}: {count:,} signatures, {comments:,} comments, filled in {time.perf_counter() - began:.0f} s")
    wanted = probes(made, rounds, rand)
    with db.reading() as session:
        for one, _ in wanted[:20]:
            look_up(session, seeded.site_id, one)
        took: list[float] = []
        right = 0
        for one, known in wanted:
            with timed(took):
                found = look_up(session, seeded.site_id, one)
            right += found == known
    told("one text among all", took, f"{right} of {rounds} answered rightly")
    _floods(db, seeded.site_id, rounds)
    db.dispose()


def _floods(db: Database, site_id: int, rounds: int) -> None:
    now = utcnow()
    with db.transaction() as session:
        author = Author(site_id=site_id, identity="x:flood", external_id="flood", first_seen_at=now)
        session.add(author)
        session.flush()
        session.execute(
            sa.insert(Comment),
            [
                {
                    **{"site_id": site_id, "external_id": f"flood-{n}", "source": "api", "status": "APPROVED"},
                    **{"author_id": author.id, "ip_network": "203.0.113.0/24", "author_name": "Budi"},
                    **dict.fromkeys(
                        ("created_at", "received_at", "pending_since", "shown_at"),
                        now - timedelta(seconds=(FLOOD - n) * 580 / FLOOD),
                    ),
                }
                for n in range(FLOOD)
            ],
        )
    dialect = "sqlite" if db.is_sqlite else "postgresql"
    with db.reading() as session:
        newest = session.scalars(sa.select(Comment.id).order_by(Comment.id.desc()).limit(FLOOD + 1)).all()
        quiet = session.scalars(sa.select(Comment.id).where(Comment.id < newest[-1]).limit(BATCH * 50)).all()
        asked: list[tuple[str, Callable[[int], Sequence[int]]]] = [
            (f"{BATCH} comments of a flood", lambda n: newest[(n * 7) % 1000 : (n * 7) % 1000 + BATCH]),
            (f"{BATCH} comments of quiet days", lambda n: quiet[n % 50 * BATCH : (n % 50 + 1) * BATCH]),
        ]
        for title, ids in asked:
            for of_site in (False, True):
                took: list[float] = []
                for n in range(rounds + 5):
                    with timed(took):
                        given = ids(n)[:1] if of_site else ids(n)
                        session.execute(bursts.statement(dialect, of_site=of_site), {"ids": list(given)}).all()
                told(f"{title}: {'site' if of_site else 'authors and networks'}", took[5:])


def main() -> None:
    """Measure both engines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sqlite", type=int, default=200_000, help="signatures")
    parser.add_argument("--postgres", type=int, default=1_000_000, help="signatures")
    parser.add_argument("--comments", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    print(f"signatures of {VALUES} values in {BANDS} bands; aim: p95 below {AIM_MS:.0f} ms")
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder)) as urls:
        for (name, url), count in zip(urls.items(), (options.sqlite, options.postgres), strict=True):
            if count:
                measure(name, url, count, options.comments, options.rounds)


if __name__ == "__main__":
    main()
