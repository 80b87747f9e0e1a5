"""The networks of the organisation: VPCs, subnets, groups with their rules, flow logs, interfaces.

Pure data, made when first asked for, from random streams of its own. AWS gives every account a default VPC in
every region; moto decides that one, and `seeding` tells it. Each instance has one interface more than are
listed here, in its default subnet and with the default group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.world import OWNERS, SPARSE, Account, World, WorldError, digest

VENDOR = ("999988887777", "sg-0123456789abcdef0")
"""An account outside the organisation, and the group there that a rule lets in."""

NAT_INTERFACE = "nat_gateway"
"""The type of the interface that a NAT gateway has in its subnet."""

WORLD_CIDRS = frozenset({"0.0.0.0/0", "::/0"})
PORT_CLASSES: tuple[tuple[str, frozenset[int]], ...] = (
    ("administration", frozenset({22, 3389})),
    ("database", frozenset({1433, 1521, 3306, 5432, 6379, 27017})),
    ("web", frozenset({80, 443})),
)


@dataclass(frozen=True)
class Owned:
    """Something of one account in one region. `was_tagged`: had tags once, which AWS does not forget."""

    resource_id: str
    account_id: str
    region: str
    kind: str
    tags: dict[str, str] = field(default_factory=dict)
    was_tagged: bool = False

    @property
    def arn(self) -> str:
        """The ARN."""
        return f"arn:aws:ec2:{self.region}:{self.account_id}:{self.kind}/{self.resource_id}"

    def row(self) -> dict[str, Any]:
        """What every row of the truth begins with."""
        return {
            "arn": self.arn,
            "account_id": self.account_id,
            "region": self.region,
            "tags": self.tags,
        }


@dataclass(frozen=True, kw_only=True)
class Vpc(Owned):
    """A VPC."""

    cidr: str
    is_default: bool = False


@dataclass(frozen=True, kw_only=True)
class Subnet(Owned):
    """A subnet."""

    vpc_id: str
    cidr: str
    zone: str
    is_default: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of a group: exactly one source or destination."""

    rule_id: str
    is_egress: bool
    protocol: str
    from_port: int | None
    to_port: int | None
    cidr_ipv4: str | None = None
    cidr_ipv6: str | None = None
    prefix_list_id: str | None = None
    group_id: str | None = None
    group_account_id: str | None = None
    description: str | None = None

    @property
    def is_open_to_world(self) -> bool:
        """Whether anybody may come in."""
        return not self.is_egress and bool({self.cidr_ipv4, self.cidr_ipv6} & WORLD_CIDRS)

    @property
    def port_class(self) -> str:
        """What lies behind the ports: the first class of which the range holds a port."""
        if self.protocol == "-1" or (self.from_port, self.to_port) == (0, 65535):
            return "all"
        if self.protocol == "icmp" or self.from_port is None or self.to_port is None:
            return "other"
        for name, ports in PORT_CLASSES:
            if any(self.from_port <= port <= self.to_port for port in ports):
                return name
        return "other"


@dataclass(frozen=True, kw_only=True)
class Group(Owned):
    """A security group."""

    vpc_id: str
    name: str
    description: str
    rules: tuple[Rule, ...]
    is_default: bool = False


@dataclass(frozen=True, kw_only=True)
class FlowLog(Owned):
    """A flow log of a VPC, a subnet or an interface."""

    target_id: str
    traffic_type: str
    destination_type: str
    destination: str
    delivery: str = "SUCCESS"


LOAD_BALANCER = "ELB "
"""What the description of an interface of a load balancer begins with."""


@dataclass(frozen=True, kw_only=True)
class Interface(Owned):
    """A network interface that no instance has: of a load balancer, an endpoint, a function."""

    subnet_id: str
    vpc_id: str
    address: str
    group_ids: tuple[str, ...]
    description: str
    interface_type: str = "interface"
    is_requester_managed: bool = True
    secondary: tuple[tuple[str, str | None], ...] = ()
    ipv6: tuple[str, ...] = ()

    def addresses(self) -> list[dict[str, Any]]:
        """All its addresses: private ones, the public ones that stand for them, IPv6."""
        private = ((self.address, None), *self.secondary)
        rows: list[tuple[str, str, str | None]] = [(address, "private ipv4", None) for address, _ in private]
        rows += [(public, "public ipv4", address) for address, public in private if public]
        rows += [(address, "ipv6", None) for address in self.ipv6]
        return [
            {
                "address": address,
                "kind": kind,
                "is_primary": address == self.address,
                "private_ip_address": behind,
            }
            for address, kind, behind in rows
        ]


@dataclass
class Place:
    """The network of one account in one region."""

    vpcs: list[Vpc] = field(default_factory=list)
    subnets: list[Subnet] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    flow_logs: list[FlowLog] = field(default_factory=list)
    interfaces: list[Interface] = field(default_factory=list)

    def everything(self) -> Iterator[Owned]:
        """All of it."""
        yield from (*self.vpcs, *self.subnets, *self.groups, *self.flow_logs, *self.interfaces)


# Rules are (direction, protocol, from, to, source). A source is a CIDR, a prefix list, `@group` of the same
# VPC, `@hub:group` or `@workload:group` of another account, or `@vendor`. A rule with a number n stands only
# in every n-th network.
RuleOf = tuple[str, str, int | None, int | None, str, int]

WORKLOAD_GROUPS: tuple[tuple[str, str, tuple[RuleOf, ...]], ...] = (
    (
        "web",
        "public: ports 80 and 443",
        (
            ("in", "tcp", 80, 80, "0.0.0.0/0", 1),
            ("in", "tcp", 443, 443, "0.0.0.0/0", 1),
            ("in", "tcp", 443, 443, "::/0", 1),
            ("out", "-1", None, None, "0.0.0.0/0", 1),
        ),
    ),
    (
        "app 🥝",
        "behind the web",
        (
            ("in", "tcp", 8080, 8090, "@web", 1),
            ("out", "-1", None, None, "0.0.0.0/0", 1),
            ("out", "tcp", 443, 443, "pl-63a5400a", 1),
        ),
    ),
    (
        "database",
        "PostgreSQL",
        (("in", "tcp", 5432, 5432, "@app 🥝", 1), ("in", "tcp", 5000, 6000, "0.0.0.0/0", 3)),
    ),
    (
        "bastion",
        "for people",
        (
            ("in", "tcp", 22, 22, "203.0.113.0/24", 1),
            ("in", "tcp", 22, 22, "0.0.0.0/0", 2),
            ("in", "tcp", 3389, 3389, "::/0", 5),
            ("in", "icmp", -1, -1, "0.0.0.0/0", 4),
        ),
    ),
    (
        "shared services",
        "lets the hub in",
        (("in", "tcp", 443, 443, "@hub:endpoints", 1), ("out", "tcp", 443, 443, "@hub:endpoints", 2)),
    ),
    ("left over", "nothing uses this", (("in", "-1", None, None, "0.0.0.0/0", 1),)),
)
WORKLOAD_INTERFACES: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("ELB app/public/50dc6c495c0c9188", ("web",), 1),
    ("RDSNetworkInterface", ("database", "app 🥝"), 1),
    ("bastion", ("bastion",), 2),
    ("VPC Endpoint Interface vpce-0abc", ("shared services",), 1),
)
HUB, INSPECTION, SHARED, EGRESS = "hub", "inspection", "shared – 共有", "egress"
HUB_GROUPS: dict[str, tuple[tuple[str, str, tuple[RuleOf, ...]], ...]] = {
    HUB: (
        (
            "endpoints",
            "interface endpoints for everybody",
            (
                ("in", "tcp", 443, 443, "10.0.0.0/8", 1),
                ("in", "tcp", 443, 443, "@workload:web", 1),
                ("in", "tcp", 8443, 8443, "@vendor", 1),
            ),
        ),
        ("transit", "", (("in", "-1", None, None, "10.0.0.0/8", 1), ("out", "-1", None, None, "::/0", 1))),
    ),
    INSPECTION: (("firewall", "sees it all", (("in", "-1", None, None, "0.0.0.0/0", 1),)),),
    SHARED: (
        ("referenced only", "no interface, but a rule names it", ()),
        (
            "directory",
            "names and sign-in",
            (
                ("in", "udp", 53, 53, "0.0.0.0/0", 1),
                ("in", "tcp", 389, 389, "@referenced only", 1),
                ("in", "tcp", 0, 65535, "::/0", 1),
            ),
        ),
        ("'; DROP TABLE sg; --", "nothing uses this either", ()),
    ),
    EGRESS: (),
    "dns": (),
}
HUB_INTERFACES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    (HUB, "VPC Endpoint Interface vpce-0def", ("endpoints",), "vpc_endpoint"),
    (HUB, "Network Interface for Transit Gateway Attachment", ("transit", "default"), "transit_gateway"),
    (INSPECTION, "Network Firewall", ("firewall",), "gateway_load_balancer_endpoint"),
    (SHARED, "AWS created network interface for directory", ("directory",), "interface"),
)


def made_id(kind: str, *parts: object) -> str:
    """An identifier in AWS's form."""
    return f"{kind}-0{digest('network', kind, *parts)[:16]}"


class Network:
    """Networks of one organisation. `defaults` says what AWS made in an account and region."""

    def __init__(self, world: World, defaults: Callable[[str, str], Place]) -> None:
        self.world = world
        self._defaults = defaults
        self._own: dict[tuple[str, str], Place] = {}
        self._default: dict[tuple[str, str], Place] = {}
        self._numbers = world.numbers
        self._sparse = {account.account_id for account in world.accounts.values() if account.name == SPARSE}
        workloads = [account.account_id for account in world.accounts.values() if account.kind == "workload"]
        self._first_workload = workloads[0] if workloads else ""
        self._shared: list[tuple[str, str]] = []
        world.parts.append(self)

    # ------------------------------------------------------------------ places

    def own(self, account_id: str, region: str) -> Place:
        """What people have made."""
        key = (account_id, region)
        if not self.world.uses(account_id, "ec2", region):
            return Place()
        if key not in self._own:
            self._own[key] = self._make(account_id, region)
        return self._own[key]

    def default(self, account_id: str, region: str) -> Place:
        """What AWS has made."""
        key = (account_id, region)
        if not self.world.is_enabled(account_id, region):
            return Place()
        if key not in self._default:
            self._default[key] = self._defaults(account_id, region)
        return self._default[key]

    def everything(self, account_id: str, region: str) -> Iterator[Owned]:
        """All that lies in an account and region."""
        if region in self.world.regions:
            yield from self.default(account_id, region).everything()
            yield from self.own(account_id, region).everything()

    def vpcs(self, account_id: str, region: str) -> list[Vpc]:
        """Every VPC of an account in a region, AWS's own first."""
        if region not in self.world.regions:
            return []
        return [*self.default(account_id, region).vpcs, *self.own(account_id, region).vpcs]

    def owned(
        self, resource_id: str, place: tuple[str, str], kind: str, tags: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """A row of the truth of something in an account and region (`place`), with its ARN."""
        return Owned(resource_id, *place, kind, tags or {}).row()

    def number(self, account_id: str, region: str) -> int:
        """Which variant of things the place has; the first workload account has the lowest."""
        return self._numbers[account_id] + self.world.regions.index(region)

    @property
    def first_workload(self) -> str:
        """The first workload account; empty where there is none."""
        return self._first_workload

    def shared_with(self, account_id: str, region: str) -> Place:
        """The VPCs and subnets of other accounts that a share of AWS RAM shows to an account, without their tags."""
        found = Place()
        for vpc_id, participant in self._shared:
            if participant == account_id:
                owner = self._owner(vpc_id)
                there = self.own(owner, region)
                found.vpcs += [replace(vpc, tags={}) for vpc in there.vpcs if vpc.resource_id == vpc_id]
                found.subnets += [replace(subnet, tags={}) for subnet in there.subnets if subnet.vpc_id == vpc_id]
        return found

    def _owner(self, vpc_id: str) -> str:
        for account_id in self.world.accounts:
            for region in self.world.regions:
                if any(vpc.resource_id == vpc_id for vpc in self.own(account_id, region).vpcs):
                    return account_id
        raise WorldError(f"there is no VPC {vpc_id}")

    def _change_share_vpc(self, vpc_id: str, account_id: str) -> dict[str, Any]:
        """The subnets of a VPC are shared with an account, which lists them and their VPC from then on."""
        owner = self._owner(vpc_id)
        self._shared.append((vpc_id, self.world.account(account_id).account_id))
        return {"vpc_id": vpc_id, "owner": owner, "account_id": account_id}

    def _make(self, account_id: str, region: str) -> Place:
        account = self.world.accounts.get(account_id)
        if account is None or region not in self.world.regions:
            return Place()
        maker = _Maker(self.world, account, region, self._numbers[account_id], self._first_workload)
        if account.kind == "operations":
            return maker.hub()
        # The sparse account has nothing outside the first region.
        is_bare = account_id in self._sparse and region != self.world.regions[0]
        if account.kind != "workload" or is_bare:
            return Place()
        return maker.workload()

    # ------------------------------------------------------------------ truth

    def truth(self) -> dict[str, Any]:
        """Every network, one list for each type of resource, as JSON data."""
        whole = Place()
        for account_id, account in self.world.accounts.items():
            for region in self.world.regions if account.left_on is None else ():
                for place in (self.default(account_id, region), self.own(account_id, region)):
                    whole.vpcs += place.vpcs
                    whole.subnets += place.subnets
                    whole.groups += place.groups
                    whole.flow_logs += place.flow_logs
                    whole.interfaces += place.interfaces
        return {
            "vpcs": list(_vpc_rows(whole)),
            "subnets": [
                {
                    **subnet.row(),
                    "subnet_id": subnet.resource_id,
                    "vpc_id": subnet.vpc_id,
                    "cidr": subnet.cidr,
                    "availability_zone": subnet.zone,
                    "is_default": subnet.is_default,
                }
                for subnet in whole.subnets
            ],
            "security_groups": list(_group_rows(whole)),
            "security_group_rules": [_rule_row(group, rule) for group in whole.groups for rule in group.rules],
            "flow_logs": [
                {
                    **log.row(),
                    "flow_log_id": log.resource_id,
                    "target_id": log.target_id,
                    "traffic_type": log.traffic_type,
                    "destination_type": log.destination_type,
                    "delivery": log.delivery,
                }
                for log in whole.flow_logs
            ],
            "network_interfaces": [
                {
                    **interface.row(),
                    "network_interface_id": interface.resource_id,
                    "subnet_id": interface.subnet_id,
                    "vpc_id": interface.vpc_id,
                    "group_ids": list(interface.group_ids),
                    "description": interface.description,
                    "interface_type": interface.interface_type,
                    "addresses": interface.addresses(),
                }
                for interface in whole.interfaces
            ],
        }


def _vpc_rows(whole: Place) -> Iterator[dict[str, Any]]:
    logs: defaultdict[str, list[str]] = defaultdict(list)
    for log in whole.flow_logs:
        logs[log.target_id].append(log.resource_id)
    for vpc in whole.vpcs:
        yield {
            **vpc.row(),
            "vpc_id": vpc.resource_id,
            "cidr": vpc.cidr,
            "is_default": vpc.is_default,
            "flow_log_ids": logs[vpc.resource_id],
        }


def _group_rows(whole: Place) -> Iterator[dict[str, Any]]:
    """Groups with who uses them: unused is one without an interface that no other group's rule names."""
    interfaces: defaultdict[str, list[str]] = defaultdict(list)
    for interface in whole.interfaces:
        for group_id in interface.group_ids:
            interfaces[group_id].append(interface.resource_id)
    referenced: defaultdict[str, set[str]] = defaultdict(set)
    for group in whole.groups:
        for rule in group.rules:
            if rule.group_id and rule.group_id != group.resource_id:
                referenced[rule.group_id].add(group.resource_id)
    for group in whole.groups:
        used, named = interfaces[group.resource_id], sorted(referenced[group.resource_id])
        yield {
            **group.row(),
            "group_id": group.resource_id,
            "vpc_id": group.vpc_id,
            "name": group.name,
            "description": group.description,
            "is_default": group.is_default,
            "network_interface_ids": used,
            "referenced_by": named,
            "is_unused": not (used or named or group.is_default),
        }


def _rule_row(group: Group, rule: Rule) -> dict[str, Any]:
    return {
        "rule_id": rule.rule_id,
        "group_id": group.resource_id,
        "account_id": group.account_id,
        "region": group.region,
        "is_egress": rule.is_egress,
        "protocol": rule.protocol,
        "from_port": rule.from_port,
        "to_port": rule.to_port,
        "cidr_ipv4": rule.cidr_ipv4,
        "cidr_ipv6": rule.cidr_ipv6,
        "prefix_list_id": rule.prefix_list_id,
        "referenced_group_id": rule.group_id,
        "referenced_account_id": rule.group_account_id,
        "description": rule.description,
        "is_cross_account": rule.group_account_id not in {None, group.account_id},
        "is_open_to_world": rule.is_open_to_world,
        "port_class": rule.port_class,
    }


class _Maker:
    """Makes the network of one account in one region."""

    def __init__(self, world: World, account: Account, region: str, number: int, first_workload: str) -> None:
        self._world, self._account, self._region = world, account, region
        self._first_workload = first_workload
        self._account_number = number
        # Which variant of the rules and flow logs this network has.
        self._number = number + world.regions.index(region)
        self._place = Place()

    def _id(self, kind: str, *parts: object, account_id: str | None = None) -> str:
        return made_id(kind, self._world.seed, account_id or self._account.account_id, self._region, *parts)

    def _owned(self, kind: str, resource_id: str, tags: dict[str, str] | None = None) -> dict[str, Any]:
        return {
            "resource_id": resource_id,
            "account_id": self._account.account_id,
            "region": self._region,
            "kind": kind,
            "tags": tags or {},
        }

    def _tags(self, name: str) -> dict[str, str]:
        return {
            "Name": name,
            "bc:business-service": self._account.application or "network",
            "bc:business-owner": OWNERS[self._number % len(OWNERS)],
            "bc:environment": self._account.tags.get("bc:environment", "non-prod"),
        }

    # ------------------------------------------------------------------ the two kinds of network

    def workload(self) -> Place:
        """One VPC, two subnets, six groups beside the default one."""
        tagged = self._number % 4 != 1
        cidr = f"10.{16 + self._account_number % 200}"
        vpc_id = self._vpc("main", cidr, self._tags(f"{self._account.application} main") if tagged else {})
        subnets = [
            self._subnet(vpc_id, "main", f"{cidr}.{20 * number}.0/22", zone, {"Name": f"private {zone}"})
            for number, zone in enumerate("ab")
        ]
        groups = self._groups(vpc_id, "main", WORKLOAD_GROUPS, tagged=tagged)
        for number, (description, names, every) in enumerate(WORKLOAD_INTERFACES):
            if self._number % every == 0:
                self._interface(subnets[number % 2], number, description, [groups[name] for name in names])
        self._interface(subnets[0], 9, "Interface for NAT Gateway", [], NAT_INTERFACE)
        if self._number % 3 == 1:
            self._flow_log(vpc_id, "ALL", "cloud-watch-logs", "vpc-flow-logs")
        elif self._number % 3 == 2:
            self._flow_log(vpc_id, "REJECT", "s3", "arn:aws:s3:::flow-logs-of-everybody/vpc/")
        return self._place

    def hub(self) -> Place:
        """Five VPCs: one has two flow logs, one has them on its subnets only, one delivers none, two have none.

        Nothing is tagged in the first region; in the others one subnet has lost its tags.
        """
        tagged = self._region != self._world.regions[0]
        made: dict[str, tuple[list[Subnet], dict[str, str], str]] = {}
        for number, (name, groups) in enumerate(HUB_GROUPS.items()):
            cidr = f"10.{number}"
            vpc_id = self._vpc(name, cidr, self._tags(name) if tagged else {})
            subnets = [
                self._subnet(
                    vpc_id,
                    name,
                    f"{cidr}.{20 * position}.0/22",
                    zone,
                    {"Name": f"{name} {zone}"} if tagged and (name, zone) != (SHARED, "b") else {},
                    was_tagged=tagged,
                )
                for position, zone in enumerate("ab")
            ]
            made[name] = subnets, self._groups(vpc_id, name, groups, tagged=tagged), vpc_id
        for number, (name, description, names, kind) in enumerate(HUB_INTERFACES):
            subnets, group_ids, _ = made[name]
            self._interface(subnets[number % 2], number, description, [group_ids[group] for group in names], kind)
        for subnet in made[EGRESS][0]:
            self._interface(subnet, 9, "Interface for NAT Gateway", [], NAT_INTERFACE)
        self._flow_log(made[HUB][2], "ALL", "cloud-watch-logs", "hub-flow-logs")
        self._flow_log(made[HUB][2], "ALL", "s3", "arn:aws:s3:::flow-logs-of-everybody/hub/")
        for subnet in made[INSPECTION][0]:
            self._flow_log(subnet.resource_id, "ALL", "cloud-watch-logs", "inspection-flow-logs")
        self._flow_log(made[SHARED][2], "ACCEPT", "cloud-watch-logs", "gone", "FAILED")
        endpoint = self._place.interfaces[0].resource_id
        self._flow_log(endpoint, "ALL", "cloud-watch-logs", "endpoint-flow-logs")
        return self._place

    # ------------------------------------------------------------------ pieces

    def _vpc(self, name: str, cidr: str, tags: dict[str, str]) -> str:
        vpc_id = self._id("vpc", name)
        self._place.vpcs.append(Vpc(**self._owned("vpc", vpc_id, tags), cidr=f"{cidr}.0.0/16"))
        return vpc_id

    def _subnet(
        self,
        vpc_id: str,
        vpc_name: str,
        cidr: str,
        zone: str,
        tags: dict[str, str],
        *,
        was_tagged: bool = False,
    ) -> Subnet:
        subnet = Subnet(
            **self._owned("subnet", self._id("subnet", vpc_name, zone), tags),
            vpc_id=vpc_id,
            cidr=cidr,
            zone=self._region + zone,
            was_tagged=was_tagged,
        )
        self._place.subnets.append(subnet)
        return subnet

    def _groups(
        self,
        vpc_id: str,
        vpc_name: str,
        groups: Iterable[tuple[str, str, tuple[RuleOf, ...]]],
        *,
        tagged: bool,
    ) -> dict[str, str]:
        default: tuple[RuleOf, ...] = (
            ("in", "-1", None, None, "@default", 1),
            ("out", "-1", None, None, "0.0.0.0/0", 1),
        )
        ids = {}
        for name, description, rules in (("default", "default VPC security group", default), *groups):
            ids[name] = self._id("sg", vpc_name, name)
            tags = self._tags(name) if tagged and name not in {"default", "left over"} else {}
            self._place.groups.append(
                Group(
                    **self._owned("security-group", ids[name], tags),
                    vpc_id=vpc_id,
                    name=name,
                    description=description or name,
                    rules=tuple(
                        self._rule(vpc_name, name, number, rule)
                        for number, rule in enumerate(rules)
                        if self._number % rule[-1] == 0
                    ),
                    is_default=name == "default",
                )
            )
        return ids

    def _rule(self, vpc_name: str, group: str, number: int, rule: RuleOf) -> Rule:
        direction, protocol, first, last, source, _ = rule
        return Rule(
            rule_id=self._id("sgr", vpc_name, group, number),
            is_egress=direction == "out",
            protocol=protocol,
            from_port=first,
            to_port=last,
            description=f"{group} № {number}" if number % 2 == 0 else None,
            **self._source(vpc_name, source),
        )

    def _source(self, vpc_name: str, source: str) -> dict[str, str]:
        if source.startswith("pl-"):
            return {"prefix_list_id": source}
        if not source.startswith("@"):
            return {"cidr_ipv6" if ":" in source else "cidr_ipv4": source}
        account_id, vpc, group = self._account.account_id, vpc_name, source[1:]
        if source == "@vendor":
            return {"group_account_id": VENDOR[0], "group_id": VENDOR[1]}
        if source.startswith("@hub:"):
            account_id, vpc, group = self._world.operations, HUB, source[5:]
        elif source.startswith("@workload:"):
            account_id, vpc, group = self._first_workload, "main", source[10:]
        return {
            "group_account_id": account_id,
            "group_id": self._id("sg", vpc, group, account_id=account_id),
        }

    def _flow_log(
        self, target: str, traffic: str, destination_type: str, destination: str, delivery: str = "SUCCESS"
    ) -> None:
        self._place.flow_logs.append(
            FlowLog(
                **self._owned("vpc-flow-log", self._id("fl", target, destination)),
                target_id=target,
                traffic_type=traffic,
                destination_type=destination_type,
                destination=destination,
                delivery=delivery,
            )
        )

    def _interface(
        self, subnet: Subnet, number: int, description: str, groups: list[str], kind: str = "interface"
    ) -> None:
        base = subnet.cidr.rpartition(".")[0]
        interface_id = self._id("eni", subnet.resource_id, number)
        several: dict[str, Any] = {}
        if description.startswith(LOAD_BALANCER):
            # What the internet reaches of a load balancer is not its primary address.
            digits = interface_id.removeprefix("eni-")
            one, two, three = (int(digits[place : place + 2], 16) for place in (0, 2, 4))
            several = {
                "secondary": ((f"{base}.{110 + number}", f"54.{one}.{two}.{three}"), (f"{base}.{160 + number}", None)),
                "ipv6": (f"2600:1f18:{digits[:4]}:{digits[4:8]}::{10 + number:x}",),
            }
        self._place.interfaces.append(
            Interface(
                **self._owned("network-interface", interface_id),
                subnet_id=subnet.resource_id,
                vpc_id=subnet.vpc_id,
                address=f"{base}.{10 + number}",
                group_ids=tuple(groups),
                description=description,
                interface_type=kind,
                **several,
            )
        )
