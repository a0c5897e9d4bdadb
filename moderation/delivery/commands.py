"""`moderation deliveries …`."""

import json
import time
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy.orm import Session

from moderation.accounts import sites
from moderation.accounts.models import Site
from moderation.db import utcnow
from moderation.delivery import endpoints, outbox, outbox_reading
from moderation.delivery.models import Delivery, Endpoint
from moderation.delivery.outbox import DUE, LEASED, STATES
from moderation.errors import NotFound
from moderation.opening import opened
from moderation.wordings import counted

ACTOR = "cli"
PATIENCE = 15.0
"""Seconds that `test` waits for the answer: an attempt takes ten at most, and a worker looks every few."""


def register(cli: click.Group) -> None:
    """Add this room's commands."""
    cli.add_command(deliveries)


@click.group()
def deliveries() -> None:
    """What sites were told, what they could not be told, and where."""


@deliveries.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--site", "site_id", type=int, help="Only those of this site.")
@click.option("--endpoint", "endpoint_id", type=int, help="Only those for this endpoint.")
@click.option("--after", type=click.IntRange(1), help="Only those older than this delivery: the next page.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_deliveries(
    state: str | None, site_id: int | None, endpoint_id: int | None, after: int | None, limit: int, as_json: bool
) -> None:
    """The newest deliveries."""
    _, db = opened()
    with db.reading() as session:
        rows = outbox_reading.listing(
            session, _site_ids(session, site_id), state=state, endpoint_id=endpoint_id, after=after, limit=limit
        )
        for row, url in rows:
            if as_json:
                click.echo(json.dumps(_values(row, url), ensure_ascii=False))
            else:
                click.echo(_line(row, url))


@deliveries.command("show")
@click.argument("delivery_id", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(delivery_id: int, as_json: bool) -> None:
    """One delivery: its payload, and every attempt with its answer."""
    _, db = opened()
    with db.reading() as session:
        found = outbox_reading.one(session, _site_ids(session, None), delivery_id)
        if found is None:
            raise NotFound(f"There is no delivery {delivery_id}.")
        tries = outbox_reading.attempts_of(session, delivery_id)
    row, url = found
    payload = json.loads(row.payload)
    if as_json:
        made = [
            {"at": item.at.isoformat(), "status": item.status, "error": item.error, "milliseconds": item.milliseconds}
            for item in tries
        ]
        click.echo(json.dumps({**_values(row, url), "payload": payload, "tries": made}, ensure_ascii=False))
        return
    click.echo(_line(row, url))
    click.echo(f"        event {row.event_id}, due {row.due_at:%Y-%m-%d %H:%M:%S} UTC")
    for item in tries:
        answer = item.error or f"answered {item.status}"
        click.echo(f"        {item.at:%Y-%m-%d %H:%M:%S}  {answer}  ({item.milliseconds} ms)")
    click.echo(json.dumps(payload, ensure_ascii=False, indent=2))


@deliveries.command("replay")
@click.argument("ids", nargs=-1, type=int)
@click.option("--all-dead", is_flag=True, help="All that were given up.")
@click.option("--endpoint", "endpoint_id", type=int, help="With --all-dead: only those for this endpoint.")
def replay(ids: tuple[int, ...], all_dead: bool, endpoint_id: int | None) -> None:
    """Send again: the named ones, given up or told, or --all-dead."""
    if bool(ids) == all_dead or (endpoint_id is not None and not all_dead):
        raise click.UsageError("Name deliveries, or say --all-dead.")
    _, db = opened(nudging=True)
    with db.transaction() as session:
        mine, now = _site_ids(session, None), utcnow()
        if endpoint_id is not None:
            endpoints.by_id(session, None, endpoint_id)
        count = (
            outbox.replay_dead(session, mine, now, endpoint_id=endpoint_id)
            if all_dead
            else len(outbox.replay(session, mine, ids, now))
        )
    click.echo(counted(count, "delivery is due again.", "deliveries are due again."))


@deliveries.command("endpoints")
@click.option("--site", "site_id", type=int, help="Only those of this site.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_endpoints(site_id: int | None, as_json: bool) -> None:
    """Every endpoint with its state, and what waits for it."""
    _, db = opened()
    with db.reading() as session:
        for number in _site_ids(session, site_id):
            for endpoint in endpoints.of_site(session, number):
                waiting = endpoints.waiting(session, endpoint.id)
                if as_json:
                    click.echo(json.dumps(_endpoint_values(endpoint, waiting), ensure_ascii=False))
                else:
                    click.echo(_endpoint_line(endpoint, waiting))


@deliveries.command("add")
@click.argument("site_id", type=int)
@click.argument("url")
def add(site_id: int, url: str) -> None:
    """Tell a site at a further address."""
    _, db = opened(nudging=True)
    with db.transaction() as session:
        site = session.get(Site, site_id)
        if site is None:
            raise NotFound(f"There is no site {site_id}.", field="site")
        made = endpoints.add(session, site, url, now=utcnow(), actor=ACTOR)
    click.echo(f"Endpoint {made.id} is told from now on.")


@deliveries.command("change")
@click.argument("endpoint_id", type=int)
@click.argument("url")
def change(endpoint_id: int, url: str) -> None:
    """Another address for an endpoint."""
    _act(endpoint_id, lambda session, item: endpoints.change_url(session, item, url, now=utcnow(), actor=ACTOR))


@deliveries.command("pause")
@click.argument("endpoint_id", type=int)
def pause(endpoint_id: int) -> None:
    """Hold an endpoint's events back until it is resumed."""
    _act(endpoint_id, lambda session, item: endpoints.pause(session, item, now=utcnow(), actor=ACTOR))


@deliveries.command("resume")
@click.argument("endpoint_id", type=int)
def resume(endpoint_id: int) -> None:
    """End a pause, whoever made it, and send all that waits."""
    _act(endpoint_id, lambda session, item: endpoints.resume(session, item, now=utcnow(), actor=ACTOR))


@deliveries.command("enable")
@click.argument("endpoint_id", type=int)
def enable(endpoint_id: int) -> None:
    """Tell a disabled endpoint again."""
    _act(endpoint_id, lambda session, item: endpoints.enable(session, item, now=utcnow(), actor=ACTOR))


@deliveries.command("disable")
@click.argument("endpoint_id", type=int)
def disable(endpoint_id: int) -> None:
    """Stop telling an endpoint; its events wait and can be pulled."""
    _act(endpoint_id, lambda session, item: endpoints.disable(session, item, now=utcnow(), actor=ACTOR))


@deliveries.command("remove")
@click.argument("endpoint_id", type=int)
@click.confirmation_option(prompt="Remove this endpoint?")
def remove(endpoint_id: int) -> None:
    """Remove an endpoint; what nobody was told goes to another one, or waits for pulling."""
    _, db = opened(nudging=True)
    with db.transaction() as session:
        endpoint = endpoints.by_id(session, None, endpoint_id, lock=True)
        done = endpoints.remove(session, endpoint, now=utcnow(), actor=ACTOR)
    click.echo(f"Removed: {counted(done.handed_over, 'event')} handed over, {done.closed:,} closed.")


@deliveries.command("test")
@click.argument("endpoint_id", type=int)
def test(endpoint_id: int) -> None:
    """Send a test event, and wait for what the endpoint answers; exit code 1 when that is not 2xx."""
    _, db = opened(nudging=True)
    with db.transaction() as session:
        endpoint = endpoints.by_id(session, None, endpoint_id, lock=True)
        made = outbox.put_test(session, endpoint, utcnow())
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with db.reading() as session:
            found = outbox_reading.one(session, [made.site_id], made.id)
        if found is not None and found[0].state not in (DUE, LEASED):
            click.echo(_line(*found))
            raise SystemExit(0 if found[0].state == outbox.DELIVERED else 1)
        time.sleep(0.1)
    click.echo(f"Delivery {made.id} waits for a worker: is `moderation up` running? See: moderation doctor")
    raise SystemExit(1)


def _act(endpoint_id: int, deed: Callable[[Session, Endpoint], object]) -> None:
    _, db = opened(nudging=True)
    with db.transaction() as session:
        endpoint = endpoints.by_id(session, None, endpoint_id, lock=True)
        deed(session, endpoint)
        session.flush()
        line = _endpoint_line(endpoint, endpoints.waiting(session, endpoint.id))
    click.echo(line)


def _site_ids(session: Session, site_id: int | None) -> list[int]:
    found = [site.id for site in sites.all_sites(session) if site_id in (None, site.id)]
    if site_id is not None and not found:
        raise NotFound(f"There is no site {site_id}.", field="site")
    return found


def _values(row: Delivery, url: str | None) -> dict[str, Any]:
    return {
        "delivery": row.id,
        "event_id": row.event_id,
        "site": row.site_id,
        "comment": row.comment_id,
        "sequence": row.sequence,
        "endpoint": row.endpoint_id,
        "state": row.state,
        "attempts": row.attempts,
        "last_status": row.last_status,
        "last_error": row.last_error,
        "url": url,
    }


def _line(row: Delivery, url: str | None) -> str:
    what = row.last_error or (f"HTTP {row.last_status}" if row.last_status else "")
    subject = f"comment {row.comment_id} #{row.sequence}" if row.comment_id is not None else "test"
    where = url or "no endpoint"
    return f"{row.id:>6}  {row.state:<10}  {subject}  {row.attempts} attempts  {where}  {what}".rstrip()


def _endpoint_values(endpoint: Endpoint, waiting: int) -> dict[str, Any]:
    return {
        "endpoint": endpoint.id,
        "site": endpoint.site_id,
        "url": endpoint.url,
        "state": endpoints.state_of(endpoint),
        "reason": endpoint.disabled_reason,
        "failures": endpoint.failures,
        "next_try_at": endpoint.probe_at.isoformat() if endpoint.probe_at is not None else None,
        "waiting": waiting,
    }


def _endpoint_line(endpoint: Endpoint, waiting: int) -> str:
    state = endpoints.state_of(endpoint)
    reason = f"  ({endpoint.disabled_reason})" if endpoint.disabled_reason else ""
    return f"{endpoint.id:>6}  {state:<8}  site {endpoint.site_id}  {endpoint.url}  {waiting} wait{reason}"
