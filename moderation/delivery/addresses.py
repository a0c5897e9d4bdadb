"""Where a delivery may go: strict reading of its URL, one look-up of its name, a check of every address."""

import ipaddress
import queue
import re
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL = 2048
_MAX_LOOKUPS = 16  # look-ups that hang hold a thread each; more than these wait for their deadline and fail
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# What a URL parser reads as an IPv4 address although it does not look like one: 2130706433, 0x7f.1, 0177.0.0.1.
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")

# IPv6 that carries an IPv4 address or leads to a translator, and ranges that Python releases judge differently.
_NEVER_PUBLIC: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # shared address space (RFC 6598)
        "192.0.0.0/24",  # IETF protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "240.0.0.0/4",
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # NAT64 of a site (RFC 8215)
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "2001:db8::/32",
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_lookups = threading.BoundedSemaphore(_MAX_LOOKUPS)


class Refused(Exception):
    """We will not connect there; the message is a clause that says why."""


class NotResolved(Exception):
    """The name has no address, or its server did not say within the deadline."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in parts: `host` without brackets, in ASCII; `path` with its query; `authority` for the Host header."""

    secure: bool
    host: str
    port: int
    path: str
    authority: str


def parse(url: str) -> Target:
    """The parts of a strict http or https URL. Raises Refused for everything that two parsers could read differently.

    No user name, no backslash, space or control character, no percent sign or zone in the host, no number that only
    some parsers take for an IPv4 address, no port 0, not longer than 2,048 characters. A fragment is dropped.
    """
    if len(url) > MAX_URL or _FORBIDDEN.search(url):
        raise Refused("the URL is too long or holds a space, a backslash or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
        name = parts.hostname or ""
    except ValueError:
        raise Refused("the URL cannot be read") from None
    if parts.scheme not in ("http", "https"):
        raise Refused("the URL is neither http nor https")
    if "@" in parts.netloc:
        raise Refused("the URL holds a user name")
    if port == 0 or parts.netloc.endswith(":"):
        raise Refused("the URL has no usable port")
    secure = parts.scheme == "https"
    host = _host(name, bracketed="[" in parts.netloc)
    usual = 443 if secure else 80
    shown = f"[{host}]" if ":" in host else host
    try:
        path = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*-._") + (
            "?" + quote(parts.query, safe="/%:=&~+!$,;'@()*-._?") if parts.query else ""
        )
    except UnicodeEncodeError:
        raise Refused("the URL holds half a character") from None
    return Target(secure, host, port or usual, path, shown if port in (None, usual) else f"{shown}:{port}")


def _host(name: str, bracketed: bool) -> str:
    if bracketed:
        try:
            return str(ipaddress.IPv6Address(name)) if "%" not in name else _no_host()
        except ValueError:
            return _no_host()
    try:
        host = name.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        return _no_host()
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return _no_host()
    if _NUMERIC.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            return _no_host()
    return host


def _no_host() -> str:
    raise Refused("the URL has no host that all parsers read alike")


def resolve(target: Target, timeout: float) -> list[str]:
    """All addresses of the target's host, each once, in the resolver's order, families taking turns.

    The system's resolver cannot be interrupted, so it runs in a thread that is left alone after `timeout` seconds.
    Raises NotResolved.
    """
    try:
        return [str(ipaddress.ip_address(target.host))]
    except ValueError:
        pass
    if not _lookups.acquire(timeout=timeout):
        raise NotResolved("too many names are being looked up")
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(lookup(target.host, target.port))
        except OSError as error:
            answers.put(error)
        finally:
            _lookups.release()

    threading.Thread(target=work, name="lookup", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise NotResolved("the name server did not answer in time") from None
    if isinstance(answer, OSError):
        raise NotResolved("the name has no address")
    return _in_turn(answer)


def lookup(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver gives. Raises OSError when there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]


def check(target: Target, found: Sequence[str], allow: Sequence[str]) -> list[str]:
    """`found`, when each of its addresses may be reached. Raises Refused when a single one may not.

    One bad address spoils all: an honest name does not point both to the world and into our network.
    """
    networks = [ipaddress.ip_network(text) for text in allow]
    for text in found:
        address = _unwrapped(text)
        allowed = any(address.version == network.version and address in network for network in networks)
        if not allowed and not is_public(address):
            raise Refused(f"address {text} is not public")
        if not allowed and not target.secure:
            raise Refused("plain http goes only to the networks of MODERATION_DELIVERY_ALLOW; use https")
    if not found:
        raise NotResolved("the name has no address")
    return list(found)


def is_public(address: Address) -> bool:
    """Whether the address belongs to somebody on the open internet: global unicast and nothing translated."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return not any(address.version == network.version and address in network for network in _NEVER_PUBLIC)


def _unwrapped(text: str) -> Address:
    """The address itself, and for an IPv4 address in IPv6 clothes (::ffff:10.0.0.1) what is inside."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Refused(f"address {text!r} cannot be read") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _in_turn(found: Sequence[str]) -> list[str]:
    """Without repeats, the families alternating: where one family leads nowhere, the other comes second."""
    unique = list(dict.fromkeys(found))
    first = [text for text in unique if (":" in text) == (":" in unique[0])]
    second = [text for text in unique if text not in first]
    turns: list[str] = []
    for position in range(len(unique)):
        turns += first[position : position + 1] + second[position : position + 1]
    return turns
