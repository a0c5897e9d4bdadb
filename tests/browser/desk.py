"""A desk for browser tests of the queue: the application in this process, and for each test a site of its own with its
own people, so that a module starts one application and its tests do not see each other."""

import logging
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Error, Page
from sqlalchemy import update
from werkzeug.serving import make_server

from moderation import bootstrap, pipeline
from moderation.accounts import moderators, sites
from moderation.accounts.models import Moderator, Site
from moderation.accounts.moderators import Passwords
from moderation.app import create_app
from moderation.comments.intake import AuthorInput, CommentInput, StoryInput, TextInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.delivery import outbox
from moderation.delivery.models import Delivery
from moderation.rescoring import apply_work
from moderation.review import decisions
from moderation.review.bulk_work import Pace, work_due
from moderation.review.decisions import Decider
from moderation.review.models import Claim
from moderation.settings import Settings, load
from tests.conftest import Recorder
from tests.integration.helpers import BAD, KEY, judge_all
from tests.integration.test_rescoring import Stub, worker
from tests.windows import Windows

NUMBERS = count(1)

logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for every request helps nobody here


@dataclass
class House:
    """The running application of a module."""

    base: str
    app: Flask
    db: Database
    settings: Settings
    windows: Windows
    faults: list[str] = field(default_factory=list)
    """What scripts threw and what the strict policy blocked."""


@dataclass
class Desk:
    """One test's site, its people and its windows."""

    house: House
    site: Site
    people: dict[str, int]
    tokens: dict[str, str]

    def take(self, text: str, name: str = "pembaca", story: str = "s1") -> int:
        """A comment that has come; BAD in it makes it wait once it is judged."""
        number = next(NUMBERS)
        given = CommentInput(
            external_id=f"x{number}",
            story=StoryInput(story, f"https://warta.example/{story}", "Pusat data baru di Batam"),
            author=AuthorInput(name=name, external_id=f"{name}-{self.site.id}"),
            text=text,
        )
        with self.house.db.transaction() as session:
            site = session.get_one(Site, self.site.id)
            pipeline.take_in(session, site, given, source="api", settings=self.house.settings, key=KEY, now=utcnow())
        with self.house.db.reading() as session:
            return max(row.id for row in session.query(Comment).where(Comment.site_id == self.site.id))

    def held(self, texts: Sequence[str] = ("satu", "dua", "tiga")) -> list[int]:
        """Comments that wait, in the order of the queue."""
        ids = [self.take(f"{BAD} {text}", name=f"pembaca{text}") for text in texts]
        self.judge()
        return ids

    def judge(self) -> None:
        """Do what the workers do: judge, and tell the site."""
        judge_all(self.house.db, self.house.settings)
        with self.house.db.transaction() as session:
            told = update(Delivery).where(Delivery.site_id == self.site.id, Delivery.state == outbox.DUE)
            session.execute(told.values(state=outbox.DELIVERED, finished_at=utcnow()))

    def work(self) -> None:
        """Do what the worker of bulk jobs does, until nothing is left."""
        pace = Pace()
        while (done := work_due(self.house.db, pace)).more:
            time.sleep(min(done.wait, 0.05))

    def rescore(self) -> None:
        """Do what the worker of rescoring does, with a scorer that has something against `hujan`, until nothing is
        left; and put into the queue what is applied."""
        made = worker(self.house.db, self.house.settings, Stub())
        while made.work_due().more:
            pass
        while apply_work.work_due(self.house.db, apply_work.Pace()).more:
            pass

    def edit(self, comment_id: int, text: str) -> None:
        """The author edits."""
        with self.house.db.transaction() as session:
            site, comment = session.get_one(Site, self.site.id), session.get_one(Comment, comment_id)
            new, settings = TextInput(text), self.house.settings
            pipeline.edit(session, site, comment, new, settings=settings, key=KEY, now=utcnow(), tag="x")
        self.judge()

    def decide(self, comment_id: int, who: str, action: str) -> None:
        """A colleague decides, wherever they are."""
        with self.house.db.transaction() as session:
            comment = session.get_one(Comment, comment_id)
            by = Decider(session.get_one(Moderator, self.people[who]))
            decisions.decide(session, comment, action, by, seen_version=comment.version, now=utcnow())

    def status(self, comment_id: int) -> str:
        """A comment's status as it stands."""
        with self.house.db.reading() as session:
            return session.get_one(Comment, comment_id).status

    def wait_for_claim(self, comment_id: int) -> None:
        """Until somebody reads a comment: a page says so a moment after it has settled there."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with self.house.db.reading() as session:
                if session.get(Claim, comment_id) is not None:
                    return
            time.sleep(0.05)
        raise AssertionError(f"nobody reads comment {comment_id}")

    def window(
        self, who: str = "rani", path: str = "/queue", *, script: bool = True, own: bool = False, **options: Any
    ) -> Page:
        """Somebody's own window, logged in; `own`: never to be lent again, as its clock is to be set."""
        viewport = {"width": options.pop("width", 1280), "height": options.pop("height", 800)}
        options = {"locale": "en-GB", "java_script_enabled": script, "viewport": viewport, **options}
        context = self.house.windows.lend(own=own, **options)
        context.set_default_timeout(20_000)
        host = urlsplit(self.house.base).hostname
        context.add_cookies([{"name": "session", "value": self.tokens[who], "domain": str(host), "path": "/"}])
        page = context.new_page()
        page.on("pageerror", self._note_error)
        page.on("console", self._note_policy)
        page.goto(self.house.base + path)
        return page

    def _note_error(self, error: Error) -> None:
        self.house.faults.append(str(error))

    def _note_policy(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.house.faults.append(message.text)


@contextmanager
def opened(template: Path, folder: Path, browser: Browser) -> Iterator[House]:
    """The application on a fresh SQLite file, served on a free port."""
    shutil.copy(template, folder / "moderation.db")
    settings = replace(
        load({}),
        data_dir=folder,
        test_fast_hash=True,
        secret_key="k" * 40,
        admin_email="admin@contoh.example",
        admin_password="kata-sandi-uji",
        scorer="builtin",
        form_flood_seconds=0,
        form_min_seconds=0,
    )
    sender = Recorder()
    db = Database(settings.database, info={"sender": sender})
    bootstrap.prepare(db, settings)
    app = create_app(settings, sender=sender)
    # Each page has a dozen scripts; to ask anew for each with every page took half of a page's time.
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 600
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield House(f"http://127.0.0.1:{server.server_port}", app, db, settings, Windows(browser))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        db.dispose()


@contextmanager
def seated(house: House) -> Iterator[Desk]:
    """A site with three people: rani and budi are seniors, sari is a moderator."""
    number = next(NUMBERS)
    people, tokens = {}, {}
    with house.db.transaction() as session:
        made = sites.add_site(session, name=f"Warta {number}", url="https://warta.example", now=utcnow())
        made.site.grace_seconds = 10
        for name, full, role in (
            ("rani", "Rani W.", "senior"),
            ("sari", "Sari P.", "moderator"),
            ("budi", "Budi", "senior"),
        ):
            person = moderators.add(
                session,
                Passwords(fast=True),
                email=f"{name}{number}@contoh.example",
                password="kata-sandi-uji",
                name=full,
                role=role,
                sites=[made.site],
                now=utcnow(),
            )
            people[name] = person.id
            tokens[name] = moderators.start_session(session, person.id, now=utcnow(), hours=12)
        site = made.site
    house.faults.clear()
    yield Desk(house, site, people, tokens)
    house.windows.take_back()
    assert house.faults == []
