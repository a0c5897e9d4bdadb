"""One worker of `moderation up`: `python -m workers -Q scoring`.

It starts the very worker that `celery -A workers.app worker` does, without Celery's command line: that loads all of
Celery's commands and an interactive shell with it, a quarter of what a worker spent to start, five or six times over.
"""

import argparse
import sys
from collections.abc import Sequence

from moderation import loading


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers", description="Work on one queue.")
    parser.add_argument("-Q", dest="queue", required=True)
    parser.add_argument("--pool", default="solo")
    parser.add_argument("--concurrency", type=int, default=1)
    given = parser.parse_args(arguments)
    with loading.at_once():
        from celery.utils.nodenames import host_format

        from workers.app import app

        worker = app.Worker(
            hostname=host_format(f"{given.queue}@%h"),
            queues=given.queue,
            pool_cls=given.pool,
            concurrency=given.concurrency,
            loglevel="WARNING",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
    worker.start()
    return worker.exitcode or 0


if __name__ == "__main__":
    sys.exit(main())
