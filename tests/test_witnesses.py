"""What the bill says must exist: a silent zero of a listing that it bears witness to is refused on a first night."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from bills import ACCOUNT, billed
from given import House
from nights import DATABASE, copy_of, query
from steps import asked

from pipelines.catalogue.names import REGION
from pipelines.catalogue.registry import listings
from pipelines.collection.billed import BilledItem, billed_services, unexplained
from pipelines.settings import WAREHOUSE_FOLDER
from resources.store.store import Store
from simulator.client import Simulator

CATALOGUE = listings()


def seed(name: str) -> list[dict[str, str]]:
    with (WAREHOUSE_FOLDER / "ref" / f"{name}.csv").open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


PARTS = [row["part"] for row in seed("usage_type_listing")]
ALONE = {
    services[0]["listing"]
    for _, found in itertools.groupby(seed("service_listing"), key=lambda row: row["service"])
    if len(services := list(found)) == 1 and services[0]["is_witness"] == "true"
}
"""Listings of a service of which there is no other."""
WITNESSED = sorted({row["listing"] for row in seed("usage_type_listing")} | ALONE, key=lambda name: name[::-1])
DAY, BEFORE = "2026-11-22", "2026-11-21"


@pytest.fixture
def home(blank_home: House) -> House:
    blank_home.build("cost.daily", "ref.service_listing", "ref.usage_type_listing")
    return blank_home


def shown(home: House) -> dict[tuple[str, str], tuple[BilledItem, ...]]:
    return billed_services(home.store, dt.date(2026, 10, 1))


def test_every_witnessed_listing_is_one_that_a_zero_is_judged_by_witnesses() -> None:
    assert {CATALOGUE[name].zero for name in WITNESSED} == {"witnessed"}


def test_every_listing_that_may_be_empty_has_a_witness_or_a_reason_why_not() -> None:
    reasons = {row["listing"]: row["reason"] for row in seed("unwitnessed_listing")}
    assert not set(WITNESSED) & set(reasons)
    assert set(WITNESSED) | set(reasons) == {
        name for name, listing in CATALOGUE.items() if listing.zero != "impossible"
    }
    assert {name for name, reason in reasons.items() if not reason.endswith(".") or len(reason.split()) < 3} == set()
    assert all(row["source"] for row in seed("usage_type_listing"))


@pytest.mark.parametrize(
    "usage_type",
    [
        # Storage of S3, DynamoDB, ECR and CloudWatch Logs; addresses of Global Accelerator; nodes of MemoryDB,
        # Redshift, ElastiCache and OpenSearch; instances on a host, which the host pays for.
        "APS2-TimedStorage-ByteHrs",
        "USE1-PublicIPv4:InUseAddress",
        "HeavyUsage:db.r6g.large",
        "HeavyUsage:dc2.large",
        "EU-HeavyUsage:ra3.xlplus",
        "HeavyUsage:cache.t3.medium",
        "HeavyUsage:r5.large.search",
        "HostBoxUsage:m5.large",
        "IPAddressManager-IP-Hours",
    ],
)
def test_what_several_services_call_the_same_is_no_witness(usage_type: str) -> None:
    assert [part for part in PARTS if re.search(f"(^|-)({part})", usage_type)] == []


@pytest.mark.parametrize(
    ("usage_type", "listing"),
    [
        ("APS2-HeavyUsage:db.t3.medium", "rds_reserved_db_instance"),
        ("HeavyUsage:m5.large", "ec2_reserved_instance"),
        ("USW2-HeavyUsage:u-6tb1.metal", "ec2_reserved_instance"),
        ("EU-VPN-large-Usage-Hours:ipsec.1", "ec2_vpn_connection"),
        ("USE1-VpcEndpoint-GWLBE-Hours", "ec2_vpc_endpoint"),
        ("EUW2-RDS:Proxy-ASv2-Usage", "rds_db_proxy"),
        ("Lambda-Provisioned-Concurrency-ARM", "lambda_function"),
        ("USE1-TimedStorage-INT-FA-ByteHrs", "s3_bucket"),
    ],
)
def test_a_usage_type_is_a_witness_in_each_spelling(home: House, usage_type: str, listing: str) -> None:
    billed(home, [(DAY, "usage_type", ACCOUNT, usage_type, "1")])
    assert shown(home)[ACCOUNT, listing] == ((usage_type, False),)


def test_an_estimated_day_is_a_witness(home: House) -> None:
    billed(home, [(DAY, "usage_type", ACCOUNT, "APS2-NatGateway-Hours", "1")], open_from="2026-11-01")
    found = shown(home)
    assert found[ACCOUNT, "ec2_nat_gateway"] == (("APS2-NatGateway-Hours", False),)
    assert {listing for _, listing in found} == {
        "ec2_nat_gateway", "ec2_vpc", "ec2_subnet", "ec2_network_interface", "ec2_network_acl"
    }  # fmt: skip


@pytest.mark.parametrize("day", [BEFORE, "2026-11-23"], ids=["an earlier day", "a day that is not complete"])
def test_usage_counts_on_the_newest_complete_day_alone(home: House, day: str) -> None:
    # What was deleted since does not speak against a zero, and what may be half counted is no day to go by.
    billed(
        home,
        [
            (day, "usage_type", ACCOUNT, "EBS:VolumeUsage.gp3", "1"),
            (DAY, "usage_type", ACCOUNT, "DataTransfer-Out-Bytes", "1"),
        ],
    )
    assert (ACCOUNT, "ec2_volume") not in shown(home)


def test_what_a_plan_covers_is_a_witness(home: House) -> None:
    billed(home, [(DAY, "usage_type", ACCOUNT, "BoxUsage:m5.large", "0")])
    assert (ACCOUNT, "ec2_instance") not in shown(home)
    home.execute("update cost.daily set amortized_cost = 0.07")
    assert shown(home)[ACCOUNT, "ec2_instance"] == (("BoxUsage:m5.large", False),)


@pytest.mark.parametrize(("service", "cost", "is_witness"), [
    # To list the buckets of an account that has none costs a request, of this product and of every scanner.
    ("Amazon Simple Storage Service", "0.0072", False),
    ("Amazon Simple Storage Service", "0.01", True),
    ("AWS Lambda", "0.000001", True),
])  # fmt: skip
def test_what_requests_alone_may_cost_is_no_witness(home: House, service: str, cost: str, is_witness: bool) -> None:
    billed(home, [(DAY, "service", ACCOUNT, service, cost)])
    assert any(BilledItem(service, is_shared=True) in items for items in shown(home).values()) == is_witness


def test_a_usage_type_is_explained_to_each_listing_by_that_listing_alone(home: House) -> None:
    billed(home, [(DAY, "usage_type", ACCOUNT, "BoxUsage:m5.large", "1")])
    left = unexplained(shown(home), [(ACCOUNT, "ec2_instance"), (ACCOUNT, "ec2_vpc")])
    assert (ACCOUNT, "ec2_instance") not in left and (ACCOUNT, "ec2_vpc") not in left
    assert left[ACCOUNT, "ec2_subnet"] == ("BoxUsage:m5.large",)


# ------------------------------------------------------------------------------------------------ first nights


@pytest.fixture(scope="module")
def night(truthful_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with a bill and no history of any cell but that of the accounts: that of a first night."""
    folder = tmp_path_factory.mktemp("first")
    database = copy_of(truthful_night, folder)
    store = Store(database)
    with store.holding("first", "a test"), store.transaction() as connection:
        for table in ("audit.newest_cell", "audit.collection"):
            connection.execute(f"delete from {table} where list_contains($names, listing)", {"names": WITNESSED})
    return database.parent


def victim(database: Path, listing: str) -> str:
    """An account of which the truth has records of the listing, and the bill a witness."""
    shown = billed_services(Store(database), dt.date.min)
    found = {
        account
        for (account,) in query(
            database,
            "select distinct account_id from audit.collection where listing = $listing and outcome = 'found'"
            " and role in ('operations', 'workload')",
            {"listing": listing},
        )
    }
    proved = {
        place[0]
        for place, items in shown.items()
        if place[1] == listing and (listing in ALONE or not all(item.is_shared for item in items))
    }
    accounts = sorted(found & proved)
    assert accounts, f"the bill of no account bears witness to {listing}"
    return accounts[0]


@pytest.mark.parametrize("listing", WITNESSED)
def test_a_silent_zero_of_a_witnessed_listing_is_refused_on_a_first_run(
    organisation: Simulator, truthful_night: Path, night: Path, tmp_path: Path, listing: str
) -> None:
    shown = billed_services(Store(truthful_night / DATABASE), dt.date.min)
    account = victim(truthful_night / DATABASE, listing)
    shutil.copytree(night, tmp_path / "warehouse", symlinks=True)
    call: Any = CATALOGUE[listing].call
    service, _, operation = call.partition(":")
    organisation.faults([{"action": "empty", "service": service, "op": operation, "account": account}])
    database = tmp_path / "warehouse" / DATABASE
    each = CATALOGUE[listing].each
    for needed in (REGION, *(each.of if each else ())):
        with asked(organisation, database, needed):
            pass
    with asked(organisation, database, listing) as cells:
        empty = [cell for cell in cells if (cell.account_id, cell.name) == (account, listing)]
        # Another listing, which is not requested here, may explain what a service costs.
        doubted = {
            place[0] for place, items in shown.items() if place[1] == listing and any(i.is_shared for i in items)
        }
        others = {cell.outcome for cell in cells if cell.account_id not in {account, *doubted} and cell.name == listing}
    assert {cell.outcome for cell in empty} == {"empty_suspect"}, [cell.error_message for cell in empty]
    named = [item.name for item in shown[account, listing] if listing in ALONE or not item.is_shared]
    assert all(any(name in (cell.error_message or "") for name in named) for cell in empty)
    assert "empty_suspect" not in others
