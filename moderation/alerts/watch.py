"""The watch: examine what is wrong, tell people of it. Called by housekeeping again and again, in many processes.

No transaction is open while a message travels, and nobody waits for it: the sweep that holds late comments must not
stand still because a mail server does.
"""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from moderation.alerts import channels, conditions, sentences, store
from moderation.alerts.channels import Channel
from moderation.db import Database, utcnow
from moderation.errors import Unavailable
from moderation.settings import Settings

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=30)
"""From one examination to the next."""
TURN = timedelta(seconds=120)
"""How long a channel is one process's: longer than any message takes (channels.TOTAL_SECONDS, and the name look-up)."""


class Watch:
    """One process's watch: a thread that works beside the sweeps, started when it is due and never twice."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db, self._settings = db, settings
        self._lock = threading.Lock()
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def tick(self) -> threading.Thread | None:
        """Examine and tell in a thread of its own, which is returned; None when that is not due or still going on."""
        with self._lock:
            if time.monotonic() < self._due or (self._thread is not None and self._thread.is_alive()):
                return None
            self._due = time.monotonic() + EVERY.total_seconds()
            self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
            self._thread.start()
            return self._thread

    def _work(self) -> None:
        try:
            examine(self._db, self._settings, utcnow())
            tell(self._db, self._settings, utcnow())
        except Unavailable as error:
            log.warning("alerts could not be examined: %s", error.message)
        except Exception:  # a thread has nobody above it: a fault of ours must at least be in the log
            log.exception("alerts could not be examined")


def examine(db: Database, settings: Settings, now: datetime) -> bool:
    """Look at everything once and note what began and what ended. False when another process did so a moment ago."""
    with db.transaction() as session:
        turn = store.take(session, store.EXAMINATION, now, EVERY)
    if turn is None:
        return False
    with db.reading() as session:
        found = conditions.find(session, settings, now)
        samples = conditions.samples(session, now)
    gap = turn.before is None or now - turn.before > store.GAP
    with db.transaction() as session:
        conditions.keep(session, samples, now)
        begun, ended = store.note(session, found, now, gap=gap)
        missed = {way.name: store.untold(session, ended, way.name) for way in channels.configured(settings)}
    for alert in begun:
        log.warning("alert: %s", sentences.wrong(alert, "en"))
    for alert in ended:
        log.warning("all clear: %s", sentences.over(alert, "en"))
    for name, alerts in missed.items():
        for alert in alerts:
            log.error("over before anybody could be told by %s: %s", name, sentences.wrong(alert, "en"))
    return True


def tell(db: Database, settings: Settings, now: datetime, ways: Sequence[Channel] | None = None) -> int:
    """Send each channel what its people do not know yet; returns how many messages went out."""
    ways = channels.configured(settings) if ways is None else ways
    return sum(_tell(db, settings, channel, now) for channel in ways)


def _tell(db: Database, settings: Settings, channel: Channel, now: datetime) -> bool:
    repeat = timedelta(minutes=settings.alert_repeat_minutes)
    with db.reading() as session:
        if not store.news(session, channel.name, now, repeat):
            return False
    with db.transaction() as session:
        turn = store.take(session, channel.name, now, TURN)
        if turn is None:
            return False
        full_until = store.full_until(session, channel.name, now)
        news = store.news(session, channel.name, now, repeat)
        if full_until is not None or not news:
            store.give_back(session, turn, full_until or now)
    if full_until is not None:
        log.warning("%s has had its messages of this hour; what is new waits until %s", channel.name, full_until)
        return False
    if not news:
        return False
    message = sentences.compose(news, settings.alert_language, settings.base_url, now, settings.alert_repeat_minutes)
    answer = channel.send(message)
    with db.transaction() as session:
        if answer.sent:
            store.sent(session, turn, news, now, answer.note)
        else:
            store.failed(session, turn, now, answer.note)
    if not answer.sent:
        log.error("an alert could not be sent by %s: %s", channel.name, answer.note)
    elif answer.note:
        log.error("an alert was sent by %s, but %s", channel.name, answer.note)
    return answer.sent
