"""`moderation policy draft|drafts|simulate|history|diff|revert|shadow|advice`: what a page does, for a terminal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.accounts import sites
from moderation.db import utcnow
from moderation.errors import InvalidInput
from moderation.opening import opened
from moderation.parsing import read_json
from moderation.policy import changes, drafts, store
from moderation.policy.commands import MAX_BYTES, policy
from moderation.policy.document import parse
from moderation.policy.models import PolicyDraft
from moderation.rescoring import advice as advising
from moderation.rescoring import columns, simulator
from moderation.rescoring.simulator import Count, Simulation
from moderation.wordings import counted

BY = "cli"


def register(cli: click.Group) -> None:  # noqa: ARG001 the group of the policy room is there already
    """Add these commands to `moderation policy`."""
    for command in (draft, list_drafts, publish_draft, discard, simulate, history, diff, revert, shadow, advice):
        policy.add_command(command)


@click.command()
@click.argument("site", type=int)
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--name", default="", help="A name for it.")
@click.option("--draft", "number", type=int, help="Give this draft the document of FILE, and make no new one.")
def draft(site: int, file: Any, name: str, number: int | None) -> None:
    """Begin a draft from the site's live policy, or from the JSON in FILE."""
    document = _read(file) if file is not None else None
    _, db = opened()
    with db.transaction() as session:
        sites.numbered(session, site)
        if number is not None:
            if document is None:
                raise InvalidInput("Name the file with the draft's new document.", field="file")
            made = drafts.get(session, [site], number, lock=True)
            drafts.edit(session, made, document, now=utcnow(), name=name or None)
        else:
            made = drafts.create(session, site, by=BY, now=utcnow(), name=name, document=document)
        live, version = store.live_document(session, site)
        differences = changes.between(live, made.document)
    click.echo(f"Draft {made.id}, beside version {version}.")
    for change in differences:
        click.echo(f"  {change}")


@click.command("drafts")
@click.argument("site", type=int)
def list_drafts(site: int) -> None:
    """List a site's open drafts."""
    _, db = opened()
    with db.reading() as session:
        sites.numbered(session, site)
        for item in drafts.of_site(session, site):
            running = ", runs as a shadow" if item.shadow else ""
            click.echo(f"{item.id}  {item.name or 'unnamed'}, by {item.created_by}, {item.updated_at:%F %R}{running}")


@click.command("publish-draft")
@click.argument("number", type=int)
def publish_draft(number: int) -> None:
    """Make a draft its site's next version."""
    _, db = opened()
    with db.transaction() as session:
        made = drafts.publish(session, _draft(session, number), by=BY, now=utcnow())
    click.echo(f"Version {made.version} is live; comments that are judged from now on follow it.")


@click.command()
@click.argument("number", type=int)
def discard(number: int) -> None:
    """Throw a draft away, with what its shadow counted."""
    _, db = opened()
    with db.transaction() as session:
        drafts.discard(session, _draft(session, number), by=BY, now=utcnow())
    click.echo(f"Draft {number} is gone.")


@click.command()
@click.argument("number", type=int)
@click.option("--last", default=simulator.USUAL, show_default=True, type=click.IntRange(1, columns.MOST))
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def simulate(number: int, last: int, as_json: bool) -> None:
    """What a draft would have done with its site's last comments. Nothing is changed, no model runs."""
    _, db = opened()
    with db.reading() as session:
        chosen = _draft(session, number)
        live = store.live(session, chosen.site_id)
        made = simulator.simulate(
            session, sites.numbered(session, chosen.site_id), live, parse(chosen.document), now=utcnow(), most=last
        )
    if as_json:
        click.echo(json.dumps(made.as_json(), ensure_ascii=False, indent=2))
        return
    _say(made, number, live.version)


def _say(made: Simulation, number: int, version: int) -> None:
    click.echo(f"{counted(made.comments, 'comment')} of {counted(made.days, 'day')}, {made.seconds:.1f} s")
    if made.unscored:
        click.echo(counted(made.unscored, "more has no score and is left out.", "more have no score and are left out."))
    click.echo(f"{'':10} {'stands':>10} {f'version {version}':>12} {f'draft {number}':>12}")
    for action in made.live:
        counts = (made.stands[action].n, made.live[action].n, made.draft[action].n)
        click.echo(f"{action:10} {counts[0]:>10,} {counts[1]:>12,} {counts[2]:>12,}")
    before, after = made.held_per_day(made.live), made.held_per_day(made.draft)
    click.echo(f"held per day: {before:,.1f} -> {after:,.1f}")
    for movement in made.movements:
        click.echo(f"{movement.before} -> {movement.after}: {_counted(movement.count)}")
        for sample in movement.samples:
            why = ", ".join([*(f"{name} {value:.2f}" for name, value in sample.signals), *sample.rules])
            click.echo(f"    {sample.id}: {' '.join(sample.text.split())[:90]} [{why}]")
    for effect in made.effects:
        moved = "; ".join(f"{a} -> {b}: {_counted(count)}" for (a, b), count in effect.moves.items())
        click.echo(f"{effect.field} alone: {moved or 'nothing moves'}")


def _counted(count: Count) -> str:
    return f"{count.n:,} (people approved {count.approved:,}, rejected {count.rejected:,})"


@click.command()
@click.argument("site", type=int)
def history(site: int) -> None:
    """List the versions of a site's policy, each with what it changed."""
    _, db = opened()
    with db.reading() as session:
        sites.numbered(session, site)
        versions = drafts.history(session, site)
    for n, item in enumerate(versions):
        when = f"{item.created_at:%F %R}, by {item.created_by}" if item.created_at else "the default"
        click.echo(f"{item.version}  {when}")
        if n + 1 < len(versions):
            for change in changes.between(versions[n + 1].document, item.document):
                click.echo(f"     {change}")


@click.command()
@click.argument("site", type=int)
@click.argument("old")
@click.argument("new", default="live")
def diff(site: int, old: str, new: str) -> None:
    """What differs between two versions: each a number, `live` or `draft:7`."""
    _, db = opened()
    with db.reading() as session:
        sites.numbered(session, site)
        found = changes.between(_document(session, site, old), _document(session, site, new))
    for change in found:
        click.echo(str(change))
    if not found:
        click.echo("Nothing differs.")


@click.command()
@click.argument("site", type=int)
@click.argument("version", type=int)
def revert(site: int, version: int) -> None:
    """Publish an old version once more, as the next one."""
    _, db = opened()
    with db.transaction() as session:
        sites.numbered(session, site)
        made = drafts.revert(session, site, version, by=BY, now=utcnow(), seen_live=None)
    click.echo(f"Version {made.version} is live, the same as version {version}.")


@click.command()
@click.argument("number", type=int)
@click.argument("what", type=click.Choice(["on", "off", "show"]), default="show")
def shadow(number: int, what: str) -> None:
    """Let a draft judge live comments beside the live policy, or show what it has said."""
    _, db = opened()
    if what != "show":
        with db.transaction() as session:
            drafts.set_shadow(session, _draft(session, number), what == "on", by=BY, now=utcnow())
        click.echo(f"The shadow of draft {number} is {what}.")
        return
    with db.reading() as session:
        running = _draft(session, number).shadow
        told = drafts.tally(session, number)
    both = counted(told.total, "comment")
    click.echo(f"The shadow of draft {number} is {'on' if running else 'off'}; {both} judged by both.")
    for (live, said), n in sorted(told.counts.items()):
        click.echo(f"  live {live}, shadow {said}: {n:,}")


@click.command()
@click.argument("site", type=int)
@click.option("--precision", default=advising.USUAL_PRECISION, show_default=True, type=click.FloatRange(0.01, 1.0))
@click.option("--last", default=columns.MOST, show_default=True, type=click.IntRange(1, columns.MOST))
@click.option("--json", "as_json", is_flag=True, help="Everything with the curves, as JSON.")
def advice(site: int, precision: float, last: int, as_json: bool) -> None:
    """Per signal the hold mark at which people reject the wanted share of what is held."""
    _, db = opened()
    with db.reading() as session:
        found = advising.of_all(columns.load(session, sites.numbered(session, site), last, utcnow()), precision)
    if as_json:
        click.echo(json.dumps([item.as_json() for item in found], indent=2))
        return
    for item in found:
        click.echo(f"{item.scorer} {item.signal}: {_advised(item)}")
    if not found:
        click.echo("No comment of this site has a score.")


def _advised(item: advising.Advice) -> str:
    if item.state == advising.FEW:
        takes = f"it takes {advising.LEAST}, {advising.LEAST_OF_EACH} approvals and rejections at least"
        return f"{counted(item.decisions, 'decision')}, too few for advice ({takes})."
    if item.point is None:
        return f"no mark reaches {item.wanted:.2f} (from {counted(item.decisions, 'decision')})."
    bounds = "" if item.low is None else f" ({item.low:.3f} to {item.high:.3f} with 95 % confidence)"
    return (
        f"{item.point.mark:.3f}{bounds}, from {counted(item.decisions, 'decision')}; precision there "
        f"{item.point.precision:.2f}, recall {item.point.recall:.2f}, people read {item.read:.0%} of it"
    )


def _read(file: Any) -> Mapping[str, Any]:
    document = read_json(file.read(MAX_BYTES + 1), max_bytes=MAX_BYTES)
    if not isinstance(document, dict):
        raise InvalidInput(f"A policy is a JSON object, and {Path(file.name).name} is none.")
    return document


def _document(session: Session, site_id: int, which: str) -> Mapping[str, Any]:
    if which == "live":
        return store.live_document(session, site_id)[0]
    if which.startswith("draft:") and which.removeprefix("draft:").isdecimal():
        found: Mapping[str, Any] = drafts.get(session, [site_id], int(which.removeprefix("draft:"))).document
        return found
    if not which.isdecimal():
        raise InvalidInput("Name a version by its number, live, or draft:NUMBER.", field="version")
    return drafts.version_of(session, site_id, int(which)).document


def _draft(session: Session, number: int) -> PolicyDraft:
    site_id = session.scalar(select(PolicyDraft.site_id).where(PolicyDraft.id == number))
    return drafts.get(session, [] if site_id is None else [site_id], number)
