"""A small HTTP client on one kept connection: what a site's server would use, with a cookie jar for the login form."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from standardwebhooks.webhooks import Webhook


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; `location` is where it sends the browser."""

    status: int
    body: bytes
    location: str = ""

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass
class Client:
    """One connection to a local port; `headers` go with every request. Not for several threads at once."""

    port: int
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 15.0
    cookies: dict[str, str] = field(default_factory=dict)
    _connection: http.client.HTTPConnection | None = None

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request. Raises OSError, and nothing else, when no whole answer came; the next call connects anew."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        sent = {**self.headers, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            self._connection.request(method, path, body, sent)
            response = self._connection.getresponse()
            content = response.read()
        except http.client.HTTPException as error:
            self.close()
            raise ConnectionError(repr(error)) from error
        except OSError:
            self.close()
            raise
        for line in response.headers.get_all("Set-Cookie", []):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        return Answer(response.status, content, response.headers.get("Location", ""))

    def post_json(self, path: str, value: Any) -> Answer:
        """POST a JSON body. Raises OSError."""
        return self.request("POST", path, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def post_form(self, path: str, values: Mapping[str, str]) -> Answer:
        """POST as a browser's form does. Raises OSError."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, urlencode(values).encode(), kind)

    def post_signed(self, path: str, secret: str, webhook_id: str, event: Any) -> Answer:
        """POST a Standard Webhooks event, signed now by the reference library. Raises OSError."""
        body, now = json.dumps(event, ensure_ascii=False), datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(webhook_id, now, body),
        }
        return self.request("POST", path, body.encode(), headers)

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def bearer(api_key: str) -> dict[str, str]:
    """The header with a site's key."""
    return {"Authorization": f"Bearer {api_key}"}
