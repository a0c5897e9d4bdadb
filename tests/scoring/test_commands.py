"""`moderation score` and `moderation models`, as a person or a script calls them."""

import errno
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from moderation import cli as command_line
from moderation.scoring import commands, dataset, registry, weights
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.dataset import DatasetError
from moderation.scoring.evaluation import EvaluationError
from moderation.scoring.scorer import Scorer, TextScore
from moderation.settings import Settings
from moderation.signals import SIGNALS


@pytest.fixture
def cli() -> click.Group:
    group = click.Group()
    commands.register(group)
    return group


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    return CliRunner(env={"MODERATION_DATA_DIR": str(tmp_path), "MODERATION_SCORER": "auto"})


def test_lines_are_scored_in_their_order(cli: click.Group, runner: CliRunner) -> None:
    texts = [{"id": number, "text": "dasar goblok lu" if number % 3 else "Terima kasih"} for number in range(150)]
    result = runner.invoke(cli, ["score"], input="\n".join(json.dumps(item) for item in texts))
    assert result.exit_code == 0
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == list(range(150))
    assert all(set(answer) == {"id", "signals", "language", "scorer"} for answer in answers)
    assert all(set(answer["signals"]) == set(SIGNALS) for answer in answers)
    assert answers[0]["scorer"].startswith("builtin/")
    assert answers[1]["signals"]["insult"] > 0.5 > answers[0]["signals"]["insult"]


def test_a_version_of_the_scorer_can_be_named(cli: click.Group, runner: CliRunner) -> None:
    line = json.dumps({"id": 1, "text": "dasar goblok lu"})
    usual = runner.invoke(cli, ["score"], input=line).stdout
    version = json.loads(usual)["scorer"].partition("/")[2]
    for spec in (f"builtin@{version}", "builtin@package"):
        assert runner.invoke(cli, ["score", "--scorer", spec], input=line).stdout == usual
    unknown = runner.invoke(cli, ["score", "--scorer", "builtin@0123"], input=line)
    assert unknown.exit_code != 0
    assert unknown.stdout == ""
    assert "builtin@0123" in str(unknown.exception or unknown.output)


def test_no_words_are_looked_for_that_nobody_asked_for(
    cli: click.Group, runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BuiltinScorer, "_explain", lambda *_: pytest.fail("spans cost as much as the score"))
    result = runner.invoke(cli, ["score"], input=json.dumps({"id": 1, "text": "dasar goblok lu"}))
    assert json.loads(result.stdout)["signals"]["insult"] > 0.5


class Foreign:
    """Stands for Detoxify: speaks English, and knows toxicity only."""

    name, version, languages = "detoxify", "w1", frozenset({"en"})

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        return [TextScore({"toxicity": 0.75}, "en") for _ in texts]


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detoxify is installed, too."""
    make = registry.make_scorer

    def made(name: str, settings: Settings, **values: str) -> Scorer:
        return Foreign() if name == "detoxify" else make(name, settings, **values)

    monkeypatch.setattr(registry, "make_scorer", made)
    monkeypatch.setattr(registry, "languages_of_detoxify", lambda _: Foreign.languages)


ENGLISH = json.dumps({"id": 1, "text": "Thank you for this article, it was very good to read"})
FRENCH = json.dumps({"id": 2, "text": "Bonjour mes amis, comment allez-vous aujourd'hui dans cette belle ville"})


@pytest.mark.usefixtures("beside")
def test_spam_is_told_where_another_scorer_speaks_for_the_rest(cli: click.Group, runner: CliRunner) -> None:
    answer = json.loads(runner.invoke(cli, ["score"], input=ENGLISH).stdout)
    assert answer["signals"]["toxicity"] == 0.75
    assert answer["signals"]["spam"] < 0.5
    foreign, _, own = answer["scorer"].partition(", ")
    assert (foreign, own.partition("/")[0]) == ("detoxify/w1", "builtin")


@pytest.mark.usefixtures("beside")
def test_the_composition_says_who_speaks_in_a_file_too(cli: click.Group, tmp_path: Path) -> None:
    runner = CliRunner(env={"MODERATION_DATA_DIR": str(tmp_path), "MODERATION_COMPOSITION": "en:*=builtin"})
    answer = json.loads(runner.invoke(cli, ["score"], input=ENGLISH).stdout)
    assert answer["scorer"].startswith("builtin/")
    assert answer["signals"]["toxicity"] < 0.5
    alone = json.loads(runner.invoke(cli, ["score", "--scorer", "detoxify"], input=ENGLISH).stdout)
    assert (alone["signals"], alone["scorer"]) == ({"toxicity": 0.75}, "detoxify/w1")


def test_of_a_language_that_nobody_speaks_spam_alone_is_told(cli: click.Group, runner: CliRunner) -> None:
    answer = json.loads(runner.invoke(cli, ["score"], input=FRENCH).stdout)
    assert (list(answer["signals"]), answer["supported"]) == (["spam"], False)
    whole = json.loads(runner.invoke(cli, ["score", "--scorer", "builtin"], input=FRENCH).stdout)
    assert set(whole["signals"]) == set(SIGNALS)  # who names a scorer gets all that it says


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{not json", "not JSON"),
        (b'{"id": "a"}', '"text"'),
        (b'{"id": "a", "text": 3}', '"text"'),
        (b'{"text": "halo"}', '"id"'),
        (b'{"id": null, "text": "halo"}', '"id"'),
        (b'["a"]', '"text"'),
        (b'{"id": "a", "text": "\xff"}', "not UTF-8"),
        (rb'{"id": "a", "text": "\ud800"}', 'surrogate pair in "text"'),
        (rb'{"id": "\ud800", "text": "halo"}', 'surrogate pair in "id"'),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_scored(
    cli: click.Group, runner: CliRunner, line: bytes, reason: str
) -> None:
    good = b'{"id": "x", "text": "Terima kasih"}'
    result = runner.invoke(cli, ["score"], input=b"\n".join((good, line, b"", good)))
    assert result.exit_code == 1
    assert [json.loads(answer)["id"] for answer in result.stdout.splitlines()] == ["x", "x"]
    assert result.stderr.startswith("line 2: ")
    assert reason in result.stderr


def test_a_file_is_read_and_a_foreign_language_is_marked(cli: click.Group, runner: CliRunner, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"id": "r", "text": "Это очень хорошая статья, спасибо"}), "utf-8")
    result = runner.invoke(cli, ["score", str(path)])
    answer = json.loads(result.stdout)
    assert (answer["language"], answer["supported"]) == ("ru", False)
    assert result.stderr == ""


def test_the_models_are_listed_and_checked(cli: click.Group, runner: CliRunner) -> None:
    listed = runner.invoke(cli, ["models", "list"])
    assert listed.exit_code == 0
    assert "builtin" in listed.stdout
    assert "no weights installed" in listed.stdout
    assert runner.invoke(cli, ["models", "check"]).exit_code == 0


def test_weights_of_which_none_is_active_are_not_called_a_missing_package(
    cli: click.Group, runner: CliRunner, tmp_path: Path
) -> None:
    folder = weights.store(tmp_path) / ("ab" * 32)
    folder.mkdir(parents=True)
    manifest = {"sha256": "ab" * 32, "checkpoint": "x.ckpt", "kind": "original", "languages": ["en"], "classes": []}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"installed_at": "2026-11-28T00:00:00+00:00"}))
    (weights.store(tmp_path) / "active.json").write_text("half a fi")
    listed = runner.invoke(cli, ["models", "list"]).stdout
    assert "none of them is active" in listed
    assert "pip install" not in listed


def test_a_check_fails_when_detoxify_is_wanted_and_missing(cli: click.Group, tmp_path: Path) -> None:
    runner = CliRunner(env={"MODERATION_DATA_DIR": str(tmp_path), "MODERATION_SCORER": "detoxify"})
    result = runner.invoke(cli, ["models", "check"])
    assert result.exit_code == 1
    assert "no weights are active" in result.stderr


@pytest.mark.parametrize("spec", ["nobody", "newsroom", "newsroom@2"])
def test_who_names_no_scorer_is_told_which_there_are(cli: click.Group, runner: CliRunner, spec: str) -> None:
    result = runner.invoke(cli, ["score", "--scorer", spec], input=ENGLISH)
    assert result.exit_code != 0
    assert "there are builtin and detoxify" in str(result.exception)


def test_a_scorer_without_the_version_it_announces_is_refused(cli: click.Group, runner: CliRunner) -> None:
    result = runner.invoke(cli, ["score", "--scorer", "builtin@"], input=ENGLISH)
    assert "names no version" in str(result.exception)


@pytest.mark.parametrize(("command", "option"), [("evaluate", "--plot"), ("train", "--out")])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    cli: click.Group, runner: CliRunner, tmp_path: Path, command: str, option: str
) -> None:
    place = tmp_path / "nowhere" / "file"
    result = runner.invoke(cli, [command, "--data", str(tmp_path), option, str(place)])
    assert result.exit_code == 2
    assert option in result.stderr
    assert str(place) in result.stderr.replace("\n", "")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "moderation: No space left on device."),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "moderation: /data/x: Permission denied."),
    ],
)
def test_a_full_disk_and_a_file_without_rights_are_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, told: str
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(command_line, "cli", fails)
    with pytest.raises(SystemExit) as end:
        command_line.main()
    assert end.value.code == 1
    assert capsys.readouterr().err.strip() == told


ROW = "source,lang,split,text,toxicity,severe_toxicity,obscene,threat,insult,identity_attack,spam\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no archive", "cannot be read as labelled comments"),
        (gzip.compress(ROW.encode())[:-9], "cannot be read as labelled comments"),
        (gzip.compress(b"comment,label\nhalo,1\n"), "has no column"),
        (gzip.compress(b"\xff\xfe"), "cannot be read as labelled comments"),
    ],
    ids=["no archive", "cut off", "other columns", "no text"],  # an archive holds the second of its making
)
def test_a_file_that_cannot_be_measured_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "mine.csv.gz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=told) as refused:
        dataset.read_file(path)
    assert str(path) in refused.value.message


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_training_and_measuring_name_a_damaged_file(
    cli: click.Group, runner: CliRunner, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "open.csv.gz"
    path.write_bytes(b"no archive")
    result = runner.invoke(cli, [command, "--data", str(tmp_path)])
    assert isinstance(result.exception, DatasetError)
    assert str(path) in result.exception.message


def test_a_folder_without_labelled_comments_is_refused_not_measured(
    cli: click.Group, runner: CliRunner, tmp_path: Path
) -> None:
    result = runner.invoke(cli, ["evaluate", "--data", str(tmp_path)])
    assert isinstance(result.exception, EvaluationError)
    assert result.stdout == ""
