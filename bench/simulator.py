"""What the policy simulator takes on a site's last comments, on SQLite and PostgreSQL.

    python -m bench.simulator --comments 100000

Two changes of a policy, from the first statement to the last number, with samples of each movement: marks alone, and
word lists. The live policy has a list of 400 words already, so that texts are looked at in both. "first" is a process
that has looked at nothing yet, "again" the same once more: which comments hold a listed word is remembered then. As in
the web process, the collector leaves alone what was there before (app.py).
"""

import argparse
import gc
import statistics
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.importing import WORDS
from bench.seeding import seed
from moderation import migrations
from moderation.accounts.models import Site
from moderation.db import Database, utcnow
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.policy.document import parse
from moderation.rescoring import columns, simulator
from moderation.rescoring.advice import advise

ADMIN_URL = "postgresql+psycopg://postgres@127.0.0.1/postgres"
MARKS_AIM, WORDS_AIM = 2.0, 10.0
"""Seconds that were promised for 100,000 comments."""

_STATUS = """
UPDATE comment SET
  status = CASE id % 10 WHEN 0 THEN 'HELD' WHEN 1 THEN 'REJECTED' WHEN 2 THEN 'REJECTED' ELSE 'APPROVED' END,
  human_revision = CASE WHEN id % 10 < 6 THEN 1 ELSE 0 END
"""


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """A fresh address on each engine."""
    name = f"bench_simulator_{uuid.uuid4().hex[:8]}"
    admin = sa.create_engine(ADMIN_URL, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield {
            "SQLite": f"sqlite:///{folder / 'moderation.db'}",
            "PostgreSQL": f"postgresql+psycopg://postgres@127.0.0.1/{name}",
        }
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


def documents() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The live policy, the same with other marks, the same with other words."""
    words = sorted(set(WORDS.split()))
    listed = [*(f"kata{n}" for n in range(380)), *words[:5], *(f"{words[n]} {words[n + 1]}" for n in range(15))]
    live = {**DEFAULT_DOCUMENT, "word_lists": [{"name": "judi", "words": listed, "action": "hold"}]}
    bands = {**DEFAULT_DOCUMENT["bands"], "builtin": {**DEFAULT_DOCUMENT["bands"]["builtin"]}}
    bands["builtin"]["toxicity"] = {"hold": 0.6, "reject": 0.9}
    more = [*listed[20:], *words[5:10], "otak udang"]
    return (
        live,
        {**live, "bands": bands},
        {**live, "word_lists": [{"name": "judi", "words": more, "action": "hold"}]},
    )


def measure(name: str, url: str, comments: int, rounds: int) -> None:
    """Seed one database and print what the two changes take."""
    db = Database(url)
    migrations.migrate(db)
    seeded = seed(db, comments, comments, say=lambda _: None)
    with db.transaction() as session:
        session.execute(sa.text(_STATUS))
    with db.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("ANALYZE")
    live, marks, words = (parse(document, number) for number, document in enumerate(documents()))
    aims = f"aim for 100,000: {MARKS_AIM:.0f} s and {WORDS_AIM:.0f} s"
    print(f"{name}: {comments:,} comments, median of {rounds} ({aims})")
    for title, draft in (("marks", marks), ("word lists", words)):
        first: list[float] = []
        again: list[float] = []
        for _ in range(rounds):
            fresh = Database(url)  # what is remembered hangs on the engine
            for took in (first, again):
                with fresh.reading() as session:
                    site = session.get_one(Site, seeded.site_id)
                    made = simulator.simulate(session, site, live, draft, now=utcnow(), most=comments)
                took.append(made.seconds)
            fresh.dispose()
        moved = sum(movement.count.n for movement in made.movements)
        print(
            f"  {title:<12} first {statistics.median(first):6.2f} s, again {statistics.median(again):6.2f} s   "
            f"{made.comments:,} judged, {moved:,} would move"
        )
    with db.reading() as session:
        site = session.get_one(Site, seeded.site_id)
        seen = columns.load(session, site, comments, utcnow())
        began = utcnow()
        advise(seen, "builtin", "toxicity", 0.25)
        print(f"  {'advice':<12} {(utcnow() - began).total_seconds():6.2f} s   one signal, without reading")
    db.dispose()


def main() -> None:
    """Measure both engines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comments", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder)) as urls:
        for name, url in urls.items():
            measure(name, url, options.comments, options.rounds)


if __name__ == "__main__":
    main()
