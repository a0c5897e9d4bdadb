"""Standard Webhooks 1.0.0, symmetric (`v1`): sign what we send, verify what a site sends, always on the raw bytes.

The signed content is `id.timestamp.body`; its HMAC-SHA256 travels base64-coded in `webhook-signature`, one entry per
live secret, so that a secret can be changed without a moment in which honest messages are refused.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets as random
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from moderation.errors import InvalidInput, NotAuthenticated

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

#: Seconds that a message may be older or newer than our clock.
TOLERANCE = 300

_PREFIX = "whsec_"
_SECRET_BYTES = (24, 64)  # bounds of the specification
_MAX_ID = 256
_MAX_SIGNATURES = 4096  # characters of the header: some ninety signatures, far more than anybody rotates
# A full stop in the id would let one signature fit two readings of `id.timestamp.body`; the specification warns of it.
_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]+")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class Headers(Protocol):
    """What has header names and values: a mapping, or a web framework's headers."""

    def items(self) -> Iterable[tuple[str, str]]:
        """All of them, in any order."""
        ...


class BadSignature(NotAuthenticated):
    """A webhook whose headers are missing, malformed, stale, or signed with none of the live secrets."""

    code = "bad_signature"


def new_secret() -> str:
    """A fresh secret: `whsec_` and 32 random bytes in base64."""
    return _PREFIX + base64.b64encode(random.token_bytes(32)).decode("ascii")


def sign(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one `v1,<base64>` per live secret, separated by spaces.

    `timestamp` is the Unix time of this attempt (s), `body` the very bytes that are sent. Raises InvalidInput when
    there is no secret, a secret is malformed, or the id holds a full stop, a space or anything that is not ASCII.
    """
    if not secrets:
        raise InvalidInput("There is no secret to sign with.", field="secrets")
    if len(message_id) > _MAX_ID or not _ID.fullmatch(message_id):
        raise InvalidInput("The id of a message is 1 to 256 ASCII characters without full stop or space.", field="id")
    digests = (_digest(_key(secret), message_id, str(timestamp), body) for secret in secrets)
    return " ".join("v1," + base64.b64encode(digest).decode("ascii") for digest in digests)


def verify(
    secrets: Sequence[str], headers: Headers, body: bytes, now: float, tolerance: int = TOLERANCE
) -> tuple[str, int]:
    """The id and the Unix timestamp (s) of an authentic message; header names in any case.

    The clock is checked on both sides (|now − timestamp| ≤ `tolerance` s), because a message from the future could be
    replayed until its time has come. Signatures of unknown versions and malformed ones are skipped, others may still
    fit. Raises BadSignature for everything else that a sender can get wrong, never another error; InvalidInput only
    when one of our own secrets is malformed. Replays inside the tolerance are for the caller's store of seen ids.
    """
    found = {name.lower(): value for name, value in headers.items()}
    message_id = _header(found, ID_HEADER, _MAX_ID, _ID)
    stamp = _header(found, TIMESTAMP_HEADER, 12, _TIMESTAMP)
    timestamp = int(stamp)
    if abs(now - timestamp) > tolerance:
        raise BadSignature(
            f"The {TIMESTAMP_HEADER} header is more than {tolerance} seconds away from this server's clock.",
            field=TIMESTAMP_HEADER,
        )
    given = _signatures(_header(found, SIGNATURE_HEADER, _MAX_SIGNATURES, None))
    fits = False
    for secret in secrets:
        expected = _digest(_key(secret), message_id, stamp, body)
        for signature in given:  # no early end: the time must not tell which secret or entry fitted
            fits |= hmac.compare_digest(expected, signature)
    if not fits:
        raise BadSignature(f"The {SIGNATURE_HEADER} header fits no secret of this site.", field=SIGNATURE_HEADER)
    return message_id, timestamp


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    if not _SECRET_BYTES[0] <= len(key) <= _SECRET_BYTES[1]:
        raise InvalidInput("A webhook secret is whsec_ and 24 to 64 bytes in base64.", field="webhook_secret")
    return key


def _digest(key: bytes, message_id: str, stamp: str, body: bytes) -> bytes:
    return hmac.new(key, f"{message_id}.{stamp}.".encode("ascii") + body, hashlib.sha256).digest()


def _header(found: Mapping[str, str], name: str, longest: int, shape: re.Pattern[str] | None) -> str:
    value = found.get(name, "")
    if not value:
        raise BadSignature(f"The {name} header is missing.", field=name)
    if len(value) > longest or not value.isascii() or (shape is not None and not shape.fullmatch(value)):
        raise BadSignature(f"The {name} header is malformed.", field=name)
    return value


def _signatures(value: str) -> list[bytes]:
    """The decoded `v1` entries; what is of another version or no base64 counts as absent."""
    decoded = []
    for entry in value.split(" "):
        version, comma, text = entry.partition(",")
        if version != "v1" or not comma:
            continue
        try:
            decoded.append(base64.b64decode(text, validate=True))
        except binascii.Error:
            continue
    return decoded
