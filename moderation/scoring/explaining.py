"""Which words a network's scores rest on: each word is left out once, and what the score loses is what the word weighs.

For networks that cannot say so themselves. A word that occurs several times is left out everywhere at once, or the
second "idiot" would hide what the first one weighs. All within a budget, so that a long text costs seconds at most.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from moderation.scoring.scorer import Span

MOST_JUDGED = 64
"""Variants of a text that are judged in one pass: of a comment of 40 words every word, in a second on two cores."""

STRETCH = 150
"""Words of a stretch. A longer text is explained within the stretch of it that a signal scores highest in."""

MOST_STRETCHES = 3
"""Stretches that are explained: different signals may have different ones."""

MOST_WORDS = 6
"""Places named per signal."""

LEAST_SHARE = 0.3
"""Of what the heaviest word weighs: lighter ones are not named."""

LEAST_LOGITS = 0.02
"""What the heaviest word must weigh to be named: less is the network's rounding."""

_EXACT = 1e-5
"""Probabilities come rounded to five digits; nearer to 0 or 1 their logits mean nothing."""

_WORD = re.compile(r"\S+")
_EDGES = re.compile(r"^\W+|\W+$")

Predict = Callable[[Sequence[str]], Sequence[Mapping[str, float]]]
"""Signals of texts, in order."""


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of the text and where it stands; `key` is how it reads, small."""

    start: int
    end: int
    key: str


def explain(predict: Predict, text: str, signals: Collection[str], *, read: Callable[[str], str]) -> tuple[Span, ...]:
    """The words that each of `signals` rests on, heaviest first kept, in the order of the text.

    `predict` is given variants of the text as it was written, `read` tells how a word of it reads plainly. A signal
    for which no word weighs anything has no span. Raises what `predict` raises.
    """
    words = list(_words(text, read))
    if not words or not signals:
        return ()
    found: list[Span] = []
    for stretch, chosen in _stretches(predict, text, words, signals).items():
        part = words[stretch[0] : stretch[1]]
        weights = _weights(predict, text, part, chosen)
        for signal in chosen:
            found += _named(text, part, weights[signal], signal)
    return tuple(sorted(found, key=lambda span: (span.start, span.end, span.kind)))


def _words(text: str, read: Callable[[str], str]) -> list[_Word]:
    found = []
    for match in _WORD.finditer(text):
        plain = _EDGES.sub("", read(match.group())).casefold()
        if plain:
            found.append(_Word(match.start(), match.end(), plain))
    return found


def _stretches(
    predict: Predict, text: str, words: Sequence[_Word], signals: Collection[str]
) -> dict[tuple[int, int], list[str]]:
    """Stretches of words, (first, end), and the signals that score highest in each; a short text is one stretch."""
    if len(words) <= STRETCH:
        return {(0, len(words)): sorted(signals)}
    step = STRETCH - STRETCH // 5
    places = [(first, min(first + STRETCH, len(words))) for first in range(0, len(words) - STRETCH // 5, step)]
    scores = predict([text[words[first].start : words[end - 1].end] for first, end in places])
    found: dict[tuple[int, int], list[str]] = {}
    highest = sorted(signals, key=lambda signal: -max(score[signal] for score in scores))
    for signal in highest:
        best = max(range(len(places)), key=lambda place: scores[place][signal])
        if places[best] in found or len(found) < MOST_STRETCHES:
            found.setdefault(places[best], []).append(signal)
    return found


def _weights(
    predict: Predict, text: str, words: Sequence[_Word], signals: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Signal → word → logits that the signal loses without the word."""
    keys = list(dict.fromkeys(word.key for word in words))
    if len(keys) <= MOST_JUDGED:
        return _lost(predict, text, words, [(key,) for key in keys], signals)
    # Too many: neighbours together first, then the words of those groups that weigh most.
    size = -(-len(keys) // (MOST_JUDGED // 2))
    groups = [tuple(keys[start : start + size]) for start in range(0, len(keys), size)]
    coarse = _lost(predict, text, words, groups, signals)
    heaviest = sorted(groups, key=lambda group: -max(coarse[signal][group[0]] for signal in signals))
    kept = [(key,) for group in heaviest[: max(MOST_JUDGED // 2 // size, 1)] for key in group]
    return _lost(predict, text, words, kept, signals)


def _lost(
    predict: Predict,
    text: str,
    words: Sequence[_Word],
    groups: Sequence[tuple[str, ...]],
    signals: Sequence[str],
) -> dict[str, dict[str, float]]:
    """Signal → first word of a group → logits that the signal loses without the group.

    Where leaving out changes nothing, because other words say the same, a word weighs what it scores alone.
    """
    start, end = words[0].start, words[-1].end
    whole, *others = predict([text[start:end], *(_without(text, words, group) for group in groups)])
    found = {
        signal: {
            group[0]: _logit(whole[signal]) - _logit(other[signal]) for group, other in zip(groups, others, strict=True)
        }
        for signal in signals
    }
    unclear = [signal for signal in signals if max(found[signal].values()) < LEAST_LOGITS]
    if unclear:
        nothing, *alone = predict(["", *(" ".join(group) for group in groups)])
        for signal in unclear:
            found[signal] = {
                group[0]: _logit(score[signal]) - _logit(nothing[signal])
                for group, score in zip(groups, alone, strict=True)
            }
    return found


def _without(text: str, words: Sequence[_Word], group: tuple[str, ...]) -> str:
    kept, last = [], words[0].start
    for word in words:
        if word.key in group:
            kept.append(text[last : word.start])
            last = word.end
    return "".join([*kept, text[last : words[-1].end]])


def _logit(value: float) -> float:
    value = min(max(value, _EXACT), 1 - _EXACT)
    return math.log(value / (1 - value))


def _named(text: str, words: Sequence[_Word], weights: Mapping[str, float], signal: str) -> list[Span]:
    top = max(weights.values(), default=0.0)
    if top < LEAST_LOGITS:
        return []
    heavy = {key for key, weight in weights.items() if weight >= LEAST_SHARE * top}
    heaviest = sorted((word for word in words if word.key in heavy), key=lambda word: -weights[word.key])[:MOST_WORDS]
    spans: list[Span] = []
    for word in sorted(heaviest, key=lambda word: word.start):
        last = spans[-1] if spans else None
        if last is not None and not text[last.end : word.start].strip():
            spans[-1] = Span(last.start, word.end, signal, f"{last.detail} {word.key}")
        else:
            spans.append(Span(word.start, word.end, signal, word.key))
    return spans
