"""Which scorers judge follows from the settings and what is installed, without loading anything heavy."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from moderation.scoring import detoxify_torch, registry, weights
from moderation.scoring.scorer import ScorerError, TextScore
from moderation.settings import Settings, load


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"MODERATION_DATA_DIR": str(tmp_path)})


def _install(data_dir: Path, languages: list[str]) -> None:
    """Weights in the store, as far as a process that does not load them can see."""
    digest = "ab" * 32
    folder = weights.store(data_dir) / digest
    folder.mkdir(parents=True)
    manifest = {
        "sha256": digest,
        "checkpoint": "x.ckpt",
        "kind": "multilingual",
        "languages": languages,
        "classes": ["toxicity"],
        "installed_at": "2026-11-01T00:00:00+00:00",
    }
    (folder / "x.ckpt").write_bytes(b"weights")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    weights.activate(data_dir, digest)


@pytest.mark.parametrize(
    ("choice", "required"),
    [("off", ()), ("builtin", ("builtin",)), ("auto", ("builtin",)), ("detoxify", ("builtin", "detoxify"))],
)
def test_the_setting_names_the_scorer_that_must_judge_first(
    settings: Settings, choice: str, required: tuple[str, ...]
) -> None:
    assert registry.required_scorers(replace(settings, scorer=choice)) == required


def test_detoxify_follows_where_it_is_installed_and_speaks_the_language(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detoxify_torch, "installed", lambda: True)
    english, indonesian = TextScore({}, "en"), TextScore({}, "id")
    assert registry.follow_up(settings, english) is None
    assert registry.available(settings) == ("builtin",)
    _install(settings.data_dir, ["en", "fr"])
    assert registry.follow_up(settings, english) == "detoxify"
    assert registry.follow_up(settings, indonesian) is None
    assert registry.follow_up(settings, TextScore({}, "und")) is None
    assert registry.follow_up(replace(settings, scorer="builtin"), english) is None
    assert registry.available(settings) == ("builtin", "detoxify")
    assert registry.languages_of_detoxify(settings.data_dir) == {"en", "fr"}
    monkeypatch.setattr(detoxify_torch, "installed", lambda: False)
    assert registry.follow_up(settings, english) is None


def test_a_scorer_is_made_by_its_name_or_refused_in_a_sentence(settings: Settings) -> None:
    assert registry.make_scorer("builtin", settings).name == "builtin"
    with pytest.raises(ScorerError, match="models install"):
        registry.make_scorer("detoxify", settings)
    with pytest.raises(ScorerError, match="no scorer"):
        registry.make_scorer("oracle", settings)


def test_weights_that_are_not_what_was_installed_are_not_loaded(settings: Settings) -> None:
    _install(settings.data_dir, ["en"])
    with pytest.raises(ScorerError, match="damaged"):
        registry.make_scorer("detoxify", settings)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"sha256": 3}', '{"sha256": "../../etc"}', "not json"])
def test_a_damaged_marker_means_that_no_weights_are_active(tmp_path: Path, content: str) -> None:
    weights.store(tmp_path).mkdir(parents=True)
    (weights.store(tmp_path) / "active.json").write_text(content)
    assert weights.active(tmp_path) is None


def test_weights_that_are_not_installed_cannot_become_active(tmp_path: Path) -> None:
    with pytest.raises(weights.WeightsError, match="installed"):
        weights.activate(tmp_path, "cd" * 32)


def test_asking_for_scorers_loads_no_torch() -> None:
    code = (
        "import sys, pathlib; from moderation.scoring import registry; from moderation.settings import load; "
        "s = load({'MODERATION_DATA_DIR': '/nonexistent'}); registry.available(s); registry.required_scorers(s); "
        "print([name for name in ('torch', 'transformers', 'detoxify', 'sklearn') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
