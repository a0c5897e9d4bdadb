"""`moderation rescore apply …`: put chosen movements of a run's report before people again, and take that back."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import click
from sqlalchemy.orm import Session

from moderation.db import utcnow
from moderation.errors import InvalidInput
from moderation.opening import let_nudge_leave, opened
from moderation.rescoring import applying, bodies, runs
from moderation.rescoring.applying import Movement
from moderation.rescoring.models import RescoreApply, RescoreRun
from moderation.rescoring.runs import By
from moderation.signals import SIGNALS
from moderation.wordings import counted

Command = TypeVar("Command", bound=Callable[..., None])
Step = Callable[[Session, RescoreRun, RescoreApply, By, datetime], RescoreApply | None]

WRONG_MOVE = (
    "{move} cannot be applied: WAS:WOULD is approve or reject, and another one of approve, hold, reject. "
    "What is held waits for a person already."
)

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def choosing(command: Command) -> Command:
    """The options that choose movements."""
    for option in (
        as_json_option,
        click.option("--min-score", type=click.FloatRange(0, 1), default=0.0, help="Only from this score on."),
        click.option("--signal", type=click.Choice(SIGNALS), help="Only those for which this signal speaks."),
        click.option(
            "--move",
            "moves",
            multiple=True,
            required=True,
            metavar="WAS:WOULD",
            help="A movement of the report, such as approve:reject; may be given several times.",
        ),
    ):
        command = option(command)
    return command


@click.group("apply")
def apply() -> None:
    """Put chosen comments of a report before people again: they become held with the reason RESCORED, while the site
    and its readers go on seeing what stood before. What people have decided is reported and stays."""


@apply.command("preview")
@click.argument("run_id", type=int)
@choosing
def preview(run_id: int, moves: Sequence[str], signal: str | None, min_score: float, as_json: bool) -> None:
    """Say what a job would meet now; begin nothing."""
    chosen = _chosen(moves, signal, min_score)
    _, db = opened()
    with db.reading() as session:
        told = applying.preview(session, runs.get(session, run_id), chosen)
    if as_json:
        click.echo(json.dumps(bodies.apply_preview(told)))
        return
    click.echo(f"{counted(told.total, 'comment')} of run {run_id} chosen: {_named(chosen)}")
    click.echo(counted(told.decided, "was decided by people, and stays", "were decided by people, and stay"))
    stay = (
        "does not stand any more as the run found it, and stays",
        "do not stand any more as the run found them, and stay",
    )
    click.echo(counted(told.changed, *stay))
    click.echo(f"{told.queued} would be put into the queue, {told.published} of them published until somebody decides")


@apply.command("start")
@click.argument("run_id", type=int)
@choosing
def start(run_id: int, moves: Sequence[str], signal: str | None, min_score: float, as_json: bool) -> None:
    """Begin a job over a run that is done."""
    chosen, now = _chosen(moves, signal, min_score), utcnow()
    _, db = opened(nudging=True)
    with db.transaction() as session:
        job = applying.start(session, runs.get(session, run_id, lock=True), chosen, By(), now)
        body = bodies.whole_apply(session, job, now)
    _begun(body, as_json, f"puts {counted(job.total, 'comment')} of run {run_id} into the queue: {_named(chosen)}")


@apply.command("status")
@click.argument("job_id", type=int, required=False)
@as_json_option
def status(job_id: int | None, as_json: bool) -> None:
    """How far a job is; without ID all jobs, newest first, a line each."""
    _, db = opened()
    now = utcnow()
    with db.reading() as session:
        wanted = applying.newest(session) if job_id is None else [applying.find(session, job_id)[1]]
        found = [bodies.whole_apply(session, job, now) for job in wanted]
    for body in found:
        if as_json:
            click.echo(json.dumps(body, ensure_ascii=False))
        elif job_id is None:
            what = (
                f"undoes {body['undoes']}" if body["undoes"] else _named([Movement(**one) for one in body["movements"]])
            )
            done = f"{body['done']} done, {body['left']} left of {body['total']}"
            click.echo(f"{body['id']:>5}  run {body['run']:<5}  {body['state']:<9}  {done:<32}  {what}")
        else:
            _show(body)


@apply.command("pause")
@click.argument("job_id", type=int)
def pause(job_id: int) -> None:
    """Let a job rest."""
    _steer(job_id, applying.pause)


@apply.command("resume")
@click.argument("job_id", type=int)
def resume(job_id: int) -> None:
    """Let a job go on that rests or failed."""
    _steer(job_id, applying.resume)


@apply.command("cancel")
@click.argument("job_id", type=int)
def cancel(job_id: int) -> None:
    """End a job. What it has put into the queue stays there; `undo` takes it back."""
    _steer(job_id, applying.cancel)


@apply.command("undo")
@click.argument("job_id", type=int)
@as_json_option
def undo(job_id: int, as_json: bool) -> None:
    """Take back what a job did, by another job. What somebody has decided since stays."""
    _, db = opened(nudging=True)
    now = utcnow()
    with db.transaction() as session:
        run, job = applying.find(session, job_id, lock=True)
        made = applying.undo(session, run, job, By(), now)
        body = bodies.whole_apply(session, made, now)
    _begun(body, as_json, f"takes {counted(made.total, 'comment')} of job {job_id} back out of the queue")


def _chosen(moves: Sequence[str], signal: str | None, min_score: float) -> list[Movement]:
    given = []
    for move in moves:
        was, _, would = move.replace(">", ":").partition(":")
        given.append({"was": was, "would": would, "signal": signal, "min_score": min_score})
        try:
            Movement.parse(given[-1])
        except InvalidInput:
            raise click.BadParameter(WRONG_MOVE.format(move=move), param_hint="--move") from None
    return applying.movements(given)


def _named(chosen: Sequence[Movement]) -> str:
    return ", ".join(
        f"{one.was}:{one.would}"
        + (f" by {one.signal}" if one.signal else "")
        + (f" from {one.min_score:g}" if one.min_score else "")
        for one in chosen
    )


def _begun(body: bodies.Body, as_json: bool, what: str) -> None:
    if as_json:
        click.echo(json.dumps(body, ensure_ascii=False))
    else:
        click.echo(f"Job {body['id']} {what}")
        click.echo(f"Look at it: moderation rescore apply status {body['id']}")
    let_nudge_leave()


def _steer(job_id: int, step: Step) -> None:
    _, db = opened(nudging=step is applying.resume)
    with db.transaction() as session:
        run, job = applying.find(session, job_id, lock=True)
        step(session, run, job, By(), utcnow())
        state = job.state
    click.echo(f"Job {job_id} is {state}.")
    if step is applying.resume:
        let_nudge_leave()


def _moment(told: str) -> str:
    return f"{datetime.fromisoformat(told):%Y-%m-%d %H:%M:%S} UTC"


def _show(body: bodies.Body) -> None:
    values = {
        "job": body["id"],
        "run": body["run"],
        "state": body["state"],
        "takes back": f"job {body['undoes']}" if body["undoes"] else "",
        "movements": _named([Movement(**one) for one in body["movements"]]),
        "progress": f"{body['done'] + body['left']} of {body['total']} ({body['share']:.1%})",
        "restored" if body["undoes"] else "in the queue": body["done"],
        "left alone": ", ".join([str(body["left"]), *(f"{n} {why}" for why, n in body["reasons_left"].items())]),
        "time left": f"{body['seconds']} s" if body["seconds"] is not None else "",
        "taken back by": f"job {body['undone_by']}" if body["undone_by"] else "",
        "started": f"{_moment(body['created_at'])} by {body['who']}",
        "ended": _moment(body["finished_at"]) if body["finished_at"] else "",
        "trouble": body["error"],
    }
    for name, value in values.items():
        if value != "":
            click.echo(f"{name:<14} {value}")
