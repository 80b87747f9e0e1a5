"""Loading code and definitions without collecting garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Collect no garbage meanwhile, and never go through what was loaded again.

    Next to nothing of what is loaded is garbage, and each collection goes through all of it: a third of a second of
    every start, and as much for each collection of a run.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
