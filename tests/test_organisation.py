"""What the management profile can tell: what is published equals the organisation, in every shape that it may have."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import pytest
from central import TABLES, organisation_night
from conftest import MakeOrganisation
from given import FIRST_NIGHT, MANAGEMENT, Given, House, hours, rows
from nights import Witness

from resources.store.store import Store
from simulator.client import Simulator

Row = dict[str, Any]
SCP = "SERVICE_CONTROL_POLICY"


def moment(text: str) -> str:
    """A time of the truth as `given.rows` writes one."""
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def pick(found: Iterable[Row], *names: str) -> list[tuple[Any, ...]]:
    """These columns of each row, in an order of their own."""
    return sorted((tuple(row[name] for name in names) for row in found), key=repr)


def assert_true(tables: dict[str, list[Row]], truth: Row) -> None:
    """Every table of the management profile equals the organisation."""
    units = truth["organizational_units"]
    assert [(u, p, "/" + path, d) for u, p, path, d in pick(units, "ou_id", "parent_id", "path", "depth")] == pick(
        tables["org.organizational_unit"], "ou_id", "parent_id", "ou_path", "depth"
    )
    assert pick(tables["org.account"], "account_id", "ou_id", "state", "tags") == pick(
        truth["accounts"], "account_id", "ou_id", "state", "tags"
    )
    assert pick(tables["org.policy"], "policy_id", "policy_type", "policy_name", "description", "is_aws_managed") == (
        pick(truth["policies"], "policy_id", "policy_type", "name", "description", "is_aws_managed")
    )
    documents = {row["policy_id"]: json.loads(row["content"]) for row in tables["org.policy"]}
    assert documents == {policy["policy_id"]: policy["content"] for policy in truth["policies"]}
    counts = {row["policy_id"]: row["target_count"] for row in tables["org.policy"]}
    assert counts == {policy["policy_id"]: len(policy["target_ids"]) for policy in truth["policies"]}
    target = ("policy_id", "target_id", "target_type", "target_name")
    assert pick(tables["org.policy_target"], *target) == pick(truth["policy_targets"], *target)
    managed = {policy["policy_id"] for policy in truth["policies"] if policy["is_aws_managed"]}
    reaching = ("account_id", "policy_id", "policy_type", "target_id", "is_inherited", "is_effective")
    expected = [
        {**row, "is_effective": row["is_bound"] and row["policy_id"] not in managed}
        for row in truth["account_policies"]
    ]
    assert pick(tables["org.account_policy"], *reaching) == pick(expected, *reaching)
    states = {name: ("NOT_ENABLED" if s == "not_enabled" else "ENABLED") for name, s in truth["policy_types"].items()}
    assert {row["policy_type"]: row["state"] for row in tables["org.root"]} == states
    assert {row["root_id"] for row in tables["org.root"]} == {truth["root_id"]}
    services = {row["service_principal"]: moment(row["enabled_at"]) for row in truth["enabled_services"]}
    assert {row["service_principal"]: row["enabled_at"] for row in tables["org.enabled_service"]} == services
    delegated = [
        {"account_id": administrator["account_id"], **service, "delegated_at": moment(service["delegated_at"])}
        for administrator in truth["delegated_administrators"]
        for service in administrator["services"]
    ]
    assert pick(tables["org.delegated_administrator"], "account_id", "service_principal", "delegated_at") == pick(
        delegated, "account_id", "service_principal", "delegated_at"
    )
    documents = [json.loads(row["document"]) for row in tables["org.delegation_policy"]]
    assert documents == [document for document in [truth["delegation_policy"]] if document is not None]
    assert not [name for name, found in tables.items() for row in found if row["is_stale"]]


def tables_of(home: House) -> dict[str, list[Row]]:
    return {name: home.rows(f"select * from {name}") for name in TABLES}


@pytest.fixture(scope="module")
def published(witnessed_night: Witness) -> dict[str, list[Row]]:
    with Store(witnessed_night.database).published() as connection:
        return {
            name: rows(connection, f"select * from {name}") for name in (*TABLES, "org.governance_kpi", "cost.daily")
        }


# --------------------------------------------------------------------------------------------- a truthful night


def test_everything_that_is_published_is_true(witnessed_night: Witness, published: dict[str, list[Row]]) -> None:
    assert_true({name: published[name] for name in TABLES}, witnessed_night.truth)


def test_a_policy_on_the_root_an_ou_and_an_account_at_once_is_shown_at_each_place(
    witnessed_night: Witness, published: dict[str, list[Row]]
) -> None:
    policy = next(p for p in published["org.policy"] if p["policy_name"] == "Deny leaving the organisation")
    places = [row for row in published["org.policy_target"] if row["policy_id"] == policy["policy_id"]]
    assert {row["target_type"] for row in places} == {"ROOT", "ORGANIZATIONAL_UNIT", "ACCOUNT"}
    (account,) = [row["target_id"] for row in places if row["target_type"] == "ACCOUNT"]
    shown = [
        (row["target_type"], row["target_path"], row["is_inherited"], row["is_effective"])
        for row in published["org.account_policy"]
        if (row["account_id"], row["policy_id"]) == (account, policy["policy_id"])
    ]
    (stands_in,) = [a["ou_path"] for a in witnessed_night.truth["accounts"] if a["account_id"] == account]
    below = [("ORGANIZATIONAL_UNIT", "/Workloads", True, True)] if stands_in.startswith("Workloads") else []
    assert sorted(shown, key=repr) == sorted(
        [("ACCOUNT", None, False, True), ("ROOT", "/", True, True), *below], key=repr
    )


def test_the_management_account_is_bound_by_no_scp_and_full_access_covers_nobody(
    published: dict[str, list[Row]],
) -> None:
    (management,) = [row["account_id"] for row in published["org.account"] if row["is_management"]]
    bound = {row["policy_type"] for row in published["org.account_policy"] if row["is_effective"]}
    own = {
        row["policy_type"]
        for row in published["org.account_policy"]
        if row["account_id"] == management and row["is_effective"]
    }
    assert {SCP, "RESOURCE_CONTROL_POLICY"} <= bound
    assert {SCP, "RESOURCE_CONTROL_POLICY"}.isdisjoint(own)
    assert {"TAG_POLICY", "AISERVICES_OPT_OUT_POLICY"} <= own
    full = [row for row in published["org.account_policy"] if row["policy_name"].endswith("FullAWSAccess")]
    assert full
    assert not any(row["is_effective"] for row in full)


def test_policy_types_are_in_three_states(published: dict[str, list[Row]]) -> None:
    seen = {(row["state"], row["policy_count"] > 0) for row in published["org.root"]}
    assert seen == {("ENABLED", True), ("ENABLED", False), ("NOT_ENABLED", False)}


# -------------------------------------------------------------------------------------------------- every shape


@pytest.mark.parametrize(("tree", "depth"), [("flat", 0), ("deep", 5)])
def test_an_organisation_without_units_and_one_of_five_levels(
    tree: str, depth: int, make_organisation: MakeOrganisation, home: House
) -> None:
    simulator = make_organisation(tree=tree, accounts=12, regions=("us-east-1",), resources=0, page_size=2)
    organisation_night(home, "night-1")
    truth = simulator.truth()
    assert max((unit["depth"] for unit in truth["organizational_units"]), default=0) == depth
    assert_true(tables_of(home), truth)


@pytest.mark.parametrize("answer", ["refused", "empty"])
def test_a_type_in_each_state_however_aws_reports_one_that_is_not_enabled(
    answer: str, organisation: Simulator, home: House
) -> None:
    organisation.configure(
        disabled_policy_types=answer,
        policy_types={"TAG_POLICY": "not_enabled", "BACKUP_POLICY": "empty", "BEDROCK_POLICY": "policies"},
        delegation_policy=False,
    )
    cells = organisation_night(home, "night-1")
    assert cells["organizations_policy:TAG_POLICY"] == ("skipped", "policy_type_not_enabled")
    assert cells["organizations_policy:BACKUP_POLICY"] == ("empty_verified", None)
    assert cells["organizations_policy:BEDROCK_POLICY"] == ("found", None)
    assert cells["organizations_resource_policy"] == ("skipped", "no_resource_policy")
    assert_true(tables_of(home), organisation.truth())


def test_an_organisation_without_any_policy(organisation: Simulator, home: House) -> None:
    types = organisation.truth("governance")["policy_types"]
    organisation.configure(disabled_policy_types="empty", policy_types=dict.fromkeys(types, "not_enabled"))
    cells = organisation_night(home, "night-1")
    assert cells["organizations_policy_target"] == ("skipped", "no_parents")
    assert tables_of(home)["org.policy"] == []
    assert_true(tables_of(home), organisation.truth())


def test_what_changed_by_the_next_run_has_changed_and_nothing_else(organisation: Simulator, home: House) -> None:
    organisation_night(home, "night-1")
    truth = organisation.truth()
    policy = next(p for p in truth["policies"] if p["name"] == "Deny leaving the organisation")
    administrator = truth["delegated_administrators"][0]
    organisation.change("detach_policy", policy_id=policy["policy_id"], target_id=truth["root_id"])
    organisation.change("disable_service", service_principal="sso.amazonaws.com")
    for service in administrator["services"]:
        organisation.change(
            "deregister_delegated_administrator",
            account_id=administrator["account_id"],
            service_principal=service["service_principal"],
        )
    organisation.configure(policy_types={"TAG_POLICY": "not_enabled"}, delegation_policy=False)
    before = tables_of(home)
    organisation_night(home, "night-2")
    after = tables_of(home)
    assert_true(after, organisation.truth())
    gone = Counter(pick(before["org.account_policy"], "policy_type", "account_id", "target_id", "policy_id"))
    gone.subtract(pick(after["org.account_policy"], "policy_type", "account_id", "target_id", "policy_id"))
    assert {(row[0], row[2]) for row, count in gone.items() if count and row[0] == SCP} == {(SCP, truth["root_id"])}
    assert sum(count for row, count in gone.items() if row[0] == SCP) == len(truth["accounts"])
    assert min(gone.values()) == 0


# ---------------------------------------------------------------------------------------------------- the figures


def percent(part: int, whole: int, rounding: str) -> Decimal:
    """A percentage of two places, rounded to the side that is worse."""
    return (Decimal(100 * part) / whole).quantize(Decimal("0.01"), rounding)


def figures(truth: Row, bill: list[Row]) -> dict[str, Decimal]:
    """What each figure must be, by the truth and the published bill."""
    members = [account for account in truth["accounts"] if account["state"] == "ACTIVE"]
    bound = [account for account in members if not account["is_management"]]
    managed = {policy["policy_id"] for policy in truth["policies"] if policy["is_aws_managed"]}
    covered = {
        row["account_id"]
        for row in truth["account_policies"]
        if row["policy_type"] == SCP and row["is_bound"] and row["policy_id"] not in managed
    }
    last = max(row["usage_date"] for row in bill)
    since = (dt.date.fromisoformat(last) - dt.timedelta(days=29)).isoformat()
    spent: Counter[str] = Counter()
    for row in bill:
        if row["slice"] == "service" and row["usage_date"] >= since:
            spent[row["account_id"]] += Decimal(row["unblended_cost"])  # type: ignore[assignment]  # sums of money
    suspended = [account["account_id"] for account in truth["accounts"] if account["state"] == "SUSPENDED"]
    ownerless = sum(not account["tags"].get("bc:business-owner") for account in members)
    return {
        "scp_coverage_pct": percent(sum(a["account_id"] in covered for a in bound), len(bound), ROUND_FLOOR),
        "accounts_under_root": Decimal(
            sum(a["ou_id"] == truth["root_id"] and not a["is_management"] for a in truth["accounts"])
        ),
        "accounts_without_owner_pct": percent(ownerless, len(members), ROUND_CEILING),
        "suspended_accounts_with_cost": Decimal(sum(spent[account] > 0 for account in suspended)),
        # By hand: what the seed leaves out, and who administers what in the simulated organisation.
        "unapproved_services": Decimal(1),
        "delegated_administrators_security": Decimal(3),
        "delegated_administrators_finance": Decimal(1),
        "delegated_administrators_network": Decimal(2),
    }


def test_every_figure_is_true_and_its_evidence_shows_it(
    witnessed_night: Witness, published: dict[str, list[Row]]
) -> None:
    expected = figures(witnessed_night.truth, published["cost.daily"])
    found = {row["kpi"]: row for row in published["org.governance_kpi"]}
    assert {name: Decimal(row["value"]) for name, row in found.items()} == expected
    members = [account for account in witnessed_night.truth["accounts"] if account["state"] == "ACTIVE"]
    with Store(witnessed_night.database).published() as connection:
        for name, row in found.items():
            shown = len(connection.execute(row["evidence"]).fetchall())
            if row["unit"] != "percent":
                assert shown == Decimal(row["value"]), name
            elif name == "scp_coverage_pct":
                assert shown == round((100 - Decimal(row["value"])) * (len(members) - 1) / 100), name
            else:
                assert shown == round(Decimal(row["value"]) * len(members) / 100), name
    assert {row["verdict"] for row in found.values()} == {"green", "amber", "red"}
    assert {(row["unknown"], row["scope"] > 0) for row in found.values()} == {(0, True)}
    assert {row["as_of_date"] for row in found.values()} == {
        max(row["collected_at"] for row in published["org.account"])[:10]
    }


def governed(home: House, run_id: str, at: dt.datetime, strays: int, *more: Given) -> list[Row]:
    """The figure of accounts under the root, on a night with so many strays there."""
    accounts = [{"Id": MANAGEMENT, "State": "ACTIVE"}]
    accounts += [{"Id": f"{number:012}", "State": "ACTIVE"} for number in range(100, 100 + strays)]
    home.night(
        run_id,
        [
            Given("organizations_root", [{"Id": "r-1", "Name": "Root"}]),
            Given("organizations_account", accounts),
            Given("organizations_account_parent:r-1", accounts),
            Given("organizations_organizational_unit:r-1"),
            *more,
        ],
        at,
    )
    home.build("org.governance_kpi")
    return home.rows(
        """
        select as_of_date, value, verdict, thresholds, unknown, unknown_reason from org.governance_kpi
        where kpi = 'accounts_under_root' order by as_of_date
        """
    )


@pytest.mark.parametrize(
    ("strays", "verdict"), [(0, "green"), (1, "amber"), (2, "amber"), (3, "red")], ids=["none", "one", "two", "three"]
)
def test_a_figure_is_judged_by_its_thresholds(home: House, strays: int, verdict: str) -> None:
    (row,) = governed(home, "night-1", FIRST_NIGHT, strays)
    assert (row["value"], row["verdict"]) == (f"{strays}.00", verdict)
    assert row["thresholds"] == "green to 0, amber to 2, else red"


def test_figures_of_earlier_days_are_kept_and_todays_are_replaced(home: House) -> None:
    governed(home, "night-1", FIRST_NIGHT, 3)
    governed(home, "night-2", FIRST_NIGHT + hours(24), 2)
    found = governed(home, "night-3", FIRST_NIGHT + hours(26), 0)
    days = [((FIRST_NIGHT + hours(number)).date().isoformat()) for number in (0, 24)]
    assert [(row["as_of_date"], row["verdict"]) for row in found] == [(days[0], "red"), (days[1], "green")]


ASKED = ["root_policy_type", "policy", "enabled_service", "delegated_administrator"]
"""What the other figures rest on, each an answer without a record."""


def verdicts(home: House) -> dict[str, tuple[str | None, str | None, int]]:
    """Value, verdict and unknown cells of each figure."""
    return {
        row["kpi"]: (row["value"], row["verdict"], row["unknown"])
        for row in home.rows("select kpi, value, verdict, unknown from org.governance_kpi")
    }


def test_a_figure_that_nothing_can_be_measured_by_has_no_result(home: House) -> None:
    governed(home, "night-1", FIRST_NIGHT, 0, *(Given(f"organizations_{name}") for name in ASKED))
    assert verdicts(home)["scp_coverage_pct"] == (None, None, 0)


def test_a_figure_is_green_only_where_nothing_is_unknown(home: House) -> None:
    bill = [Given(f"cost_daily:service:{month}") for month in ("2026-10", "2026-11")]
    asked = [Given(f"organizations_{name}") for name in ASKED]
    governed(home, "night-1", FIRST_NIGHT, 0, *asked, *bill)
    found = verdicts(home)
    assert found["unapproved_services"] == ("0.00", "green", 0)
    assert found["suspended_accounts_with_cost"] == ("0.00", "green", 0)
    assert found["delegated_administrators_security"] == ("0.00", "amber", 0)
    refused = [Given(f"organizations_{name}", outcome="denied") for name in ASKED]
    governed(home, "night-2", FIRST_NIGHT + hours(1), 0, *refused, Given(bill[1].listing, outcome="failed"))
    found = verdicts(home)
    assert found["unapproved_services"] == ("0.00", "unknown", 1)
    assert found["suspended_accounts_with_cost"] == ("0.00", "unknown", 1)
    assert found["delegated_administrators_security"] == ("0.00", "unknown", 1)
    assert found["scp_coverage_pct"] == (None, "unknown", 2)
    assert found["accounts_under_root"] == ("0.00", "green", 0)


def test_one_account_of_many_that_is_at_fault_is_not_rounded_away(home: House) -> None:
    """Of 20,001 member accounts one is not bound by any policy; of three whose tags are known one has no owner."""
    accounts = [MANAGEMENT, *(f"{number:012}" for number in range(100, 20_101))]
    owner = {"Key": "bc:business-owner", "Value": "somebody"}
    more = [
        *(Given(f"organizations_account_tag:{one}", [owner] if one != MANAGEMENT else []) for one in accounts[:3]),
        Given("organizations_root_policy_type", [{"Id": "r-1", "PolicyTypes": [{"Type": SCP}]}]),
        Given(f"organizations_policy:{SCP}", [{"Id": "p-1", "Name": "Deny", "Type": SCP, "AwsManaged": False}]),
        Given("organizations_policy_content:p-1", [{"Content": "{}"}]),
        Given("organizations_policy_target:p-1", [{"TargetId": one, "Type": "ACCOUNT"} for one in accounts[2:]]),
    ]
    governed(home, "night-1", FIRST_NIGHT, len(accounts) - 1, *more)
    found = verdicts(home)
    assert found["scp_coverage_pct"] == ("99.99", "amber", 0)
    assert found["accounts_without_owner_pct"] == ("33.34", "red", 0)


def test_what_is_counted_against_a_figure_stands_although_more_is_unknown(home: House) -> None:
    denied = Given("organizations_organizational_unit:ou-1", outcome="denied")
    (row,) = governed(home, "night-1", FIRST_NIGHT, 3, denied)
    assert (row["value"], row["verdict"], row["unknown"], row["unknown_reason"]) == ("3.00", "red", 1, "denied 1")


@pytest.mark.parametrize("state", ["SUSPENDED", "PENDING_CLOSURE", "CLOSED", "ACTIVE"])
def test_an_account_that_is_closed_and_costs_is_counted(home: House, state: str) -> None:
    closed = "000000000100"
    home.night(
        "night-1",
        [
            Given("organizations_account", [{"Id": MANAGEMENT, "State": "ACTIVE"}, {"Id": closed, "State": state}]),
            Given(
                "cost_daily:service:2026-11",
                [
                    {
                        "TimePeriod": {"Start": "2026-11-20", "End": "2026-11-21"},
                        "Estimated": False,
                        "Keys": [closed, "AWS Lambda"],
                        "Metrics": {"UnblendedCost": {"Amount": "1", "Unit": "USD"}},
                    }
                ],
            ),
        ],
    )
    home.build("org.governance_kpi")
    assert verdicts(home)["suspended_accounts_with_cost"][0] == ("0.00" if state == "ACTIVE" else "1.00")


# --------------------------------------------------------------------------------------------- how much is asked


@pytest.mark.large
def test_the_number_of_requests_is_that_of_units_policies_and_pages(
    make_organisation: MakeOrganisation, home: House, record_property: Any
) -> None:
    """What docs/reference/cost-of-running.md explains; shown by `pytest -k number_of_requests -s`."""
    simulator = make_organisation(accounts=500, regions=("us-east-1",), resources=0, page_size=20)
    simulator.clear_log()
    organisation_night(home, "night-1")
    truth = simulator.truth()
    sent = Counter(call["operation"] for call in simulator.log() if call["service"] == "organizations")
    units, policies = len(truth["organizational_units"]), len(truth["policies"])
    print(f"\n{len(truth['accounts'])} accounts, {units} OUs, {policies} policies: {sum(sent.values())} requests")
    for operation, count in sent.most_common():
        record_property(operation, count)
        print(f"  {operation:40} {count:5}")

    def pages(*lengths: int) -> int:
        return sum(max(1, -(-length // 20)) for length in lengths)

    accounts = len(truth["accounts"])
    places = [truth["root_id"], *(unit["ou_id"] for unit in truth["organizational_units"])]
    assert sent["ListAccounts"] == pages(accounts)
    assert sent["ListRoots"] == 2
    assert sent["ListOrganizationalUnitsForParent"] == units + 1
    assert sent["ListAccountsForParent"] == pages(
        *(sum(account["ou_id"] == place for account in truth["accounts"]) for place in places)
    )
    assert sent["ListPolicies"] == len(truth["policy_types"])
    assert sent["DescribePolicy"] == policies
    assert sent["ListTargetsForPolicy"] == pages(*(len(policy["target_ids"]) for policy in truth["policies"]))
    assert sent["ListDelegatedServicesForAccount"] == len(truth["delegated_administrators"])
    # The one call that is put once an account: AWS gives tags in no other way within the contract.
    assert sent.pop("ListTagsForResource") == accounts
    sent_pages = pages(accounts) + sent["ListAccountsForParent"] + sent["ListTargetsForPolicy"]
    assert sum(sent.values()) <= 2 * units + 2 * policies + sent_pages + len(truth["policy_types"]) + 16
    assert_true(tables_of(home), truth)
