"""Control Tower's region deny over 40 accounts and 17 regions: the first run publishes, the second sends little."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from conftest import MakeOrganisation
from nights import DATABASE, query, run_night
from organization_policies import refused, region_deny
from steps import asked

from pipelines.collection.cells import RUNS_UNTIL_FULL
from simulator.client import Simulator

OPEN = ("us-east-1", "eu-west-1")
REGIONS = (
    *OPEN,
    *("us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-central-1", "eu-west-2", "eu-west-3", "eu-north-1"),
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
)
"""The 17 regions that every account has without opting in."""

OF_ANOTHER_PLACE = {"DescribeTransitGateways", "ListMultiRegionAccessPoints"}
"""Control Tower's policy spares the first, and another policy of the organisation denies it; the second is of no region
and is sent to us-west-2."""

STEP = ("ec2_instance", "ec2_vpc", "lambda_function")


def sent(simulator: Simulator) -> tuple[int, Counter[tuple[str, str, str]]]:
    """All requests, and those refused in closed regions by role, account and region; the log is cleared."""
    calls = simulator.log()
    simulator.clear_log()
    own = (call for call in calls if call["operation"] not in OF_ANOTHER_PLACE)
    return len(calls), refused(call for call in own if call["region"] not in OPEN)


@pytest.mark.large
@pytest.mark.timeout(3600)
def test_a_region_deny_over_forty_accounts_publishes_at_once_and_costs_one_request_a_place(
    make_organisation: MakeOrganisation, tmp_path: Path
) -> None:
    simulator = make_organisation(accounts=40, regions=REGIONS, resources=1)
    simulator.change("add_policy", name="RegionDeny", content=region_deny(*OPEN), target="/")
    accounts = set(simulator.truth("governance")["reachable"])
    places = {(account, region) for account in accounts for region in REGIONS if region not in OPEN}
    assert len(accounts) >= 30
    database = tmp_path / "warehouse" / DATABASE
    environment = dict(simulator.env)
    simulator.clear_log()
    totals: list[int] = []
    for number in (1, 2):
        ended = run_night(environment, database)
        assert ended.published, ended.sentences
        total, closed = sent(simulator)
        totals.append(total)
        named = [text for text in ended.warnings if "(RegionDeny) denies" in text and "keep their last" in text]
        assert len(named) == 1, named
        workload = {(account, region): count for (role, account, region), count in closed.items() if role == "workload"}
        assert workload.keys() == places
        if number == 1:
            assert min(workload.values()) > 1
        else:
            assert set(closed.values()) == {1}, closed.most_common(5)
        outcomes = query(
            database,
            "select distinct outcome, skip_reason from audit.coverage "
            # Control Tower's region deny spares ec2:DescribeTransitGateways.
            "where role = 'workload' and region <> 'aws-global' and not list_contains($open, region) "
            "and listing <> 'ec2_transit_gateway'",
            {"open": list(OPEN)},
        )
        assert ("skipped", "denied_by_policy") in outcomes
        assert {outcome for outcome, _ in outcomes} == {"skipped"}
    assert totals[1] < totals[0] / 3
    # The second run was the first after the refusal; these are the next six, of a few listings.
    for number in range(2, RUNS_UNTIL_FULL + 1):
        with asked(simulator, database, *STEP, run=f"run-{number}", **environment) as cells:
            closed_cells = [cell for cell in cells if cell.account_id in accounts and cell.region not in OPEN]
            assert {cell.skip_reason for cell in closed_cells} == {"denied_by_policy"}
        _, closed = sent(simulator)
        assert {(account, region) for role, account, region in closed if role == "workload"} == places
        most = len(STEP) if number == RUNS_UNTIL_FULL else 1
        assert {count for (role, *_), count in closed.items() if role == "workload"} == {most}, number
