"""How configuration items hang together: every relation that a record states, when it ends, and what it may lead to."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import relations
from given import FIRST_NIGHT, WORKLOAD, Given, House, build, hours, member, migrations_before
from nights import Witness, query

from pipelines.catalogue.registry import listings
from pipelines.models.checks import read_checks, run
from pipelines.models.model import read_models
from resources.aws.messages import Outcome
from resources.store.store import Store

OTHER = "111122223333"
REGION = "ap-southeast-2"
RULES = {check.name: check for check in read_checks()}


def night(home: House, number: float, *cells: Given) -> None:
    """Land the night that begins `number` hours after the first, and build what it touches."""
    home.night(f"night-{number}", cells, FIRST_NIGHT + hours(number))
    landed = {cell.name for cell in cells}
    needed = home.needed("cmdb.orphan_relationship", "ref.relation")
    for model in home.models.values():
        collected = model.schema in ("aws", "stage") and model.materialized != "view" and model.sources & landed
        if (collected and model.relation in needed) or model.relation in ("cmdb.resource", "cmdb.relationship"):
            build(home.store, model)


def instance(name: str, **other: Any) -> dict[str, Any]:
    return {"OwnerId": WORKLOAD, "InstanceId": name, "State": {"Name": "running"}, **other}


def volume(name: str, *attached_to: str, **other: Any) -> dict[str, Any]:
    return {"VolumeId": name, "Attachments": [{"InstanceId": to, "State": "attached"} for to in attached_to], **other}


def arn(kind: str, account: str = WORKLOAD, service: str = "ec2") -> str:
    return f"arn:aws:{service}:{REGION}:{account}:{kind}"


def edges(home: House, where: str = "ended_at is null") -> set[relations.Edge]:
    """The relations that hold, without what is the same in all ARNs here."""
    short = re.compile(rf"^arn:aws:[a-z0-9-]+:{REGION}:{WORKLOAD}:")
    return {
        (short.sub("", row["from_arn"]), row["relation"], short.sub("", row["to_arn"]))
        for row in home.rows(f"select from_arn, relation, to_arn from cmdb.relationship where {where}")
    }


def spells(home: House) -> list[tuple[int, int, int | None]]:
    """First seen, began, ended of each relation, in hours after the first night."""
    return [
        tuple(row.values())
        for row in home.rows(
            """
            select
                date_diff('hour', $first, first_seen_at), date_diff('hour', $first, began_at),
                date_diff('hour', $first, ended_at)
            from cmdb.relationship order by from_arn, relation, to_arn
            """,
            {"first": FIRST_NIGHT},
        )
    ]


# ------------------------------------------------------------------------------------------------ what is stated


def test_every_record_states_its_relations(home: House) -> None:
    group = [{"GroupId": "sg-1"}]
    database = {
        "DBInstanceIdentifier": "orders-1",
        "DBInstanceArn": arn("db:orders-1", service="rds"),
        "DbiResourceId": "db-A",
        "DBClusterIdentifier": "orders",
        "DBSubnetGroup": {"DBSubnetGroupName": "inner", "VpcId": "vpc-1", "Subnets": []},
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
    }
    cluster = {
        "DBClusterIdentifier": "orders",
        "DBClusterArn": arn("cluster:orders", service="rds"),
        "DbClusterResourceId": "cluster-A",
        "DBSubnetGroup": "inner",
    }
    night(
        home,
        0,
        Given("ec2_instance", [instance("i-1", SubnetId="subnet-1", SecurityGroups=group)]),
        Given("ec2_subnet", [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "OwnerId": WORKLOAD}]),
        Given("ec2_vpc", [{"VpcId": "vpc-1", "OwnerId": WORKLOAD}]),
        Given("ec2_security_group", [{"GroupId": "sg-1", "VpcId": "vpc-1", "OwnerId": WORKLOAD}]),
        Given(
            "ec2_network_interface",
            [
                {
                    "NetworkInterfaceId": "eni-1",
                    "OwnerId": WORKLOAD,
                    "SubnetId": "subnet-1",
                    "Groups": group,
                    "Attachment": {"InstanceId": "i-1"},
                }
            ],
        ),
        Given("ec2_volume", [volume("vol-1", "i-1", SnapshotId="snap-of-amazon"), volume("vol-2")]),
        Given(
            "ec2_snapshot",
            [
                {"SnapshotId": "snap-1", "VolumeId": "vol-1", "OwnerId": WORKLOAD},
                # A copy: AWS writes a volume that is none.
                {"SnapshotId": "snap-2", "VolumeId": "vol-ffffffff", "OwnerId": WORKLOAD},
            ],
        ),
        Given(
            "ec2_image",
            [
                {
                    "ImageId": "ami-1",
                    "OwnerId": WORKLOAD,
                    "BlockDeviceMappings": [{"DeviceName": "a", "Ebs": {"SnapshotId": "snap-1"}}],
                }
            ],
        ),
        Given(
            "ec2_address",
            [{"AllocationId": "eipalloc-1", "InstanceId": "i-1", "NetworkInterfaceId": "eni-1"}],
        ),
        Given(
            "ec2_nat_gateway",
            [
                {
                    "NatGatewayId": "nat-1",
                    "State": "available",
                    "VpcId": "vpc-1",
                    "SubnetId": "subnet-1",
                    "NatGatewayAddresses": [{"AllocationId": "eipalloc-2"}],
                },
                {"NatGatewayId": "nat-2", "State": "available", "VpcId": "vpc-1", "AvailabilityMode": "regional"},
                {"NatGatewayId": "nat-3", "State": "deleted", "VpcId": "vpc-1", "SubnetId": "subnet-1"},
            ],
        ),
        Given("rds_db_instance", [database]),
        Given("rds_db_cluster", [cluster]),
        Given(
            "rds_db_snapshot",
            [
                {
                    "DBSnapshotIdentifier": name,
                    "DBSnapshotArn": arn(f"snapshot:{name}", service="rds"),
                    "DBInstanceIdentifier": "orders-1",
                    "DbiResourceId": resource,
                    "SnapshotType": kind,
                }
                for name, resource, kind in [
                    ("kept", "db-A", "manual"),
                    # Taken of the database that had the name before.
                    ("old", "db-0", "manual"),
                    ("nightly", "db-A", "automated"),
                ]
            ],
        ),
        Given(
            "lambda_function",
            [
                {
                    "FunctionName": "f",
                    "FunctionArn": arn("function:f", service="lambda"),
                    "VpcConfig": {"VpcId": "vpc-1", "SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
                },
                {"FunctionName": "g", "FunctionArn": arn("function:g", service="lambda")},
            ],
        ),
        Given(
            "resource_group_member:all",
            [{"ResourceArn": arn("instance/i-1"), "ResourceType": "AWS::EC2::Instance"}],
            account_id=WORKLOAD,
            region=REGION,
        ),
    )
    assert edges(home) == {
        ("instance/i-1", "contained_in", "subnet/subnet-1"),
        ("instance/i-1", "associated_with", "security-group/sg-1"),
        ("instance/i-1", "contained_in", "group/all"),
        ("subnet/subnet-1", "contained_in", "vpc/vpc-1"),
        ("security-group/sg-1", "contained_in", "vpc/vpc-1"),
        ("network-interface/eni-1", "contained_in", "subnet/subnet-1"),
        ("network-interface/eni-1", "attached_to", "instance/i-1"),
        ("network-interface/eni-1", "associated_with", "security-group/sg-1"),
        ("volume/vol-1", "attached_to", "instance/i-1"),
        ("snapshot/snap-1", "created_from", "volume/vol-1"),
        ("image/ami-1", "created_from", "snapshot/snap-1"),
        ("elastic-ip/eipalloc-1", "associated_with", "instance/i-1"),
        ("elastic-ip/eipalloc-1", "associated_with", "network-interface/eni-1"),
        ("natgateway/nat-1", "contained_in", "subnet/subnet-1"),
        ("natgateway/nat-1", "associated_with", "elastic-ip/eipalloc-2"),
        ("natgateway/nat-2", "contained_in", "vpc/vpc-1"),
        ("db:orders-1", "contained_in", "cluster:orders"),
        ("db:orders-1", "hosted_on", "subgrp:inner"),
        ("db:orders-1", "associated_with", "security-group/sg-1"),
        ("cluster:orders", "hosted_on", "subgrp:inner"),
        ("subgrp:inner", "contained_in", "vpc/vpc-1"),
        ("snapshot:kept", "created_from", "db:orders-1"),
        ("snapshot:old", "created_from", "AWS::RDS::DBInstance/db-0"),
        ("function:f", "attached_to", "vpc/vpc-1"),
        ("function:f", "associated_with", "security-group/sg-1"),
    }
    # Nothing is given of it, whether the catalogue has its type or not.
    is_collected = any(listing.resource_type == "AWS::RDS::DBSubnetGroup" for listing in listings().values())
    orphans = home.rows("select distinct orphan_resource_type, reason from cmdb.orphan_relationship order by all")
    assert [(row["orphan_resource_type"], row["reason"]) for row in orphans] == [
        ("AWS::EC2::EIP", "not inventoried"),
        ("AWS::RDS::DBInstance", "not inventoried"),
        ("AWS::RDS::DBSubnetGroup", "not inventoried" if is_collected else "type not collected"),
        ("AWS::ResourceGroups::Group", "not inventoried"),
    ]
    # Nobody knows the ARN of a database that is gone: none is made up, and its name is kept.
    gone = home.rows(
        """
        select orphan_arn, orphan_name, account_id from cmdb.orphan_relationship
        where orphan_resource_type = 'AWS::RDS::DBInstance'
        """
    )
    assert gone == [{"orphan_arn": "AWS::RDS::DBInstance/db-0", "orphan_name": "orders-1", "account_id": None}]


def test_an_instance_leads_to_its_key_pair_and_to_where_it_stands(home: House) -> None:
    def key(name: str, made: str | None = None, **other: Any) -> dict[str, Any]:
        return {"KeyPairId": f"key-{name}", "KeyName": name, "CreateTime": made, **other}

    launched = {"LaunchTime": "2026-11-01T00:00:00+00:00"}
    night(
        home,
        0,
        Given(
            "ec2_instance",
            [
                instance("i-deploy", KeyName="deploy", **launched),
                instance("i-old", KeyName="old", **launched),
                # Its key pair is deleted, or deleted and made anew: the private half is another one.
                instance("i-gone", KeyName="gone", **launched),
                instance("i-anew", KeyName="anew", **launched),
                instance("i-placed", Placement={"HostId": "h-1", "GroupId": "pg-1"}, CapacityReservationId="cr-1"),
            ],
        ),
        Given(
            "ec2_key_pair",
            [key("deploy", "2026-10-01T00:00:00+00:00"), key("old"), key("anew", "2026-11-02T00:00:00+00:00")],
        ),
        # Of the same name, in another account.
        Given("ec2_key_pair", [key("gone", KeyPairId="key-else")], account_id=OTHER),
        Given("ec2_host", [{"HostId": "h-1", "OwnerId": OTHER, "State": "available"}], account_id=OTHER),
        Given(
            "ec2_placement_group",
            [{"GroupId": "pg-1", "GroupName": "nodes", "GroupArn": arn("placement-group/nodes"), "State": "available"}],
        ),
    )
    assert edges(home) == {
        ("instance/i-deploy", "associated_with", "key-pair/key-deploy"),
        ("instance/i-old", "associated_with", "key-pair/key-old"),
        ("instance/i-placed", "hosted_on", arn("dedicated-host/h-1", OTHER)),
        ("instance/i-placed", "associated_with", "placement-group/nodes"),
        # Nobody lists it, and its record does not say whose it is.
        ("instance/i-placed", "associated_with", "AWS::EC2::CapacityReservation/cr-1"),
    }


def test_an_instance_leads_to_its_image_where_the_organisation_owns_that(home: House) -> None:
    """Another account's image is its owner's; none is one of Amazon, one deregistered, one of nobody knows whom."""
    owners = {"ami-own": WORKLOAD, "ami-golden": OTHER, "ami-amazon": "137112412989", "ami-gone": WORKLOAD}
    images = [
        {
            "InstanceId": f"i-{name}",
            "OwnerId": WORKLOAD,
            "ImageMetadata": {
                "ImageId": name,
                "Name": f"name of {name}",
                "OwnerId": owner,
                "State": "deregistered" if name == "ami-gone" else "available",
            },
        }
        for name, owner in owners.items()
    ]
    instances = [instance(f"i-{name}", ImageId=name) for name in (*owners, "ami-unknown")]
    # It was launched after the images were listed.
    instances.append(instance("i-later", ImageId="ami-own"))
    instances.append(instance("i-over", ImageId="ami-own", State={"Name": "terminated"}))
    night(
        home,
        0,
        Given("organizations_account", [member(WORKLOAD), member(OTHER)]),
        Given("ec2_instance", instances),
        Given("ec2_instance_image", images),
        Given("ec2_image", [{"ImageId": "ami-own", "OwnerId": WORKLOAD}]),
    )
    assert edges(home) == {
        ("instance/i-ami-own", "created_from", "image/ami-own"),
        ("instance/i-later", "created_from", "image/ami-own"),
        ("instance/i-ami-golden", "created_from", arn("image/ami-golden", OTHER)),
    }
    (orphan,) = home.rows("select orphan_arn, orphan_name, account_id from cmdb.orphan_relationship")
    assert orphan == {
        "orphan_arn": arn("image/ami-golden", OTHER),
        "orphan_name": "name of ami-golden",
        "account_id": OTHER,
    }


def test_what_is_shared_leads_to_its_owner_whoever_uses_it(home: House) -> None:
    subnet = {"SubnetId": "subnet-1", "VpcId": "vpc-1", "OwnerId": OTHER}
    night(
        home,
        0,
        Given("ec2_subnet", [subnet]),
        Given("ec2_subnet", [subnet], account_id=OTHER),
        Given("ec2_instance", [instance("i-1", SubnetId="subnet-1"), instance("i-2", SubnetId="subnet-of-nobody")]),
    )
    assert edges(home) == {
        ("instance/i-1", "contained_in", arn("subnet/subnet-1", OTHER)),
        ("instance/i-2", "contained_in", "subnet/subnet-of-nobody"),
        (arn("subnet/subnet-1", OTHER), "contained_in", arn("vpc/vpc-1", OTHER)),
    }
    found = home.rows("select orphan_arn, account_id from cmdb.orphan_relationship order by all")
    assert found == [
        {"orphan_arn": arn("subnet/subnet-of-nobody"), "account_id": WORKLOAD},
        {"orphan_arn": arn("vpc/vpc-1", OTHER), "account_id": OTHER},
    ]


@pytest.mark.parametrize(
    ("listing", "record", "to"),
    [
        ("rds_db_snapshot", {"DbiResourceId": "db-1"}, "AWS::RDS::DBInstance/db-1"),
        ("rds_db_snapshot", {}, "AWS::RDS::DBInstance/orders"),
        ("rds_db_cluster_snapshot", {"DbClusterResourceId": "cluster-1"}, "AWS::RDS::DBCluster/cluster-1"),
    ],
    ids=["by id", "by name alone", "of a cluster"],
)
def test_a_snapshot_of_a_database_that_is_gone_leads_to_no_arn(
    home: House, listing: str, record: dict[str, Any], to: str
) -> None:
    kind = "DBCluster" if "cluster" in listing else "DB"
    own = {
        f"{kind}SnapshotIdentifier": "kept",
        f"{kind}SnapshotArn": arn("snapshot:kept", service="rds"),
        ("DBClusterIdentifier" if kind == "DBCluster" else "DBInstanceIdentifier"): "orders",
        "SnapshotType": "manual",
    }
    night(home, 0, Given(listing, [own | record]))
    assert edges(home) == {("snapshot:kept", "created_from", to)}
    assert home.rows("select to_name from cmdb.relationship") == [{"to_name": "orders"}]


def test_what_an_older_release_made_up_keeps_its_history(tmp_path: Path) -> None:
    store = Store(tmp_path / "older.duckdb", migrations_before("0023", tmp_path))
    made_up = arn("db:db-0", service="rds")
    with store.holding("older", "test"), store.transaction() as connection:
        for relation, kind, to in [
            ("created_from", "AWS::RDS::DBInstance", made_up),
            ("contained_in", "AWS::EC2::Subnet", arn("subnet/subnet-1")),
        ]:
            connection.execute(
                """
                insert into cmdb.relationship by name
                select
                    'a' as from_arn, $relation as relation, $to as to_arn, $kind as to_resource_type, 's' as source,
                    $at as first_seen_at, $at as began_at, $at as last_seen_at, false as is_stale, 'r' as run_id,
                    'workload' as role, '1' as caller_account_id, 'r' as cell_region, 'l' as listing,
                    $at as collected_at
                """,
                {"relation": relation, "kind": kind, "to": to, "at": FIRST_NIGHT},
            )
    newer = Store(store.database)
    with newer.holding("newer", "test"), newer.transaction() as connection:
        found = connection.execute("select to_arn, ended_at from cmdb.relationship order by all").fetchall()
    assert found == [("AWS::RDS::DBInstance/db-0", None), (arn("subnet/subnet-1"), None)]


# ------------------------------------------------------------------------------------------------- when it ends


def test_an_end_keeps_its_date_and_what_comes_back_begins_anew(home: House) -> None:
    for number, attached in [(0, ["i-1"]), (24, []), (48, []), (72, ["i-1"]), (96, ["i-1"])]:
        night(home, number, Given("ec2_volume", [volume("vol-1", *attached)]))
        expected = {0: (0, 0, None), 24: (0, 0, 24), 48: (0, 0, 24), 72: (0, 72, None), 96: (0, 72, None)}
        assert spells(home) == [expected[number]]


@pytest.mark.parametrize(
    ("cell", "ended", "stale"),
    [
        pytest.param(Given("ec2_volume", outcome="denied"), None, True, id="denied"),
        pytest.param(Given("ec2_volume", outcome="empty_suspect"), None, True, id="a zero that may be a lie"),
        pytest.param(Given("ec2_volume", outcome="failed"), None, True, id="failed"),
        pytest.param(Given("ec2_volume", outcome="skipped", skip_reason="no_profile"), None, True, id="not asked"),
        pytest.param(Given("ec2_volume", outcome="empty_verified"), 24, False, id="a zero that is one"),
        pytest.param(Given("ec2_volume", [volume("vol-2")]), 24, False, id="the volume is gone"),
        pytest.param(
            Given("ec2_volume", outcome="skipped", skip_reason="account_left"), 24, False, id="the account left"
        ),
    ],
)
def test_only_a_response_that_can_be_trusted_ends_a_relation(
    home: House, cell: Given, ended: int | None, stale: bool
) -> None:
    night(home, 0, Given("ec2_volume", [volume("vol-1", "i-1")]))
    night(home, 24, cell)
    assert spells(home) == [(0, 0, ended)]
    assert home.rows("select is_stale, run_id from cmdb.relationship") == [{"is_stale": stale, "run_id": "night-0"}]


def test_an_older_record_of_another_account_takes_nothing_back_of_when_it_was_last_seen(home: House) -> None:
    subnet = {"SubnetId": "subnet-1", "VpcId": "vpc-1", "OwnerId": "999999999999"}
    # Of two that nobody owns the row of the lower account is kept.
    first, second = sorted((WORKLOAD, OTHER))
    home.night("night-0", [Given("ec2_subnet", [subnet], account_id=second)], FIRST_NIGHT)
    night(home, 1, Given("ec2_subnet", [subnet], account_id=first))
    night(home, 2, Given("ec2_subnet", outcome="denied", account_id=first))
    (found,) = home.rows("select caller_account_id, is_stale, began_at, last_seen_at from cmdb.relationship")
    assert found["caller_account_id"] == second and not found["is_stale"]
    assert found["began_at"] == found["last_seen_at"]


def test_what_is_gone_for_good_holds_nothing_and_is_an_orphan_at_the_other_end(home: House) -> None:
    night(
        home,
        0,
        Given("ec2_instance", [instance("i-1", SubnetId="subnet-1")]),
        Given("ec2_volume", [volume("vol-1", "i-1")]),
    )
    gone = instance("i-1", SubnetId="subnet-1", State={"Name": "terminated"})
    night(home, 24, Given("ec2_instance", [gone]), Given("ec2_volume", [volume("vol-1", "i-1")]))
    assert edges(home) == {("volume/vol-1", "attached_to", "instance/i-1")}
    assert edges(home, "ended_at is not null") == {("instance/i-1", "contained_in", "subnet/subnet-1")}
    assert home.rows("select orphan_arn, reason from cmdb.orphan_relationship") == [
        {"orphan_arn": arn("instance/i-1"), "reason": "retired"}
    ]


def tagged(name: str, service: str) -> dict[str, Any]:
    return instance(name, Tags=[{"Key": "bc:business-service", "Value": service}])


def test_an_application_depends_on_what_carries_its_name_until_that_is_known_to_carry_another(home: House) -> None:
    night(home, 0, Given("ec2_instance", [tagged("i-1", "pay"), tagged("i-2", "pay"), instance("i-3")]))
    assert edges(home) == {
        ("application:pay", "depends_on", "instance/i-1"),
        ("application:pay", "depends_on", "instance/i-2"),
    }
    night(home, 24, Given("ec2_instance", outcome="denied"))
    assert edges(home, "ended_at is not null") == set()
    night(home, 48, Given("ec2_instance", [tagged("i-1", "trade"), tagged("i-2", "pay")]))
    assert edges(home) == {
        ("application:trade", "depends_on", "instance/i-1"),
        ("application:pay", "depends_on", "instance/i-2"),
    }


def test_tags_that_cannot_be_read_leave_an_items_application_alone(home: House) -> None:
    """Also where its account has a default: what the tag said last is better than that."""
    night(home, 0, Given("ec2_instance", [tagged("i-1", "pay"), tagged("i-2", "pay")]))
    home.execute(
        "update cmdb.resource set tags = null, business_service = if(resource_id = 'i-1', 'the default', null)"
    )
    for _ in range(2):
        build(home.store, home.models["cmdb.relationship"])
        assert edges(home) == {
            ("application:pay", "depends_on", "instance/i-1"),
            ("application:pay", "depends_on", "instance/i-2"),
        }


Event = tuple[Outcome, str | None, str | None]
"""What one night brings to a cell: outcome, reason of a skip, and the instance that the volume is attached to."""

EVENTS: list[Event] = [
    ("found", None, "i-1"),
    ("found", None, "i-2"),
    ("found", None, None),
    ("empty_verified", None, None),
    ("skipped", "account_left", None),
    ("denied", None, None),
]


def expected(history: Sequence[Event]) -> set[tuple[str, int, int, int | None]]:
    """The rule in words: instance, first seen, began, ended, in nights."""
    known: dict[str, tuple[int, int, int | None]] = {}
    for number, (outcome, _, to) in enumerate(history):
        if outcome == "denied":
            continue
        for other, (first, began, ended) in known.items():
            if other != to and ended is None:
                known[other] = (first, began, number)
        if to:
            first, began, ended = known.get(to, (number, number, None))
            known[to] = (first, number if ended is not None else began, None)
    return {(name, *times) for name, times in known.items()}


@pytest.mark.large
def test_over_any_four_runs_a_relation_begins_and_ends_with_what_can_be_trusted(home: House) -> None:
    """Every history there is, side by side in one warehouse, and the last night built twice."""
    histories = {f"{n:012}": history for n, history in enumerate(itertools.product(EVENTS, repeat=4))}
    for number in range(4):
        cells = [
            Given(
                "ec2_volume",
                [volume("vol-1", *([to] if to else []))] if outcome == "found" else [],
                outcome,
                account_id=account,
                skip_reason=reason,
            )
            for account, history in histories.items()
            for outcome, reason, to in [history[number]]
        ]
        night(home, 24 * number, *cells)
    before = home.rows("from cmdb.relationship order by all")
    build(home.store, home.models["cmdb.relationship"])
    assert home.rows("from cmdb.relationship order by all") == before
    with home.store.read() as connection:
        assert run(connection, RULES["every_relation_is_known_and_ends_after_it_was_seen"]).passed
    found = defaultdict(set)
    for row in home.rows(
        """
        select
            split_part(from_arn, ':', 5) as account, split_part(to_arn, '/', 2) as instance,
            date_diff('day', $first, first_seen_at) as first, date_diff('day', $first, began_at) as began,
            date_diff('day', $first, ended_at) as ended
        from cmdb.relationship
        """,
        {"first": FIRST_NIGHT},
    ):
        found[row["account"]].add((row["instance"], row["first"], row["began"], row["ended"]))
    assert {account: found[account] for account in histories} == {
        account: expected(history) for account, history in histories.items()
    }


# ---------------------------------------------------------------------------------------------- across accounts


def test_networks_of_two_accounts_hang_together_by_what_joins_them(home: House) -> None:
    def tags(service: str) -> list[dict[str, str]]:
        return [{"Key": "bc:business-service", "Value": service}]

    def side(account: str, vpc: str) -> dict[str, str]:
        return {"OwnerId": account, "VpcId": vpc, "Region": REGION}

    def peering(name: str, status: str, vpc: str) -> dict[str, Any]:
        ends = {"RequesterVpcInfo": side(WORKLOAD, vpc), "AccepterVpcInfo": side(OTHER, "vpc-2")}
        return {"VpcPeeringConnectionId": name, "Status": {"Code": status}, **ends}

    def attachment(name: str, state: str, vpc: str) -> dict[str, Any]:
        held = {"ResourceType": "vpc", "ResourceId": vpc, "ResourceOwnerId": WORKLOAD, "State": state}
        return {**held, "TransitGatewayAttachmentId": name, "TransitGatewayId": "tgw-1", "TransitGatewayOwnerId": OTHER}

    def endpoint(name: str, service: str, state: str = "available") -> dict[str, Any]:
        made = {"OwnerId": WORKLOAD, "VpcEndpointId": name, "State": state, "ServiceName": service}
        return {**made, "Tags": tags("payments")}

    vpcs = [{"OwnerId": WORKLOAD, "VpcId": name, "Tags": tags("payments")} for name in ("vpc-1", "vpc-3")]
    gateway = {"TransitGatewayId": "tgw-1", "TransitGatewayArn": arn("transit-gateway/tgw-1", OTHER), "OwnerId": OTHER}
    service = {"ServiceId": "vpce-svc-1", "ServiceName": "com.amazonaws.vpce.r.vpce-svc-1", "Tags": tags("network")}
    home.night(
        "night-1",
        [
            Given("ec2_vpc", vpcs),
            Given("ec2_vpc", [{"OwnerId": OTHER, "VpcId": "vpc-2", "Tags": tags("network")}], account_id=OTHER),
            Given(
                "ec2_vpc_peering_connection",
                [peering("pcx-1", "active", "vpc-1"), peering("pcx-2", "pending-acceptance", "vpc-3")],
            ),
            Given("ec2_transit_gateway", [gateway | {"Tags": tags("network")}], account_id=OTHER),
            Given(
                "ec2_transit_gateway_attachment",
                [attachment("tgw-attach-1", "available", "vpc-3"), attachment("tgw-attach-2", "deleted", "vpc-1")],
            ),
            Given("ec2_vpc_endpoint_service", [service], account_id=OTHER),
            Given(
                "ec2_vpc_endpoint",
                [
                    endpoint("vpce-1", "com.amazonaws.vpce.r.vpce-svc-1"),
                    endpoint("vpce-2", "com.amazonaws.vpce.r.vpce-svc-9"),
                    endpoint("vpce-3", "com.amazonaws.ap-southeast-2.s3"),
                    endpoint("vpce-4", "com.amazonaws.vpce.r.vpce-svc-1", "rejected"),
                ],
            ),
            # A shared subnet: what stands in it is somebody else's.
            Given("ec2_subnet", [{"OwnerId": WORKLOAD, "SubnetId": "subnet-1", "Tags": tags("payments")}]),
            Given(
                "ec2_instance",
                [instance("i-1", SubnetId="subnet-1", Tags=tags("network")) | {"OwnerId": OTHER}],
                account_id=OTHER,
            ),
        ],
    )
    home.build("cmdb.service_map_edge", "cmdb.orphan_relationship")
    where = "ended_at is null and relation in ('connected_to', 'depends_on') and from_resource_type <> 'Application'"
    assert edges(home, where) == {
        ("vpc/vpc-1", "connected_to", arn("vpc/vpc-2", OTHER)),
        ("vpc/vpc-3", "connected_to", arn("transit-gateway/tgw-1", OTHER)),
        ("vpc-endpoint/vpce-1", "depends_on", arn("vpc-endpoint-service/vpce-svc-1", OTHER)),
        ("vpc-endpoint/vpce-2", "depends_on", "AWS::EC2::VPCEndpointService/vpce-svc-9"),
    }
    found = home.rows(
        """
        select from_node_id, relation, to_node_id, accounts, across_accounts_count from cmdb.service_map_edge
        where from_node_id <> '(none)'
        """
    )
    payments, network, both = "application:payments", "application:network", sorted((WORKLOAD, OTHER))
    assert sorted(tuple(row.values()) for row in found) == [
        (network, "contained_in", payments, both, 1),
        (payments, "connected_to", network, both, 2),
        (payments, "depends_on", network, both, 1),
    ]


def test_what_no_response_lists_has_an_arn_or_its_type_and_id(home: House) -> None:
    """One missing action, such as ec2:DescribeSecondarySubnets, must not refuse the table of all relations."""
    forms = {listing.resource_type: listing.arn_form for listing in listings().values() if listing.arn_form}
    home.build("cmdb.resource", "ref.resource_class")
    # A group is named by its ARN wherever it is named.
    classes = "select resource_type from ref.resource_class where resource_type <> 'AWS::ResourceGroups::Group'"
    types = [str(row["resource_type"]) for row in home.rows(classes)]
    home.execute(
        f"""
        create or replace view stage.listed_relation as
        select '{arn("thing/1")}' as from_arn, 'AWS::EC2::Thing' as from_resource_type,
            'attached_to' as relation, unnest({types!r}) as to_type, 'id-1' as to_id,
            null::varchar as to_account_id, null::varchar as to_region, 'thing' as source,
            false as is_stale, 'night-1' as run_id, 'thing' as listing, 'workload' as role,
            '{WORKLOAD}' as caller_account_id, '{REGION}' as cell_region, now() as collected_at
        """
    )
    found = {
        str(row["to_resource_type"]): row["to_arn"]
        for row in home.rows("select to_resource_type, to_arn from stage.observed_relationship")
    }
    assert sorted(found) == sorted(types)
    relates = set(re.findall(r"'(AWS::EC2::\w+)' as to_type", read_models()["stage.listed_relation"].sql))
    for name, to_arn in found.items():
        service, _, kind = forms.get(name, "").partition(":")
        assert to_arn == f"{name}/id-1" or re.fullmatch("arn:aws:.*id-1", to_arn), name
        if name in relates:
            assert to_arn.startswith(arn("")), name
            assert not kind or to_arn == arn(f"{kind}id-1", service=service), name


# ------------------------------------------------------------------------------------------------ seeds and types


def test_every_type_that_is_an_item_has_its_class_and_every_class_its_type(home: House) -> None:
    classes = {row["resource_type"] for row in home.rows("from ref.resource_class")}
    items = set(re.findall(r"'(AWS::\w+::\w+)'", read_models()["stage.observed_resource"].sql))
    assert classes == items
    known = {row["relation"]: row for row in home.rows("from ref.relation")}
    stated = set(re.findall(r"'relation': '(\w+)'", read_models()["stage.observed_relationship"].sql))
    assert known.keys() == {*stated, "depends_on"}
    assert len(known) == 7
    assert len({row["inverse"] for row in known.values()} | known.keys()) == 14
    assert {row["servicenow_parent"] for row in known.values()} == {"from", "to"}


# ------------------------------------------------------------------------------------------------ a whole night


def test_the_relations_of_a_truthful_run_are_the_organisations(witnessed_night: Witness) -> None:
    database, truth = witnessed_night.database, witnessed_night.truth
    assert relations.shown(database, truth) == relations.true(truth)
    assert relations.subnets_of_instances(database) == {1}
    assert query(database, "select count(*) from cmdb.relationship where ended_at is not null or is_stale") == [(0,)]
