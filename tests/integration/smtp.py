"""A tiny mail server on loopback for tests: keeps what it takes, and answers as badly as it is told to."""

import contextlib
import email
import email.policy
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import cast


class MailBox(socketserver.ThreadingTCPServer):
    """What arrived (`messages`, with envelope recipients), and how the server behaves."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.messages: list[tuple[list[str], EmailMessage]] = []
        self.commands: list[str] = []
        self.features: tuple[str, ...] = ()
        self.replies: dict[str, str] = {}
        """Verb → what is answered instead of yes."""
        self.refused: set[str] = set()
        self.tls: ssl.SSLContext | None = None
        self.implicit = False

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}?tls=none"

    @property
    def texts(self) -> list[str]:
        return [message.get_content() for _, message in self.messages]

    @property
    def subjects(self) -> list[str]:
        return [str(message["subject"]) for _, message in self.messages]


class Conversation(socketserver.StreamRequestHandler):
    """One connection."""

    server: MailBox

    def secure(self) -> None:
        """Go on in TLS."""
        assert self.server.tls is not None
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)

    def handle(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # the client does not trust us and hangs up
            self.converse()

    def converse(self) -> None:
        if self.server.implicit:
            self.secure()
        if not self.say(self.server.replies.get("CONNECT", "220 ready")):
            return
        to: list[str] = []
        while line := self.rfile.readline():
            text = line.decode().strip()
            self.server.commands.append(text)
            verb = text.split(" ")[0].upper()
            if verb in self.server.replies:
                if not self.say(self.server.replies[verb]):
                    return
            elif verb == "EHLO":
                lines = ["mail.test", *self.server.features]
                self.say("\r\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines))
            elif verb == "AUTH":
                self.say("235 welcome")
            elif verb == "STARTTLS":
                self.say("220 go on")
                self.secure()
            elif verb == "RCPT":
                who = text.partition("<")[2].partition(">")[0]
                if who in self.server.refused:
                    self.say("550 no such mailbox")
                else:
                    to.append(who)
                    self.say("250 fine")
            elif verb == "DATA":
                self.say("354 go on")
                self.server.messages.append((to, self.read()))
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def say(self, text: str) -> bool:
        """Answer; an empty answer means to hang up."""
        if text:
            self.wfile.write(text.encode() + b"\r\n")
        return bool(text)

    def read(self) -> EmailMessage:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        return cast("EmailMessage", email.message_from_bytes(b"".join(lines), policy=email.policy.default))


@contextmanager
def mail_box() -> Iterator[MailBox]:
    """A running mail server."""
    with MailBox() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
