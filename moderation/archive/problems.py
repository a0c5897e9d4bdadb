"""The list of records that could not be imported, kept in a file: one JSON object a line, no reader's text in it."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moderation.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Problem:
    """Record and line (both from 1) of what was not imported, its external id where it has one, and why."""

    record: int
    line: int
    external_id: str | None
    field: str | None
    reason: str

    def __str__(self) -> str:
        named = f" (id {ascii(self.external_id)[1:-1]})" if self.external_id else ""
        return f"line {self.line}{named}: {self.reason}"


class ProblemFile:
    """Problems on disk. `path` None keeps them nowhere."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def start(self, position: int) -> None:
        """Keep what belongs to records up to `position`: what a killed import wrote after its last commit comes again.

        Raises InvalidInput when the file cannot be written.
        """
        if self.path is None:
            return
        try:
            if position == 0 or not self.path.exists():
                self.path.unlink(missing_ok=True)
                return
            with self.path.open("r+b") as file:
                end = 0
                for line in file:
                    if not line.endswith(b"\n") or json.loads(line)["record"] > position:
                        break
                    end += len(line)
                file.truncate(end)
        except (OSError, ValueError, KeyError, TypeError):
            raise InvalidInput(f"{self.path} cannot be written; name another file with --problems.") from None

    def add(self, problems: Sequence[Problem]) -> None:
        """Write them, durably, before the batch that they stand in commits. Raises InvalidInput like `start`."""
        if self.path is None or not problems:
            return
        try:
            with self.path.open("a", encoding="ascii") as file:
                for problem in problems:
                    file.write(json.dumps(_values(problem)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InvalidInput(
                f"{self.path} cannot be written ({error.strerror}); name another file with --problems."
            ) from None


def _values(problem: Problem) -> dict[str, object]:
    return {
        "record": problem.record,
        "line": problem.line,
        "id": problem.external_id,
        "field": problem.field,
        "reason": problem.reason,
    }
