"""A rescore run done by a real worker that is killed in the middle of it: every comment is scored exactly once."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from bench import product
from bench.product import Product
from moderation import pipeline, queues
from moderation.accounts.models import Site
from moderation.comments.intake import AuthorInput, CommentInput, StoryInput
from moderation.comments.models import Comment
from moderation.db import utcnow
from moderation.rescoring.models import RescoreBatch, RescoreMove, RescoreRun
from moderation.scoring.models import Score, Work
from moderation.settings import load
from tests.flow.helpers import FRIENDLY, SiteServer, eventually
from tests.integration.helpers import KEY

pytestmark = pytest.mark.flow

COMMENTS = 700


def rescore(env: dict[str, str], *arguments: str) -> Any:
    """`moderation rescore …`; what it printed."""
    command = [product.script("moderation"), "rescore", *arguments]
    done = subprocess.run(command, env=env, cwd=product.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_worker_that_is_killed_repeats_one_batch_at_most_and_live_comments_go_on(
    install: Callable[..., Product],
) -> None:
    installed = install()
    site = product.add_site(installed.env)
    db = installed.database()
    story = StoryInput("s1", "http://warta.example/s1", "Sebuah artikel")
    made = [
        CommentInput(f"c{n}", story, AuthorInput(name=f"Pembaca {n}"), f"banjir nomor {n}") for n in range(COMMENTS)
    ]
    settings = load({name: value for name, value in installed.env.items() if name.startswith("MODERATION_")})
    with db.transaction() as session:
        row = session.scalars(select(Site)).one()
        pipeline.take_in_many(session, row, made, source="api", settings=settings, key=KEY, now=utcnow())
        session.execute(delete(Work))  # an archive: decided long ago, scored by nobody
        session.execute(update(Comment).values(status="APPROVED", indexed_revision=0))
    installed.start()
    installed.wait_ready()
    first = eventually("the worker runs", lambda: installed.children().get(queues.RESCORING))
    begun = rescore(
        installed.env, "start", "--site", "1", "--filter", "status:approved", "--scorer", "builtin", "--json"
    )
    version = json.loads(begun)["version"]

    def scored() -> int:
        with db.reading() as session:
            return session.scalar(select(func.count()).where(Score.version == version)) or 0

    eventually("a batch is done", scored)
    os.kill(first, signal.SIGKILL)
    with db.transaction() as session:  # as if the 30 s of its lease were over
        session.execute(update(RescoreBatch).where(RescoreBatch.done.is_(False)).values(lease_until=utcnow()))
    live = SiteServer(installed.port, site).post("live", FRIENDLY)
    assert SiteServer(installed.port, site).judged(live)["status"] == "APPROVED"
    assert "100.0%" in rescore(installed.env, "watch", "1")
    assert installed.children()[queues.RESCORING] != first
    with db.reading() as session:
        run = session.scalars(select(RescoreRun)).one()
        assert (run.state, run.scored, run.failed) == ("done", COMMENTS, 0)
        assert session.scalar(select(func.sum(RescoreBatch.scored))) == COMMENTS
        judged = session.scalars(select(func.max(Comment.id))).all()  # the live one: it has been decided
    assert scored() == COMMENTS + 1  # and the live one
    _applied_and_taken_back(installed, judged)
    db.dispose()


def _applied_and_taken_back(installed: Product, ids: Sequence[int]) -> None:
    """The same worker does what is applied of a report: as if the run would hold these comments."""
    db = installed.database()
    move = {"run_id": 1, "revision": 1, "was": "approve", "would": "hold", "surprise": 0.0}
    with db.transaction() as session:
        session.execute(insert(RescoreMove), [{**move, "comment_id": number} for number in ids])

    def states() -> set[str]:
        with db.reading() as session:
            return set(session.scalars(select(Comment.status).where(Comment.id.in_(ids))))

    rescore(installed.env, "apply", "start", "1", "--move", "approve:hold")
    eventually("the comments are queued again", lambda: states() == {"HELD"})
    rescore(installed.env, "apply", "undo", "1")
    eventually("the comments stand as before", lambda: states() == {"APPROVED"})
    db.dispose()
