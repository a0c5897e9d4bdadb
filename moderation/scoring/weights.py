"""Installed weights of Detoxify: files kept by their SHA-256, one of them active. Nothing is ever downloaded.

    <data folder>/models/detoxify/<sha256>/     the checkpoint, what lay beside it, and manifest.json
    <data folder>/models/detoxify/active.json   which of them judges; replaced at once or not at all

Asking which weights are active imports no torch: the web process does it on every page.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moderation.errors import ModerationError
from moderation.scoring import detoxify_scorer

CHECKPOINT_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
_MANIFEST = "manifest.json"
_ACTIVE = "active.json"
_CHUNK = 1 << 20


class WeightsError(ModerationError):
    """Weights cannot be installed, or are not what they were."""

    code = "weights_refused"


@dataclass(frozen=True, slots=True)
class Installed:
    """Weights in the store: where they lie, what they are, which languages they speak.

    `checkpoint` is the name of the file to load inside `folder`; `kind` is `original`, `unbiased`, `multilingual` or
    `custom`; `languages` are ISO 639-1 codes; `classes` the model's own label names; `installed_at` is ISO 8601, UTC.
    """

    sha256: str
    folder: Path
    checkpoint: str
    kind: str
    languages: tuple[str, ...]
    classes: tuple[str, ...]
    installed_at: str

    @property
    def path(self) -> Path:
        """The checkpoint file."""
        return self.folder / self.checkpoint


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
    yield from sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _MANIFEST)


def install(
    path: Path, data_dir: Path, expected_sha256: str | None = None, *, languages: Sequence[str] | None = None
) -> Installed:
    """Copy a Detoxify checkpoint into the store, load it once to see that it judges, and make it the active one.

    `path` is the checkpoint file, or a folder with the checkpoint and the transformer's `config.json` and vocabulary
    (needed for the published weights, which only name a model of the hub). `languages` overrides what the kind of
    model says. Raises WeightsError (hash, files) or ScorerError (the weights do not load); what was active stays so.
    """
    try:
        checkpoint = _checkpoint(path)
        digest = sha256_of(path)
        wanted = expected_sha256.strip().lower() if expected_sha256 is not None else digest
        if digest != wanted:
            raise WeightsError(f"{path.name} has the SHA-256 {digest}, but {wanted} was expected.")
        home = store(data_dir)
        home.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=home))
        try:
            return _install(path, checkpoint, digest, home, part, languages)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be installed: {error.strerror or error}.") from None


def _install(
    path: Path, checkpoint: Path, digest: str, home: Path, part: Path, languages: Sequence[str] | None
) -> Installed:
    if path.is_file():
        shutil.copyfile(path, part / checkpoint.name)
        copied = sha256_of(part / checkpoint.name)
    else:
        shutil.copytree(path, part, dirs_exist_ok=True, ignore=shutil.ignore_patterns(_MANIFEST))
        copied = sha256_of(part)
    if copied != digest:
        raise WeightsError(f"{path.name} changed while it was copied.")
    facts = detoxify_scorer.inspect(part / checkpoint.name)
    installed = Installed(
        sha256=digest,
        folder=home / digest,
        checkpoint=checkpoint.name,
        kind=facts.kind,
        languages=tuple(sorted(languages or facts.languages)),
        classes=facts.classes,
        installed_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    _write(part / _MANIFEST, _manifest(installed))
    if installed.folder.exists():
        # The same content lies there already; only the manifest may be newer.
        _write(installed.folder / _MANIFEST, _manifest(installed))
    else:
        part.rename(installed.folder)
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
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def verify(item: Installed) -> None:
    """Hash the files again. Raises WeightsError when they are not what was installed."""
    try:
        # Installed from a file, the hash is the checkpoint's; installed from a folder, it is the folder's.
        if item.sha256 != sha256_of(item.path) and item.sha256 != sha256_of(item.folder):
            raise WeightsError(f"The weights {item.sha256[:12]} are damaged: their files have another SHA-256.")
    except OSError as error:
        raise WeightsError(f"The weights {item.sha256[:12]} cannot be read: {error.strerror or error}.") from None


def check(item: Installed) -> None:
    """Hash the files again, load them and judge two texts. Raises WeightsError or ScorerError saying what is wrong."""
    verify(item)
    detoxify_scorer.inspect(item.path)
