"""Parts of the measured comments that a model may treat otherwise than the whole: by length, form and subject.

A slice is told from the text alone, by the normaliser and the word lists, so that the same slices can be made of any
labelled file. They overlap.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moderation.scoring.features import Encoded

SHORT, LONG = 40, 200
"""A text of fewer than SHORT code points is short, one of more than LONG is long."""

NAMES = ("short", "medium", "long", "styled", "disguised", "quoted", "identity terms", "no listed word")

_QUOTED = re.compile(r"[\"“”«»].{2,}?[\"“”«»]|(?<!\w)['‘].{4,}?['’](?!\w)", re.DOTALL)
_WORDS_OF_QUOTING = frozenset({"quote", "report"})
_HARSH = frozenset({"insult_strong", "insult_mild", "animal", "obscene", "mild_profanity", "slur", "sexual", "harm"})


def slices_of(one: Encoded) -> frozenset[str]:
    """The slices that a text belongs to, among NAMES.

    `quoted`: has something between quotation marks, or a word of saying. `identity terms`: names a group of people.
    `disguised`: has a word that reads otherwise (leet, spaced, stretched, censored).
    """
    size = len(one.view.original)
    found = {"short" if size < SHORT else "long" if size > LONG else "medium"}
    categories = {one.lexicon.categories[hit.category] for hit in one.hits}
    if one.evidence.facts["styled"] or one.evidence.facts["hidden"]:
        found.add("styled")
    if one.view.readings:
        found.add("disguised")
    if _QUOTED.search(one.view.original) or categories & _WORDS_OF_QUOTING:
        found.add("quoted")
    if "group" in categories:
        found.add("identity terms")
    if not categories & _HARSH:
        found.add("no listed word")
    return frozenset(found)


def places(names: Sequence[frozenset[str]], wanted: str) -> NDArray[np.int64]:
    """Where the texts of a slice stand."""
    return np.array([index for index, own in enumerate(names) if wanted in own], dtype=np.int64)
