"""`moderation queue …`: what keeps the queue and its search in order."""

from datetime import datetime

import click

from moderation.comments import status
from moderation.db import utcnow
from moderation.opening import opened
from moderation.review import search_texts, statistics_keeping, tallies
from moderation.wordings import counted


def register(cli: click.Group) -> None:
    """Add this room's commands."""
    cli.add_command(queue)
    cli.add_command(statistics_group)


@click.group()
def queue() -> None:
    """The moderators' queue."""


@queue.command("repair")
def repair() -> None:
    """Recount what stands under each tab and each article, and mend what is off. The workers do so every hour.

    May run beside them.
    """
    _, db = opened()
    tallies.fold_all(db)
    mended = tallies.repair_all(db)
    tallies.fold_all(db)
    for site_id, differences in mended.items():
        shown = ", ".join(f"{name} {n:+}" for name, n in sorted(differences.items()))
        click.echo(f"site {site_id}: {shown}")
    with db.transaction() as session:
        fronts = status.repair_fronts(session)
    if fronts:
        click.echo(f"{counted(fronts, 'campaign')} had nobody in front.")
    if not mended and not fronts:
        click.echo("Every count is right.")


@queue.command("reindex")
def reindex() -> None:
    """Let the search know at once every comment that it does not know yet, as after a great import.

    The workers do the same little by little. May run beside them, and again after it was stopped.
    """
    _, db = opened()
    total, done = 0, 1
    while done:
        with db.transaction() as session:
            done = search_texts.catch_up(session)
        total += done
        if total % 10_000 < done:
            click.echo(counted(total, "comment"), err=True)
    click.echo(
        f"The search knows {counted(total, 'more comment')}." if total else "The search knows every comment already."
    )


@click.group("statistics")
def statistics_group() -> None:
    """Figures of what came and what became of it."""


@statistics_group.command("rebuild")
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True, help="How far back.")
def rebuild(days: int) -> None:
    """Count the hours of the last days again, newest first. The workers count what is new; may run beside them."""
    _, db = opened()

    def say(hour: datetime) -> None:
        if hour.hour == 0:
            click.echo(f"{hour.date()}", err=True)

    hours = statistics_keeping.rebuild(db, days, utcnow(), say)
    click.echo(counted(hours, "hour is counted.", "hours are counted."))
