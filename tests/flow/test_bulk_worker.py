"""A bulk job done by a real worker that is killed in the middle of it: every comment is decided exactly once."""

import os
import re
import signal
from collections.abc import Callable
from html import unescape

import pytest
from sqlalchemy import func, select

from bench import product
from bench.product import Product
from moderation import pipeline, queues
from moderation.accounts.models import Site
from moderation.comments.intake import AuthorInput, CommentInput, StoryInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.review.models import BulkItem, BulkJob, Decision
from moderation.settings import Settings, load
from tests.flow.helpers import FRIENDLY, Browser, SiteServer, eventually
from tests.integration.helpers import BAD, KEY, judge_all

pytestmark = pytest.mark.flow

COMMENTS = 300


def flood(db: Database, settings: Settings) -> None:
    """Held comments, in the database before anything runs."""
    story = StoryInput("s1", "http://warta.example/s1", "Sebuah artikel")
    made = [
        CommentInput(f"c{number}", story, AuthorInput(name=f"Pembaca {number}"), f"{BAD} banjir nomor {number}")
        for number in range(COMMENTS)
    ]
    with db.transaction() as session:
        site = session.scalars(select(Site)).one()
        pipeline.take_in_many(session, site, made, source="api", settings=settings, key=KEY, now=utcnow())
    judge_all(db, settings)


def job_of(db: Database) -> BulkJob | None:
    with db.reading() as session:
        return session.scalar(select(BulkJob))


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the form that confirms."""
    form = page[page.index('id="confirm"') :]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[: form.index("</form>")])
    return {name: unescape(value) for name, value in found}


def test_a_worker_that_is_killed_repeats_nothing_and_skips_nothing(install: Callable[..., Product]) -> None:
    installed = install()
    site = product.add_site(installed.env)
    db = installed.database()
    flood(db, load(installed.env))
    installed.start()
    installed.wait_ready()
    moderator = Browser(installed.port)
    moderator.log_in()
    first = eventually("the worker runs", lambda: installed.children().get(queues.BULK))
    live = SiteServer(installed.port, site).post("live", FRIENDLY)  # so that the worker rests between its batches

    page = moderator.page("/queue/bulk?q=status%3Aheld+banjir&decision=reject&reason=SPAM")
    sent = moderator.client.post_form("/queue/bulk", fields(page))
    assert sent.status == 303, sent.text
    eventually("a batch is done", lambda: (job := job_of(db)) is not None and job.decided > 0)
    os.kill(first, signal.SIGKILL)
    done = eventually("the job is done", lambda: job if (job := job_of(db)) and job.state == "done" else None, 40.0)
    assert installed.children()[queues.BULK] != first
    assert (done.total, done.decided, done.conflicts) == (COMMENTS, COMMENTS, 0)
    with db.reading() as session:
        mine = select(func.count(), func.count(Decision.comment_id.distinct())).where(Decision.job_id == done.id)
        assert tuple(session.execute(mine).one()) == (COMMENTS, COMMENTS)
        rejected = select(func.count()).select_from(Comment).where(Comment.status == "REJECTED", Comment.spam)
        assert session.scalar(rejected) == COMMENTS
        assert session.scalar(select(func.count()).select_from(BulkItem)) == COMMENTS
    db.dispose()
    assert SiteServer(installed.port, site).judged(live)["status"] == "APPROVED"
    assert "300" in moderator.page(sent.location)
