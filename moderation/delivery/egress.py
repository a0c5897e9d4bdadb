"""The one way out: every request that this service makes to somebody else's address goes through `send`.

Against server-side request forgery the name is resolved once, every address is checked, and the connection is made to
the checked address itself, so that a name server that answers differently the second time changes nothing. No
redirect, no proxy from the environment, a bounded read, and one deadline over all: name, connect, TLS, head and body.
"""

import contextlib
import email.utils
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from moderation.delivery import addresses
from moderation.delivery.addresses import Refused, Target

MAX_ADDRESSES = 6
"""Addresses of one name that are tried before the attempt counts as failed."""
_DRAIN_SECONDS = 1.0  # the status is known by then; reading on is a courtesy that spares the receiver a reset
_RESERVED = frozenset({"host", "content-length", "connection", "accept-encoding", "transfer-encoding"})
_USER_AGENT = "comment-moderation"
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt.

    `status` is the HTTP status, or None when there was none; `error` is one clause for the list of deliveries, empty
    on success; `retry_after` (s) is the receiver's wish; `milliseconds` the whole attempt took; `refused` is true when
    we did not connect, because the address or its scheme is not allowed.
    """

    status: int | None
    error: str
    retry_after: float | None
    milliseconds: int
    refused: bool = False

    @property
    def delivered(self) -> bool:
        """Only 2xx counts as told; a redirect does not."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver wants nothing any more (410): Standard Webhooks asks the sender to stop."""
        return self.status == 410


class _Failed(Exception):
    """The attempt ended without an HTTP status; the message is the clause for `Answer.error`."""


class _Deadline:
    """A point in time, and a watchdog that cuts the connection when it comes.

    Socket timeouts count from byte to byte, so a receiver that drips would hold a worker for ever; and a shutdown from
    another thread wakes every blocking call, inside TLS too. The watchdog holds a duplicate of the descriptor:
    wrapping a socket in TLS moves the original away.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._guard: socket.socket | None = None

    def left(self) -> float:
        """Seconds that remain. Raises _Failed when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise _Failed(self.sentence)
        return left

    @property
    def over(self) -> bool:
        """Whether the time is up; socket timeouts set to the rest end within milliseconds of it."""
        return self.passed or time.monotonic() > self._end - 0.05

    @property
    def sentence(self) -> str:
        """What to say when the time is up."""
        return f"no answer within {self.seconds:g} s"

    @contextlib.contextmanager
    def watch(self, connection: socket.socket) -> Iterator[None]:
        """Cut `connection` when the time is up, unless the block is left before."""
        self._guard = connection.dup()
        timer = threading.Timer(self.left(), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self._lock:
                self._guard.close()
                self._guard = None

    def _cut(self) -> None:
        with self._lock:
            if self._guard is not None:
                self.passed = True
                with contextlib.suppress(OSError):  # the other side was quicker
                    self._guard.shutdown(socket.SHUT_RDWR)


def send(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow: Sequence[str],
    timeout: float,
    max_read: int = 65536,
) -> Answer:
    """POST `body` to `url` and say what came of it, within `timeout` seconds for everything together.

    `allow` names networks (CIDR) that may be reached although they are not public, by plain http too; everything else
    must be a public address behind https with a valid certificate. At most `max_read` bytes of the answer's body are
    read, and thrown away. Never raises for what the network or the receiver does; ValueError only for header names or
    values that cannot be sent, which is the caller's mistake.
    """
    started = time.monotonic()
    deadline = _Deadline(timeout)
    status: int | None = None
    retry_after: float | None = None
    error, refused = "", False
    try:
        target = addresses.parse(url)
        checked = addresses.check(target, addresses.resolve(target, deadline.left()), allow)
        status, retry_after = _exchange(target, checked, body, headers, deadline, max_read)
        error = _complaint(status)
    except Refused as reason:
        error, refused = f"refused: {reason}", True
    except (_Failed, addresses.NotResolved) as reason:
        error = str(reason)
    except (OSError, http.client.HTTPException) as reason:
        error = deadline.sentence if deadline.over else _clause(reason)
    return Answer(status, error, retry_after, round((time.monotonic() - started) * 1000), refused)


def _exchange(
    target: Target,
    checked: Sequence[str],
    body: bytes,
    headers: Mapping[str, str],
    deadline: _Deadline,
    max_read: int,
) -> tuple[int, float | None]:
    connection = _connect(target, checked, deadline)
    try:
        with deadline.watch(connection):
            if target.secure:
                connection.settimeout(deadline.left())
                connection = tls_context().wrap_socket(connection, server_hostname=target.host)
            return _talk(connection, target, body, headers, deadline, max_read)
    finally:
        connection.close()


def _connect(target: Target, checked: Sequence[str], deadline: _Deadline) -> socket.socket:
    """A TCP connection to the first checked address that takes one; each gets its share of the time left."""
    problem = "no address"
    tried = checked[:MAX_ADDRESSES]
    for position, address in enumerate(tried):
        share = deadline.left() / (len(tried) - position)
        try:
            return socket.create_connection((address, target.port), timeout=share)
        except OSError as error:
            problem = _clause(error)
    raise _Failed(deadline.sentence if deadline.over else problem)


def _talk(
    connection: socket.socket,
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    deadline: _Deadline,
    max_read: int,
) -> tuple[int, float | None]:
    connection.settimeout(deadline.left())
    client = http.client.HTTPConnection(target.host, target.port)
    client.auto_open = 0  # this socket goes to the checked address; http.client must never open another
    client.sock = connection
    client.putrequest("POST", target.path, skip_host=True, skip_accept_encoding=True)
    client.putheader("Host", target.authority)
    client.putheader("Content-Length", str(len(body)))
    client.putheader("Accept-Encoding", "identity")
    client.putheader("Connection", "close")
    given = {name.lower() for name in headers}
    for name, value in headers.items():
        if name.lower() not in _RESERVED:
            client.putheader(name, value)
    if "user-agent" not in given:
        client.putheader("User-Agent", _USER_AGENT)
    try:
        client.endheaders(body)
    except (BrokenPipeError, ConnectionResetError):
        # A receiver may answer and close before it has read everything (413, 401): its answer is still worth reading.
        if deadline.passed:
            raise
    response = http.client.HTTPResponse(connection, method="POST")
    response.begin()
    if deadline.passed:  # http.client takes the end that the watchdog made for the end of the headers
        raise _Failed(deadline.sentence)
    try:
        retry_after = _retry_after(response.getheader("Retry-After"))
        _drain(response, connection, deadline, max_read)
    finally:
        response.close()
    return response.status, retry_after


def _drain(response: http.client.HTTPResponse, connection: socket.socket, deadline: _Deadline, max_read: int) -> None:
    """Read the body away, a little. The status has been said: nothing that happens here can change the outcome."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, _Failed):
        end = time.monotonic() + min(_DRAIN_SECONDS, deadline.left())
        while max_read > 0 and (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            piece = response.read1(min(max_read, 8192))
            if not piece:
                return
            max_read -= len(piece)


def _retry_after(value: str | None) -> float | None:
    """Seconds from now, of the header's two forms (RFC 9110 §10.2.3); None when it is neither."""
    if value is None:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return max(0.0, moment.timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _complaint(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"answered {status}; redirects are not followed"
    return f"answered {status}"


def _clause(error: Exception) -> str:
    """A failure of network or protocol in words for the list of deliveries."""
    if isinstance(error, TimeoutError):
        return "the connection timed out"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {error.reason or 'the connection was closed'}"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the receiver closed the connection without an answer"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "the receiver cut the connection"
    if isinstance(error, http.client.HTTPException):
        return f"the answer is not HTTP ({type(error).__name__})"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


_context: ssl.SSLContext | None = None


def tls_context() -> ssl.SSLContext:
    """The verifying TLS context, made once: reading the system's certificates takes tens of milliseconds."""
    global _context
    if _context is None:
        _context = ssl.create_default_context()
    return _context
