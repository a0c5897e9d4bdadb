"""What all tests share: which services are there, and a database per test on each engine."""

import gc
import os
import select
import shutil
import socket
import uuid
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from flask import Flask
from psycopg.pq import TransactionStatus
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg

from moderation import migrations
from moderation.app import create_app, furnish
from moderation.db import Database
from moderation.settings import Settings, load

if TYPE_CHECKING:
    from playwright.sync_api import Browser

POSTGRES = ("127.0.0.1", 5432)
ADMIN_URL = "postgresql+psycopg://postgres@127.0.0.1/postgres"


def listens(address: tuple[str, int]) -> bool:
    """Whether somebody answers at a loopback port."""
    try:
        with socket.create_connection(address, timeout=1):
            return True
    except OSError:
        return False


def need(what: str, address: tuple[str, int]) -> None:
    """Skip where a service is not there; in CI it must be."""
    if listens(address):
        return
    if os.environ.get("CI"):
        pytest.fail(f"{what} does not answer at {address[0]}:{address[1]}, and in CI it must")
    pytest.skip(f"{what} does not answer at {address[0]}:{address[1]}")


WHOLE = ("browser", "chaos", "flow", "ui", "runtime")
"""Folders whose files have a running product, a broker or a browser: each file stays in one test process."""

TOGETHER = ("served", "detoxify")
"""Folders whose files share one of them, or torch: all stay in one test process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with such files: what takes longest must not come last and alone."""
    items.sort(key=lambda item: item.path.parent.name not in (*TOGETHER, *WHOLE))  # a stable sort


def pytest_collection_finish() -> None:
    """Look for garbage less often, and never in what has been loaded: it took a twentieth of all tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep such files together. xdist's own mark for it (`loadgroup`) is silently without effect with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling  # only where several processes test

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = Path(nodeid.partition("::")[0])
            if path.parent.name in TOGETHER:
                return str(path.parent)
            return str(path) if path.parent.name in WHOLE else nodeid

    return ByFile(config, log)


CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No pages of the browser's own beside ours: the list under its address bar, which nobody sees here, is two of them
    # in a process of its own for every window, and they took a third of a browser's time. The last switch counts: the
    # first line is what Playwright switches off and what concerns a browser for pages of this machine.
    "--disable-features="
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,"
    "LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,"
    "OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch,"
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIReloadButton,PreloadTopChromeWebUI",
]


@pytest.fixture(scope="session")
def launched() -> Iterator["Browser"]:
    """Debian's browser, a real one; it must be there in CI. Started once a test process.

    Where there is the same browser without the parts that a screen shows, it is taken: pages are the same in it, and
    cost half as much.
    """
    from playwright.sync_api import sync_playwright  # only tests that drive a browser pay for loading it

    path = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed, and in CI it must be")
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def chromium(launched: "Browser") -> Iterator["Browser"]:
    """The browser for a file of tests; at the end no window of theirs is open any more."""
    yield launched
    for context in launched.contexts:
        context.close()


class Recorder:
    """A sender that keeps what it was asked to send: `send_task` by name ignores Celery's eager mode."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, task: str) -> None:
        self.sent.append(task)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that each test copies: migrating costs more than most tests."""
    path = tmp_path_factory.mktemp("template") / "moderation.db"
    db = Database(f"sqlite:///{path}")
    migrations.migrate(db)
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    db.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a migrated PostgreSQL database of this test process alone."""
    need("PostgreSQL", POSTGRES)
    name = f"moderation_test_{uuid.uuid4().hex[:10]}"
    admin = sa.create_engine(ADMIN_URL, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = f"postgresql+psycopg://postgres@127.0.0.1/{name}"
    db = Database(url)
    migrations.migrate(db)
    db.dispose()
    with admin.connect() as connection:  # a crash of the server may cost these tests what it likes
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    yield url
    _engine(url).dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty, migrated database, once on each engine."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "moderation.db")
        yield f"sqlite:///{tmp_path / 'moderation.db'}"
        return
    url: str = request.getfixturevalue("postgres_url")
    yield url
    _empty(url)


_EMPTY = """
DO $$
DECLARE item record; filled boolean;
BEGIN
    PERFORM set_config('session_replication_role', 'replica', true);  -- no foreign keys while we clear
    FOR item IN SELECT tablename AS name FROM pg_tables
                WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %%I)', item.name) INTO filled;
        IF filled THEN EXECUTE format('DELETE FROM %%I', item.name); END IF;
    END LOOP;
    FOR item IN SELECT sequencename AS name FROM pg_sequences
                WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
        EXECUTE format('ALTER SEQUENCE %%I RESTART', item.name);
    END LOOP;
END $$
"""
"""Empties every table that has rows, in one call. TRUNCATE makes new files of all, which costs more than most tests."""


@lru_cache(maxsize=1)
def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url)


def _empty(url: str) -> None:
    with _engine(url).begin() as connection:
        connection.exec_driver_sql(_EMPTY)


_IDLE: dict[str, list[Any]] = {}
KEPT = 4
"""Connections of one kind that are kept; few tests open more."""


def _keep_connections(engine: sa.Engine) -> None:
    """Let an engine leave its PostgreSQL connections to those of later tests, and take theirs.

    Every test has an engine of its own, and a new server process with empty caches for each took a quarter of the time
    of all tests on PostgreSQL. Only idle, living connections are kept; they hold no transaction, lock or setting.
    """
    idle: list[Any] = []

    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        nonlocal idle
        asked = {name: value for name, value in options.items() if name != "context"}  # the dialect's own object
        idle = _IDLE.setdefault(repr((os.getpid(), arguments, sorted(asked.items()))), [])
        while idle:
            connection = idle.pop()
            # A server that ended a connection has said so: there is something to read.
            if not connection.closed and not select.select([connection.fileno()], [], [], 0)[0]:
                return connection
            connection.close()
        return dialect.connect(*arguments, **options)

    def close(connection: Any) -> None:
        if connection.closed or len(idle) >= KEPT or connection.info.transaction_status != TransactionStatus.IDLE:
            connection.close()
        else:
            idle.append(connection)

    sa.event.listen(engine, "do_connect", connect)
    engine.dialect.do_close = close  # type: ignore[method-assign]  # the pool asks its dialect; there is no event for it


def _share_what_is_compiled() -> None:
    """Let all engines of this process share what SQLAlchemy has compiled: a new database per test makes a new engine,
    and compiling its statements anew took a sixth of all tests' time. Dialects of one kind count as the same here."""
    caches: dict[str, Any] = {}
    begun = sa.Engine.__init__

    def init(engine: sa.Engine, *args: Any, **kwargs: Any) -> None:
        begun(engine, *args, **kwargs)
        engine._compiled_cache = caches.setdefault(engine.dialect.name, engine._compiled_cache)
        if engine.url.host == POSTGRES[0] and (engine.url.database or "").startswith("moderation_test_"):
            _keep_connections(engine)

    sa.Engine.__init__ = init  # type: ignore[method-assign]
    for dialect in (sqlite.dialect, psycopg.dialect):
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
        dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]


_share_what_is_compiled()


@lru_cache(maxsize=2)
def _application(trusted_proxies: int, demo: bool) -> Flask:
    return create_app(replace(load({}), trusted_proxies=trusted_proxies, demo=demo, secret_key="k" * 40))


def furnished(settings: Settings, sender: "Recorder") -> Flask:
    """The application on a test's database. Its routes and templates are made once: that costs more than most tests."""
    application = _application(settings.trusted_proxies, settings.demo)
    furnish(application, settings, sender=sender)
    return application


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings for a test: its own folder and database, quick password hashes, no waiting between form comments."""
    return replace(
        load({}),
        data_dir=tmp_path,
        database_url=database_url,
        test_fast_hash=True,
        secret_key="k" * 40,
        form_flood_seconds=0,
        form_min_seconds=0,
    )


@pytest.fixture
def sender() -> Recorder:
    """Records the nudges."""
    return Recorder()


@pytest.fixture
def db(settings: Settings, sender: Recorder) -> Iterator[Database]:
    """The test's database."""
    database = Database(settings.database, info={"sender": sender})
    yield database
    database.dispose()
