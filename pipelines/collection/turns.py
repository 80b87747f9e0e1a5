"""The turn of two parts of a step at the same time: while one is requested, the other is planned, judged or requested.

Planning and judging keep this process busy, requesting waits for AWS. Whoever collects a part holds the turn to plan
and judge, and gives it up only while its requests are sent: then it touches neither the warehouse nor what the parts of
the step share, but for the landing, whose writers have locks. Both parts together send no more requests at the same
time than one of them (`AwsClient.slots`).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from resources.store.errors import end_queries

AT_A_TIME = 2
"""The parts that are collected at the same time."""

LOOK_SECONDS = 0.2
"""Seconds after which a run looks again whether it was interrupted, or an interrupted one for queries to end."""


class StoppedError(Exception):
    """The other part failed or was interrupted, so that this one is not needed any more."""


class Alone:
    """In place of `Turns` for parts that come one after the other."""

    def requesting(self) -> AbstractContextManager[None]:
        """As `Turns.requesting`."""
        return nullcontext()

    def require_going(self) -> None:
        """As `Turns.require_going`."""


class Turns:
    """The turn to plan and judge; for one `run`."""

    def __init__(self) -> None:
        self._judging = threading.Lock()
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
                # A signal that comes right before it waits does not end the waiting.
                while thread.is_alive():
                    thread.join(LOOK_SECONDS)
        except BaseException:
            self._stopped.set()
            while running := [thread for thread in threads if thread.is_alive()]:
                end_queries(thread.ident or 0 for thread in running)
                running[0].join(LOOK_SECONDS)
            raise
        if self._error is not None:
            raise self._error

    def _in_turn(self, collect: Callable[[], None]) -> None:
        # `run` raises what is kept.
        with suppress(BaseException), self._judging, self._errors_kept():
            self.require_going()
            collect()

    @contextmanager
    def _errors_kept(self) -> Iterator[None]:
        """A block whose error stops the other part, before it can take the turn; the first of all errors is kept."""
        try:
            yield
        except BaseException as error:
            if self._error is None and not isinstance(error, StoppedError):
                self._error = error
            self._stopped.set()
            raise

    @contextmanager
    def requesting(self) -> Iterator[None]:
        """A block that sends requests, and plans and judges nothing.

        Raises:
            StoppedError: the other part failed or was interrupted.
        """
        self._judging.release()
        try:
            with self._errors_kept():
                self.require_going()
                yield
        finally:
            self._judging.acquire()
        self.require_going()

    def require_going(self) -> None:
        """Raise a StoppedError where the other part failed or was interrupted."""
        if self._stopped.is_set():
            raise StoppedError
