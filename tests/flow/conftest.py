"""Real processes for the flow tests: started here, always ended here, by process id. Skipped without their service."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench import product, receiver
from bench.product import Product
from bench.receiver import Receiver
from moderation.dispatch import make_celery
from moderation.settings import load
from tests.conftest import ADMIN_URL, POSTGRES, need

RABBITMQ = ("127.0.0.1", 5672)
RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:5672//"
REDIS = ("127.0.0.1", 6379)
REDIS_URL = "redis://127.0.0.1:6379/13"


@dataclass
class Family:
    """Processes of one test, each the leader of its own group."""

    folder: Path
    members: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: str, env: dict[str, str]) -> None:
        """Run a line of a Procfile in the project's folder; its output goes to a file of its name."""
        line = "exec " + command.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
        with (self.folder / f"{name}.log").open("wb") as log:
            self.members[name] = subprocess.Popen(
                ["/bin/sh", "-c", line],
                env=env,
                cwd=product.ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_ready(self, port: int, seconds: float = 90.0) -> None:
        """Wait for /readyz to answer 200; fails with the logs, at once when a process has ended."""
        until = time.monotonic() + seconds
        while not product.answers(port, "/readyz"):
            if self.ended() or time.monotonic() > until:
                pytest.fail(f"not ready; ended: {self.ended()}\n{self.logs()}")
            time.sleep(0.05)

    def ended(self) -> list[str]:
        """Those that are no longer running."""
        return [name for name, process in self.members.items() if process.poll() is not None]

    def logs(self) -> str:
        """The end of every log, for a failure."""
        return "\n".join(f"--- {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log")))

    def stop(self) -> None:
        """SIGTERM to all, then SIGKILL to the groups of those that stay."""
        for process in self.members.values():
            process.terminate()
        for process in self.members.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(8)
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody of the group is left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    """Starts processes, and ends them whatever happens."""
    made = Family(tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def told() -> Iterator[Receiver]:
    """A site's receiver on loopback."""
    with receiver.listening() as made:
        yield made


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[..., Product]]:
    """Makes installations run by `moderation up`, and stops them; settings are given by name, without MODERATION_."""
    made: list[Product] = []

    def install(**settings: str) -> Product:
        folder = tmp_path / f"product-{len(made)}"
        folder.mkdir()
        settings = {"sweep_seconds": "1", **settings}  # ready sooner: the first sweep brings the first heartbeat
        more = {f"MODERATION_{name.upper()}": value for name, value in settings.items()}
        made.append(Product(folder, more=more))
        return made[-1]

    try:
        yield install
    finally:
        for item in made:
            item.stop()


@pytest.fixture
def postgres_database() -> Iterator[str]:
    """The address of an empty PostgreSQL database of this test alone, without tables."""
    need("PostgreSQL", POSTGRES)
    name = f"moderation_test_{uuid.uuid4().hex[:10]}"
    admin = sa.create_engine(ADMIN_URL, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield ADMIN_URL.rpartition("/")[0] + f"/{name}"
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


@pytest.fixture
def rabbitmq() -> Iterator[str]:
    """RabbitMQ's address, with our queues empty before and after."""
    need("RabbitMQ", RABBITMQ)
    yield from _emptied(RABBITMQ_URL)


@pytest.fixture
def redis() -> Iterator[str]:
    """Redis's address, a database that nobody else uses by default, with our queues empty before and after."""
    need("Redis", REDIS)
    yield from _emptied(REDIS_URL)


def _emptied(url: str) -> Iterator[str]:
    # Queue names are constants of the product and a virtual host of our own takes rights that not everybody has: so
    # the four queues are emptied. They carry nudges only; whoever shared them would lose seconds, never a comment.
    celery = make_celery(load({"MODERATION_BROKER_URL": url}))
    celery.control.purge()
    try:
        yield url
    finally:
        celery.control.purge()
        celery.close()
