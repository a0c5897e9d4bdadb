"""What the API says of scorers and their drift: plain values, ids as strings, figures with four digits."""

from collections.abc import Iterable, Mapping
from typing import Any

from moderation.composition import Composition
from moderation.rescoring.drift import Beside, Difference, Drift, Pace, Spread
from moderation.rescoring.stability import Stability
from moderation.scoring.models import Release

Body = dict[str, Any]


def composition(table: Composition) -> list[Body]:
    """The table's parts in their order."""
    return [{"language": part.language, "signal": part.signal, "scorers": list(part.scorers)} for part in table.parts]


def live(versions: Mapping[str, str], site_id: int | None, rows: Iterable[Release]) -> list[Body]:
    """What judges: scorer → version. `site_id`: whose they are, None for all sites'."""
    known = {(row.scorer, row.version): row.id for row in rows if row.state == "live"}
    return [
        {
            "scorer": scorer,
            "version": version,
            "site": None if site_id is None else str(site_id),
            "release": str(known[scorer, version]) if (scorer, version) in known else None,
        }
        for scorer, version in versions.items()
    ]


def release(row: Release) -> Body:
    """A release with its report."""
    return {
        "id": str(row.id),
        "site": None if row.site_id is None else str(row.site_id),
        "scorer": row.scorer,
        "version": row.version,
        "state": row.state,
        "objections": row.report.get("objections"),
        "report": row.report,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "changed_by": row.changed_by,
        "changed_at": row.changed_at,
    }


def drift(told: Drift, site_id: int) -> Body:
    """The whole panel."""
    return {
        "at": told.at,
        "site": str(site_id),
        "day": _pace(told.day),
        "week": _pace(told.week),
        "reference": _pace(told.reference),
        "spreads": [_spread(one) for one in told.spreads],
        "shadows": [_beside(one) for one in told.shadows],
    }


def _pace(one: Pace) -> Body:
    return {
        "start": one.start,
        "end": one.end,
        "comments": one.comments,
        "whole": one.whole,
        "unscored": one.unscored,
        "timed": one.timed,
        "median_seconds": _short(one.median),
        "p95_seconds": _short(one.p95),
    }


def _spread(one: Spread) -> Body:
    return {
        "scorer": one.scorer,
        "version": one.version,
        "signal": one.signal,
        "language": one.language or None,
        "hold": one.mark,
        "over": {name: _short(share) for name, share in zip(("reference", "week", "day"), one.over, strict=True)},
        "week": _stability(one.week),
        "day": _stability(one.day),
    }


def _stability(one: Stability) -> Body:
    return {
        "state": one.state,
        "index": _short(one.index),
        "comments": one.n,
        "reference": one.before,
        "edges": [_short(value) for value in one.edges],
        "expected": [_short(value) for value in one.expected],
        "found": [_short(value) for value in one.found],
    }


def _beside(one: Beside) -> Body:
    return {
        "release": str(one.release),
        "scorer": one.scorer,
        "version": one.version,
        "comments": one.comments,
        "differing": one.differing,
        "moves": [{"live": live, "shadow": shadow, "n": n} for (live, shadow), n in sorted(one.moves.items())],
        "languages": [
            {"language": name, "comments": n, "differing": differing}
            for name, (n, differing) in sorted(one.languages.items())
        ],
        "differences": [_difference(item) for item in one.differences],
        "people": {"decisions": one.people.decisions, "live": one.people.live, "shadow": one.people.shadow},
    }


def _difference(one: Difference) -> Body:
    return {
        "signal": one.signal,
        "language": one.language or None,
        "comments": one.n,
        "mean": _short(one.mean),
        "mean_size": _short(one.size),
        "p95_size": _short(one.p95),
    }


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
