"""Importing a file: read a batch, store it, and commit with it how far the file is done. A kill -9 loses nothing.

Memory holds one batch, whatever the size of the file. Between two batches everybody else has their turn to write.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy.exc import IntegrityError

from moderation.accounts.models import Site
from moderation.archive import store
from moderation.archive.lookup import Lookup
from moderation.archive.problems import Problem, ProblemFile
from moderation.archive.records import Item, Reader, Record, Skipped
from moderation.archive.sources import Source
from moderation.db import Database, utcnow
from moderation.errors import InvalidInput, MalformedInput, Unavailable

BATCH = 1000
PATIENCE_SECONDS = (0.1, 1.0, 4.0, 10.0)
"""Waits before a batch is tried again: another process stored the same comment, or the database was away."""

KINDS = ("approved", "held", "rejected", "spam")
SKIPPED = "skipped:"
PROBLEMS, READ = "problems", "records"


@dataclass(slots=True)
class Progress:
    """How far an import is. `counts`: records, each of KINDS, `known`, `problems`, and `skipped:<kind>`."""

    position: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    resumed_at: int = 0

    @property
    def imported(self) -> int:
        """Comments that were stored."""
        return sum(self.counts[kind] for kind in KINDS)

    @property
    def skipped(self) -> dict[str, int]:
        """What is no reader's comment, by kind."""
        return {name.removeprefix(SKIPPED): count for name, count in self.counts.items() if name.startswith(SKIPPED)}


Watcher = Callable[[Progress, Sequence[Problem]], None]
"""Called after every batch, with the problems found in it."""


@dataclass(frozen=True, slots=True)
class Importer:
    """What every import into a site needs. `by` is the name for the audit."""

    db: Database
    site: Site
    secret: bytes
    by: str = "cli"
    batch: int = BATCH

    def run(self, kind: str, source: Source, reader: Reader, problems: ProblemFile, watch: Watcher) -> Progress:
        """Import a file; one that was cut off goes on where it was.

        Raises InvalidInput when the file is none of the format, Conflict when another process imports the same one,
        Unavailable when the database stays away; then the same call goes on.
        """
        run_id, progress = self._begin(kind, source)
        problems.start(progress.position)
        for number, batch in enumerate(_batches(reader.items(), progress.position, self.batch)):
            if number & (number - 1) == 0:  # 0, 1, 2, 4, 8, …: as the tables double
                with self.db.transaction() as session:
                    store.count_rows(session)
            done = _read(reader, batch)
            problems.add(done.problems)
            counts = progress.counts + done.counts
            rows = store.prepare(self.site, done.records, secret=self.secret, now=utcnow(), is_sqlite=self.db.is_sqlite)
            progress.counts = self._store(run_id, progress.position, done.position, rows, counts)
            progress.position = done.position
            watch(progress, done.problems)
        detail = ", ".join(f"{name} {count}" for name, count in sorted(progress.counts.items()) if count)
        with self.db.transaction() as session:
            store.finish(session, run_id, site_id=self.site.id, by=self.by, detail=detail, now=utcnow())
        return progress

    def rehearse(self, reader: Reader, problems: ProblemFile, watch: Watcher) -> Progress:
        """Read the whole file and say what an import would do; nothing is written but the list of problems."""
        progress, seen = Progress(), Lookup()
        problems.start(0)
        for batch in _batches(reader.items(), 0, self.batch):
            done = _read(reader, batch)
            problems.add(done.problems)
            progress.counts += done.counts
            with self.db.reading() as session:
                there = store.known(session, self.site.id, {item.comment.external_id for item in done.records})
            for record in done.records:
                name = record.comment.external_id
                progress.counts[store.kind_of(record) if name not in there and seen.add(name, "") else store.KNOWN] += 1
            progress.position = done.position
            watch(progress, done.problems)
        return progress

    def _begin(self, kind: str, source: Source) -> tuple[int, Progress]:
        fingerprint = source.fingerprint()
        with self.db.transaction() as session:
            run = store.unfinished(session, self.site.id, kind, fingerprint) if fingerprint else None
            if run is not None:
                return run.id, Progress(run.position, Counter(run.counts), run.position)
            run = store.begin(
                session,
                site_id=self.site.id,
                kind=kind,
                name=source.name,
                fingerprint=fingerprint,
                by=self.by,
                now=utcnow(),
            )
            return run.id, Progress()

    def _store(
        self, run_id: int, seen: int, position: int, rows: Sequence[store.Prepared], counts: Counter[str]
    ) -> Counter[str]:
        for wait in (*PATIENCE_SECONDS, None):
            try:
                with self.db.transaction() as session:
                    after = counts + store.put(session, self.site.id, rows, secret=self.secret)
                    store.advance(session, run_id, seen=seen, position=position, counts=after, now=utcnow())
                return after
            except (IntegrityError, Unavailable):
                if wait is None:
                    raise
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")


@dataclass(slots=True)
class _Batch:
    records: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    position: int = 0


def _batches(items: Iterator[Item], position: int, size: int) -> Iterator[list[Item]]:
    """Batches of what stands behind `position`. Where the file breaks off, the break is the last item."""
    waiting = _until_broken(items)
    left = (item for item in waiting if item.number > position)
    while batch := list(islice(left, size)):
        yield batch


def _until_broken(items: Iterator[Item]) -> Iterator[Item]:
    last = Item(0, 1, None)
    try:
        for item in items:
            last = item
            yield item
    except MalformedInput as error:
        yield Item(last.number + 1, last.line, error)


def _read(reader: Reader, items: Sequence[Item]) -> _Batch:
    batch = _Batch(position=items[-1].number)
    for item in items:
        batch.counts[READ] += not isinstance(item.raw, MalformedInput)  # where a file breaks off is no record
        try:
            if isinstance(item.raw, InvalidInput | MalformedInput):
                raise item.raw
            batch.records.append(reader.read(item))
        except Skipped as skipped:
            batch.counts[f"{SKIPPED}{skipped.kind}"] += 1
        except (InvalidInput, MalformedInput) as error:
            batch.counts[PROBLEMS] += 1
            batch.problems.append(Problem(item.number, item.line, item.external_id, error.field, error.message))
    return batch
