"""Many who wait for something share one look: a thread asks for all of them at once, and only while somebody waits."""

import logging
import threading
import time
from collections.abc import Callable, Collection

from moderation.errors import ModerationError

log = logging.getLogger(__name__)


class Watching:
    """Wakes those who wait for a key that `look` finds ready: it gets all keys that are waited for, and returns some.

    At most `places` callers wait at once; `pause` (s) lies between two looks.
    """

    def __init__(self, look: Callable[[Collection[int]], Collection[int]], *, places: int, pause: float) -> None:
        self._look, self._places, self._pause = look, places, pause
        self._waiting: list[tuple[int, threading.Event]] = []
        self._looking = False
        self._lock = threading.Lock()

    def wait(self, key: int, seconds: float) -> bool:
        """Wait until `key` is ready; False after `seconds`, or at once where all places are taken."""
        place = (key, threading.Event())
        with self._lock:
            if len(self._waiting) >= self._places:
                return False
            self._waiting.append(place)
            starts, self._looking = not self._looking, True
        if starts:
            threading.Thread(target=self._run, name="watching", daemon=True).start()
        try:
            return place[1].wait(seconds)
        finally:
            with self._lock:
                self._waiting.remove(place)

    def _run(self) -> None:
        while True:
            time.sleep(self._pause)
            with self._lock:
                keys = {key for key, _ in self._waiting}
                self._looking = bool(keys)
            if not keys:
                return
            try:
                ready = self._look(keys)
            except ModerationError as error:  # the database is away: those who wait go on waiting
                log.warning("nobody can look: %s", error.message)
                continue
            with self._lock:
                for key, event in self._waiting:
                    if key in ready:
                        event.set()
