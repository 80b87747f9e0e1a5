"""Runs many items in a few threads: chooses the next item, limits concurrency per account, and stops promptly.

This module knows nothing of AWS. A thread starts with one region, whose connections it keeps warm, then helps the
others. Only a few threads work on one account at a time, so that our own load does not throttle it. An item that has to
wait, such as for a rate limit, holds neither a thread nor a place of its account meanwhile.
"""

import heapq
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

TICK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Later(Generic[Result]):
    """What `work` returns for an item that it has begun and goes on with later.

    Attributes:
        due: the earliest time to go on, by `time.monotonic`.
        work: called then, in any of the threads.
    """

    due: float
    work: "Callable[[], Result | Later[Result]]"


class FanOut(Generic[Item, Result]):
    """Calls `work` once for every item, goes on with what it returns as `Later`, and delivers each result.

    The pool holds the indexes of the items, never a result: memory does not grow with the results.

    Args:
        items: the items to work on.
        place: the region and the account of an item.
        work: called in one of the threads.
        deliver: called with the result, in the same thread; never again once `run` has ended.
        threads: the most threads.
        per_account: the most items of one account at a time.
    """

    def __init__(
        self,
        items: Sequence[Item],
        *,
        place: Callable[[Item], tuple[Hashable, Hashable]],
        work: Callable[[Item], Result | Later[Result]],
        deliver: Callable[[Result], None],
        threads: int,
        per_account: int,
    ) -> None:
        self.done = 0
        self.stopping = threading.Event()
        self._items = items
        self._work = work
        self._deliver = deliver
        self._per_account = per_account
        self._lock = threading.Lock()
        self._slot_free = threading.Condition(self._lock)
        self._moved_on = threading.Condition(self._lock)
        self._running: Counter[Hashable] = Counter()
        self._delivering = 0
        self._error: BaseException | None = None
        # The accounts with items left by region, in turn; the indexes of the items by region and account.
        self._turns: dict[Hashable, deque[Hashable]] = {}
        self._waiting: dict[tuple[Hashable, Hashable], deque[int]] = {}
        self._place = place
        # The begun items that wait, by due time; how to go on with each; whether a thread waits for the first of them.
        self._later: list[tuple[float, int]] = []
        self._begun: dict[int, Callable[[], Result | Later[Result]]] = {}
        self._is_awaited = False
        for index, item in enumerate(items):
            region, account = place(item)
            queue = self._waiting.get((region, account))
            if queue is None:
                queue = self._waiting[region, account] = deque()
                self._turns.setdefault(region, deque()).append(account)
            queue.append(index)
        accounts = len({account for _, account in self._waiting})
        self._threads = min(threads, len(items), per_account * accounts)

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Work until no item is left. `tick` is called in this thread, every half second and at the end.

        An exception of a thread is raised here. An exception or an interrupt of this thread ends the run promptly:
        nothing is started or delivered any more, and calls that wait for AWS are left to end by themselves.
        """
        homes = list(self._turns)
        try:
            for number in range(self._threads):
                home = homes[number % len(homes)]
                threading.Thread(target=self._toil, args=(home,), name=f"request-{number}", daemon=True).start()
            # A run that ends before the first check still calls `tick` once.
            is_over = not self._items
            while not is_over:
                with self._lock:
                    is_over = self._moved_on.wait_for(self._is_over, timeout=TICK_SECONDS)
                tick()
        finally:
            with self._lock:
                self.stopping.set()
                self._slot_free.notify_all()
                self._moved_on.wait_for(lambda: self._delivering == 0)
        if self._error is not None:
            raise self._error

    def _is_over(self) -> bool:
        return self._error is not None or self.done == len(self._items)

    def _toil(self, home: Hashable) -> None:
        regions = [home, *(region for region in self._turns if region != home)]
        while (taken := self._take(regions)) is not None:
            index, account = taken
            error: BaseException | None = None
            later: Later[Result] | None = None
            try:
                later = self._worked(index)
            except BaseException as raised:  # noqa: BLE001  # whatever it is, `run` raises it
                error = raised
            with self._lock:
                self._running[account] -= 1
                if later is not None:
                    self._put_off(index, later)
                else:
                    self.done += error is None
                if error is not None and not self.stopping.is_set():
                    self._error = error
                    self.stopping.set()
                self._slot_free.notify()
                if self._is_over():
                    self._moved_on.notify_all()

    def _worked(self, index: int) -> Later[Result] | None:
        """Work on an item and deliver its result; returns what is left of the item for later."""
        begun = self._begun.pop(index, None)
        result = self._work(self._items[index]) if begun is None else begun()
        if isinstance(result, Later):
            return result
        self._hand_on(result)
        return None

    def _hand_on(self, result: Result) -> None:
        with self._lock:
            if self.stopping.is_set():
                return
            self._delivering += 1
        try:
            self._deliver(result)
        finally:
            with self._lock:
                self._delivering -= 1
                self._moved_on.notify_all()

    def _take(self, regions: Sequence[Hashable]) -> tuple[int, Hashable] | None:
        with self._lock:
            while not self.stopping.is_set():
                self._take_back()
                for region in regions:
                    found = self._next(region)
                    if found is not None:
                        # Whoever waited for the due items may be the one that took this item.
                        if self._later and not self._is_awaited:
                            self._slot_free.notify()
                        return found
                if self._later:
                    self._wait_for_due()
                elif any(self._turns.values()):
                    self._slot_free.wait()
                else:
                    return None
        return None

    def _put_off(self, index: int, later: Later[Result]) -> None:
        self._begun[index] = later.work
        heapq.heappush(self._later, (later.due, index))
        if self._is_awaited and self._later[0][1] == index:
            # The thread that waits for the first one due waits too long now.
            self._slot_free.notify_all()

    def _wait_for_due(self) -> None:
        """Wait until an item may be due or a place is free. One thread wakes for the due ones, not all of them."""
        if self._is_awaited:
            self._slot_free.wait()
            return
        self._is_awaited = True
        self._slot_free.wait(max(0.0, self._later[0][0] - time.monotonic()))
        self._is_awaited = False

    def _take_back(self) -> None:
        """Put the items that are due first in the queues of their places."""
        while self._later and self._later[0][0] <= time.monotonic():
            _, index = heapq.heappop(self._later)
            region, account = self._place(self._items[index])
            queue = self._waiting[region, account]
            if not queue:
                self._turns[region].appendleft(account)
            queue.appendleft(index)

    def _next(self, region: Hashable) -> tuple[int, Hashable] | None:
        turns = self._turns[region]
        for _ in range(len(turns)):
            account = turns.popleft()
            if self._running[account] >= self._per_account:
                turns.append(account)
                continue
            queue = self._waiting[region, account]
            index = queue.popleft()
            if queue:
                turns.append(account)
            self._running[account] += 1
            return index, account
        return None
