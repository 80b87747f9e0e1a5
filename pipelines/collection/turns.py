"""Turns of two parts of a step that are collected at the same time: one is requested while the other is planned.

Planning and judging keep this process busy, requesting waits for AWS. Whoever collects a part holds the turn to plan
and judge, and gives it up only while its requests are sent. So the state of a step has one thread at a time, as if its
parts came one after the other, and no more requests are on their way than of one part.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

AT_A_TIME = 2
"""The parts that are collected at the same time: one is requested, one is planned or judged."""


class StoppedError(Exception):
    """The other part failed or was interrupted, so that this one is not needed any more."""


class Turns:
    """The turn to plan and judge, and the turn to send requests."""

    def __init__(self) -> None:
        self._judging = threading.Lock()
        self._requesting = threading.Lock()
        self._stopped = threading.Event()
        self._error: BaseException | None = None

    def run(self, collect: Callable[[], None]) -> None:
        """Call `collect` in each of two threads, and wait until both have ended.

        What one of them raises, or an interrupt of this thread, stops the other one and is raised here.
        """
        threads = [
            threading.Thread(target=self._in_turn, args=(collect,), name=f"part-{number}", daemon=True)
            for number in range(AT_A_TIME)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            self._stopped.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if self._error is not None:
            raise self._error

    def _in_turn(self, collect: Callable[[], None]) -> None:
        with self._judging:
            try:
                self.require_going()
                collect()
            except StoppedError:
                pass
            except BaseException as error:  # noqa: BLE001  # whatever it is, `run` raises it
                self._error = error
                # Before the turn is given up, so that the other one does not begin another part.
                self._stopped.set()

    @contextmanager
    def requesting(self) -> Iterator[None]:
        """A block that sends requests: it waits for its turn, and plans and judges nothing.

        Raises:
            StoppedError: the other part failed or was interrupted.
        """
        self._judging.release()
        try:
            with self._requesting:
                self.require_going()
                yield
        finally:
            self._judging.acquire()
        self.require_going()

    def require_going(self) -> None:
        """Raise a StoppedError where the other part failed or was interrupted."""
        if self._stopped.is_set():
            raise StoppedError
