"""Nudges by files: a kombu transport for one machine without a broker. Imports kombu only.

The stock filesystem transport lets a reader take a half-written file, shares one folder among all queues, names files
by a clock that restarts with the machine, and keeps exchanges in files that are written in place. Here every queue has
a folder of its own, a message appears by rename and therefore whole, names follow the wall clock, and a message is
routed straight to the queue of its name, so that there is no table to break.

A message says only "look at what is due". So it may be lost (kill -9 loses what was taken) or doubled, and a folder
that already holds enough of them takes no more.
"""

# kombu declares its types only in part, and a subclass cannot but call into it.
# mypy: disallow-untyped-calls=False

import itertools
import json
import logging
import os
import re
import time
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual

log = logging.getLogger(__name__)

ALIAS = "nudgefs"
MAX_DEPTH = 1000
"""Messages that a queue holds at most; a further one says nothing new and is dropped."""
POLL_SECONDS = 0.02
SLICE_SECONDS = 0.2
_STALE_SECONDS = 60  # age after which a `.part` belongs to a producer that died
_QUEUE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_counter = itertools.count()


def register() -> None:
    """Make `nudgefs://` known to kombu in this process; again is harmless."""
    TRANSPORT_ALIASES[ALIAS] = f"{__name__}:Transport"


def transport_options(
    data_dir: Path, *, polling_interval: float = POLL_SECONDS, max_depth: int = MAX_DEPTH
) -> dict[str, Any]:
    """Celery's `broker_transport_options` for queues under `<data_dir>/broker/<queue>/`.

    `polling_interval` is the sleep (s) between two looks into an empty folder: it bounds how late a nudge is seen.
    """
    return {"folder": str(data_dir / "broker"), "polling_interval": polling_interval, "max_depth": max_depth}


class Channel(virtual.Channel):
    """Queues as folders of JSON files; see the module for what it promises."""

    supports_fanout = False

    def _folder(self, queue: str) -> Path:
        if not _QUEUE_NAME.fullmatch(queue):
            raise ValueError(f"{queue!r} cannot be the name of a queue and its folder")
        return Path(self.connection.client.transport_options["folder"]) / queue

    def _new_queue(self, queue: str, **_kwargs: Any) -> None:
        self._folder(queue).mkdir(parents=True, exist_ok=True, mode=0o700)

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        """Every exchange is direct, and the routing key names the queue."""
        del exchange
        name = routing_key or default or self.deadletter_queue
        return [name] if name else []

    def basic_publish(self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any) -> None:
        """Write the message into the folder of its routing key. Raises OSError when it cannot be written."""
        self._inplace_augment_message(message, exchange, routing_key)
        for queue in self._lookup(exchange, routing_key):
            self._put(queue, message, **kwargs)

    def basic_consume(self, queue: str, *args: Any, **kwargs: Any) -> None:
        """Consume from `queue`; first sweeps away what dead producers left half-written."""
        folder = self._folder(queue)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in folder.glob("*.part"):
            try:
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()
            except OSError:  # its producer, or another consumer, was quicker
                continue
        super().basic_consume(queue, *args, **kwargs)

    def _put(self, queue: str, message: dict[str, Any], **_kwargs: Any) -> None:
        folder = self._folder(queue)
        if self._size(queue) >= self.connection.client.transport_options.get("max_depth", MAX_DEPTH):
            return
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(_counter):08d}"
        part = folder / f"{name}.part"
        text = json.dumps(message)
        try:
            _write(part, text)
        except FileNotFoundError:  # the first message of this queue
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(part, text)
        try:
            part.rename(folder / f"{name}.msg")
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        del timeout
        folder = self._folder(queue)
        for name in sorted(self._names(queue)):
            path = folder / name
            taken = path.with_suffix(f".{os.getpid()}.part")
            try:
                path.rename(taken)  # only one consumer's rename succeeds
                content = taken.read_bytes()
                taken.unlink()
            except OSError:
                continue
            message = self._read(content)
            if message is not None:
                return message
            log.warning("A file that is no message was removed from queue %s.", queue)
        raise Empty

    def _read(self, content: bytes) -> dict[str, Any] | None:
        """The message, or None for anything that would make the consumer stumble."""
        try:
            message = json.loads(content)
            properties = message["properties"]
            if not isinstance(properties["delivery_tag"], str) or not isinstance(properties["delivery_info"], dict):
                return None
            self.decode_body(message["body"], properties.get("body_encoding"))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return message if isinstance(message.get("headers"), dict) else None

    def _names(self, queue: str) -> list[str]:
        try:
            return [name for name in os.listdir(self._folder(queue)) if name.endswith(".msg")]
        except FileNotFoundError:
            return []

    def _size(self, queue: str) -> int:
        return len(self._names(queue))

    def _purge(self, queue: str) -> int:
        removed = 0
        for name in self._names(queue):
            try:
                (self._folder(queue) / name).unlink()
            except OSError:  # taken by a consumer
                continue
            removed += 1
        return removed

    def _delete(self, queue: str, *_args: Any, **_kwargs: Any) -> None:
        # The folder stays: removing it under a living consumer would lose what arrives meanwhile.
        self._purge(queue)

    def _has_queue(self, queue: str, **_kwargs: Any) -> bool:
        return self._folder(queue).is_dir()


class Transport(virtual.Transport):
    """kombu's face of `Channel`: polled, without fan-out, hence without remote control, gossip and events."""

    Channel = Channel
    driver_type = "filesystem"
    driver_name = ALIAS
    polling_interval = POLL_SECONDS
    implements = virtual.Transport.implements.extend(asynchronous=False, exchange_type=frozenset(["direct"]))

    def drain_events(self, connection: Any, timeout: float | None = None, **_kwargs: Any) -> None:
        """Deliver one message, or raise TimeoutError after `timeout` seconds, at most SLICE_SECONDS.

        Celery's blocking loop asks whether it should stop only between two calls, and would wait 2 s in each.
        """
        super().drain_events(connection, timeout=None if timeout is None else min(timeout, SLICE_SECONDS))

    def driver_version(self) -> str:
        """There is no driver, hence no version."""
        return "N/A"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except FileNotFoundError:
        raise
    except OSError:
        path.unlink(missing_ok=True)
        raise
