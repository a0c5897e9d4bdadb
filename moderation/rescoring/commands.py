"""`moderation rescore …`: judge the archive again, follow it, steer it."""

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from sqlalchemy.orm import Session

from moderation.accounts import sites
from moderation.db import utcnow
from moderation.opening import let_nudge_leave, opened
from moderation.rescoring import bodies, report, runs, table_views, told_lines
from moderation.rescoring.apply_commands import apply
from moderation.rescoring.models import RescoreRun
from moderation.rescoring.runs import By, Plan, Progress
from moderation.review.bulk import RUNNING
from moderation.wordings import counted

LOOK_SECONDS = 1.0
"""Between two looks of `watch`."""
WIDTH = 30
"""Of its bar."""

Deed = Callable[[Session, RescoreRun, By, datetime], None]

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def register(cli: click.Group) -> None:
    """Add this room's commands."""
    rescore.add_command(apply)
    cli.add_command(rescore)


@click.group()
def rescore() -> None:
    """Judge the archive again, by another version of a scorer or another policy. Nothing changes by it: scores are
    added beside the old ones, and a report says what would change."""


@rescore.command("start")
@click.option("--site", "site_name", required=True, help="Number or public id of the site.")
@click.option("--filter", "line", default="", help="Which comments, as in the search; without it all of them.")
@click.option(
    "--scorer", required=True, help="builtin, newsroom or detoxify; builtin@2 for a release, builtin@VERSION."
)
@click.option("--policy", default="", help="7 for a version, draft:7 for a draft; without it the live policy.")
@click.option("--device", type=click.Choice(runs.DEVICES), default=runs.CPU, help="Where Detoxify runs.")
@click.option("--dry-run", is_flag=True, help="Say how many comments match, and which; begin nothing.")
@as_json_option
def start(site_name: str, line: str, scorer: str, policy: str, device: str, dry_run: bool, as_json: bool) -> None:
    """Begin a run. Its workers score what matches now, while live comments go first."""
    settings, db = opened(nudging=not dry_run)
    now = utcnow()
    with db.reading() as session:
        site = sites.named(session, site_name, switched_off=True)
        zone = ZoneInfo(site.timezone)
        planned = runs.plan(session, settings, site, line, scorer, policy=policy, device=device, tz=zone, now=now)
    if dry_run:
        _show_plan(planned, as_json)
        return
    with db.transaction() as session:
        run = runs.start(session, planned, By(), now)
        body = bodies.whole(session, run, now)
    if as_json:
        click.echo(json.dumps(body, ensure_ascii=False))
        return
    click.echo(
        f"Run {run.id} scores {counted(run.total, 'comment')} with {run.scorer}@{run.version}: {run.query or 'all'}"
    )
    click.echo(f"Follow it: moderation rescore watch {run.id}")
    let_nudge_leave()


@rescore.command("status")
@click.argument("run_id", type=int, required=False)
@as_json_option
def status(run_id: int | None, as_json: bool) -> None:
    """How far a run is; without ID all runs, newest first, a line each."""
    _, db = opened()
    now = utcnow()
    with db.reading() as session:
        wanted = runs.listed(session) if run_id is None else [runs.get(session, run_id)]
        told = [(run, runs.progress(session, run, now)) for run in wanted]
        found = [bodies.whole(session, run, now) for run in wanted] if as_json else []
    if as_json:
        for body in found:
            click.echo(json.dumps(body, ensure_ascii=False))
    elif run_id is None:
        for run, how in told:
            where = f"{how.tally.comments} of {how.total}"
            click.echo(f"{run.id:>5}  {run.state:<9}  {where:>21}  site {run.site_id}  {_what(run)}")
    else:
        for run, how in told:
            _show(run, how)


@rescore.command("watch")
@click.argument("run_id", type=int)
def watch(run_id: int) -> None:
    """Follow a run until it rests or is over: bar, rate, time left. Ctrl-C ends the watching, not the run."""
    _, db = opened()
    interactive = sys.stdout.isatty()
    before = ""
    while True:
        with db.reading() as session:
            run = runs.get(session, run_id)
            how = runs.progress(session, run, utcnow())
        line = _line(run, how)
        if interactive:
            click.echo(f"\r{line.ljust(len(before))}", nl=False)
        elif line != before:
            click.echo(line)
        before = line
        if how.state != RUNNING:
            if interactive:
                click.echo()
            return
        time.sleep(LOOK_SECONDS)


@rescore.command("pause")
@click.argument("run_id", type=int)
def pause(run_id: int) -> None:
    """Let a run rest."""
    _steer(run_id, runs.pause)


@rescore.command("resume")
@click.argument("run_id", type=int)
def resume(run_id: int) -> None:
    """Let a run go on that rests or failed."""
    _steer(run_id, runs.resume)


@rescore.command("cancel")
@click.argument("run_id", type=int)
def cancel(run_id: int) -> None:
    """End a run. What it has scored stays, and the next run need not score it again."""
    _steer(run_id, runs.cancel)


@rescore.command("report")
@click.argument("run_id", type=int)
@as_json_option
@click.option("--csv", "table", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as a table.")
@click.option(
    "--samples", type=click.IntRange(0, report.SAMPLES), default=1, show_default=True, help="Comments of each movement."
)
def show_report(run_id: int, as_json: bool, table: Path | None, samples: int) -> None:
    """What the new scores would change, as far as the run is, with the most surprising comments of each movement."""
    _, db = opened()
    with db.reading() as session:
        run = runs.get(session, run_id)
        told = report.of_run(session, run)
        if table is None and not as_json:
            shown = {pair: report.samples(session, run, *pair, limit=samples) for pair in told.movements}
            click.echo(f"Run {run.id} ({run.state}), {runs.spec(run)}: {run.query or 'all'}")
            for line in told_lines.of(told, shown):
                click.echo(line)
    if table is not None:
        table.write_text(table_views.table(told), encoding="utf-8", newline="")
        click.echo(f"The report stands in {table}.", err=as_json)
    if as_json:
        click.echo(json.dumps(report.as_json(told), ensure_ascii=False))


def _steer(run_id: int, deed: Deed) -> None:
    _, db = opened(nudging=deed is runs.resume)
    with db.transaction() as session:
        run = runs.get(session, run_id, lock=True)
        deed(session, run, By(), utcnow())
        state = run.state
    click.echo(f"Run {run_id} is {state}.")
    if deed is runs.resume:
        let_nudge_leave()


def _show_plan(planned: Plan, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(bodies.plan(planned), ensure_ascii=False))
        return
    live = ", which judges now" if planned.live else ""
    policy = f"draft {planned.draft_id}" if planned.draft_id else f"policy {planned.policy_version}"
    click.echo(f"{counted(planned.total, 'comment matches', 'comments match')}: {planned.query or 'all'}")
    click.echo(f"They would be scored with {planned.scorer}@{planned.version}{live}, and judged by {policy}.")
    for one in planned.sample:
        who, text = told_lines.plain(one.author)[:20], told_lines.plain(one.text)[:60]
        click.echo(f"{one.comment_id:>10}  {one.status:<8}  {who:<20}  {text}")


def _show(run: RescoreRun, how: Progress) -> None:
    policy = f"draft {run.draft_id}" if run.draft_id else f"version {run.policy_version}"
    values: dict[str, Any] = {
        "run": run.id,
        "state": how.state,
        "site": run.site_id,
        "filter": run.query or "all",
        "scorer": runs.spec(run),
        "device": run.device,
        "policy": policy,
        "comments": f"{how.tally.comments} of {how.total} ({how.share:.1%})",
        "scored": how.tally.scored,
        "known already": how.tally.reused,
        "failed": how.tally.failed,
        "left out": how.tally.left,
        "rate": f"{how.rate:.0f} per second" if how.rate else "",
        "time left": _duration(how.seconds) if how.seconds is not None else "",
        "gave way": f"{run.yielded} times, {run.yielded_seconds:.0f} s",
        "started": f"{run.created_at:%Y-%m-%d %H:%M:%S} UTC by {run.started_by}",
        "trouble": run.error,
    }
    for name, value in values.items():
        if value != "":
            click.echo(f"{name:<14} {value}")


def _what(run: RescoreRun) -> str:
    return f"{run.scorer}@{run.version}  {run.query or 'all'}"


def _line(run: RescoreRun, how: Progress) -> str:
    full = int(how.share * WIDTH)
    rate = f"{how.rate:.0f}/s" if how.rate else "–/s"
    left = f"{_duration(how.seconds)} left" if how.seconds is not None else how.state
    bar = "#" * full + "." * (WIDTH - full)
    trouble = f"  {run.error}" if run.error else ""
    done = f"{how.tally.comments} of {how.total}, {how.remaining} remain"
    return f"[{bar}] {how.share:6.1%}  {done}  {rate}  {left}{trouble}"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
