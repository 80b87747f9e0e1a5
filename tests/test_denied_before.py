"""What a policy denied in an earlier run: one request a region stands for the others; every seventh run sends all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from nights import query
from organization_policies import deny, region_deny
from steps import asked
from test_denied_steps import CLOSED, OPEN, POLICIES, database

from pipelines.collection.cells import RUNS_UNTIL_FULL
from resources.audit.cells import Cell, renew_coverage
from resources.store.store import Store
from simulator.client import Simulator

__all__ = ["database"]

NETWORK = ("ec2_instance", "ec2_vpc", "ec2_subnet", "lambda_function")


def closed(cells: list[Cell]) -> dict[tuple[str, str, str, str], str | None]:
    """Skip reason of every cell in a closed region."""
    return {
        (cell.role, cell.account_id, cell.region, cell.listing): cell.skip_reason
        for cell in cells
        if cell.region in CLOSED
    }


def sent(organisation: Simulator) -> Counter[tuple[str, str, str]]:
    """Number of requests by role, account and closed region, but for those of STS and CloudTrail."""
    calls = Counter(
        (call["role"], call["account_id"], call["region"])
        for call in organisation.log()
        if call["region"] in CLOSED and call["service"] not in ("sts", "cloudtrail", "sso")
    )
    organisation.clear_log()
    return calls


@pytest.fixture
def denied(organisation: Simulator, database: Path) -> dict[tuple[str, str, str, str], str | None]:
    """The first run under a region deny: it requests everything."""
    organisation.change("add_policy", name="RegionDeny", content=region_deny(OPEN), target="/")
    with asked(organisation, database, *POLICIES, run="policies"):
        pass
    organisation.clear_log()
    with asked(organisation, database, *NETWORK, run="run-0") as cells:
        first = closed(cells)
    assert set(first.values()) == {"denied_by_policy"}
    assert max(sent(organisation).values()) == len(NETWORK)
    return first


def test_the_runs_that_follow_send_one_request_and_every_seventh_sends_all(
    organisation: Simulator, database: Path, denied: dict[tuple[str, str, str, str], str | None]
) -> None:
    places = {key[:3] for key in denied}
    for number in range(1, RUNS_UNTIL_FULL):
        with asked(organisation, database, *NETWORK, run=f"run-{number}") as cells:
            # The outcome stands in every cell, as if each had been requested.
            assert closed(cells) == denied
        assert sent(organisation) == dict.fromkeys(places, 1)
    with asked(organisation, database, *NETWORK, run=f"run-{RUNS_UNTIL_FULL}") as cells:
        assert closed(cells) == denied
        assert {cell.attempt_count for cell in cells if cell.region in CLOSED} == {1}
    assert max(sent(organisation).values()) == len(NETWORK)
    with asked(organisation, database, *NETWORK, run="another") as cells:
        assert closed(cells) == denied
    assert sent(organisation) == dict.fromkeys(places, 1)
    evidence = query(
        database,
        "select distinct evidence ->> '$.policy_name', evidence ->> '$.probe', "
        "contains(error_message, 'explicit deny') from audit.collection "
        "where run_id = 'run-3' and skip_reason = 'denied_by_policy' and attempt_count = 0",
        of="working",
    )
    assert evidence == [("RegionDeny", "ec2_instance", True)]


def test_an_old_refusal_stands_for_nothing(
    organisation: Simulator, database: Path, denied: dict[tuple[str, str, str, str], str | None]
) -> None:
    store = Store(database)
    with store.holding("age", "a test"), store.transaction() as connection:
        connection.execute(
            "update audit.collection set started_at = started_at - interval 8 day, "
            "ended_at = ended_at - interval 8 day where skip_reason = 'denied_by_policy'"
        )
        renew_coverage(connection)
    with asked(organisation, database, *NETWORK, run="run-1") as cells:
        assert closed(cells) == denied
    assert max(sent(organisation).values()) == len(NETWORK)


def test_a_region_that_is_open_again_is_requested_in_the_same_run(
    organisation: Simulator, database: Path, denied: dict[tuple[str, str, str, str], str | None]
) -> None:
    policies = organisation.truth("governance")["policies"]
    (policy,) = [one for one in policies if one["name"] == "RegionDeny"]
    organisation.change("detach_policy", policy_id=policy["policy_id"], target_id=policy["target_ids"][0])
    with asked(organisation, database, *NETWORK, run="run-1") as cells:
        outcomes = {cell.outcome for cell in cells if cell.region in CLOSED}
    assert outcomes <= {"found", "empty_verified"}
    assert len(closed(cells)) == len(denied)


def test_another_policy_and_a_changed_one_are_no_evidence_of_before(
    organisation: Simulator, database: Path, denied: dict[tuple[str, str, str, str], str | None]
) -> None:
    """Other policies may deny less: what each cell gets has to be seen."""
    policies = organisation.truth("governance")["policies"]
    (policy,) = [one for one in policies if one["name"] == "RegionDeny"]
    target = policy["target_ids"][0]
    organisation.change("detach_policy", policy_id=policy["policy_id"], target_id=target)
    organisation.change("add_policy", name="NoInstances", content=deny("ec2:DescribeInstances"), target="/")
    with asked(organisation, database, *NETWORK, run="run-1") as cells:
        found = {cell.listing for cell in cells if cell.region in CLOSED and cell.outcome == "found"}
        assert "ec2_vpc" in found
        refused = {cell.listing for cell in cells if cell.region in CLOSED and cell.skip_reason == "denied_by_policy"}
    assert refused == {"ec2_instance"}


@pytest.mark.large
def test_a_document_that_was_edited_is_tried_in_full(
    organisation: Simulator, database: Path, denied: dict[tuple[str, str, str, str], str | None]
) -> None:
    policies = organisation.truth("governance")["policies"]
    (policy,) = [one for one in policies if one["name"] == "RegionDeny"]
    content = region_deny(OPEN)
    content["Statement"][0]["NotAction"].append("ec2:DescribeVpcs")
    organisation.change("edit_policy", policy_id=policy["policy_id"], content=content)
    with asked(organisation, database, *POLICIES, run="policies-again"):
        pass
    with asked(organisation, database, *NETWORK, run="run-1") as cells:
        found = {cell.listing for cell in cells if cell.region in CLOSED and cell.outcome == "found"}
    assert found == {"ec2_vpc"}
