"""Moments as the API and `--json` write them."""

from datetime import UTC, datetime


def instant(value: datetime | None) -> str | None:
    """A moment as ISO 8601 in UTC with `Z`; None stays None."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value is not None else None
