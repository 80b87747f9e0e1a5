"""What the internet reaches, by boto3's records: range by range, rule by rule, in the order that AWS applies."""

from __future__ import annotations

import ipaddress
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recomputed.figures import Figures, Row, recomputes
from recomputed.given_away import given_to_everybody
from recomputed.network import NOBODYS, listed, of_everybody
from recomputed.world import World

Record = dict[str, Any]
Span = tuple[int, int]
Spans = list[Span]
"""Ranges of addresses, apart and in order."""

NAMES = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}
EVERYBODY = {4: 1 << 24, 6: 1 << 117}
"""How many addresses everybody may lack."""
WIDE = {4: 3 << 22, 6: 1 << 112}
"""How many addresses are a wide range."""
AUDIENCES = ("everybody", "wide range", "named ranges", "own addresses")

STILL = ("stopping", "stopped", "shutting-down", "terminated")


# ------------------------------------------------------------------------------------------------ ranges


def both(one: Spans, other: Spans) -> Spans:
    """What lies in both."""
    found = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return sorted((first, last) for first, last in found if first <= last)


def less(one: Spans, other: Spans) -> Spans:
    """What lies in the first alone."""
    for first, last in other:
        kept: Spans = []
        for a, b in one:
            kept += [(low, high) for low, high in ((a, min(b, first - 1)), (max(a, last + 1), b)) if low <= high]
        one = kept
    return sorted(one)


def together(spans: Iterable[Span]) -> Spans:
    """What lies in any."""
    found: Spans = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def span(cidr: str) -> Span:
    network = ipaddress.ip_network(cidr, strict=False)
    return int(network.network_address), int(network.broadcast_address)


def version(cidr: str) -> int:
    return 6 if ":" in cidr else 4


def whole(family: int) -> Spans:
    return [(0, (1 << (32 if family == 4 else 128)) - 1)]


def public(family: int) -> Spans:
    """What somebody on the internet may have."""
    return less(whole(family), [span(cidr) for cidr in NOBODYS[family]])


# ------------------------------------------------------------------------------------------------ one path


@dataclass(frozen=True)
class Rule:
    """What a security group lets in."""

    arn: str
    cidr: str
    protocol: str
    first: int
    last: int


def inbound(arn: str, record: Record) -> Rule | None:
    """A rule of a group as a range of ports, where it lets in a range of addresses."""
    cidr = record.get("CidrIpv4") or record.get("CidrIpv6")
    if record["IsEgress"] or not cidr:
        return None
    protocol = NAMES.get(record["IpProtocol"], record["IpProtocol"])
    low, high = record.get("FromPort", -1), record.get("ToPort", -1)
    ports = (0, 65535)
    if protocol in ("tcp", "udp") and low >= 0:
        ports = (low, high)
    elif protocol in ("icmp", "icmpv6"):
        ports = (low, low) if low >= 0 else (0, 255)
    return Rule(arn, cidr, protocol, *ports)


def by_acl(entries: Sequence[Record], *, egress: bool, family: int, protocol: str, port: int | None) -> Spans:
    """The addresses that an ACL lets through on a port, or on any port."""
    if port is None:
        edges = {edge for entry in entries for edge in (_ports(entry, protocol)[0], _ports(entry, protocol)[1] + 1)}
        found = [
            by_acl(entries, egress=egress, family=family, protocol=protocol, port=edge)
            for edge in sorted(edges)
            if edge <= 65535
        ]
        return together(itertools.chain.from_iterable(found))
    left, let = whole(family), []
    for entry in sorted(entries, key=lambda one: one["RuleNumber"]):
        cidr = entry.get("CidrBlock") or entry.get("Ipv6CidrBlock")
        is_of = NAMES.get(entry["Protocol"], entry["Protocol"]) in (protocol, "-1")
        low, high = _ports(entry, protocol)
        if entry["Egress"] is egress and is_of and version(cidr) == family and low <= port <= high:
            hit = both(left, [span(cidr)])
            left = less(left, hit)
            let += hit if entry["RuleAction"] == "allow" else []
    return together(let)


def _ports(entry: Record, protocol: str) -> tuple[int, int]:
    if NAMES.get(entry["Protocol"]) != protocol:
        return 0, 65535
    if protocol in ("tcp", "udp"):
        ports = entry.get("PortRange", {})
        return ports.get("From", 0), ports.get("To", 65535)
    kind = entry.get("IcmpTypeCode", {}).get("Type", -1)
    return (kind, kind) if kind >= 0 else (0, 65535)


def by_routes(routes: Sequence[Record], family: int) -> Spans:
    """The addresses that a table leads to an internet gateway."""
    led: Spans = []
    written = [(route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock"), route) for route in routes]
    ordered = sorted(
        ((cidr, route) for cidr, route in written if cidr and version(cidr) == family),
        key=lambda one: ipaddress.ip_network(one[0]).prefixlen,
    )
    for cidr, route in ordered:
        own = [span(cidr)]
        led = together([*less(led, own), *(own if is_open(route) else [])])
    return led


def is_open(route: Record) -> bool:
    return route["State"] == "active" and route.get("GatewayId", "").startswith("igw-")


Opening = tuple[str, str, frozenset[str]]
"""Protocol and ports in words, audience, ARNs of the rules."""


def openings(
    rules: Sequence[Rule], entries: Sequence[Record], routes: Sequence[Record], family: int, own: set[int]
) -> set[Opening]:
    """What comes in through groups, ACL and routes."""
    fitting = [rule for rule in rules if version(rule.cidr) == family]
    named = {NAMES.get(entry["Protocol"], entry["Protocol"]) for entry in entries if _is_of_somebody(entry)} - {"-1"}
    asked = {rule.protocol for rule in fitting if rule.protocol != "-1"}
    is_any = any(rule.protocol == "-1" for rule in fitting)
    asked |= (named | {"-1"}) if is_any else set()
    found = {
        protocol: list(_stretches(protocol, fitting, entries, routes, family, own, is_named=protocol in named))
        for protocol in sorted(asked)
    }
    of_all = [audience for _, _, audience, _ in found.get("-1", [])]
    return {
        (words(protocol, first, last), AUDIENCES[audience], arns)
        for protocol, stretches in found.items()
        for first, last, audience, arns in stretches
        # What is open for all protocols need not be listed of each.
        if protocol == "-1" or protocol in named or not any(one <= audience for one in of_all)
    }


def _is_of_somebody(entry: Record) -> bool:
    """Of IPv6 only a part is given to anybody: what an ACL says of the rest says nothing of a protocol."""
    cidr = entry.get("CidrBlock") or entry.get("Ipv6CidrBlock")
    return version(cidr) == 4 or bool(both(public(6), [span(cidr)]))


def _stretches(
    protocol: str,
    rules: Sequence[Rule],
    entries: Sequence[Record],
    routes: Sequence[Record],
    family: int,
    own: set[int],
    *,
    is_named: bool,
) -> Iterator[tuple[int, int, int, frozenset[str]]]:
    own_rules = [rule for rule in rules if rule.protocol in (protocol, "-1")]
    top = 255 if protocol in ("icmp", "icmpv6") else 65535
    seen = protocol if is_named else "-1"
    answered = by_acl(entries, egress=True, family=family, protocol=seen, port=None)
    reached = both(both(answered, by_routes(routes, family)), public(family))
    edges = {0, top + 1}
    for rule in own_rules:
        edges |= {rule.first, rule.last + 1}
    for entry in entries:
        edges |= {_ports(entry, seen)[0], _ports(entry, seen)[1] + 1}
    now: tuple[int, int, int, frozenset[str]] | None = None
    for first, after in itertools.pairwise(sorted(edge for edge in edges if edge <= top + 1)):
        through = both(reached, by_acl(entries, egress=False, family=family, protocol=seen, port=first))
        here = [rule for rule in own_rules if rule.first <= first <= rule.last]
        judged = _audience(here, through, family, own)
        if judged is None:
            continue
        if now and (now[1] + 1, now[2:]) == (first, judged):
            now = (now[0], after - 1, *judged)
            continue
        if now:
            yield now
        now = (first, after - 1, *judged)
    if now:
        yield now


def _audience(rules: list[Rule], through: Spans, family: int, own: set[int]) -> tuple[int, frozenset[str]] | None:
    let_in = {rule: both(through, [span(rule.cidr)]) for rule in rules}
    let = together(itertools.chain.from_iterable(let_in.values()))
    if not let:
        return None
    count = sum(last - first + 1 for first, last in let)
    everybody = sum(last - first + 1 for first, last in public(family))
    # Rules whose range lies within another's add nothing.
    cidrs = {rule.cidr for rule, spans in let_in.items() if spans}
    networks = {cidr: ipaddress.ip_network(cidr) for cidr in cidrs}
    adding = {
        cidr
        for cidr in cidrs
        if not any(
            let_in_of(let_in, cidr) == both(let_in_of(let_in, cidr), let_in_of(let_in, other))
            and networks[cidr].subnet_of(networks[other])  # type: ignore[arg-type]
            for other in cidrs - {cidr}
        )
    }
    audience = (
        0 if everybody - count < EVERYBODY[family]
        else 1 if count >= WIDE[family]
        else 3 if family == 4 and all(last - first < 256 and set(range(first, last + 1)) <= own for first, last in let)
        else 2
    )  # fmt: skip
    return audience, frozenset(rule.arn for rule in rules if rule.cidr in adding)


def let_in_of(let_in: Mapping[Rule, Spans], cidr: str) -> Spans:
    return next(spans for rule, spans in let_in.items() if rule.cidr == cidr)


def words(protocol: str, first: int, last: int) -> str:
    """Protocol and ports as the tables write them."""
    top = 255 if protocol in ("icmp", "icmpv6") else 65535
    if protocol == "-1":
        return "all"
    if protocol not in NAMES.values():
        return f"protocol {protocol}"
    if (first, last) == (0, top):
        return protocol
    return f"{protocol} {first}" if first == last else f"{protocol} {first}-{last}"


# ------------------------------------------------------------------------------------------------ the organisation


@dataclass(frozen=True)
class Way:
    """A way in: what it is, where it lies, and what keeps the internet out by its nature."""

    arn: str
    entry: str
    kind: str
    account: str
    family: int
    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    port: int | None = None
    is_shut: bool = False
    is_listed: bool = True


def _ways(world: World) -> Iterator[Way]:
    states = {one["InstanceId"]: one["State"]["Name"] for _, _, one in listed(world, "ec2_instance")}
    interfaces = of_everybody(world, "ec2_network_interface", "NetworkInterfaceId")
    regions = {
        one["NetworkInterfaceId"]: region for _, region, one in listed(world, "ec2_network_interface")
    }  # fmt: skip
    public_of: dict[str, set[str]] = defaultdict(set)
    for name, one in interfaces.items():
        for held in (one, *one.get("PrivateIpAddresses", [])):
            if held.get("Association", {}).get("PublicIp"):
                public_of[name].add(held["Association"]["PublicIp"])
    known = set(itertools.chain.from_iterable(public_of.values()))
    unlisted: list[Way] = []
    for account, region, one in listed(world, "ec2_address"):
        if one.get("AssociationId") and one["PublicIp"] not in known:
            if one.get("NetworkInterfaceId") in interfaces:
                public_of[one["NetworkInterfaceId"]].add(one["PublicIp"])
            else:
                arn = f"arn:aws:ec2:{region}:{account}:elastic-ip/{one['AllocationId']}"
                unlisted.append(Way(arn, one["PublicIp"], "address", account, 4, (), (), is_listed=False))
    yield from unlisted
    for name, one in interfaces.items():
        arn = f"arn:aws:ec2:{regions[name]}:{one['OwnerId']}:network-interface/{name}"
        state = states.get(one.get("Attachment", {}).get("InstanceId", ""), "running")
        is_shut = one["InterfaceType"] == "nat_gateway" or one["Status"] == "available" or state in STILL
        groups = tuple(group["GroupId"] for group in one["Groups"])
        for address in public_of[name]:
            yield Way(arn, address, "address", one["OwnerId"], 4, (one["SubnetId"],), groups, is_shut=is_shut)
        for held in one.get("Ipv6Addresses", []):
            if ipaddress.ip_address(held["Ipv6Address"]) in ipaddress.ip_network("2000::/3"):
                entry = held["Ipv6Address"]
                yield Way(arn, entry, "address", one["OwnerId"], 6, (one["SubnetId"],), groups, is_shut=is_shut)
    zones = {
        one["SubnetId"]: one["AvailabilityZone"] for _, _, one in listed(world, "ec2_subnet")
    }  # fmt: skip
    for account, _, one in listed(world, "rds_db_instance"):
        if one["PubliclyAccessible"] and one.get("Endpoint", {}).get("Address"):
            subnets = tuple(
                held["SubnetIdentifier"]
                for held in one["DBSubnetGroup"]["Subnets"]
                if zones.get(held["SubnetIdentifier"]) in (None, one.get("AvailabilityZone"))
                or not one.get("AvailabilityZone")
            )
            groups = tuple(group["VpcSecurityGroupId"] for group in one["VpcSecurityGroups"])
            yield Way(
                *(one["DBInstanceArn"], one["Endpoint"]["Address"], "database", account, 4, subnets, groups),
                port=one["Endpoint"]["Port"],
                is_shut=one["DBInstanceStatus"] == "stopped",
            )


def judged(world: World) -> Iterator[tuple[Way, str, set[Opening]]]:
    """Every way in with its verdict and what is open."""
    tables, mains = {}, {}
    for _, _, one in listed(world, "ec2_route_table"):
        for held in one["Associations"]:
            if held.get("SubnetId"):
                tables[held["SubnetId"]] = one
            elif held.get("Main"):
                mains[one["VpcId"]] = one
    acls = {
        held["SubnetId"]: one for _, _, one in listed(world, "ec2_network_acl") for held in one["Associations"]
    }  # fmt: skip
    attached = {
        (one["InternetGatewayId"], held["VpcId"])
        for _, _, one in listed(world, "ec2_internet_gateway")
        for held in one.get("Attachments", [])
    }
    vpcs = {one["SubnetId"]: one["VpcId"] for _, _, one in listed(world, "ec2_subnet")}
    rules, lists = defaultdict(list), set()
    for _, region, one in listed(world, "ec2_security_group_rule"):
        arn = f"arn:aws:ec2:{region}:{one['GroupOwnerId']}:security-group-rule/{one['SecurityGroupRuleId']}"
        rule = inbound(arn, one)
        if rule and rule not in rules[one["GroupId"]]:
            rules[one["GroupId"]].append(rule)
        if not one["IsEgress"] and one.get("PrefixListId"):
            lists.add(one["GroupId"])
    known_groups = {one["GroupId"] for _, _, one in listed(world, "ec2_security_group")}
    own = _own_addresses(world)
    is_shut_off = _shut_off(world, vpcs)
    for way in _ways(world):
        if not way.is_listed:
            yield way, "unknown", set()
            continue
        found: set[Opening] = set()
        states = set()
        for subnet in way.subnets:
            table, acl = tables.get(subnet) or mains.get(vpcs.get(subnet, "")), acls.get(subnet)
            if way.is_shut or is_shut_off(subnet):
                states.add("not exposed")
                continue
            if table is None or acl is None:
                states.add("unknown")
                continue
            routes = [route for route in table["Routes"] if is_open(route)]
            is_led = any(
                version(route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock") or "") == way.family
                and (route["GatewayId"], table["VpcId"]) in attached
                for route in routes
            )
            fitting = [rule for group in way.groups for rule in rules[group]]
            opened = openings(fitting, acl["Entries"], table["Routes"], way.family, own) if is_led else set()
            if way.port is not None:
                opened = _of_port(fitting, acl["Entries"], table["Routes"], way, own) if is_led else set()
            found |= opened
            is_unsure = lists & set(way.groups) or not set(way.groups) <= known_groups or not way.groups
            states.add("exposed" if opened else "unknown" if is_led and is_unsure else "not exposed")
        verdict = next(one for one in ("exposed", "unknown", "not exposed") if one in states)
        yield way, verdict, found


def _shut_off(world: World, vpcs: Mapping[str, str]) -> Callable[[str], bool]:
    """Whether the owner of a subnet blocks the internet there, and no exclusion lets it in again."""
    blocking = {
        (one["AwsAccountId"], region)
        for _, region, one in listed(world, "ec2_vpc_block_public_access_option")
        if one["InternetGatewayBlockMode"] in ("block-bidirectional", "block-ingress")
    }
    within = {
        one["SubnetId"]
        for _, region, one in listed(world, "ec2_subnet")
        if (one["OwnerId"], region) in blocking
    }  # fmt: skip
    admitted = {
        one["ResourceArn"].rpartition("/")[2]
        for _, _, one in listed(world, "ec2_vpc_block_public_access_exclusion")
        if one["InternetGatewayExclusionMode"] == "allow-bidirectional"
        and one["State"] in ("create-complete", "update-complete")
    }
    return lambda subnet: subnet in within and not {subnet, vpcs.get(subnet)} & admitted


def _of_port(
    rules: Sequence[Rule], entries: Sequence[Record], routes: Sequence[Record], way: Way, own: set[int]
) -> set[Opening]:
    """What comes in to the one port of a database."""
    port = way.port or 0
    of_port = [
        Rule(rule.arn, rule.cidr, "tcp", port, port)
        for rule in rules
        if rule.protocol in ("tcp", "-1") and rule.first <= port <= rule.last
    ]
    return openings(of_port, entries, routes, way.family, own)


def _own_addresses(world: World) -> set[int]:
    found = {one["PublicIp"] for _, _, one in listed(world, "ec2_address")}
    for _, _, one in listed(world, "ec2_network_interface"):
        for held in (one, *one.get("PrivateIpAddresses", [])):
            if held.get("Association", {}).get("PublicIp"):
                found.add(held["Association"]["PublicIp"])
    return {int(ipaddress.ip_address(address)) for address in found}


def _by_policy(world: World) -> Iterator[Way]:
    """URLs of functions, and buckets: their policies say who gets in, and no role may read those.

    The organisation has no S3 policy, which could have shut its buckets.
    """
    hub = world.truth["central"]["operations"]
    for kind, part, entry in (("function_url", "function_urls", "url"), ("bucket", "buckets", "name")):
        for row in world.truth[part]:
            if row["account_id"] in world.collected and row["account_id"] != hub:
                yield Way(row["arn"], row[entry], kind, row["account_id"], 4, (), ())


@recomputes("cmdb.finding_exposure")
def finding_exposure(world: World) -> Figures:
    """What the internet reaches, on what, for whom and by which rules."""
    rows: list[Row] = [
        {
            "arn": way.arn,
            "entry": way.entry,
            "opening": opening,
            "kind": way.kind,
            "account_id": way.account,
            "audience": audience,
            "rule_arns": sorted(arns),
        }
        for way, verdict, found in judged(world)
        if verdict == "exposed"
        for opening, audience, arns in found
    ]
    rows += [
        {
            "arn": arn,
            "entry": entry,
            "opening": "data",
            "kind": kind,
            "account_id": account,
            "audience": "everybody",
            "rule_arns": [],
        }
        for arn, entry, kind, account in given_to_everybody(world)
    ]
    return Figures(("arn", "entry", "opening"), rows)


@recomputes("cmdb.exposure")
def exposure(world: World) -> Figures:
    """The verdict of each way in."""
    rows: list[Row] = [
        {
            "arn": way.arn,
            "entry": way.entry,
            "kind": way.kind,
            "account_id": way.account,
            "verdict": verdict,
            "opening_count": len(found),
        }
        for way, verdict, found in (*judged(world), *((way, "unknown", ()) for way in _by_policy(world)))
    ]
    rows += [
        {
            "arn": arn,
            "entry": entry,
            "kind": kind,
            "account_id": account,
            "verdict": "exposed",
            "opening_count": 1,
        }
        for arn, entry, kind, account in given_to_everybody(world)
    ]
    return Figures(("arn", "entry"), rows)


@recomputes("cmdb.finding_exposure_unknown")
def finding_exposure_unknown(world: World) -> Figures:
    """What cannot be told; places that nobody lists are those of audit.claim_gap."""
    rows: list[Row] = [
        {"kind": way.kind, "account_id": way.account, "entry": way.entry}
        for way in (*(way for way, verdict, _ in judged(world) if verdict == "unknown"), *_by_policy(world))
    ]
    return Figures(("kind", "account_id", "entry"), rows, where="entry <> ''")
