"""A site's server, a moderator in a browser without JavaScript, and patience: what the flow tests are written in."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.client import Answer, Client, bearer
from bench.product import Site

EMAIL, PASSWORD = "rani@warta.example", "kata-sandi-percobaan"
"""Those of bench.product.environment."""

FRIENDLY = "Terima kasih, artikelnya jelas dan bermanfaat sekali."
INSULT = "Dasar goblok, wartawan anjing, mati aja lo"

Found = TypeVar("Found")


def eventually(what: str, look: Callable[[], Found | None], seconds: float = 20.0) -> Found:
    """The first truthy answer of `look`, asked again and again; fails naming `what` after `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not in {seconds:.0f} s: {what}")


@dataclass
class SiteServer:
    """The site's own server, which sends comments with its key."""

    port: int
    site: Site

    def post(self, external_id: str, text: str) -> str:
        """Send a comment; returns our id of it."""
        answer = self._client().post_json(
            "/api/v1/comments",
            {
                "external_id": external_id,
                "story": {"external_id": "s1", "url": "http://warta.example/s1", "title": "Sebuah artikel"},
                "author": {"name": "Sari", "email": "sari@contoh.example"},
                "text": text,
            },
        )
        assert answer.status == 202, answer.text
        return str(answer.json()["id"])

    def state(self, comment_id: str) -> dict[str, Any]:
        """The comment as the API shows it."""
        answer = self._client().request("GET", f"/api/v1/comments/{comment_id}")
        assert answer.status == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def judged(self, comment_id: str, seconds: float = 20.0) -> dict[str, Any]:
        """The comment once it is no longer pending."""

        def look() -> dict[str, Any] | None:
            state = self.state(comment_id)
            return None if state["status"] == "PENDING" else state

        return eventually(f"comment {comment_id} is judged", look, seconds)

    def becomes(self, comment_id: str, status: str, seconds: float = 20.0) -> None:
        """Wait for a status."""
        eventually(f"comment {comment_id} is {status}", lambda: self.state(comment_id)["status"] == status, seconds)

    def _client(self) -> Client:
        return Client(self.port, {**bearer(self.site.api_key), "Connection": "close"})


@dataclass
class Browser:
    """A moderator's browser: cookies, forms as they stand in the page, no JavaScript."""

    port: int
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.port, {"Accept": "text/html", "Connection": "close"})

    def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> None:
        """Through the form of /login."""
        page = self.client.request("GET", "/login")
        sent = self.client.post_form(
            "/login", {"csrf_token": hidden(page, "csrf_token"), "email": email, "password": password}
        )
        assert (sent.status, sent.location) == (303, "/queue"), sent.text

    def page(self, path: str) -> str:
        """A page that must be there."""
        answer = self.client.request("GET", path)
        assert answer.status == 200, (answer.status, answer.location)
        return answer.text

    def decide(self, comment_id: str, **button: str) -> None:
        """Press a button on the comment's own page: decision="approve", or reject="SPAM"."""
        page = self.client.request("GET", f"/queue/{comment_id}")
        assert page.status == 200, page.text
        form = {name: hidden(page, name) for name in ("csrf_token", "seen_version")}
        sent = self.client.post_form(f"/queue/{comment_id}/decision", {**form, "back": "comment", **button})
        assert sent.status == 303, sent.text


def hidden(page: Answer, name: str) -> str:
    """The value of a hidden field, where the page has it in the form that counts: the last one."""
    found = re.findall(rf'<input type="hidden" name="{name}" value="([^"]*)"', page.text)
    assert found, f"the page has no field {name}"
    return str(found[-1])
