"""A step that speaks for two roles, questions for what another listing named, and grants that nobody gave."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from botocore_models import operation_model
from nights import copy_of, query
from steps import RUN, age, asked

from pipelines.catalogue.names import METRIC, REGION
from pipelines.catalogue.registry import listings
from pipelines.collection import metrics
from pipelines.collection.landing import records_path
from resources.audit.cells import Cell, renew_coverage
from resources.aws.errors import Failed
from resources.aws.listing import Each, Listing
from resources.aws.messages import OPTIONAL_GRANT
from resources.aws.records import Pages
from resources.store.store import Store
from simulator.client import Simulator

CATALOGUE = listings()
VPC = CATALOGUE["ec2_vpc"]


def of(cells: list[Cell], listing: str) -> dict[tuple[str, str], Cell]:
    return {(cell.role, cell.account_id): cell for cell in cells if cell.listing.partition(":")[0] == listing}


def test_the_operations_account_is_collected_once_though_a_workload_profile_reaches_it_too(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    hub = organisation.env["CMDB_OPERATIONS_ACCOUNT"]
    ((region,),) = query(
        database,
        "select region from audit.coverage where account_id = $hub and listing = 'ec2_vpc' limit 1",
        {"hub": hub},
    )
    # An earlier night asked it of the workload profile.
    store = Store(database)
    with store.holding("earlier", "test"), store.transaction() as connection:
        connection.execute(
            """
            insert into audit.collection by name
            select * replace ('workload' as role, 'earlier' as run_id) from audit.collection
            where account_id = $hub and listing = 'ec2_vpc' and region = $region
            """,
            {"hub": hub, "region": region},
        )
        renew_coverage(connection)
    both = "acme-*,acmeOperations"
    with asked(organisation, database, REGION, "ec2_vpc", CMDB_WORKLOAD_PROFILES=both) as cells:
        found = of(cells, "ec2_vpc")
        assert found["operations", hub].outcome == "found"
        assert ("workload", hub) not in found
        assert len([cell for cell in cells if cell.listing == "ec2_vpc" and cell.account_id == hub]) == 3
        assert of(cells, REGION)["operations", hub].outcome == "found"
    rows = query(
        database,
        "select role, outcome, skip_reason from audit.coverage "
        "where account_id = $hub and listing = 'ec2_vpc' and region = $region order by all",
        {"hub": hub, "region": region},
        of="working",
    )
    assert rows == [("operations", "found", None), ("workload", "skipped", "caller_changed")]


def test_an_account_that_only_the_workload_role_may_request_is_requested_by_its_workload_profile(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    # Had operations no right to list VPCs, the profile that reaches its account would be the one to ask.
    only = replace(VPC, roles=("workload",))
    hub = organisation.env["CMDB_OPERATIONS_ACCOUNT"]
    database = copy_of(truthful_night, tmp_path)
    with asked(organisation, database, only, CMDB_WORKLOAD_PROFILES="acmeOperations") as cells:
        found = [cell for cell in cells if cell.account_id == hub]
        assert {(cell.role, cell.outcome) for cell in found} == {("workload", "found")}


def test_a_grant_that_nobody_gave_costs_one_request_an_account_and_is_no_failure(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    organisation.configure(refused_actions={"workload": ["cloudwatch:*"], "operations": ["config:*", "cloudwatch:*"]})
    database = copy_of(truthful_night, tmp_path)
    age(database, METRIC)
    organisation.clear_log()
    with asked(organisation, database, METRIC, "config_aggregator", "config_resource") as cells:
        skipped = [cell for cell in cells if cell.skip_reason == OPTIONAL_GRANT]
        assert len(skipped) > 20
        assert {cell.outcome for cell in skipped} == {"skipped"}
        assert {cell.outcome for cell in cells} == {"skipped"}
        # What would be asked for what Config did not say is not known to be nothing.
        (resource,) = [cell for cell in cells if cell.listing == "config_resource"]
        assert resource.skip_reason == "no_parents"
    calls = [call for call in organisation.log() if call["operation"] == "GetMetricData"]
    accounts = [call["account_id"] for call in calls]
    assert len(accounts) == len(set(accounts)) == 9
    # The rows of the night before stand, and are stale.
    states = query(
        database,
        "select distinct is_trusted, last_trusted_at is not null from audit.coverage "
        "where listing = 'cloudwatch_metric' and skip_reason = $why",
        {"why": OPTIONAL_GRANT},
        of="working",
    )
    assert states == [(False, True)]


def test_expired_credentials_are_no_grant_that_nobody_gave(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    organisation.faults(
        [{"action": "expired", "service": "config", "op": "DescribeConfigurationAggregators", "times": 99}]
    )
    with asked(organisation, copy_of(truthful_night, tmp_path), "config_aggregator") as cells:
        assert {cell.outcome for cell in cells} == {"denied"}


def test_what_is_requested_in_one_cell_loses_nothing_when_one_parent_goes(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    query_of = CATALOGUE["resource_group_query"]
    organisation.faults(
        [
            {
                "action": "error",
                "op": "GetGroupQuery",
                "code": "NotFoundException",
                "message": "gone",
                "status": 404,
                "times": 1,
            }
        ]
    )
    with asked(organisation, copy_of(truthful_night, tmp_path), query_of) as cells:
        assert {cell.outcome for cell in cells} == {"found"}
        groups = len(organisation.truth("hub")["resource_groups"])
        assert sum(cell.record_count or 0 for cell in cells) == groups - 1


def test_what_is_requested_in_one_cell_is_whole_or_nothing(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    organisation.faults(
        [{"action": "error", "op": "GetGroupQuery", "code": "MethodNotAllowedException", "message": "no", "times": 1}]
    )
    with asked(organisation, copy_of(truthful_night, tmp_path), "resource_group_query") as cells:
        assert sorted(cell.outcome for cell in cells) == ["found", "found"]
        assert max(cell.attempt_count for cell in cells) == 2
    organisation.faults([{"action": "error", "op": "GetGroupQuery", "code": "MethodNotAllowedException", "times": 99}])
    with asked(organisation, copy_of(truthful_night, tmp_path / "again"), "resource_group_query") as cells:
        assert [(cell.outcome, cell.record_count) for cell in cells] == [("failed", 0)] * len(cells)


@pytest.mark.parametrize("times", [1, 99])
def test_a_group_without_a_query_takes_none_from_the_others(
    times: int, organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    groups = len(organisation.truth("hub")["resource_groups"])
    organisation.faults(
        [{"action": "error", "op": "GetGroupQuery", "code": "BadRequestException", "message": "no", "times": times}]
    )
    with asked(organisation, database, "resource_group_query") as cells:
        assert {(cell.outcome, cell.attempt_count) for cell in cells} == {("found", 1)}
        assert sum(cell.record_count or 0 for cell in cells) == groups


def test_a_group_whose_stack_cannot_be_read_is_not_an_empty_group(
    organisation: Simulator, truthful_night: Path
) -> None:
    rows = query(
        truthful_night / "aws_org.duckdb",
        "select outcome, skip_reason from audit.collection where listing = $listing",
        {"listing": "resource_group_member:stack-that-is-gone"},
    )
    assert rows == [("skipped", "group_unresolved")]


# ------------------------------------------------------------------------------- only what is not trusted


def test_only_what_is_not_trusted_is_requested_again_and_nothing_else_goes(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    account = organisation.truth()["reachable"][-1]
    organisation.faults([{"action": "denied", "account": account, "op": "DescribeInstances", "times": 99}])
    with asked(organisation, database, REGION, "ec2_instance") as cells:
        assert {c.outcome for c in cells if c.account_id == account and c.listing == "ec2_instance"} == {"denied"}
    organisation.control("DELETE", "/faults")
    organisation.clear_log()
    with asked(organisation, database, REGION, "ec2_instance", only_untrusted=True, run="a-night-later") as cells:
        again = [cell for cell in cells if cell.outcome != "skipped"]
        assert {cell.account_id for cell in again} == {account}
        assert {cell.outcome for cell in again} == {"found", "empty_verified"}
    calls = [(call["account_id"], call["operation"]) for call in organisation.log() if call["service"] == "ec2"]
    assert set(calls) == {(account, "DescribeInstances")}
    # What was left as it is has not been taken for gone.
    left = query(
        database,
        "select count(*) from audit.coverage where listing in ('ec2_instance', 'ec2_region') "
        "and (skip_reason in ('no_longer_asked', 'parent_gone') or (outcome <> 'skipped' and not is_trusted))",
        of="working",
    )
    assert left == [(0,)]


def test_what_was_trusted_too_long_ago_is_requested_again_too(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    store = Store(database)
    with store.holding("clock", "test"), store.transaction() as connection:
        connection.execute(
            "update audit.collection set started_at = started_at - interval 21 hours, "
            "ended_at = ended_at - interval 21 hours where listing = 'ec2_vpc'"
        )
        renew_coverage(connection)
    with asked(organisation, database, REGION, "ec2_vpc", only_untrusted=True) as cells:
        assert {cell.listing for cell in cells if cell.outcome == "found"} == {"ec2_vpc"}


# ------------------------------------------------------------------------------------------------- records


def taken(
    listing: Listing, page: dict[str, Any], parameters: dict[str, Any] | None = None, account: str = "000000000001"
) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    model = operation_model(listing.service, listing.operation)
    Pages(listing, account, kept.append).take(page, model, parameters or {})
    return kept


def test_records_that_are_documents_are_read_and_nonsense_is_no_response() -> None:
    listing = CATALOGUE["config_resource"]
    assert taken(listing, {"Results": ['{"arn": "a"}']}) == [{"arn": "a"}]
    for nonsense in ("{", "[]", '"text"'):
        with pytest.raises(Failed, match="UnreadableAnswer"):
            taken(listing, {"Results": [nonsense]})


def test_a_map_is_one_record_that_says_what_was_requested() -> None:
    listing = CATALOGUE["resource_group_tag"]
    page = {"Arn": "arn", "Tags": {"Arn": "a tag of that name", "": "x"}}
    assert taken(listing, page, {"Arn": "arn:1"}) == [{"Arn": "arn:1", "Tags": page["Tags"]}]
    assert taken(listing, {"Tags": {}}, {"Arn": "arn:1"}) == [{"Arn": "arn:1", "Tags": {}}]
    with pytest.raises(Failed, match="UnreadableAnswer"):
        taken(listing, {"Arn": "arn"})


def test_a_response_that_lists_errors_is_none() -> None:
    listing = CATALOGUE["resource_group_member"]
    good: dict[str, Any] = {"ResourceIdentifiers": [], "QueryErrors": []}
    assert taken(listing, good) == []
    with pytest.raises(Failed) as failed:
        taken(listing, good | {"QueryErrors": [{"ErrorCode": "CLOUDFORMATION_STACK_INACTIVE", "Message": "gone"}]})
    assert failed.value.code == "CLOUDFORMATION_STACK_INACTIVE"


@pytest.mark.parametrize(
    ("arn", "outcome"),
    [
        ("arn:aws:s3:::bucket-of-nobody", None),
        ("arn:aws:ec2:eu-west-1:000000000001:vpc/vpc-1", None),
        ("arn:aws:ec2:eu-west-1:000000000009:vpc/vpc-1", "wrong_account"),
        ("bucket", "failed"),
    ],
)
def test_an_arn_that_names_no_account_is_nobodys_and_another_accounts_is_refused(arn: str, outcome: str | None) -> None:
    listing = CATALOGUE["tagged_resource"]
    page = {"ResourceTagMappingList": [{"ResourceARN": arn, "Tags": []}]}
    if outcome is None:
        assert len(taken(listing, page)) == 1
        return
    with pytest.raises(Failed) as failed:
        taken(listing, page)
    assert failed.value.outcome == outcome


# ------------------------------------------------------------------------------------------------- metrics


def test_metrics_are_requested_500_at_a_time_each_once_over_whole_days() -> None:
    resources = [("ec2_instance", f"i-{number:017d}") for number in range(300)]
    made = metrics.MetricRequests([*resources, resources[0]], date(2026, 3, 1))
    queries = [query for request in made for query in request["MetricDataQueries"]]
    assert [len(request["MetricDataQueries"]) for request in made] == [500, 500, 500, 500, 100]
    assert len({query["Label"] for query in queries}) == len({query["Id"] for query in queries}) == 2100
    assert {(request["StartTime"], request["EndTime"]) for request in made} == {
        ("2026-01-30T00:00:00+00:00", "2026-03-01T00:00:00+00:00")
    }
    samples = [query for query in queries if query["MetricStat"]["Stat"] == "SampleCount"]
    assert len(samples) == 3 * 300
    # Made when it is taken, and not kept: those of a whole organisation would be gigabytes.
    assert made[0] == made[0] and made[0] is not made[0]
    assert made[1:3] == [made[1], made[2]] and made[-1] == made[4]


@pytest.mark.parametrize("in_this_step", [True, False])
def test_what_was_known_is_measured_on_where_its_listing_is_refused(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, in_this_step: bool
) -> None:
    """The cell of an account's metrics is replaced whole: what it was not asked about would be gone."""
    database = copy_of(truthful_night, tmp_path)
    store = Store(database)
    profile = organisation.env["AWS_PROFILE"]
    ((account, region, known),) = query(
        database,
        """
        select m.account_id, m.region, list(distinct m.resource_id order by m.resource_id)
        from stage.cloudwatch_metric_asked as m
        join org.account as a using (account_id)
        where m.namespace = 'AWS/RDS' and a.profile = $profile
        group by all order by all limit 1
        """,
        {"profile": profile},
    )
    assert known
    age(database, METRIC)
    place = {"account": account, "region": region}
    if in_this_step:
        organisation.faults([{"action": "denied", "service": "rds", "op": "DescribeDBInstances", **place}])
    else:
        with store.holding("refused", "test"), store.transaction() as connection:
            connection.execute(
                """
                update audit.collection set outcome = 'denied', is_trusted = false
                where account_id = $account and region = $region and listing = 'rds_db_instance'
                """,
                place,
            )
            renew_coverage(connection)
    names = ("rds_db_instance", METRIC) if in_this_step else (METRIC,)
    with asked(organisation, database, *names, CMDB_WORKLOAD_PROFILES=profile) as cells:
        outcomes = {c.listing: c.outcome for c in cells if (c.account_id, c.region) == (account, region)}
        assert outcomes == {METRIC: "found"} | ({"rds_db_instance": "denied"} if in_this_step else {})
    with store.read() as connection:
        measured = connection.execute(
            """
            select distinct split_part(json_extract_string(item, '$.Label'), '|', 3)
            from read_json($file, format = 'newline_delimited', columns = {
                account_id: 'VARCHAR', region: 'VARCHAR', item: 'JSON'
            })
            where
                account_id = $account and region = $region
                and split_part(json_extract_string(item, '$.Label'), '|', 1) = 'AWS/RDS'
            order by all
            """,
            {"file": str(records_path(store.landing, RUN, METRIC)), **place},
        ).fetchall()
    assert [name for (name,) in measured] == known


def test_a_listing_for_what_another_names_says_where_it_is_requested() -> None:
    for listing in CATALOGUE.values():
        each = listing.each or Each("")
        for parent in each.of:
            assert CATALOGUE[parent].scope == listing.scope or each.region_field, listing.name
