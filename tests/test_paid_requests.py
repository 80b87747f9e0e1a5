"""Never more paid requests a day than the limit: over all runs, those that died, single steps and `cmdb ask`."""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from conftest import MakeOrganisation, lead_to, policies
from given import House
from nights import (
    DATABASE,
    cmdb_here,
    copy_of,
    environment_of,
    night_environment,
    preflight_here,
    program,
    query,
    run_night,
)
from test_bill import asked_of, cells, collect, months, waiting

from pipelines.catalogue.registry import listings
from pipelines.collection import metrics, paid_limits
from pipelines.collection.progress import Part
from pipelines.definitions import build_defs
from resources.audit import paid_requests
from resources.audit.paid_requests import DailyLimit, DailyLimitReached, PaidRequests
from resources.aws.errors import Failed
from resources.aws.messages import REQUEST_LIMIT, Request
from resources.aws.meter import PRICES_USD
from resources.store.errors import WarehouseError
from resources.store.store import Store
from simulator.client import Simulator, is_foreign, start

NOON = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
CALL = ("ce", "GetCostAndUsage")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "house" / "cmdb.duckdb")


def meter(store: Store, run_id: str, limit: int, at: Callable[[], dt.datetime] = lambda: NOON) -> PaidRequests:
    return PaidRequests(store, run_id, {"ce": DailyLimit("CMDB_COST_REQUEST_LIMIT", limit)}, at)


def spend(on: PaidRequests, count: int) -> None:
    for _ in range(count):
        on.reserve(*CALL)


def ledger(store: Store, day: str = "2026-11-25") -> Path:
    return store.folder / "paid_requests" / f"{day}.ndjson"


# ------------------------------------------------------------------------------------------------- the ledger


def test_the_requests_of_all_runs_count_against_one_limit_and_the_sentence_names_them(store: Store) -> None:
    spend(meter(store, "night-1", 20), 12)
    ask = meter(store, "ask-7", 20)
    spend(ask, 3)
    again = meter(store, "night-1", 20)
    assert again.left("ce") == 5
    spend(again, 5)
    with pytest.raises(Failed) as refused:
        ask.reserve(*CALL)
    assert (refused.value.outcome, refused.value.code) == ("failed", REQUEST_LIMIT)
    assert refused.value.message == (
        "20 of the 20 paid requests that CMDB_COST_REQUEST_LIMIT allows for 2026-11-25 (UTC) were sent (17 by run "
        "night-1, 3 by cmdb ask 7). The limit is free again on 2026-11-26 at 00:00 UTC; raise CMDB_COST_REQUEST_LIMIT "
        "to go on today (US$0.01 a request)."
    )
    with pytest.raises(DailyLimitReached, match=r"were sent .* Nothing was sent\.$") as stopped:
        again.require("ce")
    assert stopped.value.exit_code == 1
    assert again.left("ce") == 0
    assert len(ledger(store).read_text().splitlines()) == 20
    # A limit that was lowered meanwhile leaves less than nothing.
    assert meter(store, "night-2", 10).left("ce") == 0


@pytest.mark.parametrize(
    ("later", "is_free"),
    [
        (dt.timedelta(hours=11, minutes=59, seconds=59), False),
        (dt.timedelta(hours=12), True),
        (dt.timedelta(hours=25), True),
    ],
)
def test_the_limit_is_free_again_when_the_utc_day_ends(store: Store, later: dt.timedelta, is_free: bool) -> None:
    auckland = dt.timezone(dt.timedelta(hours=13))
    clock = [NOON.astimezone(auckland)]
    night = meter(store, "night-1", 2, lambda: clock[0])
    spend(night, 2)
    clock[0] += later
    assert night.left("ce") == (2 if is_free else 0)
    if is_free:
        spend(night, 2)
        assert night.left("ce") == 0
        assert [count.request_count for count in night.counts()] == [2, 2]


def test_a_run_a_minute_earlier_than_the_one_before_has_its_whole_limit(store: Store) -> None:
    """The reason against the last 24 hours."""
    spend(meter(store, "night-1", 20), 20)
    earlier = NOON + dt.timedelta(days=1) - dt.timedelta(minutes=1)
    assert meter(store, "night-2", 20, lambda: earlier).left("ce") == 20


def test_a_throttled_request_counts_and_costs_nothing(store: Store) -> None:
    night = meter(store, "night-1", 3)
    spend(night, 2)
    night.turned_away(*CALL)
    assert night.left("ce") == 1
    assert night.cost_today("ce") == PRICES_USD["ce"]
    (count,) = night.counts()
    assert (count.request_count, count.throttle_count, count.cost_usd) == (2, 1, Decimal("0.01"))
    assert (count.usage_date, count.run_id, count.api) == (NOON.date(), "night-1", "ce:GetCostAndUsage")


def test_what_is_free_is_neither_counted_nor_written(store: Store) -> None:
    night = meter(store, "night-1", 1)
    night.reserve("ec2", "DescribeInstances")
    night.turned_away("ec2", "DescribeInstances")
    night.require("ec2")
    assert not store.folder.exists()
    assert night.counts() == paid_requests.all_counts(store) == []


def test_services_with_prices_have_limits_of_their_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paid_requests, "PRICES_USD", {**PRICES_USD, "cloudwatch": Decimal("0.00001")})
    night = meter(store, "night-1", 1)
    for _ in range(5):
        night.reserve("cloudwatch", "GetMetricData")
    spend(night, 1)
    assert night.left("ce") == 0
    by_api = {count.api: count.cost_usd for count in night.counts()}
    assert by_api == {"cloudwatch:GetMetricData": Decimal("0.00005"), "ce:GetCostAndUsage": Decimal("0.01")}


def test_a_line_that_the_power_cut_short_counts_and_harms_no_other(store: Store) -> None:
    spend(meter(store, "night-1", 20), 2)
    with ledger(store).open("a") as file:
        file.write('{"api": "ce:GetCost')
    night = meter(store, "night-2", 20)
    assert night.left("ce") == 17
    spend(night, 2)
    assert night.left("ce") == meter(store, "another", 20).left("ce") == 15
    assert sorted((count.run_id, count.request_count) for count in night.counts()) == [
        ("", 1),
        ("night-1", 2),
        ("night-2", 2),
    ]


def test_nothing_may_be_sent_that_cannot_be_written_down(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    night = meter(store, "night-1", 20)
    spend(night, 1)
    before = ledger(store).read_bytes()
    whole = paid_requests.os.write
    monkeypatch.setattr(paid_requests.os, "write", lambda descriptor, line: whole(descriptor, line[:9]))
    with pytest.raises(WarehouseError, match=r"The disk of .* is full"):
        night.reserve(*CALL)
    assert ledger(store).read_bytes() == before
    monkeypatch.undo()
    spend(night, 1)
    assert [count.request_count for count in night.counts()] == [2]


def test_a_ledger_is_private_and_old_days_go(store: Store) -> None:
    spend(meter(store, "night-1", 20), 1)
    assert stat.S_IMODE(ledger(store).stat().st_mode) & 0o007 == 0
    (ledger(store).parent / "notes.ndjson").write_text("somebody's own")
    assert paid_requests.prune(store, NOON.date() + dt.timedelta(days=paid_requests.DAYS_KEPT)) == 0
    assert paid_requests.prune(store, NOON.date() + dt.timedelta(days=paid_requests.DAYS_KEPT + 1)) == 1
    assert [path.name for path in ledger(store).parent.iterdir()] == ["notes.ndjson"]


def _spend_all(database: str, run_id: str) -> None:
    on = meter(Store(Path(database)), run_id, 60)
    while True:
        try:
            on.reserve(*CALL)
        except Failed:
            return


def test_processes_that_send_at_once_stay_within_the_limit_together(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=_spend_all, args=(str(store.database), f"run-{n}")) for n in range(3)]
    for process in started:
        process.start()
    for process in started:
        process.join()
        assert process.exitcode == 0
    assert sum(count.request_count for count in paid_requests.all_counts(store)) == 60


# ------------------------------------------------------------------------------------- two collections in a row


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """An organisation whose months take one page each."""
    with start(tmp_path / "small", policies(), accounts=2, resources=1) as simulator:
        lead_to(simulator, monkeypatch)
        yield simulator


def test_two_runs_of_one_day_stay_within_one_limit_and_the_next_day_goes_on(
    blank_home: House, small: Simulator
) -> None:
    limit = {"CMDB_COST_REQUEST_LIMIT": "20", "CMDB_COST_MONTHS": "3", "budgets": False}
    small.clear_log()
    collect(blank_home, "night-1", **limit)
    first = len(asked_of(small))
    blank_home.build("cost.daily")
    everything = "select usage_date, slice, account_id, dimension_value, unblended_cost from cost.daily order by all"
    stood = blank_home.rows(everything)
    verdicts = collect(blank_home, "night-2", **limit)
    assert (first, len(asked_of(small))) == (20, 20)
    # All wait, and nothing that stands is harmed.
    assert waiting(blank_home, "night-2") == set(cells(blank_home, "night-2"))
    assert [verdict.sentence for verdict in verdicts.values() if verdict.blocks] == []
    blank_home.build("cost.daily")
    assert blank_home.rows(everything) == stood != []
    message = cells(blank_home, "night-2")[f"cost_daily:service:{months(small)[0]}"]["error_message"]
    assert "20 of the 20 paid requests" in message
    assert "(20 by run night-1)" in message
    assert "Today's requests cost US$0.20." in message
    costs = blank_home.rows("select run_id, api_cost_usd::double as cost from audit.run order by all")
    assert costs == [{"run_id": "night-1", "cost": 0.2}, {"run_id": "night-2", "cost": 0.0}]

    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    collect(blank_home, "night-3", now=lambda: tomorrow, **limit)
    assert len(asked_of(small)) == 40
    ((total,),) = [tuple(row.values()) for row in blank_home.rows("select sum(request_count) from audit.paid_request")]
    assert total == 40


def test_a_month_that_others_left_no_requests_for_is_for_later_and_not_too_large_for_ever(
    blank_home: House, small: Simulator
) -> None:
    small.configure(page_sizes={"ce:GetCostAndUsage": 20})
    spend(meter(blank_home.store, "another", 100, lambda: dt.datetime.now(dt.UTC)), 17)
    verdicts = collect(blank_home, "night-1", budgets=False, CMDB_COST_REQUEST_LIMIT="20")
    assert "by itself" not in verdicts["cost_daily"].sentence
    assert {row["skip_reason"] for row in cells(blank_home, "night-1").values()} == {"request_limit", None}


# ------------------------------------------------------------------- a run that dies, a step alone, and `cmdb ask`


def the_step(environment: dict[str, str]) -> dg.ExecuteInProcessResult:
    """`landing/cost_daily` alone, as the UI's button on the asset launches it."""
    with environment_of(environment), dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(environment).resolve_implicit_global_asset_job_def()
        selected = job.get_subset(asset_selection={dg.AssetKey(["landing", "cost_daily"])})
        quiet: Any = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        return selected.execute_in_process(instance=instance, raise_on_error=False, run_config=quiet)


@pytest.mark.large
def test_a_killed_run_a_step_alone_and_ask_share_the_limit_and_are_all_written_down(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    # Whatever this session's night has sent was sent for another test.
    shutil.rmtree(database.parent / "paid_requests")
    environment = night_environment(organisation, database, CMDB_COST_REQUEST_LIMIT="20", CMDB_COST_MONTHS="13")
    preflight_here(environment)
    organisation.clear_log()
    kept = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    started = program("killed_bill")
    started["env"] = kept | environment | {"PYTHONPATH": started["env"]["PYTHONPATH"]}
    died = subprocess.run(**started, capture_output=True, check=False)
    assert died.returncode == -9, died.stderr
    # The seventh was written down and not sent any more: more than that no kill can lose.
    assert len(asked_of(organisation)) == 6

    asked = cmdb_here(environment, "ask", "billing", "cost_daily")
    assert asked.returncode == 0, asked.stderr
    by_ask = json.loads(asked.stdout)["requests"]
    assert len(asked_of(organisation)) == 6 + by_ask

    the_step(environment)
    assert len(asked_of(organisation)) == 19
    the_step(environment)
    assert len(asked_of(organisation)) == 19

    organisation.clear_log()
    refused = cmdb_here(environment, "ask", "billing", "cost_daily")
    assert refused.returncode == 1
    assert "20 of the 20 paid requests that CMDB_COST_REQUEST_LIMIT allows" in refused.stderr
    assert f"{by_ask} by cmdb ask " in refused.stderr
    assert "Nothing was sent" in refused.stderr
    assert organisation.log() == []
    # What costs nothing is asked as ever.
    assert cmdb_here(environment, "ask", "billing", "budget").returncode == 0

    today = f"{dt.datetime.now(dt.UTC).date()}"
    sent = query(
        database,
        """
        select r.outcome, p.request_count, p.cost_usd, r.api_cost_usd, r.request_count >= p.request_count
        from audit.paid_request as p left join audit.run as r using (run_id)
        where p.usage_date = $today and p.run_id <> (select run_id from audit.run where outcome = 'published')
        order by p.request_count
        """,
        {"today": today},
        of="working",
    )
    price = Decimal("0.01")
    assert sorted((str(row[0]), *row[1:]) for row in sent) == sorted(
        [
            ("None", by_ask, by_ask * price, None, None),
            ("died", 7, 7 * price, 7 * price, True),
            ("incomplete", 13 - by_ask, (13 - by_ask) * price, (13 - by_ask) * price, True),
        ]
    )


# ------------------------------------------------------------------------------------------ metrics of CloudWatch

GET_METRICS = ("cloudwatch", "GetMetricData")


def metrics_meter(store: Store, run_id: str, limit: int) -> PaidRequests:
    return PaidRequests(store, run_id, {"cloudwatch": DailyLimit("CMDB_METRIC_LIMIT", limit)}, lambda: NOON)


def test_cloudwatch_is_limited_and_charged_by_metric_and_not_by_request(store: Store) -> None:
    night = metrics_meter(store, "night-1", 1200)
    night.reserve(*GET_METRICS, 500)
    night.reserve(*GET_METRICS, 500)
    night.turned_away(*GET_METRICS, 500)
    assert night.left("cloudwatch") == 200
    with pytest.raises(Failed) as refused:
        metrics_meter(store, "night-2", 1200).reserve(*GET_METRICS, 201)
    assert refused.value.message == (
        "1000 of the 1200 paid metrics that CMDB_METRIC_LIMIT allows for 2026-11-25 (UTC) were sent (1000 by run "
        "night-1). The limit is free again on 2026-11-26 at 00:00 UTC; raise CMDB_METRIC_LIMIT to go on today "
        "(US$0.00001 a metric)."
    )
    metrics_meter(store, "night-2", 1200).reserve(*GET_METRICS, 200)
    assert {
        (count.run_id, count.request_count, count.throttle_count, count.unit_count, count.cost_usd)
        for count in night.counts()
    } == {("night-1", 2, 1, 1000, Decimal("0.00500")), ("night-2", 1, 0, 200, Decimal("0.00200"))}


def test_threads_that_request_metrics_at_once_stay_within_the_limit(store: Store) -> None:
    night = metrics_meter(store, "night-1", 1000)

    def reserve(_: int) -> bool:
        try:
            night.reserve(*GET_METRICS, 7)
        except Failed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        allowed = sum(pool.map(reserve, range(200)))
    assert allowed == 1000 // 7
    assert night.left("cloudwatch") == 1000 - 7 * allowed


def metric_request(account: str, metrics: int) -> Request:
    return Request(
        profile=account,
        account_id=account,
        region="ap-southeast-2",
        listing=listings()["cloudwatch_metric"],
        listing_role="workload",
        batches=[
            {"MetricDataQueries": [{}] * count} for count in (500,) * (metrics // 500) + (metrics % 500,) if count
        ],
    )


def test_what_waited_longest_comes_first_and_no_batch_of_accounts_uses_up_the_limit() -> None:
    requests = [metric_request(account, 700) for account in ("a", "b", "c", "d")]
    a, b, c, d = requests
    at = {request.key: NOON - dt.timedelta(days=age) for request, age in ((a, 1), (b, 3), (d, 2))}
    assert [paid_limits.units(request) for request in requests] == [700] * 4
    # Who was never answered is first; what does not fit as a whole waits as a whole.
    assert paid_limits.within(requests, 2000, None, at) == ([c, b], [d, a])
    assert paid_limits.within(requests, 2800, Part(1, 2, 0.0), at) == ([c, b], [d, a])
    assert paid_limits.within(requests, 2800, Part(2, 2, 0.0), at) == ([c, b, d, a], [])
    small = metric_request("e", 10)
    assert paid_limits.within([a, small], 500, None, {}) == ([small], [a])


@pytest.mark.parametrize(
    ("fields", "is_measured"),
    [
        ({"State": {"Name": "running"}}, True),
        ({"State": '{"Code": 16, "Name": "running"}'}, True),
        ({"State": {"Name": "stopped"}}, False),
        ({"State": '{"Code": 80, "Name": "stopped"}'}, False),
        ({"State": None}, True),
        ({}, True),
    ],
)
def test_only_what_a_rule_could_judge_is_measured(fields: dict[str, Any], is_measured: bool) -> None:
    assert metrics.is_candidate("ec2_instance", fields) is is_measured
    assert metrics.is_candidate("lambda_function", fields)


def metrics_sent(simulator: Simulator) -> tuple[int, int, int]:
    """Requests, metrics, and metrics that AWS charges for, as the simulator counted them."""
    calls = [call for call in simulator.log() if call["operation"] == "GetMetricData"]
    sizes = [len(call["parameters"]["MetricDataQueries"]) for call in calls]
    charged = [size for size, call in zip(sizes, calls, strict=True) if not call["error_code"]]
    return len(calls), sum(sizes), sum(charged)


def written(database: Path) -> list[tuple[Any, ...]]:
    return query(
        database,
        """
        select sum(request_count)::bigint, sum(unit_count)::bigint, sum(cost_usd) from audit.paid_request
        where api = 'cloudwatch:GetMetricData' group by run_id
        """,
        of="working",
    )


@pytest.mark.large
def test_two_runs_of_a_day_with_throttling_cost_what_cloudwatch_counted_and_the_second_requests_nothing_again(
    make_organisation: MakeOrganisation, tmp_path: Path
) -> None:
    simulator = make_organisation(accounts=2, resources=3, regions=("ap-southeast-2",))
    database = tmp_path / "warehouse" / DATABASE
    simulator.faults([{"action": "throttle", "service": "cloudwatch", "times": 3}])
    simulator.clear_log()
    ended = run_night(simulator.env, database)
    assert ended.published, ended.sentences
    requests, all_metrics, charged = metrics_sent(simulator)
    assert requests > 3 and all_metrics > charged > 0
    assert written(database) == [(requests, all_metrics, charged * PRICES_USD["cloudwatch"])]
    ((by_api, by_run),) = query(
        database,
        """
        select sum(p.cost_usd), any_value(r.api_cost_usd)
        from audit.paid_request as p join audit.run as r using (run_id)
        """,
    )
    assert by_api == by_run
    # What does not run is never idle, and nobody asked about it.
    stopped = {row["instance_id"] for row in simulator.truth()["instances"] if row["state"] != "running"}
    asked = {row[0] for row in query(database, "select distinct resource_id from stage.cloudwatch_metric_asked")}
    assert asked and not asked & stopped

    stood = query(database, "select * exclude (run_id) from aws.cloudwatch_metric_daily order by all")
    again = run_night(simulator.env, database)
    assert again.published, again.sentences
    assert metrics_sent(simulator) == (requests, all_metrics, charged)
    assert query(database, "select * exclude (run_id) from aws.cloudwatch_metric_daily order by all") == stood != []


@pytest.mark.large
def test_at_the_limit_cells_wait_with_a_reason_and_what_rests_on_them_is_unknown(
    make_organisation: MakeOrganisation, tmp_path: Path
) -> None:
    simulator = make_organisation(accounts=2, resources=3, regions=("ap-southeast-2",))
    database = tmp_path / "warehouse" / DATABASE
    simulator.clear_log()
    ended = run_night({**simulator.env, "CMDB_METRIC_LIMIT": "30"}, database)
    assert ended.published, ended.sentences
    _, all_metrics, _ = metrics_sent(simulator)
    assert all_metrics <= 30
    waiting = query(
        database,
        "select outcome, error_message from audit.coverage where listing = 'cloudwatch_metric' and "
        "skip_reason = 'request_limit'",
    )
    assert waiting and {outcome for outcome, _ in waiting} == {"skipped"}
    assert all("that CMDB_METRIC_LIMIT allows" in text and "raise CMDB_METRIC_LIMIT" in text for _, text in waiting)
    assert any("CMDB_METRIC_LIMIT was reached" in warning for warning in ended.warnings)
    places = "select account_id, region from {} where listing = 'cloudwatch_metric' and {}"
    unknown = query(database, places.format("audit.expected_cell", "unknown_reason is not null"))
    assert set(query(database, places.format("audit.coverage", "skip_reason = 'request_limit'"))) <= set(unknown)
    status = cmdb_here({**simulator.env, "CMDB_DATABASE": str(database)}, "status", "--json")
    paid = {entry["api"]: entry for entry in json.loads(status.stdout)["last_run"]["paid"]}
    assert set(paid) >= {"ce:GetCostAndUsage"}
    assert paid.get("cloudwatch:GetMetricData", {"units": 0})["units"] == all_metrics
