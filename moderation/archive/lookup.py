"""Names looked up while a file is read, on disk instead of in memory: an archive may hold a million of them."""

import sqlite3


class Lookup:
    """Text by text. It lives in a temporary file that is gone with the process."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # "": a temporary file of SQLite's own
        self._db.execute("PRAGMA cache_size=-4096")
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE item (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, name: str, value: str) -> bool:
        """Keep `value` under `name`; False, and nothing changes, when there is one already."""
        done = self._db.execute("INSERT OR IGNORE INTO item VALUES (?, ?)", (_plain(name), _plain(value)))
        return done.rowcount == 1

    def get(self, name: str) -> str | None:
        """What is kept under `name`."""
        row = self._db.execute("SELECT value FROM item WHERE name = ?", (_plain(name),)).fetchone()
        return None if row is None else str(row[0])


def _plain(text: str) -> str:
    """SQLite takes no half characters; a name with one is refused later, by its own record."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
