"""The Celery application of the worker processes: `celery -A workers.app worker -Q scoring`."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

from celery.signals import celeryd_init, setup_logging, worker_process_init

from moderation import (
    dispatch,
    loading,
    queues,
    tables,  # noqa: F401  # rows of one room point to tables of others, which it does not load
    watchdog,
)
from moderation.db import Database
from moderation.dispatch import CelerySender
from moderation.settings import load

log = logging.getLogger(__name__)

settings = load()
app = dispatch.make_celery(settings)
db = Database(settings.database, info={"sender": CelerySender(settings), "composition": settings.speakers})

watchdog.watch_parent()


def task_modules(worked: Collection[str]) -> list[str]:
    """The modules with the tasks of the queues that a worker works on (of all, where it names none)."""
    tasks = [task for task, queue in queues.TASK_QUEUES.items() if not worked or queue in worked]
    return list(dict.fromkeys(task.rpartition(".")[0] for task in tasks))


@celeryd_init.connect
def _load_tasks(options: Mapping[str, Any], **_: Any) -> None:
    """Load the tasks of this worker's own queues alone: five modules of tasks bring half of the house with them, and
    an installation has six processes that would each load all of it."""
    worked = options.get("queues") or ()
    try:
        with loading.at_once():
            for name in task_modules(worked.split(",") if isinstance(worked, str) else worked):
                app.loader.import_task_module(name)
    except Exception as error:
        # Celery writes down what a signal's receiver raises, and goes on: a worker without tasks.
        log.exception("the tasks of %s cannot be loaded", worked or "all queues")
        raise SystemExit(1) from error


@setup_logging.connect
def _configure_logging(loglevel: int | None = None, **_: Any) -> None:
    logging.basicConfig(
        level=loglevel or logging.INFO, format="%(asctime)s %(levelname)s %(processName)s %(name)s: %(message)s"
    )


@worker_process_init.connect
def _forget_connections(**_: Any) -> None:
    db.engine.dispose(close=False)  # connections must not be shared over a fork
