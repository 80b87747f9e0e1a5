"""What the findings of the network have to say: open rules, unused groups and VPCs without logs, by boto3's records."""

from __future__ import annotations

import ipaddress
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recomputed.figures import Figures, Row, recomputes
from recomputed.world import World, reference

Record = dict[str, Any]

NOBODYS = {
    4: ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "224.0.0.0/3"),
    6: ("::/3", "4000::/2", "8000::/1"),
}  # fmt: skip
"""What nobody on the internet has."""

SPARE = {4: 1 << 24, 6: 1 << 117}
"""How many addresses may be left out of everybody."""

WIDE = {4: 8, 6: 16}
NARROW = {4: 24, 6: 32}
"""Prefixes: from which on a range is wide, and beyond which it adds nothing to everybody."""


def listed(world: World, listing: str) -> Iterator[tuple[str, str, Record]]:
    """The records of a listing, with the account and region that were asked."""
    for (account, region), records in world.records[listing].items():
        for record in records:
            yield account, region, record


def of_everybody(world: World, listing: str, key: str) -> dict[str, Record]:
    """The records of a listing by their id, whoever showed them."""
    return {record[key]: record for _, _, record in listed(world, listing)}


@dataclass(frozen=True)
class Opening:
    """A rule that lets in a range, on some ports."""

    arn: str
    group: str
    protocol: str
    first: int
    last: int
    network: ipaddress.IPv4Network | ipaddress.IPv6Network


def _rules(world: World) -> Iterator[tuple[str, Record]]:
    for _, region, rule in listed(world, "ec2_security_group_rule"):
        name = f"arn:aws:ec2:{region}:{rule['GroupOwnerId']}:security-group-rule/{rule['SecurityGroupRuleId']}"
        yield name, rule


def _openings(world: World) -> list[Opening]:
    found = []
    for arn, rule in _rules(world):
        cidr = rule.get("CidrIpv4") or rule.get("CidrIpv6")
        if rule["IsEgress"] or not cidr:
            continue
        network = ipaddress.ip_network(cidr, strict=False)
        whole = rule["IpProtocol"] == "-1" or rule.get("FromPort", -1) < 0
        first, last = (0, 65535) if whole else (rule["FromPort"], rule["ToPort"])
        is_wide = network.prefixlen <= NARROW[network.version]
        if is_wide and not any(_within(network, one) for one in NOBODYS[network.version]):
            found.append(Opening(arn, rule["GroupId"], rule["IpProtocol"], first, last, network))
    return found


def _within(network: Any, other: str) -> bool:
    return bool(network.subnet_of(ipaddress.ip_network(other)))


def _left_out(networks: Iterable[Any], version: int) -> int:
    """How many addresses that somebody may have lie in none of these."""
    reserved = [ipaddress.ip_network(one) for one in NOBODYS[version]]
    whole = 1 << (32 if version == 4 else 128)
    return whole - sum(one.num_addresses for one in ipaddress.collapse_addresses([*networks, *reserved]))


def exposures(world: World) -> dict[str, tuple[str, list[Opening]]]:
    """What each rule opens to everybody or a wide range, by its ARN, with the ports on which it does."""
    openings, found = _openings(world), {}
    world_wide = set()
    for one in openings:
        version = one.network.version
        if _left_out([one.network], version) < SPARE[version]:
            found[one.arn] = ("world", [one])
            world_wide.add(one.arn)
        elif one.network.prefixlen <= WIDE[version]:
            found[one.arn] = ("wide range", [one])
    for one, together in _together([one for one in openings if one.arn not in world_wide]):
        exposure, ports = found.get(one.arn, ("", []))
        found[one.arn] = ("world in parts", [*(ports if exposure == "world in parts" else []), together])
    return found


def _together(openings: list[Opening]) -> Iterator[tuple[Opening, Opening]]:
    """The rules that only together with others of their group open to everybody, on each stretch of ports."""
    groups: dict[tuple[str, int], list[Opening]] = defaultdict(list)
    for one in openings:
        groups[one.group, one.network.version].append(one)
    for (_, version), own in groups.items():
        for protocol in {one.protocol for one in own}:
            fitting = [one for one in own if one.protocol in (protocol, "-1")]
            edges = sorted({edge for one in fitting for edge in (one.first, one.last + 1)})
            for first, after in itertools.pairwise(edges):
                open_there = [one for one in fitting if one.first <= first <= one.last]
                if _left_out([one.network for one in open_there], version) >= SPARE[version]:
                    continue
                for one in open_there:
                    others = [other for other in open_there if other.network != one.network]
                    if not any(one.network.subnet_of(other.network) for other in others):  # type: ignore[arg-type]
                        yield one, Opening(one.arn, one.group, protocol, first, after - 1, one.network)


def _port_class(openings: Iterable[Opening]) -> tuple[str, int | None]:
    """The worst that these ports are for."""
    found = [(99, "other")]
    for one in openings:
        for row in reference("port_class"):
            whole, first, last = row["is_whole"] == "true", row["from_port"], row["to_port"]
            if one.protocol == "-1":
                is_of = whole
            elif one.protocol != row["protocol"]:
                is_of = False
            elif whole:
                is_of = one.first <= int(first) and one.last >= int(last)
            else:
                is_of = one.first <= int(last) and one.last >= int(first)
            if is_of:
                found.append((int(row["rank"]), row["port_class"]))
    rank, name = min(found)
    return name, None if name == "other" else rank


def _is_public(interface: Record) -> bool:
    """Whether one of its addresses is of the internet."""
    addresses = [interface, *interface.get("PrivateIpAddresses", [])]
    public = any(one.get("Association", {}).get("PublicIp") for one in addresses)
    return public or any(
        ipaddress.ip_address(one["Ipv6Address"]) in ipaddress.ip_network("2000::/3")
        for one in interface.get("Ipv6Addresses", [])
    )


@recomputes("cmdb.finding_open_rule")
def finding_open_rule(world: World) -> Figures:
    """What lets everybody in, and how many interfaces that opens."""
    groups = of_everybody(world, "ec2_security_group", "GroupId")
    interfaces = of_everybody(world, "ec2_network_interface", "NetworkInterfaceId").values()
    rules = dict(_rules(world))
    rows: list[Row] = []
    for arn, (exposure, openings) in exposures(world).items():
        rule = rules[arn]
        ports = [one for one in openings]
        name, rank = _port_class(_as_written(rule, exposure, ports))
        has = [one for one in interfaces if rule["GroupId"] in [group["GroupId"] for group in one["Groups"]]]
        rows.append(
            {
                "arn": arn,
                "account_id": rule["GroupOwnerId"],
                "security_group_id": rule["GroupId"],
                "security_group_name": groups[rule["GroupId"]]["GroupName"],
                "exposure": exposure,
                "port_class": name,
                "port_class_rank": rank,
                "cidr": rule.get("CidrIpv4") or rule.get("CidrIpv6"),
                "interface_count": len(has),
                "public_interface_count": sum(1 for one in has if _is_public(one)),
            }
        )
    return Figures(("arn",), rows)


def _as_written(rule: Record, exposure: str, openings: list[Opening]) -> list[Opening]:
    """The ports of a rule that opens by itself are its own."""
    if exposure == "world in parts" or rule["IpProtocol"] == "-1":
        return openings
    return [
        Opening(one.arn, one.group, one.protocol, rule.get("FromPort", -1), rule.get("ToPort", -1), one.network)
        for one in openings
    ]


@recomputes("cmdb.finding_open_rule_unknown")
def finding_open_rule_unknown(world: World) -> Figures:
    """What lets a prefix list in, of which nobody may read the entries."""
    rows: list[Row] = [
        {"arn": arn, "account_id": rule["GroupOwnerId"], "prefix_list_id": rule["PrefixListId"]}
        for arn, rule in _rules(world)
        if not rule["IsEgress"] and rule.get("PrefixListId")
    ]
    return Figures(("arn",), rows)


@recomputes("cmdb.finding_security_group_across_accounts")
def finding_security_group_across_accounts(world: World) -> Figures:
    """Rules that name a group of somebody else."""
    accounts = {account["account_id"]: account["name"] for account in world.truth["accounts"]}
    groups = of_everybody(world, "ec2_security_group", "GroupId")
    rows: list[Row] = []
    for arn, rule in _rules(world):
        other = rule.get("ReferencedGroupInfo", {})
        if other.get("UserId") and other["UserId"] != rule["GroupOwnerId"]:
            rows.append(
                {
                    "arn": arn,
                    "account_id": rule["GroupOwnerId"],
                    "is_egress": rule["IsEgress"],
                    "referenced_account_id": other["UserId"],
                    "referenced_account_name": accounts.get(other["UserId"]),
                    "is_in_organization": other["UserId"] in accounts,
                    "referenced_group_id": other["GroupId"],
                    "referenced_group_name": groups.get(other["GroupId"], {}).get("GroupName"),
                }
            )
    return Figures(("arn",), rows)


def _named_groups(world: World) -> set[str]:
    """Every group that an interface or an item has."""
    named = {
        group["GroupId"]
        for record in of_everybody(world, "ec2_network_interface", "NetworkInterfaceId").values()
        for group in record["Groups"]
    }
    for _, _, instance in listed(world, "ec2_instance"):
        if instance["State"]["Name"] != "terminated":
            named |= {group["GroupId"] for group in instance["SecurityGroups"]}
    for _, _, function in listed(world, "lambda_function"):
        named |= set(function.get("VpcConfig", {}).get("SecurityGroupIds", []))
    for listing in ("rds_db_instance", "rds_db_cluster"):
        for _, _, database in listed(world, listing):
            named |= {group["VpcSecurityGroupId"] for group in database.get("VpcSecurityGroups", [])}
    return named


def _unjudged(world: World) -> dict[str, set[str]]:
    """VPCs in which an account has interfaces that nobody collects, with these accounts."""
    vpcs = of_everybody(world, "ec2_vpc", "VpcId")
    found: dict[str, set[str]] = defaultdict(set)
    for record in of_everybody(world, "ec2_network_interface", "NetworkInterfaceId").values():
        vpc = vpcs.get(record["VpcId"])
        if vpc and record["OwnerId"] != vpc["OwnerId"] and record["OwnerId"] not in world.collected:
            found[record["VpcId"]].add(record["OwnerId"])
    return found


def _idle_groups(world: World) -> Iterator[tuple[str, Record]]:
    """Groups that nothing has, with their ARNs."""
    named = _named_groups(world)
    for account, region, group in listed(world, "ec2_security_group"):
        if group["OwnerId"] == account and group["GroupName"] != "default" and group["GroupId"] not in named:
            yield f"arn:aws:ec2:{region}:{account}:security-group/{group['GroupId']}", group


@recomputes("cmdb.finding_unused_security_group")
def finding_unused_security_group(world: World) -> Figures:
    """Groups that nothing has, no rule names, and nobody who is not asked may have."""
    rules = [rule for _, rule in _rules(world)]
    by_rule = {
        rule["ReferencedGroupInfo"]["GroupId"]
        for rule in rules
        if rule.get("ReferencedGroupInfo", {}).get("GroupId") not in (None, rule["GroupId"])
    }
    opened = {arn for arn, (exposure, _) in exposures(world).items() if exposure != "wide range"}
    unjudged = _unjudged(world)
    rows: list[Row] = [
        {
            "arn": arn,
            "account_id": group["OwnerId"],
            "rule_count": sum(1 for rule in rules if rule["GroupId"] == group["GroupId"]),
            "open_rule_count": sum(
                1 for name, rule in _rules(world) if rule["GroupId"] == group["GroupId"] and name in opened
            ),
        }
        for arn, group in _idle_groups(world)
        if group["GroupId"] not in by_rule
        and group["VpcId"] not in unjudged
        # Of the hub nobody lists functions and databases.
        and group["OwnerId"] in world.truth["reachable"]
    ]
    return Figures(("arn",), rows)


@recomputes("cmdb.finding_unused_security_group_unknown")
def finding_unused_security_group_unknown(world: World) -> Figures:
    """Groups that somebody who is not asked may have."""
    unjudged = _unjudged(world)
    rows: list[Row] = [
        {"arn": arn, "participant_account_ids": sorted(unjudged[group["VpcId"]])}
        for arn, group in _idle_groups(world)
        if group["VpcId"] in unjudged
    ]
    return Figures(("arn",), rows)


@recomputes("cmdb.finding_vpc_without_flow_log")
def finding_vpc_without_flow_log(world: World) -> Figures:
    """VPCs of which not all traffic is logged, and why."""
    logs: dict[str, list[Record]] = defaultdict(list)
    for _, _, log in listed(world, "ec2_flow_log"):
        logs[log["ResourceId"]].append(log)
    subnets = of_everybody(world, "ec2_subnet", "SubnetId").values()
    interfaces = of_everybody(world, "ec2_network_interface", "NetworkInterfaceId").values()
    rows: list[Row] = []
    for account, region, vpc in listed(world, "ec2_vpc"):
        if vpc["OwnerId"] != account:
            continue
        inside = [subnet["SubnetId"] for subnet in subnets if subnet["VpcId"] == vpc["VpcId"]]
        near = [one["NetworkInterfaceId"] for one in interfaces if one["VpcId"] == vpc["VpcId"]]
        kinds = {kind: _is_logged(kind, vpc["VpcId"], inside, logs) for kind in ("ACCEPT", "REJECT")}
        if all(kinds.values()):
            continue
        every = [log for target in [vpc["VpcId"], *inside, *near] for log in logs[target]]
        partly = any(_works(log) for log in every)
        reason = (
            "accepted only" if kinds["ACCEPT"]
            else "rejected only" if kinds["REJECT"]
            else "only parts" if partly
            else "delivery fails" if every
            else "no flow log"
        )  # fmt: skip
        rows.append(
            {
                "arn": f"arn:aws:ec2:{region}:{account}:vpc/{vpc['VpcId']}",
                "account_id": account,
                "reason": reason,
                "flow_log_ids": sorted(log["FlowLogId"] for log in every),
                "interface_count": len(near),
            }
        )
    return Figures(("arn",), rows)


def _works(log: Mapping[str, Any]) -> bool:
    return log["FlowLogStatus"] == "ACTIVE" and log.get("DeliverLogsStatus") != "FAILED"


def _is_logged(kind: str, vpc: str, subnets: list[str], logs: Mapping[str, list[Record]]) -> bool:
    """Whether all traffic of a kind is logged: of the VPC, or of each of its subnets."""

    def has(target: str) -> bool:
        return any(_works(log) and log["TrafficType"] in ("ALL", kind) for log in logs.get(target, []))

    return has(vpc) or (bool(subnets) and all(map(has, subnets)))
