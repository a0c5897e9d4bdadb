"""Bringing a database to this version's tables, safely: one at a time, and nothing dropped without a word.

Alembic is loaded where something is to be done: /readyz asks for versions only, and most starts find nothing to do.
"""

from functools import cache
from pathlib import Path

import sqlalchemy as sa

from moderation.db import Database, translated
from moderation.errors import Unavailable

FOLDER = Path(__file__).parent.parent / "alembic"

LOCK = 0x6D6F6465
"""Key of PostgreSQL's advisory lock that lets one migration run at a time ("mode" in ASCII)."""


def migrate(db: Database) -> list[str]:
    """Upgrade to the newest version; returns the versions that were applied. Running it twice does nothing.

    On SQLite, foreign keys are off while tables are rebuilt (a rebuilt table would cascade into its children), the
    rows of every table are counted before and after, and foreign keys are checked at the end: Unavailable, and all is
    as before, when a row is missing.
    """
    before = current(db)
    if before == head():
        return []
    from alembic.config import Config

    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with translated(), db.engine.connect() as connection:
        if db.is_sqlite:
            _foreign_keys(connection, on=False)
        connection = connection.execution_options(moderation_write=True)
        try:
            with connection.begin():
                if not db.is_sqlite:
                    connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                    connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCK})"))
                counted = _count(connection)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                _compare(counted, _count(connection))
                if db.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise Unavailable("The migration would leave rows without their parents; nothing was changed.")
        finally:
            if db.is_sqlite:
                _foreign_keys(connection, on=True)
    return [current(db) or ""]


def is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _beside: object) -> bool:
    """Whether a table, column or index belongs to the models: the full text indexes are made by hand (0003)."""
    by_hand = {"table": "search_index", "column": "words", "index": "ix_search_text_words"}.get(kind)
    return by_hand is None or name is None or not (name == by_hand or name.startswith(f"{by_hand}_"))


def current(db: Database) -> str | None:
    """The version that the database has, None for an empty one."""
    with translated(), db.engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return version


@cache
def head() -> str:
    """The version that this code needs: that of the last script, whose name begins with it. Alembic would load all of
    them to say the same."""
    return max(path.name for path in (FOLDER / "versions").glob("[0-9]*.py")).partition("_")[0]


def _foreign_keys(connection: sa.Connection, *, on: bool) -> None:
    # Past SQLAlchemy, because the pragma works outside a transaction only, which our begin event would open.
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")
    cursor.close()


def _count(connection: sa.Connection) -> dict[str, int]:
    return {
        name: connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name))) or 0
        for name in sa.inspect(connection).get_table_names()
        if name != "alembic_version" and not name.startswith("search_index")  # tables of FTS5's own
    }


def _compare(before: dict[str, int], after: dict[str, int]) -> None:
    lost = [name for name, count in before.items() if name in after and after[name] < count]
    if lost:
        raise Unavailable(f"The migration would lose rows of {', '.join(lost)}; nothing was changed.")
