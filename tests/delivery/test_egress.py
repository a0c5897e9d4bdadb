"""The one way out: hostile receivers cost at most the deadline, and what they say afterwards changes nothing."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moderation.delivery import addresses, egress
from moderation.delivery.egress import Answer, send

Script = Callable[[socket.socket], None]


class Receiver:
    """Listens on loopback and plays `script` on every connection; remembers what it was sent."""

    def __init__(self, script: Script, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.script = script
        self.connections = 0
        self.requests: list[bytes] = []
        self.listener = socket.socket(family)
        self.listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.listener.listen(16)
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._play, args=(connection,), daemon=True).start()

    def _play(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            self.requests.append(read_request(connection))
            self.script(connection)


@contextlib.contextmanager
def receiver(script: Script, family: socket.AddressFamily = socket.AF_INET) -> Iterator[Receiver]:
    """A receiver for the time of the block."""
    opened = Receiver(script, family)
    try:
        yield opened
    finally:
        with contextlib.suppress(OSError):
            opened.listener.shutdown(socket.SHUT_RDWR)
        opened.listener.close()


def read_request(connection: socket.socket) -> bytes:
    """One request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


def says(answer: bytes) -> Script:
    """Answers with these bytes and closes."""
    return lambda connection: connection.sendall(answer)


def status(code: int, *headers: str) -> Script:
    """Answers with a status, headers and no body."""
    lines = [f"HTTP/1.1 {code} Whatever", *headers, "Content-Length: 0", "", ""]
    return says("\r\n".join(lines).encode())


def drips(start: bytes, pause: float = 0.02) -> Script:
    """Sends `start`, then one byte after another without an end."""

    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            time.sleep(pause)
            connection.sendall(b"x")

    return script


def floods(start: bytes) -> Script:
    """Sends `start`, then as much as the other side takes."""

    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"x" * 65536)

    return script


def silent(connection: socket.socket) -> None:
    """Never answers."""
    with contextlib.suppress(OSError):
        connection.recv(1)


def closes(connection: socket.socket) -> None:
    """Closes without a word."""
    connection.shutdown(socket.SHUT_RDWR)


LOOPBACK = ("127.0.0.0/8", "::1/128")
HEAD = b"HTTP/1.1 200 OK\r\n"


def post(url: str, *, timeout: float = 2.0, allow: tuple[str, ...] = LOOPBACK, body: bytes = b"{}") -> Answer:
    return send(url, body, {"Content-Type": "application/json"}, allow=allow, timeout=timeout)


def test_a_receiver_that_takes_the_message_is_told_with_our_headers_and_bytes() -> None:
    body = '{"text": "komentar 😀"}'.encode()
    with receiver(status(204)) as site:
        answer = send(f"{site.url}?a=b c".replace(" ", "%20"), body, {"webhook-id": "m1"}, allow=LOOPBACK, timeout=2)
    assert (answer.status, answer.error, answer.delivered) == (204, "", True)
    head, _, sent = site.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?a=b%20c HTTP/1.1"
    assert f"Host: 127.0.0.1:{site.port}" in lines
    assert "webhook-id: m1" in lines
    assert "Accept-Encoding: identity" in lines
    assert "Connection: close" in lines
    assert f"Content-Length: {len(body)}" in lines
    assert sent == body


def test_the_caller_cannot_override_the_headers_that_carry_the_message() -> None:
    headers = {"Host": "internal", "content-length": "0", "Transfer-Encoding": "chunked", "User-Agent": "mine"}
    with receiver(status(200)) as site:
        assert send(site.url, b"{}", headers, allow=LOOPBACK, timeout=2).delivered
    head = site.requests[0].lower()
    assert b"internal" not in head
    assert b"chunked" not in head
    assert head.count(b"content-length") == 1
    assert head.count(b"user-agent: mine") == 1


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(code: int) -> None:
    with receiver(status(200)) as other, receiver(status(code, f"Location: {other.url}")) as site:
        answer = post(site.url)
        time.sleep(0.05)
    assert (answer.status, answer.delivered) == (code, False)
    assert "redirect" in answer.error
    assert other.connections == 0


@pytest.mark.parametrize("code", [400, 404, 410, 413, 429, 500, 503])
def test_any_other_status_than_2xx_is_a_failure_with_its_status(code: int) -> None:
    with receiver(status(code)) as site:
        answer = post(site.url)
    assert (answer.status, answer.error, answer.delivered, answer.refused) == (code, f"answered {code}", False, False)
    assert answer.gone == (code == 410)


@pytest.mark.parametrize(("value", "seconds"), [("17", 17), (" 0 ", 0), ("-1", None), ("1.5", None), ("soon", None)])
def test_retry_after_in_seconds_is_reported(value: str, seconds: float | None) -> None:
    with receiver(status(503, f"Retry-After: {value}")) as site:
        assert post(site.url).retry_after == seconds


def test_retry_after_as_a_date_is_reported_in_seconds_from_now() -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 90))
    with receiver(status(429, f"Retry-After: {date}")) as site:
        assert post(site.url).retry_after == pytest.approx(90, abs=2)
    with receiver(status(429, "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT")) as site:
        assert post(site.url).retry_after == 0


@pytest.mark.parametrize(
    "script",
    [silent, drips(b""), drips(HEAD), drips(HEAD + b"X-Slow: "), drips(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2")],
    ids=["silent", "drips a status", "drips a header name", "drips a header value", "drips after 100"],
)
def test_a_receiver_that_never_comes_to_the_point_costs_the_deadline_and_no_more(script: Script) -> None:
    with receiver(script) as site:
        started = time.monotonic()
        answer = post(site.url, timeout=0.5)
        took = time.monotonic() - started
    assert (answer.status, answer.error) == (None, "no answer within 0.5 s")
    assert 0.4 < took < 0.9
    assert answer.milliseconds == pytest.approx(took * 1000, abs=100)


@pytest.mark.parametrize(
    "script",
    [
        drips(HEAD + b"Content-Length: 1000000\r\n\r\n"),
        drips(HEAD + b"\r\n"),
        drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
        floods(HEAD + b"\r\n"),
        says(HEAD + b"Content-Length: 100\r\n\r\nshort"),
        says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
    ],
    ids=["drip", "drip without length", "drip in chunks", "endless", "cut short", "broken chunks"],
)
def test_once_200_is_said_no_body_can_undo_it_or_hold_us(script: Script) -> None:
    with receiver(script) as site:
        answer = post(site.url, timeout=0.6)
    assert (answer.status, answer.error) == (200, "")
    assert answer.milliseconds < 900


def test_at_most_the_given_number_of_bytes_is_read() -> None:
    taken = 0

    def script(connection: socket.socket) -> None:
        nonlocal taken
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.sendall(HEAD + b"\r\n")
        while True:
            taken += connection.send(b"x" * 4096)

    with receiver(script) as site:
        answer = send(site.url, b"{}", {}, allow=LOOPBACK, timeout=2, max_read=1000)
    assert answer.delivered
    assert taken < 16 * 1024 * 1024  # what the kernel's buffers hold, not what the receiver would send in 2 s


@pytest.mark.parametrize(
    ("script", "word"),
    [
        (closes, "closed the connection"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "not HTTP"),
        (says(b"HTTP/1.1 abc Nonsense\r\n\r\n"), "not HTTP"),
        (says(HEAD + b"X-Huge: " + b"x" * 200_000 + b"\r\n\r\n"), "not HTTP"),
        (says(HEAD + b"X-Many: x\r\n" * 5000 + b"\r\n"), "not HTTP"),
        (floods(HEAD + b"X-Endless: "), "not HTTP"),
    ],
)
def test_an_answer_that_is_no_http_is_a_failure_without_status(script: Script, word: str) -> None:
    with receiver(script) as site:
        answer = post(site.url)
    assert answer.status is None
    assert word in answer.error
    assert not answer.refused


def test_a_closed_port_is_a_failure() -> None:
    with receiver(status(200)) as site:
        port = site.port
    answer = post(f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.error) == (None, "the connection was refused")


def test_a_receiver_that_answers_before_it_has_read_everything_is_heard() -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        time.sleep(0.2)

    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        connection, _ = listener.accept()
        with connection:
            script(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    answer = post(f"http://127.0.0.1:{listener.getsockname()[1]}/", body=b"x" * 200_000)
    thread.join(2)
    listener.close()
    assert answer.status == 413


def test_a_receiver_that_never_reads_costs_the_deadline() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    answer = post(f"http://127.0.0.1:{listener.getsockname()[1]}/", body=b"x" * 20_000_000, timeout=0.4)
    listener.close()
    assert answer.status is None
    assert answer.error == "no answer within 0.4 s"
    assert answer.milliseconds < 800


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(status(200)) as proxy, receiver(status(204)) as site:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(site.url).status == 204
        assert proxy.connections == 0


def test_no_thread_is_left_behind() -> None:
    def watchdogs() -> int:
        return sum(isinstance(thread, threading.Timer) for thread in threading.enumerate())

    with receiver(status(200)) as site:
        for _ in range(5):
            assert post(site.url, timeout=5).delivered
    until = time.monotonic() + 1.0  # far less than the deadline that a forgotten watchdog would sit out
    while watchdogs() and time.monotonic() < until:
        time.sleep(0.01)
    assert watchdogs() == 0


def answers(monkeypatch: pytest.MonkeyPatch, *rounds: list[str]) -> list[str]:
    """Make the resolver give these answers, one a call; returns the names that were asked for."""
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return rounds[min(len(asked), len(rounds)) - 1]

    monkeypatch.setattr(addresses, "lookup", lookup)
    return asked


def test_when_the_first_address_is_dead_the_next_one_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(status(200)) as site:
        answers(monkeypatch, ["127.0.0.9", "127.0.0.8", "127.0.0.1"])
        assert post(f"http://news.example:{site.port}/").delivered
    assert f"Host: news.example:{site.port}".encode() in site.requests[0]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and key for `news.example`, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "news.pem"
    key = path.with_suffix(".key")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=news.example"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=DNS:news.example", "-keyout", str(key), "-out", str(path)],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver behind TLS as `news.example`, whose certificate our context trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setattr(egress, "_context", ssl.create_default_context(cafile=str(certificate)))
    with receiver(status(200)) as site:
        plain = site._play

        def play(connection: socket.socket) -> None:
            try:
                wrapped = context.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                return
            plain(wrapped)

        site._play = play  # type: ignore[method-assign]
        yield site


def test_the_certificate_must_be_of_the_name_and_trusted(secure: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["127.0.0.1"])
    assert post(f"https://news.example:{secure.port}/").delivered
    other = post(f"https://other.example:{secure.port}/")
    assert other.status is None
    assert "certificate is not valid" in other.error
    monkeypatch.setattr(egress, "_context", None)
    untrusted = post(f"https://news.example:{secure.port}/")
    assert "certificate is not valid" in untrusted.error
    assert len(secure.requests) == 1


def test_a_receiver_that_is_silent_in_the_tls_handshake_costs_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["127.0.0.1"])
    listener = socket.create_server(("127.0.0.1", 0))
    answer = post(f"https://news.example:{listener.getsockname()[1]}/", timeout=0.4)
    listener.close()
    assert answer.error == "no answer within 0.4 s"
    assert answer.milliseconds < 800


def test_a_receiver_that_drips_under_tls_is_cut_at_the_deadline(
    secure: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, ["127.0.0.1"])
    secure.script = drips(HEAD + b"X-Slow: ")
    answer = post(f"https://news.example:{secure.port}/", timeout=0.5)
    assert answer.error == "no answer within 0.5 s"
    assert answer.milliseconds < 900


def test_a_receiver_that_speaks_no_tls_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["127.0.0.1"])
    listener = socket.create_server(("127.0.0.1", 0))

    def plain() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=plain, daemon=True).start()
    answer = post(f"https://news.example:{listener.getsockname()[1]}/")
    listener.close()
    assert answer.status is None
    assert "TLS" in answer.error
