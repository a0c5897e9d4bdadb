"""Which processes live, who started them: from /proc where there is one (Linux), else from `ps` (macOS)."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A living process; a zombie is none. `command` is its command line, joined by spaces."""

    pid: int
    parent: int
    command: str


def living() -> list[Process]:
    """Every process of this machine that we may see."""
    return list(_from_proc() if (_PROC / "self" / "stat").exists() else _from_ps())


def children(parent: int) -> list[Process]:
    """The living children of a process."""
    return [process for process in living() if process.parent == parent]


def descendants(ancestor: int) -> list[Process]:
    """Children, their children, and so on."""
    found: list[Process] = []
    known, everybody = {ancestor}, living()
    while more := [item for item in everybody if item.parent in known and item.pid not in known]:
        found += more
        known |= {item.pid for item in more}
    return found


def _from_proc() -> Iterable[Process]:
    for entry in os.listdir(_PROC):
        if not entry.isdigit():
            continue
        try:
            # The name in brackets may hold anything, brackets and spaces too; what follows the last bracket does not.
            state, parent = (_PROC / entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            command = (_PROC / entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:  # it ended while we looked
            continue
        if state not in "ZX":
            yield Process(int(entry), int(parent), command.strip())


def _from_ps() -> Iterable[Process]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        pid, parent, state, command = [*line.split(None, 3), ""][:4]
        if not state.startswith("Z"):
            yield Process(int(pid), int(parent), command)
