"""Whose bill is read: a billing transfer makes it another one, and no amount of AWS says so."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from given import FIRST_NIGHT, MANAGEMENT, Given, House, house
from test_bill import collect

from pipelines.cli.preflight import judge_identities
from pipelines.settings import read_settings
from pipelines.trust.role_resources import aws_roles
from resources.audit.bills import record_bill
from resources.bill_rules import Bill, Domain, Transfer, Transfers, judge_bill, transfers_of
from resources.identity_rules import BILL_IS_OWN, CHECKS, Caller, Organization
from resources.roles import Management
from resources.store.store import Store
from simulator.client import Simulator, SimulatorError

NOW = dt.datetime(2026, 11, 25, 14, tzinfo=dt.UTC)
OWN, PAYER, PARTNER, OTHER = "000000000001", "000000000003", "111111111111", "222222222222"
BILLING = Caller("billing", "acmeBilling", NOW, PAYER, "arn:aws:iam::000000000003:role/reader")
ORGANIZATION = Organization("o-1", OWN, frozenset({PAYER}))


def transfer(
    status: str = "ACCEPTED", *, begins: int | None = -30, ends: int | None = None, to: str = PARTNER
) -> Transfer:
    def day(days: int | None) -> dt.datetime | None:
        return None if days is None else NOW + dt.timedelta(days=days)

    return Transfer("rt-1a2b3c4d", status, OWN, to, day(begins), day(ends))


@pytest.mark.parametrize(
    ("outbound", "declared", "domain", "result"),
    [
        # Nobody else pays, or not now.
        ([], "", "own", "passes"),
        ([transfer("REQUESTED")], "", "own", "passes"),
        ([transfer("DECLINED")], "", "own", "passes"),
        ([transfer("EXPIRED")], "", "own", "passes"),
        ([transfer("CANCELED")], "", "own", "passes"),
        ([transfer("ACCEPTED", ends=0)], "", "own", "passes"),
        ([transfer("WITHDRAWN", ends=-1)], "", "own", "passes"),
        # It begins later, which is said in time.
        ([transfer(begins=1)], "", "own", "warns"),
        # Somebody else pays.
        ([transfer()], "", "pro forma", "blocks"),
        ([transfer(begins=0)], "", "pro forma", "blocks"),
        ([transfer(begins=None)], "", "pro forma", "blocks"),
        ([transfer("WITHDRAWN", ends=1)], "", "pro forma", "blocks"),
        ([transfer("EXPIRED", to=OTHER), transfer()], "", "pro forma", "blocks"),
        ([transfer()], PARTNER, "pro forma", "warns"),
        ([transfer()], OTHER, "pro forma", "blocks"),
        ([transfer(to=PAYER)], "", "transferred", "blocks"),
        ([transfer(to=PAYER)], PAYER, "transferred", "warns"),
        # A declaration that is not true.
        ([], PARTNER, "own", "blocks"),
        ([transfer(begins=1)], PARTNER, "own", "blocks"),
        # AWS does not say.
        (None, "", "unknown", "warns"),
        (None, PARTNER, "unknown", "warns"),
    ],
)
def test_a_transfer_in_force_refuses_unless_it_is_declared(
    outbound: list[Transfer] | None, declared: str, domain: Domain, result: str
) -> None:
    transfers = Transfers(None if outbound is None else tuple(outbound), ())
    bill, found = judge_bill(BILLING, ORGANIZATION, transfers, declared, NOW)
    assert (bill.domain, bill.waiver) == (domain, declared)
    assert result == ("passes" if found.passed else "blocks" if found.blocks else "warns")
    assert found.name == BILL_IS_OWN
    payers = {"own": OWN, "pro forma": PARTNER, "transferred": PAYER, "unknown": None}
    assert bill.payer_account_id == payers[domain]
    if result == "blocks":
        assert "CMDB_TRANSFERRED_BILL" in found.hint


def test_bills_that_others_transferred_are_named_and_not_part_of_it() -> None:
    inbound = Transfer("rt-2", "ACCEPTED", OTHER, OWN, NOW)
    bill, found = judge_bill(BILLING, ORGANIZATION, Transfers((), (inbound,)), "", NOW)
    assert (bill.domain, found.passed) == ("own", True)
    assert f"The bills of {OTHER}" in found.sentence
    bill, found = judge_bill(BILLING, ORGANIZATION, Transfers((), None, "it is denied"), "", NOW)
    assert (bill.domain, found.passed) == ("own", True)
    assert "unknown: it is denied" in found.sentence


def test_a_billing_profile_without_an_identity_has_no_bill() -> None:
    silent = Caller("billing", "acmeBilling", NOW, error_code="expired", error_message="It is expired.")
    bill, found = judge_bill(silent, ORGANIZATION, Transfers((), ()), "", NOW)
    assert (bill.domain, bill.account_id, found.passed, found.blocks) == ("unknown", None, False, False)


def test_a_record_of_aws_may_lack_its_end_and_its_start() -> None:
    (found,) = transfers_of([{"Id": "rt-1", "Status": "ACCEPTED", "Target": {"ManagementAccountId": PARTNER}}])
    assert (found.starts_at, found.ends_at, found.source_account_id) == (None, None, "")
    (found,) = transfers_of([{"Id": "rt-1", "StartTimestamp": "2026-11-01T13:00:00+13:00"}])
    assert found.starts_at == dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


# --------------------------------------------------------------------------------------- by a whole organisation


def asked(simulator: Simulator, **variables: str) -> tuple[Bill, dict[str, Any]]:
    """What the pre-flight finds: the bill, and the results by name."""
    management = aws_roles(read_settings({**simulator.env, **variables}))["management"]
    assert isinstance(management, Management)
    try:
        _, _, bill, results = management.preflight()
    finally:
        management.close()
    assert tuple(result.name for result in results) == CHECKS
    return bill, {result.name: result for result in results}


def test_an_ordinary_organisation_pays_its_own_bill(small: Simulator) -> None:
    bill, results = asked(small)
    assert (bill.domain, bill.payer_account_id) == ("own", small.truth("budgets")["central"]["management"])
    assert all(result.passed for result in results.values())


def test_a_transfer_is_refused_until_it_is_declared_and_its_costs_are_not_those_of_the_invoice(
    small: Simulator, tmp_path: Path
) -> None:
    with house(tmp_path) as home:

        def total() -> Decimal:
            collect(home, f"night-{len(home.rows('select run_id from audit.run'))}", budgets=False)
            home.build("cost.daily")
            month = f"{dt.date.fromisoformat(small.truth('budgets')['today']) - dt.timedelta(days=1):%Y-%m}"
            (row,) = home.rows(
                "select sum(unblended_cost) as cost from cost.daily "
                "where slice = 'service' and strftime(usage_date, '%Y-%m') = $month",
                {"month": month},
            )
            return Decimal(row["cost"])

        invoiced = total()
        first = dt.date.fromisoformat(small.truth("budgets")["today"]) - dt.timedelta(days=1)
        small.change("transfer_bill", account_id=PARTNER, starts_on=first.replace(day=1).isoformat())
        assert total() == 2 * invoiced
    bill, results = asked(small)
    assert (bill.domain, bill.payer_account_id, results[BILL_IS_OWN].blocks) == ("pro forma", PARTNER, True)
    assert f"CMDB_TRANSFERRED_BILL={PARTNER}" in results[BILL_IS_OWN].hint
    bill, results = asked(small, CMDB_TRANSFERRED_BILL=PARTNER)
    assert (bill.domain, results[BILL_IS_OWN].passed, results[BILL_IS_OWN].blocks) == ("pro forma", False, False)


@pytest.mark.parametrize(
    ("arguments", "domain"),
    [
        ({"status": "REQUESTED"}, "own"),
        ({"direction": "inbound"}, "own"),
        ({"starts_on": "2024-01-01", "ends_on": "2024-06-01"}, "own"),
        ({"starts_on": "2024-01-01", "status": "WITHDRAWN", "ends_on": "2099-01-01"}, "pro forma"),
    ],
)
def test_every_state_of_a_transfer(small: Simulator, arguments: dict[str, str], domain: Domain) -> None:
    small.change("transfer_bill", account_id=PARTNER, **arguments)
    bill, results = asked(small)
    assert bill.domain == domain
    assert results[BILL_IS_OWN].passed is (domain == "own")


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "denied"},
        {"action": "error", "code": "UnsupportedAPIEndpointException", "message": "Not here.", "status": 400},
        {"action": "answer", "body": "{}", "content_type": "application/x-amz-json-1.1"},
    ],
    ids=["denied", "not offered", "no list"],
)
def test_what_aws_does_not_tell_is_unknown_and_refuses_nothing(small: Simulator, rule: dict[str, Any]) -> None:
    small.faults([{"service": "organizations", "op": "ListOutboundResponsibilityTransfers", **rule}])
    bill, results = asked(small)
    assert (bill.domain, bill.payer_account_id) == ("unknown", None)
    assert not any(result.blocks for result in results.values())
    assert results[BILL_IS_OWN].passed is False
    assert (
        "Unknown whose bill is read: organizations:ListOutboundResponsibilityTransfers" in results[BILL_IS_OWN].sentence
    )


def test_the_transfers_are_not_requested_where_the_identities_fail(small: Simulator) -> None:
    small.clear_log()
    _, results = asked(small, CMDB_BILLING_ACCOUNT=OTHER)
    assert "Unknown whose bill is read" in results[BILL_IS_OWN].sentence
    assert not [call for call in small.log() if call["operation"].endswith("Transfers")]


def test_the_pre_flight_is_recorded_with_the_bill(small: Simulator, tmp_path: Path) -> None:
    small.change("transfer_bill", account_id=PARTNER)
    settings = read_settings(
        {**small.env, "CMDB_DATABASE": str(tmp_path / "aws_org.duckdb"), "CMDB_TRANSFERRED_BILL": PARTNER}
    )
    results, recorded = judge_identities(settings)
    assert "Recorded in" in recorded
    assert not any(result.blocks for result in results)
    with Store(settings.database).holding("given", "a test"):
        (row,) = House(Store(settings.database)).rows(
            "select domain, payer_account_id, waiver, transfer_id like 'rt-%' as named, transfer_ends_at "
            "from audit.bill"
        )
    assert row == {
        "domain": "pro forma",
        "payer_account_id": PARTNER,
        "waiver": PARTNER,
        "named": True,
        "transfer_ends_at": None,
    }


@pytest.mark.parametrize("day", [{"starts_on": "2026-11-02"}, {"starts_on": "2026-11-01", "ends_on": "2026-11-01"}])
def test_a_transfer_lasts_whole_months(small: Simulator, day: dict[str, str]) -> None:
    with pytest.raises(SimulatorError, match="lasts whole months"):
        small.change("transfer_bill", account_id=PARTNER, **day)


# ----------------------------------------------------------------------------------------------- in the tables


def cost_of(day: str, amount: str) -> dict[str, Any]:
    return {
        "TimePeriod": {"Start": day, "End": day},
        "Estimated": False,
        "Keys": [MANAGEMENT, "Amazon EC2"],
        "Metrics": {
            "UnblendedCost": {"Amount": amount, "Unit": "USD"},
            "AmortizedCost": {"Amount": amount, "Unit": "USD"},
        },
    }


def test_each_month_says_which_bill_it_was_read_from(tmp_path: Path) -> None:
    own = Bill("own", "So.", PAYER, OWN)
    with house(tmp_path) as home:
        for number, (month, bill) in enumerate(
            [
                ("2026-07", None),
                ("2026-08", own),
                ("2026-09", Bill("pro forma", "So.", PAYER, PARTNER)),
                ("2026-10", Bill("unknown", "So.", PAYER)),
            ]
        ):
            at = FIRST_NIGHT + dt.timedelta(days=number)
            home.night(f"night-{number}", [Given(f"cost_daily:service:{month}", [cost_of(f"{month}-03", "1")])], at)
            home.build("cost.daily")
            if bill is not None:
                with home.store.transaction() as connection:
                    record_bill(connection, f"night-{number}", bill, organization_id="o-1", config_hash="x")
                    connection.execute(
                        "update audit.bill set checked_at = $at where run_id = $run",
                        {"at": at - dt.timedelta(minutes=5), "run": f"night-{number}"},
                    )
        home.build("cost.month_coverage")
        found = home.rows("select month, bill_domain, payer_account_id from cost.month_coverage order by month")
    assert [tuple(row.values()) for row in found] == [
        ("2026-07-01", "unknown", None),
        ("2026-08-01", "own", OWN),
        ("2026-09-01", "pro forma", PARTNER),
        ("2026-10-01", "unknown", None),
    ]
