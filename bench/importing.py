"""How fast a million archived comments come in, whether memory stays flat, and what three kills cost.

Makes a JSONL file of comments that nobody wrote, imports it into an empty database on SQLite and, where it listens,
PostgreSQL; then again into another, killed with -9 three times on the way. Prints rows/s and memory, checks counts and
parents, and ends with 1 when anything is not as it should be.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import func, select

from bench import product
from moderation.archive.models import ArchiveImport
from moderation.comments.models import Comment, Revision
from moderation.db import Database
from moderation.delivery.models import Delivery
from moderation.policy.models import VerdictRow
from moderation.review.models import Decision
from moderation.scoring.models import Work

POSTGRES = "postgresql+psycopg://postgres@127.0.0.1"
KILLS = 3
FLAT = 0.05
"""How far the memory of the last tenth may lie from that of the second."""
SAMPLE_SECONDS = 0.1
COMMENTS_PER_STORY, COMMENTS_PER_AUTHOR = 60, 12
REPLIES, LATER_PARENTS = 0.35, 0.02

WORDS = (
    "ini itu yang dan di ke dari gak nggak udah belum banget juga aja sih dong kok kan ya lah deh nih tuh berita "
    "artikel redaksi pemerintah harga jalan banjir sekolah guru anak warga kota desa hujan panas macet bensin naik "
    "turun bagus jelas setuju kurang lengkap sumber data fakta terima kasih semoga cepat selesai kemarin besok tadi "
    "the this that is are was not very really article news people city road school price rain good point agree source "
    "thanks hope please more less better never always maybe why how when where"
)
NAMES = "Rani Budi Sari Agus Dewi Joko Putri Andi Maya Rizki Tono Lina Hadi Wati Yusuf Ayu Bayu Citra Dimas Eka"
SHARES = {"approved": 86, "rejected": 6, "spam": 5, "pending": 3}
STORED = {"approved": "APPROVED", "rejected": "REJECTED", "spam": "REJECTED SPAM", "pending": "HELD"}


def generate(path: Path, rows: int, seed: int) -> Counter[str]:
    """Write `rows` comments to `path`; answers how many of each status there are to be, and how many replies."""
    rand, words, names = random.Random(seed), WORDS.split(), NAMES.split()
    found: Counter[str] = Counter()
    began = datetime(2013, 3, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            story = number // COMMENTS_PER_STORY
            first, last = story * COMMENTS_PER_STORY, min(rows, (story + 1) * COMMENTS_PER_STORY) - 1
            parent = None
            if rand.random() < LATER_PARENTS and number < last:
                parent = rand.randint(number + 1, last)
            elif rand.random() < REPLIES and number > first:
                parent = rand.randint(first, number - 1)
            status = rand.choices(list(SHARES), list(SHARES.values()))[0]
            found[STORED[status]] += 1
            found["replies"] += parent is not None
            author = rand.randrange(1 + rows // COMMENTS_PER_AUTHOR)
            text = " ".join(rand.choices(words, k=rand.randint(3, 45)))
            comment = {
                "id": str(number + 1),
                "post_id": str(story + 1),
                "post_url": f"http://warta.example/arsip/{story + 1}",
                "post_title": f"Arsip {story + 1}",
                "parent_id": None if parent is None else str(parent + 1),
                "author": {
                    "name": f"{names[author % len(names)]} {author}",
                    "email": f"pembaca{author}@contoh.example",
                    "ip": f"10.{author >> 16 & 255}.{author >> 8 & 255}.{author & 255}",
                },
                "created_at": (began + timedelta(seconds=311 * number)).isoformat(),
                "status": status,
                "content": text.capitalize() + rand.choice((".", "!", "…", " 🙏", "")),
            }
            file.write(json.dumps(comment, ensure_ascii=False) + "\n")
    return found


@dataclass
class Import:
    """`moderation import jsonl` in a process of its own, and what memory it took while it ran."""

    env: dict[str, str]
    file: Path
    samples: list[tuple[int, int]] = field(default_factory=list)
    """Rows that were done with, and resident memory (bytes) at that time."""
    answer: str = ""

    def run(self, kill_at: int | None = None) -> float:
        """Run to the end, or be killed some time after so many rows; returns the seconds. Raises RuntimeError."""
        begun = time.monotonic()
        db = Database(self.env["MODERATION_DATABASE_URL"])
        process = subprocess.Popen(
            [product.script("moderation"), "import", "jsonl", str(self.file), "--site", "1", "--json"],
            env=self.env,
            cwd=product.ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while process.poll() is None:
            with db.reading() as session:
                done = session.scalar(select(func.max(ArchiveImport.position))) or 0
            if kill_at is not None and done >= kill_at:
                os.kill(process.pid, signal.SIGKILL)
                process.communicate()
                break
            self.samples.append((done, resident(process.pid)))
            time.sleep(SAMPLE_SECONDS)
        db.dispose()
        if process.returncode == -signal.SIGKILL:
            return time.monotonic() - begun
        self.answer, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(f"the import ended with {process.returncode}: {errors}")
        return time.monotonic() - begun

    def memory(self, rows: int) -> tuple[float, float]:
        """Median resident memory (MiB) in the second and in the last tenth of the rows."""
        early = [size for done, size in self.samples if rows <= 10 * done < 2 * rows]
        late = [size for done, size in self.samples if 9 * rows <= 10 * done < 10 * rows]
        every = [size for _, size in self.samples]
        return statistics.median(early or every) / 2**20, statistics.median(late or every) / 2**20


def resident(pid: int) -> int:
    """Resident memory of a process in bytes; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        pass
    listed = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return int(listed.strip() or 0) * 1024


@contextmanager
def installation(engine: str) -> Iterator[dict[str, str]]:
    """An empty installation with one site, gone afterwards; its environment."""
    with tempfile.TemporaryDirectory(prefix="moderation-import-") as folder:
        if engine == "sqlite":
            env = product.environment(Path(folder), 0)
            env["MODERATION_DATABASE_URL"] = f"sqlite:///{folder}/moderation.db"
            env.pop("PORT")
            product.add_site(env)
            yield env
            return
        name = f"moderation_bench_{uuid.uuid4().hex[:10]}"
        admin = sa.create_engine(f"{POSTGRES}/postgres", isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            env = product.environment(Path(folder), 0, {"MODERATION_DATABASE_URL": f"{POSTGRES}/{name}"})
            env.pop("PORT")
            product.add_site(env)
            yield env
        finally:
            with admin.connect() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
            admin.dispose()


def faults(env: dict[str, str], rows: int, wanted: Counter[str]) -> list[str]:
    """What is not as the file says; empty when all is well."""
    db = Database(env["MODERATION_DATABASE_URL"])
    parent = sa.orm.aliased(Comment)
    with db.reading() as session:

        def count(statement: sa.Select[int]) -> int:
            return session.scalar(statement) or 0

        found: Counter[str] = Counter()
        for status, reason, number in session.execute(
            select(Comment.status, Decision.reason, func.count())
            .join(Decision, Decision.comment_id == Comment.id)
            .group_by(Comment.status, Decision.reason)
        ):
            found[f"{status} SPAM" if reason == "SPAM" else status] += number
        found["replies"] = count(
            select(func.count())
            .select_from(Comment)
            .join(parent, parent.id == Comment.parent_id)
            .where(parent.external_id == Comment.parent_external_id)
        )
        amounts = {
            model.__tablename__: count(select(func.count()).select_from(model))
            for model in (Comment, Revision, Decision, Delivery, VerdictRow, Work, ArchiveImport)
        }
    db.dispose()
    expected = dict.fromkeys(amounts, 0) | {"comment": rows, "revision": rows, "decision": rows, "archive_import": 1}
    said = [
        f"{name}: {number} rows instead of {expected[name]}"
        for name, number in amounts.items()
        if number != expected[name]
    ]
    names = sorted(wanted.keys() | found.keys())
    return said + [f"{name}: {found[name]} instead of {wanted[name]}" for name in names if found[name] != wanted[name]]


def measure(engine: str, file: Path, rows: int, wanted: Counter[str], rand: random.Random) -> list[str]:
    """Both runs on one engine; prints what was measured and returns the faults."""
    with installation(engine) as env:
        whole = Import(env, file)
        seconds = whole.run()
        said = faults(env, rows, wanted)
    early, late = whole.memory(rows)
    change = late / early - 1
    print(f"{engine}: {rows} rows in {seconds:.1f} s with start and end: {rows / seconds:.0f} rows/s; ", end="")
    print(f"resident {early:.1f} MiB in the second tenth, {late:.1f} MiB in the last ({change:+.1%})", flush=True)
    if abs(change) > FLAT:
        said.append(f"memory is not flat: {change:+.1%}")
    with installation(engine) as env:
        killed = Import(env, file)
        lived = [killed.run(kill_at=round((part + rand.random()) * rows / (KILLS + 1))) for part in range(KILLS)]
        rest = killed.run()
        resumed = json.loads(killed.answer)["resumed_at"]
        said += [f"after kills: {fault}" for fault in faults(env, rows, wanted)]
    if not resumed:
        said.append("the last import did not go on where the killed one was")
    times = ", ".join(f"{one:.1f}" for one in lived)
    print(f"{engine}: killed after {times} s, went on after row {resumed} for {rest:.1f} s")
    for fault in said:
        print(f"  WRONG {fault}")
    return said


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.importing", description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), action="append", help="both, unless told")
    given = parser.parse_args(arguments)
    rand = random.Random(given.seed)
    engines = given.engine or ["sqlite", *(["postgresql"] if postgres_listens() else [])]
    with tempfile.TemporaryDirectory(prefix="moderation-archive-") as folder:
        file = Path(folder) / "comments.jsonl"
        wanted = generate(file, given.rows, given.seed)
        size = file.stat().st_size / 2**20
        print(
            f"{given.rows} comments, {wanted['replies']} of them replies, {size:.0f} MiB (seed {given.seed})",
            flush=True,
        )
        wrong = [fault for engine in engines for fault in measure(engine, file, given.rows, wanted, rand)]
    print("nothing is wrong" if not wrong else f"{len(wrong)} faults")
    return 1 if wrong else 0


def postgres_listens() -> bool:
    """Whether a PostgreSQL of this machine lets us in."""
    engine = sa.create_engine(f"{POSTGRES}/postgres", connect_args={"connect_timeout": 2})
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
    finally:
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
