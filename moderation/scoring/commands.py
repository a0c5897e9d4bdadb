"""The scoring room's part of the command line: score, train, evaluate, and the store of Detoxify weights."""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click

from moderation import settings as settings_module
from moderation.errors import ModerationError
from moderation.scoring import builtin, registry, weights
from moderation.scoring.scorer import Scorer, TextScore

BATCH = 64
"""Texts judged in one call."""


class _BadLine(Exception):
    """A line of the input that is no text to score; the message says why."""


@click.command()
@click.argument("source", type=click.File("rb"), default="-")
@click.option("--scorer", "name", default="", help="builtin or detoxify; without it what MODERATION_SCORER says.")
def score(source: IO[bytes], name: str) -> None:
    """Score JSONL lines {"id", "text"} from SOURCE (or standard input).

    Writes {"id", "signals", "language", "scorer"} lines to standard output, in the same order. A bad line is named with
    its number on standard error, the others are scored all the same, and the exit status is 1.
    """
    settings = settings_module.load()
    first = registry.make_scorer(name or (registry.required_scorers(settings) or (builtin.NAME,))[0], settings)
    second = None
    if not name and registry.languages_of_detoxify(settings.data_dir) and settings.scorer == registry.AUTO:
        second = registry.make_scorer("detoxify", settings)
    bad = 0
    total = _size(source)
    with click.progressbar(
        length=total or 0, file=sys.stderr, hidden=not (sys.stderr.isatty() and total), label="scoring"
    ) as bar:
        numbered = enumerate(source, 1)
        while lines := list(islice(numbered, BATCH)):
            items: list[tuple[Any, str]] = []
            for number, line in lines:
                try:
                    item = _parse(line)
                except _BadLine as error:
                    bad += 1
                    click.echo(f"line {number}: {error}", err=True)
                else:
                    if item is not None:
                        items.append(item)
            for (identifier, _), (result, scorer) in zip(items, _judge(items, first, second), strict=True):
                answer = {
                    "id": identifier,
                    "signals": dict(result.signals),
                    "language": result.language,
                    "scorer": f"{scorer.name}/{scorer.version}",
                }
                if not result.supported:
                    answer["supported"] = False
                click.echo(json.dumps(answer, ensure_ascii=False))
            bar.update(sum(len(line) for _, line in lines))
    if bad:
        click.echo(f"{bad} of the lines could not be read.", err=True)
        sys.exit(1)


def _judge(items: list[tuple[Any, str]], first: Scorer, second: Scorer | None) -> Iterator[tuple[TextScore, Scorer]]:
    texts = [text for _, text in items]
    results = first.score(texts)
    again: dict[int, TextScore] = {}
    if second is not None:
        places = [index for index, result in enumerate(results) if result.language in second.languages]
        again = dict(zip(places, second.score([texts[index] for index in places]), strict=True))
    for index, result in enumerate(results):
        better = again.get(index)
        if better is None or second is None:
            yield result, first
        else:
            yield better, second


def _size(source: IO[bytes]) -> int:
    """Length of a regular file in bytes, 0 of anything else."""
    try:
        return Path(source.name).stat().st_size if Path(source.name).is_file() else 0
    except (OSError, TypeError, AttributeError):
        return 0


def _parse(line: bytes) -> tuple[Any, str] | None:
    """The id and text of a line; None for an empty line."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _BadLine(f"is not UTF-8 (byte {error.start + 1})") from None
    if not text.strip():
        return None
    try:
        item = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _BadLine(f"is not JSON: {error}") from None
    if not isinstance(item, dict) or not isinstance(item.get("text"), str):
        raise _BadLine('has no "text" that is a string')
    if not isinstance(item.get("id"), str | int) or isinstance(item.get("id"), bool):
        raise _BadLine('has no "id" that is a string or a whole number')
    try:
        item["text"].encode("utf-8")
    except UnicodeEncodeError:
        raise _BadLine('has half a surrogate pair in "text"') from None
    return item["id"], item["text"]


@click.command()
@click.option("--data", "data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write; the package's own file.")
def train(data: Path, out: Path | None) -> None:
    """Train the built-in model on the labelled comments (*.csv.gz) of a folder and the package's corpora."""
    from moderation.scoring import training  # scikit-learn is no part of a plain installation

    model = training.train(data, out or builtin.ARTEFACT, lambda text: click.echo(text, err=True))
    click.echo(json.dumps({"sha256": model.digest, "hold": dict(model.hold)}))


@click.command()
@click.option("--data", "data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option(
    "--file",
    "files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Measured whole.",
)
def evaluate(data: Path, files: tuple[Path, ...]) -> None:
    """Measure the built-in model on the unseen rows of a folder, the held-out frames, and more files."""
    from moderation.scoring import evaluation  # only this command measures

    evaluation.evaluate(data, files, click.echo)


@click.group()
def models() -> None:
    """Detoxify weights: list, install, check. Nothing is ever downloaded."""


@models.command("list")
def models_list() -> None:
    """Show the scorers that can judge, and the installed weights."""
    settings = settings_module.load()
    try:
        own = builtin.BuiltinScorer()
        click.echo(f"builtin   {own.version}  languages {', '.join(sorted(own.languages))}")
    except ModerationError as error:
        click.echo(f"builtin   not usable: {error.message}")
    active = weights.active(settings.data_dir)
    found = weights.installed(settings.data_dir)
    for item in found:
        mark = "active" if active is not None and active.sha256 == item.sha256 else "      "
        click.echo(f"detoxify  {item.sha256[:12]}  {mark}  {item.kind}  languages {', '.join(item.languages)}")
    if not found:
        click.echo("detoxify  no weights installed: moderation models install FILE")
    elif "detoxify" not in registry.available(settings):
        click.echo("detoxify  the package is missing: pip install 'comment-moderation[detoxify]'")


@models.command("install")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--sha256", "sha256", help="Refuse anything else.")
@click.option(
    "--language", "languages", multiple=True, help="Languages the weights speak, where their kind is unknown."
)
def models_install(path: Path, sha256: str | None, languages: tuple[str, ...]) -> None:
    """Copy weights (a checkpoint file, or a folder with its config.json and vocabulary) into the data folder."""
    settings = settings_module.load()
    item = weights.install(path, settings.data_dir, sha256, languages=languages or None)
    click.echo(f"installed {item.sha256}: {item.kind}, languages {', '.join(item.languages)}")
    click.echo("Restart the workers to let it judge.")


@models.command("check")
def models_check() -> None:
    """Hash and load what is installed; exit status 1 when something is damaged."""
    settings = settings_module.load()
    failed = False
    own = builtin.BuiltinScorer()
    click.echo(f"builtin   {own.version}  ok")
    active = weights.active(settings.data_dir)
    for item in weights.installed(settings.data_dir):
        try:
            weights.check(item)
            verdict = "ok"
        except ModerationError as error:
            failed = failed or item == active
            verdict = error.message
        click.echo(f"detoxify  {item.sha256[:12]}  {verdict}")
    if settings.scorer == "detoxify" and active is None:
        click.echo("MODERATION_SCORER asks for detoxify, but no weights are active.", err=True)
        failed = True
    if failed:
        sys.exit(1)


def register(cli: click.Group) -> None:
    """Hang this room's commands into the command line."""
    for command in (score, train, evaluate, models):
        cli.add_command(command)
