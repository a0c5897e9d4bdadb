"""The database: one Base, one engine per process, one way to open a transaction, and what happens after its commit."""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session

from moderation.errors import Unavailable

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""Integer primary keys: 64 bit on PostgreSQL; SQLite makes row ids only of columns declared INTEGER."""


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime. SQLite keeps no zone: it is put back on reading, and naive values are refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[datetime | None], Any] | None:
        """As usual, but the same moment is converted once: the rows of one transaction share their `now`."""
        convert = super().bind_processor(dialect) or (lambda value: value)
        last: tuple[datetime | None, Any] = (None, None)

        def process(value: datetime | None) -> Any:
            nonlocal last
            known, converted = last
            if value is None or value is not known:
                converted = convert(value)
                last = value, converted
            return converted

        return process

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 the signature is SQLAlchemy's
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The root of every model. Constraint names follow one convention so that migrations can name them."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: sa.JSON, list[Any]: sa.JSON}  # noqa: RUF012 SQLAlchemy's own idiom


def utcnow() -> datetime:
    """Now, aware, UTC."""
    return datetime.now(UTC)


def after_commit(session: Session, key: str, act: Callable[[], None]) -> None:
    """Do `act` once the session's transaction is durable; the same `key` twice in one transaction acts once."""
    session.info.setdefault("after_commit", {})[key] = act


AWAY = "The database does not answer; try again shortly."
EMPTY = "The database has no tables of ours yet; run: moderation migrate"


class _OneWriter:
    """One writer at a time, in this process and among all that open the same SQLite file.

    SQLite has one writer anyway, but waits for it by sleeping longer and longer; a mutex and a file lock wake whoever
    waits at once. The kernel drops the file lock with the process, so a kill -9 leaves nothing behind.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._file = -1

    def __enter__(self) -> None:
        self._mutex.acquire()
        try:
            if self._file < 0:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            self._mutex.release()
            raise Unavailable(AWAY) from error

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._mutex.release()


def insert_ignore(session: Session, model: type[Base], **values: Any) -> int | None:
    """Insert a row unless a unique constraint stands against it; its id, or None when there was one already."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(model).values(**values).on_conflict_do_nothing().returning(model.__table__.c.id)
    return cast("int | None", session.scalar(statement))


def one_of(column: sa.ColumnElement[str], names: str) -> dict[str, sa.ColumnElement[bool]]:
    """`column` is one of a list, per dialect. The list travels as one value, see `listed`: a statement that is the same
    whatever the length is compiled, planned and kept once."""
    return {
        "postgresql": column == sa.any_(sa.bindparam(names, type_=postgresql.ARRAY(sa.String))),
        "sqlite": column.in_(sa.text(f"SELECT value FROM json_each(:{names})")),  # noqa: S608 a parameter's name
    }


def inserts(table: sa.Table, *, unless_known: bool = False) -> dict[str, sa.Insert]:
    """INSERT of many rows into `table`, per dialect; `unless_known` passes over those that a unique constraint refuses.

    PostgreSQL's driver sends many rows one by one, but as one when keys are asked for; SQLite's loops in C.
    """
    plain: dict[str, Any] = {"sqlite": sqlite.insert(table), "postgresql": postgresql.insert(table)}
    if unless_known:
        plain = {name: statement.on_conflict_do_nothing() for name, statement in plain.items()}
    return {**plain, "postgresql": plain["postgresql"].returning(next(iter(table.primary_key.columns)))}


def insert_many(session: Session, statements: Mapping[str, sa.Insert], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows` by what `inserts` made."""
    connection = session.connection()
    connection.execute(statements[connection.dialect.name], rows)


def insert_fast(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Insert many rows by the driver's own quickest way; their values are as the database keeps them, JSON as text.

    Raises IntegrityError and OperationalError of SQLAlchemy, as its own statements do.
    """
    if not rows:
        return
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        statement = f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 our own
        connection.exec_driver_sql(statement, list(rows))
        return
    statement = f"COPY {table.name} ({names}) FROM STDIN"
    driver: Any = connection.dialect.loaded_dbapi
    try:
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except driver.IntegrityError as error:
        raise IntegrityError(statement, None, error) from error
    except driver.OperationalError as error:
        raise OperationalError(statement, None, error) from error


def stamp(connection: sa.Connection, moment: datetime) -> Any:
    """A moment as `insert_fast` takes it."""
    if connection.dialect.name == "sqlite":
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return moment


def id_among(dialect: str, column: Any, ids: Iterable[int]) -> sa.ColumnElement[bool]:
    """`column` is one of many ids, which travel as one value."""
    values = list(ids)
    if dialect == "sqlite":
        given = sa.text("SELECT value FROM json_each(:ids)").bindparams(ids=json.dumps(values))
        return cast("sa.ColumnElement[bool]", column.in_(given))
    return cast(
        "sa.ColumnElement[bool]",
        column == sa.any_(sa.bindparam("ids", values, postgresql.ARRAY(sa.BigInteger), unique=True)),
    )


def listed(session: Session, names: Iterable[str]) -> Any:
    """The value of a list parameter of `one_of`."""
    values = sorted(names)
    return json.dumps(values) if session.get_bind().dialect.name == "sqlite" else values


def affected(result: sa.Result[Any]) -> int:
    """How many rows an UPDATE or DELETE changed."""
    return cast("sa.CursorResult[Any]", result).rowcount


class Database:
    """One engine and its two doors, `transaction()` to write and `reading()` to read.

    `info` is put on every session (`Session.info`): the dispatcher travels there, so that the house has no globals.
    """

    def __init__(self, url: str, *, info: Mapping[str, Any] | None = None, pool_size: int = 10) -> None:
        self.is_sqlite = url.startswith("sqlite")
        self.info = dict(info or {})
        self._writer: AbstractContextManager[Any] = nullcontext()
        if self.is_sqlite:
            self._writer = _OneWriter(url.removeprefix("sqlite:///") + "-writer")
        arguments: dict[str, Any] = {"pool_size": pool_size, "max_overflow": pool_size, "pool_timeout": 2}
        if self.is_sqlite:
            arguments["connect_args"] = {"timeout": 10}
        else:
            arguments["connect_args"] = {
                "connect_timeout": 5,
                "application_name": "moderation",
                "options": "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000",
                "tcp_user_timeout": 10000,
            }
            arguments["pool_recycle"] = 300
        self.engine = sa.create_engine(url, **arguments)
        if self.is_sqlite:
            self.engine.dialect.statement_compiler = _HintingCompiler
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        else:
            sa.event.listen(self.engine, "checkin", _note_use)
            sa.event.listen(self.engine, "checkout", partial(_ping_idle, self.engine.dialect))

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose work is committed at the end, or rolled back when an exception passes.

        Raises Unavailable when the database cannot be reached, is full, or stays locked.
        """
        with self._writer, translated(), self.engine.connect() as connection:
            connection = connection.execution_options(moderation_write=True)
            session = Session(connection, expire_on_commit=False, info=dict(self.info))
            with session, session.begin():
                yield session
        for act in session.info.get("after_commit", {}).values():
            act()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads. On SQLite it never waits for a writer. Raises Unavailable like `transaction`."""
        with translated(), self.engine.connect() as connection, Session(connection, info=dict(self.info)) as session:
            yield session

    def dispose(self) -> None:
        """Close all connections, as a process does before it forks or ends."""
        self.engine.dispose()


class _HintingCompiler(SQLiteCompiler):
    """Writes `with_hint` out: SQLite has no statistics here, and would take another index where two fit."""

    def get_from_hint_text(self, table: sa.FromClause, text: str | None) -> str | None:  # noqa: ARG002 the signature is SQLAlchemy's
        """What stands behind a table's name."""
        return text


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver says of a database that is away, full, locked or empty into Unavailable."""
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable(AWAY) from error
    except DBAPIError as error:
        if "no such table" in str(error.orig) or getattr(error.orig, "sqlstate", "") == "42P01":
            raise Unavailable(EMPTY) from error
        if error.connection_invalidated or isinstance(error, OperationalError):
            raise Unavailable(AWAY) from error
        raise


IDLE_SECONDS = 1.0
"""A connection that was used a moment ago is not asked whether it lives: a tenth of the round trips of intake."""


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _ping_idle(dialect: sa.Dialect, connection: Any, record: Any, _proxy: Any) -> None:
    if time.monotonic() - record.info.get("used_at", time.monotonic()) < IDLE_SECONDS:
        return
    try:
        alive = dialect.do_ping(connection)
    except Exception as error:  # the driver may raise what it likes: this connection is of no use
        raise DisconnectionError from error
    if not alive:
        raise DisconnectionError


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see _begin_sqlite
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # every commit is on disk before the 2xx
        "foreign_keys=ON",
        "busy_timeout=10000",
        "secure_delete=ON",  # what a reader asks to erase leaves the file
        "journal_size_limit=67108864",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A write that follows a read in a deferred transaction fails at once with BUSY_SNAPSHOT, whatever the timeout.
    write = connection.get_execution_options().get("moderation_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
