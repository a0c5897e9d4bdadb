"""What a scorer is: a named, versioned engine that measures signals in texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from moderation.errors import ModerationError


class ScorerError(ModerationError):
    """A scorer could not be loaded or could not judge; the comment goes to a human."""

    code = "scorer_failed"


@dataclass(frozen=True, slots=True)
class Span:
    """A place in the original text that explains a score.

    `start` and `end` are code-point offsets into the text as it was given to the scorer, half open.
    `kind` is a signal's name (`toxicity`, `spam`, …) or an evidence's: `link`, `shortener`, `messenger`, `phone`,
    `brand`, `hidden`, `styled`. `detail` is what a moderator reads beside it: the domain, the phone number in E.164,
    the word as it reads plainly.
    """

    start: int
    end: int
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TextScore:
    """What one scorer says of one text.

    `signals`: signal name → probability 0..1; a signal the scorer does not measure is absent (never 0).
    `language`: ISO 639-1 code the scorer found (`id`, `en`), or `und`.
    `supported`: False when the scorer does not speak the text's language; then `signals` may still hold what does
    not depend on language (spam), and the policy holds the comment with `language_not_supported`.
    `reads_as`: the text as a reader's eye takes it, when letters are styled or hidden, else the empty string.
    """

    signals: Mapping[str, float]
    language: str
    supported: bool = True
    spans: tuple[Span, ...] = ()
    reads_as: str = ""
    facts: Mapping[str, int] = field(default_factory=dict)
    """Counts that rules may use: see evidence.Evidence."""


class Scorer(Protocol):
    """A named, versioned engine. Instances are created and used in one worker process; they may be slow to load."""

    @property
    def name(self) -> str:
        """`builtin`, `detoxify`."""

    @property
    def version(self) -> str:
        """Changes whenever the same text may get another score (artefact or weights hash, code version)."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes the scorer speaks."""

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        """Judge the texts, in order; same length as given.

        Raises ScorerError (or anything else) when it cannot: the caller counts the attempt.
        """
