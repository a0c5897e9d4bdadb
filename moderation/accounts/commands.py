"""`moderation sites …` and `moderation users …`."""

import json
import secrets

import click
from sqlalchemy import select

from moderation import migrations
from moderation.accounts import moderators, sites
from moderation.accounts.models import Site
from moderation.accounts.moderators import ROLES, Passwords
from moderation.db import utcnow
from moderation.delivery import outbox
from moderation.errors import InvalidInput, NotFound
from moderation.opening import opened


def register(cli: click.Group) -> None:
    """Add this room's commands."""
    cli.add_command(sites_group)
    cli.add_command(users_group)


@click.group("sites")
def sites_group() -> None:
    """News sites: who sends comments and is told of decisions."""


@sites_group.command("add")
@click.option("--name", required=True, help="What the site is called.")
@click.option("--url", required=True, help="Its address, such as https://example.org.")
@click.option("--webhook-url", help="Where it wants to be told of decisions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def add_site(name: str, url: str, webhook_url: str | None, as_json: bool) -> None:
    """Make a site; its key and secret are shown this once."""
    settings, db = opened()
    migrations.migrate(db)
    if webhook_url is not None and not sites.origin_of(webhook_url):
        raise InvalidInput("--webhook-url must be an http or https address.", field="webhook_url")
    with db.transaction() as session:
        now = utcnow()
        made = sites.add_site(session, name=name, url=url, now=now, grace_seconds=settings.grace_seconds)
        if webhook_url is not None:
            outbox.set_endpoint(session, made.site, webhook_url, now)
        values = {
            "site": made.site.id,
            "api_key": made.api_key,
            "webhook_secret": made.webhook_secret,
            "public_id": made.site.public_id,
        }
    if as_json:
        click.echo(json.dumps(values))
        return
    click.echo(f"Site {made.site.name} ({made.site.url}) is made. Keep these; they are not shown again:")
    for key, value in values.items():
        click.echo(f"  {key:<15} {value}")


@sites_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_sites(as_json: bool) -> None:
    """All sites."""
    _, db = opened()
    with db.reading() as session:
        for site in sites.all_sites(session):
            endpoint = outbox.endpoint_of(session, site.id)
            told_at = endpoint.url if endpoint is not None else ""
            if as_json:
                row = {"site": site.id, "public_id": site.public_id, "name": site.name, "url": site.url}
                click.echo(json.dumps({**row, "webhook_url": told_at or None}, ensure_ascii=False))
            else:
                click.echo(f"{site.id:>4}  {site.public_id}  {site.name}  {site.url}  {told_at}".rstrip())


@click.group("users")
def users_group() -> None:
    """Moderators and administrators."""


@users_group.command("add")
@click.argument("email")
@click.option("--name", default="", help="The name that colleagues see.")
@click.option("--role", type=click.Choice(ROLES), default="moderator", show_default=True)
@click.option("--site", "site_ids", type=int, multiple=True, help="A site's number; repeat it. Administrators see all.")
@click.option("--password", help="At least 10 characters; made and printed when not given.")
def add_user(email: str, name: str, role: str, site_ids: tuple[int, ...], password: str | None) -> None:
    """Let somebody in."""
    settings, db = opened()
    made = password or secrets.token_urlsafe(12)
    with db.transaction() as session:
        wanted = list(session.scalars(select(Site).where(Site.id.in_(site_ids))))
        missing = set(site_ids) - {site.id for site in wanted}
        if missing:
            raise NotFound(f"There is no site {sorted(missing)[0]}.", field="site")
        moderators.add(
            session,
            Passwords(fast=settings.test_fast_hash),
            email=email,
            name=name,
            role=role,
            password=made,
            sites=wanted,
            now=utcnow(),
        )
    click.echo(f"{email} may log in." + ("" if password else f" Password: {made}"))


@users_group.command("list")
def list_users() -> None:
    """Everybody who may (or might once) log in."""
    _, db = opened()
    with db.reading() as session:
        for moderator in moderators.all_moderators(session):
            numbers = ", ".join(str(number) for number in moderators.site_ids(session, moderator))
            state = "disabled" if moderator.disabled_at else f"sites {numbers or 'none'}"
            click.echo(f"{moderator.email}  {moderator.role}  {state}")


@users_group.command("set-password")
@click.argument("email")
@click.option("--password", help="At least 10 characters; asked for when not given.")
def set_password(email: str, password: str | None) -> None:
    """Give a new password; the user's sessions end."""
    settings, db = opened()
    password = password or click.prompt("New password", hide_input=True, confirmation_prompt=True)
    with db.transaction() as session:
        moderator = moderators.by_email(session, email)
        moderators.set_password(session, Passwords(fast=settings.test_fast_hash), moderator, password, utcnow())
    click.echo(f"{email} has a new password; all sessions have ended.")


@users_group.command("disable")
@click.argument("email")
def disable_user(email: str) -> None:
    """Take access away at once."""
    _, db = opened()
    with db.transaction() as session:
        moderators.disable(session, moderators.by_email(session, email), utcnow())
    click.echo(f"{email} can no longer log in; all sessions have ended.")
