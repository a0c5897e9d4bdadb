"""What must be true before processes are started on a data folder: one sentence for each thing that is not."""

import contextlib
import errno
import fcntl
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from moderation.errors import ModerationError
from moderation.settings import Settings

LOCK_NAME = "supervisor.lock"
MIN_FREE_BYTES = 100 * 1024 * 1024
"""Free space below which nothing is started: SQLite's log and the first comments would fill it."""
PORT_PATIENCE = 6.0
"""Seconds that the port may stay busy after a supervisor died hard: its web process ends within five."""


class CannotStart(ModerationError):
    """Something outside the program is in the way; the message is the sentence to print."""

    code = "cannot_start"
    status = 500


@contextlib.contextmanager
def claim(settings: Settings) -> Iterator[None]:
    """Own the data folder for the time of the block: one instance per folder, held by flock on `supervisor.lock`.

    Before it gives way it has checked that the folder can be written, that its disk has room and that the port is
    free. The kernel drops the lock with the process, so that a kill -9 leaves nothing to clean up. Raises CannotStart.
    """
    _check_folder(settings.data_dir)
    path = settings.data_dir / LOCK_NAME
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(f"The data folder {settings.data_dir} cannot be written: {error.strerror}.") from None
    try:
        owner = os.read(handle, 20).decode("ascii", "replace").strip()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"Another instance (process {owner or 'unknown'}) already serves the data folder {settings.data_dir}; "
                "stop it, or choose another folder with MODERATION_DATA_DIR."
            ) from None
        # A name left behind means that its owner died hard: its web process may need a moment to notice.
        _check_port(settings.host, settings.port, patience=PORT_PATIENCE if owner else 0.0)
        _write_owner(handle, str(os.getpid()), settings.data_dir)
        yield
        with contextlib.suppress(CannotStart):  # it only spares the next start some patience
            _write_owner(handle, "", settings.data_dir)
    finally:
        os.close(handle)


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise CannotStart(f"The data folder {folder} cannot be made: {error.strerror}.") from None
    if free < MIN_FREE_BYTES:
        raise CannotStart(
            f"The disk of the data folder {folder} has only {free // 1_000_000} MB left; "
            f"make room (at least {MIN_FREE_BYTES // 1_000_000} MB) and start again."
        )


def _write_owner(handle: int, owner: str, folder: Path) -> None:
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, owner.encode("ascii"), 0)
    except OSError as error:
        raise CannotStart(f"The data folder {folder} cannot be written: {error.strerror}.") from None


def _check_port(host: str, port: int, patience: float) -> None:
    until = time.monotonic() + patience
    while (problem := _bind(host, port)) is not None:
        if problem != errno.EADDRINUSE:
            raise CannotStart(f"The web server cannot listen on {host} port {port}: {os.strerror(problem)}.")
        if time.monotonic() >= until:
            other = port + 1 if port < 65535 else 8000
            raise CannotStart(f"Port {port} is already in use; choose another one: PORT={other} make run.")
        time.sleep(0.1)


def _bind(host: str, port: int) -> int | None:
    """None when the port can be bound on every address of the host, else the error number."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return errno.EADDRNOTAVAIL
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            # As the web server does it: a connection of yesterday that still lingers is no reason to refuse.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(address)
                probe.listen(1)
            except OSError as error:
                return error.errno or errno.EINVAL
    return None
