"""What is a version of an item, and when it begins (SCD type 2)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from given import FIRST_NIGHT, WORKLOAD, Given, House, build, built_file, hours, house
from item_rows import MODELS, Row, at, empty, make, put, said

from pipelines.models.model import ModelError


@pytest.fixture
def rows() -> House:
    return empty()


def item(number: float = 0, **other: Any) -> Row:
    return {
        "arn": "arn:1",
        "resource_type": "AWS::EC2::Instance",
        "account_id": WORKLOAD,
        "tags": {},
        "attributes": "{}",
        "status": "active",
        "collected_at": at(number),
        "run_id": f"run-{number}",
        "listing": "ec2_instance",
        **other,
    }


def night(rows: House, *items: Row) -> None:
    put(rows, "cmdb.resource", *items)
    make(rows, "cmdb.resource_version")


Version = tuple[str, str, list[str]]


def versions(rows: House, arn: str = "arn:1") -> list[Version]:
    """When each version of an item began, what began it, and what differed; each but the last ends with the next."""
    found = rows.rows(
        """
        select valid_from, valid_to, is_current, change, changed_attributes, run_id
        from cmdb.resource_version where arn = $arn order by valid_from
        """,
        {"arn": arn},
    )
    ends = [*(row["valid_from"] for row in found[1:]), None]
    assert [(row["valid_to"], row["is_current"]) for row in found] == [(end, end is None) for end in ends]
    return [(row["valid_from"], row["change"], row["changed_attributes"]) for row in found]


def known(rows: House) -> dict[str, Any]:
    """The current version of the item, its attributes read."""
    (row,) = rows.rows("select * from cmdb.resource_version where is_current and arn = 'arn:1'")
    return row | {"attributes": json.loads(row["attributes"])}


DISCOVERED: Version = (said(0), "discovered", [])


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        pytest.param({"name": "a"}, {"name": "b"}, ["name"], id="another name"),
        pytest.param({}, {"name": "b"}, ["name"], id="a first name"),
        pytest.param({"name": "a"}, {}, ["name"], id="no name any more"),
        pytest.param({}, {"state": "running"}, ["state"], id="a first state"),
        pytest.param({"state": "running"}, {}, ["state"], id="no state any more"),
        pytest.param({}, {"availability_zone": "a"}, ["availability_zone"], id="a first zone"),
        pytest.param({"availability_zone": "a"}, {}, ["availability_zone"], id="no zone any more"),
        pytest.param({}, {"tags": {"a": "1"}}, ["tags"], id="a first tag"),
        pytest.param({"tags": {"a": "1", "b": "2"}}, {"tags": {"b": "2", "a": "1"}}, [], id="tags in another order"),
        pytest.param({"tags": {"a": "1"}}, {"tags": None}, [], id="tags that could not be read"),
        pytest.param({"resource_id": "i-1"}, {"resource_id": "i-2"}, ["resource_id"], id="another id"),
        pytest.param({"resource_id": "i-1"}, {}, [], id="an id that is not reported"),
        pytest.param({}, {"resource_id": "i-1"}, [], id="an id that was not reported"),
        pytest.param({"created_at": at(-2)}, {"created_at": at(-1)}, ["created_at"], id="another time of creation"),
        pytest.param({"created_at": at(-2)}, {}, [], id="a time of creation that is not reported"),
        pytest.param({}, {"created_at": at(-2)}, [], id="a time of creation that was not reported"),
        pytest.param({"attributes": '{"x": 1}'}, {"attributes": '{"x": 2}'}, ["x"], id="another attribute"),
        pytest.param({"attributes": '{"x": 1}'}, {"attributes": '{"x": 1, "y": 2}'}, [], id="an attribute that is new"),
        pytest.param({"attributes": '{"x": 1, "y": 2}'}, {"attributes": '{"x": 1}'}, [], id="one that is not given"),
        pytest.param({"attributes": '{"x": ["a", "b"]}'}, {"attributes": '{"x": ["b", "a"]}'}, [], id="another order"),
        pytest.param({"attributes": '{"x": ["a", "b"]}'}, {"attributes": '{"x": ["b"]}'}, ["x"], id="a shorter list"),
        pytest.param({"attributes": '{"v": 1}'}, {"attributes": '{"v": 2}'}, [], id="one that is volatile"),
        pytest.param({"attributes": '{"w": 1}'}, {"attributes": '{"w": 2}'}, ["w"], id="volatile in another type"),
    ],
)
def test_a_version_begins_with_what_differs_and_with_nothing_else(
    rows: House, before: Row, after: Row, differs: list[str]
) -> None:
    put(
        rows,
        "ref.volatile_attribute",
        {"resource_type": "AWS::EC2::Instance", "attribute": "v"},
        {"resource_type": "AWS::EC2::Instance", "attribute": "u"},
        {"resource_type": "AWS::EC2::Volume", "attribute": "w"},
    )
    night(rows, item(**before))
    night(rows, item(24, **after))
    assert versions(rows) == [DISCOVERED, *([(said(24), "changed", differs)] if differs else [])]
    assert known(rows)["run_id"] == ("run-24" if differs else "run-0")
    assert not {"v", "u"} & known(rows)["attributes"].keys()


def test_a_version_holds_all_that_the_item_was(rows: House) -> None:
    tags = {"b": "2", "a": "1"}
    more = {"resource_id": "i-1", "created_at": at(-1), "tags": tags, "attributes": '{"x": ["b", "a"]}'}
    night(rows, item(name="web", state="running", availability_zone="a", **more))
    row = known(rows)
    assert isinstance(row.pop("raw_hash"), int)
    assert row == {
        "arn": "arn:1",
        "valid_from": said(0),
        "valid_to": None,
        "is_current": True,
        "resource_type": "AWS::EC2::Instance",
        "account_id": WORKLOAD,
        "status": "active",
        "change": "discovered",
        "changed_attributes": [],
        "attributes": {
            "name": "web",
            "state": "running",
            "availability_zone": "a",
            "resource_id": "i-1",
            "created_at": "2026-11-24T13:00:00.000000Z",
            "tags": {"a": "1", "b": "2"},
            "x": ["a", "b"],
        },
        "run_id": "run-0",
        "listing": "ec2_instance",
    }


def test_what_is_filled_in_is_known_from_then_on(rows: House) -> None:
    night(rows, item(attributes='{"x": 1}'))
    night(rows, item(24, attributes='{"x": 1, "y": 2}', listing="another"))
    row = known(rows)
    assert row["attributes"]["y"] == 2
    assert (row["valid_from"], row["run_id"], row["listing"]) == (said(0), "run-0", "ec2_instance")
    night(rows, item(48, attributes='{"x": 1, "y": 3}', listing="another"))
    assert versions(rows) == [DISCOVERED, (said(48), "changed", ["y"])]
    assert known(rows)["listing"] == "another"


def test_a_tag_that_changed_while_tags_could_not_be_read_is_a_change_when_they_can(rows: House) -> None:
    night(rows, item(tags={"a": "1"}))
    night(rows, item(24, tags=None))
    assert known(rows)["attributes"]["tags"] == {"a": "1"}
    night(rows, item(48, tags={"a": "2"}))
    assert versions(rows) == [DISCOVERED, (said(48), "changed", ["tags"])]


def test_an_id_and_a_time_of_creation_that_are_not_reported_are_the_last_that_were(rows: House) -> None:
    night(rows, item(resource_id="i-1", created_at=at(-1)))
    night(rows, item(24, name="a"))
    attributes = known(rows)["attributes"]
    assert (attributes["resource_id"], attributes["created_at"]) == ("i-1", "2026-11-24T13:00:00.000000Z")
    night(rows, item(48, name="a", resource_id="i-2", created_at=at(-1)))
    assert versions(rows)[1:] == [(said(24), "changed", ["name"]), (said(48), "changed", ["resource_id"])]


def test_a_time_of_creation_that_is_volatile_in_the_type_is_not_kept(rows: House) -> None:
    put(rows, "ref.volatile_attribute", {"resource_type": "AWS::EC2::Instance", "attribute": "created_at"})
    night(rows, item(created_at=at(-2)), item(arn="arn:2", resource_type="AWS::EC2::Volume", created_at=at(-2)))
    night(rows, item(24, created_at=at(-1)), item(24, arn="arn:2", resource_type="AWS::EC2::Volume", created_at=at(-1)))
    assert (versions(rows), len(versions(rows, "arn:2"))) == ([DISCOVERED], 2)
    assert "created_at" not in known(rows)["attributes"]


@pytest.mark.parametrize(
    ("after", "differs"),
    [({"resource_id": "i-2"}, ["resource_id"]), ({"attributes": '{"v": 2}'}, [])],
    ids=["by its id", "by what no version shows"],
)
def test_an_item_that_took_the_place_of_another_begins_a_version_once(
    rows: House, after: Row, differs: list[str]
) -> None:
    put(rows, "ref.volatile_attribute", {"resource_type": "AWS::EC2::Instance", "attribute": "v"})
    night(rows, item(resource_id="i-1"))
    taken = {"resource_id": "i-1", "replaced_at": at(24), **after}
    night(rows, item(24, **taken))
    replaced = [DISCOVERED, (said(24), "replaced", differs)]
    assert versions(rows) == replaced
    night(rows, item(48, **taken | {"attributes": '{"v": 3}'}))
    assert versions(rows) == replaced
    night(rows, item(72, **taken | {"name": "new"}))
    assert versions(rows) == [*replaced, (said(72), "changed", ["name"])]


def test_a_status_begins_a_version_when_it_was_known_and_not_when_it_was_built(rows: House) -> None:
    night(rows, item())
    night(rows, item(status="missing", missing_since=at(24)))
    night(rows, item(status="missing", missing_since=at(24)))
    night(rows, item(status="retired", missing_since=at(24), retired_at=at(48)))
    night(rows, item(72, name="new"))
    night(rows, item(72, name="new"))
    assert versions(rows) == [
        DISCOVERED,
        (said(24), "missing", []),
        (said(48), "retired", []),
        (said(72), "returned", ["name"]),
    ]
    assert [row["status"] for row in rows.rows("select status from cmdb.resource_version order by valid_from")] == [
        "active",
        "missing",
        "retired",
        "active",
    ]


@pytest.mark.parametrize("status", ["missing", "retired"])
def test_what_is_known_first_when_it_is_gone_begins_with_that(rows: House, status: str) -> None:
    night(rows, item(status=status, missing_since=at(24), retired_at=at(48)))
    assert versions(rows) == [(said(24 if status == "missing" else 48), status, [])]


def test_a_response_that_is_no_newer_corrects_the_version_and_begins_none(rows: House) -> None:
    night(rows, item())
    night(rows, item(24, name="a"))
    night(rows, item(24, name="b"))
    assert versions(rows) == [DISCOVERED, (said(24), "changed", ["name"])]
    assert known(rows)["attributes"]["name"] == "b"
    night(rows, item(status="missing", name="b", missing_since=at(24)))
    assert versions(rows) == [DISCOVERED, (said(24), "missing", ["name"])]
    assert known(rows)["status"] == "missing"


def test_a_run_touches_no_version_of_another_item(rows: House) -> None:
    night(rows, item(), item(arn="arn:2", name="a"))
    for hour, name in ((24, "new"), (48, "newer")):
        night(rows, item(hour, name=name), item(arn="arn:2", name="a"))
        assert versions(rows, "arn:2") == [DISCOVERED]
    assert versions(rows) == [DISCOVERED, (said(24), "changed", ["name"]), (said(48), "changed", ["name"])]


def test_a_version_that_begins_when_another_items_did_leaves_that_one(rows: House) -> None:
    night(rows, item(), item(arn="arn:2", name="a"))
    night(rows, item(24, name="new"), item(arn="arn:2", name="a"))
    # The other's answer of that moment is believed in a later step.
    night(rows, item(24, name="new"), item(24, arn="arn:2", name="b"))
    changed = (said(24), "changed", ["name"])
    assert (versions(rows), versions(rows, "arn:2")) == ([DISCOVERED, changed], [DISCOVERED, changed])


@pytest.mark.parametrize("key", ["", "valid_from", "arn", "valid_from, arn"])
def test_a_history_whose_key_does_not_end_with_its_beginning_is_refused(rows: House, key: str) -> None:
    put(rows, "cmdb.resource", item())
    model = MODELS["cmdb.resource_version"]
    header = replace(model.header, entries={**model.header.entries, "key": key})
    with pytest.raises(
        ModelError, match=r"resource_version\.sql is a history, .* Nothing was changed\. Write what a ver"
    ):
        build(rows.store, replace(model, header=header))
    assert rows.rows("select * from cmdb.resource_version") == []


def test_what_passes_by_itself_begins_no_version_of_a_database_or_an_instance(tmp_path: Path) -> None:
    """Their records differ every night: by the time to which they can be restored, by what is under way."""
    database = {"DBInstanceArn": f"arn:aws:rds:ap-southeast-2:{WORKLOAD}:db:a", "DBInstanceIdentifier": "a"}
    groups = [{"DBParameterGroupName": "own", "ParameterApplyStatus": "in-sync"}]
    instance = {"OwnerId": WORKLOAD, "InstanceId": "i-1", "State": {"Name": "running"}}
    passing = (
        {"LatestRestorableTime": "2026-11-24T23:55:00Z", "PendingModifiedValues": {}, "DBParameterGroups": groups},
        {
            "LatestRestorableTime": "2026-11-25T23:55:00Z",
            "PendingModifiedValues": {"DBInstanceClass": "db.r6g.large"},
            "DBParameterGroups": [{**groups[0], "ParameterApplyStatus": "applying"}],
        },
    )
    options = {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1}
    nights = (
        ({**database, **passing[0]}, {**instance, "MetadataOptions": {**options, "State": "applied"}}),
        (
            {**database, **passing[1]},
            {**instance, "CapacityReservationId": "cr-1", "MetadataOptions": {**options, "State": "pending"}},
        ),
        (
            {**database, **passing[1], "PreferredBackupWindow": "03:00-03:30"},
            {**instance, "MetadataOptions": {**options, "HttpTokens": "optional", "State": "applied"}},
        ),
    )
    with house(tmp_path, working=built_file()) as home:
        for number, (of_database, of_instance) in enumerate(nights):
            cells = [Given("rds_db_instance", [of_database]), Given("ec2_instance", [of_instance])]
            home.night(f"night-{number}", cells, FIRST_NIGHT + hours(24 * number))
            home.build("aws.rds_db_instance", "aws.ec2_instance", "cmdb.resource", "cmdb.resource_version")
        found = home.rows("select run_id, changed_attributes from cmdb.resource_version order by run_id, arn")
    assert [(row["run_id"], row["changed_attributes"]) for row in found] == [
        ("night-0", []),
        ("night-0", []),
        ("night-2", ["metadata_http_tokens"]),
        ("night-2", ["backup_window"]),
    ]
