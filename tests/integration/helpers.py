"""Small makers for integration tests: sites, comments, a scorer that answers what it is told, a logged-in browser."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from moderation import pipeline, signing
from moderation.accounts import moderators, sites
from moderation.accounts.models import Site
from moderation.accounts.moderators import Passwords
from moderation.accounts.sites import NewSite
from moderation.comments.intake import AuthorInput, CommentInput, StoryInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.delivery import endpoints
from moderation.scoring.scorer import TextScore
from moderation.settings import Settings
from moderation.signals import SIGNALS

PASSWORD = "kata-sandi-uji"
KEY = b"k" * 40

BAD = "kata buruk"
POISON = "teks racun"


@dataclass
class FakeScorer:
    """Holds texts with `kata buruk`, fails on `teks racun`, approves the rest; counts what it was given."""

    name: str = "builtin"
    version: str = "fake1"
    languages: frozenset[str] = frozenset({"id"})
    seen: list[list[str]] = field(default_factory=list)
    supported: bool = True
    before: Callable[[], None] = lambda: None

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        self.seen.append(list(texts))
        self.before()
        if any(POISON in text for text in texts):
            raise RuntimeError("poison")
        return [
            TextScore(
                {name: 0.99 if BAD in text and name in ("toxicity", "insult") else 0.01 for name in SIGNALS},
                "id" if self.supported else "ru",
                supported=self.supported,
            )
            for text in texts
        ]


def add_site(db: Database, webhook: bool = True, **values: Any) -> NewSite:
    """A site, told at a loopback address."""
    with db.transaction() as session:
        made = sites.add_site(session, name="Warta Uji", url="http://warta.example", now=utcnow(), **values)
        if webhook:
            endpoints.set_endpoint(session, made.site, "http://127.0.0.1:9/hook", utcnow())
        return made


def given(external_id: str = "c1", text: str = "Terima kasih, artikelnya jelas.", **values: Any) -> CommentInput:
    """A comment as a door would have parsed it."""
    author = values.pop("author", AuthorInput(name="Rani", email="rani@contoh.example"))
    story = values.pop("story", StoryInput("s1", "http://warta.example/s1", "Sebuah artikel"))
    return CommentInput(external_id=external_id, story=story, author=author, text=text, **values)


def take(db: Database, settings: Settings, site: Site, comment: CommentInput, **values: Any) -> pipeline.Taken:
    """Take a comment in, as the API does."""
    with db.transaction() as session:
        return pipeline.take_in(
            session, site, comment, source="api", settings=settings, key=KEY, now=values.get("now") or utcnow()
        )


def judge_all(db: Database, settings: Settings, scorer: Any = None) -> FakeScorer:
    """Score until nothing is due."""
    scorer = scorer or FakeScorer()
    for _ in range(50):
        if not pipeline.score_due(db, scorer, settings).more:
            return scorer
    raise AssertionError("scoring does not come to an end")


def comment_of(db: Database, external_id: str = "c1") -> Comment:
    """The comment as it stands."""
    with db.reading() as session:
        comment = session.scalars(select(Comment).where(Comment.external_id == external_id)).one()
        session.expunge(comment)
        return comment


def api_body(external_id: str = "c1", text: str = "Terima kasih, artikelnya jelas.", **values: Any) -> dict[str, Any]:
    """A body for POST /api/v1/comments."""
    return {
        "external_id": external_id,
        "story": {"external_id": "s1", "url": "http://warta.example/s1", "title": "Sebuah artikel"},
        "author": {"name": "Rani", "email": "rani@contoh.example"},
        "text": text,
        **values,
    }


def bearer(made: NewSite) -> dict[str, str]:
    """The header with a site's key."""
    return {"Authorization": f"Bearer {made.api_key}"}


def signed(made: NewSite, event: dict[str, Any] | bytes, webhook_id: str, at: datetime | None = None) -> dict[str, Any]:
    """Keyword arguments of a test client's post for a signed webhook."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    timestamp = int((at or utcnow()).timestamp())
    return {
        "data": body,
        "headers": {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signing.sign([made.webhook_secret], webhook_id, timestamp, body),
            "content-type": "application/json",
        },
    }


@dataclass
class Browser:
    """A logged-in moderator without script."""

    client: FlaskClient
    token: str

    def get(self, path: str, **values: Any) -> TestResponse:
        return self.client.get(path, headers={"Accept": "text/html"}, **values)

    def post(self, path: str, accept: str = "application/json", **fields: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token, **fields}, headers={"Accept": accept})


def log_in(app: Flask, email: str = "admin@contoh.example", password: str = PASSWORD) -> Browser:
    """Log in through the form."""
    client = app.test_client()
    page = client.get("/login", headers={"Accept": "text/html"}).text
    answer = client.post(
        "/login",
        data={"email": email, "password": password, "csrf_token": csrf(page)},
        headers={"Accept": "text/html"},
    )
    assert answer.status_code == 303, answer.text
    return Browser(client, csrf(client.get("/queue", headers={"Accept": "text/html"}).text))


def csrf(page: str) -> str:
    """The CSRF token of a page's forms."""
    found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', page)
    assert found is not None, page[:500]
    return found.group(1)


def add_user(db: Database, email: str = "admin@contoh.example", role: str = "administrator", **values: Any) -> int:
    """A user with the test password; returns the id."""
    with db.transaction() as session:
        return moderators.add(
            session, Passwords(fast=True), email=email, password=PASSWORD, role=role, now=utcnow(), **values
        ).id


def shown_and_held(db: Database, settings: Settings) -> NewSite:
    """A site with one comment that is shown (1) and one that waits (2)."""
    made = add_site(db)
    take(db, settings, made.site, given("c1"))
    take(db, settings, made.site, given("c2", text=BAD))
    judge_all(db, settings)
    return made
