"""Workers that are killed in the middle of a bulk job and of a rescore run: every comment is done exactly once.

Both on one installation, which begins with the comments of both: those of an archive, and a flood that waits.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from bench import product
from bench.product import Product
from moderation import pipeline, queues
from moderation.accounts.models import Site
from moderation.comments.intake import AuthorInput, CommentInput, StoryInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.rescoring.models import RescoreBatch, RescoreMove, RescoreRun
from moderation.review.models import BulkItem, BulkJob, Decision
from moderation.scoring.models import Score, Work
from moderation.settings import load
from tests.flow.helpers import FRIENDLY, Browser, SiteServer, eventually
from tests.integration.helpers import BAD, KEY, judge_all

pytestmark = pytest.mark.flow

ARCHIVE = 700
FLOOD = 300
STORY = StoryInput("s1", "http://warta.example/s1", "Sebuah artikel")


@dataclass
class Filled:
    """A running installation whose site has both kinds of comments."""

    installed: Product
    server: SiteServer
    db: Database


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """One for both tests: a start takes as long as they do."""
    made = Product(tmp_path_factory.mktemp("product"), more={"MODERATION_SWEEP_SECONDS": "1"})
    site = product.add_site(made.env)
    db = made.database()
    _take_in(made, db, [f"banjir nomor {number}" for number in range(ARCHIVE)], "c")
    with db.transaction() as session:
        session.execute(delete(Work))  # an archive: decided long ago, scored by nobody
        session.execute(update(Comment).values(status="APPROVED", indexed_revision=0))
    _take_in(made, db, [f"{BAD} banjir nomor {number}" for number in range(FLOOD)], "f")
    judge_all(db, load(made.env))
    try:
        made.start()
        made.wait_ready()
        yield Filled(made, SiteServer(made.port, site), db)
    finally:
        made.stop()
        db.dispose()


def _take_in(installed: Product, db: Database, texts: Sequence[str], prefix: str) -> None:
    """Comments in the database before anything runs."""
    made = [
        CommentInput(f"{prefix}{number}", STORY, AuthorInput(name=f"Pembaca {number}"), text)
        for number, text in enumerate(texts)
    ]
    with db.transaction() as session:
        site = session.scalars(select(Site)).one()
        settings = load(installed.env)
        pipeline.take_in_many(session, site, made, source="api", settings=settings, key=KEY, now=utcnow())


def rescore(env: dict[str, str], *arguments: str) -> Any:
    """`moderation rescore …`; what it printed."""
    command = [product.script("moderation"), "rescore", *arguments]
    done = subprocess.run(command, env=env, cwd=product.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_rescore_worker_that_is_killed_repeats_one_batch_at_most_and_live_comments_go_on(filled: Filled) -> None:
    installed, db = filled.installed, filled.db
    first = eventually("the worker runs", lambda: installed.children().get(queues.RESCORING))
    begun = rescore(
        installed.env, "start", "--site", "1", "--filter", "status:approved", "--scorer", "builtin", "--json"
    )
    version = json.loads(begun)["version"]

    def scored() -> int:
        count = select(func.count()).select_from(Score).join(Comment, Comment.id == Score.comment_id)
        with db.reading() as session:
            return session.scalar(count.where(Score.version == version, Comment.status == "APPROVED")) or 0

    eventually("a batch is done", scored)
    os.kill(first, signal.SIGKILL)
    with db.transaction() as session:  # as if the 30 s of its lease were over
        session.execute(update(RescoreBatch).where(RescoreBatch.done.is_(False)).values(lease_until=utcnow()))
    live = filled.server.post("live", FRIENDLY)
    assert filled.server.judged(live)["status"] == "APPROVED"
    assert "100.0%" in rescore(installed.env, "watch", "1")
    assert installed.children()[queues.RESCORING] != first
    with db.reading() as session:
        run = session.scalars(select(RescoreRun)).one()
        assert (run.state, run.scored, run.failed) == ("done", ARCHIVE, 0)
        assert session.scalar(select(func.sum(RescoreBatch.scored))) == ARCHIVE
        judged = session.scalars(select(func.max(Comment.id))).all()  # the live one: it has been decided
    assert scored() == ARCHIVE + 1  # and the live one
    _applied_and_taken_back(filled, judged)


def _applied_and_taken_back(filled: Filled, ids: Sequence[int]) -> None:
    """The same worker does what is applied of a report: as if the run would hold these comments."""
    move = {"run_id": 1, "revision": 1, "was": "approve", "would": "hold", "surprise": 0.0}
    with filled.db.transaction() as session:
        session.execute(insert(RescoreMove), [{**move, "comment_id": number} for number in ids])

    def states() -> set[str]:
        with filled.db.reading() as session:
            return set(session.scalars(select(Comment.status).where(Comment.id.in_(ids))))

    rescore(filled.installed.env, "apply", "start", "1", "--move", "approve:hold")
    eventually("the comments are queued again", lambda: states() == {"HELD"})
    rescore(filled.installed.env, "apply", "undo", "1")
    eventually("the comments stand as before", lambda: states() == {"APPROVED"})


def job_of(db: Database) -> BulkJob | None:
    with db.reading() as session:
        return session.scalar(select(BulkJob))


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the form that confirms."""
    form = page[page.index('id="confirm"') :]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[: form.index("</form>")])
    return {name: unescape(value) for name, value in found}


def test_a_bulk_worker_that_is_killed_repeats_nothing_and_skips_nothing(filled: Filled) -> None:
    installed, db = filled.installed, filled.db
    moderator = Browser(installed.port)
    moderator.log_in()
    first = eventually("the worker runs", lambda: installed.children().get(queues.BULK))
    live = filled.server.post("second", FRIENDLY)  # so that the worker rests between its batches

    page = moderator.page("/queue/bulk?q=status%3Aheld+banjir&decision=reject&reason=SPAM")
    sent = moderator.client.post_form("/queue/bulk", fields(page))
    assert sent.status == 303, sent.text
    eventually("a batch is done", lambda: (job := job_of(db)) is not None and job.decided > 0)
    os.kill(first, signal.SIGKILL)
    done = eventually("the job is done", lambda: job if (job := job_of(db)) and job.state == "done" else None, 40.0)
    assert installed.children()[queues.BULK] != first
    assert (done.total, done.decided, done.conflicts) == (FLOOD, FLOOD, 0)
    with db.reading() as session:
        mine = select(func.count(), func.count(Decision.comment_id.distinct())).where(Decision.job_id == done.id)
        assert tuple(session.execute(mine).one()) == (FLOOD, FLOOD)
        rejected = select(func.count()).select_from(Comment).where(Comment.status == "REJECTED", Comment.spam)
        assert session.scalar(rejected) == FLOOD
        assert session.scalar(select(func.count()).select_from(BulkItem)) == FLOOD
    assert filled.server.judged(live)["status"] == "APPROVED"
    assert "300" in moderator.page(sent.location)
