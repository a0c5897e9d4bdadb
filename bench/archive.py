"""Labelled comments read from a folder outside the project, as events of a site. Nothing of them is kept here."""

import csv
import gzip
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

OPEN = "open.csv.gz"
NEWS = "news_comments_evaluation_only.csv.gz"
NEWS_SHARE = 0.25
STORIES = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled comment. `label`: toxic, not toxic, spam, not spam, or no label."""

    external_id: str
    text: str
    source: str
    label: str
    number: int

    def event(self) -> dict[str, Any]:
        """The `comment.created` that a site would send of it now."""
        story = self.number % STORIES
        return {
            "type": "comment.created",
            "timestamp": datetime.now(UTC).isoformat(),
            "data": {
                "external_id": self.external_id,
                "story": {
                    "external_id": f"arsip-{story}",
                    "url": f"http://warta.example/arsip/{story}",
                    "title": f"Arsip {story}",
                },
                "author": {"name": f"Pembaca {self.number}", "external_id": f"pembaca-{self.number}"},
                "text": self.text,
            },
        }


def sample(folder: Path, count: int, seed: int) -> list[Row]:
    """`count` rows in random order: a quarter news comments, the rest from the open set, and of that only the `dev`
    part, on which the built-in scorer was not trained, as long as it lasts. The same seed draws the same rows.

    Raises OSError when a file is missing, ValueError when both hold fewer than `count` rows.
    """
    rand = random.Random(seed)
    news = list(_read(folder / NEWS))
    other = list(_read(folder / OPEN))
    for rows in (news, other):
        rand.shuffle(rows)
    other.sort(key=lambda row: row["split"] != "dev")  # stable: still shuffled inside each part
    wanted = min(len(news), round(count * NEWS_SHARE))
    drawn = news[:wanted] + other[: count - wanted]
    if len(drawn) < count:
        raise ValueError(f"{folder} holds {len(drawn)} rows, fewer than {count}")
    rand.shuffle(drawn)
    return [Row(f"arsip-{number}", row["text"], row["source"], _label(row), number) for number, row in enumerate(drawn)]


def _read(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _label(row: dict[str, str]) -> str:
    for name in ("toxic", "spam"):
        if row[name]:
            return name if row[name] == "1" else f"not {name}"
    return "no label"
