"""`moderation up`, `moderation migrate` and `moderation doctor`."""

import sys

import click

from moderation import bootstrap, migrations, queues, supervisor
from moderation.bootstrap import Prepared
from moderation.db import Database
from moderation.dispatch import CelerySender
from moderation.opening import opened
from moderation.settings import load


def register(cli: click.Group) -> None:
    """Add this room's commands."""
    cli.add_command(up)
    cli.add_command(migrate)
    cli.add_command(doctor)


@click.command()
def up() -> None:
    """Run everything: web, workers, sweeps. Ctrl-C stops it."""
    settings = load()
    sender = CelerySender(settings)
    made: list[Prepared] = []

    def prepare() -> None:
        settings.key()
        db = Database(settings.database)
        made.append(bootstrap.prepare(db, settings))
        db.dispose()

    def tick() -> None:
        for task in queues.SWEPT_TASKS:
            if task != queues.TASK_SCORE_DETOXIFY or supervisor.detoxify_installed(settings):
                sender.send(task)

    def announce() -> None:
        found = made[0]
        click.echo(f"\nModeration is ready: {settings.base_url}")
        if settings.demo:
            click.echo(f"  demo article     {settings.base_url}/demo")
        click.echo(f"  moderators       {settings.base_url}/login")
        if found.admin_password and not settings.admin_password:
            click.echo(f"  login            {found.admin_email}  password {found.admin_password}")
            click.echo("                   (shown this once; change it: moderation users set-password)")
        else:
            click.echo(f"  login            {found.admin_email}")
        click.echo(f"  data             {settings.data_dir}\nCtrl-C stops everything.", nl=True)
        sys.stdout.flush()

    sys.exit(supervisor.run(settings, prepare=prepare, tick=tick, on_ready=announce))


@click.command()
def migrate() -> None:
    """Bring the database to this version's tables."""
    _, db = opened()
    done = migrations.migrate(db)
    click.echo(f"Now at version {done[-1]}." if done else "Nothing to do.")


@click.command()
def doctor() -> None:
    """Say what is wrong and what to do about it; exit code 1 when comments cannot be taken or judged."""
    # Only here: it looks into every room, numpy and all, half a second that `up` would spend on every start.
    from moderation.health import checks

    settings, db = opened()
    found = [*checks.examine(db, settings), *checks.examine_weights(settings)]
    for item in found:
        click.echo(f"{'✕' if item.fatal else '!'} {item.what}\n  {item.remedy}")
    if not found:
        click.echo("✓ All is well.")
    sys.exit(1 if any(item.fatal for item in found) else 0)
