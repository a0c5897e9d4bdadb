"""The house has one direction: imports go down only, and every library has its kind of room (see design in docs)."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LAYERS = [
    {
        "settings",
        "errors",
        "queues",
        "signals",
        "composition",
        "signing",
        "parsing",
        "nudgefs",
        "gathering",
        "watching",
        "moments",
        "wordings",
    },
    {"db"},
    {"dispatch"},
    {"accounts"},
    {"comments"},
    {"scoring", "policy", "delivery"},
    {"review"},
    {"pipeline"},
    {"archive", "rescoring"},
]
"""From the ground up; rooms of one layer do not know each other (the ground floor may)."""

DOOR_FILES = ("views", "schemas", "commands", "auth")
"""Files of a room that are doors; a longer name ends with one of these (`site_views`)."""


def is_door_file(stem: str) -> bool:
    return any(stem == name or stem.endswith(f"_{name}") for name in DOOR_FILES)


DOORS = {
    "app",
    "cli",
    "web",
    "i18n",
    "openapi",
    "serve",
    "supervisor",
    "preflight",
    "watchdog",
    "loading",
    "bootstrap",
    "opening",
    "demo",
    "health",
    "alerts",
}
"""Above the house: the doors and their helpers. `health` and `alerts` look at every room, `tables` at all models."""
COLLECTORS = {"tables", "migrations"}

LIBRARIES = {
    "flask": {"app", "web", "i18n", "openapi", "views", "commands", "auth"},
    "marshmallow": {"schemas", "web", "openapi"},
    "celery": {"dispatch", "app"},
    "kombu": {"dispatch", "nudgefs", "app"},
    "detoxify": {"detoxify_scorer"},
    "torch": {"detoxify_scorer"},
    "transformers": {"detoxify_scorer"},
}


def files() -> Iterator[Path]:
    yield from sorted((ROOT / "moderation").rglob("*.py"))


def room(path: Path) -> str:
    """The room of a file of `moderation/`: its folder, or its own name at the top."""
    parts = path.relative_to(ROOT / "moderation").with_suffix("").parts
    return parts[0]


def is_door(path: Path) -> bool:
    return is_door_file(path.stem) or room(path) in DOORS


@cache
def imports(path: Path) -> list[str]:
    """Every module that a file imports, inside functions too."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def level(name: str) -> int | None:
    return next((n for n, layer in enumerate(LAYERS) if name in layer), None)


@pytest.mark.parametrize("path", list(files()), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    own = room(path)
    if own in ("__init__", *COLLECTORS):
        return
    for name in imports(path):
        if name == "workers" or name.startswith("workers."):
            pytest.fail(f"{path} imports {name}: the house nudges by task name")
        if not name.startswith("moderation."):
            continue
        target = name.split(".")[1]
        file = name.split(".")[2] if len(name.split(".")) > 2 else ""
        if is_door(path):
            continue
        assert target not in DOORS | COLLECTORS, f"{path} imports the door {name}"
        assert not is_door_file(file), f"{path} imports the door {name}"
        mine, theirs = level(own), level(target)
        if target == "__version__":
            continue
        assert mine is not None, f"{own} has no place in the house: add it to LAYERS or DOORS"
        assert theirs is not None, f"{target} has no place in the house"
        allowed = theirs < mine or target == own or (mine == 0 and theirs == 0)
        assert allowed, f"{path}: {own} must not import {target}"


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_a_library_lives_in_its_rooms_only(library: str) -> None:
    for path in files():
        used = any(name == library or name.startswith(f"{library}.") for name in imports(path))
        kind = path.stem.rpartition("_")[2] if is_door_file(path.stem) else path.stem
        assert not used or kind in LIBRARIES[library], f"{path} uses {library}"


def test_models_do_not_import_other_rooms_models() -> None:
    for path in files():
        if path.stem == "models":
            own = room(path)
            others = [n for n in imports(path) if n.endswith(".models") and n.split(".")[1] != own]
            assert not others, f"{path} imports {others}: point to tables by name"


def test_functions_of_the_house_never_commit() -> None:
    for path in files():
        if not is_door(path) and room(path) not in {"db", "migrations"}:
            assert ".commit()" not in path.read_text(), f"{path} commits: the door does"


def test_the_package_root_imports_nothing() -> None:
    assert list(imports(ROOT / "moderation" / "__init__.py")) == []


def test_the_web_process_does_not_load_torch() -> None:
    import subprocess
    import sys

    code = (
        "import importlib, sys, moderation.app, moderation.cli;"
        "[importlib.import_module(f'moderation.{room}') for room in moderation.cli.ROOMS];"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert found.stdout.strip() == "[]", found.stderr
