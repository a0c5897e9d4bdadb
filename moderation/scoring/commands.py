"""The scoring room's part of the command line: score, train, evaluate, and the store of Detoxify weights."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click
from sqlalchemy import select

from moderation import settings as settings_module
from moderation.accounts.models import Site
from moderation.errors import ModerationError, Unavailable
from moderation.opening import opened
from moderation.policy import store as policies
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.policy.document import Policy, parse
from moderation.review import evidence
from moderation.scoring import (
    builtin,
    conversion,
    detoxify_scorer,
    detoxify_torch,
    registry,
    releases,
    scorers_commands,
    weights,
)
from moderation.scoring.conversion import Converted, Marks, Wanted
from moderation.scoring.scorer import Scorer, ScorerError, TextScore
from moderation.scoring.store import StoredScore
from moderation.scoring.weights import Installed
from moderation.settings import Settings
from moderation.signals import SIGNALS, SPAM

BATCH = {detoxify_torch.CPU: 64, detoxify_torch.CUDA: 65_536}
"""Texts judged in one call."""


SCORER_HELP = """builtin or detoxify, alone; builtin@2 for a release, builtin@VERSION (or its beginning),
builtin@package. Without it those that MODERATION_SCORER names judge, and each signal is that of the scorer that speaks
for it (MODERATION_COMPOSITION); a site's own layer is not among them."""


class _BadLine(Exception):
    """A line of the input that is no text to score; the message says why."""


@click.command()
@click.argument("source", type=click.File("rb"), default="-")
@click.option("--scorer", "name", default="", help=SCORER_HELP)
@click.option(
    "--device",
    type=click.Choice(tuple(BATCH)),
    default=detoxify_torch.CPU,
    help="Where Detoxify runs; cuda is a GPU, by torch in bfloat16.",
)
def score(source: IO[bytes], name: str, device: str) -> None:
    """Score JSONL lines {"id", "text"} from SOURCE (or standard input).

    Writes {"id", "signals", "language", "scorer"} lines to standard output, in the same order; "scorer" names whoever
    speaks for a signal, each with its version. A bad line is named with its number on standard error, the others are
    scored all the same, and the exit status is 1.
    """
    settings = settings_module.load()
    asked = _alone(_make(name, settings, device)) if name else _composed(settings, device)
    if device != detoxify_torch.CPU and detoxify_scorer.NAME not in asked.names:
        raise ScorerError("Only Detoxify runs on a GPU, and it does not judge here; see --scorer and `models list`.")
    bad = 0
    total = _size(source)
    with click.progressbar(
        length=total or 0, file=sys.stderr, hidden=not (sys.stderr.isatty() and total), label="scoring"
    ) as bar:
        numbered = enumerate(source, 1)
        while lines := list(islice(numbered, BATCH[device])):
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
            answers: list[str] = []
            for (identifier, _), said in zip(items, asked.judge([text for _, text in items]), strict=True):
                answer = {
                    "id": identifier,
                    "signals": said.signals,
                    "language": said.language,
                    "scorer": ", ".join(said.scorers),
                }
                if not said.supported:
                    answer["supported"] = False
                answers.append(json.dumps(answer, ensure_ascii=False) + "\n")
            click.echo("".join(answers), nl=False)
            bar.update(sum(len(line) for _, line in lines))
    if bad:
        click.echo(f"{bad} of the lines could not be read.", err=True)
        sys.exit(1)


def _make(spec: str, settings: Settings, device: str) -> Scorer:
    """The scorer that `spec` names, see releases.resolve. A version of the package's own needs no database."""
    name, at, wanted = spec.strip().partition("@")
    if at and not wanted:
        raise ScorerError(f"{spec} names no version behind the @.")
    if name not in (builtin.NAME, detoxify_scorer.NAME):
        raise ScorerError(f"There is no scorer {name!r} here; there are {builtin.NAME} and {detoxify_scorer.NAME}.")
    if not at or (name == builtin.NAME and wanted in (releases.PACKAGE, registry.package_version())):
        return registry.make_scorer(name, settings, device=device)
    if not _has_database(settings):
        raise ScorerError(
            f"{spec} is no version of the package's own, and there is no database here that knows others."
        )
    _, db = opened()
    with db.reading() as session:
        choice = releases.resolve(session, settings, spec)
    return registry.make_scorer(name, settings, device=device) if name == detoxify_scorer.NAME else choice.make()


def _scored(scorer: Scorer, texts: list[str]) -> list[TextScore]:
    """Nobody asks for the words behind the scores here, and naming them takes as long as judging."""
    return scorer.score(texts, spans=False) if isinstance(scorer, builtin.BuiltinScorer) else scorer.score(texts)


@dataclass(frozen=True, slots=True)
class _Said:
    """What is written of a text; `scorers`: `name/version` of those whose signals these are."""

    signals: Mapping[str, float]
    language: str
    supported: bool
    scorers: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Judge:
    """Judges texts, in order. `names`: the scorers that do."""

    names: Sequence[str]
    judge: Callable[[list[str]], Iterable[_Said]]


def _alone(scorer: Scorer) -> _Judge:
    """One scorer, whatever it measures, in whatever language."""
    label = [f"{scorer.name}/{scorer.version}"]

    def judge(texts: list[str]) -> Iterator[_Said]:
        for one in _scored(scorer, texts):
            yield _Said(one.signals, one.language, one.supported, label)

    return _Judge([scorer.name], judge)


def _composed(settings: Settings, device: str) -> _Judge:
    """As comments are judged, but for a site's layer and policy: the built-in, and Detoxify where it may speak."""
    first = registry.make_scorer(builtin.NAME, settings)
    always = detoxify_scorer.NAME in registry.required_scorers(settings)
    second = None
    if always or (settings.scorer == registry.AUTO and registry.languages_of_detoxify(settings.data_dir)):
        second = registry.make_scorer(detoxify_scorer.NAME, settings, device=device)

    def judge(texts: list[str]) -> Iterator[_Said]:
        found = [[StoredScore(first.name, first.version, one)] for one in _scored(first, texts)]
        if second is not None:
            also = [
                place
                for place, (own,) in enumerate(found)
                if always or registry.follow_up(settings, own.score) == second.name
            ]
            for place, one in zip(also, second.score([texts[place] for place in also]), strict=True):
                found[place].append(StoredScore(second.name, second.version, one))
        for given in found:
            said = evidence.effective(given, settings.speakers)
            yield _Said(
                signals={name: said[name][0] for name in SIGNALS if name in said},
                language=evidence.language(given) or "",
                supported=any(signal != SPAM for signal in said),
                scorers=list(dict.fromkeys(f"{item.scorer}/{item.version}" for _, item in said.values())),
            )

    return _Judge([first.name, *([second.name] if second is not None else [])], judge)


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
    for name in ("id", "text"):  # the id is written again, and half a pair cannot be
        try:
            str(item[name]).encode("utf-8")
        except UnicodeEncodeError:
            raise _BadLine(f'has half a surrogate pair in "{name}"') from None
    return item["id"], item["text"]


def _to_write(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a file that could not be written before minutes of work are spent on it."""
    if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.BadParameter(f"{str(path)!r} cannot be written; is its folder there?")
    return path


@click.command()
@click.option(
    "--data", "data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Labelled comments."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_to_write,
    help="Where to write; the package's own file.",
)
@click.option("--from-decisions", is_flag=True, help="Learn a site's layer from what its moderators decided.")
@click.option("--site", "site_id", type=int, help="The site whose decisions are learned from.")
@click.option("--imported", is_flag=True, help="Decisions that came with an archive count, too.")
def train(data: Path | None, out: Path | None, from_decisions: bool, site_id: int | None, imported: bool) -> None:
    """Train the built-in model on the labelled comments (*.csv.gz) of a folder and the package's corpora.

    With --from-decisions --site S: fit a newsroom layer on top of it and offer it with its report; see `scorers`.
    """
    if from_decisions:
        if site_id is None or data is not None or out is not None:
            raise click.UsageError("--from-decisions takes --site, and neither --data nor --out.")
        scorers_commands.train_layer(site_id, imported)
        return
    if data is None or site_id is not None or imported:
        raise click.UsageError(
            "Name a folder of labelled comments with --data, or a site with --from-decisions --site."
        )
    from moderation.scoring import training  # scikit-learn is no part of a plain installation

    model = training.train(data, out or builtin.ARTEFACT, lambda text: click.echo(text, err=True))
    click.echo(json.dumps({"sha256": model.digest, "hold": dict(model.hold)}))


@click.command()
@click.option(
    "--data",
    "data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Labelled comments (*.csv.gz): their dev rows are measured.",
)
@click.option(
    "--file",
    "files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="More labelled comments, all rows of which are measured, whatever split they name.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_to_write,
    help="Write the reliability plot here, an SVG file.",
)
@click.option(
    "--folds", is_flag=True, help="Also five folds over both splits where few rows are bad; trains five times."
)
@click.option("--baseline", is_flag=True, help="With --folds: also a plain linear model on the same folds.")
def evaluate(data: Path, files: tuple[Path, ...], plot: Path | None, folds: bool, baseline: bool) -> None:
    """Measure the built-in model on the unseen rows of a folder, the held-out frames, and more files."""
    if baseline and not folds:
        raise click.UsageError("--baseline goes with --folds.")
    from moderation.scoring import evaluation  # only this command measures

    evaluation.evaluate(data, files, click.echo, plot)
    if folds:
        from moderation.scoring import folds as five

        five.evaluate(data, click.echo, baseline)


@click.group()
def models() -> None:
    """Detoxify weights: list, install, check. Nothing is downloaded but what is asked for by name."""


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
        way = item.way(settings.detoxify_runtime) or "-"
        how = f"{way} {item.precision}" if way == weights.ONNX else way
        click.echo(f"detoxify  {item.sha256[:12]}  {mark}  {item.kind}  {how}  languages {', '.join(item.languages)}")
    if not found:
        click.echo("detoxify  no weights installed: moderation models install FILE")
    elif active is None:
        click.echo("detoxify  none of them is active: moderation models install FILE")
    elif detoxify_scorer.NAME not in registry.available(settings):
        click.echo("detoxify  the package is missing: pip install 'comment-moderation[detoxify]'")


@models.command("install")
@click.argument("source")
@click.option("--sha256", "sha256", help="Refuse anything else.")
@click.option(
    "--language",
    "languages",
    multiple=True,
    help="A language that the weights speak, a code such as en; may be given again. Without it what their kind says.",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='Texts to compare the converted network on, JSONL {"text", "label"}; label is 1 (toxic), 0 or left out.',
)
@click.option(
    "--precision",
    type=click.Choice(conversion.PRECISIONS),
    default=conversion.AUTO,
    help="int8 or fp32 without asking the comparison; none converts nothing.",
)
def models_install(
    source: str, sha256: str | None, languages: tuple[str, ...], labels: Path | None, precision: str
) -> None:
    """Copy weights into the data folder and convert them for onnxruntime.

    SOURCE is a checkpoint file, or a folder that holds it beside its model's config.json and vocabulary, or original,
    unbiased or multilingual: those are downloaded from where the package detoxify has them.
    """
    settings = settings_module.load()
    texts, known = conversion.read_labelled(labels) if labels is not None else ((), ())
    wanted = Wanted(precision=precision, texts=texts, labels=known, marks=_marks(settings))
    path = Path(source)
    if path.exists():
        item, done = weights.install(path, settings.data_dir, sha256, languages=languages or None, wanted=wanted)
    elif source in detoxify_torch.PUBLISHED:
        with tempfile.TemporaryDirectory(prefix="detoxify-") as folder:
            click.echo(f"fetching {source} ...", err=True)
            conversion.fetch_in_own_process(source, Path(folder))
            path = Path(folder)
            item, done = weights.install(path, settings.data_dir, sha256, languages=languages or None, wanted=wanted)
    else:
        raise weights.WeightsError(
            f"There is no file or folder {source}, and no published weights of that name "
            f"(there are {', '.join(detoxify_torch.PUBLISHED)})."
        )
    for line in _report(item, done):
        click.echo(line)


def _marks(settings: Settings) -> Marks:
    """Where the sites' policies, and the one that new sites get, treat a comment differently."""
    found: list[Policy] = []
    if _has_database(settings):
        _, db = opened()
        try:
            with db.reading() as session:
                found += policies.live_of(session, session.scalars(select(Site.id)).all()).values()
        except Unavailable as error:
            click.echo(f"The default policy's marks are used: {error.message}", err=True)
    marks: dict[str, set[float]] = {}
    for policy in (parse(DEFAULT_DOCUMENT), *found):
        for signal, band in policy.bands.get(detoxify_scorer.NAME, {}).items():
            marks.setdefault(signal, set()).update((band.hold,) if band.reject is None else (band.hold, band.reject))
    return {signal: sorted(values) for signal, values in marks.items()}


def _has_database(settings: Settings) -> bool:
    return bool(settings.database_url) or (settings.data_dir / "moderation.db").exists()


def _report(item: Installed, done: Converted) -> Iterator[str]:
    yield f"installed {item.sha256}: {item.kind}, languages {', '.join(item.languages)}"
    for one in done.compared:
        line = f"{one.precision}: differs by at most {one.largest:.5f}, by {one.mean:.5f} on average; "
        line += f"{one.changed:.2%} of {min(done.texts, conversion.TEXTS)} texts change side"
        if one.auc is not None and one.auc_before is not None:
            line += f"; AUC {one.auc:.4f}, the package's {one.auc_before:.4f}"
        yield line
    if item.converted:
        yield f"onnxruntime judges, in {item.precision} ({done.reason})."
    else:
        yield f"Not converted ({done.reason}): torch judges."
    yield "Restart the workers to let it judge."


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
            weights.check(item, settings.detoxify_runtime)
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
    for command in (score, train, evaluate, models, scorers_commands.scorers):
        cli.add_command(command)
