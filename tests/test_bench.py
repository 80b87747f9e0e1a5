"""The benchmark's own honesty: the stub answers as it says it does, and a comparison that is none is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from botocore.exceptions import ClientError
from nights import DATABASE

from bench import any_night, certificate, dagster_share, scale, side_by_side, startup, steps, tree, views, whole_night
from bench.canned import BY_ACTION, LISTINGS, World, workload_accounts
from bench.side_by_side import RAW, Contest, Peer, Reading, Refused, Target, contest, targets
from bench.stage import Stage, staged
from bench.trail import DELIVERED_AFTER, Event, Trail
from bench.work import Result

pytestmark = pytest.mark.large

REGIONS = ["us-east-1", "eu-west-1"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("bench")
    with staged(folder, certificate.make(folder), 20, REGIONS, 0.0) as started:
        yield started


def places(size: str) -> list[tuple[str, str]]:
    world = World()
    everywhere = [(account, region) for account in workload_accounts(20) for region in REGIONS]
    return [place for place in everywhere if world.place(*place)[0] == size]


def test_of_a_hundred_account_regions_seventy_are_empty_and_five_are_medium() -> None:
    world = World()
    sizes = Counter(world.place(account, "us-east-1")[0] for account in workload_accounts(4000))
    assert sizes["empty"] / 4000 == pytest.approx(0.70, abs=0.03)
    assert sizes["small"] / 4000 == pytest.approx(0.25, abs=0.03)
    assert sizes["medium"] / 4000 == pytest.approx(0.05, abs=0.02)
    other = World(seed=2)
    assert any(other.place(a, "us-east-1") != world.place(a, "us-east-1") for a in workload_accounts(10))


def test_boto3_reads_every_page_and_each_id_and_arn_names_its_own_account_and_region(stage: Stage) -> None:
    account, region = places("medium")[0]
    ec2, rds = (stage.client(service, account, region) for service in ("ec2", "rds"))
    pages = list(ec2.get_paginator("describe_instances").paginate())
    reservations = [reservation for page in pages for reservation in page["Reservations"]]
    assert len(pages) == 2
    assert len(reservations) == BY_ACTION["DescribeInstances"].medium
    assert {reservation["OwnerId"] for reservation in reservations} == {account}
    found = {instance["InstanceId"] for reservation in reservations for instance in reservation["Instances"]}
    assert len(found) == len(reservations)
    for other_account, other_region in places("medium")[1:] + places("small")[:3]:
        others = stage.client("ec2", other_account, other_region).describe_instances()["Reservations"]
        assert not found & {instance["InstanceId"] for r in others for instance in r["Instances"]}
    arns = [database["DBInstanceArn"] for database in rds.describe_db_instances()["DBInstances"]]
    assert arns[0] == f"arn:aws:rds:{region}:{account}:db:ledger-{0:09x}"
    assert len(set(arns)) == BY_ACTION["DescribeDBInstances"].medium


def test_the_counters_say_what_was_requested(stage: Stage) -> None:
    account, region = places("empty")[0]
    stage.reset()
    assert stage.client("ec2", account, region).describe_volumes()["Volumes"] == []
    counted = stage.counters()
    assert counted["by_operation"] == {"DescribeVolumes": 1}
    assert counted["requests"] == 1
    # Reading them opens a connection too.
    assert counted["connections"] == 2


def test_who_asks_too_fast_is_throttled_in_that_account_region_and_service_alone(tmp_path: Path) -> None:
    with staged(tmp_path, certificate.make(tmp_path), 2, REGIONS, 0.0, "--rate", "0.001", "--burst", "2") as stage:
        first, second = stage.accounts
        ec2 = stage.client("ec2", first, "us-east-1")
        ec2.describe_vpcs()
        ec2.describe_vpcs()
        with pytest.raises(ClientError, match="RequestLimitExceeded"):
            ec2.describe_vpcs()
        stage.client("ec2", first, "eu-west-1").describe_vpcs()
        stage.client("ec2", second, "us-east-1").describe_vpcs()
        stage.client("rds", first, "us-east-1").describe_db_clusters()
        assert stage.counters()["throttled"] == 1


def test_the_response_waits_for_the_latency_and_others_do_not_wait_for_it(tmp_path: Path) -> None:
    with staged(tmp_path, certificate.make(tmp_path), 200, REGIONS, 0.25) as stage:
        ran = load(stage, 256, 64)
        assert ran["answered"] == 256
        # Four on each connection; one after the other would take a minute on any machine.
        assert 4 * 0.25 <= ran["seconds"] < 256 * 0.25


def test_the_stub_responds_ten_thousand_requests_in_a_second_of_one_core(stage: Stage) -> None:
    before = stage.counters()["cpu_seconds"]
    assert load(stage, 4096, 32)["answered"] == 4096
    spent = stage.counters()["cpu_seconds"] - before
    assert 4096 / spent >= 10_000


def load(stage: Stage, requests: int, connections: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.load", stage.url, str(stage.certificate), str(requests), str(connections)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    answer: dict[str, Any] = json.loads(said)
    return answer


def test_who_finds_something_else_than_is_there_is_not_compared(stage: Stage) -> None:
    there = {listing.name: World().count(listing, stage.accounts, stage.regions) for listing in LISTINGS}
    raw = contest("all is well", [RAW], stage, 1)
    assert raw.counts == dict(sorted(there.items()))
    assert raw.readings["raw HTTP"][0].requests > 20 * 2 * len(LISTINGS)
    assert raw.readings["raw HTTP"][0].ran.cpu > 0
    assert raw.readings["raw HTTP"][0].ran.peak > 0

    def saying(result: Result) -> Peer:
        program = f"print({json.dumps(result.__dict__)!r})"
        return Peer("other", lambda stage: [sys.executable, "-c", program], side_by_side._printed)

    contest("the same", [saying(Result(there, 0, {}))], stage, 1)
    with pytest.raises(Refused, match=r"did not find what is there .*'ec2_vpc'"):
        contest("one missing", [saying(Result(there | {"ec2_vpc": there["ec2_vpc"] - 1}, 0, {}))], stage, 1)
    with pytest.raises(Refused, match="had 1 errors"):
        contest("an error", [saying(Result(there, 1, {}))], stage, 1)
    with pytest.raises(Refused, match="ended with 3"):
        contest("broken", [Peer("broken", lambda s: [sys.executable, "-c", "raise SystemExit(3)"], None)], stage, 1)


def reading(wall: float, cpu: float, peak: int, requests: int = 1000) -> Reading:
    return Reading(tree.Ran(0, wall, cpu, peak, "", ""), requests, 64)


def test_a_target_that_is_missed_by_more_than_a_tenth_is_named() -> None:
    small = Contest(
        "small",
        40,
        2,
        {"ours": [reading(5, 4, 100), reading(4, 5, 100)], "c7n-org": [reading(36, 48, 700)]},
        {"ours": 64, "c7n-org": 8},
        {},
    )
    large = Contest(
        "large",
        200,
        4,
        {
            "ours": [reading(1.8, 1.5, 100)],
            "ours, two processes": [reading(1, 0.1, 200)],
            "raw HTTP": [reading(1.5, 1, 50)],
        },
        {"ours": 64, "ours, two processes": 128},
        {},
    )
    rows = {row.measure: row for row in targets(small, large)}
    assert not [row for row in rows.values() if row.missed]
    assert rows["collection wall against c7n-org, 40 × 2"].reached == 9
    assert rows["CPU of the tree against c7n-org"].reached == 12
    # 1,000 requests of 80 ms in 64 threads are 1.25 s.
    assert rows["64 threads, 200 × 4: wall against the latency limit"].reached == pytest.approx(1.44)
    # The same in 128 threads are 0.625 s, which is more than the CPU over all cores.
    assert rows["two processes: wall against the larger limit"].reached == pytest.approx(1.6)
    slower = replace(small, readings={**small.readings, "ours": [reading(4.5, 4, 100)]})
    (missed,) = [row for row in targets(slower, large) if not row.met]
    assert (missed.reached, missed.missed) == (8, True)
    assert not Target("almost", 8.5, 9, at_least=True).missed
    assert Target("too slow", 1.7, 1.5, at_least=False).missed
    assert not Target("almost", 1.6, 1.5, at_least=False).missed


def test_the_whole_tree_is_measured(tmp_path: Path) -> None:
    burn = "import time; x = b'x' * 80_000_000; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    ran = tree.run([sys.executable, "-c", program], {}, tmp_path)
    assert ran.code == 0
    assert ran.cpu >= 0.3
    assert 80_000_000 < ran.peak < 160_000_000
    with pytest.raises(TimeoutError, match="was killed"):
        tree.run([sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path, timeout=0.3)


def test_the_growth_is_measured_part_by_part(capsys: pytest.CaptureFixture[str]) -> None:
    """Every part on the smallest scale: what it loads has to be there, or it raises."""
    small = ["--resources", "400", "--rows", "16000", "--nights", "2", "--accounts", "2,4", "--regions", "2"]
    small += ["--night-accounts", "1,3", "--published-rows", "1000", "--rounds", "1", "--cells", "238"]
    parts = ",".join(part for part in scale.PARTS if part != "demo")
    assert scale.main([*small, "--latency-ms", "0", "--parts", parts]) == 0
    said = capsys.readouterr()
    assert [line for line in said.out.splitlines() if line.startswith("###")] == [
        "### Collection by accounts",
        "### Load, versions and publishing by resources",
        "### The nightly window of a bill",
        "### Growth over nights",
        "### Questions of a night after many, 238 cells each",
        "### Publishing",
        "### Whole nights by accounts",
    ]
    assert "CPU a cell, 4 against 2 accounts" in said.err
    assert scale.main(["--parts", "nothing"]) == 2
    assert scale.main(["--regions", "18"]) == 2


@pytest.mark.parametrize(
    ("larger", "missed"),
    [
        pytest.param((200, 60, 300), [], id="a cell costs less"),
        pytest.param((400, 80, 430), [], id="as much, or less than a tenth more"),
        pytest.param((480, 80, 400), ["Wall"], id="wall"),
        pytest.param((400, 90, 500), ["CPU", "Memory"], id="CPU and memory"),
    ],
)
def test_a_cell_that_costs_more_in_a_larger_organisation_is_reported(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    larger: tuple[float, float, int],
    missed: list[str],
) -> None:
    nights = [
        whole_night.Night(60, 3, 1, 1000, 900, 10, 5 << 20, reading(100, 20, 100)),
        whole_night.Night(240, 3, 1, 4000, 3600, 40, 9 << 20, reading(*larger)),
    ]
    monkeypatch.setattr(whole_night, "nights", lambda accounts, regions, latency, count: nights)
    assert scale.main(["--parts", "night"]) == (1 if missed else 0)
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.err.splitlines() if line.endswith(": missed")] == missed
    assert "a cell of a whole night, 240 against 60 accounts: " in said.err
    row = "| 60 × 3 | 1 | 1,000 | 900 | 10 | 1,000 | 100.0 s | 20.0 s | 0 MB | 5 MB | 100.0 ms | 20.0 ms | 0 KB |"
    assert row in said.out


def test_only_a_usual_night_of_the_largest_organisation_has_limits_of_its_own() -> None:
    def night(number: int, wall: float, peak: int) -> whole_night.Night:
        return whole_night.Night(2000, 17, number, 10, 10, 10, 0, reading(wall, 20, peak))

    _, held = whole_night.report([night(1, 5000, 3000 << 20), night(2, 2700, 500 << 20)])
    assert [(target.measure, target.missed) for target in held] == [
        ("s of wall of night 2, 2,000 × 17", True),
        ("MB of night 2, 2,000 × 17", False),
    ]


def test_a_step_takes_what_its_processes_took_between_its_begin_and_its_end() -> None:
    """Also where it ends between two samples, and by a clock that is a day ahead."""
    samples = [tree.Sample(float(at), at / 2, 100 + at, 10 * at) for at in range(11)]
    ahead = 86_400.0
    found = steps.steps(samples, {"build": (ahead + 4.5, ahead + 9), "ask": (ahead + 1, ahead + 3)}, ahead)
    assert found == [
        steps.Step("ask", 2.0, 1.0, 103, 20),
        steps.Step("build", 4.5, 2.25, 109, 45),
        steps.Step(steps.BETWEEN, 3.5, 1.75, 110, 35),
    ]


def test_a_step_whose_cells_cost_more_in_the_larger_organisation_is_named() -> None:
    smaller = [steps.Step("ask", 1, 10.0, 0, 0), steps.Step("build", 1, 2.0, 0, 0), steps.Step("short", 1, 0.01, 0, 0)]
    larger = [steps.Step("ask", 4, 48.0, 0, 0), steps.Step("build", 9, 11.0, 0, 0), steps.Step("short", 0, 0.5, 0, 0)]
    rows, held = steps.report("night 1", larger, 4000, smaller, 1000)
    assert [(row[0], row[-1]) for row in rows] == [("`ask`", "1.20"), ("`build`", "1.38")]
    assert [(target.measure, target.missed) for target in held] == [
        ("CPU a cell of ask, night 1", False),
        ("CPU a cell of build, night 1", True),
    ]


def test_the_stubs_trail_has_what_a_caller_sent_the_newest_first_and_some_minutes_late() -> None:
    caller, trail = "arn:aws:sts::111122223333:assumed-role/Reader/bench", Trail()
    for number in range(70):
        trail.record("111122223333", "us-east-1", Event(1000.0 + number, "ec2", "DescribeVpcs", f"r{number}", False))
    asked = {"LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": "bench"}], "StartTime": 1000}
    now = 1000.0 + DELIVERED_AFTER + 65
    first = trail.look_up("111122223333", "us-east-1", caller, now, asked)
    assert [event["EventId"] for event in first["Events"]] == [f"r{number}" for number in range(65, 15, -1)]
    trail.record("111122223333", "us-east-1", Event(1070.0, "ec2", "DescribeVpcs", "r70", True))
    last = trail.look_up("111122223333", "us-east-1", caller, now + 60, asked | {"NextToken": first["NextToken"]})
    # The begin itself is left out, and what came meanwhile moves no page.
    assert [event["EventId"] for event in last["Events"]] == [f"r{number}" for number in range(15, 0, -1)]
    assert "NextToken" not in last
    newest = trail.look_up("111122223333", "us-east-1", caller, now + 60, asked)["Events"][0]
    assert json.loads(newest["CloudTrailEvent"])["errorCode"] == "AccessDenied"
    for account, region, who in (("444455556666", "us-east-1", caller), ("111122223333", "eu-west-1", caller)):
        assert trail.look_up(account, region, who, now, asked) == {"Events": []}
    # AWS requires neither a time nor a caller.
    assert trail.look_up("111122223333", "us-east-1", caller, now, {}) == {"Events": []}
    assert trail.look_up("111122223333", "us-east-1", f"{caller}-other", now, asked) == {"Events": []}


def share(wall: float, bodies: float) -> dagster_share.Share:
    return dagster_share.Share(
        wall=wall, cpu=wall, bodies=bodies, bodies_cpu=bodies, start=1, definitions=1, run=3, end=0.5, steps=147
    )


@pytest.mark.parametrize(("walls", "code"), [((14.0, 12.6), 0), ((14.0, 13.0), 1)], ids=["almost", "missed"])
def test_what_dagster_takes_is_the_run_without_the_bodies_of_its_steps_in_the_best_round(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], walls: tuple[float, float], code: int
) -> None:
    asked = []
    monkeypatch.setattr(dagster_share, "nights", lambda n: asked.append(n) or [share(wall, 5.0) for wall in walls])
    assert scale.main(["--parts", "demo", "--rounds", "2"]) == code
    assert asked == [2]
    said = capsys.readouterr()
    assert "| 1 | 147 | 14.0 s | 14.0 s | 5.0 s | 5.0 s | 9.0 s | 9.0 s | 1.0 s | 1.0 s | 3.0 s | 0.5 s |" in said.out
    assert f"s of a night of the demo that are Dagster's: {walls[1] - 5:.2f}, at most 7: missed" in said.err


def test_only_what_happens_inside_a_body_counts_as_the_bodys(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, shown = dagster_share.Clock(), [0.0]
    monkeypatch.setattr(dagster_share, "time", SimpleNamespace(time=time.time, perf_counter=lambda: shown[0]))

    @clock.bodies(lambda name: lambda body: body)("step")
    def steps() -> Iterator[int]:
        shown[0] += 1
        yield 1
        shown[0] += 2

    for _ in steps():
        # This is Dagster's.
        shown[0] += 10
    assert clock.entered == 1
    assert clock.spent["bodies"] == 3


def test_runs_of_which_one_was_refused_are_not_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = replace(side_by_side.NIGHT, command=lambda stage: [sys.executable, "-c", "raise SystemExit(1)"])
    monkeypatch.setattr(whole_night, "NIGHT", broken)
    assert scale.main(["--parts", "night", "--night-accounts", "1,2"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("No whole nights are reported. whole night ended with 1")


def test_the_start_of_a_command_is_shown_beside_a_bare_python_and_the_engine() -> None:
    known = startup.programs()
    starts = {
        program.name: [startup.Start(wall * number, number / 10) for wall in (1.0, 3.0, 2.0)]
        for number, program in enumerate(known, start=1)
    }
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in startup.table(starts)[2:]]
    assert [row[0] for row in rows] == [program.name for program in known]
    assert rows[0][2:] == ["1.00 s", "2.00 s", "0.10 s", "1.0", "0.5"]
    # As long as three bare starts, or one and a half of the engine.
    assert rows[2][1:] == ["0.3 s", "3.00 s", "6.00 s", "0.30 s", "3.0", "1.5"]


def test_every_night_of_a_multiplied_organisation_is_as_its_file_was(
    truthful_night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two nights; how much they take is no matter here, but their rows are."""
    where = [str(truthful_night / DATABASE), "--items", "24000", "--folder", str(tmp_path)]
    any_night.main([*where, "--nights", "2", "--compared", "2"])
    said = capsys.readouterr()
    assert "2 nights compared, unlike: none" in said.err
    assert said.out.splitlines()[-1].startswith("| 24,000 | 2 |")
    # What is there is gone on with.
    any_night.main([*where, "--nights", "3", "--compared", "1"])
    said = capsys.readouterr()
    assert "night 2" not in said.err and "unlike: none" in said.err
    assert said.out.splitlines()[-1].startswith("| 24,000 | 3 |")


def test_only_slow_views_are_shown_beside_the_table_that_they_read(truthful_night: Path) -> None:
    with duckdb.connect(str(truthful_night / DATABASE), read_only=True) as connection:
        known = views.views_of(connection)
        assert "cost.by_service" in known and not [name for name in known if name.startswith("stage.")]
        assert views.read(connection, known[0]) > 0
    rows = views.table({"cost.daily": [40.0, 60.0, 50.0], "cost.a": [150.0, 50.0, 100.0], "cost.b": [10.0, 49.0, 9.0]})
    assert rows[2:] == [
        "| `cost.a` | 50 ms | 100 ms | 2.0 |",
        "| `cost.daily` | 40 ms | 50 ms | 1.0 |",
        "| 1 others, each | | below 50 ms | |",
    ]


def test_a_program_that_fails_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="broken ended with 3, so nothing was measured: why"):
        script = "import sys; print('why', file=sys.stderr); sys.exit(3)"
        startup.start(startup.Program("broken", (sys.executable, "-c", script)), tmp_path)
