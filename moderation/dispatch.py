"""Nudging the workers: the only file of the house that knows Celery.

A nudge is a task name and nothing else: "look at what is due". It leaves after the commit, from a thread of its own,
so that no request waits for a broker; a nudge that is lost costs the time until the next sweep, never a comment.
"""

import logging
import os
import threading
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol

from celery import Celery
from kombu.entity import Queue
from kombu.exceptions import KombuError, OperationalError
from sqlalchemy.orm import Session

from moderation import nudgefs, queues
from moderation.db import after_commit
from moderation.settings import Settings

log = logging.getLogger(__name__)


MAX_NUDGES = 1000
"""Nudges that RabbitMQ keeps per queue; the oldest go first. A nudge says "look", so a few do the work of all."""

NUDGE_SECONDS = 30
"""How long a nudge is worth anything: the sweep has come since."""


PAUSE_SECONDS = 0.02
"""Least time between two rounds of nudges of one process: the first leaves at once, a flood becomes fifty a second."""


class Sender(Protocol):
    """What carries nudges out of this process."""

    def send(self, task: str) -> None:
        """Ask for one run of `task`, some time soon. Never blocks and never raises for a broker that is away."""


def make_celery(settings: Settings) -> Celery:
    """The Celery application, configured alike for those who nudge and for the workers."""
    broker = settings.broker_url
    options: dict[str, Any] = {"socket_timeout": 5, "socket_connect_timeout": 2}
    if settings.embedded:
        nudgefs.register()
        broker = "nudgefs://localhost//"
        options = nudgefs.transport_options(settings.data_dir)
    elif broker.startswith("redis"):
        options |= {"visibility_timeout": 120, "health_check_interval": 5, "socket_keepalive": True}
    app = Celery("moderation", broker=broker, set_as_current=False)
    app.conf.update(
        broker_transport_options=options,
        broker_connection_timeout=2,
        broker_connection_retry_on_startup=True,
        broker_pool_limit=2,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_delivery_mode="transient",
        task_default_queue=queues.HOUSEKEEPING,
        task_queues=[Queue(name, durable=True, queue_arguments={"x-max-length": MAX_NUDGES}) for name in queues.QUEUES],
        task_routes={task: {"queue": queue} for task, queue in queues.TASK_QUEUES.items()},
        task_time_limit=60,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=not settings.embedded,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_proc_alive_timeout=30,
        beat_schedule={
            f"sweep-{queue}": {
                "task": task,
                "schedule": float(settings.sweep_seconds),
                "options": {"expires": NUDGE_SECONDS},
            }
            for task, queue in queues.TASK_QUEUES.items()
        },
    )
    return app


class CelerySender:
    """Sends nudges through Celery from one daemon thread.

    The same task asked for twice before it left is sent once: its pending names are a set, bounded by their number.
    """

    def __init__(self, settings: Settings) -> None:
        self._celery = make_celery(settings)
        self._pending: set[str] = set()
        self._wake = threading.Condition()
        self._owner = 0

    def send(self, task: str) -> None:
        """See Sender."""
        with self._wake:
            if self._owner != os.getpid():  # threads do not survive a fork (gunicorn)
                self._owner = os.getpid()
                threading.Thread(target=self._run, name="nudges", daemon=True).start()
            self._pending.add(task)
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending)
                tasks, self._pending = self._pending, set()
            self._publish(tasks)
            time.sleep(PAUSE_SECONDS)  # what is asked for meanwhile leaves as one nudge

    def _publish(self, tasks: Iterable[str]) -> None:
        for task in tasks:
            try:
                self._celery.send_task(task, expires=NUDGE_SECONDS)
            except (OperationalError, KombuError, OSError) as error:
                log.warning("nudge %s dropped, the sweep will find the row: %s", task, error)


class NoSender:
    """Drops every nudge: for one-shot commands without a broker, and for tests of the sweep."""

    def send(self, task: str) -> None:
        """See Sender."""


def nudge(session: Session, *tasks: str) -> None:
    """Ask for a run of `tasks` once the session's transaction is committed."""
    sender: Sender = session.info.get("sender") or NoSender()
    for task in tasks:
        after_commit(session, f"nudge:{task}", partial(sender.send, task))
