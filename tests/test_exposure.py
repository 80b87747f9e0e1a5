"""What is open to everybody however it is spelt, and which groups nothing uses, by all that the file knows."""

from __future__ import annotations

from typing import Any

import pytest
from given import WORKLOAD, Given, House
from test_claims import members

Row = dict[str, Any]

OWNER, PARTICIPANT = WORKLOAD, "000000000042"

ALL_BUT_PRIVATE = (
    *("0.0.0.0/5", "8.0.0.0/7", "11.0.0.0/8", "12.0.0.0/6", "16.0.0.0/4", "32.0.0.0/3", "64.0.0.0/2"),
    "128.0.0.0/1",
)


def rules(*said: tuple[str, str, int, int], group: str = "sg-1") -> list[Row]:
    """Rules of one group that let in: source, protocol, first and last port."""
    records = []
    for source, protocol, first, last in said:
        kind = "PrefixListId" if source.startswith("pl-") else "CidrIpv6" if ":" in source else "CidrIpv4"
        own: Row = {"SecurityGroupRuleId": f"sgr-{group}-{len(records)}", "GroupId": group, "GroupOwnerId": OWNER}
        ports = {"IpProtocol": protocol, "FromPort": first, "ToPort": last}
        records.append(own | ports | {"IsEgress": False, kind: source})
    return records


def ssh(*sources: str) -> list[Row]:
    """Rules of one group that open port 22."""
    return rules(*((source, "tcp", 22, 22) for source in sources))


def opened(home: House, records: list[Row]) -> dict[str, tuple[str, str]]:
    """By source what a rule lets in, and the worst of the ports that it opens so."""
    home.night("night-1", [Given("ec2_security_group_rule", records)])
    home.build("cmdb.finding_open_rule", "cmdb.finding_open_rule_unknown")
    found = home.rows("select cidr, exposure, port_class from cmdb.finding_open_rule")
    assert len(found) == len({row["cidr"] for row in found})
    return {row["cidr"]: (row["exposure"], row["port_class"]) for row in found}


@pytest.mark.parametrize("source", ["0.0.0.0/0", "::/0", "2000::/3", "::/1"])
def test_one_range_may_be_everybody(home: House, source: str) -> None:
    assert opened(home, ssh(source)) == {source: ("world", "ssh")}


@pytest.mark.parametrize(
    "sources",
    [
        ("0.0.0.0/1", "128.0.0.0/1"),
        ("0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/2"),
        ALL_BUT_PRIVATE,
        ("2000::/4", "3000::/4"),
    ],
    ids=["halves", "a half and two quarters", "all but private ranges", "halves of IPv6"],
)
def test_several_ranges_may_be_everybody(home: House, sources: tuple[str, ...]) -> None:
    assert opened(home, ssh(*sources)) == dict.fromkeys(sources, ("world in parts", "ssh"))


def test_what_lies_within_another_range_adds_nothing(home: House) -> None:
    found = opened(home, ssh("0.0.0.0/1", "128.0.0.0/1", "203.0.113.0/24", "198.51.100.7/32"))
    assert set(found) == {"0.0.0.0/1", "128.0.0.0/1"}
    found = opened(home, ssh("0.0.0.0/0", "203.0.113.0/24"))
    assert found == {"0.0.0.0/0": ("world", "ssh")}


@pytest.mark.parametrize(
    ("source", "exposure"),
    [
        ("0.0.0.0/1", "wide range"),
        ("54.0.0.0/8", "wide range"),
        ("54.0.0.0/9", None),
        ("2600::/12", "wide range"),
        ("2600:1f00::/24", None),
        ("10.0.0.0/8", None),
        ("192.168.0.0/16", None),
        ("224.0.0.0/4", None),
        ("fd00::/8", None),
        ("203.0.113.9/32", None),
        ("2001:db8::1/128", None),
        ("::ffff:203.0.113.9/128", None),
    ],
)
def test_a_wide_range_of_public_addresses_is_a_class_of_its_own(home: House, source: str, exposure: str | None) -> None:
    assert opened(home, ssh(source)) == ({source: (exposure, "ssh")} if exposure else {})


def test_only_the_ports_that_all_the_ranges_open_are_open_to_everybody(home: House) -> None:
    halves = rules(("0.0.0.0/1", "tcp", 0, 65535), ("128.0.0.0/1", "tcp", 443, 443))
    assert opened(home, halves) == dict.fromkeys(("0.0.0.0/1", "128.0.0.0/1"), ("world in parts", "web"))
    apart = rules(("0.0.0.0/1", "tcp", 22, 22), ("128.0.0.0/1", "tcp", 443, 443))
    assert {exposure for exposure, _ in opened(home, apart).values()} == {"wide range"}
    # All protocols are those that the other rule names, too.
    every = rules(("0.0.0.0/1", "-1", -1, -1), ("128.0.0.0/1", "tcp", 3306, 3306))
    assert opened(home, every) == dict.fromkeys(("0.0.0.0/1", "128.0.0.0/1"), ("world in parts", "database"))
    # IPv4 and IPv6 are two worlds.
    mixed = ssh("0.0.0.0/1", "8000::/1")
    assert opened(home, mixed) == {"0.0.0.0/1": ("wide range", "ssh")}


def test_ranges_of_two_groups_do_not_come_together(home: House) -> None:
    found = opened(home, rules(("0.0.0.0/1", "tcp", 22, 22)) + rules(("128.0.0.0/1", "tcp", 22, 22), group="sg-2"))
    assert {exposure for exposure, _ in found.values()} == {"wide range"}


def test_what_a_prefix_list_lets_in_is_unknown(home: House) -> None:
    assert opened(home, ssh("pl-1234", "203.0.113.9/32")) == {}
    found = home.rows("select security_group_rule_id, prefix_list_id from cmdb.finding_open_rule_unknown")
    assert found == [{"security_group_rule_id": "sgr-sg-1-0", "prefix_list_id": "pl-1234"}]


# --------------------------------------------------------------------------------------------------- groups


def night(home: House, *more: Given, interfaces: Given | None = None) -> tuple[list[str], list[Row]]:
    """One group in one VPC: the groups that nothing uses, and those of which it cannot be told."""
    group = {"OwnerId": OWNER, "GroupId": "sg-1", "GroupName": "left over", "VpcId": "vpc-1"}
    home.night(
        "night-1",
        [
            Given("ec2_vpc", [{"OwnerId": OWNER, "VpcId": "vpc-1"}]),
            Given("ec2_security_group", [group]),
            Given("ec2_security_group_rule", ssh("0.0.0.0/1", "128.0.0.0/1")),
            interfaces or Given("ec2_network_interface"),
            *more,
        ],
    )
    home.build("cmdb.finding_unused_security_group")
    found = home.rows("select name, rule_count, open_rule_count from cmdb.finding_unused_security_group")
    assert all((row["rule_count"], row["open_rule_count"]) == (2, 2) for row in found)
    unknown = home.rows("select name, participant_account_ids from cmdb.finding_unused_security_group_unknown")
    return [row["name"] for row in found], unknown


FUNCTION = {
    "FunctionArn": f"arn:aws:lambda:ap-southeast-2:{OWNER}:function:f",
    "FunctionName": "f",
    "VpcConfig": {"VpcId": "vpc-1", "SecurityGroupIds": ["sg-1"]},
}
INSTANCE = {
    "OwnerId": OWNER,
    "InstanceId": "i-1",
    "State": {"Name": "stopped"},
    "SecurityGroups": [{"GroupId": "sg-1"}],
}
DATABASE = {
    "DBInstanceArn": f"arn:aws:rds:ap-southeast-2:{OWNER}:db:d",
    "DbiResourceId": "db-1",
    "DBInstanceIdentifier": "d",
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
}


@pytest.mark.parametrize(
    ("user", "is_used"),
    [
        (Given("lambda_function", [FUNCTION]), True),
        (Given("ec2_instance", [INSTANCE]), True),
        (Given("ec2_instance", [INSTANCE | {"State": {"Name": "terminated"}}]), False),
        (Given("rds_db_instance", [DATABASE]), True),
        # Of another account, in which the group is not listed: ids are unique.
        (
            Given(
                "lambda_function",
                [FUNCTION | {"FunctionArn": FUNCTION["FunctionArn"].replace(OWNER, PARTICIPANT)}],
                account_id=PARTICIPANT,
            ),
            True,
        ),
        (Given("lambda_function", [FUNCTION | {"VpcConfig": {}}]), False),
    ],
    ids=["function", "instance", "terminated instance", "database", "function elsewhere", "function without"],
)
def test_a_group_is_used_by_whatever_names_it(home: House, user: Given, is_used: bool) -> None:
    assert night(home, user) == ([] if is_used else ["left over"], [])


@pytest.mark.parametrize(
    ("cell", "is_judged"),
    [
        (Given("lambda_function", outcome="denied"), False),
        (Given("ec2_instance", outcome="failed"), False),
        (Given("rds_db_cluster", outcome="empty_suspect"), False),
        (Given("lambda_function", outcome="skipped", skip_reason="not_offered"), True),
        (Given("lambda_function", outcome="denied", region="us-east-1"), True),
        (Given("lambda_function"), True),
    ],
    ids=["functions denied", "instances failed", "clusters suspect", "no Lambda there", "elsewhere", "none"],
)
def test_a_group_is_not_judged_where_what_would_name_it_is_unknown(home: House, cell: Given, is_judged: bool) -> None:
    assert night(home, cell) == (["left over"] if is_judged else [], [])


USERS = ("ec2_instance", "lambda_function", "rds_db_instance", "rds_db_cluster")


@pytest.mark.parametrize("never", [*USERS, ""])
def test_a_group_is_not_judged_where_nobody_requested_what_would_name_it(home: House, never: str) -> None:
    users = [Given(name) for name in USERS if name != never]
    assert night(home, *members(OWNER), *users) == ([] if never else ["left over"], [])


@pytest.mark.parametrize("is_asked", [True, False], ids=["asked", "not asked"])
def test_a_group_of_a_vpc_that_an_account_uses_which_nobody_requests_is_unknown(home: House, is_asked: bool) -> None:
    foreign = {"OwnerId": PARTICIPANT, "NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "Groups": [{"GroupId": "sg-9"}]}
    seen = Given("ec2_network_interface", [foreign])
    own = [Given("ec2_network_interface", [foreign], account_id=PARTICIPANT)] if is_asked else []
    unknown = [{"name": "left over", "participant_account_ids": [PARTICIPANT]}]
    assert night(home, *own, interfaces=seen) == ((["left over"], []) if is_asked else ([], unknown))


# ------------------------------------------------------------------------------------------------- addresses


def test_every_address_of_an_interface_is_found_and_reported_public_or_not(home: House) -> None:
    interface = {
        "OwnerId": OWNER,
        "NetworkInterfaceId": "eni-1",
        "PrivateIpAddress": "10.0.0.7",
        "PrivateIpAddresses": [
            {"PrivateIpAddress": "10.0.0.7", "Primary": True},
            {"PrivateIpAddress": "10.0.0.11", "Primary": False, "Association": {"PublicIp": "203.0.113.9"}},
        ],
        "Ipv6Addresses": [{"Ipv6Address": "2600:1f18::7"}, {"Ipv6Address": "fd00::7"}],
        "Groups": [{"GroupId": "sg-1"}],
    }
    alone = {
        "OwnerId": OWNER,
        "NetworkInterfaceId": "eni-2",
        "PrivateIpAddress": "10.0.0.8",
        "Association": {"PublicIp": "203.0.113.10"},
    }
    inside = {"OwnerId": OWNER, "NetworkInterfaceId": "eni-3", "Groups": [{"GroupId": "sg-1"}]}
    # Its public address stands beside its private ones alone.
    private = [{"PrivateIpAddress": address, "Primary": address == "10.0.0.9"} for address in ("10.0.0.9", "10.0.0.12")]
    beside = {
        "OwnerId": OWNER,
        "NetworkInterfaceId": "eni-4",
        "PrivateIpAddresses": private,
        "Association": {"PublicIp": "203.0.113.11"},
    }
    home.night(
        "night-1",
        [
            Given("ec2_network_interface", [interface, alone, inside, beside]),
            Given("ec2_security_group_rule", ssh("0.0.0.0/0")),
        ],
    )
    home.build("cmdb.finding_open_rule")
    found = home.rows(
        "select network_interface_id, address, is_public, private_ip_address from aws.ec2_network_interface_address"
    )
    assert {(row["network_interface_id"], row["address"], row["is_public"]) for row in found} == {
        ("eni-1", "10.0.0.7", False),
        ("eni-1", "10.0.0.11", False),
        ("eni-1", "203.0.113.9", True),
        ("eni-1", "2600:1f18::7", True),
        ("eni-1", "fd00::7", False),
        ("eni-2", "10.0.0.8", False),
        ("eni-2", "203.0.113.10", True),
        ("eni-4", "10.0.0.9", False),
        ("eni-4", "10.0.0.12", False),
        ("eni-4", "203.0.113.11", True),
    }
    behind = {row["address"]: row["private_ip_address"] for row in found if row["private_ip_address"]}
    assert behind == {"203.0.113.9": "10.0.0.11", "203.0.113.10": "10.0.0.8", "203.0.113.11": "10.0.0.9"}
    counts = home.rows("select interface_count, public_interface_count from cmdb.finding_open_rule")
    assert counts == [{"interface_count": 2, "public_interface_count": 1}]
