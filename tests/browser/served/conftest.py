"""One running product, and its demo site's receiver, for all files of this folder: a start takes longer than a test.

A test here minds the comments of its own authors only; each file begins with an empty queue.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from bench import product as running
from moderation.accounts import sites
from moderation.accounts.models import Moderator
from moderation.comments.models import Comment
from moderation.db import utcnow
from moderation.delivery import endpoints
from moderation.review import decisions
from moderation.review.decisions import Decider

PASSWORD = "kata-sandi-percobaan"
"""That of bench.product.environment."""


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
class Product(running.Product):
    """A running installation whose demo site tells `receiver`."""

    receiver: Receiver = field(default_factory=Receiver)

    @property
    def base(self) -> str:
        """The address before every path."""
        return f"http://127.0.0.1:{self.port}"


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


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """`moderation up` in an empty folder."""
    more = {
        "MODERATION_DEMO": "1",
        "MODERATION_SCORER": "auto",
        "MODERATION_FORM_FLOOD_SECONDS": "0",  # one browser writes what five readers would
        "MODERATION_FORM_MIN_SECONDS": "0",  # and types faster than any of them
    }
    with listening() as receiver:
        made = Product(tmp_path_factory.mktemp("product"), more=more, receiver=receiver)
        try:
            made.start()
            made.wait_ready(90)
            db = made.database()
            with db.transaction() as session:
                site = sites.demo_site(session)
                assert site is not None
                endpoints.set_endpoint(session, site, receiver.url, utcnow())
                receiver.secret = sites.live_secrets(session, site.id)[0]
            db.dispose()
            yield made
        finally:
            made.stop()


@pytest.fixture(autouse=True, scope="module")
def _nobody_waits(product: Product) -> None:
    """Decide on what another file has left in the queue: it would stand before what this one writes."""
    db = product.database()
    with db.transaction() as session:
        by = Decider(session.scalars(select(Moderator).order_by(Moderator.id)).first())
        for comment in session.scalars(select(Comment).where(Comment.status == "HELD")).all():
            seen = comment.version
            decisions.decide(session, comment, "reject", by, seen_version=seen, now=utcnow(), reason="SPAM")
    db.dispose()
