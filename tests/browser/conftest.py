"""The running product and a site's receiver, for tests that use it as its users do."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import expect
from standardwebhooks.webhooks import Webhook

from moderation.accounts import sites
from moderation.db import Database, utcnow
from moderation.delivery import endpoints

PASSWORD = "kata-sandi-peramban"

expect.set_options(timeout=20_000)  # a busy machine is no failure; what must be quick says so itself


@dataclass
class Receiver:
    """A site's receiver: verifies with the reference library, keeps each comment's state of greatest sequence."""

    secret: str = ""
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    url: str = ""

    def take(self, headers: dict[str, str], body: bytes) -> int:
        try:
            event: Any = Webhook(self.secret).verify(body.decode(), headers)
        except Exception as error:  # whatever the library raises, the test must see it
            self.faults.append(repr(error))
            return 401
        data = event["data"]
        if data["sequence"] > self.states.get(data["id"], {"sequence": 0})["sequence"]:
            self.states[data["id"]] = data
        return 204


@dataclass
class Product:
    """A running installation."""

    base: str
    folder: Path
    receiver: Receiver

    def database(self) -> Database:
        return Database(f"sqlite:///{self.folder / 'moderation.db'}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def listening() -> Iterator[Receiver]:
    """A receiver on a free port."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(kept.take({key.lower(): value for key, value in self.headers.items()}, body))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running(folder: Path) -> Iterator[Product]:
    """`moderation up` in an empty folder; its demo site tells a receiver of ours."""
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MODERATION_")} | {
        "PORT": str(port),
        "MODERATION_DATA_DIR": str(folder),
        "MODERATION_ADMIN_EMAIL": "rani@warta.example",
        "MODERATION_ADMIN_PASSWORD": PASSWORD,
        "MODERATION_DELIVERY_ALLOW": "127.0.0.0/8",
        "MODERATION_GRACE_SECONDS": "0",  # a person's decision is told at once
        "MODERATION_FORM_FLOOD_SECONDS": "0",  # one browser writes what five readers would
        "MODERATION_FORM_MIN_SECONDS": "0",  # and types faster than any of them
    }
    command = [sys.executable, "-c", "from moderation.cli import main; main()", "up"]
    with listening() as receiver, (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        made = Product(f"http://127.0.0.1:{port}", folder, receiver)
        try:
            wait_until_ready(made, process)
            db = made.database()
            with db.transaction() as session:
                site = sites.demo_site(session)
                assert site is not None
                endpoints.set_endpoint(session, site, receiver.url, utcnow())
                receiver.secret = sites.live_secrets(session, site.id)[0]
            db.dispose()
            yield made
        finally:
            process.terminate()
            process.wait(20)


def wait_until_ready(made: Product, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{made.base}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, (made.folder / "log.txt").read_text()
            time.sleep(0.1)
    raise AssertionError("not ready in 90 s: " + (made.folder / "log.txt").read_text())
