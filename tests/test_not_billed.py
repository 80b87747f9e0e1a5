"""A payer of whom Cost Explorer has no costs yet: the bill is unknown, and what is said leads on."""

from __future__ import annotations

import pytest
from bills import ACCOUNT, billed, days, service
from given import House
from test_bill import asked_of, cells, collect, months

from pipelines.cli.accept import accept_zero
from pipelines.cli.command import InvalidRequest
from pipelines.models.checks import SqlCheck, SqlResult, read_checks, run_checks
from pipelines.trust.outcomes import NO_COST_DATA
from resources.audit.cells import renew_coverage
from resources.aws.listing import GLOBAL_REGION
from simulator.client import Simulator

UNAVAILABLE = {
    "code": "DataUnavailableException",
    "message": "Data is not available. Please try to adjust the time period. If just enabled Cost Explorer, data might "
    "not be ingested yet",
}
NOT_ENABLED = {"code": "AccessDeniedException", "message": "User not enabled for cost explorer access"}
NOT_GRANTED = {"code": "AccessDeniedException", "message": "User: arn is not authorized to perform: ce:GetCostAndUsage"}

BILL = ("cost_daily", "cost_tag_service_daily", "cost_monthly")


def refuse(simulator: Simulator, error: dict[str, str], *periods: str) -> None:
    """Let Cost Explorer refuse the periods that begin so; all where none is given."""
    rule = {"action": "error", "service": "ce", "op": "GetCostAndUsage", "status": 400, **error}
    simulator.faults([{**rule, "contains": f'"Start": "{period}'} for period in periods or ("",)])


def of_bill(home: House, run_id: str) -> dict[str, tuple[str, str | None]]:
    found = cells(home, run_id).items()
    return {name: (row["outcome"], row["skip_reason"]) for name, row in found if name.split(":")[0] in BILL}


@pytest.mark.parametrize(
    ("error", "words"), [(UNAVAILABLE, "about a day"), (NOT_ENABLED, "Open Cost Explorer once in the console")]
)
def test_a_payer_without_any_costs_is_unknown_and_refuses_nothing(
    blank_home: House, small: Simulator, error: dict[str, str], words: str
) -> None:
    refuse(small, error)
    small.clear_log()
    verdicts = collect(blank_home, "night-1", budgets=False)
    assert set(of_bill(blank_home, "night-1").values()) == {("skipped", NO_COST_DATA)}
    for name in BILL:
        assert (verdicts[name].passed, verdicts[name].blocks) == (False, False)
        assert words in verdicts[name].sentence
        assert error["message"] in verdicts[name].sentence
    # Each costs money: one for each month and one for the total.
    sent = [call for call in asked_of(small) if call["operation"] == "GetCostAndUsage"]
    assert len(sent) == len(months(small)) + 1
    blank_home.build("cost.daily")
    assert blank_home.rows("select * from cost.daily") == []

    small.control("DELETE", "/faults")
    after = collect(blank_home, "night-2", budgets=False)
    assert all(after[name].passed for name in BILL)
    assert set(of_bill(blank_home, "night-2").values()) == {("found", None)}


def test_months_that_aws_prepares_later_wait_and_the_newest_is_shown(blank_home: House, small: Simulator) -> None:
    newest, *earlier = months(small)
    refuse(small, UNAVAILABLE, *earlier)
    for run_id in ("night-1", "night-2"):
        verdicts = collect(blank_home, run_id, budgets=False)
        found = of_bill(blank_home, run_id)
        assert not any(verdicts[name].blocks for name in BILL)
        assert {outcome for name, outcome in found.items() if name.endswith(newest)} == {("found", None)}
        waiting = {outcome for name, outcome in found.items() if not name.endswith(newest)}
        assert waiting == {("skipped", NO_COST_DATA)}
    assert earlier[0] in verdicts["cost_daily"].sentence


@pytest.mark.parametrize("error", [UNAVAILABLE, NOT_ENABLED])
def test_a_bill_that_was_known_and_is_not_available_any_more_refuses_and_stays(
    blank_home: House, small: Simulator, error: dict[str, str]
) -> None:
    collect(blank_home, "night-1", budgets=False)
    blank_home.build("cost.daily")
    everything = "select slice, usage_date, account_id, dimension_value, unblended_cost from cost.daily order by all"
    stood = blank_home.rows(everything)
    refuse(small, error)
    verdicts = collect(blank_home, "night-2", budgets=False)
    assert all(verdicts[name].blocks for name in BILL)
    assert "skipped" not in {outcome for outcome, _ in of_bill(blank_home, "night-2").values()}
    blank_home.build("cost.daily")
    assert blank_home.rows(everything) == stood != []


def test_a_month_after_a_known_one_is_no_month_that_aws_still_prepares(blank_home: House, small: Simulator) -> None:
    newest, older, *_ = months(small)
    refuse(small, UNAVAILABLE, newest)
    verdicts = collect(blank_home, "night-1", budgets=False)
    assert of_bill(blank_home, "night-1")[f"cost_daily:service:{older}"] == ("found", None)
    assert not verdicts["cost_daily"].blocks
    assert collect(blank_home, "night-2", budgets=False)["cost_daily"].blocks


def test_a_grant_that_is_missing_is_no_bill_that_is_not_there_yet(blank_home: House, small: Simulator) -> None:
    refuse(small, NOT_GRANTED)
    assert all(collect(blank_home, "night-1", budgets=False)[name].blocks for name in BILL)


# --------------------------------------------------------------------------------- no costs, though instances run


def rule() -> SqlCheck:
    (found,) = [one for one in read_checks() if one.name == "the_bill_is_not_zero"]
    return found


def instances_run(home: House, since: str = "2026-01-01") -> None:
    """What of the inventory the rule reads: an instance that has run for a long time."""
    home.build("cost.daily")
    home.execute("create schema if not exists aws")
    home.execute("create schema if not exists org")
    columns = "'111111111111' as account_id, 'running' as state, false as is_stale"
    home.execute(f"create or replace table aws.ec2_instance as select {columns}, '{since}'::timestamptz as launched_at")
    home.execute(
        "create or replace table org.account as select '111111111111' as account_id, 'ACTIVE' as state, "
        f"'{since}'::timestamptz as joined_at"
    )


def judge(home: House, run_id: str) -> SqlResult:
    with home.store.transaction() as connection:
        (result,) = run_checks(connection, [rule()], run_id, "")
    return result


def test_a_bill_that_is_not_there_yet_is_no_bill_of_zero(blank_home: House, small: Simulator) -> None:
    refuse(small, UNAVAILABLE)
    collect(blank_home, "night-1", budgets=False)
    instances_run(blank_home)
    assert judge(blank_home, "night-1").passed


def test_a_month_of_no_costs_among_months_that_are_not_there_yet_is_a_bill_of_zero(
    blank_home: House, small: Simulator
) -> None:
    small.configure(billed_from=small.truth()["today"])
    refuse(small, UNAVAILABLE, months(small)[1])
    collect(blank_home, "night-1", budgets=False)
    instances_run(blank_home)
    assert not judge(blank_home, "night-1").passed


def test_a_bill_of_zero_refuses_until_somebody_accepts_it_as_the_refusal_prints(
    blank_home: House, small: Simulator
) -> None:
    small.configure(billed_from=small.truth()["today"])
    collect(blank_home, "night-1", budgets=False)
    # As after CloudTrail's look-up.
    blank_home.execute(
        "update audit.collection set outcome = 'empty_verified', is_trusted = true where outcome = 'empty_unconfirmed'"
    )
    with blank_home.store.transaction() as connection:
        renew_coverage(connection)
    instances_run(blank_home)
    cell = f"cost_daily:service:{months(small)[0]}"
    payer = small.truth()["central"]["billing"]
    # Nobody disputes it yet.
    with pytest.raises(InvalidRequest, match="empty_verified where a check refused it"):
        accept_zero(blank_home.store, payer, GLOBAL_REGION, cell, "not billed yet", "ana")
    refused = judge(blank_home, "night-1")
    assert not refused.passed
    assert f'`cmdb accept {payer} {GLOBAL_REGION} {cell} --reason "not billed yet"`' in refused.sentence
    # The command is a run of its own.
    blank_home.store.release("given")
    accept_zero(blank_home.store, payer, GLOBAL_REGION, cell, "not billed yet", "ana")
    blank_home.store.hold("given", "a test")
    assert judge(blank_home, "accepted").passed

    collect(blank_home, "night-2", budgets=False)
    blank_home.build("cost.daily")
    assert judge(blank_home, "night-2").passed
    # The acceptance ends with the first costs: after them a zero is in doubt again.
    small.configure(billed_from="2026-01-01")
    collect(blank_home, "night-3", budgets=False)
    blank_home.build("cost.daily")
    assert judge(blank_home, "night-3").passed
    blank_home.execute("delete from cost.daily")
    assert not judge(blank_home, "emptied").passed


@pytest.mark.parametrize("newest_outcome", ["found", "empty_unconfirmed"])
def test_the_accepted_zero_of_an_earlier_month_accepts_no_later_one(
    blank_home: House, small: Simulator, newest_outcome: str
) -> None:
    newest, older, *_ = months(small)
    collect(blank_home, "night-1", budgets=False)
    blank_home.execute(
        "update audit.collection set outcome = 'empty_unconfirmed', is_trusted = false, accepted_by = 'ana', "
        f"accepted_reason = 'not billed yet', accepted_at = now() where listing = 'cost_daily:service:{older}'"
    )
    blank_home.execute(
        f"update audit.collection set outcome = '{newest_outcome}' where listing = 'cost_daily:service:{newest}'"
    )
    blank_home.execute("delete from audit.newest_cell")
    with blank_home.store.transaction() as connection:
        renew_coverage(connection)
    assert blank_home.rows("select listing from audit.coverage where accepted_at is not null") == [
        {"listing": f"cost_daily:service:{older}"}
    ]
    instances_run(blank_home)
    blank_home.execute("update cost.daily set unblended_cost = 0")
    assert not judge(blank_home, "night-1").passed


def test_an_organisation_of_today_has_no_bill_and_refuses_nothing(blank_home: House, small: Simulator) -> None:
    small.configure(billed_from=small.truth()["today"])
    collect(blank_home, "night-1", budgets=False)
    instances_run(blank_home, since=small.truth()["today"])
    assert judge(blank_home, "night-1").passed


@pytest.mark.parametrize(("used", "credited", "passes"), [("5", "-5", True), ("0", "0", False)])
def test_a_bill_that_credits_pay_is_no_bill_of_zero(
    blank_home: House, small: Simulator, used: str, credited: str, *, passes: bool
) -> None:
    collect(blank_home, "night-1", budgets=False)
    instances_run(blank_home)
    # By service AWS nets each credit with the use that it pays; by record type it does not.
    blank_home.execute("delete from cost.daily")
    lines = []
    for day in days("2026-11-01", "2026-11-23"):
        lines.append((day, "service", ACCOUNT, "Amazon Elastic Compute Cloud - Compute", "0"))
        lines.append((day, "record_type", ACCOUNT, "Usage", used))
        lines.append((day, "record_type", ACCOUNT, "Credit", credited))
    billed(blank_home, lines)
    assert judge(blank_home, "night-1").passed is passes


def test_use_before_the_last_seven_days_proves_no_bill_of_now(blank_home: House, small: Simulator) -> None:
    collect(blank_home, "night-1", budgets=False)
    instances_run(blank_home)
    blank_home.execute("delete from cost.daily")
    billed(
        blank_home,
        [
            *service("2026-11-01", "2026-11-23", "0"),
            *((day, "record_type", ACCOUNT, "Usage", "5") for day in days("2026-11-01", "2026-11-15")),
        ],
    )
    assert not judge(blank_home, "night-1").passed
