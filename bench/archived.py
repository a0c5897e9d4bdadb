"""An installation with an archive in it, and rescore runs over that: what the benches of rescoring share."""

import hashlib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from sqlalchemy import func, select

from bench import importing, product
from moderation.accounts.models import Site
from moderation.comments.models import Comment, Revision
from moderation.db import Database, utcnow
from moderation.rescoring import runs
from moderation.rescoring.models import RescoreBatch, RescoreRun
from moderation.rescoring.runs import By
from moderation.review.models import Decision
from moderation.scoring.models import Score
from moderation.settings import Settings, load

SITE = 1


@dataclass
class Archive:
    """An installation whose only site has `rows` imported comments; `env` is what its processes need."""

    env: dict[str, str]
    settings: Settings
    db: Database
    rows: int

    def start(self, scorer: str = "builtin") -> int:
        """Begin a run over everything; returns its id."""
        with self.db.reading() as session:
            site = session.get_one(Site, SITE)
            planned = runs.plan(session, self.settings, site, "", scorer, tz=UTC, now=utcnow())
        with self.db.transaction() as session:
            return runs.start(session, planned, By(), utcnow()).id

    def steer(self, deed: str, run_id: int) -> None:
        """`pause`, `resume` or `cancel`. Raises Conflict when the run is over."""
        with self.db.transaction() as session:
            run = runs.get(session, run_id, lock=True)
            {"pause": runs.pause, "resume": runs.resume, "cancel": runs.cancel}[deed](session, run, By(), utcnow())

    def run(self, run_id: int) -> RescoreRun:
        """A run as it stands."""
        with self.db.reading() as session:
            return runs.get(session, run_id)

    def dealt(self, run_id: int) -> int:
        """Comments of the run's finished batches."""
        with self.db.reading() as session:
            return runs.tally(session, run_id).comments

    def batches(self) -> int:
        """Finished batches of all runs."""
        with self.db.reading() as session:
            return session.scalar(select(func.count()).where(RescoreBatch.done.is_(True))) or 0

    def fingerprint(self) -> str:
        """A hash of every decision and of how every comment stands: nothing of it may change."""
        digest = hashlib.sha256()
        with self.db.reading() as session:
            for wanted in (
                select(Decision.id, Decision.comment_id, Decision.sequence, Decision.action).order_by(Decision.id),
                select(Comment.id, Comment.status, Comment.version, Comment.revision).order_by(Comment.id),
            ):
                for row in session.execute(wanted.execution_options(yield_per=10_000)):
                    digest.update(repr(tuple(row)).encode())
        return digest.hexdigest()

    def scored(self, version: str) -> tuple[int, int]:
        """Scores of a version, and of how many different comments they are."""
        with self.db.reading() as session:
            wanted = select(func.count(), func.count(Score.comment_id.distinct())).where(Score.version == version)
            found = session.execute(wanted).one()
        return int(found[0]), int(found[1])

    def different_texts(self) -> int:
        """Texts that are not equal to another one."""
        with self.db.reading() as session:
            return session.scalar(select(func.count(Revision.text_hash.distinct()))) or 0


@contextmanager
def archive(engine: str, rows: int, seed: int) -> Iterator[Archive]:
    """Made up, written to a JSONL file and imported by the command; gone afterwards."""
    with importing.installation(engine) as env, tempfile.TemporaryDirectory(prefix="moderation-archive-") as folder:
        file = Path(folder) / "comments.jsonl"
        importing.generate(file, rows, seed)
        command = [product.script("moderation"), "import", "jsonl", str(file), "--site", str(SITE)]
        done = subprocess.run(command, env=env, cwd=product.ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the import ended with {done.returncode}: {done.stderr}")
        settings = load({name: value for name, value in env.items() if name.startswith("MODERATION_")})
        db = Database(settings.database, info={"composition": settings.speakers})
        try:
            if not db.is_sqlite:
                with db.engine.connect() as connection:
                    connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
            yield Archive(env, settings, db, rows)
        finally:
            db.dispose()
