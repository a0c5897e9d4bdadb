"""The Celery application of the worker processes: `celery -A workers.app worker -Q scoring`."""

import logging
from typing import Any

from celery.signals import setup_logging, worker_process_init

from moderation import dispatch, watchdog
from moderation.db import Database
from moderation.dispatch import CelerySender
from moderation.settings import load

settings = load()
app = dispatch.make_celery(settings)
app.conf.imports = ("workers.scoring", "workers.delivery", "workers.housekeeping", "workers.bulk", "workers.rescoring")
db = Database(settings.database, info={"sender": CelerySender(settings), "composition": settings.speakers})

watchdog.watch_parent()


@setup_logging.connect
def _configure_logging(loglevel: int | None = None, **_: Any) -> None:
    logging.basicConfig(
        level=loglevel or logging.INFO, format="%(asctime)s %(levelname)s %(processName)s %(name)s: %(message)s"
    )


@worker_process_init.connect
def _forget_connections(**_: Any) -> None:
    db.engine.dispose(close=False)  # connections must not be shared over a fork
