"""Questions put from further processes: the same answers, each account from one process, and an end when told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from nights import worker_processes
from scripted_aws import INSTANCES, Reply, ScriptedAws, as_json, reservations, scripted, static, write_profiles

from resources.aws import dispatch
from resources.aws.client import AwsClient
from resources.aws.dispatch import fetch_all, look_up_all
from resources.aws.listing import Listing
from resources.aws.messages import Lookup, Request, Response
from resources.aws.workers import ProcessEnded, WorkerPool
from resources.contract import ContractViolation

REGIONS = ("us-east-1", "eu-west-1")
ACCOUNTS = 8
VETOED = Listing("x", "organizations:ListAccounts", roles=("management",), zero="ordinary", records="Accounts")


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with scripted(tmp_path, monkeypatch) as server:
        write_profiles(tmp_path, server.url, {f"p-{n}": static(f"{n:012}") for n in range(ACCOUNTS)})
        yield server


@pytest.fixture
def reach() -> Iterator[AwsClient]:
    reach = AwsClient("workload", home_region=REGIONS[0], concurrency=8)
    yield reach
    reach.close()


@pytest.fixture
def processes() -> Iterator[WorkerPool]:
    made = WorkerPool(2, home_region=REGIONS[0], concurrency=8)
    yield made
    made.close()


def questions(*listings: Listing) -> list[Request]:
    return [
        Request(f"p-{n}", f"{n:012}", region, listing, "workload")
        for n in range(ACCOUNTS)
        for region in REGIONS
        for listing in listings or (INSTANCES,)
    ]


def plain(answer: Response) -> Any:
    """An answer without what differs from one asking to the next: its times, and its request ids but their number."""
    then = datetime(2026, 1, 1, tzinfo=UTC)
    return replace(
        answer, started_at=then, ended_at=then, raw_response=None, request_ids=("",) * len(answer.request_ids)
    )


def wait_until(holds: Callable[[], bool]) -> None:
    """Whatever else the machine does; the test's own limit ends what never comes."""
    while not holds():
        time.sleep(0.02)


def by_account(call: Any) -> Reply | None:
    """Accounts that differ: some are empty, some have a few instances, one refuses."""
    if call.service != "ec2":
        return None
    number = int(call.account)
    if number == 3:
        return Reply("<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>", 403)
    return reservations(call.account, *(f"i-{call.account}-{n}" for n in range(number % 3)))


def test_two_processes_return_what_one_does_and_request_each_account_from_one(
    aws: ScriptedAws, reach: AwsClient, processes: WorkerPool
) -> None:
    aws.script = by_account
    alone: list[Response] = []
    fetch_all({"workload": reach}, questions(), alone.append)
    requests = reach.counter.requests
    aws.log.clear()

    together: list[Response] = []
    fetch_all({"workload": reach}, questions(), together.append, processes=processes)

    def key(answer: Response) -> tuple[str, str]:
        return (answer.request.account_id, answer.request.region)

    assert [plain(answer) for answer in sorted(together, key=key)] == [
        plain(answer) for answer in sorted(alone, key=key)
    ]
    assert {answer.outcome for answer in together} == {"found", "empty_unconfirmed", "denied"}
    (child,) = worker_processes()
    assert child.is_running()
    # Two of three accounts are asked there, and identified there once each. All of it is counted here.
    identified = Counter(call.account for call in aws.operations("sts"))
    assert identified == {f"{n:012}": 1 for n in (1, 2, 4, 5, 7)}
    assert reach.counter.requests - requests == len(aws.log)

    aws.log.clear()
    fetch_all({"workload": reach}, questions(), lambda answer: None, processes=processes)
    assert aws.operations("sts") == [], "an account stays with its process"
    assert worker_processes() == [child]


def test_a_process_serves_the_requests_of_two_parts_at_the_same_time(
    aws: ScriptedAws, reach: AwsClient, processes: WorkerPool
) -> None:
    came = threading.Event()
    waited: list[bool] = []

    def script(call: Any) -> Reply | None:
        if call.service == "ec2" and call.account == "000000000000":
            waited.append(came.wait(60))
        if call.service == "ec2" and call.account == "000000000001":
            came.set()
        return by_account(call)

    aws.script = script
    elsewhere = _only_elsewhere(processes)
    requests = {n: [one for one in questions() if int(one.account_id) == n] for n in range(2)}
    counted: list[Response] = []

    def fetch(number: int) -> None:
        fetch_all({"workload": reach}, requests[number], counted.append, processes=elsewhere)

    with ThreadPoolExecutor(2) as parts:
        first = parts.submit(fetch, 0)
        wait_until(lambda: any(call.service == "ec2" for call in aws.log))
        parts.submit(fetch, 1).result()
        first.result()
    assert waited == [True] * len(REGIONS)
    assert len(counted) == 2 * len(REGIONS)
    # Both count into the same client, each request once.
    assert reach.counter.requests == len(aws.log)


def test_cloudtrail_is_requested_by_the_process_that_has_the_account(
    aws: ScriptedAws, reach: AwsClient, processes: WorkerPool
) -> None:
    aws.script = lambda call: as_json({"Events": []}) if call.service == "cloudtrail" else None
    calls = {("ec2.amazonaws.com", "DescribeInstances"): "ec2:DescribeInstances"}
    lookups = [Lookup("workload", f"p-{n}", f"{n:012}", REGIONS[0], datetime.now(UTC), calls) for n in range(ACCOUNTS)]
    found = look_up_all({"workload": reach}, lookups, processes=processes)
    assert [refusals.available for refusals in found] == [True] * ACCOUNTS, found
    asked = Counter(call.account for call in aws.operations("cloudtrail"))
    assert asked == {f"{n:012}": 1 for n in range(ACCOUNTS)}


def test_another_process_is_guarded_by_itself(aws: ScriptedAws, reach: AwsClient, processes: WorkerPool) -> None:
    items = [replace(question, listing=VETOED) for question in questions()]
    with pytest.raises(ContractViolation):
        # Past the check that comes before anything is handed out.
        dispatch.spread({"workload": reach}, items[2:4], lambda *_: None, lambda _: None, _only_elsewhere(processes))
    assert aws.log == []


def _only_elsewhere(processes: WorkerPool) -> WorkerPool:
    for n in range(ACCOUNTS):
        processes._process_of[f"{n:012}"] = 1
    return processes


def test_a_process_that_is_killed_ends_the_asking_in_a_sentence(
    aws: ScriptedAws, reach: AwsClient, processes: WorkerPool
) -> None:
    aws.delay = 0.05
    answers: list[Response] = []

    def each(answer: Response) -> None:
        answers.append(answer)
        if len(answers) == 10:
            os.kill(worker_processes()[0].pid, signal.SIGKILL)

    with pytest.raises(ProcessEnded, match=r"exit code -9.*CMDB_PROCESSES=1"):
        fetch_all({"workload": reach}, questions() * 40, each, processes=processes)
    count = len(answers)
    time.sleep(0.3)
    assert len(answers) == count, "nothing is handed on after the end"
    assert worker_processes() == []
    # The next asking begins another one.
    fetch_all({"workload": reach}, questions(), answers.append, processes=processes)
    assert len(answers) == count + len(questions())


def test_what_each_raises_ends_the_other_processes_too(
    aws: ScriptedAws, reach: AwsClient, processes: WorkerPool
) -> None:
    aws.delay = 0.05

    def each(answer: Response) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fetch_all({"workload": reach}, questions() * 40, each, processes=processes)
    assert worker_processes() == []
    asked = len(aws.log)
    time.sleep(0.3)
    assert len(aws.log) - asked <= 8


def test_no_process_outlives_the_one_that_began_it(aws: ScriptedAws, tmp_path: Path) -> None:
    aws.delay = 0.05
    script = textwrap.dedent(
        f"""
        import sys
        sys.path[:0] = [{str(Path(__file__).parent)!r}]
        from test_asking import *
        reach = AwsClient("workload", home_region=REGIONS[0], concurrency=8)
        made = WorkerPool(2, home_region=REGIONS[0], concurrency=8)
        fetch_all({{"workload": reach}}, questions() * 400, lambda answer: print("asked", flush=True), processes=made)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline().startswith("asked")
    wait_until(lambda: bool(psutil.Process(parent.pid).children()))
    (child,) = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
