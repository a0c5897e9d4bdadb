"""Alerts: each condition, told once through each channel, repeated rarely, all clear at the end, and never lost."""

import json
import logging
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from moderation.accounts.models import Site
from moderation.alerts import channels, conditions, store, watch
from moderation.alerts.models import Alert, QueueSample
from moderation.alerts.sentences import Message
from moderation.cli import cli
from moderation.comments.models import Comment
from moderation.db import Database
from moderation.delivery import egress
from moderation.delivery.models import Delivery, Endpoint
from moderation.health import checks
from moderation.health import store as health
from moderation.settings import Settings

from .helpers import BAD, add_site, given, judge_all, take
from .smtp import MailBox, mail_box

on_one_engine = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For rules whose SQL other tests run on both engines."""

T0 = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


@pytest.fixture
def box() -> Iterator[MailBox]:
    with mail_box() as server:
        yield server


@pytest.fixture
def mailing(settings: Settings, box: MailBox) -> Settings:
    return replace(settings, smtp_url=box.url, alert_to=("redaksi@warta.example", "it@warta.example"))


class Hook(ThreadingHTTPServer):
    """A Slack-shaped receiver: keeps the texts, answers `status`."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.texts.append(json.loads(self.rfile.read(int(self.headers["content-length"])))["text"])
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def hooked(settings: Settings, hook: Hook) -> Settings:
    url = f"http://127.0.0.1:{hook.server_port}/services/T0/B0"
    return replace(settings, alert_webhook=url, delivery_allow=("127.0.0.0/8",))


def alive(db: Database, now: datetime) -> None:
    """Every worker has just given a sign of life."""
    with db.transaction() as session:
        for name in ("scoring:builtin", "scoring:detoxify", "delivery"):
            health.beat(session, name, now)


def look(db: Database, settings: Settings, minutes: float, *, living: bool = True) -> int:
    """Examine and tell, as housekeeping does, at T0 + minutes; returns how many messages left."""
    if living:
        alive(db, at(minutes))
    assert watch.examine(db, settings, at(minutes))
    return watch.tell(db, settings, at(minutes))


def found(db: Database, settings: Settings, minutes: float = 0) -> dict[str, conditions.Found]:
    """Kind → what is found, the workers being alive."""
    alive(db, at(minutes))
    with db.reading() as session:
        return {item.kind: item for item in conditions.find(session, settings, at(minutes))}


def quiet_site(db: Database, **values: Any) -> Site:
    """A site that is told nothing: its deliveries, due by the real clock, do not mix in."""
    return add_site(db, webhook=False, **values).site


def hold(db: Database, settings: Settings, site: Site, count: int = 1, since: datetime = T0, **values: Any) -> None:
    """Comments that the machine held at `since`."""
    for number in range(count):
        take(db, settings, site, given(f"{site.id}-{since.timestamp()}-{number}", text=BAD))
    judge_all(db, settings)
    with db.transaction() as session:
        session.execute(
            update(Comment)
            .where(Comment.external_id.like(f"{site.id}-{since.timestamp()}-%"))
            .values(decided_at=since, **values)
        )


def release(db: Database) -> None:
    """People decided everything."""
    with db.transaction() as session:
        session.execute(update(Comment).values(status="APPROVED"))


# Conditions


def test_a_held_comment_is_late_after_the_limit_and_not_before(db: Database, settings: Settings) -> None:
    site = quiet_site(db)
    hold(db, settings, site, 2)
    assert conditions.HELD_LATE not in found(db, settings, 40)
    assert not found(db, settings, 55)[conditions.HELD_LATE].begins
    late = found(db, settings, 75)[conditions.HELD_LATE]
    assert late.begins
    assert late.facts == {"site": "Warta Uji", "held": 2, "waited_minutes": 75, "limit_minutes": 60}
    assert conditions.HELD_LATE not in found(db, replace(settings, alert_held_minutes=0), 75)


def test_what_was_written_long_ago_and_held_just_now_is_not_late(db: Database, settings: Settings) -> None:
    site = quiet_site(db)
    hold(db, settings, site, since=at(70), received_at=at(-100_000))
    assert conditions.HELD_LATE not in found(db, settings, 75)


def test_the_demo_and_a_disabled_site_ring_nobody_once_there_is_a_real_one(db: Database, settings: Settings) -> None:
    demo = quiet_site(db, is_demo=True)
    hold(db, settings, demo)
    assert found(db, settings, 75)[conditions.HELD_LATE].site_id == demo.id
    other = quiet_site(db)
    hold(db, settings, other, since=at(1))
    assert found(db, settings, 75)[conditions.HELD_LATE].site_id == other.id
    add_site(db)
    with db.transaction() as session:
        session.execute(update(Site).where(Site.id == other.id).values(disabled_at=T0))
    assert conditions.HELD_LATE not in found(db, settings, 75)


def test_a_queue_is_compared_with_its_sample_of_an_hour_ago(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = quiet_site(db)
    monkeypatch.setattr(conditions, "held_of", lambda *_: {site.id: conditions.Held(61, at(60), 0)})
    with db.transaction() as session:
        conditions.keep(session, [(site.id, at(-30), 61), (site.id, at(0), 10), (site.id, at(30), 61)], at(60))
    grows = found(db, settings, 60)[conditions.QUEUE_GROWS]
    assert grows.begins
    assert grows.facts == {"site": "Warta Uji", "held": 61, "before": 10}


def test_without_a_sample_of_an_hour_ago_nothing_is_said_to_grow(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = quiet_site(db)
    with db.transaction() as session:
        conditions.keep(session, [(site.id, at(-200), 0), (site.id, at(50), 0)], at(60))
    held = {site.id: conditions.Held(500, at(59), 0)}
    monkeypatch.setattr(conditions, "held_of", lambda *_: held)
    assert conditions.QUEUE_GROWS not in found(db, settings, 60)


def test_the_queue_is_sampled_every_five_minutes_and_forgotten_after_two_days(db: Database, settings: Settings) -> None:
    hold(db, settings, quiet_site(db), 3)
    for minutes in (0, 0.5, 4, 5, 9, 10, 3 * 1440):
        look(db, settings, minutes)
    with db.reading() as session:
        rows = session.execute(select(QueueSample.at, QueueSample.held).order_by(QueueSample.at)).all()
    assert [tuple(row) for row in rows] == [(at(3 * 1440), 3)]
    with db.transaction() as session:
        conditions.keep(session, [(1, at(3 * 1440), 9)], at(3 * 1440))  # another worker was a moment later
    look(db, settings, 3 * 1440 + 7)
    with db.reading() as session:
        assert session.scalars(select(QueueSample.held)).all() == [3, 3]


def test_an_endpoint_that_is_paused_or_gone_is_found_and_one_switched_off_by_hand_is_not(
    db: Database, settings: Settings
) -> None:
    add_site(db)
    assert not found(db, settings)

    def endpoint(**values: Any) -> dict[str, conditions.Found]:
        with db.transaction() as session:
            session.execute(update(Endpoint).values(url="https://situs.example/hook?token=rahasia", **values))
        return found(db, settings)

    paused = endpoint(paused_at=T0, probe_at=T0)[conditions.ENDPOINT_PAUSED]
    assert not endpoint(paused_at=T0, probe_at=None)  # a person's wish
    assert paused.facts == {"site": "Warta Uji", "host": "situs.example"}, "the rest of an address may be secret"
    assert set(endpoint(enabled=False, disabled_reason="the endpoint answered 410 Gone")) == {conditions.ENDPOINT_GONE}
    assert not endpoint(enabled=False, disabled_reason="")
    assert not endpoint(enabled=False, disabled_reason="the endpoint answered 410 Gone", deleted_at=T0)


def outbox_row(db: Database, settings: Settings, **values: Any) -> None:
    take(db, settings, add_site(db).site, given())
    judge_all(db, settings)
    with db.transaction() as session:
        session.execute(update(Delivery).values(**values))


def test_deliveries_that_were_given_up_this_week_are_found(db: Database, settings: Settings) -> None:
    outbox_row(db, settings, state="dead", finished_at=at(-60))
    dead = found(db, settings)[conditions.DELIVERIES_DEAD]
    assert (dead.facts["deliveries"], dead.news_at) == (1, at(-60))
    assert conditions.DELIVERIES_DEAD not in found(db, settings, 8 * 1440)


def test_deliveries_are_late_when_a_working_endpoint_waits_a_quarter_of_an_hour(
    db: Database, settings: Settings
) -> None:
    outbox_row(db, settings, due_at=T0)
    assert conditions.DELIVERIES_LATE not in found(db, settings, 4)
    assert not found(db, settings, 14)[conditions.DELIVERIES_LATE].begins
    assert found(db, settings, 16)[conditions.DELIVERIES_LATE].begins
    with db.transaction() as session:
        session.execute(update(Endpoint).values(failing_since=T0))
    assert conditions.DELIVERIES_LATE not in found(db, settings, 16), "that is the endpoint's fault, and told as such"


def test_a_silent_worker_is_an_alert_after_two_minutes_and_a_start_is_none(
    db: Database, mailing: Settings, box: MailBox
) -> None:
    alive(db, at(0))
    look(db, mailing, 0.5, living=False)
    for minutes in (600, 600.5):  # the service was off, and its model is loading
        assert look(db, mailing, minutes, living=False) == 0
    for minutes in (601, 606, 620):
        assert look(db, mailing, minutes) == 0
    for minutes in (621.5, 622):
        assert look(db, mailing, minutes, living=False) == 0
    assert look(db, mailing, 622.5, living=False) == 1
    assert "2 hal perlu perhatian" in box.subjects[0]
    assert "Penilai builtin tidak memberi tanda kehidupan" in box.texts[0]
    assert "Proses pengiriman tidak memberi tanda kehidupan" in box.texts[0]


@on_one_engine
def test_a_scorer_that_is_switched_off_is_told_once_and_not_repeated(db: Database, mailing: Settings) -> None:
    off = replace(mailing, scorer="off")
    assert [look(db, off, minutes) for minutes in (0, 250, 500)] == [1, 0, 0]


def test_many_comments_held_unscored_within_ten_minutes_are_found(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "NOT_SCORED_MOST", 3)
    monkeypatch.setattr(conditions, "NOT_SCORED_LASTING", 1)
    site = quiet_site(db)
    hold(db, settings, site, 4, since=at(0), not_scored=True)
    hold(db, settings, site, 3, since=at(1))
    assert found(db, settings, 5)[conditions.NOT_SCORED].facts == {"comments": 4}
    assert conditions.NOT_SCORED not in found(db, settings, 11)
    with db.transaction() as session:
        session.execute(update(Comment).where(Comment.id > 2).values(not_scored=False))
    assert not found(db, settings, 5)[conditions.NOT_SCORED].begins


# Telling


def test_an_alert_is_told_once_then_rarely_and_its_end_once(db: Database, mailing: Settings, box: MailBox) -> None:
    hold(db, mailing, quiet_site(db), 2)
    told = [look(db, mailing, minutes) for minutes in (61, 61.5, 70, 300, 301, 302)]
    assert told == [1, 0, 0, 0, 1, 0]
    release(db)
    assert [look(db, mailing, minutes) for minutes in (303, 304, 307)] == [0, 0, 0]
    assert [look(db, mailing, minutes) for minutes in (308, 309, 900)] == [1, 0, 0]
    assert "PERLU PERHATIAN" in box.texts[0]
    assert "MASIH BERLANGSUNG" in box.texts[1]
    assert "SUDAH PULIH" in box.texts[2]
    assert box.subjects[2].endswith("Pulih: Warta Uji: tidak ada lagi komentar yang menunggu terlalu lama")


@on_one_engine
def test_mail_is_plain_text_to_all_recipients_in_utf8_and_no_reader_is_in_it(
    db: Database, mailing: Settings, box: MailBox
) -> None:
    quiet = quiet_site(db)
    with db.transaction() as session:
        site = session.merge(quiet)
        site.name = "Warta “Kēbon”"
    hold(db, mailing, site)
    look(db, mailing, 61)
    [(to, mail)] = box.messages
    assert to == ["redaksi@warta.example", "it@warta.example"]
    assert (mail.get_content_type(), mail.get_content_charset()) == ("text/plain", "utf-8")
    assert mail["auto-submitted"] == "auto-generated"
    assert mail["from"] == "redaksi@warta.example"
    assert "Warta “Kēbon”" in box.texts[0]
    assert "Warta “Kēbon”" in box.subjects[0]
    assert "http://127.0.0.1:8000/queue" in box.texts[0]
    for secret in ("Rani", "contoh.example", BAD):
        assert secret not in mail.as_string()


@on_one_engine
def test_several_alerts_of_one_examination_are_one_message(db: Database, mailing: Settings, box: MailBox) -> None:
    hold(db, mailing, quiet_site(db))
    hold(db, mailing, add_site(db).site)
    add_site(db)
    with db.transaction() as session:
        session.execute(update(Endpoint).values(paused_at=T0, probe_at=T0))
    assert look(db, mailing, 61) == 1
    assert "4 hal perlu perhatian" in box.subjects[0]


@on_one_engine
def test_given_up_deliveries_are_told_again_only_when_more_were_given_up(db: Database, mailing: Settings) -> None:
    outbox_row(db, mailing, state="dead", finished_at=at(-1))
    assert [look(db, mailing, minutes) for minutes in (0, 250, 500)] == [1, 0, 0]
    with db.transaction() as session:
        session.execute(update(Delivery).values(finished_at=at(510)))
    assert look(db, mailing, 511) == 1
    with db.transaction() as session:
        session.execute(update(Delivery).values(state="delivered"))
    assert [look(db, mailing, minutes) for minutes in (512, 518)] == [0, 1]


def test_a_mail_server_that_is_away_is_tried_again_and_the_channels_do_not_wait_for_each_other(
    db: Database, mailing: Settings, box: MailBox, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    both = hooked(mailing, hook)
    hold(db, both, quiet_site(db))
    box.replies["MAIL"] = "451 busy"
    assert look(db, both, 61) == 1
    assert (len(hook.texts), box.messages) == (1, [])
    assert "451 busy" in caplog.text
    with db.reading() as session:
        turn = store.turns(session)["email"]
        assert (turn.failures, turn.failing_since, turn.error) == (1, at(61), "the mail server answered 451 busy")
    [finding] = [item for item in checks.examine(db, both) if "email" in item.what]
    assert "451 busy" in finding.what
    assert not finding.fatal
    del box.replies["MAIL"]
    assert look(db, both, 61.5) == 1
    assert (len(hook.texts), len(box.messages)) == (1, 1)
    assert not [item for item in checks.examine(db, both) if "email" in item.what]


@on_one_engine
def test_tries_of_a_failing_channel_grow_rare_and_what_is_told_then_is_the_present(
    db: Database, mailing: Settings, box: MailBox, caplog: pytest.LogCaptureFixture
) -> None:
    hold(db, mailing, quiet_site(db))
    box.replies["CONNECT"] = ""
    look(db, mailing, 61)
    for step in range(1, 60):
        watch.tell(db, mailing, at(61 + step / 2))
    tries = [record for record in caplog.records if "could not be sent by email" in record.message]
    assert len(tries) == 7  # after 0, ½, 1½, 3½, 7½, 15½ and 25½ minutes: doubling, up to ten minutes
    release(db)
    look(db, mailing, 130)
    look(db, mailing, 136)
    assert "over before anybody could be told by email" in caplog.text
    box.replies.clear()
    assert look(db, mailing, 150) == 0
    assert box.messages == []


@on_one_engine
def test_no_more_than_ten_messages_leave_in_an_hour_and_the_rest_waits(
    db: Database, mailing: Settings, box: MailBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.MESSAGES_PER_HOUR == 10
    monkeypatch.setattr(store, "MESSAGES_PER_HOUR", 3)  # the rule is the same, the test shorter
    sites = [quiet_site(db) for _ in range(6)]
    for site in sites:
        hold(db, mailing, site, since=at(site.id))
    last = sites[-1].id
    told = [look(db, mailing, 60.5 + minutes) for minutes in range(last + 1)]
    assert sum(told) == 3
    first = told.index(1)
    assert look(db, mailing, 60.5 + first + 59) == 0
    assert look(db, mailing, 60.5 + first + 60.5) == 1
    assert "3 hal perlu perhatian" in box.subjects[-1]


def test_two_workers_at_once_examine_once_and_send_once(
    db: Database, mailing: Settings, box: MailBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(db, mailing, quiet_site(db))
    alive(db, at(61))
    together = threading.Barrier(2, timeout=10)
    sending, go_on = threading.Event(), threading.Event()
    send = channels.Email.send

    def slowly(self: channels.Email, message: Message) -> channels.Answer:
        sending.set()
        assert go_on.wait(10)
        return send(self, message)

    monkeypatch.setattr(channels.Email, "send", slowly)
    outcomes: list[tuple[bool, int]] = []

    def work() -> None:
        together.wait()
        examined = watch.examine(db, mailing, at(61))
        together.wait()
        if not sending.is_set():
            outcomes.append((examined, watch.tell(db, mailing, at(61))))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert sending.wait(10)
    # One of the two is sending; neither the other nor a third sends what is on its way.
    assert watch.tell(db, mailing, at(61)) == 0
    assert not watch.examine(db, mailing, at(61))
    go_on.set()
    for thread in threads:
        thread.join()
    assert sum(sent for _, sent in outcomes) == 1
    assert len(box.messages) == 1
    assert watch.tell(db, mailing, at(61)) == 0


def test_the_turn_of_a_worker_that_died_while_sending_passes_on(db: Database, mailing: Settings, box: MailBox) -> None:
    hold(db, mailing, quiet_site(db))
    alive(db, at(61))
    watch.examine(db, mailing, at(61))
    with db.transaction() as session:
        assert store.take(session, "email", at(61), watch.TURN) is not None
    assert look(db, mailing, 62) == 0
    assert look(db, mailing, 63.5) == 1


@on_one_engine
def test_no_transaction_is_open_while_a_message_travels(
    db: Database, mailing: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(db, mailing, quiet_site(db))
    seen: list[int] = []

    def send(self: channels.Email, message: Message) -> channels.Answer:
        seen.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]
        return channels.Answer(True)

    monkeypatch.setattr(channels.Email, "send", send)
    assert look(db, mailing, 61) == 1
    assert seen == [0]


@on_one_engine
def test_without_a_channel_alerts_are_kept_and_logged_and_told_when_there_is_one(
    db: Database, settings: Settings, mailing: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    hold(db, settings, quiet_site(db))
    with caplog.at_level(logging.WARNING):
        assert look(db, settings, 61) == 0
    assert "the oldest comment has been waiting for 1 h 1 min" in caplog.text
    assert look(db, mailing, 90) == 1


@on_one_engine
def test_the_watch_works_beside_the_sweep_and_outlives_its_own_faults(
    db: Database, mailing: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> bool:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(watch, "examine", broken)
    watching = watch.Watch(db, mailing)
    thread = watching.tick()
    assert thread is not None
    thread.join()
    assert "a fault of ours" in caplog.text
    assert watching.tick() is None, "not before thirty seconds are over"


# Channels


MESSAGE = Message("Uji", "Antrean baik.\n")


def email(settings: Settings, **values: Any) -> channels.Answer:
    [channel] = channels.configured(replace(settings, alert_to=("redaksi@warta.example",), **values))
    return channel.send(MESSAGE)


@pytest.fixture
def plain() -> Settings:
    from moderation.settings import load

    return load({})


def test_a_password_is_not_sent_to_a_server_without_tls(plain: Settings, box: MailBox) -> None:
    port = box.server_address[1]
    answer = email(plain, smtp_url=f"smtp://rani:rahasia@127.0.0.1:{port}")
    assert not answer.sent
    assert "STARTTLS" in answer.note
    assert not [line for line in box.commands if line.startswith(("AUTH", "MAIL"))]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and key for 127.0.0.1, in one file."""
    if shutil.which("openssl") is None:
        pytest.fail("openssl is not installed") if os.environ.get("CI") else pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("certificate") / "mail.pem"
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mail.test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        ["openssl", "req", *options.split(), "-keyout", str(path) + ".key", "-out", str(path)],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + Path(str(path) + ".key").read_text())
    return path


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_with_a_valid_certificate_the_password_and_the_message_travel_in_tls(
    plain: Settings, box: MailBox, certificate: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    box.tls.load_cert_chain(certificate)
    box.implicit, box.features = scheme == "smtps", ("STARTTLS", "AUTH PLAIN")
    url = f"{scheme}://rani:rahasia@127.0.0.1:{box.server_address[1]}"
    untrusted = email(plain, smtp_url=url)
    assert not untrusted.sent
    assert "certificate is not valid" in untrusted.note
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(egress, "tls_context", lambda: trusting)
    assert email(plain, smtp_url=url) == channels.Answer(True)
    assert len(box.messages) == 1
    assert [line for line in box.commands if line.startswith("AUTH PLAIN")]


def test_a_refused_login_says_so_without_the_password(plain: Settings, box: MailBox) -> None:
    box.features, box.replies["AUTH"] = ("AUTH PLAIN",), "535 rahasia is wrong"
    answer = email(plain, smtp_url=f"smtp://rani:rahasia@127.0.0.1:{box.server_address[1]}?tls=none")
    assert answer == channels.Answer(False, "the mail server refuses user or password (535)")


@pytest.mark.parametrize(
    ("replies", "clause"),
    [
        ({"CONNECT": ""}, "cut the connection"),
        ({"CONNECT": "554 no"}, "answered 554 no"),
        ({"MAIL": "550 sender unknown"}, "answered 550 sender unknown"),
        ({"RCPT": "550 no such mailbox"}, "every recipient was refused: redaksi@warta.example (550 no such mailbox)"),
        ({"DATA": "552 full"}, "answered 552 full"),
        ({"DATA": ""}, "cut the connection"),
    ],
)
def test_what_a_mail_server_refuses_is_a_clause(
    plain: Settings, box: MailBox, replies: dict[str, str], clause: str
) -> None:
    box.replies = replies
    answer = email(plain, smtp_url=box.url)
    assert not answer.sent
    assert clause in answer.note


def test_a_mail_server_that_is_not_there_is_a_clause(plain: Settings) -> None:
    with mail_box() as gone:
        url = gone.url
    assert email(plain, smtp_url=url) == channels.Answer(False, "the mail server refused the connection")


def test_a_rude_good_bye_does_not_make_a_taken_message_untaken(plain: Settings, box: MailBox) -> None:
    box.replies["QUIT"] = "500 what?"
    assert email(plain, smtp_url=box.url) == channels.Answer(True)
    assert len(box.messages) == 1


def test_a_mail_server_that_drips_costs_the_deadline_and_no_more(
    plain: Settings, box: MailBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "TOTAL_SECONDS", 0.2)
    stop = threading.Event()

    def drip(text: str) -> bool:
        while not stop.wait(0.02):
            pass
        return False

    from .smtp import Conversation

    monkeypatch.setattr(Conversation, "say", lambda self, text: drip(text))
    try:
        assert "did not answer in time" in email(plain, smtp_url=box.url).note
    finally:
        stop.set()


@on_one_engine
def test_one_recipient_refused_is_sent_to_the_others_and_said(db: Database, mailing: Settings, box: MailBox) -> None:
    box.refused = {"it@warta.example"}
    hold(db, mailing, quiet_site(db))
    assert look(db, mailing, 61) == 1
    assert box.messages[0][0] == ["redaksi@warta.example"]
    [finding] = [item for item in checks.examine(db, mailing) if "email" in item.what]
    assert "it@warta.example (550 no such mailbox)" in finding.what


def test_a_webhook_gets_slack_shaped_text_in_which_nobody_is_called(plain: Settings, hook: Hook) -> None:
    [channel] = channels.configured(hooked(plain, hook))
    assert channel.send(Message("<!channel> & co", "teks")).sent
    assert hook.texts == ["*&lt;!channel&gt; &amp; co*\n\nteks"]
    assert "T0" not in channel.where


def test_a_webhook_obeys_the_rules_of_deliveries(plain: Settings, hook: Hook) -> None:
    [channel] = channels.configured(replace(hooked(plain, hook), delivery_allow=()))
    answer = channel.send(MESSAGE)
    assert not answer.sent
    assert "not public" in answer.note
    hook.status = 500
    [channel] = channels.configured(hooked(plain, hook))
    assert channel.send(MESSAGE) == channels.Answer(False, "answered 500")


# Commands and doctor


@pytest.fixture
def environment(settings: Settings, box: MailBox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("MODERATION_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("MODERATION_SMTP_URL", box.url)
    monkeypatch.setenv("MODERATION_ALERT_TO", "redaksi@warta.example")


@on_one_engine
@pytest.mark.usefixtures("environment")
def test_the_list_says_what_is_wrong_since_when_and_who_was_told(db: Database, mailing: Settings) -> None:
    empty = CliRunner().invoke(cli, ["alerts", "list"])
    assert "No alerts" in empty.output
    assert "never looked at" in empty.output
    hold(db, mailing, quiet_site(db))
    look(db, mailing, 61)
    text = CliRunner().invoke(cli, ["alerts", "list"]).output
    assert "the oldest comment has been waiting for 1 h 1 min" in text
    assert "told by email" in text
    row = json.loads(CliRunner().invoke(cli, ["alerts", "list", "--json"]).output)
    assert (row["kind"], row["since"], row["told"]) == ("held_late", at(61).isoformat(), {"email": at(61).isoformat()})


@on_one_engine
@pytest.mark.usefixtures("environment")
def test_the_test_message_goes_through_every_channel_and_says_what_each_answered(
    box: MailBox, monkeypatch: pytest.MonkeyPatch, hook: Hook
) -> None:
    monkeypatch.setenv("MODERATION_ALERT_WEBHOOK", f"http://127.0.0.1:{hook.server_port}/services/T0/B0")
    result = CliRunner().invoke(cli, ["alerts", "test"])
    assert result.exit_code == 1
    assert "✓ email to redaksi@warta.example: sent" in result.output
    assert "✕ webhook to 127.0.0.1: not sent: refused: address 127.0.0.1 is not public" in result.output
    assert "tidak ada yang salah" in box.texts[0]
    monkeypatch.setenv("MODERATION_DELIVERY_ALLOW", "127.0.0.0/8")
    assert CliRunner().invoke(cli, ["alerts", "test"]).exit_code == 0
    for name in ("MODERATION_SMTP_URL", "MODERATION_ALERT_WEBHOOK"):
        monkeypatch.delenv(name)
    result = CliRunner().invoke(cli, ["alerts", "test"])
    assert (result.exit_code, "MODERATION_SMTP_URL" in result.output) == (1, True)


@on_one_engine
def test_the_doctor_names_half_a_configuration_and_an_examination_that_stopped(
    db: Database, settings: Settings
) -> None:
    def texts(values: Settings) -> str:
        return "\n".join(f"{item.what} {item.remedy}" for item in checks.examine(db, values))

    assert "ALERT" not in texts(settings)
    assert "MODERATION_SMTP_URL" in texts(replace(settings, alert_to=("a@b.example",)))
    assert "MODERATION_ALERT_TO" in texts(replace(settings, smtp_url="smtp://mail.example"))
    with db.transaction() as session:
        store.take(session, store.EXAMINATION, datetime.now(UTC) - timedelta(minutes=6), watch.EVERY)
    assert "Nothing was examined for alerts for 6 min" in texts(settings)


@on_one_engine
def test_an_alert_that_comes_back_is_the_same_row(db: Database, mailing: Settings) -> None:
    hold(db, mailing, quiet_site(db))
    look(db, mailing, 61)
    release(db)
    look(db, mailing, 62)
    look(db, mailing, 68)
    hold(db, mailing, quiet_site(db), since=at(70))
    with db.transaction() as session:
        session.execute(update(Comment).where(Comment.id == 1).values(status="HELD"))
    assert look(db, mailing, 80) == 1
    with db.reading() as session:
        row = session.scalars(select(Alert).where(Alert.subject == "1", Alert.kind == conditions.HELD_LATE)).one()
        assert (row.since, row.resolved_at) == (at(80), at(68))
