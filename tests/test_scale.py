"""The whole pipeline on more accounts than it would hold if each cost memory, and a second night of planned changes."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import relations
from conftest import policies, sign_in
from derived import ITEMS, truth_of
from nights import night_environment, query, run_night
from test_night import PUBLIC, everything, lasting

from bench import tree
from bench.tree import Ran
from simulator.client import Simulator, is_foreign, start

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.large, pytest.mark.timeout(900)]
"""Whichever test comes first waits for the first night, or for two."""

ACCOUNTS = 60
REGIONS = ("ap-southeast-2", "eu-west-1", "us-east-1")
INSTANCES = 8
"""For each account and region: two pages of five."""

KINDS = ("network", "storage", "addressing", "databases", "buckets", "functions", "listings", "hub")
"""The parts of the truth that hold configuration items, beside the instances."""

DERIVED = {"network_interface_ids", "referenced_by", "is_unused", "flow_log_ids"}
"""What the truth says of an item because of another one."""

MEGABYTE = 1024 * 1024


def run(environment: dict[str, str], folder: Path, *arguments: str) -> Ran:
    """`cmdb` with the memory of its whole tree watched."""
    return tree.run([sys.executable, "-m", "pipelines.cli.main", *arguments], environment, folder)


@dataclass(frozen=True)
class Collected:
    """A first night of the large organisation, published, and what it was asked."""

    organisation: Simulator
    database: Path
    night: Ran
    truth: dict[str, Any]
    asked: int


def led_to(organisation: Simulator, database: Path, **settings: str) -> dict[str, str]:
    """The environment of a night as a child process."""
    ours = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    return ours | night_environment(organisation, database, **settings)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collected]:
    folder = tmp_path_factory.mktemp("sixty")
    with start(
        folder / "organisation",
        policies(),
        accounts=ACCOUNTS,
        regions=REGIONS,
        resources=INSTANCES,
        # Else a zero that waits on the first night is known on the second: tags that were unknown are none.
        trail_passes=True,
    ) as organisation:
        sign_in(organisation)
        organisation.configure(further_services=34)
        database = folder / "warehouse" / "cmdb.duckdb"
        database.parent.mkdir()
        night = run(
            led_to(organisation, database, DAGSTER_HOME=str(folder / "dagster"), NO_COLOR="1"), folder, "nightly"
        )
        # An SSO token becomes credentials by a request that nobody signs, in no session of ours.
        asked = len([call for call in organisation.log() if call["service"] != "sso"])
        yield Collected(organisation, database, night, organisation.truth(*KINDS), asked)


def test_sixty_accounts_are_collected_whole_in_little_memory_and_the_run_says_what_it_requested(
    collected: Collected,
) -> None:
    night, database, truth, asked = collected.night, collected.database, collected.truth, collected.asked
    said = night.said + night.complained
    assert night.code == 0, said

    # Whole: every instance once, by owner, region and id; and of as many accounts and regions as there are.
    there = sorted(places(truth))
    assert len(there) > ACCOUNTS * len(REGIONS) * INSTANCES / 2
    found = query(database, "select account_id, region, instance_id from aws.ec2_instance order by all")
    assert found == there
    items = "select account_id, region, resource_id from cmdb.resource where resource_type = $type order by all"
    assert query(database, items, {"type": "AWS::EC2::Instance"}) == there
    assert query(database, "select count(*) from aws.ec2_instance where is_stale") == [(0,)]

    # What it asked is on the terminal, in the table, and is what AWS was asked.
    (counted,) = query(database, "select request_count from audit.run")
    assert counted[0] == asked
    assert f"{asked:,}" in next(line for line in said.splitlines() if line.strip().startswith("requests"))
    # Every step says at its end that all of its cells have an outcome.
    ended = re.findall(r"^(?!…)[^:\n]+: ([\d,]+) of ([\d,]+) cells, ", said, re.MULTILINE)
    assert len(ended) > 20 and all(done == whole for done, whole in ended), said

    print(json.dumps({"seconds": round(night.wall, 1), "megabytes": night.peak // MEGABYTE, "requests": asked}))
    assert night.peak < 400 * MEGABYTE


def places(truth: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Owner, region and id of every instance that a workload profile or the operations account's own can see."""
    asked = {*truth["reachable"], truth["central"]["operations"]}
    return [
        (instance["account_id"], instance["region"], instance["instance_id"])
        for instance in truth["instances"]
        if instance["account_id"] in asked
    ]


def test_every_dollar_of_forty_services_is_explained_or_has_a_name(collected: Collected) -> None:
    database = collected.database
    ((services, amount, first, through),) = query(
        database,
        "select count(distinct service), sum(unblended_cost), min(first_date), max(through_date)"
        " from cost.explained_spend",
    )
    assert services >= 40
    ((bill,),) = query(
        database,
        "select sum(unblended_cost) from cost.daily_total where usage_date between $first and $through",
        {"first": first, "through": through},
    )
    assert amount == bill > 0
    # Of what profiles reach nothing is left over; the rest is unknown, and is so called.
    assert query(database, "from cost.explained_spend where standing = 'unexplained'") == []
    nobodys = query(
        database,
        "select service from cost.explained_spend where standing = 'unknown' and account_id in ("
        "select account_id from org.account where has_profile and state = 'ACTIVE')",
    )
    assert nobodys == []
    ((named,),) = query(
        database, "select count(distinct service) from cost.explained_spend where explanation = 'not_listable'"
    )
    assert named >= 34
    # Of what the contract lets be listed: what has listings, in the accounts that are there and that a profile reaches.
    ((explained, listable),) = query(
        database,
        """
        select sum(unblended_cost) filter (explanation = 'resources'), sum(unblended_cost)
        from cost.explained_spend
        where
            listings <> [] and explanation in ('resources', 'unexplained', 'unknown') and account_id in (
                select account_id from org.account where has_profile and state = 'ACTIVE'
            )
        """,
    )
    assert listable > 0
    assert explained >= listable * Decimal("0.95"), (explained, listable)


WHERE_FUNCTIONS = {truth_of("lambda_code_signing_config"), truth_of("lambda_capacity_provider")}
"""What is requested only in regions in which the account has a function."""


def with_functions(truth: dict[str, Any]) -> set[tuple[str, str]]:
    """Accounts and regions that have a function."""
    return {(row["account_id"], row["region"]) for row in truth["functions"]}


def test_every_resource_of_every_type_is_there_once_in_the_right_account(collected: Collected) -> None:
    truth, database = collected.truth, collected.database
    functions = with_functions(truth)
    asked = {part: {*truth["reachable"], truth["central"]["operations"]} for part in ITEMS}
    # The operations account's own profile asks about its network; it has no workload profile to ask for more.
    asked |= {part: {*truth["reachable"]} for part in ITEMS if ITEMS[part].split("::")[1] != "EC2"}
    there = sorted(
        (
            row["arn"],
            "AWS::RDS::DBClusterSnapshot" if row.get("is_of_cluster") else ITEMS[part],
            row["account_id"],
            row["region"],
        )
        for part in ITEMS
        for row in truth[part]
        # What is shared is there where anybody who is asked lists it; AWS's own lists are nobody's.
        if asked[part] & {place[0] for place in row.get("listed_in", [(row["account_id"], "")])}
        and row["account_id"].isdigit()
        and row.get("snapshot_type") != "automated"
        and (part not in WHERE_FUNCTIONS or (row["account_id"], row["region"]) in functions)
    )
    found = query(
        database,
        """
        select arn, resource_type, account_id, region, attributes ->> 'instance_id' from cmdb.resource
        where resource_type <> 'AWS::ResourceGroups::Group' and discovered_by = 'listing' order by all
        """,
    )
    # Every instance has one interface that the truth does not list.
    listed = {arn for arn, *_ in there}
    own = Counter((row[4], row[2], row[3]) for row in found if ":network-interface/" in row[0] and row[0] not in listed)
    assert own == Counter(
        (row["instance_id"], row["account_id"], row["region"])
        for row in truth["instances"]
        if row["account_id"] in asked["instances"]
    )
    assert [row[:4] for row in found if row[0] in listed or ":network-interface/" not in row[0]] == there
    assert {kind for _, kind, *_ in there} == {*ITEMS.values(), "AWS::RDS::DBClusterSnapshot"}


def test_relations_are_those_of_the_organisation(collected: Collected) -> None:
    places = with_functions(collected.truth)
    truth = collected.truth | collected.organisation.truth("options")
    true = {
        edge
        for edge in relations.true(truth)
        if ":capacity-provider:" not in edge[0] or (edge[0].split(":")[4], edge[0].split(":")[3]) in places
    }
    assert relations.shown(collected.database, truth) == true
    assert relations.subnets_of_instances(collected.database) == {1}


def test_one_run_later_nothing_changed_and_no_row_has(collected: Collected) -> None:
    before = everything(collected.database)
    night = run_night(night_environment(collected.organisation, collected.database), collected.database)
    assert night.published, night.sentences
    after = everything(collected.database)
    for name in PUBLIC:
        assert {key: lasting(row) for key, row in after[name].items()} == {
            key: lasting(row) for key, row in before[name].items()
        }, name


# ------------------------------------------------------------------------------------------- one night later

Change = tuple[str, str]
"""What a change does to the versions of an item, and its ARN."""


@dataclass(frozen=True)
class Later:
    """A second night after planned changes, with one account denied.

    Attributes:
        planned: how many changes were made.
        versions: what the second night began: change, ARN, account and the attributes that differ.
        expected: what the truth says changed, in the accounts that could be asked.
    """

    planned: int
    versions: list[tuple[str, str, str, list[str]]]
    expected: set[Change]
    touched_instances: set[str]
    denied: str
    closed: str
    emptied: str


def items(truth: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The configuration items of a truth by ARN: automated snapshots of databases are none."""
    return {
        row["arn"]: {name: value for name, value in row.items() if name not in DERIVED}
        for kind in ITEMS
        for row in truth[kind]
        if row.get("snapshot_type") != "automated"
    }


OVER = {"terminated", "deleted"}
"""States of what AWS still lists for a while, and the inventory has retired."""


def change_of(old: dict[str, Any] | None, new: dict[str, Any] | None) -> str | None:
    """What begins a version, None where nothing does: what was retired and is listed no more stays retired."""
    if old is None:
        return "discovered"
    if new is None:
        return None if old.get("state") in OVER else "missing"
    return "retired" if new.get("state") in OVER else "changed"


class Plan:
    """Changes of the organisation in accounts of their own, counted."""

    def __init__(self, collected: Collected) -> None:
        self.organisation, self.truth, self.count = collected.organisation, collected.truth, 0
        self.hosts: set[str] = set()
        """ARNs of the instances that change because something is attached to them."""
        self.accounts = iter([account for account in self.truth["reachable"] if self._is_busy(account)])

    def _is_busy(self, account: str) -> bool:
        return all(self.there(kind, account) for kind in ("instances", "volumes", "functions", "db_instances"))

    def there(self, kind: str, account: str, **named: Any) -> list[dict[str, Any]]:
        """The items of an account that are as named."""
        rows = [row for row in self.truth[kind] if row["account_id"] == account]
        return [row for row in rows if all(row[name] == value for name, value in named.items())]

    def change(self, do: str, **arguments: Any) -> dict[str, Any]:
        self.count += 1
        return self.organisation.change(do, **arguments)

    def carry_out(self) -> tuple[str, str, str]:
        """Make them all; returns the account to be denied, the one that closes, and the one without instances."""
        created, changed, deleted, moved, retagged, denied, closed = (next(self.accounts) for _ in range(7))
        emptied = min(
            (account for account in self.accounts if self.there("instances", account)),
            key=lambda account: len(self.there("instances", account)),
        )
        home = REGIONS[0]

        for region in REGIONS:
            self.change("add_instance", account_id=created, region=region, tags={"bc:project": "new"})
        self.change("add_volume", account_id=created, region=home, tags={"Name": "ünïcode; --"})
        self.change("add_snapshot", volume_id=self.there("volumes", created)[0]["volume_id"])
        self.change("allocate_address", account_id=created, region=home)
        self.change("create_bucket", account_id=created, region=home, name="acme-made-since")
        self.change("create_database", account_id=created, region=home, name="made-since")

        running = self.there("instances", changed, state="running")
        for instance in running[:3]:
            self.change("stop_instance", instance_id=instance["instance_id"])
        for volume in self.there("volumes", changed, volume_type="gp2")[:3]:
            self.change("modify_volume", volume_id=volume["volume_id"], volume_type="gp3")
        self.change("update_function", arn=self.there("functions", changed)[0]["arn"], memory_mb=2048)
        self.change("stop_database", arn=self.there("db_instances", changed, status="available")[0]["arn"])

        gone = self.there("instances", deleted, state="running")
        self.change("terminate_instance", instance_id=gone[0]["instance_id"])
        self.change("forget_instance", instance_id=gone[1]["instance_id"])
        self.change("forget_instance", instance_id=gone[2]["instance_id"])
        for volume in self.there("volumes", deleted, state="available")[:2]:
            self.change("delete_storage", resource_id=volume["volume_id"])
        self.change("delete_storage", resource_id=self.there("snapshots", deleted)[0]["snapshot_id"])
        self.change("delete_function", arn=self.there("functions", deleted)[0]["arn"])
        self.change("delete_bucket", name=self.there("buckets", deleted)[0]["name"])
        free = self.there("addresses", deleted, association_id=None)
        self.change("release_address", allocation_id=free[0]["allocation_id"])
        gateways = self.there("nat_gateways", deleted, state="available")
        self.change("delete_nat_gateway", nat_gateway_id=gateways[0]["nat_gateway_id"])

        self.change("move_account", account_id=moved, ou="Workloads/Moved/Here")
        host = self.there("instances", moved, state="running")[0]
        self.hosts.add(host["arn"])
        place = {"region": host["region"]}
        spare = self.there("volumes", moved, state="available", **place)[0]
        self.change("attach_volume", volume_id=spare["volume_id"], instance_id=host["instance_id"])
        address = self.there("addresses", moved, association_id=None, **place)[0]
        self.change("associate_address", allocation_id=address["allocation_id"], instance_id=host["instance_id"])

        tags = {"Name": "ünïcode; --", "bc:cost-centre": "999"}
        for instance in self.there("instances", retagged)[:3]:
            self.change("retag_instance", instance_id=instance["instance_id"], tags=tags)
        self.change("retag_storage", resource_id=self.there("volumes", retagged)[0]["volume_id"], tags=tags)
        self.change("retag_storage", resource_id=self.there("images", retagged)[0]["image_id"], tags=tags)
        self.change("retag_bucket", name=self.there("buckets", retagged, is_locked=False)[0]["name"], tags=tags)
        self.change("retag_database", arn=self.there("db_instances", retagged)[0]["arn"], tags=tags)

        # What happens in an account that refuses everything is not seen, and nothing of it retires.
        self.change("forget_instance", instance_id=self.there("instances", denied)[0]["instance_id"])
        self.change("close_account", account_id=closed, state="CLOSED")
        for instance in self.there("instances", emptied):
            self.change("forget_instance", instance_id=instance["instance_id"])
        return denied, closed, emptied


@pytest.fixture(scope="module")
def later(collected: Collected) -> Later:
    organisation, database = collected.organisation, collected.database
    ((ended,),) = query(database, "select max(finished_at) from audit.run")
    plan = Plan(collected)
    denied, closed, emptied = plan.carry_out()
    truth = organisation.truth(*KINDS)
    organisation.lie("denied", account_id=denied)
    # What changes seldom is not due, and a change of it would wait for a week.
    environment = led_to(organisation, database, CMDB_UNTRUSTED_TOLERANCE="0.05")
    night = run(environment, database.parent.parent, "nightly", "--everything")
    assert night.code == 0, night.said + night.complained

    old, new = items(collected.truth), items(truth)
    asked = {*truth["reachable"], truth["central"]["operations"]} - {denied, closed}
    versions = query(
        database,
        """
        select change, arn, account_id, changed_attributes
        from cmdb.resource_version where valid_from > $ended order by all
        """,
        {"ended": ended},
    )
    differ = {arn for arn in old.keys() | new.keys() if old.get(arn) != new.get(arn)} | plan.hosts
    expected: set[Change] = set()
    for arn in differ:
        change = change_of(old.get(arn), new.get(arn))
        if change and (old.get(arn) or new[arn])["account_id"] in asked:
            expected.add((change, arn))
    instances = {arn.rpartition("/")[2] for arn in differ if ":instance/" in arn}
    return Later(plan.count, versions, expected, instances, denied, closed, emptied)


def test_one_run_later_exactly_the_planned_changes_began_a_version(collected: Collected, later: Later) -> None:
    assert later.planned >= 40
    # An instance comes, goes and stops with its interface, which the truth does not list.
    interfaces = query(
        collected.database,
        """
        select arn, attributes ->> 'instance_id' from cmdb.resource
        where resource_type = 'AWS::EC2::NetworkInterface'
        """,
    )
    own = {arn for arn, instance in interfaces if instance in later.touched_instances}
    began = {(change, arn) for change, arn, account, _ in later.versions if account != later.closed and arn not in own}
    assert began == later.expected
    assert {change for change, _ in began} == {"discovered", "changed", "missing", "retired"}
    assert all(names for change, _, account, names in later.versions if change == "changed")


def test_one_run_later_an_account_that_closed_is_retired_and_one_that_refuses_is_not(
    collected: Collected, later: Later
) -> None:
    count = """
        select status, coalesce(retired_reason, '') as reason, is_stale, count(*)::integer as count
        from cmdb.resource
        -- The hub lists these still.
        where account_id = $account and resource_type <> 'AWS::EC2::TransitGatewayAttachment'
        group by all order by all
    """
    left = {
        (status, reason, stale)
        for status, reason, stale, _ in query(collected.database, count, {"account": later.closed})
    }
    assert ("retired", "account_left", False) in left
    assert {status for status, _, _ in left} == {"retired"}
    refused = query(collected.database, count, {"account": later.denied})
    assert {(status, stale) for status, _, stale, _ in refused if status != "retired"} == {("active", True)}
    assert later.denied not in {account for _, _, account, _ in later.versions}


def test_one_run_later_the_last_instances_of_an_account_are_missing(collected: Collected, later: Later) -> None:
    found = query(
        collected.database,
        """
        select distinct status from cmdb.resource
        where account_id = $account and resource_type = 'AWS::EC2::Instance' and retired_at is null
        """,
        {"account": later.emptied},
    )
    assert found == [("missing",)]
