"""The Detoxify scorer: transformer models of https://github.com/unitaryai/detoxify, from installed weights only.

Which texts are judged, and what is told of them; the numbers come from a network (see detoxify_onnx, detoxify_torch).
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from moderation.scoring import explaining, normalise
from moderation.scoring.language import UNDECIDED, Language
from moderation.scoring.networks import Network
from moderation.scoring.preparing import Prepare, Prepared
from moderation.scoring.scorer import Span, TextScore

NAME = "detoxify"
CODE_VERSION = 3
"""Changes whenever our code gives the same text another score; part of the scorer's version."""


def version_of(weights: str, precision: str) -> str:
    """The version that scores carry: the weights' hash, what the numbers were computed in, and the number of this
    code."""
    return f"{weights}.{precision}.{CODE_VERSION}"


class DetoxifyScorer:
    """A Detoxify network, judging the languages it was trained on."""

    def __init__(
        self,
        network: Network,
        *,
        languages: frozenset[str],
        version: str,
        prepare: Prepare | None = None,
    ) -> None:
        """`languages` are ISO 639-1 codes; `version` is the weights' hash; `prepare` reads texts and tells their
        language (the built-in scorer by default)."""
        self._network = network
        self._languages = languages
        self._version = version_of(version, network.precision)
        if prepare is None:
            from moderation.scoring.builtin import BuiltinScorer  # the default costs 30 ms only where it is used

            prepare = BuiltinScorer().prepare
        self._prepare = prepare

    @property
    def name(self) -> str:
        """`detoxify`."""
        return NAME

    @property
    def version(self) -> str:
        """The weights' hash, what the numbers were computed in, and the number of this code."""
        return self._version

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that the weights speak."""
        return self._languages

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        """Judge the texts, in order; those in a language the weights do not speak come back unsupported.

        Raises ScorerError when the model gives something that is no probability.
        """
        prepared = iter(self._prepare(texts))
        if not self._network.together:
            return self._judged(list(prepared))
        return list(self._in_turn(iter(lambda: list(islice(prepared, self._network.together)), [])))

    def _in_turn(self, heaps: Iterator[list[Prepared]]) -> Iterator[TextScore]:
        """One heap is judged while the next is prepared."""
        with ThreadPoolExecutor(1, thread_name_prefix="judge") as judge:
            waiting: Future[list[TextScore]] | None = None
            for heap in heaps:
                now = judge.submit(self._judged, heap)
                if waiting is not None:
                    yield from waiting.result()
                waiting = now
            if waiting is not None:
                yield from waiting.result()

    def _judged(self, texts: Sequence[Prepared]) -> list[TextScore]:
        spoken = [self._speaks(text.language) for text in texts]
        scores = iter(self._network.predict([text.plain for text, judged in zip(texts, spoken, strict=True) if judged]))
        return [
            TextScore(
                signals=next(scores) if judged else {},
                language=text.language.code,
                supported=judged,
                spans=text.spans,
                reads_as=text.reads_as,
                facts=text.facts,
            )
            for text, judged in zip(texts, spoken, strict=True)
        ]

    def _speaks(self, language: Language) -> bool:
        return language.code in self._languages or (language.code == UNDECIDED and not language.foreign)

    def explain(self, text: str, signals: Sequence[str]) -> tuple[Span, ...]:
        """The words that each of `signals` rests on, found by leaving words out; seconds for a long text.

        Raises ScorerError as `score` does.
        """

        def predict(variants: Sequence[str]) -> list[dict[str, float]]:
            return self._network.predict([normalise.view(variant).plain for variant in variants])

        return explaining.explain(predict, text, signals, read=lambda word: normalise.view(word).plain)
