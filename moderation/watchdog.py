"""A child's eye on its supervisor: when the supervisor dies, however it dies, the child stops. A door's helper.

The supervisor holds the writing end of a pipe and never writes; every child inherits the reading end, whose number is
in the environment. The kernel closes the writing end when the supervisor is gone, kill -9 included: then the read ends.
"""

import contextlib
import os
import signal
import stat
import threading
import time

FD_VARIABLE = "SUPERVISED_BY_FD"
"""Environment variable with the number of the inherited descriptor. Not `MODERATION_…`: it is no setting."""
GRACE_SECONDS = 3.0
"""What a child has for an orderly stop once its supervisor is gone; after that it is ended hard."""


def watch_parent() -> bool:
    """Start watching, when this process has a supervisor; says whether it has.

    At the supervisor's end the process gets SIGTERM, and ends with code 1 should it still live GRACE_SECONDS later.
    A second call, or a call in a process without a supervisor, does nothing.
    """
    number = os.environ.pop(FD_VARIABLE, "")
    if not number.isdecimal():
        return False
    descriptor = int(number)
    try:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return False
    except OSError:
        return False
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_wait, args=(descriptor,), name="watchdog", daemon=True).start()
    return True


def _wait(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # an unreadable pipe is as good as a closed one
        while os.read(descriptor, 64):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
