"""The first start of an installation: tables, the first administrator, and the demo site. Every part runs once."""

import secrets
from dataclasses import dataclass

from sqlalchemy import select

from moderation import (
    migrations,
    tables,  # noqa: F401  # rows of one room point to tables of others, which it does not load
)
from moderation.accounts import moderators, sites
from moderation.accounts.models import Moderator
from moderation.accounts.moderators import ADMINISTRATOR, Passwords
from moderation.comments.models import Story
from moderation.db import Database, utcnow
from moderation.delivery import endpoints
from moderation.demo.content import ARTICLES, SITE_NAME
from moderation.settings import Settings

LOGIN_FILE = "first-login.txt"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `moderation up` prints: the administrator's e-mail, and the password where it was made just now."""

    admin_email: str
    admin_password: str | None


def prepare(db: Database, settings: Settings) -> Prepared:
    """Migrate and make what is missing; a second call changes nothing. Raises what migrations and settings raise."""
    migrations.migrate(db)
    prepared = _first_administrator(db, settings)
    if settings.demo:
        _demo_site(db, settings)
    return prepared


def _first_administrator(db: Database, settings: Settings) -> Prepared:
    with db.reading() as session:
        admin = session.scalar(
            select(Moderator)
            .where(Moderator.role == ADMINISTRATOR, Moderator.disabled_at.is_(None))
            .order_by(Moderator.id)
            .limit(1)
        )
        if admin is not None:
            return Prepared(admin.email, None)
    password = settings.admin_password or secrets.token_urlsafe(9)
    hasher = Passwords(fast=settings.test_fast_hash)
    with db.transaction() as session:
        moderators.add(
            session,
            hasher,
            email=settings.admin_email,
            password=password,
            role=ADMINISTRATOR,
            now=utcnow(),
            actor="setup",
        )
    return Prepared(settings.admin_email, password)


def _demo_site(db: Database, settings: Settings) -> None:
    """A site whose pages this service serves itself; its addresses follow the port and the public URL of each start."""
    with db.transaction() as session:
        now = utcnow()
        site = sites.demo_site(session)
        if site is None:
            site = sites.add_site(
                session,
                name=SITE_NAME,
                url=settings.base_url,
                now=now,
                grace_seconds=settings.grace_seconds,
                is_demo=True,
                actor="setup",
            ).site
        site.url = settings.base_url
        site.origins = [sites.origin_of(settings.base_url)]
        endpoints.set_endpoint(session, site, f"{settings.base_url}/demo/webhook", now)
        for article in ARTICLES.values():
            wanted = select(Story).where(Story.site_id == site.id, Story.external_id == article.external_id)
            story = session.scalar(wanted)
            url, title = f"{settings.base_url}{article.path}", article.text(site.language).title
            if story is None:
                session.add(
                    Story(site_id=site.id, external_id=article.external_id, url=url, title=title, created_at=now)
                )
            elif (story.url, story.title) != (url, title):
                story.url, story.title = url, title
