"""A year of one small organisation: what was realised is what its bill fell by, and each planted event is told once.

The simulated organisation moves from run to run: instances that are idle go, one of them made anew, one under a
reservation and one under a plan; an account is closed; something is switched off each weekend; costs jump, for days or
for good, and are refunded. Each run takes the records that boto3 lists and the ledger's lines as its responses, and the
models judge them. One run in ten is refused: a listing is denied to it, and no model is built.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import policies
from given import Given, House, build, built_file, house, member
from nights import environment_of
from recomputed.listed import CALLS, listed
from test_decommission import measured_instance
from test_savings import TONIGHT

from simulator.client import Simulator, start

FIRST = dt.date(2026, 1, 5)
LAST = dt.date(2027, 1, 4)
HISTORY = dt.date(2025, 9, 1)
REGION = "us-east-1"
HOUR = dt.time(3)
EC2 = ("ec2_instance", "ec2_volume", "ec2_snapshot", "ec2_image", "ec2_address")
MONTH = Decimal(365) / 12
WEEK = dt.timedelta(days=7)
WARM = dt.date(2026, 2, 1)
"""From here on anomalies are judged by what came before."""

FIRST_OF_RUNS = (*TONIGHT, "cost.anomaly")


# ------------------------------------------------------------------------------------------------- what is planted

SWITCHED_OFF, JUMPS, BURSTS, DOUBLES, BEGINS = "AWS Glue", "Amazon Athena", "Amazon Kinesis", "AmazonMQ", "AWS Batch"

PLANTED = {
    (JUMPS, dt.date(2026, 3, 17)): "a day of five times as much",
    (BURSTS, dt.date(2026, 5, 11)): "five days of four times as much",
    (DOUBLES, dt.date(2026, 8, 5)): "twice as much from then on",
    (BEGINS, dt.date(2026, 6, 15)): "what begins",
    (SWITCHED_OFF, dt.date(2026, 9, 19)): "a weekend left on",
    (JUMPS, dt.date(2026, 11, 4)): "a refund",
}
"""By service and first day."""

COMPUTE = "Amazon Elastic Compute Cloud - Compute"

FLOOR = 25
"""What a day has to be off by to be looked at, in USD, as in ref.anomaly_threshold."""

Place = tuple[str, str, str]
"""Account, service and first day of an event."""


def plant(simulator: Simulator, account: str, other: str) -> None:
    """Put all of them into the bill, before anybody reads it."""

    def charge(service: str, first: dt.date, until: dt.date, amount: int, owner: str = account, **how: str) -> None:
        simulator.change(
            "restate",
            usage_date=first.isoformat(),
            until=until.isoformat(),
            account_id=owner,
            service=service,
            amount=str(amount),
            **how,
        )

    end = LAST + WEEK
    for service, amount, owner in ((JUMPS, 100, account), (BURSTS, 80, other), (DOUBLES, 150, other)):
        charge(service, HISTORY, end, amount, owner)
    charge(JUMPS, dt.date(2026, 3, 17), dt.date(2026, 3, 18), 400)
    charge(BURSTS, dt.date(2026, 5, 11), dt.date(2026, 5, 16), 240, other)
    charge(DOUBLES, dt.date(2026, 8, 5), end, 150, other)
    charge(BEGINS, dt.date(2026, 6, 15), end, 60, other)
    charge(JUMPS, dt.date(2026, 11, 4), dt.date(2026, 11, 5), -300, record_type="Refund")
    monday = HISTORY - dt.timedelta(days=HISTORY.weekday())
    while monday < end:
        charge(SWITCHED_OFF, monday, monday + dt.timedelta(days=5), 120)
        monday += WEEK
    charge(SWITCHED_OFF, dt.date(2026, 9, 19), dt.date(2026, 9, 21), 120)


# ---------------------------------------------------------------------------------------------------- what happens


@dataclass
class Year:
    """The organisation, the warehouse, and what has happened so far.

    Attributes:
        gone: instances that the simulator took away, with the day, and what took their place.
    """

    simulator: Simulator
    home: House
    gone: dict[str, tuple[dt.date, str]] = field(default_factory=dict)
    runs: int = 0

    def idle(self, purchase: str = "") -> list[dict[str, Any]]:
        """The instances that run for nothing, of accounts that are there."""
        truth = self.simulator.truth("metrics")
        activity = {row["instance_id"]: row["activity"] for row in truth["metric_activity"]}
        paid = {
            line["resource_id"]: line["purchase_type"]
            for line in self.simulator.ledger(FIRST - WEEK, FIRST)
            if line["resource_id"].startswith("i-")
        }
        return [
            one
            for one in truth["instances"]
            if one["state"] == "running"
            and one["account_id"] in truth["reachable"]
            and activity[one["instance_id"]] == "idle"
            and paid.get(one["instance_id"], "").startswith(purchase)
            and one["instance_id"] not in self.gone
        ]

    def terminate(self, instance: dict[str, Any], day: dt.date, *, is_made_anew: bool = False) -> None:
        """Take an instance away, and perhaps put one like it in its place."""
        self.simulator.change("terminate_instance", instance_id=instance["instance_id"])
        new = ""
        if is_made_anew:
            made = self.simulator.change(
                "add_instance",
                account_id=instance["account_id"],
                region=REGION,
                instance_type=instance["instance_type"],
            )
            new = made["instance_id"]
        self.gone[instance["instance_id"]] = (day, new)

    # ------------------------------------------------------------------ a run

    def run(self, day: dt.date, *, is_refused: bool) -> None:
        """One run: everything that a night asks for savings and anomalies, and the models, unless it is refused."""
        at = dt.datetime.combine(day, HOUR, dt.UTC)
        self.runs += 1
        self.home.night(f"run-{self.runs}", [*self._accounts(), *self._ec2(at, is_refused), *self._bill(day)], at)
        if is_refused:
            return
        if self.runs == 1:
            self.home.build(*FIRST_OF_RUNS)
            return
        for relation in FIRST_OF_RUNS:
            build(self.home.store, self.home.models[relation])

    def _accounts(self) -> Iterator[Given]:
        truth = self.simulator.truth("metrics")
        yield Given("organizations_account", [member(one["account_id"], one["state"]) for one in truth["accounts"]])
        for name in truth["reachable"]:
            yield Given("ec2_region", [{"RegionName": REGION}], account_id=name)

    def _ec2(self, at: dt.datetime, is_refused: bool) -> Iterator[Given]:
        import boto3

        truth = self.simulator.truth("metrics")
        profiles = {one["account_id"]: one["profile"] for one in truth["accounts"]}
        activity = {row["instance_id"]: row["activity"] for row in truth["metric_activity"]}
        for one in truth["accounts"]:
            account = one["account_id"]
            if one["state"] == "CLOSED":
                for name in (*EC2, "cloudwatch_metric"):
                    yield Given(name, (), "skipped", account, REGION, skip_reason="account_left")
            if account not in truth["reachable"]:
                continue
            with environment_of({**os.environ, **self.simulator.env}):
                client = boto3.Session(profile_name=profiles[account]).client("ec2", region_name=REGION)
                found = {name: listed(client, *CALLS[name][1:]) for name in EC2}
            for name, records in found.items():
                if is_refused and name == "ec2_instance":
                    yield Given(name, (), "denied", account, REGION)
                    continue
                plain = json.loads(json.dumps(records, default=dt.datetime.isoformat))
                owned = [{"OwnerId": account, **record} for record in plain]
                yield Given(name, owned, account_id=account, region=REGION)
            metrics = [
                record
                for instance in found["ec2_instance"]
                if instance["State"]["Name"] == "running"
                for record in measured_instance(
                    at, instance["InstanceId"], 1 if activity.get(instance["InstanceId"]) == "idle" else 50
                )
            ]
            yield Given("cloudwatch_metric", metrics, account_id=account, region=REGION)

    def _bill(self, day: dt.date) -> Iterator[Given]:
        """The months that AWS may still change; on the first run those before them too."""
        before = (day.replace(day=1) - dt.timedelta(days=1)).replace(day=1)
        since = HISTORY if self.runs == 1 else before
        for cut in ("service", "usage_type"):
            months: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for row in self.simulator.ledger_sums(since, day, "usage_date", "account_id", cut):
                date = dt.date.fromisoformat(row["usage_date"])
                months[row["usage_date"][:7]].append(
                    {
                        "Keys": [row["account_id"], row[cut]],
                        "Metrics": {"UnblendedCost": {"Amount": row["unblended_cost"], "Unit": "USD"}},
                        "TimePeriod": {"Start": row["usage_date"], "End": (date + dt.timedelta(days=1)).isoformat()},
                        "Estimated": date >= before,
                    }
                )
            for month, records in months.items():
                yield Given(f"cost_daily:{cut}:{month}", records)

    # ------------------------------------------------------------------ what came of it

    def fees(self) -> set[Place]:
        """What is paid on one day for a reservation of a year: the bill jumps, whoever planted nothing."""
        sums = self.simulator.ledger_sums(WARM, LAST, "usage_date", "account_id", "service", "record_type")
        return {
            (row["account_id"], row["service"], row["usage_date"])
            for row in sums
            if row["record_type"] == "Upfront" and Decimal(row["unblended_cost"]) >= FLOOR
        }

    def fell(self) -> dict[str, Decimal]:
        """By instance that went what the bill fell by in a month, less what took its place."""
        found = {}
        for name, (day, new) in self.gone.items():
            before = self._a_day(name, day - WEEK, day)
            after = self._a_day(new, day + dt.timedelta(days=1), day + dt.timedelta(days=8)) if new else Decimal(0)
            found[name] = (before - after) * MONTH
        return found

    def _a_day(self, name: str, first: dt.date, until: dt.date) -> Decimal:
        lines = self.simulator.ledger(first, until)
        whole = sum((Decimal(line["unblended_cost"]) for line in lines if line["resource_id"] == name), Decimal(0))
        return whole / (until - first).days


@pytest.mark.large
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("step", [1, 14], ids=["each day", "each fortnight"])
def test_in_a_year_what_is_realised_is_what_the_bill_fell_by_and_events_are_told_once(
    tmp_path: Path, step: int
) -> None:
    options = {"accounts": 3, "regions": (REGION,), "resources": 16, "seed": 1, "page_size": 100}
    with (
        start(tmp_path / "organisation", policies(), today=FIRST, **options) as simulator,
        house(tmp_path, working=built_file()) as home,
    ):
        year = Year(simulator, home)
        account, other, closing = simulator.truth("metrics")["reachable"]
        plant(simulator, account, other)
        on_demand = year.idle("On Demand")
        staying = [one for one in on_demand if one["account_id"] != closing]
        leaving = [one for one in on_demand if one["account_id"] == closing]
        assert len(staying) >= 3 and leaving
        dear = sorted(staying, key=lambda one: one["instance_type"], reverse=True)
        covered = [*year.idle("Savings"), *year.idle("Standard")]
        events: dict[dt.date, Any] = {
            dt.date(2026, 3, 2): lambda day: year.terminate(dear[0], day),
            dt.date(2026, 5, 4): lambda day: year.terminate(dear[1], day),
            dt.date(2026, 7, 6): lambda day: year.terminate(dear[2], day, is_made_anew=True),
            dt.date(2026, 9, 7): lambda day: [year.terminate(one, day) for one in covered],
            dt.date(2026, 10, 5): lambda day: (
                simulator.change("close_account", account_id=closing, state="CLOSED"),
                year.gone.update({one["instance_id"]: (day, "") for one in leaving}),
            ),
        }
        day = FIRST
        while day <= LAST:
            simulator.configure(today=day.isoformat())
            for due in [one for one in events if one <= day]:
                events.pop(due)(day)
            year.run(day, is_refused=year.runs % 10 == 9)
            day += dt.timedelta(days=step)
        assert not events
        savings = home.rows("select arn, rule, realised, unknown_reason from cost.saving where realised is not null")
        anomalies = home.rows(
            "select usage_date, end_date, slice, account_id, dimension_value, kind, difference from cost.anomaly"
        )
        fell = year.fell()
        closed_on = next(year.gone[one["instance_id"]][0] for one in leaving)
        owners = defaultdict(lambda: other, {JUMPS: account, SWITCHED_OFF: account})
        real: set[Place] = {
            *((owners[service], service, first.isoformat()) for service, first in PLANTED),
            (closing, COMPUTE, closed_on.isoformat()),
            *year.fees(),
        }
    realised = sum((Decimal(row["realised"]) for row in savings), Decimal(0))
    caused = sum(fell.values(), Decimal(0))
    assert caused > 100
    assert abs(realised - caused) <= caused / 10, (realised, caused, fell, savings)
    times: dict[Place, int] = dict.fromkeys(real, 0)
    false: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in anomalies:
        place = (row["account_id"], row["dimension_value"], row["usage_date"])
        if place in real:
            times[place] += 1
        elif dt.date.fromisoformat(row["usage_date"]) >= WARM:
            false[row["usage_date"][:7]].append(row)
    assert times == dict.fromkeys(real, 1), anomalies
    assert max(map(len, false.values()), default=0) <= 1, false
