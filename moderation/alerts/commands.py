"""`moderation alerts …`."""

import json
import sys
from datetime import datetime

import click

from moderation.alerts import channels, sentences, store
from moderation.db import utcnow
from moderation.opening import opened
from moderation.wordings import counted


def register(cli: click.Group) -> None:
    """Add this room's commands."""
    cli.add_command(alerts)


@click.group()
def alerts() -> None:
    """What is wrong, and whether people are told of it."""


@alerts.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_alerts(as_json: bool) -> None:
    """What is wrong now, since when, and when each channel was last told."""
    settings, db = opened()
    now = utcnow()
    with db.reading() as session:
        lasting = store.lasting(session)
        turns = store.turns(session)
    for alert, told in lasting:
        what = sentences.wrong(alert, "en")
        if as_json:
            values = {
                "kind": alert.kind,
                "subject": alert.subject,
                "site": alert.site_id,
                "what": what,
                "facts": alert.facts,
                "since": _iso(alert.since),
                "told": {name: _iso(at) for name, at in told.items()},
            }
            click.echo(json.dumps(values, ensure_ascii=False))
            continue
        click.echo(f"! {what}")
        heard = ", ".join(f"told by {name} {_ago(at, now)} ago" for name, at in sorted(told.items()))
        click.echo(f"  for {_ago(alert.since, now)}; {heard or 'nobody was told'}")
    if as_json:
        return
    examination = turns.get(store.EXAMINATION)
    seen = examination.taken_at if examination is not None else None
    when = f"looked at {_ago(seen, now)} ago" if seen is not None else "never looked at: is housekeeping running?"
    click.echo(f"{counted(len(lasting), 'alert')}; {when}" if lasting else f"No alerts; {when}")
    for channel in channels.configured(settings):
        turn = turns.get(channel.name)
        state = "nothing to send yet"
        if turn is not None and turn.failing_since is not None:
            state = f"✕ has failed for {_ago(turn.failing_since, now)}: {turn.error}"
        elif turn is not None and turn.ok_at is not None:
            state = f"last message {_ago(turn.ok_at, now)} ago" + (f", {turn.error}" if turn.error else "")
        click.echo(f"  {channel.name:<8} {channel.where}: {state}")
    if not channels.configured(settings):
        click.echo("  Nobody is told: set MODERATION_SMTP_URL and MODERATION_ALERT_TO, or MODERATION_ALERT_WEBHOOK.")


@alerts.command("test")
def send_test() -> None:
    """Send a test message through every channel; exit code 1 unless each took it."""
    settings, _ = opened()
    ways = channels.configured(settings)
    if not ways:
        click.echo("Nobody to tell: set MODERATION_SMTP_URL and MODERATION_ALERT_TO, or MODERATION_ALERT_WEBHOOK.")
        sys.exit(1)
    message = sentences.test_message(settings.alert_language, settings.base_url)
    good = True
    for channel in ways:
        answer = channel.send(message)
        good = good and answer.sent and not answer.note
        said = "sent" + (f", but {answer.note}" if answer.note else "") if answer.sent else f"not sent: {answer.note}"
        click.echo(f"{'✓' if answer.sent and not answer.note else '✕'} {channel.name} to {channel.where}: {said}")
    sys.exit(0 if good else 1)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at is not None else None


def _ago(at: datetime | None, now: datetime) -> str:
    seconds = int((now - at).total_seconds()) if at is not None else 0
    return f"{seconds} s" if seconds < 60 else sentences.duration(seconds // 60, "en")
