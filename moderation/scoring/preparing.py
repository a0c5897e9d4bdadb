"""What a transformer is told of a text, and what is told of the text beside its scores; on all cores where that pays.

One core prepares a few thousand comments a second (folding, language, links, phone numbers): plenty beside a processor
that judges some dozens, far too few for a GPU.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from moderation.scoring import evidence, normalise
from moderation.scoring.evidence import Evidence
from moderation.scoring.language import Language
from moderation.scoring.normalise import View
from moderation.scoring.scorer import ScorerError, Span

if TYPE_CHECKING:
    from moderation.scoring.builtin import BuiltinScorer

CHUNK = 256
"""Texts that a process prepares at a time."""

MIN_STYLED = 3
"""From so many styled letters on (or one hidden character) `reads_as` is filled."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A text as it is judged (`plain`), its language, and what a moderator is shown of it beside the scores."""

    plain: str
    language: Language
    spans: tuple[Span, ...]
    reads_as: str
    facts: dict[str, int]

    @classmethod
    def of(cls, view: View, proof: Evidence, language: Language) -> "Prepared":
        """From what was found in it."""
        disguised = len(view.styled) >= MIN_STYLED or bool(view.hidden)
        return cls(view.plain, language, proof.spans, view.plain if disguised else "", proof.facts)


Prepare = Callable[[Sequence[str]], Iterable[Prepared]]
"""Prepares texts, in order."""


def one_by_one(language_of: Callable[[str], Language]) -> Prepare:
    """Preparation with a judge of languages of one's own."""

    def prepare(texts: Sequence[str]) -> Iterator[Prepared]:
        for text in texts:
            view = normalise.view(text)
            yield Prepared.of(view, evidence.find(view), language_of(text))

    return prepare


class Pool:
    """Preparation by several processes. They start at the first use and end with this one."""

    def __init__(self, processes: int) -> None:
        """`processes` at the same time."""
        self._start: Callable[[], ProcessPoolExecutor] = partial(
            ProcessPoolExecutor, processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
        )
        self._processes: ProcessPoolExecutor | None = None

    def __call__(self, texts: Sequence[str]) -> Iterator[Prepared]:
        """Prepared texts, in order, as they get ready. Raises ScorerError when a process died; the next call starts
        new ones."""
        if self._processes is None:
            self._processes = self._start()
        chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        try:
            yield from chain.from_iterable(self._processes.map(_prepare, chunks))
        except BrokenProcessPool as error:
            self._processes = None
            raise ScorerError(f"A process that prepares texts ended: {error}") from None


_own: "BuiltinScorer | None" = None


def _begin() -> None:
    global _own
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    from moderation.scoring.builtin import BuiltinScorer

    _own = BuiltinScorer()


def _prepare(texts: Sequence[str]) -> list[Prepared]:
    if _own is None:
        raise RuntimeError("The process was not begun.")
    return _own.prepare(texts)
