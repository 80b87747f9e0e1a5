"""First runs, zeros and costs in which AWS lies or refuses: what tests/chaos/lies.py has no row for."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nights import DATABASE, copy_of, environment_of, fingerprint, query, run_night

from pipelines.cli.accept import accept_zero
from pipelines.cli.command import InvalidRequest
from pipelines.collection import cost_slices
from pipelines.collection.seeds import every_slice
from pipelines.reference import DEMO_FOLDER
from resources.audit.cells import renew_coverage
from resources.aws.client import AwsClient
from resources.aws.errors import AwsError
from resources.store.store import Store
from simulator.client import Simulator

pytestmark = pytest.mark.large

INSTANCES = "select arn, state, name, tags, is_stale from aws.ec2_instance order by arn"
RESOURCES = "select arn, status, is_stale, retired_reason from cmdb.resource order by arn"
ACCOUNTS = "select account_id, account_name, state, ou_path, tags, profile from org.account order by account_id"
BILL = """
    select usage_date, account_id, dimension_value, unblended_cost, net_amortized_cost
    from cost.daily order by all
"""
ROWS = (INSTANCES, RESOURCES, ACCOUNTS, BILL)


def rows(database: Path) -> list[list[tuple[Any, ...]]]:
    return [query(database, sql) for sql in ROWS]


def account_named(simulator: Simulator, name: str) -> str:
    return next(str(a["account_id"]) for a in simulator.truth()["accounts"] if a["name"] == name)


def cells(
    database: Path, listing: str, *, of: str = "published"
) -> dict[tuple[str, str], tuple[str, bool, str | None]]:
    """Outcome, trust and reason of the newest cells of a listing, by account and region."""
    found = query(
        database,
        """
        select account_id, region, outcome, is_trusted, coalesce(skip_reason, error_code) from audit.coverage
        where split_part(listing, ':', 1) = $listing
        """,
        {"listing": listing},
        of=of,
    )
    return {(account, region): (outcome, trusted, why) for account, region, outcome, trusted, why in found}


def refused(environment: Mapping[str, str], database: Path, *facts: str, absent: Sequence[str] = ()) -> list[str]:
    """Run a night that must be refused: the published file is byte for byte what it was, and why is said."""
    before = fingerprint(database)
    night = run_night(environment, database)
    said = " ".join(night.sentences)
    assert not night.published, "a lie was published"
    assert fingerprint(database) == before
    for fact in facts:
        assert fact in said
    for word in ("Traceback", *absent):
        assert word not in said
    return night.sentences


def survived(environment: Mapping[str, str], database: Path) -> list[str]:
    """Run a night that must publish, with every row there; returns its warnings."""
    before, was = rows(database), fingerprint(database)
    night = run_night(environment, database)
    assert night.published, night.sentences
    assert fingerprint(database) != was
    assert rows(database) == before
    return night.warnings


def half_a_day_passes(database: Path) -> None:
    """Put every answer of earlier nights thirteen hours back."""
    store = Store(database)
    with store.holding("clock", "a test"), store.transaction() as connection:
        connection.execute(
            "update audit.collection set "
            "started_at = started_at - interval 13 hours, ended_at = ended_at - interval 13 hours"
        )
        renew_coverage(connection)


# ------------------------------------------------------------------------------- lies that have to be refused


@pytest.fixture(scope="module")
def suspect(
    simulator_process: Simulator, truthful_night: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A warehouse whose second night a silent zero stopped, and the account that was lied about."""
    database = copy_of(truthful_night, tmp_path_factory.mktemp("suspect"))
    try:
        victim = str(simulator_process.lie("silent_zero")["account_id"])
        refused(
            simulator_process.env,
            database,
            f"ec2_instance: empty_suspect in account {victim}",
            "Amazon Elastic Compute Cloud - Compute",
        )
    finally:
        simulator_process.reset()
    return database, victim


def test_an_empty_list_of_what_was_there_yesterday_is_refused(
    organisation: Simulator, suspect: tuple[Path, str], truthful_night: Path
) -> None:
    database, victim = suspect
    assert rows(database) == rows(truthful_night / DATABASE)
    found = cells(database, "ec2_instance", of="working")
    zeros = {place for place, (outcome, _, _) in found.items() if outcome == "empty_suspect"}
    assert zeros == {(victim, region) for region in organisation.truth()["regions"]}
    asked = query(
        database,
        "select attempt_count, request_count from audit.collection where outcome = 'empty_suspect'",
        of="working",
    )
    assert set(asked) == {(2, 2)}, "an unlikely zero is asked a second time in the same night"


def test_no_zero_stays_suspect_for_ever(organisation: Simulator, suspect: tuple[Path, str], tmp_path: Path) -> None:
    """Half a day later the same answer outweighs a bill that lags behind."""
    original, victim = suspect
    database = copy_of(original.parent, tmp_path)
    organisation.lie("silent_zero")
    half_a_day_passes(database)
    night = run_night(organisation.env, database)
    assert night.published, night.sentences
    verified = query(
        database,
        """
        select outcome, evidence ->> 'history' is not null, (evidence ->> 'attempts')::integer
        from audit.collection where account_id = $a and listing = 'ec2_instance' and run_id = $run
        """,
        {"a": victim, "run": night.run_id},
    )
    assert verified == [("empty_verified", True, 2)] * 3


def test_tonights_bill_bears_witness_against_a_silent_zero_of_a_first_run(
    organisation: Simulator, tmp_path: Path
) -> None:
    """There is no history yet: only a bill that is read and built before the inventory is judged can tell."""
    organisation.lie("silent_zero")
    database = tmp_path / "first" / DATABASE
    night = run_night(organisation.env, database)
    assert not night.published
    assert "the bill of the last days shows" in " ".join(night.sentences)


def test_a_bill_of_one_member_account_is_refused_on_a_first_run_too(organisation: Simulator, tmp_path: Path) -> None:
    """Nothing was expected of the billing profile, so that only the bill itself can tell."""
    database = tmp_path / "first" / DATABASE
    member = organisation.truth()["billing_member"]
    night = run_night(
        {**organisation.env, "AWS_BILLING_PROFILE": "acmeBillingMember", "CMDB_BILLING_ACCOUNT": ""}, database
    )
    said = " ".join(night.sentences)
    assert not night.published
    assert not database.exists()
    assert "appears in the bill" in said
    first = said.partition("The first is")[2].partition(". ")[0]
    assert first and member not in first, "the member itself is billed"


# ----------------------------------------------------------------------------------- a loud failure tolerated


def test_a_refused_account_within_the_tolerance_keeps_its_rows_stale_and_is_warned_of(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    told = organisation.lie("denied")
    victim = told["account_id"]
    half = next(account for account in organisation.truth()["reachable"] if account != victim)
    # The second page is refused: what came before it is not half of the truth but none of it.
    organisation.faults(
        [
            {
                "action": "denied",
                "op": "DescribeInstances",
                "account": half,
                "region": "us-east-1",
                "skip": 1,
            }
        ]
    )
    before = {name: stale for name, _, _, _, stale in query(database, INSTANCES)}
    night = run_night({**organisation.env, "CMDB_UNTRUSTED_TOLERANCE": "0.25"}, database)
    assert night.published, night.sentences
    assert any(f"denied in account {victim}" in warning for warning in night.warnings)
    assert any("kept, marked stale" in warning for warning in night.warnings)
    after = {name: stale for name, _, _, _, stale in query(database, INSTANCES)}
    assert set(after) == set(before)

    stale = query(
        database,
        """
        select arn, account_id, region, resource_type, is_stale from cmdb.resource
        where retired_at is null order by arn
        """,
    )
    assert {account for _, account, *_ in stale} > {victim, half}
    for arn, account, region, kind, is_stale in stale:
        refused_here = (account, region, kind) == (half, "us-east-1", "AWS::EC2::Instance")
        assert is_stale == (account == victim or refused_here), arn
    assert {arn for arn, is_stale in after.items() if is_stale} == {
        arn for arn in after if f":{victim}:" in arn or f":us-east-1:{half}:" in arn
    }
    denied = query(
        database,
        """
        select listing, last_trusted_at < ended_at and not is_trusted
        from audit.coverage where account_id = $victim and outcome = 'denied'
        """,
        {"victim": victim},
    )
    assert {listing for listing, _ in denied} > {"ec2_region", "ec2_instance", "rds_db_instance", "s3_bucket"}
    assert all(kept_its_date for _, kept_its_date in denied)


def test_a_refused_account_on_a_first_run_has_no_rows_and_was_never_trusted(
    organisation: Simulator, tmp_path: Path
) -> None:
    database = tmp_path / "first" / DATABASE
    victim = organisation.lie("denied")["account_id"]
    night = run_night({**organisation.env, "CMDB_UNTRUSTED_TOLERANCE": "0.25"}, database)
    assert night.published, night.sentences
    assert any(victim in warning for warning in night.warnings)
    assert query(database, "select count(*) from aws.ec2_instance where account_id = $a", {"a": victim}) == [(0,)]
    truth = organisation.truth()
    asked = {*truth["reachable"], truth["central"]["operations"]}
    rest = {instance["account_id"] for instance in truth["instances"]} & asked
    assert {account for (account,) in query(database, "select account_id from aws.ec2_instance")} == rest - {victim}
    doubtful = query(
        database,
        "select distinct is_trusted, last_trusted_at, outcome in ('denied', 'failed') from audit.coverage "
        "where account_id = $a and role = 'workload' and outcome <> 'skipped'",
        {"a": victim},
    )
    assert doubtful == [(False, None, True)]


# ------------------------------------------------------------------------------------------- what a zero needs


def test_a_region_that_was_emptied_is_trusted_where_only_yesterday_speaks_against_it(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    account = account_named(organisation, "payments-dev")
    for instance in organisation.truth()["instances"]:
        if (instance["account_id"], instance["region"]) == (account, "eu-west-1"):
            organisation.change("forget_instance", instance_id=instance["instance_id"])
    night = run_night(organisation.env, database)
    assert night.published, night.sentences
    assert cells(database, "ec2_instance")[account, "eu-west-1"][:2] == ("empty_verified", True)
    statuses = query(
        database,
        """
        select distinct region, status, is_stale from cmdb.resource
        where account_id = $a and resource_type = 'AWS::EC2::Instance' and retired_at is null order by region
        """,
        {"a": account},
    )
    assert statuses == [
        ("ap-southeast-2", "active", False),
        ("eu-west-1", "missing", False),
        ("us-east-1", "active", False),
    ]
    asked = query(
        database,
        "select attempt_count, evidence ->> 'last_trusted_count' from audit.collection "
        "where account_id = $a and region = 'eu-west-1' and listing = 'ec2_instance' and run_id = $run",
        {"a": account, "run": night.run_id},
    )
    assert asked == [(2, "8")]


def test_where_cloudtrail_is_refused_zeros_cannot_be_confirmed_and_the_sentence_names_the_way_out(
    organisation: Simulator, tmp_path: Path
) -> None:
    database = tmp_path / "first" / DATABASE
    organisation.faults([{"action": "denied", "service": "cloudtrail"}])
    night = run_night(organisation.env, database)
    assert not night.published
    assert not database.exists()
    said = " ".join(night.sentences)
    # Nothing speaks against any of them; of the workload accounts there are more than the tolerance allows.
    assert "empty_unconfirmed in account" in said
    assert "more than CMDB_UNTRUSTED_TOLERANCE" in said
    assert "empty_suspect" not in said
    assert "CMDB_ZERO_EVIDENCE=identity" in said
    # With identity alone as evidence the same zeros are verified, and each says on what it rests.
    night = run_night({**organisation.env, "CMDB_ZERO_EVIDENCE": "identity"}, database)
    assert night.published, night.sentences
    kinds = query(
        database,
        """
        select distinct outcome, evidence::varchar like '%CMDB_ZERO_EVIDENCE=identity%'
        from audit.collection where outcome like 'empty%' and run_id = $run
        """,
        {"run": night.run_id},
    )
    assert kinds == [("empty_verified", True)]


def test_a_refusal_in_cloudtrail_makes_a_zero_suspect_if_it_is_of_this_very_call(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    """A gateway that turns refusals into empty lists: the answer is 200, CloudTrail knows better."""
    database = copy_of(truthful_night, tmp_path)
    account = account_named(organisation, "sandbox")
    place = {"op": "DescribeInstances", "account": account, "region": "eu-west-1"}
    organisation.faults([{"action": "hidden_denial", **place}])
    refused(
        organisation.env,
        database,
        f"empty_suspect in account {account}, region eu-west-1",
        "CloudTrail recorded this call as refused (Client.UnauthorizedOperation",
    )
    # The next call is answered, and CloudTrail says that too: the refusal of before is of another call.
    organisation.control("DELETE", "/faults")
    organisation.faults([{"action": "denied", "times": 1, **place}])
    with environment_of(organisation.env):
        reach = AwsClient("workload", home_region="us-east-1")
        with pytest.raises(AwsError):
            reach.call("acme-sandbox", "ec2", "DescribeInstances", "eu-west-1")
        reach.close()
    survived(organisation.env, database)
    assert cells(database, "ec2_instance")[account, "eu-west-1"] == ("empty_verified", True, None)


def test_an_accepted_zero_passes_until_something_is_found_there_again(
    organisation: Simulator, suspect: tuple[Path, str], tmp_path: Path
) -> None:
    original, victim = suspect
    database = copy_of(original.parent, tmp_path)
    organisation.lie("silent_zero")
    store = Store(database)
    with pytest.raises(InvalidRequest, match="only empty_suspect and empty_unconfirmed can be accepted"):
        accept_zero(store, account_named(organisation, "sandbox"), "us-east-1", "ec2_instance", "no", "a test")
    for region in organisation.truth()["regions"]:
        said = accept_zero(store, victim, region, "ec2_instance", "decommissioned, CHG-1", "a test")
        assert victim in said
    night = run_night(organisation.env, database)
    assert night.published, night.sentences
    accepted = query(
        database,
        "select distinct outcome, is_trusted, accepted_by, accepted_reason from audit.coverage "
        "where account_id = $a and listing = 'ec2_instance'",
        {"a": victim},
    )
    assert accepted == [("empty_suspect", True, "a test", "decommissioned, CHG-1")]
    statuses = """
        select distinct status, missing_since is null from cmdb.resource
        where account_id = $a and resource_type = 'AWS::EC2::Instance' and retired_at is null
    """
    assert query(database, statuses, {"a": victim}) == [("missing", False)]
    # It is found again: the acceptance is over, and the next zero is as suspect as the first.
    organisation.stop_lying()
    night = run_night(organisation.env, database)
    assert night.published, night.sentences
    assert query(database, statuses, {"a": victim}) == [("active", True)]
    organisation.lie("silent_zero")
    refused(organisation.env, database, f"empty_suspect in account {victim}")


# ------------------------------------------------------------------------------------------ declared exceptions


def test_a_declared_shared_account_is_a_warning_and_no_more(organisation: Simulator, tmp_path: Path) -> None:
    database = tmp_path / "first" / DATABASE
    truth = organisation.truth()
    management = truth["central"]["management"]
    environment = {
        **organisation.env,
        "AWS_OPERATIONS_PROFILE": "acmeOperationsInManagement",
        "CMDB_OPERATIONS_ACCOUNT": management,
    }
    night = run_night(environment, database)
    assert not night.published
    assert f"are the same account {management}" in " ".join(night.sentences)
    environment["CMDB_SHARED_ACCOUNTS"] = "operations+management"
    night = run_night(environment, database)
    assert night.published, night.sentences
    assert any(f"share account {management}, as CMDB_SHARED_ACCOUNTS declares" in said for said in night.warnings)
    found = query(database, "select distinct account_id from aws.ec2_instance")
    there = {instance["account_id"] for instance in truth["instances"]}
    assert {account for (account,) in found} == there & {*truth["reachable"], management}
    waivers = query(
        database,
        """
        select distinct waiver from audit.caller_identity
        where role in ('management', 'operations') and run_id = $run
        """,
        {"run": night.run_id},
    )
    assert waivers == [("management+operations",)]


def test_a_run_that_no_longer_reaches_an_account_is_refused_though_the_sharing_is_declared(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    """Who moves the operations role into the management account leaves an account behind that nobody asks."""
    database = copy_of(truthful_night, tmp_path)
    central = organisation.truth()["central"]
    refused(
        {
            **organisation.env,
            "AWS_OPERATIONS_PROFILE": "acmeOperationsInManagement",
            "CMDB_OPERATIONS_ACCOUNT": central["management"],
            "CMDB_SHARED_ACCOUNTS": "operations+management",
        },
        database,
        central["operations"],
        "Restore the profile, or close the account.",
    )


def test_a_warehouse_of_another_organisation_is_refused(
    make_organisation: Callable[..., Simulator], truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    other = make_organisation(accounts=2, resources=1, seed=99)
    refused(dict(other.env), database, "belongs to organisation")


# -------------------------------------------------------------------------------------- what a night may cost


def test_the_newest_months_come_first_the_rest_waits_and_a_region_that_is_not_enabled_is_not_requested(
    make_organisation: Callable[..., Simulator], tmp_path: Path
) -> None:
    """A payer without the newer metrics, few requests a night, and one region that nobody opted in to."""
    simulator = make_organisation(accounts=2, resources=1)
    today = dt.date.fromisoformat(simulator.truth()["today"])
    # What AWS may still change is asked every night, in every slice: what is left goes into history.
    still_open = len(cost_slices.plan(today, 1, every_slice(DEMO_FOLDER), lambda _: ()))
    # Besides, two pages of tag keys, four second pages of months that are open, and one request to learn that the newer
    # metrics are refused. What is left is four months of history, of two pages each.
    limit = still_open + 7 + 4 * 2
    simulator.faults(
        [
            {
                "action": "error",
                "service": "ce",
                "code": "ValidationException",
                "message": "Metric is not supported",
                "contains": "BilledCost",
            }
        ]
    )
    database = tmp_path / "house" / DATABASE
    environment = {
        **simulator.env,
        "CMDB_COST_MONTHS": "6",
        "CMDB_COST_REQUEST_LIMIT": str(limit),
        "CMDB_REGIONS": "us-east-1,af-south-1",
    }
    night = run_night(environment, database)
    assert night.published, night.sentences

    def by_month() -> tuple[list[str], list[str]]:
        found = query(
            database,
            "select split_part(listing, ':', 3), outcome, skip_reason from audit.coverage "
            "where listing like 'cost_daily:service:%' order by 1 desc",
        )
        asked = [month for month, outcome, _ in found if outcome == "found"]
        waiting = [month for month, outcome, reason in found if (outcome, reason) == ("skipped", "request_limit")]
        assert len(asked) + len(waiting) == len(found)
        return asked, waiting

    asked, waiting = by_month()
    # As the month grows, so do the pages of what is still open.
    assert 1 <= len(waiting) <= 2
    assert min(asked) > max(waiting)
    calls = [call for call in simulator.log() if call["service"] == "ce"]
    assert len(calls) == limit
    # Each listing of the bill says what it lacks.
    warnings = [sentence for sentence in night.warnings if "CMDB_COST_REQUEST_LIMIT" in sentence]
    assert sum("cost_daily" in sentence for sentence in warnings) == 1
    for warning in warnings:
        assert f"Today's requests cost US${limit * cost_slices.REQUEST_PRICE_USD}." in warning
    columns = query(
        database,
        """
        select count(unblended_cost), count(net_amortized_cost), count(billed_cost), count(list_cost), count(*)
        from cost.daily
        """,
    )[0]
    assert columns[0] == columns[1] == columns[4] > 0
    assert columns[2:4] == (0, 0)

    found = cells(database, "ec2_instance")
    for account in simulator.truth()["reachable"]:
        assert found[account, "us-east-1"][0] == "found"
        assert found[account, "af-south-1"] == ("skipped", False, "region_not_enabled")
        assert (account, "eu-west-1") not in found

    # The next night, of another day, reads the months that are still open again, and goes on where this one stopped.
    (ledger,) = (database.parent / "paid_requests").iterdir()
    ledger.rename(ledger.with_stem(f"{dt.date.fromisoformat(ledger.stem) - dt.timedelta(days=1)}"))
    night = run_night(environment, database)
    assert night.published, night.sentences
    again, still = by_month()
    assert set(asked) < set(again)
    assert min(again) > max(still, default="")
    total = query(database, "select sum(unblended_cost) from cost.daily where slice = 'service'")[0][0]
    since = dt.date.fromisoformat(f"{min(again)}-01")
    assert total == sum(Decimal(line["unblended_cost"]) for line in simulator.ledger(since, today))


def test_the_environment_of_a_run_is_left_as_it_was(organisation: Simulator) -> None:
    before = dict(os.environ)
    with environment_of({"CMDB_DATABASE": "x"}):
        assert "AWS_MANAGEMENT_PROFILE" not in os.environ
    assert dict(os.environ) == before
