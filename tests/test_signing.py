"""Standard Webhooks: the specification's vectors, the reference library as oracle, and everything malformed."""

import base64
import time
from datetime import UTC, datetime

import pytest
import standardwebhooks
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation import signing
from moderation.errors import InvalidInput
from moderation.signing import BadSignature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STAMP = 1614265330
VECTORS = [
    ("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ("m", '{"b":"😀 “k”"}', "v1,yWVCUYIJ5paMESuHRIbe2DxFcMCexV9ehdzbBpizHNE="),
]


def headers(message_id: str, stamp: object, signature: str) -> dict[str, str]:
    return {"Webhook-Id": message_id, "Webhook-Timestamp": str(stamp), "Webhook-Signature": signature}


@pytest.mark.parametrize(("message_id", "body", "signature"), VECTORS)
def test_the_vectors_of_the_specification_are_signed_and_verified(message_id: str, body: str, signature: str) -> None:
    assert signing.sign([SECRET], message_id, STAMP, body.encode()) == signature
    found = signing.verify([SECRET], headers(message_id, STAMP, signature), body.encode(), now=STAMP)
    assert found == (message_id, STAMP)


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])), count=st.integers(1, 3))
def test_the_reference_library_accepts_what_we_sign_and_we_accept_what_it_signs(text: str, count: int) -> None:
    secrets = [signing.new_secret() for _ in range(count)]
    now = int(time.time())
    ours = signing.sign(secrets, "msg_1", now, text.encode())
    for secret in secrets:
        library = standardwebhooks.Webhook(secret)
        library.verify(text, headers("msg_1", now, ours), json_parse=False)
        theirs = library.sign("msg_1", datetime.fromtimestamp(now, UTC), text)
        assert signing.verify(secrets, headers("msg_1", now, theirs), text.encode(), now=now) == ("msg_1", now)


def test_a_new_secret_holds_32_random_bytes() -> None:
    first, second = signing.new_secret(), signing.new_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32


def test_every_live_secret_signs_and_a_retired_one_is_refused() -> None:
    old, new = signing.new_secret(), signing.new_secret()
    signature = signing.sign([new, old], "m", STAMP, b"{}")
    assert signature.count("v1,") == 2
    for live in ([old], [new], [old, new]):
        assert signing.verify(live, headers("m", STAMP, signature), b"{}", now=STAMP) == ("m", STAMP)
    with pytest.raises(BadSignature):
        signing.verify([signing.new_secret()], headers("m", STAMP, signature), b"{}", now=STAMP)


@pytest.mark.parametrize("offset", [-300, 0, 300])
def test_a_clock_within_the_tolerance_is_accepted(offset: int) -> None:
    signature = signing.sign([SECRET], "m", STAMP, b"{}")
    assert signing.verify([SECRET], headers("m", STAMP, signature), b"{}", now=STAMP + offset) == ("m", STAMP)


@pytest.mark.parametrize("offset", [-300.5, 300.5, -86400, 86400])
def test_a_clock_outside_the_tolerance_is_refused_on_both_sides(offset: float) -> None:
    signature = signing.sign([SECRET], "m", STAMP, b"{}")
    with pytest.raises(BadSignature) as refused:
        signing.verify([SECRET], headers("m", STAMP, signature), b"{}", now=STAMP + offset)
    assert refused.value.field == "webhook-timestamp"
    assert refused.value.status == 401


def test_a_changed_body_id_or_timestamp_is_refused() -> None:
    signature = signing.sign([SECRET], "m", STAMP, b"{}")
    changed = [("m", STAMP, b"{ }"), ("n", STAMP, b"{}"), ("m", STAMP + 1, b"{}"), ("m", f"0{STAMP}", b"{}")]
    for message_id, stamp, body in changed:
        with pytest.raises(BadSignature):
            signing.verify([SECRET], headers(message_id, stamp, signature), body, now=STAMP)


def test_a_signature_that_fits_is_found_between_unknown_versions_and_rubbish() -> None:
    right = signing.sign([SECRET], "m", STAMP, b"{}")
    value = f"v1a,AAAA v2,{right[3:]} v1 v1, v1,%%% nonsense v1,QUJD {right} v1,AAAA"
    assert signing.verify([SECRET], headers("m", STAMP, value), b"{}", now=STAMP) == ("m", STAMP)


def test_the_right_digest_under_another_version_is_refused() -> None:
    right = signing.sign([SECRET], "m", STAMP, b"{}")
    for version in ("v1a", "v2", "V1", ""):
        with pytest.raises(BadSignature):
            signing.verify([SECRET], headers("m", STAMP, f"{version},{right[3:]}"), b"{}", now=STAMP)


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
@pytest.mark.parametrize("value", [None, "", "é", "\udcff", "a.b", "a b", "1e9", "-5", "+5", "٣", "9" * 13, "x" * 5000])
def test_a_missing_or_malformed_header_is_refused_and_named(name: str, value: str | None) -> None:
    given = headers("m", STAMP, signing.sign([SECRET], "m", STAMP, b"{}"))
    given.pop(name)
    if value is not None:
        given[name] = value
    with pytest.raises(BadSignature) as refused:
        signing.verify([SECRET], given, b"{}", now=STAMP)
    # An id such as "-5" is well-formed and then fits no signature.
    assert refused.value.field in (name.lower(), "webhook-signature")


@settings(max_examples=300, deadline=None)
@given(st.text(), st.text(), st.text(), st.binary(max_size=50))
def test_nothing_that_a_sender_writes_raises_another_error(one: str, two: str, three: str, body: bytes) -> None:
    for given_headers in (headers(one, two, three), headers("m", STAMP, three), headers("m", two, "v1," + three)):
        with pytest.raises(BadSignature):
            signing.verify([SECRET], given_headers, body, now=STAMP)


def test_a_body_that_is_no_text_is_signed_as_bytes() -> None:
    body = b"\xff\x00\xfe"
    signature = signing.sign([SECRET], "m", STAMP, body)
    assert signing.verify([SECRET], headers("m", STAMP, signature), body, now=STAMP) == ("m", STAMP)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_%%%", "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_é"]
)
def test_a_secret_of_ours_that_is_malformed_is_named(secret: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        signing.sign([secret], "m", STAMP, b"{}")
    assert refused.value.field == "webhook_secret"


def test_without_a_live_secret_nothing_is_signed_and_nothing_verifies() -> None:
    with pytest.raises(InvalidInput):
        signing.sign([], "m", STAMP, b"{}")
    with pytest.raises(BadSignature):
        signing.verify([], headers("m", STAMP, signing.sign([SECRET], "m", STAMP, b"{}")), b"{}", now=STAMP)


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "é", "x" * 257, "a\n"])
def test_an_id_that_could_be_read_two_ways_is_not_signed(message_id: str) -> None:
    with pytest.raises(InvalidInput):
        signing.sign([SECRET], message_id, STAMP, b"{}")
