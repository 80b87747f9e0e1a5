"""What is made of items and relations: applications and their map, health, spend without inventory, ServiceNow."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from given import FIRST_NIGHT, WORKLOAD, Given, House, build, hours, insert
from nights import Witness, cmdb_here, query

from pipelines.exports import servicenow
from pipelines.models.checks import read_checks, run
from pipelines.plain_text import FORMULA
from resources.audit.cells import renew_coverage

OTHER = "111122223333"
REGION = "ap-southeast-2"
RULES = {check.name: check for check in read_checks()}
FIGURES = (
    "cmdb.application",
    "cmdb.service_map_node",
    "cmdb.service_map_edge",
    "cmdb.health",
)


def item(home: House, name: str, **other: Any) -> None:
    """One row of `cmdb.resource`; columns that are not named are those of an active instance."""
    values = {
        "arn": f"arn:aws:ec2:{REGION}:{WORKLOAD}:instance/{name}",
        "resource_type": "AWS::EC2::Instance",
        "resource_id": name,
        "name": name,
        "account_id": WORKLOAD,
        "region": REGION,
        "state": "running",
        "status": "active",
        "discovered_by": "listing",
        "owner_source": "none",
        "is_stale": False,
        "attributes": json.dumps({"instance_type": "m", "image_id": "a", "vpc_id": "v", "subnet_id": "s"}),
        "first_seen_at": "2026-11-24T14:00:00Z",
        "last_seen_at": "2026-11-24T14:00:00Z",
        "collected_at": "2026-11-24T14:00:00Z",
        "run_id": "night-0",
        "role": "workload",
        "caller_account_id": WORKLOAD,
        "cell_region": REGION,
        "listing": "ec2_instance",
        **other,
    }
    if "tags" not in values:
        values["tags"] = {}
    with home.store.transaction() as connection:
        insert(connection, "cmdb.resource", values)


def relate(home: House, near: str, relation: str, far: str, **other: Any) -> None:
    """One relation that holds, between two ARNs or two instances by name."""

    def full(name: str) -> str:
        return name if ":" in name else f"arn:aws:ec2:{REGION}:{WORKLOAD}:instance/{name}"

    values = {
        "from_arn": full(near),
        "relation": relation,
        "to_arn": full(far),
        "from_resource_type": "AWS::EC2::Instance",
        "to_resource_type": "AWS::EC2::Instance",
        "source": "ec2_instance",
        **dict.fromkeys(("first_seen_at", "began_at", "last_seen_at", "collected_at"), "2026-11-24T14:00:00Z"),
        "is_stale": False,
        "run_id": "night-0",
        "role": "workload",
        "caller_account_id": WORKLOAD,
        "cell_region": REGION,
        "listing": "ec2_instance",
        **other,
    }
    with home.store.transaction() as connection:
        insert(connection, "cmdb.relationship", values)


def figures(home: House) -> None:
    for name in FIGURES:
        build(home.store, home.models[name])


# ----------------------------------------------------------------------------------- applications and their map


SLICES = ("service", "tag:bc:business-service")


def allocated(home: House, *rows: tuple[str, str, str, str, str], through: str = "2026-11-20", **held: str) -> None:
    """What the bill says of services: month, value, status, direct and shared cost.

    Args:
        through: the last complete day of the bill, which begins with September.
        held: the last complete day of a slice, where it is another: `service` or `tag`.
    """
    covered = [
        (name, month, held.get(name.partition(":")[0], through))
        for name in SLICES
        for month in ("2026-09-01", "2026-10-01", "2026-11-01")
    ]
    with home.store.transaction() as connection:
        connection.executemany(
            """
            insert into cost.allocation by name
            select
                $1::date as month, 'bc:business-service' as tag_key, $2 as tag_value, $3 as status,
                $4::decimal(28, 10) as direct_cost, $5::decimal(28, 10) as shared_cost, 'USD' as currency,
                2::decimal(18, 10) as rate
            """,
            rows,
        )
        connection.executemany(
            """
            insert into cost.month_coverage by name
            select
                $1 as slice, $2::date as month, $2::date as first_date,
                least(last_day($2::date), $3::date) as through_date,
                datediff('day', $2::date, least(last_day($2::date), $3::date)) + 1 as day_count, 0 as days_missing
            where $3::date >= $2::date
            """,
            covered,
        )


def test_an_application_is_what_carries_its_name_and_costs_what_the_tag_says_of_the_last_whole_month(
    home: House,
) -> None:
    item(home, "i-1", business_service="pay", business_owner="mere", environment="prod")
    item(home, "i-2", business_service="pay", business_owner="ana", environment="non-prod", account_id=OTHER)
    item(home, "i-3", business_service="pay", business_owner="ana", is_stale=True)
    item(home, "i-4", business_service="pay", business_owner="mere")
    item(home, "i-5", business_service="pay")
    item(home, "i-6", business_service="pay", status="retired", business_owner="zoe", environment="old")
    item(home, "i-7", business_service="idle")
    item(home, "i-8")
    allocated(
        home,
        ("2026-09-01", "pay", "allocated", "1", "0"),
        ("2026-10-01", "pay", "allocated", "10.5", "2"),
        ("2026-10-01", "gone", "allocated", "3", "1"),
        ("2026-10-01", "(unallocated)", "unallocated", "7", "0"),
        # Not over yet.
        ("2026-11-01", "pay", "allocated", "99", "0"),
    )
    figures(home)
    found = {row.pop("business_service"): row for row in home.rows("from cmdb.application")}
    assert found.keys() == {"pay", "idle", "gone"}
    assert found["pay"] == {
        "resource_count": 5,
        "stale_resource_count": 1,
        "account_count": 2,
        "accounts": [WORKLOAD, OTHER],
        "environments": ["non-prod", "prod"],
        # As many are mere's: the first by name.
        "owner": "ana",
        "owner_count": 2,
        "unowned_resource_count": 1,
        "cost_month": "2026-10-01",
        "monthly_cost": "10.5000000000",
        "monthly_shared_cost": "2.0000000000",
        "currency": "USD",
        "reporting_monthly_cost": "21.0000000000",
        "reporting_currency": "NZD",
    }
    assert (found["idle"]["monthly_cost"], found["idle"]["resource_count"]) == ("0.0000000000", 1)
    assert (found["gone"]["monthly_cost"], found["gone"]["resource_count"], found["gone"]["owner"]) == (
        "3.0000000000",
        0,
        None,
    )
    nodes = {row["node_id"]: row for row in home.rows("from cmdb.service_map_node")}
    assert nodes.keys() == {"application:pay", "application:idle", "application:gone", "(none)"}
    assert (nodes["(none)"]["resource_count"], nodes["(none)"]["monthly_cost"]) == (1, "7.0000000000")


def cost_of_pay(home: House) -> list[tuple[Any, Any]]:
    figures(home)
    return [(row["cost_month"], row["monthly_cost"]) for row in home.rows("from cmdb.application")]


OVER = (("2026-09-01", "pay", "allocated", "1", "0"), ("2026-10-01", "pay", "allocated", "10.5", "2"))
SEPTEMBER, OCTOBER = ("2026-09-01", "1.0000000000"), ("2026-10-01", "10.5000000000")


@pytest.mark.parametrize(
    ("through", "held", "shown"),
    [
        ("2026-10-31", {}, OCTOBER),
        # A day grows after it ended: of the thirty-first AWS has not counted all.
        ("2026-10-30", {}, SEPTEMBER),
        ("2026-10-31", {"tag": "2026-10-29"}, SEPTEMBER),
        ("2026-10-31", {"service": "2026-10-30"}, SEPTEMBER),
    ],
)
def test_an_application_costs_what_a_month_shows_of_which_every_day_is_complete(
    home: House, through: str, held: dict[str, str], shown: tuple[str, str]
) -> None:
    allocated(home, *OVER, through=through, **held)
    assert cost_of_pay(home) == [shown]


@pytest.mark.parametrize("cut", SLICES)
@pytest.mark.parametrize("lacks", ["days_missing = 2", "first_date = month + 3"])
def test_a_month_that_lacks_days_is_not_what_an_application_costs_a_month(home: House, cut: str, lacks: str) -> None:
    allocated(home, *OVER)
    home.execute(f"update cost.month_coverage set {lacks} where slice = '{cut}' and month = '2026-10-01'")
    assert cost_of_pay(home) == [SEPTEMBER]


def test_what_the_bill_does_not_say_of_a_tag_is_unknown_and_not_zero(home: House) -> None:
    item(home, "i-1", business_service="pay")
    allocated(home, ("2026-10-01", "(unknown)", "not activated", "10", "0"))
    figures(home)
    assert home.rows("select monthly_cost, reporting_monthly_cost, cost_month, currency from cmdb.application") == [
        {"monthly_cost": None, "reporting_monthly_cost": None, "cost_month": None, "currency": None}
    ]


def test_the_map_shows_which_services_lean_on_which_and_nothing_that_is_over(home: House) -> None:
    for name, other in {
        "a-1": {"business_service": "a"},
        "a-2": {"business_service": "a", "account_id": OTHER},
        "b-1": {"business_service": "b"},
        "n-1": {},
        "gone": {"business_service": "b", "status": "retired"},
    }.items():
        item(home, name, **other)
    relate(home, "a-1", "contained_in", "b-1")
    relate(home, "a-2", "contained_in", "b-1", is_stale=True)
    relate(home, "a-1", "attached_to", "a-2")
    relate(home, "n-1", "attached_to", "a-1", is_stale=True)
    relate(home, "a-1", "hosted_on", "b-1", ended_at="2026-11-25T14:00:00Z")
    relate(home, "a-1", "contained_in", "gone")
    relate(home, "a-1", "contained_in", "nowhere")
    relate(home, "application:a", "depends_on", "a-1", from_resource_type="Application")
    figures(home)
    assert [tuple(row.values()) for row in home.rows("from cmdb.service_map_edge order by all")] == [
        ("(none)", "attached_to", "application:a", 1, 1, 1, [WORKLOAD], 0, True),
        ("application:a", "contained_in", "application:b", 2, 2, 1, [WORKLOAD, OTHER], 1, False),
    ]


# ------------------------------------------------------------------------------------------------------ health


def health(home: House) -> dict[str, tuple[str | None, int, int, int]]:
    """Value, at fault, judged and unknown of each figure of the organisation."""
    build(home.store, home.models["cmdb.health"])
    return {
        row["kpi"]: (row["value"], row["at_fault_count"], row["judged_count"], row["unknown_count"])
        for row in home.rows("from cmdb.health where scope = 'organisation'")
    }


def test_every_figure_of_health_can_fall_and_what_is_unknown_counts_on_no_side(home: House) -> None:
    item(home, "i-1", owner_source="resource tag")
    whole = health(home)
    assert {kpi: value for kpi, (value, *_) in whole.items()} == {
        "completeness": "100.00",
        "staleness": "100.00",
        "duplicate": "100.00",
        "ownership": "100.00",
        # Nothing to judge by is no hundred percent.
        "correctness": None,
        "orphan": None,
        "coverage": None,
        "uninventoried_spend": None,
    }
    item(home, "i-2", attributes="{}", tags=None)
    item(home, "i-3", is_stale=True, owner_source="account default")
    item(home, "i-1", arn="arn:aws:ec2:elsewhere:1:instance/i-1", account_id=OTHER, owner_source="resource tag")
    item(home, "i-5", resource_type="AWS::New::Thing")
    item(home, "i-6", is_stale=True, status="retired")
    relate(home, "i-1", "attached_to", "i-2")
    relate(home, "i-1", "attached_to", "i-6")
    relate(home, "i-1", "attached_to", "nowhere")
    relate(home, "i-1", "hosted_on", "arn:aws:new:x:1:group:g", to_resource_type="AWS::New::Group")
    relate(home, "i-1", "attached_to", "elsewhere", ended_at="2026-11-25T14:00:00Z")
    found = health(home)
    assert found["completeness"] == ("75.00", 1, 4, 1)
    assert found["staleness"] == ("80.00", 1, 5, 0)
    assert found["duplicate"] == ("80.00", 1, 5, 0)
    assert found["ownership"] == ("75.00", 1, 4, 1)
    assert found["orphan"] == ("33.33", 2, 3, 1)
    scopes = home.rows("select scope, judged_count from cmdb.health where kpi = 'staleness' order by 1")
    assert [(row["scope"], row["judged_count"]) for row in scopes] == [
        ("AWS::EC2::Instance", 4),
        ("AWS::New::Thing", 1),
        ("organisation", 5),
    ]


JUDGED = ("found", None)
CELLS: dict[str, list[tuple[str | None, str | None]]] = {
    "000000000001": [JUDGED],
    "000000000002": [JUDGED, ("skipped", "denied_by_policy")],
    "000000000003": [JUDGED, ("skipped", "region_not_selected"), ("denied", None)],
    "000000000004": [JUDGED, ("skipped", "optional_grant_not_given"), ("skipped", "not_requested")],
    "000000000005": [("skipped", "no_profile")],
    "000000000006": [JUDGED, (None, None)],
    "000000000007": [JUDGED, ("skipped", "request_limit")],
    "000000000008": [],
}
"""By account the outcome of each cell that is wanted of it, and why it was skipped; neither where it was never due."""

SUSPENDED = "000000000009"


def wanted(home: House, cells: dict[str, list[tuple[str | None, str | None]]]) -> None:
    """Accounts of the organisation, and the cells that are wanted of each."""
    for view in ("org.account", "audit.expected_cell"):
        shape = f"create or replace temp table shape as from {view} limit 0"
        home.execute(shape, f"drop view {view}", f"create table {view} as from shape")
    with home.store.transaction() as connection:
        for account, some in cells.items():
            insert(connection, "org.account", {"account_id": account, "state": "ACTIVE"})
            for outcome, reason in some:
                cell = {"account_id": account, "role": "workload", "is_judged": outcome == "found"}
                insert(connection, "audit.expected_cell", {**cell, "outcome": outcome, "skip_reason": reason})


def test_an_account_that_is_left_out_in_part_is_neither_covered_nor_at_fault(home: House) -> None:
    item(home, "i-1")
    wanted(home, CELLS)
    assert health(home)["coverage"] == ("33.33", 4, 6, 2)


def test_an_end_in_an_account_that_is_not_covered_is_no_orphan(home: House) -> None:
    item(home, "i-1")
    wanted(home, {**CELLS, SUSPENDED: [("skipped", "account_suspended")]})
    home.execute(f"update org.account set state = 'SUSPENDED' where account_id = '{SUSPENDED}'")
    for account in ("000000000001", "000000000003", SUSPENDED, OTHER):
        relate(home, "i-1", "attached_to", f"arn:aws:ec2:{REGION}:{account}:instance/i-9")
    # The first is covered, and nobody knows the last.
    assert health(home)["orphan"] == ("0.00", 2, 2, 2)


def test_what_config_knows_where_collection_is_unknown_is_not_judged(home: House) -> None:
    item(home, "i-1")
    for name, kind in {"i-1": "Instance", "i-2": "Instance", "i-3": "Instance", "x-1": "Thing"}.items():
        known = {
            "arn": f"arn:aws:ec2:{REGION}:{WORKLOAD}:instance/{name}",
            "resource_type": f"AWS::EC2::{kind}",
            "account_id": WORKLOAD,
            "region": REGION,
            "state": "ResourceDeleted" if name == "i-3" else "OK",
            "is_stale": False,
        }
        with home.store.transaction() as connection:
            insert(connection, "aws.config_resource", known)
    assert health(home)["correctness"] == ("100.00", 0, 1, 1)


def test_a_day_has_one_set_of_figures_and_earlier_days_keep_theirs(home: House) -> None:
    item(home, "i-1")
    health(home)
    item(home, "i-2", is_stale=True)
    health(home)
    item(home, "i-3", last_seen_at="2026-11-26T00:00:00Z")
    health(home)
    found = home.rows(
        """
        select as_of_date, at_fault_count, judged_count from cmdb.health
        where kpi = 'staleness' and scope = 'organisation' order by 1
        """
    )
    assert [tuple(row.values()) for row in found] == [("2026-11-24", 1, 2), ("2026-11-26", 1, 3)]


# ----------------------------------------------------------------------------------------- spend without inventory


def no_change(home: House) -> None:
    """The world as it stands after a truthful night."""


def changed(*statements: str) -> Callable[[House], None]:
    return lambda home: home.execute(*statements)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        pytest.param(no_change, "inventoried", id="as it is"),
        pytest.param(changed("delete from cmdb.resource"), "not inventoried", id="nothing is listed"),
        pytest.param(
            changed("update cmdb.resource set status = 'retired', last_seen_at = '2026-11-18T00:00:00Z'"),
            "inventoried",
            id="what cost was retired in these days",
        ),
        pytest.param(
            changed("update cmdb.resource set status = 'retired', last_seen_at = '2026-10-01T00:00:00Z'"),
            "not inventoried",
            id="what was there is long gone",
        ),
        pytest.param(
            changed("delete from cmdb.resource", "update audit.collection set is_trusted = false, outcome = 'denied'"),
            "unknown",
            id="the listing is not trusted",
        ),
        pytest.param(
            changed(
                "delete from cmdb.resource",
                "update audit.collection set is_trusted = false, outcome = 'skipped', skip_reason = 'no_profile'",
            ),
            "unknown",
            id="nobody asks the account",
        ),
        pytest.param(
            changed("delete from cmdb.resource", "delete from audit.collection"), "unknown", id="it was never asked"
        ),
        pytest.param(
            changed("delete from cmdb.resource", "update audit.collection set record_count = 3"),
            "inventoried",
            id="records that are no items",
        ),
        pytest.param(changed("update cost.daily set unblended_cost = -1"), None, id="a credit"),
        pytest.param(changed("delete from ref.service_listing"), "no listing", id="a service without a listing"),
    ],
)
def test_what_costs_and_is_not_listed_is_found_only_where_the_responses_can_be_trusted(
    home: House, change: Callable[[House], None], verdict: str | None
) -> None:
    service = "Amazon Elastic Compute Cloud - Compute"
    item(home, "i-1")
    with home.store.transaction() as connection:
        connection.execute(
            """
            insert into cost.daily by name
            select
                '2026-11-20'::date as usage_date, 'service' as slice, $account as account_id,
                $service as dimension_value,
                1::decimal(28, 10) as unblended_cost, 'USD' as currency, true as is_estimated, 'n' as run_id,
                'billing' as role, '000000000042' as caller_account_id, 'aws-global' as cell_region, 'l' as listing,
                now() as collected_at, false as is_stale
            """,
            {"account": WORKLOAD, "service": service},
        )
        connection.execute(
            """
            insert into audit.collection by name
            select
                'n' as run_id, 'workload' as role, $account as account_id, $region as region, listing,
                'empty_verified' as outcome, true as is_trusted, 'witnessed' as empty_policy, 0 as record_count,
                now() as started_at, now() as ended_at
            from ref.service_listing
            where service = $service
            """,
            {"account": WORKLOAD, "region": REGION, "service": service},
        )
        renew_coverage(connection)
    build(home.store, home.models["cost.month_coverage"])
    change(home)
    found = home.rows("select account_id, service, verdict from stage.inventoried_spend")
    assert found == ([{"account_id": WORKLOAD, "service": service, "verdict": verdict}] if verdict else [])
    build(home.store, home.models["cmdb.finding_spend_without_inventory"])
    told = home.rows("select service, reason from cmdb.finding_spend_without_inventory")
    is_finding = verdict in ("not inventoried", "no listing")
    assert told == ([{"service": service, "reason": verdict}] if is_finding else [])
    rule = RULES["spend_is_inventoried"]
    with home.store.read() as connection:
        result = run(connection, rule)
    # What nothing lists is known before any night: no night is warned of it.
    assert (result.passed, rule.blocking) == (verdict != "not inventoried", False)
    if not result.passed:
        assert result.sentence.startswith(f"Broken by 1 row(s): {rule.description} The first is account_id={WORKLOAD}")
    expected = None if verdict in (None, "unknown") else "0.00" if is_finding else "100.00"
    # Without items and answers there is no day that figures could be of.
    assert health(home).get("uninventoried_spend", (None,))[0] == expected


def spend(home: House, costs: dict[str, str]) -> None:
    """What services cost on the last day of the bill."""
    with home.store.transaction() as connection:
        connection.executemany(
            """
            insert into cost.daily by name
            select
                '2026-11-20'::date as usage_date, 'service' as slice, $account as account_id,
                $service as dimension_value,
                $cost::decimal(28, 10) as unblended_cost, 'USD' as currency, true as is_estimated, 'n' as run_id,
                'billing' as role, '000000000042' as caller_account_id, 'aws-global' as cell_region, 'l' as listing,
                now() as collected_at, false as is_stale
            """,
            [{"account": WORKLOAD, "service": service, "cost": cost} for service, cost in costs.items()],
        )
    build(home.store, home.models["cost.month_coverage"])


def test_spend_is_judged_by_money_and_what_nothing_lists_is_at_fault(home: House) -> None:
    item(home, "i-1")
    spend(
        home,
        {
            "Amazon Elastic Compute Cloud - Compute": "1",
            "Amazon DynamoDB": "9999",
            # Never asked there.
            "Amazon Neptune": "50",
        },
    )
    rows = home.rows("select service, verdict, listings from stage.inventoried_spend order by service")
    compute = ["capacity_block", "capacity_reservation", "host", "host_reservation", "instance", "reserved_instance"]
    assert [tuple(row.values()) for row in rows] == [
        ("Amazon DynamoDB", "no listing", []),
        ("Amazon Elastic Compute Cloud - Compute", "inventoried", [f"ec2_{name}" for name in compute]),
        ("Amazon Neptune", "unknown", ["rds_db_cluster", "rds_db_cluster_snapshot", "rds_db_instance"]),
    ]
    assert health(home)["uninventoried_spend"] == ("0.01", 1, 2, 1)
    (costs,) = home.rows(
        """
        select at_fault_cost, judged_cost, unknown_cost, currency from cmdb.health
        where kpi = 'uninventoried_spend' and as_of_date = (select max(as_of_date) from cmdb.health)
        """
    )
    assert list(costs.values()) == ["9999.0000000000", "10000.0000000000", "50.0000000000", "USD"]


def test_what_lacks_the_least_is_no_hundred_percent(home: House) -> None:
    item(home, "i-1")
    spend(home, {"Amazon Elastic Compute Cloud - Compute": "1000000", "Amazon DynamoDB": "1"})
    assert health(home)["uninventoried_spend"] == ("99.99", 1, 2, 0)


# --------------------------------------------------------------------------------------------------- ServiceNow


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_becomes_two_files_that_fit_together(witnessed_night: Witness, tmp_path: Path) -> None:
    environment = {"CMDB_DATABASE": str(witnessed_night.database)}
    done = cmdb_here(environment, "export", "servicenow", str(tmp_path / "new" / "folder"), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["servicenow_ci.csv", "servicenow_relationship.csv"]
    items, relations = read(folder / "servicenow_ci.csv"), read(folder / "servicenow_relationship.csv")
    assert [entry["rows"] for entry in json.loads(done.stdout)] == [len(items), len(relations)]
    scopes = query(
        witnessed_night.database,
        "select judged, unknown from audit.claim where starts_with(claim, 'cmdb.servicenow_') order by claim",
    )
    assert [(entry["judged"], entry["unknown"]) for entry in json.loads(done.stdout)] == scopes
    # One account has no profile: nobody knows what it holds, and the files do not pretend to.
    assert all("no_profile" in entry["unknown_reason"] for entry in json.loads(done.stdout))
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o007 == 0 for path in folder.iterdir())
    by_id = {row["correlation_id"]: row for row in items}
    assert len(by_id) == len(items)
    (resources,) = query(witnessed_night.database, "select count(*) from cmdb.resource")
    (applications,) = query(witnessed_night.database, "select count(*) from cmdb.application")
    assert len(items) == resources[0] + applications[0]
    assert {row["install_status"] for row in items} == {"Installed", "Retired"}
    assert all(row["sys_class_name"].startswith("cmdb_ci_") and row["name"] for row in items)
    # Names that somebody chose to be awkward come through, and none of them is run.
    names = {row["name"] for row in items}
    assert any(name.startswith("データ取込") for name in names)
    assert not any(value.lstrip().startswith(FORMULA) for row in items for value in row.values())
    ends = {(row["parent"], row["child"]) for row in relations}
    assert all(by_id[end]["install_status"] == "Installed" for pair in ends for end in pair)
    vpcs = {row["correlation_id"] for row in items if row["sys_class_name"] == "cmdb_ci_network"}
    databases = {row["correlation_id"] for row in items if row["short_description"] == "RDS instance"}
    hosted = {row["parent"] for row in relations if row["type"] == "Hosted on::Hosts" and row["child"] in vpcs}
    # A database is hosted on its subnet group, which lies in a network.
    hosted |= {row["parent"] for row in relations if row["type"] == "Hosted on::Hosts" and "subgrp" in row["child"]}
    assert databases and databases <= hosted
    # The VPC is the parent of what lies in it.
    contains = [row for row in relations if row["type"] == "Contains::Contained by" and ":vpc/" in row["parent"]]
    inside = (
        ":subnet/",
        ":security-group/",
        ":route-table/",
        ":subgrp:",
        ":network-acl/",
        ":vpc-endpoint/",
        ":route-server-",
        ":vpc-encryption-control/",
    )
    assert contains and all(any(kind in row["child"] for kind in inside) for row in contains)


def test_a_business_service_that_nothing_carries_any_more_is_retired(home: House) -> None:
    def group(service: str) -> Given:
        tags = [{"Key": "bc:business-service", "Value": service}]
        record = {"OwnerId": WORKLOAD, "GroupId": "sg-1", "VpcId": "vpc-1", "GroupName": "one", "Tags": tags}
        return Given("ec2_security_group", [record])

    for number, service in enumerate(("Ledger", "Payroll")):
        home.night(f"night-{number}", [group(service)], FIRST_NIGHT + hours(24 * number))
        home.build("cmdb.servicenow_ci")
    found = home.rows(
        "select correlation_id, install_status from cmdb.servicenow_ci where sys_class_name = 'cmdb_ci_service'"
    )
    assert {row["correlation_id"]: row["install_status"] for row in found} == {
        "application:Ledger": "Retired",
        "application:Payroll": "Installed",
    }
    # An item whose tags cannot be read may be of it.
    home.execute("update cmdb.relationship set ended_at = null")
    assert "Retired" not in {
        row["install_status"] for row in home.rows("select install_status from cmdb.servicenow_ci")
    }


@pytest.fixture
def exported(witnessed_night: Witness, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A folder with the files of an earlier night, and the environment of one that was published since."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in servicenow.FILES:
        (folder / name).write_text("the last one\n", encoding="utf-8")
    return folder, {"CMDB_DATABASE": str(witnessed_night.database)}


def test_a_cell_that_would_be_run_as_a_formula_is_only_shown() -> None:
    for hostile in ("=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"):
        assert servicenow._cell(hostile) == f"'{hostile}"
    assert [servicenow._cell(value) for value in (None, "a=b", "", 3)] == ["", "a=b", "", "3"]


def test_what_breaks_off_leaves_both_files_as_they_were(
    exported: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, environment = exported
    count = 0

    def full(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("resources.store.files.os.fsync", full)
    done = cmdb_here(environment, "export", "servicenow", str(folder))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "No space left on device. Nothing was exported." in done.stderr
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == dict.fromkeys(
        servicenow.FILES, "the last one\n"
    )


@pytest.mark.parametrize(
    "place",
    [pytest.param("folder/servicenow_ci.csv", id="a file"), pytest.param("folder/servicenow_ci.csv/x", id="below")],
)
def test_a_folder_that_is_none_is_one_sentence(exported: tuple[Path, dict[str, str]], place: str) -> None:
    folder, environment = exported
    done = cmdb_here(environment, "export", "servicenow", str(folder.parent / place))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "Nothing was exported." in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == sorted(servicenow.FILES)


def test_nothing_published_is_one_sentence_and_no_folder(tmp_path: Path) -> None:
    done = cmdb_here({"CMDB_DATABASE": str(tmp_path / "cmdb.duckdb")}, "export", "servicenow", str(tmp_path / "out"))
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1 and "Nothing is published" in done.stderr
    assert not (tmp_path / "out").exists()
