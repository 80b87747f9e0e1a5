"""What the operations account keeps together: tagged resources of an account, and resource groups."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from simulator.network import HUB, Network, Owned, made_id
from simulator.others import Others
from simulator.pages import Handler, Output, Settings, bad_request
from simulator.wire import Call

TAG_QUERY, STACK_QUERY = "TAG_FILTERS_1_0", "CLOUDFORMATION_STACK_1_0"
CLOUDFORMATION_TYPES = {
    "instance": "AWS::EC2::Instance",
    "vpc": "AWS::EC2::VPC",
    "subnet": "AWS::EC2::Subnet",
    "security-group": "AWS::EC2::SecurityGroup",
    "network-interface": "AWS::EC2::NetworkInterface",
    "vpc-flow-log": "AWS::EC2::FlowLog",
    "volume": "AWS::EC2::Volume",
    "snapshot": "AWS::EC2::Snapshot",
    "image": "AWS::EC2::Image",
    "elastic-ip": "AWS::EC2::EIP",
    "natgateway": "AWS::EC2::NatGateway",
}

TYPES_ELSEWHERE = {"ecs": "AWS::ECS::Cluster", "kinesis": "AWS::Kinesis::Stream", "sns": "AWS::SNS::Topic"}
"""The same of the few resources of other services, by service."""

STACK, GONE = "stack", "stack that is gone"
# Name, description, what it holds: a stack, or resources with all of these tags (no values: any value).
GroupOf = tuple[str, str, "str | tuple[tuple[str, tuple[str, ...]], ...]"]
FIRST_REGION: tuple[GroupOf, ...] = (
    ("payments", "", STACK),
    ("shared-platform", "", (("bc:business-service", ("shared",)),)),
    ("metering", "", (("bc:business-service", ("metering",)),)),
)
THIRD_REGION: tuple[GroupOf, ...] = (
    ("network", "All of the network", (("bc:business-service", ("network",)),)),
    ("everything-with-a-name", "", (("Name", ()),)),
    ("nobodys_own", "Without an owner", (("bc:business-owner", ("",)),)),
    ("prod", "", (("bc:environment", ("prod",)),)),
    ("non-prod", "", (("bc:environment", ("non-prod",)), ("bc:business-service", ("network", "shared")))),
    ("kiwi.cache", "two instances", (("Name", ("🥝-cache 0", "🥝-cache 1")),)),
    ("stack-that-is-gone", "", GONE),
)


@dataclass(frozen=True)
class Tagged:
    """A resource that has tags, or had some once."""

    arn: str
    tags: dict[str, str]

    @property
    def kind(self) -> str:
        """The type as the tagging API filters it: `ec2:instance`."""
        return f"{self.service}:{self.arn.split(':')[5].partition('/')[0]}"

    @property
    def service(self) -> str:
        """The service by the ARN."""
        return self.arn.split(":")[2]


@dataclass(frozen=True)
class ResourceGroup:
    """A resource group and what it holds."""

    name: str
    arn: str
    description: str
    query_type: str
    query: dict[str, Any]
    tags: dict[str, str]
    members: list[str]
    errors: list[str] = field(default_factory=list)


def cloudformation_type(arn: str) -> str:
    """The resource type that CloudFormation, Config and Resource Groups use."""
    service = arn.split(":")[2]
    if service != "ec2":
        return TYPES_ELSEWHERE[service]
    return CLOUDFORMATION_TYPES[arn.split(":")[5].partition("/")[0]]


class Holding(Protocol):
    """What has resources that can be tagged."""

    def everything(self, account_id: str, region: str) -> Iterable[Owned]:
        """All that lies in an account and region."""


class Hub:
    """The handlers and their truth, over one organisation's network and what `others` hold."""

    def __init__(self, network: Network, settings: Settings, holding: Iterable[Holding], others: Others) -> None:
        self._network, self._world, self._settings = network, network.world, settings
        self._holding: tuple[Holding, ...] = (network, *holding)
        self._others = others
        self.handlers: dict[tuple[str, str], Handler] = {
            ("resource-groups", "ListGroups"): self._list_groups,
            ("resource-groups", "ListGroupResources"): self._list_members,
            ("resource-groups", "GetGroupQuery"): self._get_query,
            ("resource-groups", "GetTags"): self._get_tags,
            ("resourcegroupstaggingapi", "GetResources"): self._get_resources,
        }

    # ------------------------------------------------------------------ data

    def tagged(self, account_id: str, region: str) -> Iterator[Tagged]:
        """The resources of an account and region that are tagged, or were."""
        for instance in self._world.instances(account_id, region):
            if instance.tags:
                yield Tagged(instance.arn, instance.tags)
        for holding in self._holding:
            for owned in holding.everything(account_id, region):
                if owned.tags or owned.was_tagged:
                    yield Tagged(owned.arn, owned.tags)
        for other in self._others.known_by("tagging"):
            if (other.account_id, other.region) == (account_id, region):
                yield Tagged(other.arn, other.tags)

    def groups(self, account_id: str, region: str) -> list[ResourceGroup]:
        """The resource groups: the operations account has some in its first and its third region."""
        if account_id != self._world.operations or region not in self._world.regions:
            return []
        position = self._world.regions.index(region)
        groups = {0: FIRST_REGION, 2: THIRD_REGION}.get(position, ())
        return [self._group(account_id, region, *group) for group in groups]

    def _group(
        self,
        account_id: str,
        region: str,
        name: str,
        description: str,
        holds: str | tuple[tuple[str, tuple[str, ...]], ...],
    ) -> ResourceGroup:
        query: dict[str, Any] = {"ResourceTypeFilters": ["AWS::AllSupported"]}
        if isinstance(holds, str):
            stack = made_id("stack", self._world.seed, holds).removeprefix("stack-")
            query["StackIdentifier"] = (
                f"arn:aws:cloudformation:{region}:{account_id}:stack/{holds.replace(' ', '-')}/{stack}"
            )
            members = [*self._hub_network(account_id, region)] if holds == STACK else []
        else:
            query["TagFilters"] = [{"Key": key, "Values": list(values)} for key, values in holds]
            members = [item.arn for item in self.tagged(account_id, region) if matches(item, query["TagFilters"])]
        return ResourceGroup(
            name,
            f"arn:aws:resource-groups:{region}:{account_id}:group/{name}",
            description,
            STACK_QUERY if isinstance(holds, str) else TAG_QUERY,
            query,
            {"bc:business-owner": "ana.tui@example.com", "made by": "x 'y' \"z\""} if len(name) % 2 else {},
            members,
            ["CLOUDFORMATION_STACK_INACTIVE"] if holds == GONE else [],
        )

    def _hub_network(self, account_id: str, region: str) -> Iterator[str]:
        """What the stack of the hub's VPC has made."""
        place = self._network.own(account_id, region)
        hub = made_id("vpc", self._world.seed, account_id, region, HUB)
        yield from (vpc.arn for vpc in place.vpcs if vpc.resource_id == hub)
        yield from (subnet.arn for subnet in place.subnets if subnet.vpc_id == hub)
        yield from (group.arn for group in place.groups if group.vpc_id == hub)
        yield from (interface.arn for interface in place.interfaces if interface.vpc_id == hub)
        for other in self._others.known_by("group"):
            if (other.account_id, other.region) == (account_id, region):
                yield other.arn

    def truth(self) -> dict[str, Any]:
        """Groups with their members, and what the tagging API knows in the operations account."""
        operations = self._world.operations
        return {
            "resource_groups": [
                {
                    "group_arn": group.arn,
                    "name": group.name,
                    "account_id": operations,
                    "region": region,
                    "query_type": group.query_type,
                    "query": group.query,
                    "tags": group.tags,
                    "members": [{"arn": arn, "resource_type": cloudformation_type(arn)} for arn in group.members],
                    "query_errors": group.errors,
                }
                for region in self._world.regions
                for group in self.groups(operations, region)
            ],
            "tagged_resources": [
                {"arn": item.arn, "account_id": operations, "region": region, "tags": item.tags}
                for region in self._world.regions
                for item in self.tagged(operations, region)
            ],
        }

    # ------------------------------------------------------------------ answers

    def _get_resources(self, call: Call) -> Output:
        filters = [dict(wanted) for wanted in call.parameters.get("TagFilters") or []]
        kinds = set(call.parameters.get("ResourceTypeFilters") or [])
        arns = call.parameters.get("ResourceARNList")
        found = [
            item
            for item in self.tagged(call.account_id, call.region)
            if (not kinds or {item.service, item.kind} & kinds)
            and (not arns or item.arn in arns)
            and matches(item, filters)
        ]
        return self._settings.page(
            call,
            "ResourceTagMappingList",
            found,
            lambda item: {"ResourceARN": item.arn, "Tags": _pairs(item.tags)},
        )

    def _list_groups(self, call: Call) -> Output:
        output = self._settings.page(call, "GroupIdentifiers", self.groups(call.account_id, call.region))
        shown: list[ResourceGroup] = output["GroupIdentifiers"]
        output["GroupIdentifiers"] = [
            {
                "GroupName": group.name,
                "GroupArn": group.arn,
                **({"Description": group.description} if group.description else {}),
            }
            for group in shown
        ]
        output["Groups"] = [{"Name": group.name, "GroupArn": group.arn} for group in shown]
        return output

    def _asked(self, call: Call) -> ResourceGroup:
        wanted = {call.parameters.get(name) for name in ("Group", "GroupName", "Arn")}
        for group in self.groups(call.account_id, call.region):
            if {group.name, group.arn} & wanted:
                return group
        asked = ", ".join(str(name) for name in wanted if name)
        raise bad_request("NotFoundException", f"Cannot find the resource group {asked}.")

    def _list_members(self, call: Call) -> Output:
        group = self._asked(call)
        kinds = {
            value
            for item in call.parameters.get("Filters") or []
            if item.get("Name") == "resource-type"
            for value in item.get("Values") or []
        }
        members = [
            {"ResourceArn": arn, "ResourceType": cloudformation_type(arn)}
            for arn in group.members
            if not kinds or cloudformation_type(arn) in kinds
        ]
        output = self._settings.page(call, "ResourceIdentifiers", members)
        output["Resources"] = [{"Identifier": member} for member in output["ResourceIdentifiers"]]
        output["QueryErrors"] = [
            {"ErrorCode": code, "Message": f"{group.name}: its stack is not active."} for code in group.errors
        ]
        return output

    def _get_query(self, call: Call) -> Output:
        group = self._asked(call)
        query = {"Type": group.query_type, "Query": json.dumps(group.query, ensure_ascii=False)}
        return {"GroupQuery": {"GroupName": group.name, "ResourceQuery": query}}

    def _get_tags(self, call: Call) -> Output:
        group = self._asked(call)
        return {"Arn": group.arn, "Tags": group.tags}


def matches(item: Tagged, filters: list[dict[str, Any]]) -> bool:
    """Whether a resource has every tag; a filter without values wants the key alone."""
    return all(
        wanted["Key"] in item.tags and (not wanted.get("Values") or item.tags[wanted["Key"]] in wanted["Values"])
        for wanted in filters
    )


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
