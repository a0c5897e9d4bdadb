"""The command line of scorers' releases: candidates, shadows, promotion after the report, and the way back."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.db import Database, utcnow
from moderation.errors import NotFound
from moderation.opening import opened
from moderation.review import lessons, upgrades
from moderation.scoring import builtin, comparing, detoxify_scorer, newsroom, registry, releases
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.models import Release
from moderation.settings import Settings
from moderation.signals import SPAM

BY = "command line"


@click.group()
def scorers() -> None:
    """Versions of scorers: which judge, which are tried, and how one takes another's place."""


@scorers.command("list")
@click.option("--site", "site_id", type=int, help="Only what concerns this site.")
def scorers_list(site_id: int | None) -> None:
    """Show all releases, newest first, and what judges now."""
    settings, db = opened()
    with db.reading() as session:
        if site_id is not None:
            _known(session, site_id)
        live = releases.live_version(session, settings, builtin.NAME, None)
        click.echo(f"builtin@{live} judges.")
        strange = {item.id for item in releases.orphans(session)}
        for row in releases.listed(session, site_id):
            where = "all sites" if row.site_id is None else f"site {row.site_id}"
            note = "  ignored: fitted on another built-in" if row.id in strange else ""
            click.echo(
                f"{row.id:>5}  {row.state:<9}  {row.scorer}@{row.version}  {where}"
                f"  {row.changed_at:%Y-%m-%d %H:%M} by {row.changed_by}{note}"
            )


@scorers.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def scorers_add(file: Path) -> None:
    """Take another built-in artefact (*.npz of `moderation train --out`) in as a candidate, with its report."""
    settings, db = opened()
    made = BuiltinScorer(file)
    report = _measured(settings, db, made)
    with db.transaction() as session:
        row = releases.add(
            session, builtin.NAME, made.version, file.read_bytes(), site_id=None, report=report, by=BY, now=utcnow()
        )
    _show(row, report)


@scorers.command("report")
@click.argument("release_id", type=int)
@click.option("--again", is_flag=True, help="Measure another built-in artefact anew, on what was decided since.")
@click.option("--json", "as_json", is_flag=True, help="The whole report.")
def scorers_report(release_id: int, again: bool, as_json: bool) -> None:
    """Show what a release was measured to do on comments that people decided."""
    settings, db = opened()
    with db.reading() as session:
        row = releases.get(session, release_id)
        make = releases.builtin_of(session, settings, row.version) if again and row.scorer == builtin.NAME else None
    if again and make is None:
        raise click.ClickException("A newsroom layer is measured when it is trained; train another one.")
    report = row.report
    if make is not None:
        report = _measured(settings, db, make())
        with db.transaction() as session:
            releases.get(session, release_id).report = report
    click.echo(json.dumps(report, indent=2)) if as_json else _show(row, report)


@scorers.command("shadow")
@click.argument("release_id", type=int)
@click.option("--off", is_flag=True, help="Take it out of the shadow.")
def scorers_shadow(release_id: int, off: bool) -> None:
    """Let a release judge live comments beside what judges now: its scores are kept and count for nothing."""
    _, db = opened()
    with db.transaction() as session:
        row = releases.get(session, release_id)
        act = releases.withdraw if off else releases.put_in_shadow
        act(session, row, by=BY, now=utcnow())
    click.echo(f"Release {row.id} ({row.scorer}@{row.version}) is {row.state}.")


@scorers.command("promote")
@click.argument("release_id", type=int)
@click.option("--anyway", is_flag=True, help="Although its report speaks against it.")
def scorers_promote(release_id: int, anyway: bool) -> None:
    """Let a release judge from now on, if its report says that it is better. Workers take it within seconds."""
    settings, db = opened()
    with db.transaction() as session:
        row = releases.get(session, release_id)
        if not anyway:
            upgrades.guard(row, row.report, live=releases.live_version(session, settings, builtin.NAME, None))
        releases.promote(session, row, by=BY, now=utcnow())
        strange = releases.orphans(session)
    site = "" if row.site_id is None else f" --site {row.site_id}"
    click.echo(f"{row.scorer}@{row.version} judges now. The way back: moderation scorers rollback{site}{_named(row)}")
    for line in _unmeasured(settings, row):
        click.echo(line)
    for item in strange:
        click.echo(
            f"Release {item.id} of site {item.site_id} was fitted on another built-in and is ignored: "
            f"moderation train --from-decisions --site {item.site_id}"
        )


def _unmeasured(settings: Settings, row: Release) -> Iterator[str]:
    """Where a layer now speaks in Detoxify's place: its report compares it with the built-in alone."""
    if row.scorer != newsroom.NAME or settings.scorer not in (registry.AUTO, detoxify_scorer.NAME):
        return
    for language in sorted(registry.languages_of_detoxify(settings.data_dir)):
        taken = []
        for signal in row.report.get("signals", {}):
            order = settings.speakers.order(language, signal)
            names = [name for name in order if name in (newsroom.NAME, detoxify_scorer.NAME)]
            if signal != SPAM and names == [newsroom.NAME, detoxify_scorer.NAME]:
                taken.append(signal)
        if taken:
            parts = "; ".join(f"{language}:{signal}=detoxify,builtin" for signal in taken)
            yield (
                f"In {language} it speaks for {', '.join(taken)} where Detoxify did, and its report does not compare "
                f"those two. MODERATION_COMPOSITION leaves that to Detoxify with {parts}"
            )


def _named(row: Release) -> str:
    return "" if row.scorer == newsroom.NAME else f" --scorer {row.scorer}"


@scorers.command("rollback")
@click.option("--site", "site_id", type=int, help="Whose newsroom layer is taken back.")
@click.option("--scorer", type=click.Choice((newsroom.NAME, builtin.NAME)), help="newsroom with --site, else builtin.")
def scorers_rollback(site_id: int | None, scorer: str | None) -> None:
    """Take back what judges now: the release before it judges again, else the package's own, or no layer."""
    settings, db = opened()
    wanted = scorer or (builtin.NAME if site_id is None else newsroom.NAME)
    if wanted == newsroom.NAME and site_id is None:
        raise click.UsageError("A newsroom layer belongs to a site: name it with --site.")
    if wanted == builtin.NAME and site_id is not None:
        raise click.UsageError("The built-in judges for all sites: leave --site out.")
    with db.transaction() as session:
        if site_id is not None:
            _known(session, site_id)
        again = releases.rollback(session, wanted, site_id, by=BY, now=utcnow())
        live = releases.live_version(session, settings, wanted, site_id)
    if again is not None:
        click.echo(f"{again.scorer}@{again.version} (release {again.id}) judges again.")
    else:
        click.echo(f"{wanted}@{live} judges again." if live else "No newsroom layer judges any more.")


def _known(session: Session, site_id: int) -> None:
    if session.scalar(select(Site.id).where(Site.id == site_id)) is None:
        raise NotFound(f"There is no site {site_id}; see: moderation sites list")


def train_layer(site_id: int, imported: bool) -> None:
    """`moderation train --from-decisions --site S`: fit a layer and offer it."""
    settings, db = opened()
    with db.reading() as session:
        _known(session, site_id)
    row = upgrades.learn(
        db,
        settings,
        site_id,
        by=BY,
        now=utcnow(),
        imported=imported,
        progress=lambda text: click.echo(text, err=True),
    )
    _show(row, row.report)


def _measured(settings: Settings, db: Database, made: BuiltinScorer) -> dict[str, Any]:
    with db.reading() as session:
        live = upgrades.live_builtin(session, settings)
        material = lessons.read(session, session.scalars(select(Site.id)).all())
    return upgrades.measure(live, made, material, lambda text: click.echo(text, err=True))


def _show(row: Release, report: Mapping[str, Any]) -> None:
    for line in told(row, report):
        click.echo(line)


def told(row: Release, report: Mapping[str, Any]) -> Iterator[str]:
    """A report as lines of text."""
    yield f"release {row.id}: {row.scorer}@{row.version}, {row.state}, against builtin@{report.get('base')}"
    decisions = report.get("decisions", {})
    yield "decisions: " + ", ".join(f"{name.replace('_', ' ')} {_when(value)}" for name, value in decisions.items())
    for signal, figures in report.get("signals", {}).items():
        marks = dict.fromkeys(f"{figures[name]:.3f}" for name in ("mark", "mark_after"))
        yield (
            f"{signal}: measured on {figures['good']} approved and {figures['bad']} rejected comments, held from "
            f"{' and '.join(marks)} on"
        )
        for name in comparing.FIGURES:
            parts = [f"{when} {_number(figures[when][name])}" for when in ("before", "after", "difference")]
            yield f"  {name:<10} " + "   ".join(parts)
        passed = figures.get("passed")
        if passed:
            yield (
                f"  of {passed['comments']} comments that were approved without a person it holds "
                f"{passed['after']:.1%}, so far {passed['before']:.1%}"
            )
    for signal, why in report.get("left_out", {}).items():
        yield f"{signal}: left out, {why}"
    against = report.get("objections", [])
    for reason in against:
        yield f"against it: {reason}"
    if not against:
        yield f"Nothing speaks against it. To let it judge: moderation scorers promote {row.id}"


def _when(value: Any) -> Any:
    """A moment as everything on the command line writes it: to the minute, UTC."""
    return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M}" if isinstance(value, str) else value


def _number(figure: list[float | None]) -> str:
    value, low, high = figure
    if value is None:
        return "–"
    return f"{value:.3f}" if low is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"
