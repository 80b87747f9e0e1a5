"""Ten days of two runs each, throttled and interrupted by AWS: what each run cost, by API, is what AWS was sent.

Only the steps that cost money run; tests/test_paid_requests.py has whole runs.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeOrganisation
from nights import DATABASE, query
from steps import age, asked

from pipelines.catalogue.cost import COST
from resources.aws.errors import THROTTLE_CODES
from resources.aws.meter import PRICES_USD, units_of
from resources.store.files import make_folder
from resources.store.store import Store
from simulator.client import Simulator

DAYS = 10
LIMITS = {"ce": 25, "cloudwatch": 60}
SETTINGS = {
    "CMDB_COST_REQUEST_LIMIT": str(LIMITS["ce"]),
    "CMDB_METRIC_LIMIT": str(LIMITS["cloudwatch"]),
    "CMDB_COST_MONTHS": "4",
}
BEFORE = (("organizations_account",), ("ec2_region",), ("ec2_instance", "rds_db_instance", "lambda_function"))
"""The free steps that the paid ones read from."""

STEPS = (tuple(listing.name for listing in COST.listings), ("cloudwatch_metric",))
SERVICES = {"ce": "ce", "monitoring": "cloudwatch", "cloudwatch": "cloudwatch"}

TROUBLE = (
    {"action": "throttle", "service": "ce", "times": 2, "skip": 1},
    {"action": "error", "service": "ce", "code": "InternalServiceException", "status": 500, "times": 1, "skip": 5},
    {"action": "throttle", "service": "cloudwatch", "times": 2},
    {"action": "error", "service": "cloudwatch", "code": "InternalServiceFault", "status": 500, "times": 1, "skip": 3},
)


class Sent:
    """What the simulator was sent of the paid APIs: requests, units, throttled requests and US$ of each."""

    def __init__(self, calls: list[dict[str, Any]]) -> None:
        self.requests: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.cost: Counter[str] = Counter()
        for call in calls:
            service = SERVICES.get(call["service"], "")
            if service not in PRICES_USD:
                continue
            api, units = f"{service}:{call['operation']}", units_of(service, call["parameters"])
            is_throttled = call["error_code"] in THROTTLE_CODES
            self.requests[api] += 1
            self.units[api] += units
            self.throttled[api] += is_throttled
            # What AWS throttles it does not charge.
            self.cost[api] += 0 if is_throttled else units * PRICES_USD[service]

    def rows(self) -> list[tuple[str, int, int, int, Decimal]]:
        return [
            (api, self.requests[api], self.units[api], self.throttled[api], Decimal(self.cost[api]))
            for api in sorted(self.requests)
        ]


def day_passes(database: Path) -> None:
    """Let what was requested be a day older: AWS's limits and the metrics of a day are those of a UTC day."""
    age(database, "cloudwatch_metric")
    for path in sorted((Store(database).folder / "paid_requests").glob("*.ndjson")):
        path.rename(path.with_stem(f"{dt.date.fromisoformat(path.stem) - dt.timedelta(days=1)}"))
    store = Store(database)
    with store.holding("day", "a test"), store.transaction() as connection:
        connection.execute("update audit.paid_request set usage_date = usage_date - 1")


def since(simulator: Simulator, number: int) -> list[dict[str, Any]]:
    return [call for call in simulator.log() if call["number"] > number]


def last_call(simulator: Simulator) -> int:
    return max((call["number"] for call in simulator.log()), default=0)


def spend(simulator: Simulator, database: Path, run: str) -> tuple[int, int]:
    """One run of all steps that cost money, under the trouble; how many requests were throttled, and how many failed.

    What it wrote down is what AWS was sent.
    """
    simulator.control("DELETE", "/faults")
    simulator.faults([dict(rule) for rule in TROUBLE])
    mark = last_call(simulator)
    for names in STEPS:
        with asked(simulator, database, *names, run=run, **SETTINGS):
            pass
    calls = since(simulator, mark)
    sent = Sent(calls)
    written = query(
        database,
        """
        select api, request_count, unit_count, throttle_count, cost_usd from audit.paid_request
        where run_id = $run order by api
        """,
        {"run": run},
        of="working",
    )
    assert written == sent.rows(), run
    cost = query(database, "select api_cost_usd from audit.run where run_id = $run", {"run": run}, of="working")
    assert cost == [(sum(sent.cost.values(), Decimal(0)),)], run
    return sent.throttled.total(), sum(call["error_code"] == "InternalServiceException" for call in calls)


def spent_by_day(database: Path) -> list[Counter[str]]:
    """The units of each service on each UTC day; `spend` has compared them with what AWS was sent."""
    rows = query(
        database,
        """
        select usage_date, split_part(api, ':', 1), sum(unit_count)::bigint
        from audit.paid_request group by all
        """,
        of="working",
    )
    days: dict[dt.date, Counter[str]] = {}
    for day, service, units in rows:
        days.setdefault(day, Counter())[service] += units
    return list(days.values())


@pytest.mark.large
@pytest.mark.timeout(1800)
def test_ten_days_of_two_runs_cost_what_aws_was_sent_and_no_day_exceeds_a_limit(
    make_organisation: MakeOrganisation, tmp_path: Path
) -> None:
    simulator = make_organisation(accounts=2, resources=3, regions=("ap-southeast-2",))
    database = tmp_path / "warehouse" / DATABASE
    make_folder(database.parent)
    for names in BEFORE:
        with asked(simulator, database, *names, run="before"):
            pass
    reached: Counter[str] = Counter()
    trouble: Counter[str] = Counter()
    for day in range(DAYS):
        for number in range(2):
            throttled, failed = spend(simulator, database, f"run-{day}-{number}")
            trouble.update(throttled=throttled, failed=failed)
        # A test that runs over midnight has two days here, as AWS has.
        for units in spent_by_day(database):
            assert all(units[service] <= limit for service, limit in LIMITS.items()), (day, units)
            reached.update(service for service, limit in LIMITS.items() if units[service] == limit)
        day_passes(database)
    # Otherwise nothing was tried.
    assert trouble["throttled"] > DAYS and trouble["failed"], trouble
    assert reached["ce"], reached
