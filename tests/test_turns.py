"""Two parts of a step at the same time: one is judged at a time, while the other is requested."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import duckdb
import pytest
from nights import copy_of
from steps import asked

from pipelines.collection import collector, parts, plan, trails
from pipelines.collection.accounts import Reached
from pipelines.collection.collector import Collector
from pipelines.collection.plan import Plan
from pipelines.collection.state import StepState
from pipelines.collection.turns import LOOK_SECONDS, StoppedError, Turns
from resources.aws import dispatch
from resources.aws.client import AwsClient
from resources.aws.listing import Listing
from resources.aws.messages import Response
from resources.aws.thread_pool import TICK_SECONDS
from resources.store.errors import interruptible
from simulator.client import Simulator

PATIENCE = 20.0
"""Seconds that a test waits for another thread, on a machine that others use too."""

LISTINGS = ("ec2_instance", "ec2_volume", "lambda_function", "lambda_function_tag")

PARTED: dict[str, Any] = {"CMDB_REGIONS": "us-east-1", "CMDB_PART_CELLS": "4"}


class Crowd:
    """Counts who is somewhere at the same time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


def test_one_part_is_requested_while_the_other_is_judged_and_one_alone_is_judged() -> None:
    both, judging, requesting = Turns(), Crowd(), Crowd()
    met = threading.Barrier(2, timeout=PATIENCE)
    left = iter(range(6))

    def collect() -> None:
        for number in left:
            with judging:
                time.sleep(0.01)
            with both.requesting(), requesting:
                if number < 2:
                    # Both are requested: one alone would wait in vain.
                    met.wait()

    both.run(collect)
    assert (judging.most, requesting.most) == (1, 2)

    first = iter([True, False])
    other = Turns()

    def meet() -> None:
        # Whoever sends requests waits for somebody who judges, as above.
        if next(first):
            with other.requesting():
                met.wait()
        else:
            met.wait()

    other.run(meet)


def until_stopped(both: Turns, began: threading.Event) -> None:
    """Requests that never end by themselves, as those of a part do: they look twice a second."""
    with both.requesting():
        began.set()
        while True:
            both.require_going()
            time.sleep(TICK_SECONDS / 10)


def test_what_one_part_raises_stops_the_other_one_and_is_what_is_seen() -> None:
    both, began, roles = Turns(), threading.Event(), iter(["waits", "fails"])

    def collect() -> None:
        if next(roles) == "waits":
            until_stopped(both, began)
        assert began.wait(PATIENCE)
        raise dg.Failure("This part is not as it was planned.")

    with pytest.raises(dg.Failure, match="not as it was planned"):
        both.run(collect)
    assert [thread for thread in threading.enumerate() if thread.name.startswith("part")] == []


def at_another_time() -> None:
    """Interrupt where the main thread is not woken: this one takes the signal while that one waits."""
    time.sleep(2 * LOOK_SECONDS)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)


def while_it_waits() -> None:
    """Interrupt the main thread, which the signal wakes."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.parametrize("send", [while_it_waits, at_another_time])
def test_an_interrupt_stops_both_parts(send: Callable[[], None]) -> None:
    both, began = Turns(), threading.Event()

    def collect() -> None:
        until_stopped(both, began)

    def interrupt() -> None:
        assert began.wait(PATIENCE)
        send()

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        both.run(collect)
    assert [thread for thread in threading.enumerate() if thread.name.startswith("part")] == []


def test_an_interrupt_ends_the_query_of_a_part(tmp_path: Path) -> None:
    """Python raises it in the main thread, and DuckDB knows nothing of it: the query would run for hours."""
    both, began, raised = Turns(), threading.Event(), []

    def collect() -> None:
        with duckdb.connect(tmp_path / "any.duckdb") as connection, interruptible(connection):
            began.set()
            try:
                connection.execute("select count(*) from range(10000000000) as a, range(1000) as b").fetchone()
            except duckdb.InterruptException as error:
                raised.append(error)
                raise

    def interrupt() -> None:
        assert began.wait(PATIENCE)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        both.run(collect)
    assert len(raised) == 1


def test_of_two_errors_the_first_is_seen() -> None:
    both, began, roles = Turns(), threading.Event(), iter(["second", "first"])

    def collect() -> None:
        if next(roles) == "first":
            with both.requesting():
                assert began.wait(PATIENCE)
                raise ValueError("the first")
        try:
            until_stopped(both, began)
        except StoppedError:
            raise ConnectionError("what it was waiting for was ended too") from None

    with pytest.raises(ValueError, match="the first"):
        both.run(collect)


def test_callers_are_verified_before_the_turn_to_judge_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verified identity is stored, and meanwhile the other part may have the warehouse open."""
    order: list[str] = []

    class Resource:
        processes = None

        @property
        def client(self) -> object:
            order.append("verified")
            return object()

    @contextmanager
    def requesting() -> Iterator[None]:
        order.append("given up")
        yield

    def look_up_all(*_: object, **__: object) -> list[object]:
        order.append("looked up")
        return []

    monkeypatch.setattr(trails, "look_up_all", look_up_all)
    one: Any = SimpleNamespace(listing_role="workload")
    resources: Any = {"workload": Resource()}
    turns: Any = SimpleNamespace(requesting=requesting, require_going=lambda: None)
    assert trails.trail_events(resources, [one], turns) == []
    assert order == ["verified", "given up", "looked up"]


def test_a_part_that_was_stopped_begins_no_other_one() -> None:
    both = Turns()
    begun = 0

    def collect() -> None:
        nonlocal begun
        begun += 1
        raise ValueError("the first part fails")

    with pytest.raises(ValueError, match="the first part fails"):
        both.run(collect)
    assert begun == 1


def test_a_step_judges_one_part_while_another_is_requested_and_sends_no_more_requests_at_once(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging, requesting, sending = Crowd(), Crowd(), Crowd()
    judge, make_plan, fetch, fetch_all = Collector.judge, plan.workload_plan, AwsClient.fetch, dispatch.fetch_all
    met = threading.Event()

    def judged(self: Collector) -> object:
        with judging:
            # While this part is judged, the other one sends its requests: without turns that would never be seen.
            until = time.monotonic() + PATIENCE
            while isinstance(self.state.turns, Turns) and not met.is_set() and time.monotonic() < until:
                if requesting.now:
                    met.set()
                time.sleep(0.01)
            return judge(self)

    def planned(state: StepState, listing: Listing, reached: Reached) -> Plan:
        with judging:
            return make_plan(state, listing, reached)

    def fetched_all(*given: Any, **more: Any) -> None:
        with requesting:
            fetch_all(*given, **more)

    def fetched(*given: Any, **more: Any) -> Response:
        with sending:
            return fetch(*given, **more)

    monkeypatch.setattr(Collector, "judge", judged)
    monkeypatch.setattr(parts, "workload_plan", planned)
    monkeypatch.setattr(collector, "fetch_all", fetched_all)
    monkeypatch.setattr(AwsClient, "fetch", fetched)
    database = copy_of(truthful_night, tmp_path / "step")
    with asked(organisation, database, *LISTINGS, **PARTED, CMDB_CONCURRENCY="2") as cells:
        assert len({cell.account_id for cell in cells}) > 6
    assert judging.most == 1
    assert met.is_set()
    assert sending.most <= 2, "both parts together send more requests than the setting allows"


def test_what_is_landed_of_one_part_is_not_counted_for_the_other(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Collector._take
    dropped: list[bool] = []

    def take(self: Collector, response: Response) -> None:
        plain(self, response)
        if isinstance(self.state.turns, Turns) and self.state.batch.landed["ec2_volume"] and not dropped:
            dropped.append(True)
            self.state.batch.landed["ec2_volume"] -= 1

    monkeypatch.setattr(Collector, "_take", take)
    with (
        pytest.raises(dg.Failure) as failure,
        asked(organisation, copy_of(truthful_night, tmp_path / "lost"), *LISTINGS, **PARTED),
    ):
        pass
    assert "Records of landing/ec2_volume were lost or doubled" in str(failure.value.description)
