"""`moderation policy …`: read a site's policy, publish the next version of it."""

import json
from typing import Any

import click

from moderation.accounts import audit, sites
from moderation.comments import authors
from moderation.db import utcnow
from moderation.errors import InvalidInput
from moderation.opening import opened
from moderation.parsing import read_json
from moderation.policy import store

MAX_BYTES = 4 * 1024 * 1024
"""A policy with a hundred thousand listed words fits."""


def register(cli: click.Group) -> None:
    """Add this room's commands."""
    cli.add_command(policy)


@click.group()
def policy() -> None:
    """What the machine may decide on a site: modes, marks, links, word lists, blocks."""


@policy.command("show")
@click.argument("site", type=int)
def show(site: int) -> None:
    """Print the site's live policy as JSON (version 0 is the default)."""
    _, db = opened()
    with db.reading() as session:
        sites.numbered(session, site)
        document, version = store.live_document(session, site)
        click.echo(f"# version {version}", err=True)
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))


@policy.command("publish")
@click.argument("site", type=int)
@click.argument("file", type=click.File("rb"))
def publish(site: int, file: Any) -> None:
    """Make the JSON in FILE the site's next version. A wrong field is named, and nothing changes.

    An author is blocked by `id:…`, `name:…` or `email:…`; e-mails are kept as keyed hashes.
    """
    settings, db = opened()
    document = read_json(file.read(MAX_BYTES + 1), max_bytes=MAX_BYTES)
    if not isinstance(document, dict):
        raise InvalidInput("A policy is a JSON object.")
    with db.transaction() as session:
        sites.numbered(session, site)
        blocked = document.get("blocked_authors")
        if isinstance(blocked, list):  # anything else is the document's fault, and publish names it
            document["blocked_authors"] = [_hashed(entry, settings.key(), site) for entry in blocked]
        made = store.publish(session, site, document, by="cli", now=utcnow())
        audit.record(
            session,
            actor="cli",
            action="policy.publish",
            subject=f"policy:{site}:{made.version}",
            site_id=site,
            now=utcnow(),
        )
    click.echo(f"Version {made.version} is live; comments that are judged from now on follow it.")


def _hashed(entry: Any, key: bytes, site_id: int) -> Any:
    if isinstance(entry, str) and entry.startswith("email:"):
        return f"email_hash:{authors.email_hash(key, site_id, entry.removeprefix('email:'))}"
    return entry
