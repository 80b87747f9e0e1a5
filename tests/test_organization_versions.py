"""What accounts, OUs and the reach of policies were on a day: kept, never rewritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from given import FIRST_NIGHT, MANAGEMENT, WORKLOAD, Given, House, hours, migrations_before

from resources.store.store import Store

ROOT = "r-ab12"
TABLES = ("org.account_version", "org.organizational_unit_version", "org.account_policy_version")

Row = dict[str, Any]


def organisation(
    *,
    place: str = "ou-1",
    name: str = "Payments",
    unit: str = "Workloads",
    targets: tuple[str, ...] = ("ou-1",),
    members: tuple[str, ...] = (MANAGEMENT, WORKLOAD),
    tags: Given | None = None,
) -> dict[str, Given]:
    """An organisation of two accounts, two OUs under the root and one policy."""
    accounts = {MANAGEMENT: "Acme", WORKLOAD: name}
    places: dict[str, list[Row]] = {ROOT: [{"Id": MANAGEMENT}], "ou-1": [], "ou-2": []}
    if WORKLOAD in members:
        places[place].append({"Id": WORKLOAD})
    own = "arn:aws:organizations::000000000001:x"
    cells = [
        Given("organizations_root", [{"Id": ROOT, "Name": "Root"}]),
        Given(
            f"organizations_organizational_unit:{ROOT}",
            [{"Id": "ou-1", "Name": unit}, {"Id": "ou-2", "Name": "Suspended"}],
        ),
        Given("organizations_account", [{"Id": key, "Name": accounts[key], "State": "ACTIVE"} for key in members]),
        *(Given(f"organizations_account_parent:{key}", records) for key, records in places.items()),
        Given(
            "organizations_policy:SERVICE_CONTROL_POLICY",
            [{"Id": "p-1", "Arn": own, "Name": "Deny", "Type": "SERVICE_CONTROL_POLICY", "AwsManaged": False}],
        ),
        Given(
            "organizations_policy_target:p-1",
            [{"TargetId": key, "Type": "ORGANIZATIONAL_UNIT", "Name": key} for key in targets],
        ),
        tags or Given(f"organizations_account_tag:{WORKLOAD}", [{"Key": "a", "Value": "b"}]),
    ]
    return {cell.listing: cell for cell in cells}


def nights(home: House, *organisations: dict[str, Given]) -> None:
    """A night a day."""
    for number, cells in enumerate(organisations):
        home.night(f"night-{number}", cells.values(), FIRST_NIGHT + hours(24 * number))
        home.build(*TABLES)
    for table in TABLES:
        *subject, _ = home.models[table].key
        of_one = home.rows(f"select count(*) filter (is_current) as n from {table} group by {', '.join(subject)}")
        assert {row["n"] for row in of_one} <= {1}


def at(night: int) -> str:
    return (FIRST_NIGHT + hours(24 * night)).isoformat().replace("+00:00", "Z")


def accounts(home: House) -> list[tuple[Any, ...]]:
    found = home.rows(
        """
        select valid_from, valid_to, change, changed_attributes, ou_path, state from org.account_version
        where account_id = $account order by valid_from
        """,
        {"account": WORKLOAD},
    )
    return [tuple(row.values()) for row in found]


def bound(home: House, day: str) -> list[str]:
    """Which policies bound the account at the end of a day: the question of docs/questions/governance.md."""
    found = home.rows(
        """
        select policy_name from org.account_policy_version
        where
            account_id = $account and is_effective and change <> 'removed'
            and valid_from < $day::timestamptz + interval 1 day
            and coalesce(valid_to, 'infinity') >= $day::timestamptz + interval 1 day
        """,
        {"account": WORKLOAD, "day": f"{day}T00:00:00Z"},
    )
    return [row["policy_name"] for row in found]


def test_an_account_that_moves_keeps_where_it_was(home: House) -> None:
    nights(home, organisation(), organisation(), organisation(place="ou-2"))
    assert accounts(home) == [
        (at(0), at(2), "discovered", [], "/Workloads", "ACTIVE"),
        (at(2), None, "changed", ["ou_id", "ou_path"], "/Suspended", "ACTIVE"),
    ]
    assert [bound(home, day) for day in ("2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26")] == [
        [],
        ["Deny"],
        ["Deny"],
        [],
    ]


def test_a_policy_binds_from_when_it_is_attached_to_when_it_is_not(home: House) -> None:
    nights(
        home,
        organisation(targets=()),
        organisation(targets=("ou-1",)),
        organisation(targets=()),
        organisation(targets=("ou-1",)),
    )
    found = home.rows("select change, valid_from, valid_to from org.account_policy_version order by valid_from")
    assert [tuple(row.values()) for row in found] == [
        ("discovered", at(1), at(2)),
        ("removed", at(2), at(3)),
        ("returned", at(3), None),
    ]
    assert [bound(home, f"2026-11-{day}") for day in (24, 25, 26, 27)] == [[], ["Deny"], [], ["Deny"]]


def test_an_account_leaves_and_comes_back(home: House) -> None:
    nights(home, organisation(), organisation(members=(MANAGEMENT,)), organisation())
    assert [(row[2], row[5]) for row in accounts(home)] == [
        ("discovered", "ACTIVE"),
        ("left", "LEFT"),
        ("returned", "ACTIVE"),
    ]
    assert [bound(home, f"2026-11-{day}") for day in (24, 25, 26)] == [["Deny"], [], ["Deny"]]


@pytest.mark.parametrize("listing", sorted(organisation()))
def test_what_is_not_trusted_begins_no_version(home: House, listing: str) -> None:
    denied = organisation() | {listing: Given(listing, outcome="denied")}
    nights(home, organisation(), denied, organisation())
    for table in TABLES:
        found = home.rows(f"select distinct change, valid_from from {table}")
        assert found == [{"change": "discovered", "valid_from": at(0)}], table


def test_a_place_that_was_never_known_begins_no_version_each_run(home: House) -> None:
    unplaced = {
        listing: Given(listing, outcome="denied") if listing.startswith("organizations_account_parent") else given
        for listing, given in organisation().items()
    }
    nights(home, unplaced, unplaced, unplaced)
    assert [(begun, change) for begun, _, change, *_ in accounts(home)] == [(at(0), "discovered")]
    nights(home, *[unplaced] * 3, organisation())
    assert [(change, changed) for _, _, change, changed, *_ in accounts(home)][1:] == [
        ("changed", ["ou_id", "ou_path"])
    ]


def test_an_ou_keeps_its_names_and_when_it_was_removed(home: House) -> None:
    smaller = organisation()
    smaller[f"organizations_organizational_unit:{ROOT}"] = Given(
        f"organizations_organizational_unit:{ROOT}", [{"Id": "ou-1", "Name": "Production"}]
    )
    nights(home, organisation(), organisation(unit="Production"), smaller)
    found = home.rows(
        "select ou_id, change, ou_path, valid_from, valid_to from org.organizational_unit_version order by all"
    )
    assert sorted(tuple(row.values()) for row in found) == [
        ("ou-1", "changed", "/Production", at(1), None),
        ("ou-1", "discovered", "/Workloads", at(0), at(1)),
        ("ou-2", "discovered", "/Suspended", at(0), at(2)),
        ("ou-2", "removed", "/Suspended", at(2), None),
    ]
    # The path of an account changes with the name of its OU.
    assert [row[4] for row in accounts(home)] == ["/Workloads", "/Production"]


def test_a_run_that_is_built_again_changes_nothing(home: House) -> None:
    nights(home, organisation(), organisation(place="ou-2", targets=()))
    before = {table: home.rows(f"select * from {table} order by all") for table in TABLES}
    home.build(*TABLES)
    assert {table: home.rows(f"select * from {table} order by all") for table in TABLES} == before


def test_the_cost_of_an_ou_is_that_of_the_accounts_that_were_in_it(home: House) -> None:
    nights(home, organisation(), organisation(place="ou-2"))

    def day(date: str) -> Row:
        amount = {"Amount": "10", "Unit": "USD"}
        metrics = {"UnblendedCost": amount, "AmortizedCost": amount}
        period = {"Start": date, "End": date}
        return {"Keys": [WORKLOAD, "Lambda"], "Metrics": metrics, "TimePeriod": period, "Estimated": False}

    days = [day(f"2026-11-{number}") for number in (1, 24, 25, 26)]
    home.night("bill", [Given("cost_daily:service:2026-11", days)], FIRST_NIGHT + hours(72))
    home.build("cost.by_organizational_unit")
    found = home.rows(
        """
        select usage_date, ou_path, is_place_known, unblended_cost from cost.by_organizational_unit order by usage_date
        """
    )
    assert [tuple(row.values()) for row in found] == [
        ("2026-11-01", "/Workloads", False, "10.0000000000"),
        ("2026-11-24", "/Workloads", True, "10.0000000000"),
        ("2026-11-25", "/Suspended", True, "10.0000000000"),
        ("2026-11-26", "/Suspended", True, "10.0000000000"),
    ]


def test_the_history_of_a_file_of_before_begins_with_what_is_known_now(tmp_path: Path) -> None:
    store = Store(tmp_path / "cmdb.duckdb", migrations_before("0024", tmp_path))
    with store.holding("older", "test"), store.transaction() as connection:
        connection.execute("select count(*) from stage.account")
    newer = Store(store.database)
    with newer.holding("newer", "test"):
        home = House(newer)
        nights(home, organisation())
        assert [(row[0], row[2]) for row in accounts(home)] == [(at(0), "discovered")]
