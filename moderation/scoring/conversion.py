"""What a conversion of Detoxify weights is asked and answers; the work is done by converter, in a process of its own.

torch lives in that process only: no worker, and no web process, ever holds it for the conversion's sake.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from moderation.errors import ModerationError
from moderation.scoring.networks import KINDS, Facts
from moderation.scoring.scorer import ScorerError

AUTO, INT8, FP32, NONE = "auto", "int8", "fp32", "none"
PRECISIONS = (AUTO, INT8, FP32, NONE)
"""What may be asked for: `auto` lets the comparison decide, `none` converts nothing."""

TEXTS = 500
"""Texts whose sides are compared."""
LABELLED = 2000
"""Labelled texts that are judged twice for the area under the curve; of more, so many at random."""
MAX_CHANGED = 0.01
MAX_AUC_LOST = 0.005

Marks = Mapping[str, Sequence[float]]
"""Signal → the marks at which some site treats a comment differently."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to convert. `texts` are compared; without any, sentences of the project's corpora are.

    `labels` are 1 (toxic) or 0 for the texts, or empty; `threads` is for the comparison.
    """

    precision: str = AUTO
    texts: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    marks: Marks = field(default_factory=dict)
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """How far one precision is from the real package.

    `largest` and `mean` are differences of probabilities in texts that fit into one window, `changed` is the share of
    texts that change side, `auc` the area under the curve beside the package's own (None without labels).
    """

    precision: str
    largest: float
    mean: float
    changed: float
    auc: float | None
    auc_before: float | None

    @property
    def good(self) -> bool:
        """Whether this precision may judge in place of the package."""
        lost = 0.0 if self.auc is None or self.auc_before is None else self.auc_before - self.auc
        return self.changed <= MAX_CHANGED and lost <= MAX_AUC_LOST


@dataclass(frozen=True, slots=True)
class Converted:
    """The outcome. `precision` is `none` where nothing was converted; `reason` says why it is what it is."""

    facts: Facts
    precision: str
    reason: str
    texts: int = 0
    compared: tuple[Compared, ...] = ()


class ConversionFailed(ModerationError):
    """The process that loads and converts weights did not answer."""

    code = "weights_refused"


def read_labelled(path: Path) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The texts and labels of a JSONL file `{"text", "label"}` (1 toxic, 0 not), mixed; all labels or none.

    Raises ConversionFailed naming the line.
    """
    rows = list(_rows(path))
    Random(0).shuffle(rows)  # noqa: S311 - a sample, no secret
    rows = rows[:LABELLED]
    if not rows:
        raise ConversionFailed(f"{path.name} holds no texts.")
    known = tuple(label for _, label in rows if label is not None)
    if known and len(known) < len(rows):
        raise ConversionFailed(f'{path.name} has a "label" on some lines only.')
    return tuple(text for text, _ in rows), known


def _rows(path: Path) -> Iterator[tuple[str, int | None]]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConversionFailed(f"{path.name} cannot be read: {error.strerror or error}.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line.decode("utf-8"))
            label = item.get("label")
            text = item["text"]
            text.encode("utf-8")  # half a surrogate pair is no text that a network reads
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            label, text = -1, None
        if not isinstance(text, str) or label not in (0, 1, None):
            raise ConversionFailed(f'{path.name}, line {number}: not {{"text": …, "label": 0 or 1}}.')
        yield text, None if label is None else int(label)


def in_own_process(checkpoint: Path, folder: Path, wanted: Wanted) -> Converted:
    """What converter.convert does, in a process that ends with it. Raises ScorerError or ConversionFailed."""
    request = {"checkpoint": str(checkpoint), "folder": str(folder), "wanted": asdict(wanted)}
    answer = _ask(request)
    return Converted(
        facts=_facts(answer["facts"]),
        precision=str(answer["precision"]),
        reason=str(answer["reason"]),
        texts=int(answer["texts"]),
        compared=tuple(Compared(**item) for item in answer["compared"]),
    )


def fetch_in_own_process(name: str, folder: Path) -> None:
    """What detoxify_torch.fetch does, in a process that ends with it. Raises ScorerError or ConversionFailed."""
    _ask({"fetch": name, "folder": str(folder)})


def _facts(content: Mapping[str, Any]) -> Facts:
    return Facts(str(content["kind"]), KINDS[content["kind"]], tuple(map(str, content["classes"])))


def _ask(request: Mapping[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "moderation.scoring.converter"]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=False)  # noqa: S603
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ConversionFailed(f"The weights could not be loaded and converted: {last[:300]}") from None
    if "error" in answer:
        raise ScorerError(str(answer["error"]))
    return dict(answer)
