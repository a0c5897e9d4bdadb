"""Figures of what came and what became of it, by site and hour: their names, and what sums of them say.

An hour that is over is counted once (statistics_counting.py), from the indexes of decisions and arrivals, and kept as
some dozen small numbers that only have to be added (statistics_keeping.py): charts of a year read those
(statistics_reading.py), whatever the size of the archive.

Times are kept as counts of buckets on a logarithmic scale, so that a median comes out of sums: it is off by at most
`BUCKET_ERROR`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

RECEIVED = "received"
"""Comments that came, an import's aside."""
DECIDED = "decided"
"""Decisions; key `origin:action`, where an undo is the action `undo`."""
FIRST = "first"
"""Those of them that were the first on their revision: what became of a text at once. Key `origin:action`."""
PERSON = "person"
"""A person's decisions; key `moderator:action`, besides `undo` and `bulk` (a bulk job's)."""
ACTIVE = "active"
"""1: this person (the key) decided something in this hour."""
WAIT = "wait"
"""Held texts that a person decided, by the bucket of the time since they came."""
VERDICT = "verdict"
"""What the machine proposed where a person decided; key `signal:language:machine's action:person's action`."""
COUNTED = "counted"
"""1: this hour of this site was counted."""

APPROVE, HOLD, REJECT, UNDO, BULK = "approve", "hold", "reject", "undo", "bulk"
MACHINE = ("policy", "deadline")
"""Origins of what the machine decides by itself; `staff`, `import` and `campaign` carry out what a person wanted."""

NO_REASON = "none"
"""As a signal: the machine had nothing against the text."""
NO_JUDGEMENT = frozenset(
    {
        *("not_scored", "scorer_failed", "language_not_supported", "premoderation", "premoderated_section"),
        *("premoderated_story", "story_closed", "new_author", "author_held", "author_banned", "campaign_order"),
        *("burst_author", "burst_network", "burst_site"),
    }
)
"""Leading reasons to hold that say nothing of the text: a person who approves such a one does not overturn anything."""

HOUR = timedelta(hours=1)

BUCKETS_PER_DOUBLING = 8
BUCKET_ERROR = 2 ** (0.5 / BUCKETS_PER_DOUBLING) - 1
"""The middle of a bucket is off by at most this share: 4.5 %."""

Key = tuple[int, str, str]
"""(site, name, key) of a figure."""


# --- times as buckets ---


def bucket(seconds: float) -> int:
    """The bucket of a time; all up to a second share the first."""
    return int(math.log2(seconds) * BUCKETS_PER_DOUBLING) if seconds > 1 else 0


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The time (s) that `share` of the times counted in `buckets` do not exceed; None where there are none."""
    rank = math.ceil(share * sum(buckets.values()))
    reached = 0
    for number, n in sorted(buckets.items()):
        reached += n
        if n and reached >= rank:
            return float(2 ** ((number + 0.5) / BUCKETS_PER_DOUBLING))
    return None


# --- figures, added up ---


@dataclass(frozen=True, slots=True)
class Sums:
    """The figures of some span of time: (name, key) → n."""

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def of(self, name: str) -> Iterator[tuple[Sequence[str], int]]:
        """The figures of a name, their keys in parts."""
        return ((key.split(":"), n) for (known, key), n in self.counts.items() if known == name)

    @property
    def received(self) -> int:
        """Comments that came."""
        return sum(n for _, n in self.of(RECEIVED))

    def at_once(self, action: str) -> int:
        """Texts with which this happened first, without a person: approved, held or rejected."""
        return sum(
            n for (origin, what), n in self.of(FIRST) if origin not in ("moderator", "import") and what == action
        )

    @property
    def judged(self) -> int:
        """Texts that the machine judged: what it decided itself, and what it held."""
        return sum(n for (origin, _), n in self.of(FIRST) if origin in MACHINE)

    @property
    def judged_alone(self) -> int:
        """Those of them that it decided itself."""
        return sum(n for (origin, what), n in self.of(FIRST) if origin in MACHINE and what != HOLD)

    def by_people(self, action: str) -> int:
        """Decisions of people with this action; `undo` for what was taken back."""
        return sum(n for (origin, what), n in self.of(DECIDED) if origin == "moderator" and what == action)

    @property
    def decided_by_people(self) -> int:
        """All decisions of people but undos."""
        return sum(n for (origin, what), n in self.of(DECIDED) if origin == "moderator" and what != UNDO)

    @property
    def waits(self) -> dict[int, int]:
        """Bucket → held texts that waited so long for a person."""
        return {int(parts[0]): n for parts, n in self.of(WAIT)}

    @property
    def people(self) -> dict[int, dict[str, int]]:
        """Moderator → action → decisions."""
        found: dict[int, dict[str, int]] = {}
        for (moderator_id, what), n in self.of(PERSON):
            found.setdefault(int(moderator_id), {})[what] = n
        return found

    @property
    def verdicts(self) -> list["Looked"]:
        """What people made of the machine's verdicts, one for each signal, language and action."""
        found: dict[tuple[str, str, str], list[int]] = {}
        for (signal, language, machine, human), n in self.of(VERDICT):
            row = found.setdefault((signal, language, machine), [0, 0])
            row[0] += n
            row[1] += n if (machine == APPROVE) != (human == APPROVE) else 0
        return [Looked(*key, looked, overturned) for key, (looked, overturned) in sorted(found.items())]

    @property
    def overturned(self) -> tuple[int, int]:
        """(overturned, looked at): verdicts on a text that a person decided otherwise. To hold is to suspect: a person
        who rejects agrees with it, one who approves does not."""
        judging = [row for row in self.verdicts if row.signal not in NO_JUDGEMENT]
        return sum(row.overturned for row in judging), sum(row.looked for row in judging)


@dataclass(frozen=True, slots=True)
class Looked:
    """Verdicts of one kind on which a person decided: how many, and how many of them otherwise.

    `signal`: of the strongest reason, or the reason's code where it has no signal; NO_REASON where there was none.
    """

    signal: str
    language: str
    machine: str
    looked: int
    overturned: int


def hour_of(at: datetime) -> datetime:
    """The hour in which a moment lies, by its beginning."""
    return at.replace(minute=0, second=0, microsecond=0)
