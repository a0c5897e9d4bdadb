"""A site's receiver of `comment.decided`: verifies with the reference library and writes down all that it heard."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True, slots=True)
class Heard:
    """One event as it arrived."""

    event_id: str
    comment_id: str
    external_id: str
    sequence: int
    status: str


@dataclass
class Receiver:
    """What a site knows from its webhook alone. `heard` is in order of arrival; `faults` were answered with 401."""

    secret: str = ""
    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Verify and note one request; returns the status to answer."""
        try:
            data: Any = Webhook(self.secret).verify(body.decode(), headers)["data"]
            noted = Heard(data["event_id"], data["id"], data["external_id"], data["sequence"], data["status"])
            if headers.get("webhook-id") != noted.event_id:
                raise ValueError("the webhook-id differs from the event_id")
        except (WebhookVerificationError, ValueError, KeyError, TypeError) as error:
            self.faults.append(f"{type(error).__name__}: {error}")
            return 401
        self.heard.append(noted)
        return 204


@contextmanager
def listening() -> Iterator[Receiver]:
    """A receiver on a free loopback port; set its `secret` before the first event comes."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(kept.take({key.lower(): value for key, value in self.headers.items()}, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
