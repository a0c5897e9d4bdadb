"""A load generator that costs little beside what it measures: prepared requests over kept connections, one thread.

`closed` keeps every connection busy: requests per second. `paced` sends at a fixed rate and counts each answer from the
moment at which its request was due, so that a server that stalls cannot hide it (no coordinated omission).
"""

import math
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass
class Measured:
    """`waits`: seconds per answer, in order of arrival; `codes`: HTTP status → how many; `seconds` the run took."""

    waits: list[float] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.waits) / self.seconds if self.seconds else 0.0

    def quantile(self, share: float) -> float:
        """The wait (s) that `share` of the answers did not exceed (nearest rank); 0 without answers."""
        ordered = sorted(self.waits)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def request(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A whole POST request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class _Wire:
    socket: socket.socket
    due: float = 0.0
    busy: bool = False
    got: bytearray = field(default_factory=bytearray)


class Load:
    """Sends `requests` to a local port over up to `connections` kept connections."""

    def __init__(self, port: int, requests: Iterator[bytes], connections: int) -> None:
        self._port, self._requests = port, requests
        self._selector = selectors.DefaultSelector()
        self._wires = [self._connect() for _ in range(connections)]

    def closed(self, seconds: float) -> Measured:
        """Every connection sends its next request as soon as it has its answer, for `seconds`."""
        found, begun = Measured(), time.monotonic()
        for wire in self._wires:
            self._send(wire, time.monotonic())
        while any(wire.busy for wire in self._wires):
            for wire in self._answered(found, 1.0):
                if time.monotonic() - begun < seconds:
                    self._send(wire, time.monotonic())
        found.seconds = time.monotonic() - begun
        return found

    def paced(self, rate: float, seconds: float) -> Measured:
        """A request every 1/`rate` seconds, for `seconds`; one that finds no free connection waits, and that counts."""
        found, begun, sent = Measured(), time.monotonic(), 0
        total = int(rate * seconds)
        while sent < total or any(wire.busy for wire in self._wires):
            now = time.monotonic()
            free = [wire for wire in self._wires if not wire.busy]
            while sent < total and free and begun + sent / rate <= now:
                self._send(free.pop(), begun + sent / rate)
                sent += 1
            pause = max(0.0, begun + sent / rate - now) if sent < total and free else 1.0
            self._answered(found, pause)
        found.seconds = time.monotonic() - begun
        return found

    def close(self) -> None:
        """Hang up."""
        for wire in self._wires:
            wire.socket.close()
        self._selector.close()

    def _connect(self) -> _Wire:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = _Wire(connection)
        self._selector.register(connection, selectors.EVENT_READ, wire)
        return wire

    def _send(self, wire: _Wire, due: float) -> None:
        wire.due, wire.busy = due, True
        wire.got.clear()
        wire.socket.sendall(next(self._requests))

    def _answered(self, found: Measured, timeout: float) -> list[_Wire]:
        """Read what is there; the connections whose answer is complete now. Raises ConnectionError when one breaks."""
        done = []
        for key, _ in self._selector.select(timeout):
            wire: _Wire = key.data
            piece = wire.socket.recv(65536)
            if not piece:
                raise ConnectionError("the server hung up")
            wire.got += piece
            code = _complete(wire.got)
            if code:
                found.waits.append(time.monotonic() - wire.due)
                found.codes[code] += 1
                wire.busy = False
                done.append(wire)
        return done


def _complete(got: bytearray) -> int:
    """The status of an answer that is whole, else 0. Only answers with a Content-Length are understood."""
    head, blank, body = bytes(got).partition(b"\r\n\r\n")
    if not blank:
        return 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and len(body) >= int(value):
            return int(head.split(b" ", 2)[1])
    return 0
