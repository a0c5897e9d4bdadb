"""All processes of one machine under one roof: start, watch, start again, stop. A door, used by `moderation up`."""

import contextlib
import http.client
import importlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import FrameType

from moderation import queues
from moderation import settings as configuration
from moderation.errors import ModerationError
from moderation.preflight import CannotStart, claim
from moderation.settings import Settings
from moderation.watchdog import FD_VARIABLE

POLL_SECONDS = 0.05
FIRST_BACKOFF = 0.2
LONGEST_BACKOFF = 5.0
STEADY_SECONDS = 30.0
"""A child that lived this long has recovered: its next death counts as the first."""
STOP_SECONDS = 8.0
"""What children have between SIGTERM and SIGKILL."""
PATIENCE_SECONDS = 30.0
"""Without readiness after this long, a line says what is missing."""


@dataclass(frozen=True, slots=True)
class Child:
    """One process to keep alive: its name for messages, its command line, what it needs besides our environment.

    A `quiet` one writes to standard error only; Celery says good-bye on standard output.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False


@dataclass(slots=True)
class _Slot:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    backoff: float = 0.0
    due: float = 0.0


def run(
    settings: Settings,
    *,
    prepare: Callable[[], None] | None = None,
    tick: Callable[[], None] | None = None,
    on_ready: Callable[[], None] | None = None,
    children: Callable[[], Sequence[Child]] | None = None,
    ready: Callable[[], str] | None = None,
) -> int:
    """Run an installation until SIGINT, SIGTERM or SIGHUP; returns the exit code of the process (0, or 1 when refused).

    The data folder is claimed and the port checked first, then `prepare` runs (migration, first administrator), then
    the children start. `tick` is called every `sweep_seconds` from a thread, `on_ready` once, when /readyz first
    answers 200. `children` names the processes that should run, asked again every sweep, so that a scorer installed
    meanwhile gets its worker; `ready` returns what is missing, or nothing. Both have the defaults that
    `moderation up` uses. What hinders the start is printed as one sentence.
    """
    supervisor = Supervisor(
        children or (lambda: processes(settings)),
        tick=tick,
        tick_seconds=settings.sweep_seconds,
        ready=ready or (lambda: missing(settings)),
        on_ready=on_ready,
    )
    try:
        with claim(settings):
            if prepare is not None:
                prepare()
            supervisor.run()
    except CannotStart as error:
        _say(error.message)
        return 1
    return 0


def processes(settings: Settings) -> list[Child]:
    """The processes of an installation: the web and one Celery worker for each process class."""
    env = environment(settings)
    found = [
        Child("web", (sys.executable, "-m", "moderation.serve"), env),
        _worker(queues.SCORING, env),
        _worker(queues.DELIVERY, env, pool="threads", concurrency=4),
        _worker(queues.HOUSEKEEPING, env),
        _worker(queues.BULK, env),
        _worker(queues.RESCORING, env),
    ]
    if settings.scorer in ("auto", "detoxify") and detoxify_installed(settings):
        found.append(_worker(queues.SCORING_DETOXIFY, env))
    return found


def _worker(queue: str, env: Mapping[str, str], pool: str = "solo", concurrency: int = 1) -> Child:
    command = f"-m workers -Q {queue} --pool {pool} --concurrency {concurrency}"
    # One thread of arithmetic per process: several processes share few cores, and libraries would take them all.
    more = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    more["TOKENIZERS_PARALLELISM"] = "false"
    # Celery warns of root on every start; in a container root is usual, and the line would hide others.
    more["PYTHONWARNINGS"] = os.environ.get("PYTHONWARNINGS", "ignore::UserWarning:celery.platforms")
    return Child(queue, (sys.executable, *command.split()), {**more, **env}, quiet=True)


def detoxify_installed(settings: Settings) -> bool:
    """Whether there is something to run its worker with: weights in the data folder, and what running them takes."""
    try:
        # By name and on use: the supervisor stays small, and works in a build without this scorer.
        weights = importlib.import_module("moderation.scoring.weights")
    except ModuleNotFoundError:
        return False
    return weights.usable(settings.data_dir) is not None


def environment(settings: Settings) -> dict[str, str]:
    """The environment variables that make a child read exactly these settings, whatever it would inherit."""
    found: dict[str, str] = {}
    for item in fields(Settings):
        value = getattr(settings, item.name)
        if isinstance(value, bool):
            value = "1" if value else "0"
        elif isinstance(value, tuple):
            value = ",".join(value)
        found[configuration.variable(item.name)] = str(value)
    return found


def missing(settings: Settings) -> str:
    """What keeps /readyz from answering 200: nothing (an empty string), or a clause for the log."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  # compared, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=2)
    try:
        connection.request("GET", "/readyz", headers={"Host": f"{settings.host}:{settings.port}"})
        answer = connection.getresponse()
        text = answer.read(500).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"the web server does not answer ({error})"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"/readyz answers {answer.status} {text}"


class Supervisor:
    """Keeps processes alive until it is told to stop; see `run` for the callables."""

    def __init__(
        self,
        wanted: Callable[[], Sequence[Child]],
        *,
        tick: Callable[[], None] | None = None,
        tick_seconds: float = 2.0,
        ready: Callable[[], str] | None = None,
        on_ready: Callable[[], None] | None = None,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._wanted = wanted
        self._tick = tick
        self._tick_seconds = tick_seconds
        self._ready = ready
        self._on_ready = on_ready
        self._stop_seconds = stop_seconds
        self._slots: dict[str, _Slot] = {}
        # A plain number, not an Event: a handler may run while this very thread holds the Event's lock.
        self._signals = 0
        self._ended = threading.Event()
        self._pipe = (-1, -1)

    def run(self) -> None:
        """Start everything and keep it alive until a signal comes, then stop everything. Main thread only."""
        handled = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            handled.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._note) for number in handled}
        self._pipe = os.pipe()
        try:
            self._reconcile()
            for work in (self._ticking, self._waiting):
                threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True).start()
            self._watch()
        finally:
            self._ended.set()
            self._stop()
            for descriptor in self._pipe:
                os.close(descriptor)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _watch(self) -> None:
        asked = time.monotonic()
        while not self._signals:
            now = time.monotonic()
            if now - asked >= self._tick_seconds:
                asked = now
                self._reconcile()
            for slot in self._slots.values():
                self._look(slot, now)
            time.sleep(POLL_SECONDS)

    def _reconcile(self) -> None:
        """Start what is wanted and not there; end what is there and no longer wanted."""
        try:
            wanted = {child.name: child for child in self._wanted()}
        except (OSError, ModerationError) as error:  # an unreadable data folder must not take the living with it
            _say(f"cannot tell which processes should run: {error}")
            return
        for name in [name for name in self._slots if name not in wanted]:
            slot = self._slots.pop(name)
            if slot.process is not None:
                self._end([slot.process])
        for name, child in wanted.items():
            if name not in self._slots:
                self._slots[name] = slot = _Slot(child)
                self._start(slot)

    def _look(self, slot: _Slot, now: float) -> None:
        if slot.process is not None:
            code = slot.process.poll()
            if code is None:
                return
            slot.process = None
            steady = now - slot.started >= STEADY_SECONDS
            self._postpone(slot, now, f"{slot.child.name} {_ended(code)}", afresh=steady)
        if now >= slot.due:
            self._start(slot)

    def _postpone(self, slot: _Slot, now: float, what: str, *, afresh: bool = False) -> None:
        grown = FIRST_BACKOFF if afresh or not slot.backoff else slot.backoff * 2
        slot.backoff = min(grown, LONGEST_BACKOFF)
        slot.due = now + slot.backoff
        _say(f"{what}; starting it again in {slot.backoff:g} s")

    def _start(self, slot: _Slot) -> None:
        reader = self._pipe[0]
        slot.started = time.monotonic()
        try:
            slot.process = subprocess.Popen(  # noqa: S603  # our own command lines
                slot.child.argv,
                env={**os.environ, **slot.child.env, FD_VARIABLE: str(reader)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if slot.child.quiet else None,
                pass_fds=(reader,),
                # Ctrl-C in a terminal must reach the supervisor alone, which then stops them in order.
                start_new_session=True,
            )
        except OSError as error:
            self._postpone(slot, slot.started, f"{slot.child.name} cannot be started ({error.strerror})")

    def _stop(self) -> None:
        self._end([slot.process for slot in self._slots.values() if slot.process is not None])
        self._slots.clear()

    def _end(self, alive: Sequence[subprocess.Popen[bytes]]) -> None:
        """SIGTERM, then after a while, or at the next signal, SIGKILL to the whole group of each."""
        until = time.monotonic() + self._stop_seconds
        for process in alive:
            process.terminate()
        asked = self._signals
        while any(process.poll() is None for process in alive):
            if time.monotonic() >= until or (asked and self._signals > asked):
                break
            time.sleep(POLL_SECONDS)
        for process in alive:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _ticking(self) -> None:
        while self._tick is not None and not self._ended.wait(self._tick_seconds):
            try:
                self._tick()
            except Exception as error:  # a sweep that fails today must not end all later ones
                _say(f"a sweep failed and will be repeated: {type(error).__name__}: {error}")

    def _waiting(self) -> None:
        if self._ready is None:
            return
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._ended.is_set():
            lacking = self._ready()
            if not lacking:
                if self._on_ready is not None:
                    self._on_ready()
                return
            if time.monotonic() >= until:
                until = time.monotonic() + PATIENCE_SECONDS
                _say(f"not ready yet: {lacking}")
            self._ended.wait(POLL_SECONDS)


def _ended(code: int) -> str:
    if code >= 0:
        return f"stopped with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _say(text: str) -> None:
    sys.stderr.write(f"moderation: {text}\n")
    sys.stderr.flush()
