"""Values of tags: the one that counts beside the one that was written, the near misses, and what is no value."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bills import ACCOUNT, PAYER, SPOT, billed, seed
from given import Given, House, house, migrations_before
from test_decommission import instance

from resources.store.store import Store

KEY = "bc:business-service"


@pytest.fixture
def home(home: House) -> House:
    seed(home, "ref.fx_rate", [(*SPOT, "2026-11-01", "2")])
    seed(home, "ref.tag_value_alias", [(KEY, "pay", "Payments")])
    return home


def by_service(value: str, amount: str) -> dict[str, Any]:
    return {
        "Keys": [f"{KEY}${value}", "Amazon Simple Storage Service"],
        "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}},
        "TimePeriod": {"Start": "2026-11-20", "End": "2026-11-21"},
        "Estimated": False,
    }


def tagged(name: str, value: str) -> dict[str, Any]:
    return instance(name, Tags=[{"Key": KEY, "Value": value}])


def test_the_cut_by_service_has_the_value_that_counts_beside_the_written_one(home: House) -> None:
    home.night(
        "night-1",
        [Given(f"cost_tag_service_daily:{KEY}:2026-11", [by_service("pay", "3"), by_service(" Payments", "4")])],
    )
    home.build("cost.tag_service_daily")
    billed(home, [("2026-11-20", "service", ACCOUNT, "A", "7"), ("2026-11-20", f"tag:{KEY}", ACCOUNT, "pay", "7")])
    home.build("cost.tag_service_daily", "cost.by_tag")
    found = home.rows(
        """
        select written_value, tag_value, unblended_cost, reporting_unblended_cost, reporting_currency
        from cost.tag_service_daily order by all
        """
    )
    assert [(row["written_value"], row["tag_value"]) for row in found] == [
        (" Payments", "Payments"),
        ("pay", "Payments"),
    ]
    assert [Decimal(row["reporting_unblended_cost"]) for row in found] == [8, 6]
    # One column name, one meaning: the values of both views are the same.
    (whole,) = home.rows("select tag_value, written_value from cost.by_tag")
    assert (whole["tag_value"], whole["written_value"]) == ("Payments", "pay")


def test_values_that_read_alike_and_count_apart_are_listed(home: House) -> None:
    home.night(
        "night-1", [Given("ec2_instance", [tagged("i-1", "ZETA"), tagged("i-2", "ZETA"), tagged("i-3", "Ra-ta")])]
    )
    home.build("cmdb.tag_value_near_miss")
    billed(
        home,
        [
            ("2026-11-20", f"tag:{KEY}", ACCOUNT, value, amount)
            for value, amount in (
                ("Zeta", "5"),
                ("zeta", "2"),
                ("pay", "9"),
                ("Payments", "9"),
                ("Rata", "1"),
                ("", "3"),
            )
        ],
    )
    found = {
        row["tag_value"]: (row["resembles"], Decimal(row["unblended_cost"]), row["resource_count"])
        for row in home.rows(f"select * from cmdb.tag_value_near_miss where tag_key = '{KEY}'")
    }
    assert found == {
        "Zeta": (["zeta", "ZETA"], 5, 0),
        "zeta": (["Zeta", "ZETA"], 2, 0),
        "ZETA": (["Zeta", "zeta"], 0, 2),
        "Rata": (["Ra-ta"], 1, 0),
        "Ra-ta": (["Rata"], 0, 1),
    }


def test_a_blank_value_fills_no_tag(home: House) -> None:
    home.night("night-1", [Given("ec2_instance", [tagged("i-1", " "), tagged("i-2", ""), tagged("i-3", "Payments")])])
    home.build("cmdb.tag_fill_rate")
    (rate,) = home.rows(f"select * from cmdb.tag_fill_rate where tag_key = '{KEY}'")
    assert (rate["filled_count"], rate["empty_count"], rate["absent_count"], rate["fill_rate_pct"]) == (
        1,
        2,
        0,
        "33.33",
    )


def test_a_tag_that_one_resource_lacks_is_not_filled_everywhere(home: House) -> None:
    filled = [tagged(f"i-{number}", "Payments") for number in range(29_999)]
    home.night("night-1", [Given("ec2_instance", [*filled, tagged("i-without", "")])])
    home.build("cmdb.tag_fill_rate")
    (rate,) = home.rows(f"select filled_count, fill_rate_pct from cmdb.tag_fill_rate where tag_key = '{KEY}'")
    assert rate == {"filled_count": 29_999, "fill_rate_pct": "99.99"}


def test_a_warehouse_of_an_older_release_keeps_its_cut_by_service(tmp_path: Path) -> None:
    database = tmp_path / "cmdb.duckdb"
    store = Store(database, migrations_before("0021", tmp_path))
    with store.holding("given", "a test"), store.transaction() as connection:
        connection.execute(
            """
            create table cost.tag_service_daily as
            select
                date '2026-01-01' as usage_date, 'k' as tag_key, 'v' as tag_value, 's' as service,
                1::decimal(28, 10) as unblended_cost, 1::decimal(28, 10) as amortized_cost,
                null::decimal(28, 10) as net_unblended_cost, null::decimal(28, 10) as net_amortized_cost,
                null::decimal(28, 10) as billed_cost, null::decimal(28, 10) as contracted_cost,
                null::decimal(28, 10) as list_cost, 'USD' as currency, false as is_estimated, 'r' as run_id,
                'billing' as role, '000000000042' as caller_account_id, 'aws-global' as cell_region,
                'cost_tag_service_daily:k:2026-01' as listing, now() as collected_at, false as is_stale
            """
        )
    (tmp_path / "now").mkdir()
    with house(tmp_path / "now", blank=False, working=store.working.read_bytes()) as home:
        home.build("cost.tag_service_daily")
        (row,) = home.rows("select written_value, tag_value, unblended_cost from cost.tag_service_daily")
    assert (row["written_value"], row["tag_value"], Decimal(row["unblended_cost"])) == ("v", "v", 1)


@pytest.mark.parametrize(
    ("key", "kind", "status"),
    [
        ("aws:createdBy", "AWSGenerated", "active"),
        ("bc:project", "UserDefined", "active"),
        ("bc:project", "AWSGenerated", "not_listed"),
    ],
)
def test_the_status_of_a_key_is_that_of_its_own_kind(home: House, key: str, kind: str, status: str) -> None:
    seed(home, "ref.tag_key", [(key,)])
    listed = {"TagKey": key, "Type": kind, "Status": "Active", "LastUpdatedDate": "2024-05-01T00:00:00Z"}
    home.night("night-1", [Given("cost_allocation_tag", [listed], account_id=PAYER)])
    home.build("cost.tag_key_status")
    assert [row["status"] for row in home.rows("from cost.tag_key_status")] == [status]
