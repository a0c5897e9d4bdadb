"""The product as its user runs it: `moderation up` in a folder of its own; started, watched, killed and stopped."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import processes
from bench.client import Client
from moderation.db import Database, utcnow
from moderation.policy import store as policies
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.policy.document import BURSTS
from moderation.settings import load

ROOT = Path(__file__).parent.parent
READY_SECONDS = 40.0
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Site:
    """What `moderation sites add --json` prints."""

    site: int
    api_key: str
    webhook_secret: str
    public_id: str


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def script(name: str) -> str:
    """A command of the very environment that runs us, such as `moderation` or `celery`."""
    return str(Path(sys.executable).with_name(name))


def environment(folder: Path, port: int, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without any settings of the product but these."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MODERATION_")}
    own = {
        "PORT": str(port),
        "MODERATION_DATA_DIR": str(folder),
        "MODERATION_ADMIN_EMAIL": "rani@warta.example",
        "MODERATION_ADMIN_PASSWORD": "kata-sandi-percobaan",
        "MODERATION_DELIVERY_ALLOW": "127.0.0.0/8",
        "MODERATION_SCORER": "builtin",
        "MODERATION_DEMO": "0",
        "MODERATION_GRACE_SECONDS": "0",  # what a person decides is told at once, and can be waited for
    }
    return {**inherited, **own, **(more or {})}


def add_site(env: Mapping[str, str], webhook_url: str | None = None, url: str = "http://warta.example") -> Site:
    """A site, made by the command line, which makes the database, too, where there is none; its policy minds no bursts:
    a load is one. Raises RuntimeError with what the command said."""
    command = [script("moderation"), "sites", "add", "--name", "Warta", "--url", url, "--json"]
    if webhook_url is not None:
        command += ["--webhook-url", webhook_url]
    site = Site(**json.loads(_run(env, command)))
    rules = {**DEFAULT_DOCUMENT, **dict.fromkeys(BURSTS, 0)}
    db = Database(load(env).database)
    with db.transaction() as session:  # a command would load half of the house for this one line
        policies.publish(session, site.site, rules, by="cli", now=utcnow())
    db.dispose()
    return site


def _run(env: Mapping[str, str], command: Sequence[str]) -> str:
    done = subprocess.run(command, env=dict(env), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:3])} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


@dataclass
class Product:
    """An installation in `folder`. `more` are settings of its own; its output goes to `log.txt` in the folder."""

    folder: Path
    port: int = field(default_factory=free_port)
    more: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> dict[str, str]:
        """The environment of its processes and of commands that are to find it."""
        return environment(self.folder, self.port, self.more)

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / "log.txt"

    @property
    def pid(self) -> int:
        """Process id of the running supervisor."""
        assert self.process is not None
        return self.process.pid

    def database(self) -> Database:
        """Its database, to look into; the caller disposes of it."""
        return Database(self.env.get("MODERATION_DATABASE_URL") or f"sqlite:///{self.folder / 'moderation.db'}")

    def start(self) -> None:
        """Start the supervisor; returns before anything is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [script("moderation"), "up"],
                env=self.env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C ends us, and we end it in order
            )

    def wait_ready(self, seconds: float = READY_SECONDS) -> float:
        """Wait for /readyz to answer 200; returns how long that took (s). Raises RuntimeError with the log's end."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            if self.process is not None and self.process.poll() is not None:
                break
            if answers(self.port, "/readyz"):
                return time.monotonic() - begun
            time.sleep(0.05)
        raise RuntimeError(f"the product is not ready after {seconds:.0f} s:\n{self.log.read_text()[-3000:]}")

    def children(self) -> dict[str, int]:
        """Process ids of the supervisor's children by name: `web`, else the queue that a worker serves."""
        found = {}
        for process in processes.children(self.pid):
            words = process.command.split()
            if "moderation.serve" in words:
                found["web"] = process.pid
            elif "-Q" in words:  # a child between fork and exec still carries the supervisor's command line
                found[words[words.index("-Q") + 1]] = process.pid
        return found

    def kill_supervisor(self, patience: float) -> float | None:
        """kill -9 the supervisor; seconds until its last descendant was gone, None when not within `patience`."""
        assert self.process is not None
        orphans = {process.pid for process in processes.descendants(self.pid)}
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()
        begun = time.monotonic()
        while time.monotonic() - begun < patience:
            if not orphans & {process.pid for process in processes.living()}:
                return time.monotonic() - begun
            time.sleep(0.02)
        return None

    def stop(self) -> None:
        """SIGTERM, and should that not end it, SIGKILL for it and all that it started."""
        if self.process is None:
            return
        family = [process.pid for process in processes.descendants(self.pid)]
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in (self.process.pid, *family):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
        self.process = None


def answers(port: int, path: str) -> bool:
    """Whether a local web server answers 200 just now."""
    client = Client(port, timeout=2)
    try:
        return client.request("GET", path).status == 200
    except OSError:
        return False
    finally:
        client.close()


def listens(port: int) -> bool:
    """Whether somebody takes connections at a local port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
