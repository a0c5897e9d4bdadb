"""`moderation deliveries …`."""

import json

import click

from moderation import dispatch, queues
from moderation.db import utcnow
from moderation.delivery import outbox
from moderation.opening import opened

STATES = (outbox.DUE, outbox.LEASED, outbox.DELIVERED, outbox.DEAD, outbox.SUPERSEDED)


def register(cli: click.Group) -> None:
    """Add this room's commands."""
    cli.add_command(deliveries)


@click.group()
def deliveries() -> None:
    """What sites were told, and what they could not be told."""


@deliveries.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_deliveries(state: str | None, limit: int, as_json: bool) -> None:
    """The newest deliveries."""
    _, db = opened()
    with db.reading() as session:
        for row, url in outbox.listing(session, state=state, limit=limit):
            values = {
                "delivery": row.id,
                "event_id": row.event_id,
                "comment": row.comment_id,
                "sequence": row.sequence,
                "state": row.state,
                "attempts": row.attempts,
                "last_status": row.last_status,
                "last_error": row.last_error,
                "url": url,
            }
            if as_json:
                click.echo(json.dumps(values, ensure_ascii=False))
            else:
                what = row.last_error or (f"HTTP {row.last_status}" if row.last_status else "")
                click.echo(
                    f"{row.id:>6}  {row.state:<10}  comment {row.comment_id} #{row.sequence}  "
                    f"{row.attempts} attempts  {url or 'no endpoint'}  {what}".rstrip()
                )


@deliveries.command("replay")
@click.argument("ids", nargs=-1, type=int)
@click.option("--all-dead", is_flag=True, help="All that were given up.")
def replay(ids: tuple[int, ...], all_dead: bool) -> None:
    """Send again what was given up: the named ones, or --all-dead."""
    if bool(ids) == all_dead:
        raise click.UsageError("Name deliveries, or say --all-dead.")
    _, db = opened()
    with db.transaction() as session:
        count = outbox.replay(session, None if all_dead else ids, utcnow())
        dispatch.nudge(session, queues.TASK_DELIVER)
    click.echo(f"{count} deliveries are due again.")
