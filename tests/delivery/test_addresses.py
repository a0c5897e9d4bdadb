"""Where a delivery may go: no address inside our network is ever connected, whatever the URL or the resolver says."""

import ipaddress
import socket
import threading

import pytest

from moderation.delivery import addresses
from moderation.delivery.egress import Answer, send


def post(url: str, *, timeout: float = 2.0, allow: tuple[str, ...] = ()) -> Answer:
    return send(url, b"{}", {}, allow=allow, timeout=timeout)


REFUSED_URLS = [
    # loopback and this host, in every spelling that some parser takes
    "http://127.0.0.1/", "https://127.0.0.1/", "https://127.8.8.8/", "https://127.1/", "https://127.0.1/",
    "https://2130706433/", "https://017700000001/", "https://0177.0.0.1/", "https://0x7f000001/", "https://0x7f.0.0.1/",
    "https://0x7f.1/", "https://127.0.0.1./", "https://0/", "https://0.0.0.0/", "https://0.1.2.3/",
    "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://[::1]/", "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/", "https://[::127.0.0.1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]/", "https://１２７.０.０.１/", "https://127。0。0。1/", "https://①②⑦.⓪.⓪.①/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    # private, shared, link-local, metadata, broadcast, multicast, test and reserved networks
    "https://10.0.0.5/", "https://10.255.255.255/", "https://172.16.0.1/", "https://172.31.255.254/",
    "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/", "https://100.127.1.1/",
    "https://100.100.100.200/", "https://192.0.0.8/", "https://192.0.2.1/", "https://192.88.99.1/",
    "https://198.18.0.1/", "https://198.51.100.1/", "https://203.0.113.1/", "https://224.0.0.1/",
    "https://239.255.255.250/", "https://240.0.0.1/", "https://255.255.255.255/",
    "https://[fe80::1]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[fec0::1]/", "https://[ff02::1]/",
    "https://[2001:db8::1]/", "https://[3fff::1]/", "https://[100::1]/", "https://[4000::1]/",
    # IPv4 inside IPv6
    "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::8.8.8.8]/", "https://[64:ff9b:1::1]/", "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::1]/", "https://[2001::1]/", "https://[2001:0:7f00:1::]/", "https://[::ffff:0:127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/", "https://[::10.0.0.1]/",
    # URLs that two parsers read differently, and other schemes
    "https://example.org@127.0.0.1/", "https://127.0.0.1@example.org/", "https://user:pass@example.org/",
    "https://example.org\\@127.0.0.1/", "https://127.0.0.1\\.example.org/", "https://127.0.0.1%2f.example.org/",
    "https://exa mple.org/", "https://example.org\t/", "https://example.org\n/", "https://example.org/\r\nHost: x",
    " https://example.org/", "https://example.org/\x00", "https://127%2e0.0.1/", "https://[fe80::1%25eth0]/",
    "https://[::1", "https://[127.0.0.1]/", "https://[v1.x]/", "https://::1/", "https://1.2.3.4.5/", "https://1.2.3/",
    "https://example.0x7f/", "https://256.256.256.256/", "https://example..org/", "https:///path", "https://",
    "https:example.org", "//example.org/", "/hook", "", "ftp://example.org/", "file:///etc/passwd", "gopher://x/",
    "javascript:alert(1)", "unix:///run/x.sock", "https+unix://x/", "https://example.org:0/", "https://example.org:/",
    "https://example.org:65536/", "https://example.org:-1/", "https://example.org:４４３/", "https://example.org:4 43/",
    "https://-example.org/", "https://ex*ample.org/", "https://" + "a" * 64 + ".org/",
    "https://example.org/" + "a" * 3000, "https://example.org/\ud800",
]  # fmt: skip


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a connection was made to; nothing is really connected."""
    made: list[str] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        made.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    return made


def answers(monkeypatch: pytest.MonkeyPatch, *rounds: list[str]) -> list[str]:
    """Make the resolver give these answers, one a call; returns the names that were asked for."""
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return rounds[min(len(asked), len(rounds)) - 1]

    monkeypatch.setattr(addresses, "lookup", lookup)
    return asked


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_an_address_inside_or_a_url_of_two_readings_is_refused_without_a_connection(
    url: str, connects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = addresses.lookup

    def lookup(host: str, port: int) -> list[str]:
        return ["93.184.216.34"] if host.endswith("example.org") else real(host, port)

    monkeypatch.setattr(addresses, "lookup", lookup)
    answer = post(url)
    assert connects == []
    assert answer.refused
    assert answer.status is None
    assert answer.error.startswith("refused: ")


def test_there_are_more_than_sixty_forms_of_refused_urls() -> None:
    assert len(set(REFUSED_URLS)) > 60


@pytest.mark.parametrize(
    "inside",
    ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::5", "fe80::1%2", "64:ff9b::1"],
)
def test_one_inside_address_among_public_ones_refuses_the_name(
    inside: str, connects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, ["93.184.216.34", inside, "2606:2800:220:1::1"])
    answer = post("https://news.example/")
    assert (answer.refused, connects) == (True, [])
    assert answer.error == f"refused: address {inside} is not public"


def test_a_name_is_resolved_once_and_only_the_checked_addresses_are_connected(
    connects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answers(monkeypatch, ["93.184.216.34", "93.184.216.34", "2606:2800:220:1::1"], ["127.0.0.1"])
    answer = post("https://news.example/hook")
    assert asked == ["news.example"]
    assert connects == ["93.184.216.34", "2606:2800:220:1::1"]
    assert (answer.status, answer.error) == (None, "the connection was refused")


def test_a_name_that_now_leads_inside_is_refused_although_it_was_public_before(
    connects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    assert not post("https://news.example/").refused
    assert post("https://news.example/").refused
    assert connects == ["93.184.216.34"]


def test_plain_http_goes_to_allowed_networks_only(connects: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["93.184.216.34"])
    answer = post("http://news.example/")
    assert answer.refused
    assert "https" in answer.error
    assert connects == []
    assert not post("http://news.example/", allow=("93.184.216.0/24",)).refused
    assert connects == ["93.184.216.34"]


def test_an_allowed_network_opens_itself_and_nothing_else(connects: list[str]) -> None:
    assert not post("https://10.1.2.3/", allow=("10.1.0.0/16", "fd00::/8")).refused
    assert not post("http://[::ffff:10.1.2.3]/", allow=("10.1.0.0/16",)).refused
    assert not post("https://[fd00::7]/", allow=("10.1.0.0/16", "fd00::/8")).refused
    assert post("https://10.2.0.1/", allow=("10.1.0.0/16",)).refused
    assert post("https://[::1]/", allow=("127.0.0.0/8",)).refused
    assert connects == ["10.1.2.3", "::ffff:a01:203", "fd00::7"]


@pytest.mark.parametrize("text", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "2a00:1450::1"])
def test_a_public_address_is_public(text: str) -> None:
    assert addresses.is_public(ipaddress.ip_address(text))


def test_addresses_of_both_families_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["::2", "::3", "::4", "10.0.0.1", "10.0.0.2", "::2"])
    assert addresses.resolve(addresses.parse("https://news.example/"), 1) == [
        "::2",
        "10.0.0.1",
        "::3",
        "10.0.0.2",
        "::4",
    ]


def test_a_name_server_that_is_silent_costs_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def lookup(host: str, port: int) -> list[str]:
        release.wait(5)
        return ["93.184.216.34"]

    monkeypatch.setattr(addresses, "lookup", lookup)
    answer = post("https://news.example/", timeout=0.3)
    release.set()
    assert (answer.status, answer.refused) == (None, False)
    assert "name server" in answer.error
    assert 250 < answer.milliseconds < 700


def test_a_name_without_an_address_is_a_failure_that_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(addresses, "lookup", lookup)
    answer = post("https://nothing.invalid/")
    assert (answer.status, answer.error, answer.refused) == (None, "the name has no address", False)
    answers(monkeypatch, [])
    assert post("https://nothing.invalid/").error == "the name has no address"
