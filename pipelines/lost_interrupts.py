"""Interrupts that Python loses: they are sent again."""

import queue
import signal
import sys
import threading
import time

AGAIN_SECONDS = 0.05
"""How long after it was lost an interrupt is sent again: what lost it is over by then."""

INTERRUPTIONS = frozenset({"KeyboardInterrupt", "DagsterExecutionInterruptedError"})
"""Names of the exceptions that an interrupt raises: Python's, and that of a step of Dagster's."""


def send_again() -> None:
    """Send an interrupt of this process again whenever its exception was lost.

    A handler's exception is lost where Python ignores exceptions: in callbacks of weak references, such as those of
    ended threads, and in `__del__`. A run went on and published then, though somebody had ended it.
    """
    if isinstance(sys.unraisablehook, _Again):
        return
    hook = _Again()
    # The thread is there before: the callback that lost an interrupt may hold a lock that starting one needs.
    threading.Thread(target=hook.send, name="lost interrupts", daemon=True).start()
    sys.unraisablehook = hook


class _Again:
    """Takes interrupts for lost that cannot be raised; other exceptions go the way that they went before."""

    def __init__(self) -> None:
        self._others = sys.unraisablehook
        # Its `put` may be called in any callback.
        self._lost: queue.SimpleQueue[None] = queue.SimpleQueue()

    def __call__(self, unraisable: "sys.UnraisableHookArgs") -> None:
        if unraisable.exc_type.__name__ in INTERRUPTIONS:
            self._lost.put(None)
        else:
            self._others(unraisable)

    def send(self) -> None:
        """Wait for lost interrupts, and send each again to the main thread."""
        main = threading.main_thread().ident
        while True:
            self._lost.get()
            time.sleep(AGAIN_SECONDS)
            if main is not None:
                signal.pthread_kill(main, signal.SIGINT)
