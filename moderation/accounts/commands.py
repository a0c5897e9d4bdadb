"""`moderation sites …` and `moderation users …`."""

import json
import secrets
from typing import Any

import click
from sqlalchemy import select

from moderation import migrations
from moderation.accounts import moderators, site_settings, sites
from moderation.accounts.models import Site
from moderation.accounts.moderators import ROLES, Passwords
from moderation.accounts.sites import Credential
from moderation.db import utcnow
from moderation.delivery import endpoints
from moderation.errors import InvalidInput, NotFound
from moderation.opening import opened
from moderation.policy import store as policies
from moderation.policy.document import AUTO, MODES

SHOWN = (
    "name",
    "url",
    "origins",
    "language",
    "timezone",
    "grace_seconds",
    "close_after_days",
    "premoderated_sections",
    "staff_ids",
    "form_texts",
    "second_look_percent",
)
"""Settings that `sites show` prints, in this order."""


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
            endpoints.set_endpoint(session, made.site, webhook_url, now)
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
            endpoint = endpoints.endpoint_of(session, site.id)
            told_at = endpoint.url if endpoint is not None else ""
            if as_json:
                row = {"site": site.id, "public_id": site.public_id, "name": site.name, "url": site.url}
                click.echo(json.dumps({**row, "webhook_url": told_at or None}, ensure_ascii=False))
            else:
                click.echo(f"{site.id:>4}  {site.public_id}  {site.name}  {site.url}  {told_at}".rstrip())


@sites_group.command("show")
@click.argument("site")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show_site(site: str, as_json: bool) -> None:
    """A site's settings, keys and secrets; keys and secrets are named by how they begin."""
    _, db = opened()
    with db.reading() as session:
        found = sites.named(session, site)
        document, version = policies.live_document(session, found.id)
        values: dict[str, Any] = {name: getattr(found, name) for name in ("id", "public_id", *SHOWN)}
        values |= {"mode": document.get("mode", AUTO), "policy_version": version}
        values["keys"] = [_credential(item) for item in sites.keys(session, found.id)]
        values["secrets"] = [_credential(item) for item in sites.webhook_secrets(session, found.id)]
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    for name, value in values.items():
        if name in ("keys", "secrets"):
            for item in value:
                ended = f", ended {item['ended_at']}" if item["ended_at"] else ""
                click.echo(f"{name[:-1]:<22} {item['id']:>4}  {item['hint']}  made {item['created_at']}{ended}")
        else:
            shown = json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
            click.echo(f"{name:<22} {'' if shown is None else shown}".rstrip())


@sites_group.command("set")
@click.argument("site")
@click.option("--name")
@click.option("--url", help="Its address; the origin of it may always use the form.")
@click.option("--origin", "origins", multiple=True, help="An origin whose pages may use the form; repeat it.")
@click.option("--language", help="id or en.")
@click.option("--timezone", help="Such as Asia/Jakarta.")
@click.option("--mode", type=click.Choice(MODES), help="Publishes the next version of the site's policy.")
@click.option("--grace-seconds", help="Seconds before the site is told of a person's decision.")
@click.option("--close-after-days", help="Articles older than this take no more comments; '' means never.")
@click.option("--premoderate", "sections", multiple=True, help="A section where every comment is held; repeat it.")
@click.option("--staff", "staff_ids", multiple=True, help="An author id of the site's own people; repeat it.")
@click.option("--form-text", "texts", multiple=True, metavar="NAME=TEXT", help="Its own words; repeat it.")
@click.option("--second-look-percent", help="Of a hundred decisions, how many a second person looks at blind.")
def set_site(
    site: str,
    mode: str | None,
    origins: tuple[str, ...],
    sections: tuple[str, ...],
    staff_ids: tuple[str, ...],
    texts: tuple[str, ...],
    **plain: str | None,
) -> None:
    """Change settings of a site: those that are named, the others stay. Lists are replaced; '' empties one.

    The form's texts are heading, intro, button, waiting and closed; an empty one is the usual text again.
    """
    _, db = opened()
    values: dict[str, Any] = {name: value for name, value in plain.items() if value is not None}
    lists = {"origins": origins, "premoderated_sections": sections, "staff_ids": staff_ids}
    values |= {name: items for name, items in lists.items() if items}
    with db.transaction() as session:
        found, now = sites.named(session, site), utcnow()
        if texts:
            values["form_texts"] = {**found.form_texts, **_texts(texts)}
        changed = site_settings.change(session, found, values, actor="cli", now=now)
        made = policies.set_mode(session, found.id, mode, by="cli", now=now) if mode is not None else None
    if changed:
        click.echo(f"Changed: {', '.join(changed)}.")
    if made is not None:
        click.echo(f"Policy version {made.version} is live, in mode {made.mode}: for comments judged from now on.")
    if not changed and made is None:
        click.echo("Nothing is different.")


@sites_group.command("key-add")
@click.argument("site")
def add_key(site: str) -> None:
    """Make one more API key; it is printed this once."""
    _, db = opened()
    with db.transaction() as session:
        key = sites.add_key(session, sites.named(session, site), actor="cli", now=utcnow())
    click.echo(key)


@sites_group.command("key-revoke")
@click.argument("site")
@click.argument("key", type=int)
@click.option("--last", is_flag=True, help="Yes, even if it is the last live one.")
def revoke_key(site: str, key: int, last: bool) -> None:
    """Make the API key of this number (see `sites show`) worthless."""
    _, db = opened()
    with db.transaction() as session:
        sites.revoke_key(session, sites.named(session, site), key, actor="cli", now=utcnow(), last=last)
    click.echo(f"Key {key} is revoked.")


@sites_group.command("secret-add")
@click.argument("site")
def add_secret(site: str) -> None:
    """Make one more webhook secret; it is printed this once. The older ones live on until they are retired."""
    _, db = opened()
    with db.transaction() as session:
        secret = sites.add_secret(session, sites.named(session, site), actor="cli", now=utcnow())
    click.echo(secret)


@sites_group.command("secret-retire")
@click.argument("site")
@click.argument("secret", type=int)
def retire_secret(site: str, secret: int) -> None:
    """Neither sign nor verify with the webhook secret of this number (see `sites show`) any more."""
    _, db = opened()
    with db.transaction() as session:
        sites.retire_secret(session, sites.named(session, site), secret, actor="cli", now=utcnow())
    click.echo(f"Secret {secret} is retired.")


def _credential(item: Credential) -> dict[str, Any]:
    ended = item.ended_at.isoformat() if item.ended_at else None
    return {"id": item.id, "hint": item.hint, "created_at": item.created_at.isoformat(), "ended_at": ended}


def _texts(given: tuple[str, ...]) -> dict[str, str]:
    parts = [item.partition("=") for item in given]
    if any(not equals for _, equals, _ in parts):
        raise InvalidInput("--form-text is NAME=TEXT, such as button=Kirim.", field="form_texts")
    return {name: text for name, _, text in parts}


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


@users_group.command("set-role")
@click.argument("email")
@click.argument("role", type=click.Choice(ROLES))
def set_role(email: str, role: str) -> None:
    """Make somebody a moderator, a senior or an administrator."""
    _, db = opened()
    with db.transaction() as session:
        moderators.set_role(session, moderators.by_email(session, email), role, utcnow())
    click.echo(f"{email} is {role} now.")


@users_group.command("disable")
@click.argument("email")
def disable_user(email: str) -> None:
    """Take access away at once."""
    _, db = opened()
    with db.transaction() as session:
        moderators.disable(session, moderators.by_email(session, email), utcnow())
    click.echo(f"{email} can no longer log in; all sessions have ended.")
