"""The web process of `moderation up`: waitress in front of the Flask application; `python -m moderation.serve`."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import waitress

from moderation import loading
from moderation.settings import Settings, load
from moderation.watchdog import watch_parent

BODY_MARGIN = 64 * 1024
"""Bytes above the largest body that waitress lets through: the application's own refusal names the limit, waitress's
does not."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM; open requests get a few seconds to end. Raises OSError when the port cannot be bound."""
    signal.signal(signal.SIGTERM, _stop)
    with loading.at_once():
        from moderation.app import create_app
    waitress.serve(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        threads=settings.web_threads,
        ident=None,
        max_request_body_size=max(settings.max_body_bytes, settings.max_batch_bytes) + BODY_MARGIN,
        channel_timeout=30,
        # The application believes X-Forwarded headers of exactly `trusted_proxies` proxies; with none, nobody may send
        # them.
        clear_untrusted_proxy_headers=settings.trusted_proxies == 0,
    )


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    # waitress ends its loop on SystemExit and waits for the threads that still answer.
    raise SystemExit(0)


def main() -> None:
    """Serve with the settings of the environment."""
    watch_parent()
    serve(load())
    sys.exit(0)


if __name__ == "__main__":
    main()
