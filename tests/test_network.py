"""The networks of the organisation: what is shared stands once, and what is published equals the organisation."""

from __future__ import annotations

from typing import Any

import pytest
from given import FIRST_NIGHT, WORKLOAD, Given, House, hours, member, rows
from nights import Witness

from pipelines.catalogue.registry import listings
from pipelines.models.checks import key_checks
from resources.store.store import Store

Row = dict[str, Any]

CATALOGUE = listings()

OWNER, OTHER, THIRD = WORKLOAD, "000000000042", "999999999999"


# ------------------------------------------------------------------------------------------------ what is shared


def subnets(caller: str, *names: str, owner: str = OWNER, **cell: Any) -> Given:
    """What one account's answer says of subnets of `owner`."""
    return Given("ec2_subnet", [{"OwnerId": owner, "SubnetId": name} for name in names], account_id=caller, **cell)


def standing(home: House) -> list[tuple[str, str, bool]]:
    """Each subnet, by whose answer it stands, and whether that is stale."""
    home.build("aws.ec2_subnet")
    rows = home.rows("select subnet_id, caller_account_id, is_stale from aws.ec2_subnet order by all")
    return [(row["subnet_id"], row["caller_account_id"], row["is_stale"]) for row in rows]


def test_the_owners_last_trusted_word_on_what_is_shared_stands_while_its_cell_is_not_trusted(home: House) -> None:
    home.night("night-1", [subnets(OTHER, "s-1"), subnets(OWNER, "s-1"), subnets(THIRD, "s-1")])
    assert standing(home) == [("s-1", OWNER, False)]
    home.night("night-2", [subnets(OTHER, "s-1"), subnets(OWNER, outcome="denied")], FIRST_NIGHT + hours(24))
    assert standing(home) == [("s-1", OWNER, True)]


def test_what_the_owner_does_not_list_any_more_stands_by_the_word_of_who_still_does(home: House) -> None:
    home.night("night-1", [subnets(OTHER, "s-1"), subnets(OWNER, "s-1", "s-2")])
    assert standing(home) == [("s-1", OWNER, False), ("s-2", OWNER, False)]
    home.night("night-2", [subnets(OTHER, "s-1"), subnets(OWNER)], FIRST_NIGHT + hours(24))
    assert standing(home) == [("s-1", OTHER, False)]


def test_of_others_words_a_fresh_one_goes_before_a_stale_one(home: House) -> None:
    home.night("night-1", [subnets(OTHER, "s-1"), subnets(THIRD, "s-1")])
    assert standing(home) == [("s-1", OTHER, False)]
    home.night("night-2", [subnets(OTHER, outcome="failed"), subnets(THIRD, "s-1")], FIRST_NIGHT + hours(24))
    assert standing(home) == [("s-1", THIRD, False)]


def test_a_record_that_stands_twice_in_one_cell_still_breaks_the_key(home: House) -> None:
    home.night("night-1", [subnets(OTHER, "s-1", "s-1")])
    assert standing(home) == [("s-1", OTHER, False)] * 2
    (rule,) = [check for check in key_checks(home.models.values()) if check.on == "aws.ec2_subnet"]
    assert len(home.rows(rule.sql)) == 1


def test_what_is_shared_is_one_configuration_item(home: House) -> None:
    home.night("night-1", [subnets(OTHER, "s-1", "s-2"), subnets(OWNER, "s-1"), subnets(THIRD, "s-2")])
    home.build("cmdb.resource")
    assert home.rows("select resource_id, account_id, resource_type, tags from cmdb.resource order by all") == [
        {"resource_id": "s-1", "account_id": OWNER, "resource_type": "AWS::EC2::Subnet", "tags": {}},
        {"resource_id": "s-2", "account_id": OWNER, "resource_type": "AWS::EC2::Subnet", "tags": None},
    ]


# --------------------------------------------------------------------------------------- the truth of one night


@pytest.fixture(scope="module")
def published(witnessed_night: Witness) -> dict[str, list[Row]]:
    """The tables of the network as they are published."""
    with Store(witnessed_night.database).published() as connection:
        return {name: rows(connection, f"select * from {name}") for name in TABLES}


TABLES = {
    "aws.ec2_vpc": "vpcs",
    "aws.ec2_subnet": "subnets",
    "aws.ec2_security_group": "security_groups",
    "aws.ec2_security_group_rule": "security_group_rules",
    "aws.ec2_flow_log": "flow_logs",
    "aws.ec2_network_interface": "network_interfaces",
}
"""Tables, and what the simulator's truth calls their rows."""

AS_TOLD = {
    "aws.ec2_vpc": {"cidr": "cidr_block", "flow_log_ids": None},
    "aws.ec2_subnet": {"cidr": "cidr_block"},
    "aws.ec2_security_group": {
        "group_id": "security_group_id",
        "network_interface_ids": None,
        "referenced_by": None,
        "is_unused": None,
    },
    "aws.ec2_security_group_rule": {
        "rule_id": "security_group_rule_id",
        "group_id": "security_group_id",
        "is_cross_account": None,
        "port_class": None,
    },
    "aws.ec2_flow_log": {"delivery": "delivery_status"},
    "aws.ec2_network_interface": {"group_ids": "security_group_ids", "addresses": None},
}
"""Columns that the truth calls by another name; None where it says what is no column."""


def asked(truth: Row) -> set[str]:
    """The accounts that somebody asks: those that a profile reaches, and the operations account."""
    return {*truth["reachable"], truth["central"]["operations"]}


@pytest.mark.parametrize("table", TABLES)
def test_every_table_of_the_network_equals_the_organisation(
    table: str, witnessed_night: Witness, published: dict[str, list[Row]]
) -> None:
    truth = witnessed_night.truth
    names = AS_TOLD[table]
    expected = [
        {names.get(name, name): value for name, value in row.items() if names.get(name, name)}
        for row in truth[TABLES[table]]
        if row["account_id"] in asked(truth)
    ]
    shown = [{name: row[name] for name in expected[0]} for row in published[table]]
    if table == "aws.ec2_network_interface":
        # Those of instances are not in the simulator's list, but instances say which ones they have.
        shown, of_instances = (
            [row for row, whole in zip(shown, published[table], strict=True) if bool(whole["instance_id"]) is attached]
            for attached in (False, True)
        )
        assert len(of_instances) > 100
    assert sorted(shown, key=repr) == sorted(expected, key=repr)
    assert len(expected) > 10
    assert not any(row["is_stale"] for row in published[table])


def test_every_address_of_the_organisation_is_found(witnessed_night: Witness) -> None:
    found = shown(
        witnessed_night,
        """
        select network_interface_id, address, kind, is_primary, private_ip_address
        from aws.ec2_network_interface_address where instance_id is null
        """,
    )
    expected = [
        {"network_interface_id": row["network_interface_id"], **address}
        for row in of_asked(witnessed_night.truth, "network_interfaces")
        for address in row["addresses"]
    ]
    assert {row["kind"] for row in expected} == {"private ipv4", "public ipv4", "ipv6"}
    # A gateway's public address is its elastic address, which the simulator's list of interfaces does not have.
    gateways = shown(
        witnessed_night,
        "select network_interface_id from aws.ec2_network_interface where interface_type = 'nat_gateway'",
    )
    nat = {row["network_interface_id"] for row in gateways}
    compared = [row for row in found if row["network_interface_id"] not in nat or row["kind"] != "public ipv4"]
    assert sorted(compared, key=repr) == sorted(expected, key=repr)


# -------------------------------------------------------------------------------------------- findings, in truth

BY_TRUTH = {"ssh": "administration", "rdp": "administration", "all ports": "all"}
"""Classes of ports that the simulator's truth calls by another name."""


def shown(night: Witness, sql: str) -> list[Row]:
    """What the published file answers."""
    with Store(night.database).published() as connection:
        return rows(connection, sql)


def of_asked(truth: Row, kind: str) -> list[Row]:
    """Rows of the truth that lie where somebody asks."""
    return [row for row in truth[kind] if row["account_id"] in asked(truth)]


def test_vpcs_without_flow_logs_are_those_of_which_not_all_traffic_is_logged(witnessed_night: Witness) -> None:
    truth = witnessed_night.truth
    logs = of_asked(truth, "flow_logs")
    working = [log for log in logs if log["delivery"] == "SUCCESS"]
    kinds = [
        {log["target_id"] for log in working if log["traffic_type"] in ("ALL", kind)} for kind in ("ACCEPT", "REJECT")
    ]
    parts: dict[str, set[str]] = {}
    for kind, name in (("subnets", "subnet_id"), ("network_interfaces", "network_interface_id")):
        for row in of_asked(truth, kind):
            parts.setdefault(row["vpc_id"], set()).add(row[name])
    expected = {}
    for vpc in of_asked(truth, "vpcs"):
        subnets = {row["subnet_id"] for row in truth["subnets"] if row["vpc_id"] == vpc["vpc_id"]}
        accepted, rejected = (vpc["vpc_id"] in kind or bool(subnets and subnets <= kind) for kind in kinds)
        if accepted and rejected:
            continue
        failing = any(log["target_id"] == vpc["vpc_id"] for log in logs)
        partly = bool(parts.get(vpc["vpc_id"], set()) & (kinds[0] | kinds[1]))
        half = "accepted only" if accepted else "rejected only" if rejected else ""
        expected[vpc["arn"]] = half or ("only parts" if partly else "delivery fails" if failing else "no flow log")
    found = shown(witnessed_night, "select arn, reason from cmdb.finding_vpc_without_flow_log")
    assert {row["arn"]: row["reason"] for row in found} == expected
    assert len(found) == len(expected) > 10
    assert {"no flow log", "delivery fails", "rejected only"} <= set(expected.values())


def test_open_rules_are_those_that_let_everybody_in_by_what_lies_behind_their_ports(witnessed_night: Witness) -> None:
    found = shown(witnessed_night, "select security_group_rule_id, port_class from cmdb.finding_open_rule")
    told = sorted((row["security_group_rule_id"], BY_TRUTH.get(row["port_class"], row["port_class"])) for row in found)
    rules = of_asked(witnessed_night.truth, "security_group_rules")
    assert told == sorted((row["rule_id"], row["port_class"]) for row in rules if row["is_open_to_world"])
    assert {row["port_class"] for row in found} == {"all ports", "ssh", "rdp", "database", "web", "other"}


def test_unused_groups_are_those_that_nothing_uses_where_that_can_be_told(witnessed_night: Witness) -> None:
    truth = witnessed_night.truth
    found = shown(witnessed_night, "select arn from cmdb.finding_unused_security_group order by arn")
    unknown = shown(witnessed_night, "select arn from cmdb.finding_unused_security_group_unknown order by arn")
    named = {
        group
        for kind in ("functions", "db_instances")
        for row in of_asked(truth, kind)
        for group in row["security_group_ids"]
    }
    groups = of_asked(truth, "security_groups")
    unused = [row for row in groups if row["is_unused"] and row["group_id"] not in named]
    owners = {row["vpc_id"]: row["account_id"] for row in truth["vpcs"]}
    # Accounts that nobody asks have interfaces in what the hub shares.
    foreign = {
        row["vpc_id"]
        for row in truth["network_interfaces"]
        if row["account_id"] not in asked(truth) and owners.get(row["vpc_id"]) in asked(truth)
    }
    # Of the hub nobody lists functions and databases.
    judged = [row for row in unused if row["account_id"] in truth["reachable"] and row["vpc_id"] not in foreign]
    assert [row["arn"] for row in found] == sorted(row["arn"] for row in judged)
    assert len(judged) < len([row for row in unused if row["vpc_id"] not in foreign])
    assert [row["arn"] for row in unknown] == sorted(row["arn"] for row in unused if row["vpc_id"] in foreign)
    assert 0 < len(found) < len(groups)


def test_groups_across_accounts_are_those_whose_rules_name_a_group_of_another_account(witnessed_night: Witness) -> None:
    truth = witnessed_night.truth
    found = shown(witnessed_night, "select * from cmdb.finding_security_group_across_accounts")
    members = {account["account_id"]: account["name"] for account in truth["accounts"]}
    assert sorted(
        (row["security_group_rule_id"], row["referenced_account_id"], row["referenced_account_name"]) for row in found
    ) == sorted(
        (rule["rule_id"], rule["referenced_account_id"], members.get(rule["referenced_account_id"]))
        for rule in of_asked(truth, "security_group_rules")
        if rule["is_cross_account"]
    )
    assert {row["is_in_organization"] for row in found} == {True, False}


BY_LISTING = {
    "finding_vpc_without_flow_log": {"ec2_vpc", "ec2_subnet", "ec2_flow_log", "ec2_network_interface"},
    "finding_unused_security_group": {
        *("ec2_security_group", "ec2_security_group_rule", "ec2_network_interface"),
        # What names a group.
        *("ec2_instance", "lambda_function", "rds_db_instance", "rds_db_cluster"),
    },
    "finding_open_rule": {"ec2_security_group", "ec2_security_group_rule", "ec2_network_interface"},
    "finding_exposure": {
        *("ec2_network_interface", "ec2_address", "ec2_vpc", "ec2_subnet", "ec2_route_table", "ec2_internet_gateway"),
        *("ec2_network_acl", "ec2_security_group", "ec2_security_group_rule", "ec2_instance", "rds_db_instance"),
        *("ec2_snapshot", "ec2_public_snapshot", "ec2_image", "rds_db_snapshot", "rds_db_cluster_snapshot"),
        *("rds_db_snapshot_attribute", "rds_db_cluster_snapshot_attribute"),
        *("ec2_vpc_block_public_access_option", "ec2_vpc_block_public_access_exclusion"),
    },
    "finding_security_group_across_accounts": {"ec2_security_group", "ec2_security_group_rule"},
}
"""What is asked of accounts for each finding about the network."""


def test_where_every_response_is_trusted_only_those_whom_nobody_requests_are_unknown(witnessed_night: Witness) -> None:
    truth = witnessed_night.truth
    never = {account["account_id"] for account in truth["accounts"] if account["state"] != "CLOSED"} - asked(truth)
    found = shown(
        witnessed_night,
        """
        select finding, account_id, listing, region from cmdb.finding_unknown
        where finding <> 'finding_spend_without_inventory'
        """,
    )
    # The operations role asks its own account for EC2 alone, and no workload profile reaches that account.
    central = asked(truth) - set(truth["reachable"])
    assert {tuple(row.values()) for row in found} == {
        (finding, account, listing, "aws-global")
        for finding, needed in BY_LISTING.items()
        for account in never | central
        for listing in (*needed, "ec2_region")
        if account in never or not listing.startswith("ec2_")
    }
    assert never and central


@pytest.mark.parametrize("finding", BY_LISTING)
@pytest.mark.parametrize("is_denied", [True, False], ids=["denied", "never asked"])
def test_of_an_account_without_any_response_no_finding_is_judged(home: House, finding: str, is_denied: bool) -> None:
    cells = [Given(name, outcome="denied") for name in BY_LISTING[finding]] if is_denied else []
    home.night("night-1", [ACCOUNT, *cells])
    home.build(f"cmdb.{finding}", "cmdb.finding_unknown", "cost.daily")
    assert home.rows(f"select * from cmdb.{finding}") == []
    unknown = home.rows(
        "select account_id, listing, outcome from cmdb.finding_unknown where finding = $finding", {"finding": finding}
    )
    outcome = "denied" if is_denied else None
    assert {tuple(row.values()) for row in unknown if row["account_id"] == OWNER} == {
        (OWNER, listing, outcome)
        for listing in BY_LISTING[finding]
        # What is requested where there is something else is unknown with that.
        if is_denied or CATALOGUE[listing].each is None
    } | {(OWNER, "ec2_region", None)}


# ------------------------------------------------------------------------------------- findings, in wrong worlds


ACCOUNT = Given(
    "organizations_account",
    [member(OWNER)],
)
"""The list of accounts, with one."""


def network(**other: Given) -> dict[str, Given]:
    """One VPC with one subnet and one group that nothing uses, all of it trusted."""
    group = {"OwnerId": OWNER, "GroupId": "sg-1", "GroupName": "left over", "VpcId": "vpc-1"}
    return {
        "account": ACCOUNT,
        "region": Given("ec2_region", [{"RegionName": "ap-southeast-2"}]),
        "vpc": Given("ec2_vpc", [{"OwnerId": OWNER, "VpcId": "vpc-1"}]),
        "subnet": Given("ec2_subnet", [{"OwnerId": OWNER, "SubnetId": "subnet-1", "VpcId": "vpc-1"}]),
        "group": Given("ec2_security_group", [group]),
        "rule": Given("ec2_security_group_rule"),
        "log": Given("ec2_flow_log"),
        "interface": Given("ec2_network_interface"),
        **{name: Given(name) for name in ("ec2_instance", "lambda_function", "rds_db_instance", "rds_db_cluster")},
        **other,
    }


def built(home: House, **other: Given) -> None:
    """A night of that network and its findings."""
    home.night("night-1", network(**other).values())
    home.build("cmdb.finding_vpc_without_flow_log", "cmdb.finding_unused_security_group", "cmdb.finding_unknown")


def flow_log(target: str, **other: Any) -> Given:
    """An answer with one flow log."""
    own = {"FlowLogId": "fl-1", "ResourceId": target, "FlowLogStatus": "ACTIVE", "TrafficType": "ALL"}
    return Given("ec2_flow_log", [{**own, **other}])


def flow_logs(*logs: tuple[str, str]) -> Given:
    """An answer with several flow logs: what each is of, and what it logs."""
    records = [
        record | {"FlowLogId": f"fl-{number}", "TrafficType": kind}
        for number, (target, kind) in enumerate(logs)
        for record in flow_log(target).records
    ]
    return Given("ec2_flow_log", records)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (Given("ec2_flow_log"), "no flow log"),
        (flow_log("vpc-1"), None),
        (flow_log("subnet-1"), None),
        (flow_log("vpc-2"), "no flow log"),
        (flow_log("vpc-1", DeliverLogsStatus="FAILED"), "delivery fails"),
        (flow_log("vpc-1", TrafficType="ACCEPT"), "accepted only"),
        (flow_log("vpc-1", TrafficType="REJECT"), "rejected only"),
        (flow_log("subnet-1", TrafficType="REJECT"), "rejected only"),
        (flow_logs(("vpc-1", "ACCEPT"), ("vpc-1", "REJECT")), None),
        (flow_logs(("vpc-1", "ACCEPT"), ("subnet-1", "REJECT")), None),
        (flow_logs(("vpc-1", "ACCEPT"), ("vpc-2", "REJECT")), "accepted only"),
        (flow_log("vpc-1", TrafficType="REJECT", DeliverLogsStatus="FAILED"), "delivery fails"),
        (Given("ec2_flow_log", outcome="denied"), None),
        (Given("ec2_flow_log", outcome="empty_suspect"), None),
    ],
    ids=[
        "none",
        "of the vpc",
        "of every subnet",
        "of another",
        "fails",
        "accepted",
        "rejected",
        "rejected in every subnet",
        "in two logs",
        "of the vpc and of every subnet",
        "the other half of another",
        "half, and fails",
        "denied",
        "suspect",
    ],
)
def test_a_vpc_is_a_finding_only_where_its_flow_logs_are_known(home: House, log: Given, reason: str | None) -> None:
    built(home, log=log)
    found = home.rows("select reason from cmdb.finding_vpc_without_flow_log")
    assert found == ([{"reason": reason}] if reason else [])
    unknown = home.rows(
        """
        select listing, outcome, resource_count from cmdb.finding_unknown
        where finding = 'finding_vpc_without_flow_log'
        """
    )
    trusted = log.outcome is None
    assert unknown == ([] if trusted else [{"listing": "ec2_flow_log", "outcome": log.outcome, "resource_count": 1}])


def test_a_vpc_of_which_one_subnet_is_logged_is_logged_in_parts(home: House) -> None:
    subnets = [{"OwnerId": OWNER, "SubnetId": name, "VpcId": "vpc-1"} for name in ("subnet-1", "subnet-2")]
    built(home, subnet=Given("ec2_subnet", subnets), log=flow_log("subnet-1"))
    assert home.rows("select reason, flow_log_ids from cmdb.finding_vpc_without_flow_log") == [
        {"reason": "only parts", "flow_log_ids": ["fl-1"]}
    ]


def test_half_the_traffic_of_a_part_is_a_part(home: House) -> None:
    subnets = [{"OwnerId": OWNER, "SubnetId": name, "VpcId": "vpc-1"} for name in ("subnet-1", "subnet-2")]
    built(home, subnet=Given("ec2_subnet", subnets), log=flow_log("subnet-1", TrafficType="REJECT"))
    assert home.rows("select reason from cmdb.finding_vpc_without_flow_log") == [{"reason": "only parts"}]


def rule(group: str, **other: Any) -> Row:
    """A rule of a group."""
    own = {"SecurityGroupRuleId": f"sgr-{group}", "GroupId": group, "GroupOwnerId": OWNER, "IsEgress": False}
    return {**own, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **other}


def attached(*groups: str) -> Given:
    """An answer with one interface."""
    own = {"OwnerId": OWNER, "NetworkInterfaceId": "eni-1", "Groups": [{"GroupId": group} for group in groups]}
    return Given("ec2_network_interface", [own])


@pytest.mark.parametrize(
    ("cells", "is_finding", "is_unknown"),
    [
        ({}, True, False),
        ({"interface": attached("sg-1")}, False, False),
        ({"interface": attached("sg-2")}, True, False),
        (
            {"rule": Given("ec2_security_group_rule", [rule("sg-2", ReferencedGroupInfo={"GroupId": "sg-1"})])},
            False,
            False,
        ),
        (
            {"rule": Given("ec2_security_group_rule", [rule("sg-1", ReferencedGroupInfo={"GroupId": "sg-1"})])},
            True,
            False,
        ),
        ({"interface": Given("ec2_network_interface", outcome="denied")}, False, True),
        ({"rule": Given("ec2_security_group_rule", outcome="failed")}, False, True),
        ({"lambda_function": Given("lambda_function", outcome="denied")}, False, True),
    ],
    ids=[
        *("nothing", "an interface", "another's", "another group", "itself", "interfaces denied", "rules failed"),
        "functions denied",
    ],
)
def test_a_group_is_unused_only_where_its_users_are_known(
    home: House, cells: dict[str, Given], is_finding: bool, is_unknown: bool
) -> None:
    built(home, **cells)
    found = home.rows("select name from cmdb.finding_unused_security_group")
    assert found == ([{"name": "left over"}] if is_finding else [])
    unknown = home.rows("select 1 as n from cmdb.finding_unknown where finding = 'finding_unused_security_group'")
    assert bool(unknown) is is_unknown


@pytest.mark.parametrize(
    ("ports", "port_class"),
    [
        (("-1", -1, -1), "all ports"),
        (("tcp", 0, 65535), "all ports"),
        (("tcp", 22, 22), "ssh"),
        (("tcp", 20, 4000), "ssh"),
        (("udp", 22, 22), "other"),
        (("udp", 3389, 3389), "rdp"),
        (("tcp", 5000, 6000), "database"),
        (("tcp", 443, 443), "web"),
        (("tcp", 81, 442), "other"),
        (("icmp", -1, -1), "other"),
        (("icmp", 8, 80), "other"),
    ],
)
def test_a_rule_is_of_the_worst_class_that_its_ports_open(
    home: House, ports: tuple[str, int, int], port_class: str
) -> None:
    protocol, first, last = ports
    opened = rule("sg-1", IpProtocol=protocol, FromPort=first, ToPort=last, CidrIpv4="0.0.0.0/0")
    home.night("night-1", [Given("ec2_security_group_rule", [opened, rule("sg-2", CidrIpv4="10.0.0.0/8")])])
    home.build("cmdb.finding_open_rule")
    found = home.rows("select security_group_id, port_class, interface_count from cmdb.finding_open_rule")
    assert found == [{"security_group_id": "sg-1", "port_class": port_class, "interface_count": None}]
