"""`moderation import …` and `moderation export`."""

import gzip
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from functools import wraps
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

import click

from moderation.accounts import audit, sites
from moderation.archive import coral, export, records, store
from moderation.archive.disqus import DisqusReader
from moderation.archive.problems import Problem, ProblemFile
from moderation.archive.records import Reader
from moderation.archive.rows import COLUMNS, CsvReader, JsonlReader
from moderation.archive.runs import KINDS, PROBLEMS, READ, Importer, Progress
from moderation.archive.sources import STDIN, Source, open_source
from moderation.archive.wxr import WxrReader
from moderation.db import utcnow
from moderation.errors import InvalidInput
from moderation.opening import opened
from moderation.wordings import counted

SHOWN = 20
"""Problems of one file that are printed; all of them stand in its list."""
WITH_PROBLEMS = 3
"""Exit code when all was read and some records could not be imported; 1 means that the import was refused or broke."""

MakeReader = Callable[[Source, tzinfo, ExitStack], Reader]


def register(cli: click.Group) -> None:
    """Add this room's commands."""
    cli.add_command(import_group)
    cli.add_command(export_comments)


@click.group("import")
def import_group() -> None:
    """Bring an archive in: comments of another system with their decisions, of any size.

    What the site has already is passed over, so a file may be imported again, and one that was cut off goes on where
    it was. Nobody is told of an imported decision. Exit code 3: some records could not be imported; they are listed.
    """


@dataclass(frozen=True, slots=True)
class Options:
    """What every `import` takes."""

    files: Sequence[str]
    site: str
    problems: Path | None
    dry_run: bool
    as_json: bool


def importing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments of every `import` to a command that takes Options first."""

    @click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True))
    @click.option("--site", required=True, help="Number or public id of the site.")
    @click.option("--dry-run", is_flag=True, help="Read everything, write nothing to the database.")
    @click.option(
        "--problems",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Where to list records that could not be imported; FILE.problems.jsonl when not given.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file.")
    @wraps(command)
    def wrapped(
        files: tuple[str, ...], site: str, dry_run: bool, problems: Path | None, as_json: bool, **more: Any
    ) -> None:
        if problems is not None and len(files) > 1:
            raise click.UsageError("--problems goes with a single FILE.")
        if problems is not None and any(name != STDIN and _same(problems, Path(name)) for name in files):
            raise click.UsageError("--problems must not be the file that is imported.")
        command(Options(files, site, problems, dry_run, as_json), **more)

    return wrapped


@import_group.command("wxr")
@importing
def import_wxr(options: Options) -> None:
    """WordPress: the file of Tools > Export, in one or many parts."""
    _import("wxr", options, lambda source, zone, _: WxrReader(source.file, zone))


@import_group.command("disqus")
@importing
def import_disqus(options: Options) -> None:
    """Disqus: the XML of its export page, as it is or as .gz."""
    _import("disqus", options, lambda source, _zone, _: DisqusReader(source.file))


@import_group.command("coral")
@importing
@click.option("--stories", type=click.Path(dir_okay=False), help="A mongoexport of Coral's stories; needed.")
@click.option("--users", type=click.Path(dir_okay=False), help="A mongoexport of its users: their names.")
def import_coral(options: Options, stories: str | None, users: str | None) -> None:
    """Coral: a mongoexport of its comments, or the ZIP or CSV of a user's own download."""

    def make(source: Source, _zone: tzinfo, stack: ExitStack) -> Reader:
        file = coral.Peeked(source.file)
        if file.is_table():
            return coral.DownloadReader(file)
        others = [stack.enter_context(_opened(name)).file if name else None for name in (stories, users)]
        return coral.CoralReader(file, *others)

    _import("coral", options, make)


MAP = click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="THEIRS=OURS",
    help="The file calls one of our columns something else; nothing after the = leaves it out. Repeat it.",
)


@import_group.command("csv", epilog=f"Columns: {', '.join(COLUMNS)}.")
@importing
@MAP
def import_csv(options: Options, pairs: tuple[str, ...]) -> None:
    """A table with a header; comma, semicolon or tab."""
    names = _names(pairs)
    _import("csv", options, lambda source, zone, _: CsvReader(source.file, zone, names))


@import_group.command("jsonl", epilog=f"Fields: {', '.join(COLUMNS)}; author_name is also author.name, and so on.")
@importing
@MAP
def import_jsonl(options: Options, pairs: tuple[str, ...]) -> None:
    """One JSON object a line, such as `moderation export` writes."""
    names = _names(pairs)
    _import("jsonl", options, lambda source, zone, _: JsonlReader(source.file, zone, names))


@click.command("export")
@click.option("--site", required=True, help="Number or public id of the site.")
@click.option("--format", "kind", type=click.Choice(("jsonl", "csv")), default="jsonl", show_default=True)
@click.option("--since", help="Written on this day or later (2024-05-01, or a time with its zone).")
@click.option("--until", help="Written before this day or time.")
@click.option("--status", "statuses", type=click.Choice(tuple(export.STATUSES)), multiple=True, help="Repeat it.")
@click.option("--output", type=click.Path(dir_okay=False), default=STDIN, help="A file (.gz compresses); else stdout.")
@click.option("--excel", is_flag=True, help="CSV with a byte order mark, by which Excel knows UTF-8.")
def export_comments(
    site: str, kind: str, since: str | None, until: str | None, statuses: tuple[str, ...], output: str, excel: bool
) -> None:
    """Write a site's comments, with their decisions, as JSON lines or as a table."""
    if excel and kind != "csv":
        raise click.UsageError("--excel goes with --format csv.")
    _, db = opened()
    with db.reading() as session:
        found = sites.named(session, site, switched_off=True)
    zone = ZoneInfo(found.timezone)
    wanted = export.Wanted(
        records.moment(since, "--since", zone) if since else None,
        records.moment(until, "--until", zone) if until else None,
        statuses,
    )
    rows = export.rows(db, found.id, wanted)
    count = 0
    with _written(output) as file:
        for text in export.as_csv(rows, excel=excel) if kind == "csv" else export.as_jsonl(rows):
            file.write(text.encode())
            count += 1
    count -= kind == "csv"  # the header
    with db.transaction() as session:
        audit.record(
            session,
            actor="cli",
            action="archive.export",
            subject=f"site:{found.id}",
            site_id=found.id,
            now=utcnow(),
            detail=f"{kind}, {counted(count, 'comment')}",
        )
    click.echo(counted(count, "comment is exported.", "comments are exported."), err=True)


def _import(kind: str, options: Options, make: MakeReader) -> None:
    settings, db = opened()
    with db.reading() as session:
        site = sites.named(session, options.site, switched_off=True)
    importer = Importer(db, site, settings.key())
    found = 0
    for name in options.files:
        with ExitStack() as stack:
            source = stack.enter_context(_opened(name))
            reader = make(source, ZoneInfo(site.timezone), stack)
            found += _import_one(importer, kind, source, reader, options)
    if found:
        sys.exit(WITH_PROBLEMS)


def _import_one(importer: Importer, kind: str, source: Source, reader: Reader, options: Options) -> int:
    """Import a file and say what came of it; returns the number of problems."""
    listing = ProblemFile(_listing(source, options))
    begun, shown = time.monotonic(), [0]
    bar: Any = click.progressbar(
        length=source.size,
        label=source.name,
        file=sys.stderr,
        hidden=not (sys.stderr.isatty() and source.size),
        update_min_steps=max(1, source.size // 200),
    )
    with bar:
        at = [0]

        def watch(_: Progress, problems: Sequence[Problem]) -> None:
            for problem in problems[: max(0, SHOWN - shown[0])] if listing.path else problems:
                click.echo(f"{source.name}, {problem}", err=True)
            shown[0] += len(problems)
            now = source.position()
            bar.update(now - at[0])
            at[0] = now

        try:
            if options.dry_run:
                progress = importer.rehearse(reader, listing, watch)
            else:
                progress = importer.run(kind, source, reader, listing, watch)
        except KeyboardInterrupt:
            click.echo(f"\n{source.name} is not done; the same command goes on where it was.", err=True)
            raise
    _tell(source.name, progress, listing.path, options, time.monotonic() - begun)
    return progress.counts[PROBLEMS]


def _tell(name: str, progress: Progress, listing: Path | None, options: Options, seconds: float) -> None:
    counts = progress.counts
    speed = round((progress.position - progress.resumed_at) / max(seconds, 0.001))
    if options.as_json:
        values = {
            "file": name,
            "dry_run": options.dry_run,
            "records": counts[READ],
            "imported": {kind: counts[kind] for kind in KINDS},
            "known": counts[store.KNOWN],
            "skipped": progress.skipped,
            "problems": counts[PROBLEMS],
            "problems_file": str(listing) if listing and counts[PROBLEMS] else None,
            "resumed_at": progress.resumed_at,
            "per_second": speed,
        }
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    went_on = f", went on after {progress.resumed_at:,}" if progress.resumed_at else ""
    click.echo(f"{name}: {counted(counts[READ], 'record')} in {seconds:.1f} s, {speed:,} a second{went_on}")
    kinds = ", ".join(f"{kind} {counts[kind]:,}" for kind in KINDS if counts[kind])
    done = "would import" if options.dry_run else "imported"
    click.echo(f"  {done:<12} {progress.imported:>10,}" + (f"  {kinds}" if kinds else ""))
    click.echo(f"  {'known':<12} {counts[store.KNOWN]:>10,}")
    if progress.skipped:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(progress.skipped.items()))
        click.echo(f"  {'skipped':<12} {sum(progress.skipped.values()):>10,}  {kinds}")
    if counts[PROBLEMS]:
        where = f"  listed in {listing}" if listing else ""
        click.echo(f"  {'problems':<12} {counts[PROBLEMS]:>10,}{where}")


def _listing(source: Source, options: Options) -> Path | None:
    if options.problems is not None or options.dry_run or source.path is None:
        return options.problems
    return source.path.with_name(f"{source.path.name}.problems.jsonl")


def _names(pairs: Sequence[str]) -> dict[str, str]:
    names = {}
    for pair in pairs:
        theirs, sign, ours = pair.partition("=")
        if not sign or not theirs or (ours and ours not in COLUMNS):
            raise click.UsageError(f"--map {pair}: write THEIRS=OURS, where OURS is one of {', '.join(COLUMNS)}.")
        names[theirs] = ours
    return names


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


@contextmanager
def _opened(name: str) -> Iterator[Source]:
    source = open_source(name)
    try:
        yield source
    finally:
        source.close()


@contextmanager
def _written(name: str) -> Iterator[IO[bytes]]:
    """Standard output, or a file that appears under its name only when it is whole."""
    if name == STDIN:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = Path(f"{name}.part")
    try:
        with part.open("wb") as raw:
            if name.endswith(".gz"):
                with gzip.open(raw, "wb") as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield raw
        os.replace(part, name)
    except OSError as error:
        raise InvalidInput(f"{name} cannot be written: {error.strerror}.", field="output") from None
    finally:
        part.unlink(missing_ok=True)
