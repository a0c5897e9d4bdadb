"""Settings: one frozen value made from the environment, each field with a sentence. A wrong one is refused at start."""

import ipaddress
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from moderation import composition
from moderation.composition import Composition
from moderation.errors import SettingsError

SCORER_CHOICES = ("auto", "builtin", "detoxify", "off")
DETOXIFY_RUNTIMES = ("auto", "onnx", "torch")


def _int(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit():
            raise ValueError("is not a whole number")
        if not low <= int(text) <= high:
            raise ValueError(f"must lie between {low} and {high}")
        return int(text)

    return parse


def _float(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            raise ValueError("is not a number") from None
        if not low <= number <= high:  # NaN fails, too
            raise ValueError(f"must lie between {low:g} and {high:g}")
        return number

    return parse


def _bool(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("is neither yes nor no")


def _networks(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in parts:
        try:
            ipaddress.ip_network(part)
        except ValueError:
            raise ValueError(f"names {part!r}, which is not a network such as 10.0.0.0/8") from None
    return parts


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an http or https address")
    return text.rstrip("/")


def _database(text: str) -> str:
    if text.startswith("postgresql://"):
        return "postgresql+psycopg://" + text.removeprefix("postgresql://")
    if not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    return text


def _broker(text: str) -> str:
    if text != "" and not text.startswith(("redis://", "rediss://", "amqp://", "amqps://", "filesystem://")):
        raise ValueError("must begin with amqp://, redis:// or filesystem://")
    return text


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return parse


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over. `tls` is `implicit` (from the first byte), `starttls` (required) or `none`."""

    host: str
    port: int
    tls: str
    user: str
    password: str = field(repr=False)


_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
_MAIL_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9][A-Za-z0-9.-]*")


def mail_server(text: str) -> MailServer:
    """The parts of `smtp://user:password@host:587?tls=starttls|none` or `smtps://user:password@host:465`.

    TLS is required unless `tls=none` is said, and a password goes without it to this machine only. Raises ValueError
    with a clause that repeats nothing of `text`.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        user, password = unquote(parts.username or "", errors="strict"), unquote(parts.password or "", errors="strict")
    except ValueError:  # its message may repeat a part of the password
        raise ValueError("cannot be read; write special characters of the password as %40, %2F and so on") from None
    if parts.scheme not in ("smtp", "smtps") or not host or parts.path not in ("", "/") or parts.fragment or port == 0:
        raise ValueError("is not of the form smtp://user:password@host:587 or smtps://user:password@host:465")
    if parts.scheme == "smtps":
        options.setdefault("tls", "implicit")
    tls = options.pop("tls", "starttls")
    if options or tls not in (("implicit",) if parts.scheme == "smtps" else ("starttls", "none")):
        raise ValueError("knows no options but tls=starttls and tls=none, and those after smtp:// only")
    if password and not user:
        raise ValueError("has a password without a user")
    if password and tls == "none" and host not in _LOOPBACK_HOSTS:
        raise ValueError("would send the password without TLS; only a server on this machine may have tls=none")
    return MailServer(host, port or (465 if tls == "implicit" else 587), tls, user, password)


def _mail_server(text: str) -> str:
    mail_server(text)
    return text


def _address(text: str) -> str:
    if not _MAIL_ADDRESS.fullmatch(text) or len(text) > 254:
        raise ValueError("is not an e-mail address such as redaksi@warta.example")
    return text


def _addresses(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in parts:
        try:
            _address(part)
        except ValueError as error:
            raise ValueError(f"names {part!r}, which {error}") from None
    return parts


def _webhook(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its message may repeat a part of the address, and the address is the password
        good = False
    if not good or "@" in parts.netloc:
        raise ValueError("is not an http or https address without a user name")
    return text


def setting(default: Any, parse: Callable[[str], Any], doc: str, env: str = "", secret: bool = False) -> Any:
    """A field of Settings: its default, how it is read, and the sentence that the documentation prints."""
    return field(default=default, metadata={"parse": parse, "doc": doc, "env": env, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that an installation may set. Every field is the environment variable `MODERATION_<FIELD>`, but `PORT`."""

    port: int = setting(8000, _int(1, 65535), "Port of the web server.", env="PORT")
    host: str = setting("127.0.0.1", str, "Address that the web server binds to.")
    data_dir: Path = setting(None, _path, "Folder of the SQLite file, the embedded broker, keys and models.")
    database_url: str = setting("", _database, "SQLite or PostgreSQL address; empty: moderation.db in the data folder.")
    broker_url: str = setting("", _broker, "RabbitMQ or Redis address; empty: nudges by files in the data folder.")
    public_url: str = setting("", _url, "Address under which browsers reach this service; empty: http://HOST:PORT.")
    admin_email: str = setting("admin@example.org", str, "E-mail of the first administrator.")
    admin_password: str = setting("", str, "Password of the first administrator; empty: made at random.", secret=True)
    secret_key: str = setting("", str, "Key of tokens and keyed hashes; empty: kept in the data folder.", secret=True)
    delivery_allow: tuple[str, ...] = setting((), _networks, "Private networks that deliveries may reach (CIDR list).")
    delivery_timeout: int = setting(10, _int(1, 60), "Total seconds that one delivery may take.")
    grace_seconds: int = setting(10, _int(0, 3600), "Seconds before a new site is told of a person's decision.")
    scorer: str = setting("auto", _choice(*SCORER_CHOICES), "Which scorer judges: auto, builtin, detoxify or off.")
    composition: Composition = setting(
        composition.USUAL,
        composition.parse,
        "Which scorer speaks for which language and signal, `id:*=newsroom,builtin; *:spam=builtin`; see scorers.md.",
    )
    learn_days: int = setting(
        0, _int(0, 365), "Days between two fits of each site's newsroom layer, a candidate each; 0: by command only."
    )
    detoxify_runtime: str = setting(
        "auto",
        _choice(*DETOXIFY_RUNTIMES),
        "What runs Detoxify: onnx (fast), torch (plain), or auto: onnx if converted.",
    )
    detoxify_threads: int = setting(0, _int(0, 256), "Threads of a Detoxify worker; 0: one per core, one with torch.")
    score_deadline: int = setting(60, _int(1, 3600), "Seconds after which an unjudged comment goes to the queue.")
    sweep_seconds: int = setting(2, _int(1, 300), "Seconds between two sweeps for work whose nudge was lost.")
    rescore_yield_seconds: float = setting(
        2.0, _float(0.1, 3600), "Rescoring gives way while a live comment waits longer than this for its judgement."
    )
    rescore_slow_ms: int = setting(
        200, _int(1, 60_000), "Rescoring gives way while the database takes longer than this for a small write."
    )
    form_flood_seconds: int = setting(15, _int(0, 3600), "Seconds between two form comments of one address or e-mail.")
    form_site_per_minute: int = setting(600, _int(1, 100_000), "Form comments that one site takes in a minute.")
    form_min_seconds: int = setting(2, _int(0, 600), "A form sent faster than this is held.")
    max_body_bytes: int = setting(256 * 1024, _int(1024, 16 * 1024 * 1024), "Largest request body.")
    max_batch_bytes: int = setting(
        8 * 1024 * 1024, _int(1024, 64 * 1024 * 1024), "Largest body of a batch of comments."
    )
    trusted_proxies: int = setting(0, _int(0, 10), "Number of proxies in front whose X-Forwarded headers are believed.")
    secure_cookies: bool = setting(False, _bool, "Send cookies over https only; on when the public URL is https.")
    web_threads: int = setting(8, _int(1, 128), "Threads of the web server.")
    session_hours: int = setting(12, _int(1, 24 * 90), "Hours after which a moderator logs in again.")
    smtp_url: str = setting(
        "", _mail_server, "Mail server for alerts, smtp://user:password@host:587 or smtps://…:465.", secret=True
    )
    alert_to: tuple[str, ...] = setting((), _addresses, "Who gets alerts by e-mail (comma list).")
    alert_from: str = setting("", _address, "Sender of alerts; empty: the mail server's user, or the first recipient.")
    alert_webhook: str = setting("", _webhook, "Slack-shaped webhook that gets alerts.", secret=True)
    alert_language: str = setting("id", _choice("id", "en"), "Language of alerts: id or en.")
    alert_repeat_minutes: int = setting(240, _int(10, 10_080), "Minutes until an alert that lasts is told again.")
    alert_held_minutes: int = setting(60, _int(0, 10_080), "Minutes held before a comment is an alert; 0: never.")
    demo: bool = setting(True, _bool, "Serve the demo article under /demo.")
    test_fast_hash: bool = setting(False, _bool, "Cheap password hashes, for tests only.")

    @property
    def embedded(self) -> bool:
        """True when nudges travel through files: one machine, no broker."""
        return self.broker_url == "" or self.broker_url.startswith("filesystem://")

    @property
    def speakers(self) -> Composition:
        """Who speaks for what: the composition. Where Detoxify alone is wanted, spam is all that others speak for."""
        if self.scorer != "detoxify":
            return self.composition
        return Composition((*self.composition.parts[:-1], *composition.DETOXIFY_ALONE.parts))

    @property
    def database(self) -> str:
        """The SQLAlchemy address of the database in use."""
        return self.database_url or f"sqlite:///{self.data_dir / 'moderation.db'}"

    @property
    def base_url(self) -> str:
        """Where browsers reach this service, without a slash at the end."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def cookies_secure(self) -> bool:
        """Whether cookies carry `Secure`."""
        return self.secure_cookies or self.base_url.startswith("https://")

    def key(self) -> bytes:
        """The installation's secret key (≥ 32 bytes): from the environment, else a file that is made once.

        Raises SettingsError when the given key is short or the file can be neither read nor made.
        """
        if self.secret_key:
            if len(self.secret_key) < 32:
                raise SettingsError("MODERATION_SECRET_KEY is shorter than 32 characters.")
            return self.secret_key.encode()
        path = self.data_dir / "secret.key"
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                pass
            else:
                with os.fdopen(handle, "w") as file:
                    file.write(secrets.token_urlsafe(48))
            key = path.read_bytes().strip()
        except OSError as error:
            raise SettingsError(f"The secret key {path} can be neither read nor made: {error.strerror}.") from None
        if len(key) < 32:
            raise SettingsError(f"The key in {path} is shorter than 32 bytes; delete the file to make a new one.")
        return key


def variable(name: str) -> str:
    """The environment variable of a field of Settings."""
    for item in fields(Settings):
        if item.name == name:
            return item.metadata["env"] or f"MODERATION_{name.upper()}"
    raise KeyError(name)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment. Raises SettingsError with one sentence that names the variable.

    An unknown `MODERATION_…` variable is refused too: a typo must not be a silent default.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    known = set()
    for item in fields(Settings):
        name = variable(item.name)
        known.add(name)
        text = environ.get(name)
        if text is None or (text == "" and item.default not in ("", None)):
            continue
        try:
            values[item.name] = item.metadata["parse"](text) if text != "" else ""
        except ValueError as error:
            shown = "its value" if item.metadata["secret"] else repr(text)
            raise SettingsError(f"{name}: {shown} {error}.", field=name) from None
    unknown = sorted(name for name in environ if name.startswith("MODERATION_") and name not in known)
    if unknown:
        raise SettingsError(f"{unknown[0]} is no setting of this version; see docs/settings.md.", field=unknown[0])
    if "data_dir" not in values:
        values["data_dir"] = _path("data")
    return Settings(**values)
