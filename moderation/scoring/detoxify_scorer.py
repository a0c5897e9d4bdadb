"""The Detoxify scorer: transformer models of https://github.com/unitaryai/detoxify, from installed weights only.

Which texts are judged, and what is told of them; the numbers come from a network (see detoxify_onnx, detoxify_torch).
"""

from collections.abc import Callable, Sequence

from moderation.scoring import evidence, explaining, normalise
from moderation.scoring.language import UNDECIDED, Language
from moderation.scoring.networks import Network
from moderation.scoring.scorer import Span, TextScore

NAME = "detoxify"
CODE_VERSION = 2
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
        language_of: Callable[[str], Language] | None = None,
    ) -> None:
        """`languages` are ISO 639-1 codes; `version` is the weights' hash; `language_of` tells a text's language (the
        built-in scorer's head by default)."""
        self._network = network
        self._languages = languages
        self._version = version_of(version, network.precision)
        if language_of is None:
            from moderation.scoring.builtin import BuiltinScorer  # the default costs 30 ms only where it is used

            language_of = BuiltinScorer().language_of
        self._language_of = language_of

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
        views = [normalise.view(text) for text in texts]
        found = [self._language_of(text) for text in texts]
        spoken = [
            language.code in self._languages or (language.code == UNDECIDED and not language.foreign)
            for language in found
        ]
        readable = [view.plain for view, judged in zip(views, spoken, strict=True) if judged]
        scores = iter(self._network.predict(readable))
        results = []
        for view, language, judged in zip(views, found, spoken, strict=True):
            disguised = len(view.styled) >= 3 or bool(view.hidden)
            proof = evidence.find(view)
            results.append(
                TextScore(
                    signals=next(scores) if judged else {},
                    language=language.code,
                    supported=judged,
                    spans=proof.spans,
                    reads_as=view.plain if disguised else "",
                    facts=proof.facts,
                )
            )
        return results

    def explain(self, text: str, signals: Sequence[str]) -> tuple[Span, ...]:
        """The words that each of `signals` rests on, found by leaving words out; seconds for a long text.

        Raises ScorerError as `score` does.
        """

        def predict(variants: Sequence[str]) -> list[dict[str, float]]:
            return self._network.predict([normalise.view(variant).plain for variant in variants])

        return explaining.explain(predict, text, signals, read=lambda word: normalise.view(word).plain)
