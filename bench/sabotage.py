"""Damage done on purpose to a copy of the database, to show that the checker sees it. Never near a real one."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

Deed = Callable[[sqlite3.Connection], None]


_TWICE = """
CREATE TABLE copied AS SELECT * FROM THE_TABLE;
DROP TABLE THE_TABLE;
ALTER TABLE copied RENAME TO THE_TABLE;
CREATE TEMP TABLE one AS SELECT * FROM THE_TABLE ORDER BY id LIMIT 1;
UPDATE one SET id = (SELECT max(id) + 1 FROM THE_TABLE);
INSERT INTO THE_TABLE SELECT * FROM one;
DROP TABLE one;
"""
# A constraint of the table forbids doubles: only a copy without its constraints can hold one.


def _twice(table: str) -> Deed:
    def deed(connection: sqlite3.Connection) -> None:
        connection.executescript(_TWICE.replace("THE_TABLE", table))

    return deed


def _run(statement: str) -> Deed:
    def deed(connection: sqlite3.Connection) -> None:
        if connection.execute(statement).rowcount != 1:
            raise RuntimeError(f"this damage found nothing to damage: {statement}")

    return deed


DEEDS: dict[str, tuple[str, Deed]] = {
    "comment-lost": ("nothing lost", _run("DELETE FROM comment WHERE id = 1")),
    "comment-twice": ("nothing invented", _twice("comment")),
    "text-changed": ("nothing lost", _run("UPDATE revision SET text = text || ' ' WHERE comment_id = 1")),
    "never-judged": ("all judged", _run("UPDATE comment SET status = 'PENDING' WHERE id = 1")),
    "scored-twice": ("scored once", _twice("score")),
    "decided-twice": ("decided once", _twice("decision")),
    "decision-lost": ("decided once", _run("DELETE FROM decision WHERE id = 1")),
    "never-told": ("told once", _run("DELETE FROM delivery WHERE id = 1")),
    "told-twice": ("told once", _twice("delivery")),
    "status-moved": ("heard", _run("UPDATE comment SET status = 'REJECTED' WHERE id = 1")),
    "event-forged": ("heard", _run("UPDATE delivery SET event_id = 'msg_unheard' WHERE id = 1")),
    "lease-forgotten": (
        "nothing open",
        _run("UPDATE work SET state = 'leased', lease_until = '2020-01-01 00:00:00.000000' WHERE id = 1"),
    ),
    "given-up": ("nothing dead", _run("UPDATE delivery SET state = 'dead' WHERE id = 1")),
}
"""Name of the damage → the rule that must notice it, and the deed. In a fresh database the first rows have id 1."""


def damaged(source: Path, target: Path, name: str) -> None:
    """Copy the SQLite file `source` to `target` and do the damage there. Raises KeyError for an unknown name."""
    _, deed = DEEDS[name]
    with sqlite3.connect(source) as original, sqlite3.connect(target) as copy:
        original.backup(copy)
    original.close()
    copy.execute("PRAGMA foreign_keys=OFF")
    deed(copy)
    copy.commit()
    copy.close()
