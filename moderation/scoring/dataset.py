"""The labelled rows that training and evaluation read, and how much each may teach which signal.

Labelled rows teach their own signals. Some Indonesian rows were read and labelled for abuse by a language model
(`corpus/labels`, which holds checksums and labels, no sentences). The other rows of the Indonesian sources count as
weak negatives; those that hold a strong insult that is neither quoted nor denied count as weak positives for toxicity,
and what lies between teaches nothing. The toxicity sources count as weak negatives for spam: without them the spam
head flags a quarter of clean English comments.
"""

import csv
import gzip
import hashlib
import random
import sys
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from moderation.errors import ModerationError
from moderation.scoring import frames
from moderation.scoring.features import Encoded
from moderation.scoring.frames import Example
from moderation.scoring.lexicon import Lexicon
from moderation.signals import (
    IDENTITY_ATTACK,
    INSULT,
    OBSCENE,
    SEVERE_TOXICITY,
    SEXUAL_EXPLICIT,
    SIGNALS,
    SPAM,
    THREAT,
    TOXICITY,
)

__all__ = ["DatasetError", "Example", "about", "importance", "language_texts", "read", "read_file"]

TRAINING_FILES = ("open.csv.gz", "sharealike.csv.gz")
"""What may be trained on. Files that are for measuring only are never opened here."""

_COLUMNS = {
    "toxic": TOXICITY,
    "insult": INSULT,
    "threat": THREAT,
    "obscene": OBSCENE,
    "identity_attack": IDENTITY_ATTACK,
    "spam": SPAM,
}

_UNLABELLED = ("id_judol_gbennnn", "id_smsa_weakneg")
"""Indonesian sources whose rows count as weak negatives for abuse."""

_STRONG = frozenset({"insult_strong", "obscene", "slur", "animal", "sexual", "dehumanise", "harm"})
"""Words after which an unlabelled row is no longer taken for clean."""

_ABUSIVE = frozenset({"insult_strong", "obscene"})
_EXCUSES = frozenset({"quote", "report", "not", "pet"})

_REVIEWS = "id_smsa_weakneg"
"""Reviews of restaurants: their animals are dishes, and their authors polite."""

_OWN = ("id_context", "id_identity", "id_implicit", "id_insult", "id_sexual", "id_threat", "styled_abuse")
_WEIGHTS: Mapping[str, float] = {"en_davidson": 0.7, "en_surge": 3.0, **dict.fromkeys(_OWN, 0.45)}
"""Davidson's tweets are labelled with a known bias against African-American English; the small set is clean. This
project's Indonesian sentences are many and of one make: at full weight real comments are judged worse."""

_ENGLISH = ("en_abuse", "en_benign", "en_context", "en_spam")
_KINDS: Mapping[tuple[str, str], float] = {
    **{(group, INSULT): 0.12 for group in _ENGLISH},
    **{(group, THREAT): 0.15 for group in _ENGLISH},
    **{(group, IDENTITY_ATTACK): 0.15 for group in _ENGLISH},
    ("en_benign", IDENTITY_ATTACK): 0.5,
    ("en_davidson", IDENTITY_ATTACK): 0.1,
}
"""Real comments know better than written sentences, and tweets, what English news readers call an insult, a threat or
an attack on a group; with full weight these sources cost Civil Comments .02 to .04 of ROC-AUC. Sentences that name
groups in passing count more: in Civil Comments a group is mostly named by who attacks it."""

WEAK = 0.4
"""Weight of a row that a word list alone labelled for abuse."""

HAM = 0.4
"""Weight of a row that is taken for no advertising because its source has none."""

READ = 16.0
"""Weight of a bad row that this project labelled: the only real Indonesian comments with labels for abuse."""

READ_CLEAN = 5.0
"""Weight of a clean one: there are seven times as many. As heavy as bad ones they cost abuse without abusive words."""

WRITTEN = 6.0
"""Weight of a whole comment written for this project as a stream of comments brings them, most of them clean."""

NO_ADVERT = 0.5
"""Weight of a written comment for spam. They hold none, and are many: at full weight quiet adverts pass."""

CHOSEN = 3.0
"""Weight of one that was written to be hard, or with as many toxic ones as clean: at full weight the order of real
comments suffers."""

AS_THEY_COME = "as they come"
"""Tag of the written comments that are mixed as a stream brings them."""

READ_BY_US = "read"
"""Tag of the rows that this project labelled for abuse."""

_LETTERS = {"T": TOXICITY, "i": INSULT, "o": OBSCENE, "x": SEXUAL_EXPLICIT, "t": THREAT, "g": IDENTITY_ATTACK}
"""Letters of the label files; see corpus/labels/README.md."""

COMMENTS = ("id_comments", "id_comments_dev")
"""Groups of the whole comments written for this project: those that are partly trained on, and those that never are."""

FRAMES = frozenset(path.stem for path in (frames.FOLDER / "frames").glob("*.toml"))
"""Groups of the sentences that this project's frames make."""

_LIMIT = 4_000
"""Longest text that is read, in code points."""


class DatasetError(ModerationError):
    """A file of labelled comments cannot be read; the message names it."""

    code = "dataset_refused"


def read(folder: Path) -> list[Example]:
    """All rows of the training files in a folder, in the order of the files. Raises DatasetError."""
    found: list[Example] = []
    for name in TRAINING_FILES:
        path = folder / name
        if path.is_file():
            found.extend(read_file(path))
    return found


def read_file(path: Path) -> list[Example]:
    """The rows of one file as examples, with the weak labels added. Raises DatasetError."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    words = frames.lexicon()
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            return [_example(row, words) for row in csv.DictReader(file)]
    except KeyError as error:
        raise DatasetError(f"{path} has no column {error}.") from None
    except (OSError, EOFError, ValueError, TypeError, zlib.error, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as labelled comments (*.csv.gz): {error}.") from None


@lru_cache(maxsize=1)
def own_labels() -> Mapping[str, str]:
    """What this project's readers saw in rows of the data sets: checksum of the text → letters."""
    found: dict[str, str] = {}
    for path in sorted((frames.FOLDER / "labels").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found.update((row["text_sha256"], row["abuse"]) for row in csv.DictReader(file))
    return found


def checksum(text: str) -> str:
    """Names a row in the label files without its words: the first 16 hex digits of the SHA-256 of its UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_labels(letters: str) -> dict[str, int]:
    """Labels of a row from its letters. `-` is clean, `u` was left open, `m` is coarse at nobody, `o` alone is foul.

    Coarse language is toxic whoever it strikes, as in Perspective's and Detoxify's definition ("rude, disrespectful or
    unreasonable"); an insult strikes somebody.
    """
    if letters == "u":
        return {}
    raised = {_LETTERS[letter] for letter in letters if letter in _LETTERS}
    if letters in ("m", "o"):
        raised.add(TOXICITY)
    labels = {signal: int(signal in raised) for signal in SIGNALS if signal != SPAM}
    if letters == "m" or (SEXUAL_EXPLICIT in raised and OBSCENE not in raised):
        del labels[OBSCENE]
    if TOXICITY in raised and letters != "m":
        del labels[SEVERE_TOXICITY]
    return labels


def _example(row: Mapping[str, str], words: Lexicon) -> Example:
    labels = {signal: int(row[column]) for column, signal in _COLUMNS.items() if row[column] != ""}
    text = row["text"][:_LIMIT]
    tags: set[str] = set()
    source = row["source"]
    own = own_labels().get(checksum(text)) if source in _UNLABELLED else None
    if own is not None and labels.get(SPAM) != 1:
        tags.add(READ_BY_US)
        labels = {**labels, **read_labels(own)}
    elif source in _UNLABELLED:
        encoded = Encoded(text, words)
        used = {words.categories[hit.category] for hit in encoded.hits}
        if labels[SPAM] == 1:
            pass
        elif not used & _STRONG or (source == _REVIEWS and not used & _ABUSIVE):
            tags.add("weak")
            labels = {**dict.fromkeys(SIGNALS, 0), **labels}
        elif used & _ABUSIVE and not used & _EXCUSES and source != _REVIEWS:
            tags.add("weak")
            labels = {SPAM: labels[SPAM], TOXICITY: 1}
        else:
            labels = {SPAM: labels[SPAM]}
    elif labels.get(TOXICITY) == 0:
        labels = {**{SEVERE_TOXICITY: 0, SEXUAL_EXPLICIT: 0}, **labels}
    elif labels.get(OBSCENE) == 0:
        labels[SEXUAL_EXPLICIT] = 0
    if SPAM not in labels:
        labels[SPAM] = 0
        tags.add("ham")
    return Example(text, labels, row["lang"], source, row["split"] == "dev", tags=frozenset(tags))


def importance(row: Example, signal: str) -> float:
    """How much a row weighs in learning and measuring a signal; 0 = not at all."""
    if signal not in row.labels:
        return 0.0
    weight = row.weight * _KINDS.get((row.group, signal), _WEIGHTS.get(row.group, 1.0))
    if signal == SPAM:
        return weight * (NO_ADVERT if row.group in COMMENTS else HAM if "ham" in row.tags else 1.0)
    if READ_BY_US in row.tags:
        return weight * (READ if row.labels.get(TOXICITY) == 1 else READ_CLEAN)
    if row.group in COMMENTS:
        return weight * (WRITTEN if AS_THEY_COME in row.tags else CHOSEN)
    return weight * (WEAK if "weak" in row.tags else 1.0)


def origin(row: Example) -> str:
    """What shares a taste in labelling: a source, its weak labels, what this project read, its frames, its comments."""
    if READ_BY_US in row.tags:
        return READ_BY_US
    if "weak" in row.tags:
        return f"{row.group}/weak"
    return f"frames/{row.lang}" if row.group in FRAMES else row.group


def about(rows: Sequence[Example]) -> dict[str, Any]:
    """Where a model's texts came from: rows per source and split."""
    counts = Counter((row.group, "dev" if row.dev else "train") for row in rows)
    return {"texts": {f"{group}/{split}": count for (group, split), count in sorted(counts.items())}}


def language_texts(rows: Sequence[Example], limit: int) -> tuple[list[str], list[str]]:
    """Texts and languages for the language head: data rows, corpus sentences, and short pieces of both."""
    chance = random.Random(11)  # noqa: S311 - choosing sentences, not secrets
    pools: dict[str, list[str]] = {}
    for row in rows:
        if not row.dev and len(row.text) >= 12 and row.labels.get(SPAM) != 1 and row.weight == 1.0:
            pools.setdefault(row.lang, []).append(row.text[:300])
    related = {"ms": "id", "jv": "id", "su": "id"}
    for code, sentence in frames.sentences():
        own = related.get(code, code)
        pools.setdefault(own, []).extend([sentence] * (6 if own == "id" else 1))
    texts: list[str] = []
    labels: list[str] = []
    for code in sorted(pools):
        pool = pools[code]
        for number in range(limit if code in ("id", "en") else limit // 3):
            text = pool[number % len(pool)] if len(pool) < limit else chance.choice(pool)
            words = text.split()
            if number >= len(pool) or chance.random() < 0.5:
                size = chance.randint(3, 12)
                start = chance.randrange(max(1, len(words) - size + 1))
                words = words[start : start + size]
            texts.append(" ".join(words))
            labels.append(code)
    return texts, labels
