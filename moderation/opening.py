"""How a command opens the house: settings, database, sender. A door's helper."""

import time
from typing import Any

from moderation import tables  # noqa: F401  # rows of one room point to tables of others, which it does not load
from moderation.db import Database
from moderation.dispatch import CelerySender
from moderation.settings import Settings, load


def opened(*, nudging: bool = False) -> tuple[Settings, Database]:
    """Settings and database of the environment. Raises SettingsError. `nudging`: commits wake the workers."""
    settings = load()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    info: dict[str, Any] = {"composition": settings.speakers}
    if nudging:
        info["sender"] = CelerySender(settings)
    return settings, Database(settings.database, info=info)


def let_nudge_leave() -> None:
    """Call it last in a command that has woken workers: the nudge leaves from a thread of its own, and ends with us.
    Lost, it costs the time until the next sweep."""
    time.sleep(0.2)
