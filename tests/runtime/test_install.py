"""The installer: one sentence for what the machine lacks, and not a single call of pip when nothing has changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the installer reads, and tools of ours before those of the machine."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "deploy" / "install.sh", tmp_path / "deploy")
    shutil.copy(ROOT / "deploy" / "constraints.txt", tmp_path / "deploy")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def tool(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def install(folder: Path, profile: str = "run", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "deploy/install.sh", profile],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "DETOXIFY": "0", **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def pretend_venv(folder: Path) -> None:
    """A .venv whose python notes that it was asked for pip, and succeeds."""
    tool(folder / ".venv" / "bin" / "moderation", "exit 0")
    tool(folder / ".venv" / "bin" / "python", f'case "$*" in *pip*) echo "$*" >> {folder}/pip-calls ;; esac; exit 0')


def pip_calls(folder: Path) -> list[str]:
    path = folder / "pip-calls"
    return path.read_text().splitlines() if path.exists() else []


def test_a_python_that_is_too_old_is_named_with_the_package_to_install(checkout: Path) -> None:
    tool(checkout / "bin" / "oldpython", 'case "$2" in *version_info*) exit 1 ;; *) echo 3.9.2 ;; esac')
    result = install(checkout, PYTHON="oldpython")
    assert result.returncode == 1
    assert result.stderr.startswith("Python 3.9.2 is too old, 3.11 or newer is needed: ")
    assert result.stderr.count("\n") == 1
    assert not (checkout / ".venv").exists()


def test_a_missing_python_is_named_with_the_package_to_install(checkout: Path) -> None:
    result = install(checkout, PYTHON="nosuchpython")
    assert result.returncode == 1
    assert result.stderr.startswith("Python 3.11 or newer was not found: ")


def test_a_missing_venv_module_is_named_with_its_package(checkout: Path) -> None:
    tool(checkout / "bin" / "barepython", 'case "$2" in *ensurepip*) exit 1 ;; *) exit 0 ;; esac')
    result = install(checkout, PYTHON="barepython")
    assert result.returncode == 1
    assert "package python3-venv" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_full_disk_is_told_before_anything_is_installed(checkout: Path) -> None:
    tool(checkout / "bin" / "df", "echo Filesystem; echo /dev/x 1000000 900000 12288 99% /")
    result = install(checkout, PYTHON=sys.executable)
    assert result.returncode == 1
    assert "only 12 MB left and the installation needs 800 MB" in result.stderr
    assert not (checkout / ".venv").exists()


def test_without_a_change_nothing_is_installed_again(checkout: Path) -> None:
    pretend_venv(checkout)
    assert install(checkout, PYTHON=sys.executable).returncode == 0
    calls = pip_calls(checkout)
    assert any("install" in call and "-e ." in call for call in calls)
    assert install(checkout, PYTHON=sys.executable).returncode == 0
    assert pip_calls(checkout) == calls


@pytest.mark.parametrize("name", ["pyproject.toml", "deploy/constraints.txt"])
def test_a_changed_requirement_is_installed(checkout: Path, name: str) -> None:
    pretend_venv(checkout)
    install(checkout, PYTHON=sys.executable)
    before = len(pip_calls(checkout))
    with (checkout / name).open("a") as file:
        file.write("\n# changed\n")
    install(checkout, PYTHON=sys.executable)
    assert len(pip_calls(checkout)) > before


def test_what_the_tests_need_contains_what_running_needs(checkout: Path) -> None:
    pretend_venv(checkout)
    assert install(checkout, "test", PYTHON=sys.executable).returncode == 0
    calls = pip_calls(checkout)
    torch = next(index for index, call in enumerate(calls) if "torch==" in call)
    rest = next(index for index, call in enumerate(calls) if ".[detoxify,train,test]" in call)
    assert torch < rest  # a build for the CPU first, so that pip does not fetch CUDA with the rest
    for detoxify in ("auto", "0", "1"):
        assert install(checkout, PYTHON=sys.executable, DETOXIFY=detoxify).returncode == 0
    assert pip_calls(checkout) == calls


@pytest.mark.parametrize(("versions", "comes"), [("2.15.0, 2.13.0+cpu, 2.13.0", True), ("2.15.0, 2.13.0, 2.1", False)])
def test_detoxify_comes_by_itself_only_with_a_build_for_the_cpu(checkout: Path, versions: str, comes: bool) -> None:
    pretend_venv(checkout)
    tool(checkout / "bin" / "uname", "echo Linux")
    python = checkout / ".venv" / "bin" / "python"
    script = python.read_text().removeprefix("#!/bin/sh\n")
    tool(python, f'case "$*" in *"index versions"*) echo "Available versions: {versions}" ;; esac; {script}')
    result = install(checkout, PYTHON=sys.executable, DETOXIFY="auto")
    assert result.returncode == 0
    assert any(".[detoxify]" in call for call in pip_calls(checkout)) == comes
    assert ("built-in scorer will serve" in result.stderr) != comes


def test_when_pip_fails_its_own_message_is_seen_and_the_next_run_tries_again(checkout: Path) -> None:
    pretend_venv(checkout)
    python = checkout / ".venv" / "bin" / "python"
    tool(python, 'case "$*" in *install*) echo "ERROR: no network" >&2; exit 1 ;; esac; exit 0')
    result = install(checkout, PYTHON=sys.executable)
    assert result.returncode == 1
    assert "ERROR: no network" in result.stderr
    assert "not complete" in result.stderr
    pretend_venv(checkout)
    install(checkout, PYTHON=sys.executable)
    assert pip_calls(checkout)


def test_every_requirement_of_the_project_is_pinned_and_none_to_a_build() -> None:
    pins = (ROOT / "deploy" / "constraints.txt").read_text().splitlines()
    lines = [line for line in pins if not line.startswith("#")]
    assert all("==" in line and "+" not in line and "/" not in line for line in lines)
    names = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    for needed in ("flask", "celery", "kombu", "torch", "detoxify", "scikit-learn", "pytest", "sqlalchemy"):
        assert needed in names
