"""Loading many modules at once: how a process of ours begins. A door's helper."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_once() -> Iterator[None]:
    """While modules are loaded nobody looks for garbage: what they make stays, and going through all of it again and
    again takes a sixth of a start. Nor does anybody afterwards, or the first look would take a tenth of a second."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if looked:
            gc.enable()
