"""AWS Config's aggregators in the operations account: a second witness of what exists.

The organisation's aggregator lacks one account, and knows one instance that EC2 itself does not show.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulator.config_sql import ExpressionError, Resource, parse
from simulator.hub import cloudformation_type
from simulator.network import Group, Network, Subnet, Vpc
from simulator.others import Others
from simulator.pages import Handler, Output, Settings, bad_request
from simulator.wire import Call
from simulator.world import EPOCH, Instance, digest

RESULTS_ON_A_PAGE = 100


@dataclass(frozen=True)
class Aggregator:
    """An aggregator: of the whole organisation, or of accounts that somebody named."""

    name: str
    arn: str
    is_of_organization: bool
    account_ids: tuple[str, ...]
    regions: tuple[str, ...]


class Aggregation:
    """The handlers and their truth."""

    def __init__(self, network: Network, settings: Settings, others: Others) -> None:
        self._network, self._world, self._settings = network, network.world, settings
        self._others = others
        self._version = -1
        self._resources: list[Resource] = []
        reachable = self._world.reachable()
        self.missing = reachable[min(2, len(reachable) - 1)].account_id if reachable else ""
        self._host = reachable[0].account_id if reachable else ""
        self.handlers: dict[tuple[str, str], Handler] = {
            ("config", "DescribeConfigurationAggregators"): self._describe,
            ("config", "SelectAggregateResourceConfig"): self._select,
        }

    # ------------------------------------------------------------------ data

    def aggregators(self, account_id: str, region: str) -> list[Aggregator]:
        """The aggregators of an account and region: the operations account has two in its first region."""
        world = self._world
        if (account_id, region) != (world.operations, world.regions[0]):
            return []

        def arn(name: str) -> str:
            number = digest(world.seed, world.tenant, "aggregator", name)[:8]
            return f"arn:aws:config:{region}:{account_id}:config-aggregator/config-aggregator-{number}"

        members = tuple(a.account_id for a in world.members() if a.account_id != self.missing)
        first = tuple(account.account_id for account in world.reachable()[:2])
        return [
            Aggregator("organisation", arn("organisation"), True, members, world.regions),
            Aggregator("before-the-organisation", arn("before"), False, first, world.regions[:1]),
        ]

    def unseen(self) -> Instance:
        """An instance that Config has recorded and that EC2 does not list."""
        region = self._world.regions[0]
        return Instance(
            instance_id=f"i-0{digest(self._world.seed, self._host, 'unseen')[:16]}",
            account_id=self._host,
            region=region,
            zone=f"{region}a",
            instance_type="t3.micro",
            state="running",
            launched_at=EPOCH,
            tags={"Name": "not in EC2's answer"},
        )

    def resources(self) -> list[Resource]:
        """Everything that Config has recorded, whichever aggregator shows it."""
        if self._version != self._world.version:
            self._resources = list(self._record())
            self._version = self._world.version
        return self._resources

    def _record(self) -> Iterator[Resource]:
        world = self._world
        for account in world.members():
            for region in world.regions:
                for instance in world.instances(account.account_id, region):
                    if instance.state != "terminated":
                        yield self._instance(instance)
                for owned in self._network.everything(account.account_id, region):
                    if isinstance(owned, Vpc | Subnet | Group):
                        inside = {} if isinstance(owned, Vpc) else {"vpcId": owned.vpc_id}
                        yield self._item(owned.arn, owned.resource_id, owned.tags, EPOCH, inside)
        if self._host:
            yield self._instance(self.unseen())
        for other in self._others.known_by("config"):
            item = self._item(other.arn, other.resource_id, other.tags, EPOCH, {})
            yield {**item, "availabilityZone": "Regional"}

    def _instance(self, instance: Instance) -> Resource:
        configuration = {
            "instanceId": instance.instance_id,
            "instanceType": instance.instance_type,
            "state": {"name": instance.state},
        }
        item = self._item(instance.arn, instance.instance_id, instance.tags, instance.launched_at, configuration)
        return {**item, "availabilityZone": instance.zone}

    def _item(
        self,
        arn: str,
        resource_id: str,
        tags: dict[str, str],
        created_at: dt.datetime,
        configuration: dict[str, Any],
    ) -> Resource:
        _, _, _, region, account_id, _ = arn.split(":")
        captured = dt.datetime.combine(self._world.today, dt.time(), dt.UTC) - dt.timedelta(hours=5)
        return {
            "accountId": account_id,
            "awsRegion": region,
            "arn": arn,
            "resourceType": cloudformation_type(arn),
            "resourceId": resource_id,
            **({"resourceName": tags["Name"]} if "Name" in tags else {}),
            "availabilityZone": "Multiple Availability Zones",
            "resourceCreationTime": f"{created_at:%Y-%m-%dT%H:%M:%S.000Z}",
            "configurationItemCaptureTime": f"{captured:%Y-%m-%dT%H:%M:%S.000Z}",
            "configurationItemStatus": "ResourceDiscovered",
            "configuration": configuration,
            "tags": [{"tag": f"{key}={value}", "key": key, "value": value} for key, value in tags.items()],
        }

    def truth(self) -> dict[str, Any]:
        """The aggregators and what they know, as JSON data."""
        operations, region = self._world.operations, self._world.regions[0]
        members = [account.account_id for account in self._world.members()]
        names = ("arn", "accountId", "awsRegion", "resourceType", "resourceId")
        return {
            "config_aggregators": [
                {
                    "name": aggregator.name,
                    "arn": aggregator.arn,
                    "account_id": operations,
                    "region": region,
                    "account_ids": list(aggregator.account_ids),
                    "missing_account_ids": [name for name in members if name not in aggregator.account_ids],
                }
                for aggregator in self.aggregators(operations, region)
            ],
            "config_resources": [
                {name: resource[name] for name in names}
                for resource in self.resources()
                if resource["accountId"] != self.missing
            ],
            "config_unseen_arns": [self.unseen().arn] if self._host and self._host != self.missing else [],
        }

    # ------------------------------------------------------------------ answers

    def _describe(self, call: Call) -> Output:
        there = self.aggregators(call.account_id, call.region)
        wanted = call.parameters.get("ConfigurationAggregatorNames") or [a.name for a in there]
        if unknown := {*wanted} - {aggregator.name for aggregator in there}:
            raise self._no_such(*unknown)
        return self._settings.page(
            call, "ConfigurationAggregators", [a for a in there if a.name in wanted], self._shown
        )

    def _shown(self, aggregator: Aggregator) -> Output:
        source: Output = {
            "OrganizationAggregationSource": {
                "RoleArn": f"arn:aws:iam::{self._world.operations}:role/aws-service-role/config",
                "AllAwsRegions": True,
            }
        }
        if not aggregator.is_of_organization:
            accounts = {"AccountIds": list(aggregator.account_ids), "AwsRegions": list(aggregator.regions)}
            source = {"AccountAggregationSources": [{**accounts, "AllAwsRegions": False}]}
        return {
            "ConfigurationAggregatorName": aggregator.name,
            "ConfigurationAggregatorArn": aggregator.arn,
            "CreationTime": EPOCH,
            "LastUpdatedTime": EPOCH,
            **source,
        }

    def _select(self, call: Call) -> Output:
        wanted = str(call.parameters.get("ConfigurationAggregatorName"))
        there = {a.name: a for a in self.aggregators(call.account_id, call.region)}
        if wanted not in there:
            raise self._no_such(wanted)
        aggregator = there[wanted]
        try:
            query = parse(str(call.parameters.get("Expression")))
        except ExpressionError as error:
            raise bad_request("InvalidExpressionException", f"Syntax error: {error}") from error
        accounts, regions = {*aggregator.account_ids}, {*aggregator.regions}
        rows = query.run([r for r in self.resources() if r["accountId"] in accounts and r["awsRegion"] in regions])
        output = self._settings.page(
            call,
            "Results",
            rows,
            lambda row: json.dumps(row, ensure_ascii=False),
            default=RESULTS_ON_A_PAGE,
        )
        output["QueryInfo"] = {"SelectFields": [{"Name": name} for name in query.fields]}
        return output

    @staticmethod
    def _no_such(*names: str) -> Exception:
        return bad_request(
            "NoSuchConfigurationAggregatorException",
            f"The configuration aggregator does not exist: {', '.join(sorted(names))}.",
        )
