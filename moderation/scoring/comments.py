"""Reads the whole comments written for this project (`corpus/comments/*.tsv`): letters, a tab, the comment.

Frames teach single words in many sentences; these are comments as readers leave them, most of them clean. One in five,
by its checksum, is held out for measuring; a file whose name begins with `dev_` is held out whole, under a group of its
own, because another hand wrote it. Files that begin with `as_they_come` are mixed as a stream of comments is; in the
others hard ones are over-represented. Only training and evaluation use it.
"""

import zlib
from pathlib import Path

from moderation.scoring import dataset, frames
from moderation.scoring.frames import Example
from moderation.signals import SPAM

FOLDER = frames.FOLDER / "comments"


def examples() -> list[Example]:
    """Every written comment, in the order of the files."""
    return [row for path in sorted(FOLDER.glob("*.tsv")) for row in read(path)]


def read(path: Path) -> list[Example]:
    """The comments of one file. Raises ValueError where a line has no tab."""
    unseen = path.stem.startswith("dev_")
    tags = frozenset({dataset.AS_THEY_COME} if path.stem.startswith("as_they_come") else ())
    found = []
    for line in path.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        letters, text = line.split("\t", 1)
        held_out = unseen or zlib.crc32(text.encode()) % frames.HELD_OUT == 0
        labels = {**dataset.read_labels(letters), SPAM: 0}
        found.append(Example(text, labels, "id", dataset.COMMENTS[unseen], held_out, tags=tags))
    return found
