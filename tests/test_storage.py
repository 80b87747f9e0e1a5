"""Volumes, snapshots, images, addresses and NAT gateways: what is published equals the organisation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from given import rows
from nights import Witness, query

from pipelines.models.macros import RECORD
from pipelines.models.model import CELL_COLUMNS, read_models
from resources.store.store import Store

Row = dict[str, Any]

TABLES = {
    "aws.ec2_volume": ("volumes", "AWS::EC2::Volume"),
    "aws.ec2_snapshot": ("snapshots", "AWS::EC2::Snapshot"),
    "aws.ec2_image": ("images", "AWS::EC2::Image"),
    "aws.ec2_address": ("addresses", "AWS::EC2::EIP"),
    "aws.ec2_nat_gateway": ("nat_gateways", "AWS::EC2::NatGateway"),
}
"""Tables, what the simulator's truth calls their rows, and their type."""

AS_TOLD = {
    "throughput": "throughput_mibps",
    "size_gb": "volume_size_gb",
    "progress": "progress_pct",
    "deletes_on_termination": "is_deleted_on_termination",
}
"""Columns that the truth calls by another name; a volume's size is its own."""


@pytest.fixture(scope="module")
def published(witnessed_night: Witness) -> dict[str, list[Row]]:
    with Store(witnessed_night.database).published() as connection:
        names = (*TABLES, "aws.ec2_instance", "aws.ec2_network_interface", "cmdb.resource")
        return {name: rows(connection, f"select * from {name}") for name in names}


def as_published(table: str, told: Row) -> Row:
    """A row of the truth in the words of its table."""
    row = {}
    for name, value in told.items():
        column = name if (table, name) == ("aws.ec2_volume", "size_gb") else AS_TOLD.get(name, name)
        if name == "progress":
            value = int(value.rstrip("%"))
        elif name == "is_windows":
            column, value = "platform", "windows" if value else None
        elif name == "description":
            value = value or None
        elif name == "volume_id" and value == "vol-ffffffff":
            value = None
        elif name == "attachments":
            value = [as_published(table, each) for each in value]
        elif name.endswith("_at"):
            value = value and value.replace("+00:00", "Z")
        row[column] = value
    return row


@pytest.mark.parametrize("table", TABLES)
def test_every_table_equals_the_organisation(
    table: str, witnessed_night: Witness, published: dict[str, list[Row]]
) -> None:
    truth = witnessed_night.truth
    asked = {*truth["reachable"], truth["central"]["operations"]}
    expected = [as_published(table, row) for row in truth[TABLES[table][0]] if row["account_id"] in asked]
    found = [
        {
            name: [{key: each[key] for key in expected[0][name][0]} for each in row[name]]
            if name == "attachments"
            else row[name]
            for name in expected[0]
        }
        for row in published[table]
    ]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert len(expected) > 20
    assert not any(row["is_stale"] for row in published[table])


def test_what_hangs_together_names_each_other(published: dict[str, list[Row]]) -> None:
    """A volume and its instance, an address and its interface: asked apart, they agree."""
    instances = published["aws.ec2_instance"]
    assert {(i["instance_id"], volume) for i in instances for volume in i["volume_ids"]} == {
        (instance, row["volume_id"]) for row in published["aws.ec2_volume"] for instance in row["instance_ids"]
    }
    by_id = {row["instance_id"]: row for row in instances}
    held = [row for row in published["aws.ec2_address"] if row["instance_id"]]
    assert len(held) > 10
    for row in held:
        instance = by_id[row["instance_id"]]
        assert (row["public_ip"], row["private_ip_address"]) == (
            instance["public_ip_address"],
            instance["private_ip_address"],
        )
        assert row["network_interface_id"] in instance["network_interface_ids"]
    interfaces = {row["network_interface_id"] for row in published["aws.ec2_network_interface"]}
    for table in ("aws.ec2_address", "aws.ec2_nat_gateway"):
        named = {name for row in published[table] for name in row.get("network_interface_ids", ())}
        named |= {row["network_interface_id"] for row in published[table] if row.get("network_interface_id")}
        assert named and named <= interfaces


NO_ATTRIBUTES = {
    "aws.ec2_volume": {
        "encryption_type",
        "initialization_rate_mibps",
        "is_fast_restored",
        "managed_by",
        "outpost_arn",
        "source_volume_id",
    },
    "aws.ec2_snapshot": {"data_encryption_key_id", "encryption_type", "outpost_arn", "transfer_type"},
    "aws.ec2_image": {
        "block_device_mappings",
        "has_ena",
        "image_type",
        "is_allowed",
        "location",
        "product_codes",
        "source_image_region",
        "usage_operation",
        "virtualization_type",
    },
}
"""Columns that people join on and by which no item is described."""


@pytest.mark.parametrize("table", TABLES)
def test_every_one_is_a_configuration_item_with_all_of_its_attributes(
    table: str, published: dict[str, list[Row]]
) -> None:
    resource_type = TABLES[table][1]
    items = {row["arn"]: row for row in published["cmdb.resource"] if row["resource_type"] == resource_type}
    assert items.keys() == {row["arn"] for row in published[table]}
    (identifier,) = [
        name
        for name in published[table][0]
        if items[published[table][0]["arn"]]["resource_id"] == (published[table][0][name])
    ]
    known = {"arn", "account_id", "region", "availability_zone", "name", "state", "created_at", "tags", identifier}
    expected = (
        read_models()[table].columns.keys() - CELL_COLUMNS.keys() - known - NO_ATTRIBUTES.get(table, set()) - {RECORD}
    )
    for row in published[table]:
        item = items[row["arn"]]
        assert json.loads(item["attributes"]).keys() == expected
        for name in ("account_id", "region", "name", "tags"):
            assert item[name] == row[name]
        assert item["state"] == row.get("state")
        assert item["created_at"] == row.get("created_at", row.get("started_at"))
        gone = table == "aws.ec2_nat_gateway" and row["state"] in ("deleted", "failed")
        assert item["status"] == ("retired" if gone else "active")


def test_every_question_has_its_outcome(witnessed_night: Witness) -> None:
    """Each is asked in every region of every account, by the operations account in its own; nothing is left out."""
    truth = witnessed_night.truth
    operations = truth["central"]["operations"]
    expected: dict[tuple[str, str, str, str], tuple[str, int | None, str | None]] = {}
    for table, (key, _) in TABLES.items():
        listing = table.removeprefix("aws.")
        for account in truth["accounts"]:
            where = account["account_id"]
            role = "operations" if where == operations else "workload"
            if role == "workload" and where not in truth["reachable"]:
                reason = "account_suspended" if account["state"] == "SUSPENDED" else "no_profile"
                expected[role, where, "aws-global", listing] = ("skipped", None, reason)
                continue
            for region in truth["regions"]:
                count = sum((row["account_id"], row["region"]) == (where, region) for row in truth[key])
                expected[role, where, region, listing] = ("found" if count else "empty_verified", count, None)
    found = {
        row[:4]: row[4:]
        for row in query(
            witnessed_night.database,
            """
            select role, account_id, region, listing, outcome, record_count, skip_reason
            from audit.collection where list_contains($listings, listing)
            """,
            {"listings": [table.removeprefix("aws.") for table in TABLES]},
        )
    }
    assert found.keys() == expected.keys()
    for cell, (outcome, count, reason) in expected.items():
        assert (found[cell][0], found[cell][2]) == (outcome, reason), cell
        assert count is None or found[cell][1] == count, cell
    assert {outcome for outcome, _, _ in found.values()} == {"found", "empty_verified", "skipped"}


def test_each_is_requested_the_own_ones_in_pages_of_a_stated_size(witnessed_night: Witness) -> None:
    asked = {
        call["operation"]: call["parameters"]
        for call in witnessed_night.calls
        if call["service"] == "ec2" and not call["parameters"].get("NextToken")
    }
    sizes = {name: parameters.get("MaxResults") for name, parameters in asked.items()}
    assert sizes["DescribeVolumes"] == sizes["DescribeSnapshots"] == sizes["DescribeImages"] == 1000
    assert sizes["DescribeNatGateways"] == 1000
    assert asked["DescribeSnapshots"]["OwnerIds"] == asked["DescribeImages"]["Owners"] == ["self"]
