"""Which scorers there are, which must judge, and which may follow. Cheap: imports no torch, loads no model unasked."""

from functools import lru_cache
from pathlib import Path

from moderation.scoring import builtin, detoxify_onnx, detoxify_scorer, detoxify_torch, preparing, weights
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.detoxify_scorer import DetoxifyScorer
from moderation.scoring.scorer import Scorer, ScorerError, TextScore
from moderation.settings import Settings

AUTO, OFF = "auto", "off"


def languages_of_detoxify(data_dir: Path) -> frozenset[str]:
    """ISO 639-1 codes of the active Detoxify weights; empty when there are none or nothing here can run them."""
    active = weights.usable(data_dir)
    return frozenset() if active is None else frozenset(active.languages)


def version_of_detoxify(data_dir: Path, runtime: str) -> str | None:
    """The version that Detoxify's scores carry on a processor; None when no weights are active."""
    active = weights.active(data_dir)
    if active is None:
        return None
    precision = active.precision if active.way(runtime) == weights.ONNX else weights.TORCH
    return detoxify_scorer.version_of(active.sha256[:12], precision)


def package_version() -> str | None:
    """The version of the artefact that came with the package; None when it is missing or damaged.

    Loads it the first time it is asked, and again only when the file has changed.
    """
    try:
        found = builtin.ARTEFACT.stat()
        return _version_of(builtin.ARTEFACT, found.st_mtime_ns, found.st_size)
    except (OSError, ScorerError):
        return None


@lru_cache(maxsize=4)
def _version_of(path: Path, _changed: int, _size: int) -> str:
    return BuiltinScorer(path).version


def available(settings: Settings) -> tuple[str, ...]:
    """Names of the scorers that this installation could run now."""
    names = [builtin.NAME] if builtin.ARTEFACT.is_file() else []
    if languages_of_detoxify(settings.data_dir):
        names.append(detoxify_scorer.NAME)
    return tuple(names)


def required_scorers(settings: Settings) -> tuple[str, ...]:
    """Scorers that must have judged (or failed) before the policy looks at a comment; none when scoring is off.

    The built-in always judges: nobody else finds spam, or the language.
    """
    if settings.scorer == OFF:
        return ()
    return (builtin.NAME, detoxify_scorer.NAME) if settings.scorer == detoxify_scorer.NAME else (builtin.NAME,)


def follow_up(settings: Settings, result: TextScore) -> str | None:
    """The scorer that should judge as well, now that the first has told the language; None when there is none."""
    if settings.scorer != AUTO or not settings.speakers.speaks(detoxify_scorer.NAME, result.language):
        return None
    return detoxify_scorer.NAME if result.language in languages_of_detoxify(settings.data_dir) else None


def make_scorer(name: str, settings: Settings, *, device: str = "cpu") -> Scorer:
    """Load a scorer (the caller keeps it for the life of the process). Raises ScorerError when it cannot judge.

    `device` is `cpu`, or `cuda` to run Detoxify on a GPU.
    """
    if name == builtin.NAME:
        return BuiltinScorer()
    if name == detoxify_scorer.NAME:
        active = weights.active(settings.data_dir)
        if active is None:
            raise ScorerError("No Detoxify weights are installed; `moderation models install FILE` installs them.")
        try:
            network = weights.load(active, settings.detoxify_runtime, threads=settings.detoxify_threads, device=device)
        except weights.WeightsError as error:
            raise ScorerError(error.message) from None
        # A GPU judges faster than one core reads.
        prepare = preparing.Pool(max(detoxify_onnx.cores() - 1, 1)) if device == detoxify_torch.CUDA else None
        return DetoxifyScorer(
            network, languages=frozenset(active.languages), version=active.sha256[:12], prepare=prepare
        )
    raise ScorerError(f"There is no scorer {name!r}.")
