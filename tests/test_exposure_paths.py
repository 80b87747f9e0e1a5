"""What the internet reaches, by which path and since when; what only looks like it; and what cannot be told."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from given import FIRST_NIGHT, WORKLOAD, Given, House, member
from recomputed.exposure import inbound
from recomputed.exposure import openings as recomputed_openings

if TYPE_CHECKING:
    from resources.aws.messages import Outcome

Record = dict[str, Any]

OWNER, PARTICIPANT = WORKLOAD, "000000000042"
REGION = "ap-southeast-2"
GATEWAY, LOOSE = "igw-1", "igw-2"
"""One that is attached to the VPC, and one that is attached to none."""

PATH = (
    *("ec2_network_interface", "ec2_address", "ec2_vpc", "ec2_subnet", "ec2_route_table", "ec2_internet_gateway"),
    *("ec2_network_acl", "ec2_security_group", "ec2_security_group_rule", "ec2_instance", "rds_db_instance"),
    *("ec2_snapshot", "ec2_public_snapshot"),
    *("ec2_vpc_block_public_access_option", "ec2_vpc_block_public_access_exclusion"),
)
"""Every listing that a path rests on."""

OPTION, EXCLUSION = PATH[-2:]

ELSEWHERE_LISTED = ("lambda_function", "s3_bucket", "ec2_image", "rds_db_snapshot", "rds_db_cluster_snapshot")
"""What has ways in of its own, which other tests are about: there is none."""

WORLD, WORLD6 = "0.0.0.0/0", "::/0"
OPEN_ACL = (("in", 100, "allow", "-1", None, WORLD), ("out", 100, "allow", "-1", None, WORLD))
OPEN_ACL += (("in", 101, "allow", "-1", None, WORLD6), ("out", 101, "allow", "-1", None, WORLD6))
TO_GATEWAY = ((WORLD, GATEWAY), (WORLD6, GATEWAY))


@dataclass(frozen=True, eq=False)
class Way:
    """An interface or a database in a subnet of its own, as AWS lists it and all that lies on its path.

    Attributes:
        rules: what its group lets in: source, protocol, first and last port.
        more_rules: what a second group of it lets in.
        account: whose network it lies in.
        routes: destination and target of its subnet's routes but the local one; None where only the main table counts.
        acl: direction, number, action, protocol, ports and range of each rule of its ACL.
        owner: account of the interface or the database, where that is another one.
        state: state of the instance that has the interface; None where none has.
    """

    name: str
    rules: Sequence[tuple[str, str, int, int]] = ()
    more_rules: Sequence[tuple[str, str, int, int]] = ()
    routes: Sequence[tuple[str, str]] | None = TO_GATEWAY
    blackholes: Sequence[str] = ()
    acl: Sequence[tuple[str, int, str, str, tuple[int, int] | None, str]] = OPEN_ACL
    public: str | None = "203.0.113.1"
    ipv6: str | None = None
    owner: str = ""
    account: str = OWNER
    state: str | None = None
    kind: str = "interface"
    status: str = "in-use"
    port: int | None = None
    is_public: bool = True
    has_groups: bool = True

    @property
    def number(self) -> str:
        return self.name.replace(" ", "-") + self.account.removeprefix(OWNER)

    @property
    def holder(self) -> str:
        return self.owner or self.account

    @property
    def thing(self) -> str:
        """The end of its ARN."""
        return self.number if self.port else f"eni-{self.number}"

    @property
    def groups(self) -> list[str]:
        return [f"sg-{self.number}", *([f"sg-{self.number}-2"] if self.more_rules else [])] if self.has_groups else []


@dataclass
class World:
    """The records of several ways in, by listing and account."""

    records: dict[tuple[str, str], list[Record]] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, listing: str, account: str, *records: Record) -> None:
        self.records.setdefault((listing, account), []).extend(records)

    def cells(self) -> list[Given]:
        accounts = sorted({account for _, account in self.records} | {OWNER})
        listed = [Given("organizations_account", [member(account) for account in accounts])]
        listed += [Given("ec2_region", [{"RegionName": REGION}], account_id=account) for account in accounts]
        listed += [Given(name, account_id=account) for name in ELSEWHERE_LISTED for account in accounts]
        for account in accounts:
            for name in PATH:
                outcome = self.outcomes.get((name, account))
                records = [] if outcome else self.records.get((name, account), [])
                if outcome == "not_offered":
                    listed.append(Given(name, outcome="skipped", skip_reason=outcome, account_id=account))
                elif outcome != "never":
                    listed.append(Given(name, records, outcome, account_id=account))  # type: ignore[arg-type]
        return listed


def world(*ways: Way, main: Sequence[tuple[str, str]] = ()) -> World:
    """All that AWS lists of these ways in, in one VPC of each account, with a gateway."""
    made = World()
    for account in sorted({way.account for way in ways}):
        end = account.removeprefix(OWNER)
        vpc = {"OwnerId": account, "VpcId": f"vpc-1{end}"}
        made.add("ec2_vpc", account, vpc)
        made.add(OPTION, account, options(account))
        # Public ones are requested where there are any.
        made.add("ec2_snapshot", account, {"OwnerId": account, "SnapshotId": f"snap-own{end}"})
        attached = [{"State": "available", "VpcId": vpc["VpcId"]}]
        gateway = {"OwnerId": account, "InternetGatewayId": f"{GATEWAY}{end}", "Attachments": attached}
        loose = {"OwnerId": account, "InternetGatewayId": f"{LOOSE}{end}", "Attachments": []}
        made.add("ec2_internet_gateway", account, gateway, loose)
        made.add("ec2_route_table", account, vpc | table(f"rtb-main{end}", main, {"Main": True}, end))
    for way in ways:
        _network(made, way)
        if way.port is not None:
            made.add("rds_db_instance", way.holder, database(way))
        else:
            made.add("ec2_network_interface", way.holder, interface(way))
        if way.state:
            instance = {"OwnerId": way.holder, "InstanceId": f"i-{way.number}", "State": {"Name": way.state}}
            made.add("ec2_instance", way.holder, instance)
    return made


def table(
    name: str, routes: Sequence[tuple[str, str]], held: Record, end: str = "", blackholes: Sequence[str] = ()
) -> Record:
    """A route table, but for its VPC."""
    written = [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}]
    for destination, target in routes:
        kind = (
            "PrefixListId" if destination.startswith("pl-") else "Ipv6CidrBlock" if ":" in destination else "CidrBlock"
        )
        to = "NatGatewayId" if target.startswith("nat-") else "GatewayId"
        to = "EgressOnlyInternetGatewayId" if target.startswith("eigw-") else to
        to = "TransitGatewayId" if target.startswith("tgw-") else to
        to = "NetworkInterfaceId" if target.startswith("eni-") else "InstanceId" if target.startswith("i-") else to
        state = "blackhole" if destination in blackholes else "active"
        target = f"{target}{end}" if target in (GATEWAY, LOOSE) else target
        written.append({f"Destination{kind}": destination, to: target, "State": state})
    return {"RouteTableId": name, "Associations": [held], "Routes": written}


def options(account: str, mode: str = "off", state: str = "update-complete") -> Record:
    return {"AwsAccountId": account, "AwsRegion": REGION, "InternetGatewayBlockMode": mode, "State": state}


def _network(made: World, way: Way) -> None:
    subnet = f"subnet-{way.number}"
    end = way.account.removeprefix(OWNER)
    vpc = {"OwnerId": way.account, "VpcId": f"vpc-1{end}"}
    made.add("ec2_subnet", way.account, {**vpc, "SubnetId": subnet, "AvailabilityZone": f"{REGION}a"})
    if way.routes is not None:
        held = {"SubnetId": subnet, "Main": False}
        own = table(f"rtb-{way.number}", way.routes, held, end, way.blackholes)
        made.add("ec2_route_table", way.account, vpc | own)
    entries = [
        {
            "Egress": direction == "out",
            "RuleNumber": number,
            "RuleAction": action,
            "Protocol": protocol,
            "Ipv6CidrBlock" if ":" in cidr else "CidrBlock": cidr,
            **({"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}),
        }
        for direction, number, action, protocol, ports, cidr in (
            *way.acl,
            *((one, 32767, "deny", "-1", None, WORLD) for one in ("in", "out")),
            *((one, 32768, "deny", "-1", None, WORLD6) for one in ("in", "out")),
        )
    ]
    acl = {**vpc, "NetworkAclId": f"acl-{way.number}", "Entries": entries, "Associations": [{"SubnetId": subnet}]}
    made.add("ec2_network_acl", way.account, acl)
    for group, rules in zip(way.groups, (way.rules, way.more_rules), strict=False):
        named = {"OwnerId": way.holder, "GroupId": group, "GroupName": group, "VpcId": vpc["VpcId"]}
        made.add("ec2_security_group", way.holder, named)
        made.add("ec2_security_group_rule", way.holder, *_rules(way.holder, group, rules))


def _rules(owner: str, group: str, rules: Sequence[tuple[str, str, int, int]]) -> Iterator[Record]:
    out = {"GroupId": group, "GroupOwnerId": owner, "IsEgress": True, "IpProtocol": "-1", "CidrIpv4": WORLD}
    yield {**out, "SecurityGroupRuleId": f"sgr-{group}-out"}
    for number, (source, protocol, first, last) in enumerate(rules):
        kind = "PrefixListId" if source.startswith("pl-") else "CidrIpv6" if ":" in source else "CidrIpv4"
        yield {
            "SecurityGroupRuleId": f"sgr-{group}-{number}",
            "GroupId": group,
            "GroupOwnerId": owner,
            "IsEgress": False,
            "IpProtocol": protocol,
            "FromPort": first,
            "ToPort": last,
            kind: source,
        }


def interface(way: Way) -> Record:
    association = {"PublicIp": way.public} if way.public else None
    private = {"PrivateIpAddress": "10.0.0.7", "Primary": True, **({"Association": association} if association else {})}
    return {
        "OwnerId": way.holder,
        "NetworkInterfaceId": f"eni-{way.number}",
        "InterfaceType": way.kind,
        "Status": way.status,
        "VpcId": f"vpc-1{way.account.removeprefix(OWNER)}",
        "SubnetId": f"subnet-{way.number}",
        "PrivateIpAddress": "10.0.0.7",
        "PrivateIpAddresses": [private],
        "Groups": [{"GroupId": group} for group in way.groups],
        **({"Ipv6Addresses": [{"Ipv6Address": way.ipv6}]} if way.ipv6 else {}),
        **({"Attachment": {"InstanceId": f"i-{way.number}"}} if way.state else {}),
    }


def database(way: Way) -> Record:
    return {
        "DBInstanceArn": f"arn:aws:rds:{REGION}:{way.holder}:db:{way.number}",
        "DbiResourceId": f"db-{way.number}",
        "DBInstanceIdentifier": way.number,
        "DBInstanceStatus": way.status,
        # A zone's name means another place in another account: of a shared subnet it is another one.
        "AvailabilityZone": f"{REGION}{'b' if way.owner else 'a'}",
        "PubliclyAccessible": way.is_public,
        "Endpoint": {"Address": f"{way.number}.rds.example", "Port": way.port},
        "DBSubnetGroup": {
            "VpcId": f"vpc-1{way.account.removeprefix(OWNER)}",
            "Subnets": [{"SubnetIdentifier": f"subnet-{way.number}"}],
        },
        "VpcSecurityGroups": [{"VpcSecurityGroupId": group} for group in way.groups],
    }


BUILT = ("cmdb.finding_exposure", "cmdb.exposure", "cmdb.finding_exposure_unknown")


def night(home: House, made: World, number: int = 1) -> None:
    home.night(f"night-{number}", made.cells(), FIRST_NIGHT + timedelta(days=number - 1))
    home.build(*BUILT)


def thing_of(arn: str) -> str:
    return arn.rpartition("/")[2].rpartition(":")[2]


def openings(home: House) -> dict[str, set[tuple[str, str]]]:
    """By the thing that is reached what opens to whom."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in home.rows("select arn, opening, audience from cmdb.finding_exposure"):
        found.setdefault(thing_of(row["arn"]), set()).add((row["opening"], row["audience"]))
    return found


def verdicts(home: House) -> dict[str, str]:
    return {thing_of(row["arn"]): row["verdict"] for row in home.rows("select arn, verdict from cmdb.exposure")}


SSH = (WORLD, "tcp", 22, 22)
ELSEWHERE = ("54.0.0.0/8", "tcp", 22, 22)
EXPOSED: Mapping[Way, set[tuple[str, str]]] = {
    Way("ssh", [SSH], state="running"): {("tcp 22", "everybody")},
    Way("in halves", [("0.0.0.0/1", "tcp", 3389, 3389)], [("128.0.0.0/1", "tcp", 3389, 3389)]): {
        ("tcp 3389", "everybody")
    },
    Way("six", [(WORLD6, "tcp", 443, 443)], public=None, ipv6="2600:1f18::7"): {("tcp 443", "everybody")},
    Way("main table", [SSH], routes=None): {("tcp 22", "everybody")},
    Way("shared", [SSH], owner=PARTICIPANT): {("tcp 22", "everybody")},
    Way("office", [("198.51.100.0/24", "tcp", 443, 443)]): {("tcp 443", "named ranges")},
    Way("wide", [("54.0.0.0/8", "tcp", 443, 443)]): {("tcp 443", "wide range")},
    Way("ours", [("203.0.113.1/32", "tcp", 443, 443)]): {("tcp 443", "own addresses")},
    Way("but ssh", [(WORLD, "-1", -1, -1)], acl=[("in", 50, "deny", "6", (22, 22), WORLD), *OPEN_ACL]): {
        ("all", "everybody"),
        ("tcp 0-21", "everybody"),
        ("tcp 23-65535", "everybody"),
    },
    Way("by acl", [(WORLD, "-1", -1, -1)], acl=[
        ("in", 10, "allow", "6", (443, 443), "198.51.100.0/24"), ("out", 10, "allow", "6", (1024, 65535), WORLD)
    ]): {("tcp 443", "named ranges")},
    Way("by route", [SSH], routes=[("198.51.100.0/24", GATEWAY)]): {("tcp 22", "named ranges")},
    Way("database", [(WORLD, "tcp", 5000, 6000)], port=5432, status="available"): {("tcp 5432", "everybody")},
    Way("shared database", [(WORLD, "tcp", 5432, 5432)], port=5432, status="available", owner=PARTICIPANT): {
        ("tcp 5432", "everybody")
    },
    Way("ping", [(WORLD, "icmp", 8, -1)]): {("icmp 8", "everybody")},
}  # fmt: skip
"""What is open to the internet, and on what to whom."""

CLOSED = {
    Way("nat", [SSH], routes=[(WORLD, "nat-1")]): "no route leads to an internet gateway",
    Way("detached", [SSH], routes=[(WORLD, LOOSE)]): "the internet gateway is not attached to the VPC",
    Way("blackhole", [SSH], blackholes=[WORLD, WORLD6]): "no route leads to an internet gateway",
    Way("six outward", [(WORLD6, "tcp", 443, 443)], public=None, ipv6="2600:1f18::8", routes=[(WORLD6, "eigw-1")]):
        "no route leads to an internet gateway",
    Way("denied first", [SSH], acl=[("in", 90, "deny", "6", (0, 1024), WORLD), *OPEN_ACL]): "no rule, ACL",
    Way("no answer", [SSH], acl=[("in", 100, "allow", "-1", None, WORLD)]): "no rule, ACL",
    Way("private range", [("10.0.0.0/8", "tcp", 22, 22), ("100.64.0.0/10", "-1", -1, -1)]): "no rule, ACL",
    Way("other family", [(WORLD6, "tcp", 22, 22)]): "no rule, ACL",
    Way("no rule"): "no rule, ACL",
    Way("stopped", [SSH], state="stopped"): "the instance is stopped",
    Way("left over", [SSH], status="available"): "attached to nothing",
    Way("gateway", kind="nat_gateway", has_groups=False): "a NAT gateway lets nothing in",
    Way("inner database", [(WORLD, "tcp", 5432, 5432)], port=5432, routes=[], status="available"): "no route",
    Way("other port", [SSH], port=5432, status="available"): "no rule, ACL",
    Way("routed elsewhere", [("198.51.100.0/24", "tcp", 22, 22)], routes=[
        (WORLD, GATEWAY), ("198.51.100.0/24", "tgw-1")
    ]): "no rule, ACL",
    Way("acl of others", [("198.51.100.0/24", "tcp", 22, 22)], acl=[
        ("in", 10, "deny", "-1", None, "198.51.100.0/25"),
        ("in", 20, "deny", "6", (22, 22), "198.51.100.128/25"),
        *OPEN_ACL,
    ]): "no rule, ACL",
}  # fmt: skip
"""What looks like it and is not, and what keeps the internet out."""

NO_WAY = (
    Way("no address", [SSH], public=None),
    Way("own address six", [(WORLD6, "tcp", 22, 22)], public=None, ipv6="fd00::7"),
    Way("kept database", [(WORLD, "tcp", 5432, 5432)], port=5432, is_public=False, status="available"),
)
"""What has no address of the internet."""


def test_what_is_exposed_is_found_with_its_path_and_what_looks_like_it_is_not(home: House) -> None:
    made = world(*EXPOSED, *CLOSED, *NO_WAY, main=TO_GATEWAY)
    made.add("ec2_public_snapshot", OWNER, {"OwnerId": OWNER, "SnapshotId": "snap-1"})
    night(home, made)
    assert openings(home) == {
        **{way.thing: opened for way, opened in EXPOSED.items()},
        "snap-1": {("data", "everybody")},
    }
    assert verdicts(home) == {
        **{way.thing: "exposed" for way in EXPOSED},
        **{way.thing: "not exposed" for way in CLOSED},
        "snap-1": "exposed",
    }
    rows = home.rows("select arn, reason from cmdb.exposure where verdict = 'not exposed'")
    reasons = {thing_of(row["arn"]): row["reason"] for row in rows}
    assert [way.name for way, why in CLOSED.items() if why not in reasons[way.thing]] == [], reasons
    assert home.rows("select * from cmdb.finding_exposure_unknown") == []
    paths = {row["entry"]: row["path"] for row in home.rows("select entry, path from cmdb.finding_exposure")}
    assert (
        paths["database.rds.example"] == "internet → igw-1 → rtb-database → acl-database → sgr-sg-database-0 → database"
    )
    assert paths["2600:1f18::7"] == "internet → igw-1 → rtb-six → acl-six → sgr-sg-six-0 → eni-six"
    rows = home.rows(
        "select path from cmdb.finding_exposure where network_interface_id in ('eni-ssh', 'eni-main-table')"
    )
    assert {row["path"] for row in rows} == {
        "internet → igw-1 → rtb-ssh → acl-ssh → sgr-sg-ssh-0 → eni-ssh → i-ssh",
        "internet → igw-1 → rtb-main → acl-main-table → sgr-sg-main-table-0 → eni-main-table",
    }
    halves = home.rows("select len(rule_arns) as rules, cidrs from cmdb.finding_exposure where opening = 'tcp 3389'")
    assert halves == [{"rules": 2, "cidrs": ["0.0.0.0/1", "128.0.0.0/1"]}]


# ------------------------------------------------------------------------------------------------ not known


NEEDED = {
    "ec2_network_interface": set(),
    "ec2_route_table": {"ssh", "six", "main table", "database"},
    "ec2_internet_gateway": {"ssh", "six", "main table", "database"},
    "ec2_network_acl": {"ssh", "six", "main table", "database"},
    "ec2_security_group_rule": {"ssh", "six", "main table", "database"},
    "ec2_instance": {"ssh"},
    "rds_db_instance": set(),
    OPTION: {"ssh", "six", "main table", "database"},
    # What the others show leaves nothing open, and where nothing is blocked nothing is excluded.
    EXCLUSION: set(),
    "ec2_security_group": set(),
    "ec2_vpc": set(),
    "ec2_subnet": set(),
}
"""By listing the ways in of which nothing can be told without it. Others are not listed then, or known by the rest."""

DECIDES = {
    "denied first": {"ec2_network_acl", "ec2_security_group_rule"},
    "private range": {"ec2_security_group_rule"},
    "nat": {"ec2_route_table"},
    "detached": {"ec2_route_table", "ec2_internet_gateway"},
}
"""By way in that is shut the listings without which nobody can tell so. Else the rest keeps the internet out."""

PLACES = {
    "ec2_network_interface": "address",
    "ec2_address": "address",
    "rds_db_instance": "database",
    "ec2_snapshot": "snapshot",
    "ec2_public_snapshot": "snapshot",
}


def in_account(number: int) -> list[Way]:
    """Four that are exposed and four that are not, in an account of their own."""
    account = f"{OWNER}"[:9] + f"{number:03}"
    wanted = {"ssh", "six", "main table", "database"}
    ways = [way for way in EXPOSED if way.name in wanted]
    ways += [way for way in CLOSED if way.name in DECIDES]
    return [replace(way, account=account) for way in ways]


def without(made: World, ways: Sequence[Way], listing: str, outcome: str) -> None:
    made.outcomes[listing, ways[0].account] = outcome


def test_without_a_listing_of_the_path_it_is_unknown_and_never_not_exposed(home: House) -> None:
    refused = {listing: in_account(100 + number) for number, listing in enumerate(PATH)}
    never = {listing: in_account(200 + number) for number, listing in enumerate(PATH)}
    later = {listing: in_account(300 + number) for number, listing in enumerate(PATH)}
    every = [way for group in (refused, never, later) for ways in group.values() for way in ways]
    made = world(*every, main=TO_GATEWAY)
    for listing in PATH:
        without(made, refused[listing], listing, "denied")
        without(made, never[listing], listing, "never")
    night(home, made)
    _held(home, refused, "denied")
    _held(home, never, "never_asked")
    assert {verdict for thing, verdict in verdicts(home).items() if thing in {w.thing for w in later["ec2_vpc"]}} == {
        "exposed", "not exposed"
    }  # fmt: skip
    before = openings(home)
    for listing in PATH:
        without(made, later[listing], listing, "failed")
    night(home, made, 2)
    _held(home, later, "failed", is_stale=True)
    # What was found stands, marked.
    assert openings(home) == before
    stale = {thing_of(row["arn"]) for row in home.rows("select arn from cmdb.finding_exposure where is_stale")}
    assert {way.thing for way in later["ec2_network_acl"] if way in later["ec2_network_acl"][:4]} <= stale


def _held(home: House, groups: Mapping[str, list[Way]], reason: str, *, is_stale: bool = False) -> None:
    found = verdicts(home)
    unknown = home.rows("select * from cmdb.finding_exposure_unknown")
    for listing, ways in groups.items():
        is_exposed = {way: way.name in ("ssh", "six", "main table", "database") for way in ways}
        of_account = [row for row in unknown if row["account_id"] == ways[0].account]
        is_place_named = any(row["entry"] == "" and row["kind"] == PLACES.get(listing) for row in of_account)
        assert is_place_named == (listing in PLACES), listing
        for way in ways:
            shown = found.get(way.thing)
            if not is_exposed[way]:
                # An interface that is not listed is a place whose addresses nobody knows.
                is_unknown = listing in DECIDES[way.name] or (is_stale and listing == "ec2_network_interface")
                wanted = "unknown" if is_unknown else "not exposed"
                wanted = wanted if is_stale or listing != "ec2_network_interface" else None
                assert shown == wanted, (listing, way.name, shown)
            elif shown is None:
                assert is_place_named, (listing, way.name)
            elif way.name in NEEDED.get(listing, ()) or (is_stale and listing in PLACES and shown == "unknown"):
                assert shown == "unknown", (listing, way.name, shown)
                row = next(row for row in of_account if row["arn"] and thing_of(row["arn"]) == way.thing)
                assert f"{listing} of {way.account}: {reason}" in row["reason"], row
                assert row["listings"] == [listing]
            else:
                assert shown == "exposed", (listing, way.name, shown)


@pytest.mark.parametrize("outcome", ["denied", "failed", "empty_unconfirmed"])
@pytest.mark.parametrize("is_found_elsewhere", [True, False])
def test_where_snapshots_are_unknown_public_ones_are_as_well(
    home: House, outcome: Outcome, is_found_elsewhere: bool
) -> None:
    """Public snapshots are requested only where there is a snapshot."""
    snapshot = {"OwnerId": OWNER, "SnapshotId": "snap-1"}
    cells = [cell for cell in world().cells() if cell.listing not in ("ec2_snapshot", "ec2_public_snapshot")]
    cells.append(Given("ec2_snapshot", outcome=outcome, region="us-east-1"))
    cells += [Given(name, region="us-east-1") for name in ("rds_db_snapshot", "rds_db_cluster_snapshot")]
    if is_found_elsewhere:
        cells += [Given("ec2_snapshot", [snapshot]), Given("ec2_public_snapshot")]
    else:
        why = "parents_unconfirmed" if outcome == "empty_unconfirmed" else "parents_unknown"
        skipped = Given("ec2_public_snapshot", outcome="skipped", region="aws-global", skip_reason=why)
        cells += [Given("ec2_snapshot"), skipped]
    home.night("night-1", cells)
    home.build(*BUILT)
    unknown = home.rows(
        "select kind, region, reason, listings from cmdb.finding_exposure_unknown where kind = 'snapshot'"
    )
    assert unknown == [
        {
            "kind": "snapshot",
            "region": "us-east-1",
            "reason": f"ec2_snapshot of {OWNER}: {outcome}",
            "listings": ["ec2_snapshot"],
        }
    ]


def reasons(home: House) -> dict[str, str]:
    rows = home.rows("select arn, entry, reason from cmdb.exposure where verdict = 'unknown'")
    return {thing_of(row["arn"]): row["reason"] for row in rows}


def test_what_nobody_may_read_or_look_into_is_unknown(home: House) -> None:
    made = world(
        Way("by list", [("pl-1", "tcp", 22, 22)]),
        Way("list and more", [("pl-1", "tcp", 22, 22), (WORLD, "tcp", 443, 443)]),
        Way("list without a way", [("pl-1", "tcp", 22, 22)], routes=[]),
        Way("through a firewall", [SSH], routes=[(WORLD, "vpce-1")]),
        Way("through a firewall, no rule", routes=[(WORLD, "vpce-1")]),
        Way("through an interface", [SSH], routes=[(WORLD, "eni-1")]),
        Way("through an instance", [SSH], routes=[(WORLD, "i-1")]),
        Way("list through an interface", [SSH], routes=[("pl-2", "eni-1")]),
        Way("private through an interface", [SSH], routes=[("172.31.0.0/16", "eni-1")]),
        Way("past a firewall", [SSH], routes=[(WORLD, "vpce-1"), ("198.51.100.0/24", GATEWAY)]),
        Way("behind a firewall", [ELSEWHERE], routes=[(WORLD, "vpce-1"), ("198.51.100.0/24", GATEWAY)]),
        Way("firewall and loose", [SSH], routes=[(WORLD, "vpce-1"), ("198.51.100.0/24", LOOSE)]),
        Way("through a firewall, denied", [SSH], routes=[(WORLD, "vpce-1")], acl=[]),
        Way("led by list", [SSH], routes=[("pl-2", GATEWAY)]),
        Way("loose by list", [SSH], routes=[("pl-2", LOOSE)]),
        Way("balancer", kind="network_load_balancer", has_groups=False),
        Way("service endpoint", [SSH], routes=[("pl-63a5400a", "vpce-2"), (WORLD, GATEWAY)]),
    )
    addresses = [
        {"AllocationId": "eipalloc-1", "PublicIp": "203.0.113.9", "AssociationId": "a", "NetworkInterfaceId": "eni-9"},
        {"AllocationId": "eipalloc-2", "PublicIp": "203.0.113.10"},
    ]
    made.add("ec2_address", OWNER, *addresses)
    night(home, made)
    found = verdicts(home)
    assert {thing: verdict for thing, verdict in found.items() if verdict != "unknown"} == {
        "eni-list-and-more": "exposed",
        "eni-list-without-a-way": "not exposed",
        "eni-through-a-firewall,-no-rule": "not exposed",
        "eni-through-a-firewall,-denied": "not exposed",
        "eni-private-through-an-interface": "not exposed",
        "eni-past-a-firewall": "exposed",
        "eni-loose-by-list": "not exposed",
        "eni-service-endpoint": "exposed",
    }
    assert openings(home)["eni-past-a-firewall"] == {("tcp 22", "named ranges")}
    led = ["eni-through-a-firewall", "eni-through-an-interface", "eni-through-an-instance"]
    led += ["eni-list-through-an-interface", "eni-behind-a-firewall", "eni-firewall-and-loose"]
    assert reasons(home) == {
        "eni-by-list": "entries of prefix list pl-1",
        **dict.fromkeys(led, f"ec2_route_table of {OWNER}: led_through_a_middlebox"),
        "eni-led-by-list": f"ec2_route_table of {OWNER}: prefix_list",
        "eni-balancer": f"ec2_security_group of {OWNER}: no_security_group",
        "eipalloc-1": f"ec2_network_interface of {OWNER}: not_listed",
    }


def test_what_is_not_trusted_any_more_shuts_nothing_that_the_rest_does_not(home: House) -> None:
    narrow = [("198.51.100.0/24", GATEWAY)]
    of_routes = [
        Way("main table", [SSH], routes=None),
        Way("narrow", [ELSEWHERE], routes=narrow),
        Way("loose", [SSH], routes=[(WORLD, LOOSE)]),
        Way("database", [(WORLD, "tcp", 5000, 6000)], port=5432, routes=narrow[:0], status="available"),
    ]
    of_acl = [way for way in CLOSED if way.name in ("denied first", "acl of others", "no answer")]
    by_either = [
        Way("no rule"),
        Way("port of none", [SSH], port=5432, routes=narrow, status="available"),
        Way("stopped", [SSH], routes=narrow, state="stopped"),
    ]
    every = [*of_routes, *of_acl, *by_either]
    made = world(*every)
    night(home, made)
    assert verdicts(home) == {way.thing: "not exposed" for way in every}
    for number, (listing, unknown) in enumerate((("ec2_route_table", of_routes), ("ec2_network_acl", of_acl)), 2):
        made.outcomes = {(listing, OWNER): "denied"}
        night(home, made, number)
        assert reasons(home) == {way.thing: f"{listing} of {OWNER}: denied" for way in unknown}
        assert {thing for thing, verdict in verdicts(home).items() if verdict == "exposed"} == set()


def test_the_network_of_an_owner_whom_nobody_asks_is_unknown(home: House) -> None:
    made = world(Way("shared", [SSH], owner=PARTICIPANT), Way("kept in", owner=PARTICIPANT))
    made.outcomes = {(listing, OWNER): "never" for listing in PATH}
    night(home, made)
    assert verdicts(home) == {"eni-shared": "unknown", "eni-kept-in": "not exposed"}
    # What AWS shows of a shared network to the account that uses it names no gateway.
    tables, acls = ("ec2_route_table", OWNER), ("ec2_network_acl", OWNER)
    for name, account in (tables, acls):
        made.records[name, PARTICIPANT] = made.records[name, account]
    night(home, made, 2)
    parts = ("ec2_internet_gateway", OPTION)
    assert reasons(home) == {"eni-shared": "; ".join(f"{listing} of {OWNER}: never_asked" for listing in parts)}


def test_since_when_it_is_open_is_the_first_night_that_saw_it_so(home: House) -> None:
    office, more = ("198.51.100.0/24", "tcp", 22, 22), (WORLD, "tcp", 80, 80)
    nights = [
        [Way("narrower", [(WORLD, "tcp", 20, 30)]), Way("again", [SSH]), Way("wider", [office])],
        [Way("narrower", [SSH]), Way("again"), Way("wider", [SSH])],
        [Way("narrower", [office]), Way("again", [SSH]), Way("wider", [SSH, more])],
    ]
    found = []
    for number, ways in enumerate(nights, 1):
        night(home, world(*ways), number)
        rows = home.rows("select arn, opening, first_seen_at from cmdb.finding_exposure")
        found.append(
            {
                (thing_of(row["arn"]).removeprefix("eni-"), row["opening"]): int(row["first_seen_at"][8:10]) - 23
                for row in rows
            }
        )
    assert found == [
        {("narrower", "tcp 20-30"): 1, ("again", "tcp 22"): 1, ("wider", "tcp 22"): 1},
        # Whoever else gets in does so since now.
        {("narrower", "tcp 22"): 1, ("wider", "tcp 22"): 2},
        {("narrower", "tcp 22"): 1, ("again", "tcp 22"): 3, ("wider", "tcp 22"): 2, ("wider", "tcp 80"): 3},
    ]


# ------------------------------------------------------------------------------------------------ by other means


def test_any_groups_acl_and_routes_open_what_other_means_make_of_them(home: House) -> None:
    chance = random.Random(21)
    ways = [_any(chance, number) for number in range(100)]
    made = world(*ways)
    night(home, made)
    found: dict[str, set[Any]] = {}
    for row in home.rows("select arn, opening, audience, rule_arns from cmdb.finding_exposure"):
        one = (row["opening"], row["audience"], frozenset(arn.rpartition("/")[2] for arn in row["rule_arns"]))
        found.setdefault(thing_of(row["arn"]), set()).add(one)
    own = {int(ipaddress.ip_address("203.0.113.1"))}
    acls = {one["NetworkAclId"]: one["Entries"] for one in made.records["ec2_network_acl", OWNER]}
    tables = {one["RouteTableId"]: one["Routes"] for one in made.records["ec2_route_table", OWNER]}
    is_open = []
    for way in ways:
        written = zip(way.groups, (way.rules, way.more_rules), strict=False)
        records = [record for group, rules in written for record in _rules(OWNER, group, rules)]
        rules = [rule for record in records if (rule := inbound(record["SecurityGroupRuleId"], record))]
        wanted = recomputed_openings(
            rules, acls[f"acl-{way.number}"], tables[f"rtb-{way.number}"], 6 if way.ipv6 else 4, own
        )
        assert found.get(way.thing, set()) == wanted, way
        is_open.append(bool(wanted))
    assert 30 < sum(is_open) < 90


def _any(chance: random.Random, number: int) -> Way:
    """A way in as nobody would set it up."""
    six = chance.random() < 0.2
    ranges = (
        ["::/0", "2000::/4", "3000::/4", "2600::/16", "2600:1f18::/32", "2600:1f18::7/128", "fd00::/8"]
        if six
        else [
            *("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "54.0.0.0/8", "54.1.0.0/16", "54.1.2.0/24", "54.1.2.3/32"),
            *("10.0.0.0/8", "203.0.113.1/32", "192.0.0.0/8"),
        ]
    )

    def ports() -> tuple[int, int]:
        first = chance.choice([0, 22, 80, 443, 1024])
        return first, chance.choice([first, max(first, 443), 65535])

    def rules(most: int) -> list[tuple[str, str, int, int]]:
        found = []
        for _ in range(chance.randint(1, most)):
            protocol = chance.choice(["tcp", "tcp", "udp", "-1", "icmp", "50"])
            whole = protocol in ("-1", "50")
            first, last = (-1, -1) if whole else (chance.choice([-1, 8]), -1) if protocol == "icmp" else ports()
            found.append((chance.choice(ranges), protocol, first, last))
        return found

    acl = [
        (chance.choice(["in", "in", "out"]), 10 + line, chance.choice(["allow", "deny"]), protocol,
         ports() if protocol in ("6", "17") else None, chance.choice(ranges))
        for line in range(chance.randint(0, 4))
        for protocol in [chance.choice(["6", "6", "17", "-1", "1"])]
    ]  # fmt: skip
    targets = [GATEWAY, GATEWAY, "nat-1"]
    routes = {chance.choice(ranges[:6]): chance.choice(targets) for _ in range(chance.randint(0, 2))}
    if chance.random() < 0.7:
        routes[ranges[0]] = GATEWAY
    return Way(
        f"any {number}",
        rules(3),
        rules(2) if chance.random() < 0.5 else (),
        routes=list(routes.items()),
        acl=[*acl, *(OPEN_ACL if chance.random() < 0.8 else ())],
        public=None if six else "203.0.113.1",
        ipv6="2600:1f18::7" if six else None,
    )
