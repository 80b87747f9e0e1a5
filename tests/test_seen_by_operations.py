"""What the operations account knows of others: groups, tags, Config, metrics. Each figure equals the organisation's."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import Any

import pytest
from given import FIRST_NIGHT, MANAGEMENT, WORKLOAD, Given, House, hours, rows
from nights import Witness

from resources.store.store import Store
from simulator.client import Simulator

Row = dict[str, Any]
OTHER = "000000000042"


def shown(night: Witness, sql: str) -> list[Row]:
    """What the published file answers."""
    with Store(night.database).published() as connection:
        return rows(connection, sql)


# ----------------------------------------------------------------------------------------------- groups and tags


def test_every_resource_group_has_its_query_tags_and_members(witnessed_night: Witness) -> None:
    truth = witnessed_night.truth["resource_groups"]
    groups = shown(witnessed_night, "select * from aws.resource_group")
    names = ("arn", "name", "account_id", "region", "query_type", "tags")
    assert sorted((tuple(row[name] for name in names) for row in groups), key=repr) == sorted(
        (tuple({**row, "arn": row["group_arn"]}[name] for name in names) for row in truth), key=repr
    )
    assert {row["arn"]: json.loads(row["query"]) for row in groups} == {row["group_arn"]: row["query"] for row in truth}
    members = shown(witnessed_night, "select group_arn, arn, resource_type from aws.resource_group_member")
    assert Counter((row["group_arn"], row["arn"], row["resource_type"]) for row in members) == Counter(
        (group["group_arn"], member["arn"], member["resource_type"]) for group in truth for member in group["members"]
    )
    assert len(members) > 20


def test_every_tagged_resource_is_there_and_none_is_taken_for_an_inventory(witnessed_night: Witness) -> None:
    found = shown(witnessed_night, "select arn, account_id, region, tags from aws.tagged_resource")
    assert sorted(found, key=repr) == sorted(witnessed_night.truth["tagged_resources"], key=repr)
    (counted,) = shown(
        witnessed_night,
        "select count(*) as items, count(distinct arn) as arns from cmdb.resource",
    )
    assert counted["items"] == counted["arns"] > len(found)


def test_the_fill_rate_counts_every_item_of_which_the_tags_are_known(witnessed_night: Witness) -> None:
    items = shown(witnessed_night, "select tags from cmdb.resource where status <> 'retired'")
    known = [row["tags"] for row in items if row["tags"] is not None]
    rates = shown(witnessed_night, "select * from cmdb.tag_fill_rate")
    assert rates
    for row in rates:
        filled = sum(bool(tags.get(row["tag_key"])) for tags in known)
        empty = sum(tags.get(row["tag_key"]) == "" for tags in known)
        assert (row["filled_count"], row["empty_count"]) == (filled, empty)
        assert row["absent_count"] == len(known) - filled - empty
        assert row["unknown_count"] == len(items) - len(known)
        assert row["fill_rate_pct"] == f"{10000 * filled // len(known) / 100:.2f}"


INTERFACE = f"arn:aws:ec2:ap-southeast-2:{WORKLOAD}:network-interface/eni-1"


def tagged(*tags: Row, arn: str = INTERFACE, **cell: Any) -> Given:
    """What the tagging API says of one resource."""
    return Given("tagged_resource", [{"ResourceARN": arn, "Tags": list(tags)}], **cell)


def interface(caller: str, *tags: Row) -> Given:
    """One account's answer with an interface; one that is not its owner is not shown the tags."""
    record = {"OwnerId": WORKLOAD, "NetworkInterfaceId": "eni-1", "TagSet": list(tags)}
    return Given("ec2_network_interface", [record], account_id=caller)


PROJECT, OTHER_PROJECT = {"Key": "bc:project", "Value": "a"}, {"Key": "bc:project", "Value": "b"}


@pytest.mark.parametrize(
    ("listed", "told", "project", "source"),
    [
        (interface(WORKLOAD, PROJECT), tagged(OTHER_PROJECT), "a", "ec2_network_interface"),
        (interface(WORKLOAD), tagged(OTHER_PROJECT), "b", "tagged_resource"),
        (interface(OTHER), tagged(OTHER_PROJECT), "b", "tagged_resource"),
        (interface(OTHER), tagged(OTHER_PROJECT, arn="arn:another"), None, None),
        (interface(WORKLOAD), tagged(OTHER_PROJECT, arn="arn:another"), None, "ec2_network_interface"),
    ],
    ids=["its own word", "none of its own", "its own not known", "nobody knows", "nobody has any"],
)
def test_tags_that_a_listing_does_not_give_are_the_tagging_apis(
    home: House, listed: Given, told: Given, project: str | None, source: str | None
) -> None:
    home.night("night-1", [listed, told])
    home.build("cmdb.resource", "cmdb.tag_fill_rate")
    assert home.rows("select project, tags_source from cmdb.resource") == [{"project": project, "tags_source": source}]
    (rate,) = home.rows("select * exclude (tag_key) from cmdb.tag_fill_rate where tag_key = 'bc:project'")
    if source is None:
        assert rate == dict.fromkeys(("filled_count", "empty_count", "absent_count"), 0) | {
            "unknown_count": 1,
            "fill_rate_pct": None,
        }
    else:
        assert (rate["filled_count"], rate["unknown_count"]) == (int(project is not None), 0)


def test_a_stale_word_of_the_tagging_api_is_no_word_against_a_response_without_tags(home: House) -> None:
    home.night("night-1", [interface(WORKLOAD), tagged(OTHER_PROJECT)])
    home.build("cmdb.resource")
    home.night("night-2", [interface(WORKLOAD), Given("tagged_resource", outcome="denied")], FIRST_NIGHT + hours(24))
    home.build("cmdb.resource")
    assert home.rows("select tags, tags_source from cmdb.resource") == [
        {"tags": {}, "tags_source": "ec2_network_interface"}
    ]


# ----------------------------------------------------------------------------------------------------- aggregator


def test_the_aggregators_and_what_they_know_are_those_of_the_organisation(witnessed_night: Witness) -> None:
    truth = witnessed_night.truth
    found = shown(witnessed_night, "select name, arn, account_id, region from aws.config_aggregator")
    assert sorted(found, key=repr) == sorted(
        ({name: row[name] for name in ("name", "arn", "account_id", "region")} for row in truth["config_aggregators"]),
        key=repr,
    )
    known = shown(
        witnessed_night, "select arn, account_id, region, resource_type, resource_id from aws.config_resource"
    )
    assert sorted(tuple(row.values()) for row in known) == sorted(
        (row["arn"], row["accountId"], row["awsRegion"], row["resourceType"], row["resourceId"])
        for row in truth["config_resources"]
    )


def test_the_aggregators_coverage_and_what_only_they_know(witnessed_night: Witness) -> None:
    truth = witnessed_night.truth
    known = Counter((row["accountId"], row["awsRegion"]) for row in truth["config_resources"])
    found = shown(witnessed_night, "select * from cmdb.aggregator_coverage")
    asked = {*truth["reachable"], truth["central"]["operations"]}
    active = {account["account_id"] for account in truth["accounts"] if account["state"] == "ACTIVE"}
    places = {(account, region) for account in asked for region in truth["regions"]}
    places |= {place for place in known if place[0] in active}
    places |= {(account, "aws-global") for account in active - {account for account, _ in places}}
    assert {(row["account_id"], row["region"]) for row in found} == places
    for row in found:
        place = row["account_id"], row["region"]
        assert (row["config_resource_count"], row["is_covered"]) == (known[place], known[place] > 0), place
        assert (row["resource_count"] is not None) is (row["account_id"] in asked)
    types = {row["resource_type"] for row in shown(witnessed_night, "select distinct resource_type from cmdb.resource")}
    beyond = Counter(
        (row["accountId"], row["awsRegion"])
        for row in truth["config_resources"]
        if row["accountId"] not in asked and row["resourceType"] in types
    )
    assert {(row["account_id"], row["region"]): row["unjudged_count"] for row in found if row["unjudged_count"]} == {
        place: count for place, count in beyond.items() if place[0] in active
    }
    assert any(beyond.values())
    missing = {row["account_id"] for row in found} - {row["account_id"] for row in found if row["is_covered"]}
    (organisation,) = [row for row in truth["config_aggregators"] if row["name"] == "organisation"]
    assert missing == {*organisation["missing_account_ids"]} & active
    assert missing
    unseen = shown(witnessed_night, "select arn, asked_listing from cmdb.aggregator_unseen")
    assert unseen == [{"arn": arn, "asked_listing": "ec2_instance"} for arn in truth["config_unseen_arns"]]
    assert sum(row["unseen_count"] for row in found) == len(unseen) == 1


VPC = f"arn:aws:ec2:ap-southeast-2:{WORKLOAD}:vpc/"


def recorded(name: str, **other: Any) -> Row:
    """A VPC as Config knows it."""
    own = {"accountId": WORKLOAD, "awsRegion": "ap-southeast-2", "arn": VPC + name, "resourceId": name}
    return {
        **own,
        "resourceType": "AWS::EC2::VPC",
        "resourceCreationTime": "2026-11-01T00:00:00Z",
        "configurationItemCaptureTime": "2026-11-24T09:00:00Z",
        **other,
    }


@pytest.mark.parametrize(
    ("vpcs", "record", "unseen"),
    [
        (Given("ec2_vpc", [{"OwnerId": WORKLOAD, "VpcId": "vpc-1"}]), recorded("vpc-2"), ["vpc-2"]),
        (Given("ec2_vpc", [{"OwnerId": WORKLOAD, "VpcId": "vpc-1"}]), recorded("vpc-1"), []),
        (
            Given("ec2_vpc", [{"OwnerId": WORKLOAD, "VpcId": "vpc-1"}]),
            recorded("vpc-2", resourceCreationTime="2026-11-24T14:00:01Z"),
            [],
        ),
        (
            Given("ec2_vpc", [{"OwnerId": WORKLOAD, "VpcId": "vpc-1"}]),
            recorded("vpc-2", resourceType="AWS::EC2::NobodysThing"),
            [],
        ),
        (Given("ec2_vpc", outcome="denied"), recorded("vpc-2"), []),
    ],
    ids=["not seen", "seen", "made after the question", "a type that nobody collects", "an answer not trusted"],
)
def test_only_what_a_trusted_response_ought_to_have_shown_counts_as_unseen(
    home: House, vpcs: Given, record: Row, unseen: list[str]
) -> None:
    elsewhere = Given("ec2_vpc", [{"OwnerId": OTHER, "VpcId": "vpc-9"}], account_id=OTHER)
    home.night("night-1", [vpcs, elsewhere, Given("config_resource:all", [record])])
    home.build("cmdb.aggregator_unseen")
    assert [row["resource_id"] for row in home.rows("select resource_id from cmdb.aggregator_unseen")] == unseen


@pytest.mark.parametrize(
    ("cells", "covered"),
    [
        ([Given("config_aggregator", outcome="skipped", skip_reason="optional_grant_not_given")], None),
        (
            [
                Given("config_aggregator", [{"ConfigurationAggregatorName": "all"}]),
                Given("config_resource:all", outcome="denied"),
            ],
            None,
        ),
        ([Given("config_aggregator"), Given("config_resource", outcome="skipped", skip_reason="no_parents")], False),
        (
            [
                Given("config_aggregator", [{"ConfigurationAggregatorName": "all"}]),
                Given("config_resource:all", [recorded("vpc-1")]),
            ],
            True,
        ),
    ],
    ids=["no grant", "refused", "no aggregator", "known"],
)
def test_coverage_is_unknown_where_no_aggregator_could_be_requested(
    home: House, cells: list[Given], covered: bool | None
) -> None:
    accounts = [{"Id": MANAGEMENT, "State": "ACTIVE"}, {"Id": WORKLOAD, "State": "ACTIVE"}]
    vpcs = Given("ec2_vpc", [{"OwnerId": WORKLOAD, "VpcId": "vpc-1"}])
    home.night("night-1", [Given("organizations_account", accounts), vpcs, *cells])
    home.build("cmdb.aggregator_coverage")
    found = home.rows(
        "select is_covered, resource_count, unseen_count from cmdb.aggregator_coverage where account_id = $account",
        {"account": WORKLOAD},
    )
    assert found == [
        {"is_covered": covered, "resource_count": 1, "unseen_count": None if covered is None else 0},
    ]


REGION = "ap-southeast-2"
SEEN_ELSEWHERE = Given("ec2_vpc", [{"OwnerId": OTHER, "VpcId": "vpc-9"}], account_id=OTHER)
BUCKET = {"arn": "arn:aws:s3:::b", "resourceId": "b", "resourceType": "AWS::S3::Bucket"}


@pytest.mark.parametrize(
    ("cells", "shown_of_place"),
    [
        ([Given("ec2_vpc", [{"OwnerId": WORKLOAD, "VpcId": "vpc-1"}])], (1, 1, 0)),
        ([Given("ec2_vpc", outcome="denied")], (None, 0, 2)),
        # Another listing was answered, so that something is collected.
        ([Given("ec2_vpc", outcome="denied"), Given("ec2_subnet")], (0, 0, 2)),
        ([Given("ec2_subnet")], (0, 0, 2)),
    ],
    ids=["answered", "denied", "denied beside another", "never asked"],
)
def test_what_config_knows_of_a_listing_that_was_not_answered_is_unjudged_and_not_seen(
    home: House, cells: list[Given], shown_of_place: tuple[int | None, int, int]
) -> None:
    accounts = [{"Id": MANAGEMENT, "State": "ACTIVE"}, {"Id": WORKLOAD, "State": "ACTIVE"}]
    known = [recorded("vpc-1"), recorded("vpc-2"), recorded("vpc-3", resourceType="AWS::EC2::NobodysThing")]
    aggregator = Given("config_aggregator", [{"ConfigurationAggregatorName": "all"}])
    home.night(
        "night-1",
        [
            Given("organizations_account", accounts),
            SEEN_ELSEWHERE,
            aggregator,
            Given("config_resource:all", known),
            *cells,
        ],
    )
    home.build("cmdb.aggregator_coverage")
    found = home.rows(
        "select resource_count, unseen_count, unjudged_count from cmdb.aggregator_coverage "
        "where account_id = $account and region = $region",
        {"account": WORKLOAD, "region": REGION},
    )
    assert [tuple(row.values()) for row in found] == [shown_of_place]


@pytest.mark.parametrize(("outcome", "unjudged"), [("found", 0), ("denied", 1)])
def test_a_bucket_is_judged_by_a_listing_that_has_no_region(home: House, outcome: Any, unjudged: int) -> None:
    buckets = [{"Name": "b", "BucketRegion": REGION, "CreationDate": "2026-11-01T00:00:00Z"}]
    elsewhere = Given("s3_bucket", [{**buckets[0], "Name": "c"}], account_id=OTHER)
    home.night(
        "night-1",
        [
            Given("organizations_account", [{"Id": WORKLOAD, "State": "ACTIVE"}]),
            Given("config_aggregator", [{"ConfigurationAggregatorName": "all"}]),
            Given("config_resource:all", [recorded("b", **BUCKET)]),
            elsewhere,
            Given("s3_bucket", buckets if outcome == "found" else (), outcome),
        ],
    )
    home.build("cmdb.aggregator_coverage")
    found = home.rows(
        "select unseen_count, unjudged_count from cmdb.aggregator_coverage where account_id = $account",
        {"account": WORKLOAD},
    )
    assert found == [{"unseen_count": 0, "unjudged_count": unjudged}]


# -------------------------------------------------------------------------------------------------------- metrics


def test_every_value_and_its_samples_are_cloudwatchs_and_a_day_without_data_has_no_row(
    organisation: Simulator, witnessed_night: Witness
) -> None:
    truth = witnessed_night.truth
    today = dt.date.fromisoformat(truth["today"])
    asked = {*truth["reachable"], truth["central"]["operations"]}
    found = shown(
        witnessed_night,
        "select arn, metric, statistic, usage_date, value, data_points from aws.cloudwatch_metric_daily",
    )
    statistics = {
        "CPUUtilization": ("Average", "Maximum"),
        "NetworkIn": ("Sum",),
        "NetworkOut": ("Sum",),
        "DatabaseConnections": ("Maximum",),
        "Invocations": ("Sum",),
    }
    # No rule judges an instance that does not run by its metrics, and AWS charges for each.
    stopped = {
        row["arn"] for row in shown(witnessed_night, "select arn from aws.ec2_instance where state <> 'running'")
    }
    assert stopped
    expected = {
        (row["arn"], row["metric"], statistic, row["usage_date"]): (row[statistic], row["SampleCount"])
        for row in organisation.metrics(today - dt.timedelta(days=30), today)
        if row["arn"].split(":")[4] in asked and row["arn"] not in stopped
        for statistic in statistics[row["metric"]]
    }
    assert len(found) == len(expected) > 1000
    assert {
        (row["arn"], row["metric"], row["statistic"], row["usage_date"]): (row["value"], row["data_points"])
        for row in found
    } == expected
    assert {row["metric"] for row in found} == statistics.keys()
    for part in ("metric_activity", "database_activity", "function_activity"):
        assert any(row["activity"] == "none" for row in truth[part]), part
    silent = {
        row["arn"]
        for part in ("metric_activity", "database_activity", "function_activity")
        for row in truth[part]
        if row["activity"] == "none"
    }
    assert silent.isdisjoint(row["arn"] for row in found)
    assert {row["data_points"] for row in found} >= {36, 288, 1440}
