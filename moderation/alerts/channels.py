"""The ways out of an alert: e-mail by SMTP, and a Slack-shaped webhook. Each says what came of it and never raises."""

import contextlib
import json
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Protocol
from urllib.parse import urlsplit

from moderation.alerts.sentences import Message
from moderation.delivery import egress
from moderation.settings import MailServer, Settings, mail_server

STEP_SECONDS = 10.0
"""What each exchange with the mail server may take."""
TOTAL_SECONDS = 30.0
"""What a message may take in all, so that a server that drips does not hold us for ever."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`sent`: somebody took the message. `note`: why not, or what was amiss although it was sent; one clause."""

    sent: bool
    note: str = ""


class Channel(Protocol):
    """One way out. `name` is kept in the database, `where` is for people and holds no secret."""

    name: str
    where: str

    def send(self, message: Message) -> Answer:
        """Send a message; bounded in time."""


def configured(settings: Settings) -> list[Channel]:
    """The channels that the settings name completely."""
    found: list[Channel] = []
    if settings.smtp_url and settings.alert_to:
        found.append(Email(settings))
    if settings.alert_webhook:
        found.append(Webhook(settings))
    return found


class Email:
    """Plain text by SMTP, one message to all recipients."""

    name = "email"

    def __init__(self, settings: Settings) -> None:
        self._server = mail_server(settings.smtp_url)
        self._to = settings.alert_to
        user = self._server.user
        self._from = settings.alert_from or (user if "@" in user else settings.alert_to[0])
        self.where = ", ".join(settings.alert_to)

    def send(self, message: Message) -> Answer:
        """See Channel. Some recipients refused: sent, with a note."""
        try:
            with _session(self._server) as smtp:
                refused = smtp.send_message(self._mail(message), self._from, list(self._to))
        except smtplib.SMTPRecipientsRefused as error:
            return Answer(False, f"every recipient was refused: {_refusals(error.recipients)}")
        except (smtplib.SMTPException, OSError) as error:
            return Answer(False, _clause(error))
        return Answer(True, f"not to {_refusals(refused)}" if refused else "")

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = message.subject
        mail["From"] = self._from
        mail["To"] = ", ".join(self._to)
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain=self._from.rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"  # no out-of-office answers, please (RFC 3834)
        # Quoted-printable: not every mail server speaks 8BITMIME.
        mail.set_content(message.text, charset="utf-8", cte="quoted-printable")
        return mail


class Webhook:
    """`{"text": …}` as Slack, Mattermost and Rocket.Chat take it, through the one egress function and its rules."""

    name = "webhook"

    def __init__(self, settings: Settings) -> None:
        self._url = settings.alert_webhook
        self._allow = settings.delivery_allow
        self._timeout = float(settings.delivery_timeout)
        self.where = urlsplit(settings.alert_webhook).hostname or ""  # the rest of the address is the secret

    def send(self, message: Message) -> Answer:
        """See Channel."""
        text = f"*{message.subject}*\n\n{message.text}"
        for letter, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # Slack's own; no <!channel> of a name
            text = text.replace(letter, written)
        body = json.dumps({"text": text}, ensure_ascii=False).encode()
        headers = {"content-type": "application/json; charset=utf-8"}
        answer = egress.send(self._url, body, headers, allow=self._allow, timeout=self._timeout)
        return Answer(answer.delivered, answer.error)


class _Guard:
    """Cuts the connection when the whole takes too long: timeouts of a socket count from byte to byte.

    It holds a duplicate of the descriptor, because TLS moves the original away.
    """

    def __init__(self) -> None:
        self._connection: socket.socket | None = None
        self._timer = threading.Timer(TOTAL_SECONDS, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "_Guard":
        return self

    def watch(self, connection: socket.socket) -> None:
        """Begin to count."""
        self._connection = connection.dup()
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._timer.cancel()
            self._timer.join()
            self._connection.close()

    def _cut(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):  # the other side was quicker
                self._connection.shutdown(socket.SHUT_RDWR)


class _Smtp(smtplib.SMTP):
    """A connection that is guarded from its first byte, and in TLS from then on where the server wants that."""

    def __init__(self, server: MailServer, guard: _Guard) -> None:
        self._implicit, self._guard = server.tls == "implicit", guard
        super().__init__(server.host, server.port, timeout=STEP_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        self._guard.watch(connection)
        return egress.tls_context().wrap_socket(connection, server_hostname=host) if self._implicit else connection


@contextlib.contextmanager
def _session(server: MailServer) -> Iterator[smtplib.SMTP]:
    """A mail server that is ready for the message: connected, in TLS where asked for, logged in."""
    with _Guard() as guard:
        smtp = _Smtp(server, guard)
        try:
            if server.tls == "starttls":
                smtp.starttls(context=egress.tls_context())
            if server.user:
                smtp.login(server.user, server.password)
            yield smtp
            with contextlib.suppress(
                smtplib.SMTPException, OSError
            ):  # the message is taken: a rude good-bye is no fault
                smtp.quit()
        finally:
            smtp.close()


def _refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{who} ({code} {_said(text)})" for who, (code, text) in refused.items())


def _clause(error: Exception) -> str:
    """A failure of the mail server in words; it never holds what we sent, so no password."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the mail server refuses user or password ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"the mail server cannot do what the settings ask for: {error}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server answered {error.smtp_code} {_said(error.smtp_error)}".rstrip()
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the mail server cut the connection, or did not answer in time"
    if isinstance(error, TimeoutError):
        return "the mail server does not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the mail server's certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection to the mail server: {error.reason or 'it was closed'}"
    if isinstance(error, socket.gaierror):
        return "the mail server's name has no address"
    if isinstance(error, ConnectionRefusedError):
        return "the mail server refused the connection"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _said(text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return "".join(letter if letter.isprintable() else " " for letter in words)[:120]
