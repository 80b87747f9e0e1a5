"""Many questions at once: each asked once, as its own account, with a bounded crew that stops when told."""

from __future__ import annotations

import _thread
import gc
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import scripted_aws
from nights import program
from scripted_aws import Call, Reply, ScriptedAws, reservations, scripted, static, write_profiles

from resources.aws.client import AwsClient
from resources.aws.dispatch import fetch_all
from resources.aws.listing import Listing
from resources.aws.messages import Identity, Progress, Request, Response
from resources.aws.profiles import available_profiles
from resources.aws.retry import Retry
from resources.aws.thread_pool import FanOut, Later
from resources.contract import ContractViolation
from simulator.client import Simulator

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
HASTE = Retry(seconds=2.0, transient_attempts=3, first_delay=0.01, longest_delay=0.05)
INSTANCES = replace(scripted_aws.INSTANCES, parameters={"MaxResults": 1000})


def question(profile: str, account: str, region: str = REGIONS[0], listing: Listing = INSTANCES) -> Request:
    return Request(profile, account, region, listing, "workload")


# ------------------------------------------------------------------------------------------ the crew


Place = tuple[str, str]


def run(items: list[Place], work: Callable[[Place], Any], threads: int = 8, per_account: int = 2) -> FanOut[Any, Any]:
    fan_out = FanOut(
        items,
        place=lambda item: item,
        work=work,
        deliver=lambda result: None,
        threads=threads,
        per_account=per_account,
    )
    fan_out.run()
    return fan_out


def test_every_item_is_worked_on_once() -> None:
    items = [(region, str(account)) for region in REGIONS for account in range(50)] * 2
    seen: Counter[Place] = Counter()
    lock = threading.Lock()

    def work(item: Place) -> None:
        with lock:
            seen[item] += 1

    assert run(items, work).done == 300
    assert set(seen.values()) == {2}
    assert len(seen) == 150


def test_nothing_to_do() -> None:
    assert run([], lambda item: None).done == 0


def test_an_account_is_requested_by_a_few_at_a_time() -> None:
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()
    lock, is_full = threading.Lock(), threading.Event()

    def work(item: Place) -> None:
        with lock:
            running[item[1]] += 1
            most[item[1]] = max(most[item[1]], running[item[1]])
            most["all"] = max(most["all"], sum(running.values()))
            if most["all"] == 12:
                is_full.set()
        # However busy the machine is, as many as may run are waited for; one more would come meanwhile.
        if not is_full.wait(60):
            is_full.set()
        time.sleep(0.005)
        with lock:
            running[item[1]] -= 1

    items = [(region, account) for region in REGIONS for account in "abcd" for _ in range(10)]
    run(items, work, threads=16, per_account=3)
    assert all(most[account] == 3 for account in "abcd")
    assert most["all"] == 12


def test_a_busy_account_among_many_is_requested_by_a_few_too() -> None:
    running: list[Place] = []
    most: list[int] = []
    is_full = threading.Event()

    def work(item: Place) -> None:
        running.append(item)
        most.append(sum(account == "busy" for _, account in running))
        if most[-1] == 3:
            is_full.set()
        if item[1] == "busy" and not is_full.wait(60):
            is_full.set()
        time.sleep(0.002)
        running.remove(item)

    items = [(region, "busy") for region in REGIONS for _ in range(20)]
    run(items + [(REGIONS[0], str(n)) for n in range(20)], work, threads=16, per_account=3)
    assert max(most) == 3


def test_one_busy_account_does_not_hold_up_the_others() -> None:
    finished: list[str] = []
    gate = threading.Event()

    def work(item: Place) -> None:
        if item[1] == "slow":
            gate.wait(10)
        finished.append(item[1])
        if finished.count("quick") == 40:
            gate.set()

    items = [(REGIONS[0], "slow")] * 20 + [(REGIONS[0], "quick")] * 40
    run(items, work, threads=8, per_account=2)
    assert finished[:40] == ["quick"] * 40


def test_threads_begin_on_their_own_region_and_then_help() -> None:
    where: dict[int, list[str]] = {}
    lock = threading.Lock()

    def work(item: Place) -> None:
        with lock:
            where.setdefault(threading.get_ident(), []).append(item[0])
        time.sleep(0.002)

    items = [(region, f"{n}") for n in range(30) for region in REGIONS[:2]] + [(REGIONS[2], "0")]
    run(items, work, threads=3, per_account=8)
    assert {regions[0] for regions in where.values()} == set(REGIONS)
    helper = next(regions for regions in where.values() if regions[0] == REGIONS[2])
    assert len(set(helper)) > 1
    for regions in where.values():
        changes = sum(one != other for one, other in pairwise(regions))
        assert changes <= 2


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), SystemExit(1)])
def test_what_a_thread_raises_ends_it(error: BaseException) -> None:
    begun: list[Place] = []

    def work(item: Place) -> None:
        begun.append(item)
        if len(begun) == 10:
            raise error
        time.sleep(0.001)

    with pytest.raises(type(error)):
        run([(REGIONS[0], str(n)) for n in range(1000)], work)
    count = len(begun)
    assert count < 100
    time.sleep(0.1)
    assert len(begun) == count


def test_nothing_is_delivered_after_the_end() -> None:
    ended = threading.Event()
    late: list[Any] = []

    def work(item: Place) -> str:
        if item[1] == "7":
            raise ValueError("broken")
        time.sleep(0.05)
        return item[1]

    def deliver(result: str) -> None:
        if ended.is_set():
            late.append(result)

    fan_out = FanOut(
        [(REGIONS[0], str(n)) for n in range(100)],
        place=lambda item: item,
        work=work,
        deliver=deliver,
        threads=16,
        per_account=1,
    )
    with pytest.raises(ValueError, match="broken"):
        fan_out.run()
    ended.set()
    time.sleep(0.2)
    assert late == []


def test_an_interruption_ends_it_promptly() -> None:
    done = []

    def work(item: tuple[str, str]) -> None:
        time.sleep(0.05)
        done.append(item)

    gc.disable()  # a Ctrl+C that comes within a callback of the collector is lost
    try:
        timer = threading.Timer(0.2, _thread.interrupt_main)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            run([(REGIONS[0], str(n)) for n in range(10_000)], work)
    finally:
        gc.enable()
    assert len(done) < 10_000


# ---------------------------------------------------------------------------------- items that wait


def until(seconds: float, goes_on: Callable[[], Any]) -> Later[Any]:
    return Later(time.monotonic() + seconds, goes_on)


@pytest.mark.parametrize(("threads", "per_account"), [(1, 8), (8, 1)])
def test_an_item_that_waits_holds_neither_a_thread_nor_a_place_of_its_account(threads: int, per_account: int) -> None:
    steps: list[str] = []

    def work(item: Place) -> Any:
        steps.append("begun")
        return until(0.3, lambda: steps.append("ended"))

    began = time.monotonic()
    assert run([(REGIONS[0], "a")] * 20, work, threads=threads, per_account=per_account).done == 20
    assert steps == ["begun"] * 20 + ["ended"] * 20
    assert time.monotonic() - began >= 0.3


def test_an_item_may_wait_again_and_is_delivered_once_and_not_before_it_is_due() -> None:
    early: list[float] = []
    delivered: list[Any] = []

    def work(item: Place) -> Any:
        due = time.monotonic()

        def go_on(left: int) -> Any:
            nonlocal due
            early.append(due - time.monotonic())
            if not left:
                return item
            due = time.monotonic() + 0.02
            return Later(due, lambda: go_on(left - 1))

        return go_on(3)

    items = [(region, str(account)) for region in REGIONS for account in range(30)]
    fan_out = FanOut(items, place=lambda item: item, work=work, deliver=delivered.append, threads=8, per_account=2)
    fan_out.run()
    assert (fan_out.done, sorted(delivered)) == (90, sorted(items))
    assert len(early) == 360
    assert max(early) <= 0


def test_items_that_go_on_count_for_their_account() -> None:
    running: Counter[str] = Counter()
    most: list[int] = []
    lock = threading.Lock()

    def go_on() -> None:
        with lock:
            running["a"] += 1
            most.append(running["a"])
        time.sleep(0.01)
        with lock:
            running["a"] -= 1

    run([(REGIONS[0], "a")] * 20 + [(REGIONS[0], "b")], lambda item: until(0.05, go_on), threads=16, per_account=3)
    assert max(most) == 3


def test_an_item_that_is_due_before_all_others_waits_for_none_of_them() -> None:
    """Of four threads without work one waits for the long item, and another is the next to be woken."""
    ended: dict[str, float] = {}
    is_over = threading.Event()
    began = time.monotonic()

    def end(account: str) -> None:
        ended[account] = time.monotonic() - began
        is_over.set()

    def work(item: Place) -> Any:
        account = item[1]
        if account == "busy":
            return is_over.wait(30)
        if account.startswith("quick"):
            return None
        time.sleep(0.2 if account == "long" else 0.5)
        return until(1.5 if account == "long" else 0.05, lambda: end(account))

    accounts = ("busy", "long", "short", "quick-1", "quick-2", "busy")
    run([(REGIONS[0], account) for account in accounts], work, per_account=1)
    assert ended["short"] < 1.2 < ended["long"]


def test_while_a_thread_works_on_what_was_due_another_waits_for_the_next() -> None:
    ended: dict[str, float] = {}
    began = time.monotonic()

    def go_on(account: str, seconds: float) -> None:
        ended[account] = time.monotonic() - began
        time.sleep(seconds)

    def work(item: Place) -> Any:
        return until(0.2, lambda: go_on("first", 1.5)) if item[1] == "first" else until(0.4, lambda: go_on("next", 0))

    run([(REGIONS[0], "first"), (REGIONS[0], "next")], work, threads=2)
    assert ended["first"] < ended["next"] < 1.2


def test_what_a_thread_raises_ends_it_while_others_wait() -> None:
    def fail() -> None:
        raise ValueError("broken")

    began = time.monotonic()
    with pytest.raises(ValueError, match="broken"):
        run(
            [(REGIONS[0], str(n)) for n in range(20)],
            lambda item: until(0.1 if item[1] == "7" else 60.0, fail),
            threads=4,
        )
    assert time.monotonic() - began < 30


# ------------------------------------------------------------------------------------------ asking


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    with scripted(tmp_path, monkeypatch) as server:
        write_profiles(tmp_path, server.url, {f"p-{n}": static(f"{n:012}") for n in range(40)})
        server.script = own_instance
        yield server


def own_instance(call: Call) -> Reply | None:
    """Each account has one instance in each region, named after whoever signed."""
    return reservations(call.account, f"i-{call.account}-{call.region}") if call.service == "ec2" else None


@pytest.fixture
def reach(aws: ScriptedAws) -> Iterator[AwsClient]:
    reach = AwsClient("workload", home_region=REGIONS[0], concurrency=16, retry=HASTE)
    yield reach
    reach.close()


def answers_to(reach: AwsClient, questions: list[Request]) -> list[Response]:
    answers: list[Response] = []
    fetch_all({reach.role: reach}, questions, answers.append)
    return answers


def test_interleaved_accounts_never_sign_as_each_other(reach: AwsClient, aws: ScriptedAws) -> None:
    aws.delay = 0.002
    questions = [question(f"p-{n % 2}", f"{n % 2:012}") for n in range(200)]
    answers = answers_to(reach, questions)
    assert reach.sessions.client_count == 2
    for answer in answers:
        assert answer.outcome == "found"
        assert answer.records[0]["InstanceId"] == f"i-{answer.request.account_id}-{REGIONS[0]}"
    assert Counter(call.account for call in aws.operations("ec2")) == {"0" * 12: 100, "0" * 11 + "1": 100}


def test_clients_that_were_forgotten_are_made_again_and_identities_are_kept(reach: AwsClient, aws: ScriptedAws) -> None:
    questions = [question(f"p-{n}", f"{n:012}") for n in range(3)]
    first = {answer.request.profile: answer.records for answer in answers_to(reach, questions)}
    asked = len(aws.operations("sts"))
    assert (reach.sessions.client_count, asked) == (2, 3)
    credentials = reach.sessions.credentials
    reach.sessions.forget_clients()
    assert reach.sessions.client_count == 0
    assert {answer.request.profile: answer.records for answer in answers_to(reach, questions)} == first
    assert reach.sessions.credentials is credentials
    assert len(aws.operations("sts")) == asked


def test_a_server_that_mixes_accounts_up_is_found_out(reach: AwsClient, aws: ScriptedAws) -> None:
    def mixed_up(call: Call) -> Reply | None:
        if call.service != "ec2":
            return None
        return reservations("000000000007" if call.account == "000000000003" else call.account, "i-1")

    aws.script = mixed_up
    answers = answers_to(reach, [question(f"p-{n}", f"{n:012}") for n in range(10)])
    outcomes = {answer.request.profile: answer.outcome for answer in answers}
    assert outcomes.pop("p-3") == "wrong_account"
    assert set(outcomes.values()) == {"found"}


def test_one_bad_account_does_not_spoil_the_others(reach: AwsClient) -> None:
    questions = [question(f"p-{n}", f"{n:012}") for n in range(5)] + [question("nobody", "000000000099")]
    outcomes = Counter(answer.outcome for answer in answers_to(reach, questions))
    assert outcomes == {"found": 5, "failed": 1}


def test_a_refused_listing_is_refused_before_anything_is_sent(reach: AwsClient, aws: ScriptedAws) -> None:
    vetoed = Listing("x", "organizations:ListAccounts", roles=("management",), zero="ordinary", records="A")
    questions = [question(f"p-{n % 40}", f"{n % 40:012}") for n in range(400)]
    with pytest.raises(ContractViolation):
        fetch_all({reach.role: reach}, [*questions, question("p-39", f"{39:012}", listing=vetoed)], lambda answer: None)
    assert aws.log == []


def test_an_exception_in_each_stops_the_asking(reach: AwsClient, aws: ScriptedAws) -> None:
    answers: list[Response] = []

    def each(answer: Response) -> None:
        answers.append(answer)
        if len(answers) == 5:
            raise OSError("disk full")

    questions = [question(f"p-{n % 40}", f"{n % 40:012}") for n in range(2000)]
    with pytest.raises(OSError, match="disk full"):
        fetch_all({reach.role: reach}, questions, each)
    asked = len(aws.operations("ec2"))
    assert asked < 200
    time.sleep(0.2)
    assert len(aws.operations("ec2")) - asked <= 16


def test_an_interruption_does_not_wait_for_patience(aws: ScriptedAws) -> None:
    aws.script = lambda call: Reply("", 503) if call.service == "ec2" else None
    patience = Retry(seconds=600, transient_attempts=1000, first_delay=60, longest_delay=60)
    reach = AwsClient("workload", home_region=REGIONS[0], concurrency=16, retry=patience)
    began = time.monotonic()
    gc.disable()  # as above
    try:
        threading.Timer(0.5, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt):
            fetch_all({reach.role: reach}, [question("p-0", "0" * 12)] * 20, lambda answer: None)
    finally:
        gc.enable()
    assert time.monotonic() - began < patience.seconds / 10
    reach.close()
    # Nor does the crew: none of them sleeps on, to ask once more after the end.
    time.sleep(0.5)
    assert [thread for thread in threading.enumerate() if thread.name.startswith("request-")] == []


def test_progress_is_reported_and_ends_complete(reach: AwsClient, aws: ScriptedAws) -> None:
    aws.delay = 0.05
    told: list[Progress] = []
    reach.identify("p-0")
    questions = [question(f"p-{n}", f"{n:012}", region) for n in range(40) for region in REGIONS]
    fetch_all({reach.role: reach}, questions, lambda answer: None, progress=told.append)
    last = told[-1]
    assert len(told) > 1
    assert [reading.done for reading in told] == sorted(reading.done for reading in told)
    assert (last.done, last.total, last.records) == (120, 120, 120)
    # Those of the responses, not the 39 that identify accounts.
    assert (last.requests, last.throttles) == (120, 0)


@pytest.mark.large
def test_an_organisation_of_sixty_accounts(make_organisation: Callable[..., Simulator]) -> None:
    organisation = make_organisation(accounts=60, resources=2)
    reach = AwsClient("workload", home_region=REGIONS[0], retry=HASTE)
    known = reach.identify_all(name for name in available_profiles() if name.startswith("acme-"))
    accounts = {who.profile: who.account_id for who in known.values() if isinstance(who, Identity)}
    assert len(accounts) >= 58
    regions = organisation.truth()["regions"]
    questions = [question(profile, account, region) for profile, account in accounts.items() for region in regions]
    organisation.clear_log()
    before = reach.counter.requests
    answers = answers_to(reach, questions)
    log = organisation.log()

    # Whoever signed is whom the question was about: the server's word for each and every call.
    asked = Counter((answer.request.account_id, answer.request.region) for answer in answers)
    assert set(asked.values()) == {1}
    signed: Counter[tuple[str, str]] = Counter()
    for call in log:
        signed[call["account_id"], call["region"]] += 1
    expected = Counter({(a.request.account_id, a.request.region): a.request_count for a in answers})
    assert signed == expected
    assert len(log) == reach.counter.requests - before == sum(answer.request_count for answer in answers)

    # Every instance exactly once.
    truth = organisation.truth()["instances"]
    found = Counter(record["InstanceId"] for answer in answers for record in answer.records)
    mine = {
        instance["instance_id"]
        for instance in truth
        if instance["account_id"] in accounts.values() and instance["region"] in regions
    }
    assert set(found) == mine
    assert set(found.values()) == {1}
    assert {answer.outcome for answer in answers} <= {"found", "empty_unconfirmed"}
    reach.close()


def test_memory_does_not_grow_with_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = 200
    with scripted(tmp_path, monkeypatch) as server:
        write_profiles(tmp_path, server.url, {f"p-{n}": static(f"{n:012}") for n in range(240)})
        ids = [f"i-{n}" for n in range(records)]
        server.script = lambda call: reservations(call.account, *ids) if call.service == "ec2" else None
        started = program("memory_of_accounts")
        started["env"]["HOME"] = str(tmp_path)
        ran = subprocess.run(**started, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    warm, _, after = map(int, ran.stdout.split())
    # The records of an account are some 200 KB here: kept, they would be 120 MB.
    assert (after - warm) / 220 < 60_000, f"{(after - warm) / 220:.0f} bytes an account"
