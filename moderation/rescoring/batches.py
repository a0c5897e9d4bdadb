"""What a worker does for rescore runs, one batch at a time; see rescoring/runs.py for the runs themselves.

A batch is a stretch of comment ids under a lease. It is handed out in a short transaction that counts the attempt and
moves the run's cursor; it is read and scored with nothing locked; then one transaction writes its scores, its moves
and its figures, if the lease is still ours and nobody has cancelled the run. So a worker that dies costs one batch, a
batch is written once whoever scored it, and workers of any number of machines share a run.

Two rows may be locked at once, the run before the batch. Who hands out takes the run `NO KEY UPDATE`, who writes `KEY
SHARE`: these do not hinder each other; who steers takes it `UPDATE`, and waits for what is just being written.
"""

import gc
import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation import wordings
from moderation.accounts.models import Site
from moderation.db import Database, stamp, utcnow
from moderation.errors import InvalidInput, ModerationError, Unavailable
from moderation.policy import document
from moderation.policy import store as policies
from moderation.rescoring import diff, judging, leases, material, results, runs
from moderation.rescoring.judging import Judge
from moderation.rescoring.leases import LEASE, Batch, Lost
from moderation.rescoring.models import RescoreBatch, RescoreRun
from moderation.review import evidence as reviewed
from moderation.review import filters, searching
from moderation.review.bulk import DONE, FAILED, RUNNING
from moderation.scoring import detoxify_onnx, live, registry, releases
from moderation.scoring.scorer import Scorer
from moderation.settings import Settings

log = logging.getLogger(__name__)

FIRST, LEAST, MOST = 200, 16, 4000
"""Comments of a batch: of a worker's first, and between which a worker finds what its machine does in time."""

AIM, BUSY_AIM = 1.0, 0.04
"""Seconds that a batch should take from its claim to its commit: a cancelled run costs no more than that; and while
comments come in, whoever meets a batch is slowed for as long as it takes."""
WRITE_AIM, QUIET_WRITE_AIM = 0.008, 0.15
"""Seconds that the writing should take at most, while comments come in and while none does: on SQLite everybody who
writes waits for it."""

LOOKED_FOR = 20_000
"""Comments that are looked for at once: a search costs more than a batch, and others may take what was found."""

EVERY = 10**9

TOGETHER = 64
"""Texts that the scorer is given at once; in between a worker looks whether its batch is still wanted."""
TOGETHER_CUDA = 16_384
LOOK_SECONDS = 1.0

REST = 16.0 / detoxify_onnx.cores()
"""While comments rush in, the machine is left to them after a batch for so many times as long as it took (8 on two
cores); while fewer come, for less. An idle priority does not help enough: processors share cores, and the database's
processes know no priority."""

GLANCE = 0.1
"""Seconds between two looks while live comments go first."""
NOTED_EVERY = 5.0
"""Seconds of giving way after which the run is told, though no batch is handed out."""
AGAIN = 30.0
"""Seconds until a scorer that could not be loaded here is tried again."""

Load = Callable[[Session, Settings, RescoreRun], Scorer]


def load(session: Session, settings: Settings, run: RescoreRun) -> Scorer:
    """The very scorer of a run. Raises ModerationError when this machine does not have it."""
    if run.device != runs.CPU:
        return registry.make_scorer(run.scorer, settings, device=run.device)
    return releases.resolve(session, settings, runs.spec(run), run.site_id).make()


@dataclass(frozen=True, slots=True)
class Round:
    """What a round did. `comments`: dealt with; `more`: there may be more to do; `wait`: seconds to be idle before."""

    comments: int = 0
    more: bool = False
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class _Found:
    """What was looked for: all comments of a run that match behind `after`, up to `until`."""

    run_id: int
    after: int
    until: int
    ids: Sequence[int]

    def holds(self, cursor: int) -> bool:
        """Whether it names what comes behind `cursor`."""
        return self.after <= cursor < self.until


class Worker:
    """A process that works on runs: what it has learned of its machine, and what it keeps between batches.

    `executor`: where texts are scored, so that a door can give that thread a low priority; None: here.
    """

    def __init__(
        self, db: Database, settings: Settings, *, load: Load = load, executor: Executor | None = None
    ) -> None:
        self.db, self._settings, self._load, self._executor = db, settings, load, executor
        self.size = FIRST
        self._found: _Found | None = None
        self._scorers: dict[tuple[str, str, str, int], Scorer] = {}
        self._refused: dict[int, float] = {}
        self._write_seconds = 0.0
        self._yields, self._yielded = 0, 0.0
        self._since: float | None = None
        self._noted = time.monotonic()

    def work_due(self, now: datetime | None = None) -> Round:
        """Do one batch of one running run, if there is one and live comments leave time for it."""
        now = now or utcnow()
        with self.db.reading() as session:
            due = session.scalars(select(RescoreRun).where(RescoreRun.state == RUNNING).order_by(RescoreRun.id)).all()
            due = [run for run in due if self._refused.get(run.id, 0.0) < time.monotonic()]
            if not due:
                return Round()
            way = self._gives_way(session, now)
            rush = live.rush(session, now)
        if way:
            self._note_yields(due[0].id)
            return Round(more=True, wait=GLANCE)
        for run in due:
            batch = self._claim(run, now)
            if batch is not None:
                began = time.monotonic()
                with _uncollected():
                    done = self._work(batch, rush > 0)
                return Round(done, True, (time.monotonic() - began) * REST * rush)
        return Round()

    # --- giving way ---

    def _gives_way(self, session: Session, now: datetime) -> bool:
        """Whether live comments go first now: one has waited for too long, or the database is slow."""
        moment = time.monotonic()
        longest = timedelta(seconds=self._settings.rescore_yield_seconds)
        way = live.waits_longer(session, longest, now)
        if not way and self._write_seconds * 1000 > self._settings.rescore_slow_ms:
            # The next small write says whether it is still slow; until then it is left alone for a while.
            way = self._since is None or moment - self._since < self._write_seconds
        if way and self._since is None:
            self._since, self._yields = moment, self._yields + 1
        if self._since is not None and not way:
            self._yielded += moment - self._since
            self._since, self._write_seconds = None, 0.0
        return way

    def _note_yields(self, run_id: int) -> None:
        """Say in the run that it gives way, now and then: whoever follows it wants to know why it rests."""
        moment = time.monotonic()
        if self._since is None or moment - self._noted < NOTED_EVERY:
            return
        self._yielded += moment - self._since
        self._since = self._noted = moment
        with self.db.transaction() as session:
            run = session.get(RescoreRun, run_id, with_for_update={"key_share": True})
            if run is not None:
                self._put_yields(run)

    def _put_yields(self, run: RescoreRun) -> None:
        run.yielded += self._yields
        run.yielded_seconds = round(run.yielded_seconds + self._yielded, 3)
        self._yields, self._yielded = 0, 0.0

    # --- handing out ---

    def _claim(self, run: RescoreRun, now: datetime) -> Batch | None:
        """A batch of the run: one that was not finished, else the next stretch. None: there is none for us."""
        try:
            with self.db.reading() as session:
                open_batch = session.scalar(leases.expired(run.id, now))
                if open_batch is not None:
                    ids = self._matching(session, run, open_batch.after_id, open_batch.until_id)
                elif run.cursor < run.until_id and not self._has_found(run):
                    self._found = self._look(session, run)
        except InvalidInput as error:  # the database does not find it in time
            with self.db.transaction() as session:
                row = runs.get(session, run.id, lock=True)
                if row.state == RUNNING:
                    runs.end(session, row, FAILED, now, error.message)
            return None
        began = time.monotonic()
        try:
            with self.db.transaction() as session:
                row = session.get_one(RescoreRun, run.id, with_for_update={"key_share": True})
                if row.state != RUNNING:
                    return None
                if self._yields or self._yielded:
                    self._put_yields(row)
                if open_batch is not None:
                    return leases.retake(session, row, open_batch, ids, now)
                return self._carve(session, row, now)
        finally:
            self._write_seconds = time.monotonic() - began

    def _has_found(self, run: RescoreRun) -> bool:
        return self._found is not None and self._found.run_id == run.id and self._found.holds(run.cursor)

    def _look(self, session: Session, run: RescoreRun) -> _Found:
        ids = self._matching(session, run, run.cursor, run.until_id, LOOKED_FOR)
        until = ids[-1] if len(ids) == LOOKED_FOR else run.until_id
        return _Found(run.id, run.cursor, until, ids)

    @staticmethod
    def _matching(session: Session, run: RescoreRun, after: int, until: int, limit: int = EVERY) -> list[int]:
        query = filters.parse(run.query, now=run.created_at, tz=UTC)
        return searching.matching(session, [run.site_id], query, after_id=after, until_id=until, limit=limit)

    def _carve(self, session: Session, run: RescoreRun, now: datetime) -> Batch | None:
        """The next stretch of a locked run. None when all is handed out (and the run done, where all is finished), or
        others have taken what was found: then the next round looks again."""
        if run.cursor >= run.until_id:
            if not session.scalar(select(exists().where(RescoreBatch.run_id == run.id, RescoreBatch.done.is_(False)))):
                run.error = ""
                runs.end(session, run, DONE, now)
            return None
        if not self._has_found(run) or self._found is None:
            return Batch(0, run, "", ())
        first = bisect_right(self._found.ids, run.cursor)
        ids = self._found.ids[first : first + self.size]
        until = self._found.until if first + self.size >= len(self._found.ids) else ids[-1]
        made = RescoreBatch(run_id=run.id, after_id=run.cursor, until_id=until, attempts=1)
        token = leases.lease(made, now)
        session.add(made)
        run.cursor, run.updated_at = until, now
        session.flush()
        return Batch(made.id, run, token, ids)

    # --- scoring and writing ---

    def _work(self, batch: Batch, busy: bool) -> int:
        if not batch.id:  # others were quicker
            return 0
        began = time.monotonic()
        try:
            scorer = None if batch.spent else self._scorer(batch)
            if self._executor is None:
                result = self._judged(batch, scorer)
            else:
                result = self._executor.submit(self._judged, batch, scorer).result()
            ready = time.monotonic()
            self._write(batch, result)
        except Lost:
            log.info("batch %d of rescore run %d is not wanted any more", batch.id, batch.run.id)
            return 0
        except Unavailable:
            raise
        except ModerationError as error:  # the scorer is not at hand here
            self._refuse(batch, error.message)
            return 0
        except Exception:  # one comment must not stop a run: in pieces, the batch goes on without it
            log.exception("batch %d of rescore run %d could not be finished", batch.id, batch.run.id)
            self._give_back(batch)
            return 0
        self._learn(len(batch.ids), time.monotonic() - began, time.monotonic() - ready, busy)
        return len(batch.ids)

    def _scorer(self, batch: Batch) -> Scorer:
        """The run's scorer, loaded once. Raises ModerationError."""
        run = batch.run
        key = (run.scorer, run.version, run.device, run.site_id)
        if key not in self._scorers:
            with self.db.reading() as session:
                made = self._load(session, self._settings, run)
            if made.version != run.version:
                values = {"scorer": run.scorer, "here": made.version, "wanted": run.version}
                raise InvalidInput(wordings.OTHER_VERSION, values=values)
            self._scorers = {key: made}  # one at a time: the last run's may be large
        return self._scorers[key]

    def _judged(self, batch: Batch, scorer: Scorer | None) -> results.Result:
        """Read, score and judge. `scorer` None: its comments have failed too often."""
        run = batch.run
        with self.db.reading() as session:
            site = session.get_one(Site, run.site_id)
            now_live = policies.live(session, run.site_id)
            mine = document.parse(run.document, run.policy_version)
            known = material.gather(session, site, run.scorer, run.version, batch.ids, (mine, now_live))
            composition = reviewed.speakers(session)
        result = results.Result(known, reused=dict(known.own))
        if scorer is not None:
            self._score(batch, scorer, result)
        now = utcnow()
        judge, today = (Judge(policy, site, composition, now) for policy in (mine, now_live))
        new = {**result.reused, **result.fresh}
        subjects = judging.compared(known, run.scorer, run.version, new, composition, judge, today)
        result.diff = diff.compare(subjects)
        return result

    def _score(self, batch: Batch, scorer: Scorer, result: results.Result) -> None:
        """Fill in the scores that are known of equal texts, and those that the scorer gives."""
        alike: dict[str, list[Any]] = {}
        for row in result.known.rows:
            if row.id not in result.reused:
                alike.setdefault(row.text_hash, []).append(row)
        first = []
        for name, same in alike.items():
            before = result.known.same.get(name)
            if before is None:
                first.append(same[0])
                continue
            for row in same:
                result.reused[row.id] = results.fitted(before.score, before.length, row.text)
        together = TOGETHER if batch.run.device == runs.CPU else TOGETHER_CUDA
        looked = time.monotonic()
        for start in range(0, len(first), together):
            if time.monotonic() - looked > LOOK_SECONDS:
                self._still_wanted(batch)
                looked = time.monotonic()
            some = first[start : start + together]
            for row, score in zip(some, results.scored(scorer, [row.text for row in some]), strict=True):
                if score is None:
                    continue
                result.fresh[row.id] = score
                for other in alike[row.text_hash][1:]:
                    result.reused[other.id] = results.fitted(score, len(row.text), other.text)

    def _still_wanted(self, batch: Batch) -> None:
        """Ask for more time. Raises Lost when the run was cancelled, or the batch went to somebody else."""
        with self.db.transaction() as session:
            leases.change_ours(session, batch, lease_until=utcnow() + LEASE)

    def _write(self, batch: Batch, result: results.Result) -> None:
        """Scores, moves and figures in one transaction. Raises Lost."""
        for last in (False, False, True):
            try:
                with self.db.transaction() as session:
                    self._put(session, batch, result)
            except IntegrityError:  # somebody scored one of them meanwhile, or it was erased
                if last:
                    raise
                with self.db.reading() as session:
                    result = results.without_known(session, batch.run, batch.ids, result)
            else:
                return

    def _put(self, session: Session, batch: Batch, result: results.Result) -> None:
        run, now = batch.run, utcnow()
        connection = session.connection()
        assert result.diff is not None  # noqa: S101 _judged has filled it in
        leases.change_ours(
            session,
            batch,
            done=True,
            lease_token=None,
            lease_until=None,
            done_at=now,
            counts=result.diff.counts,
            comments=len(batch.ids),
            scored=len(result.fresh),
            reused=len(result.reused),
            failed=result.failed,
        )
        shadow = (run.scorer, run.version) not in releases.live_versions(session)
        result.insert(connection, run, shadow, stamp(connection, now))

    def _give_back(self, batch: Batch) -> None:
        with self.db.transaction() as session:
            leases.give_back(session, batch)

    def _refuse(self, batch: Batch, sentence: str) -> None:
        """This machine cannot do it; others may. The attempt does not count."""
        log.warning("rescore run %d: %s", batch.run.id, sentence)
        self._refused[batch.run.id] = time.monotonic() + AGAIN
        with self.db.transaction() as session:
            run = session.get_one(RescoreRun, batch.run.id, with_for_update={"key_share": True})
            run.error = sentence[:500]
            leases.give_back(session, batch, attempts=RescoreBatch.attempts - 1)

    def _learn(self, comments: int, seconds: float, writing: float, busy: bool) -> None:
        aim, write_aim = (BUSY_AIM, WRITE_AIM) if busy else (AIM, QUIET_WRITE_AIM)
        if seconds > aim or writing > write_aim:
            self.size = max(LEAST, self.size * 2 // 3)
        elif comments == self.size and seconds < aim * 2 / 3 and writing < write_aim * 2 / 3:
            self.size = min(MOST, self.size * 3 // 2)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for rings of garbage: a batch makes a hundred thousand objects and no ring, and looking through
    them again and again costs as much as all the rest beside the scorer."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
