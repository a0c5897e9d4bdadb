"""Installed weights of Detoxify: files kept by their SHA-256, one of them active.

    <data folder>/models/detoxify/<sha256>/              the checkpoint, what lay beside it, and manifest.json
    <data folder>/models/detoxify/<sha256>/onnx-<hash>/  its network as it was converted for onnxruntime
    <data folder>/models/detoxify/active.json            which of them judges; replaced at once or not at all

Asking which weights are active imports neither torch nor onnxruntime: the web process does it on every page.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moderation.errors import ModerationError
from moderation.scoring import conversion, detoxify_onnx, detoxify_torch
from moderation.scoring.conversion import Converted, Wanted
from moderation.scoring.detoxify_gpu import GpuNetwork
from moderation.scoring.detoxify_onnx import OnnxNetwork
from moderation.scoring.detoxify_torch import TorchNetwork
from moderation.scoring.networks import Network

CHECKPOINT_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
_MANIFEST = "manifest.json"
_ACTIVE = "active.json"
_CONVERTED = "onnx-"
_CHUNK = 1 << 20
_LANGUAGE = re.compile(r"[a-z]{2,3}")

_LEFT_OVER = 24 * 3600
"""Seconds after which a half-made copy is that of an installation that was killed."""

AUTO, ONNX, TORCH = "auto", "onnx", "torch"
"""Ways to run weights: the fast one where it was made, or one of the two and nothing else."""

Convert = Callable[[Path, Path, Wanted], Converted]
"""Loads a checkpoint, writes its converted network into a folder, says what it is: see conversion."""


class WeightsError(ModerationError):
    """Weights cannot be installed, or are not what they were."""

    code = "weights_refused"


@dataclass(frozen=True, slots=True)
class Installed:
    """Weights in the store: where they lie, what they are, which languages they speak.

    `checkpoint` is the name of the file to load inside `folder`; `kind` is `original`, `unbiased`, `multilingual` or
    `custom`; `languages` are ISO 639-1 codes; `classes` the model's own label names; `installed_at` is ISO 8601, UTC.
    `precision` is that of the converted network (`int8`, `fp32`, or `none`), which lies in the folder `converted` with
    `files` (name → SHA-256).
    """

    sha256: str
    folder: Path
    checkpoint: str
    kind: str
    languages: tuple[str, ...]
    classes: tuple[str, ...]
    installed_at: str
    precision: str = conversion.NONE
    converted: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The checkpoint file."""
        return self.folder / self.checkpoint

    def way(self, wanted: str = AUTO) -> str | None:
        """How these weights would be run here, `onnx` or `torch`; None where what that takes is missing."""
        if wanted != TORCH and self.converted and detoxify_onnx.installed():
            return ONNX
        return TORCH if wanted != ONNX and detoxify_torch.installed() else None


def store(data_dir: Path) -> Path:
    """The folder that holds all installed weights."""
    return data_dir / "models" / "detoxify"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of a folder: over names and contents of its files in order of name. May raise OSError."""
    if not path.is_dir():
        return _file_hash(path)
    total = hashlib.sha256()
    for file in _files(path):
        total.update(f"{file.relative_to(path).as_posix()}\0{_file_hash(file)}\n".encode())
    return total.hexdigest()


def _file_hash(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """What was installed: without the manifest and converted networks, which are ours."""
    for path in sorted(folder.rglob("*")):
        ours = path.name == _MANIFEST or path.relative_to(folder).parts[0].startswith(_CONVERTED)
        if path.is_file() and not ours:
            yield path


def install(
    path: Path,
    data_dir: Path,
    expected_sha256: str | None = None,
    *,
    languages: Sequence[str] | None = None,
    wanted: Wanted | None = None,
    convert: Convert = conversion.in_own_process,
) -> tuple[Installed, Converted]:
    """Copy a Detoxify checkpoint into the store, load it to see that it judges, convert it, and make it the active one.

    `path` is the checkpoint file, or a folder with the checkpoint and the transformer's `config.json` and vocabulary
    (needed for the published weights, which only name a model of the hub). `languages` overrides what the kind of
    model says; `wanted` is how to convert. Installing the same weights again converts them again. Raises WeightsError
    (hash, files), ConversionFailed or ScorerError (the weights do not load); what was active stays so.
    """
    for language in languages or ():
        if not _LANGUAGE.fullmatch(language):
            raise WeightsError(f"{language!r} is no language code such as en or pt: nothing would be judged in it.")
    try:
        checkpoint = _checkpoint(path)
        digest = sha256_of(path)
        expected = expected_sha256.strip().lower() if expected_sha256 is not None else digest
        if digest != expected:
            raise WeightsError(f"{path.name} has the SHA-256 {digest}, but {expected} was expected.")
        home = store(data_dir)
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=home))
        try:
            copy = part / "weights"
            copy.mkdir()
            _copy(path, checkpoint, digest, copy)
            done = convert(copy / checkpoint.name, part / "converted", wanted or Wanted())
            return _keep(copy, part / "converted", done, digest, checkpoint.name, home, languages), done
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be installed: {error.strerror or error}.") from None


def _sweep(home: Path) -> None:
    """Remove what killed installations left: half a gigabyte each, and nobody else looks there."""
    for part in home.glob(".part-*"):
        if time.time() - part.stat().st_mtime > _LEFT_OVER:
            shutil.rmtree(part, ignore_errors=True)


def _copy(path: Path, checkpoint: Path, digest: str, folder: Path) -> None:
    if path.is_file():
        shutil.copyfile(path, folder / checkpoint.name)
        copied = sha256_of(folder / checkpoint.name)
    else:
        ours = shutil.ignore_patterns(_MANIFEST, f"{_CONVERTED}*")
        shutil.copytree(path, folder, dirs_exist_ok=True, ignore=ours)
        copied = sha256_of(folder)
    if copied != digest:
        raise WeightsError(f"{path.name} changed while it was copied.")


def _keep(
    copy: Path,
    network: Path,
    done: Converted,
    digest: str,
    checkpoint: str,
    home: Path,
    languages: Sequence[str] | None,
) -> Installed:
    """Put what was copied and converted into the store. Nothing there is touched that a worker may be reading."""
    hashes = {file.name: _file_hash(file) for file in sorted(network.iterdir())} if network.is_dir() else {}
    name = _CONVERTED + hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:16] if hashes else ""
    installed = Installed(
        sha256=digest,
        folder=home / digest,
        checkpoint=checkpoint,
        kind=done.facts.kind,
        languages=tuple(sorted(languages or done.facts.languages)),
        classes=done.facts.classes,
        installed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        precision=done.precision,
        converted=name,
        files=hashes,
    )
    if installed.folder.exists() and not _whole(installed, TORCH):
        shutil.rmtree(installed.folder)
    if not installed.folder.exists():  # else the same content lies there already
        copy.rename(installed.folder)
    if name and not _whole(installed, ONNX):
        shutil.rmtree(installed.folder / name, ignore_errors=True)
        network.rename(installed.folder / name)
    _write(installed.folder / _MANIFEST, _manifest(installed))
    for old in installed.folder.glob(f"{_CONVERTED}*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)
    activate(home.parent.parent, digest)
    return installed


def _checkpoint(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise WeightsError(f"There is no file or folder {path}.")
    found = [file for file in sorted(path.iterdir()) if file.suffix in CHECKPOINT_SUFFIXES and file.is_file()]
    if len(found) != 1:
        raise WeightsError(f"The folder {path.name} must hold exactly one checkpoint (*.ckpt); it holds {len(found)}.")
    return found[0]


def _manifest(installed: Installed) -> dict[str, Any]:
    return {
        "sha256": installed.sha256,
        "checkpoint": installed.checkpoint,
        "kind": installed.kind,
        "languages": list(installed.languages),
        "classes": list(installed.classes),
        "installed_at": installed.installed_at,
        "precision": installed.precision,
        "converted": installed.converted,
        "files": dict(installed.files),
    }


def _write(path: Path, content: Mapping[str, Any]) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def activate(data_dir: Path, sha256: str) -> None:
    """Let installed weights judge from the next start of a worker on."""
    if not (store(data_dir) / sha256 / _MANIFEST).is_file():
        raise WeightsError(f"No weights with the SHA-256 {sha256} are installed.")
    _write(store(data_dir) / _ACTIVE, {"sha256": sha256})


def installed(data_dir: Path) -> list[Installed]:
    """All installed weights, oldest first; folders without a readable manifest are left out."""
    home = store(data_dir)
    if not home.is_dir():
        return []
    found = [_read(folder) for folder in sorted(home.iterdir()) if folder.is_dir() and not folder.name.startswith(".")]
    return sorted((item for item in found if item is not None), key=lambda item: item.installed_at)


def active(data_dir: Path) -> Installed | None:
    """The weights that judge, or None. Reads two small files."""
    home = store(data_dir)
    try:
        chosen = json.loads((home / _ACTIVE).read_bytes())["sha256"]
        return _read(home / str(chosen))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(folder: Path) -> Installed | None:
    try:
        content = json.loads((folder / _MANIFEST).read_bytes())
        return Installed(
            sha256=str(content["sha256"]),
            folder=folder,
            checkpoint=str(content["checkpoint"]),
            kind=str(content["kind"]),
            languages=tuple(map(str, content["languages"])),
            classes=tuple(map(str, content["classes"])),
            installed_at=str(content["installed_at"]),
            precision=str(content.get("precision", conversion.NONE)),
            converted=Path(str(content.get("converted", ""))).name,
            files={str(name): str(digest) for name, digest in dict(content.get("files", {})).items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def usable(data_dir: Path) -> Installed | None:
    """The active weights, where this installation has what running them takes."""
    item = active(data_dir)
    return item if item is not None and item.way() is not None else None


def verify(item: Installed, way: str = TORCH) -> None:
    """Hash the files that `way` reads again. Raises WeightsError when they are not what was installed."""
    try:
        whole = _whole(item, way, strict=True)
    except OSError as error:
        raise WeightsError(f"The weights {item.sha256[:12]} cannot be read: {error.strerror or error}.") from None
    if not whole:
        raise WeightsError(f"The weights {item.sha256[:12]} are damaged: their files have another SHA-256.")


def _whole(item: Installed, way: str, *, strict: bool = False) -> bool:
    """Whether the files that `way` reads are what was installed. `strict` raises OSError where they cannot be read."""
    try:
        if way == ONNX:
            folder = item.folder / item.converted
            return all(_file_hash(folder / name) == digest for name, digest in item.files.items())
        # Installed from a file, the hash is the checkpoint's; installed from a folder, it is the folder's.
        return item.sha256 in (sha256_of(item.path), sha256_of(item.folder))
    except OSError:
        if strict:
            raise
        return False


def ready(item: Installed, wanted: str = AUTO) -> str:
    """The way in which weights will be run, `onnx` or `torch`, once their files were hashed again (a second or two).

    Raises WeightsError when what that takes is missing, or files are not what was installed.
    """
    way = item.way(wanted)
    if way is None and wanted == ONNX and not item.converted:
        raise WeightsError(f"The weights {item.sha256[:12]} were not converted for onnxruntime; install them again.")
    if way is None:
        raise WeightsError("What runs Detoxify is not installed: pip install 'comment-moderation[detoxify]'.")
    verify(item, way)
    return way


def load(item: Installed, wanted: str = AUTO, *, threads: int = 0, device: str = detoxify_torch.CPU) -> Network:
    """Verify weights and load them, the way that `wanted` says; on a GPU (`device` is `cuda`) always by torch.

    `threads`: 0 means as many as there are cores, one with torch. Raises WeightsError or ScorerError.
    """
    way = ready(item, TORCH if device == detoxify_torch.CUDA else wanted)
    if way == ONNX:
        return OnnxNetwork(item.folder / item.converted, threads=threads)
    if device == detoxify_torch.CUDA:
        return GpuNetwork(item.path)
    return TorchNetwork(item.path, threads=threads or 1)


def check(item: Installed, wanted: str = AUTO) -> None:
    """Hash all files again, load the weights and judge a text. Raises WeightsError or ScorerError."""
    verify(item)
    load(item, wanted).predict(["Thank you."])
