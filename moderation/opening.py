"""How a command opens the house: settings, database, sender. A door's helper."""

from moderation.db import Database
from moderation.dispatch import CelerySender
from moderation.settings import Settings, load


def opened(*, nudging: bool = False) -> tuple[Settings, Database]:
    """Settings and database of the environment. Raises SettingsError. `nudging`: commits wake the workers."""
    settings = load()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    info = {"sender": CelerySender(settings)} if nudging else {}
    return settings, Database(settings.database, info=info)
