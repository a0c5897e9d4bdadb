"""Clients that keep sending until everything is accepted, however often the server dies under them."""

import random
import threading
import time
from collections.abc import Sequence

from bench.checker import Ledger
from bench.client import Client, bearer
from bench.comments import Made

GIVE_UP_SECONDS = 60.0
"""A comment that was not accepted after this long counts as lost."""
PAUSE_SECONDS = 0.1


class Load:
    """`threads` clients sending `made` in order, as far as the gate is open; answers go into the ledger."""

    def __init__(self, port: int, api_key: str, made: Sequence[Made], ledger: Ledger, *, threads: int, seed: int):
        self._made, self._ledger = made, ledger
        self._next, self._limit = 0, 0
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(
                target=self._send_all,
                args=(Client(port, bearer(api_key)), random.Random(seed + number)),
                name=f"client-{number}",
                daemon=True,
            )
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start the clients; the gate is still shut."""
        for thread in self._threads:
            thread.start()

    def open_to(self, limit: int) -> None:
        """Let the first `limit` comments through the gate."""
        with self._changed:
            self._limit = max(self._limit, limit)
            self._changed.notify_all()

    def wait_for(self, accepted: int, seconds: float) -> bool:
        """Wait until so many are accepted; False when it takes longer than `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._ledger.acked) >= accepted, seconds)

    def join(self) -> None:
        """Wait until every client has sent or given up what it had to."""
        for thread in self._threads:
            thread.join()

    def _send_all(self, client: Client, rand: random.Random) -> None:
        while (item := self._take()) is not None:
            self._send(client, item)
            time.sleep(PAUSE_SECONDS * rand.random() * 2)
        client.close()

    def _take(self) -> Made | None:
        with self._changed:
            self._changed.wait_for(lambda: self._next < self._limit or self._next >= len(self._made))
            if self._next >= len(self._made):
                return None
            item = self._made[self._next]
            self._next += 1
            self._changed.notify_all()
            self._ledger.sent[item.external_id] = item.text
            return item

    def _send(self, client: Client, item: Made) -> None:
        until = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < until:
            try:
                answer = client.post_json("/api/v1/comments", item.body())
                code = str(answer.status)
            except OSError as error:
                answer, code = None, type(error).__name__
            with self._changed:
                self._ledger.answers[code] += 1
                if answer is not None and answer.status in (200, 202):
                    self._ledger.acked[item.external_id] = answer.json()["id"]
                    self._changed.notify_all()
            if answer is not None and answer.status < 500:
                return
            time.sleep(PAUSE_SECONDS)
