"""AWS Resource Explorer: the view of the whole organisation that the operations account has in its first region.

It indexes instances and resources of other services.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from simulator.others import Others
from simulator.pages import Handler, Output, Settings, bad_request
from simulator.wire import AwsError, Call
from simulator.world import World, digest

MOST = 1000
"""Items on a page that has no token, whether there are more or not; AWS documents it of ListResources."""

ON_A_PAGE = 100


@dataclass(frozen=True)
class Indexed:
    """A resource as the index has it."""

    arn: str
    account_id: str
    region: str
    kind: str
    resource_type: str | None
    tags: dict[str, str]

    @property
    def service(self) -> str:
        """Its service."""
        return self.kind.partition(":")[0]


TESTS: dict[str, Callable[[Indexed], str]] = {
    "accountid": lambda item: item.account_id,
    "region": lambda item: item.region,
    "resourcetype": lambda item: item.kind,
    "service": lambda item: item.service,
}
"""What a filter's prefix compares."""


def view_arn(world: World) -> str:
    """The view of the organisation."""
    number = digest(world.seed, world.tenant, "view")
    name = f"view/organisation/{number[:8]}-{number[8:12]}-4{number[12:15]}-8{number[15:18]}-{number[18:30]}"
    return f"arn:aws:resource-explorer-2:{world.regions[0]}:{world.operations}:{name}"


class Search:
    """The handler and its truth."""

    def __init__(self, world: World, settings: Settings, others: Others) -> None:
        self._world, self._settings, self._others = world, settings, others
        self.handlers: dict[tuple[str, str], Handler] = {("resource-explorer-2", "ListResources"): self._list}

    def indexed(self) -> Iterator[Indexed]:
        """Everything in the index."""
        world = self._world
        for account in world.members():
            for region in world.regions:
                for instance in world.instances(account.account_id, region):
                    if instance.state != "terminated":
                        where = (instance.account_id, region, "ec2:instance", "AWS::EC2::Instance")
                        yield Indexed(instance.arn, *where, instance.tags)
        for other in self._others.known_by("explorer"):
            _, _, service, region, account_id, rest = other.arn.split(":", 5)
            kind = re.split("[:/]", rest)[0] if re.search("[:/]", rest) else other.resource_type.split(":")[-1].lower()
            # Of some types the index has no name in CloudFormation's words.
            known_type = None if service == "iam" else other.resource_type
            yield Indexed(other.arn, account_id, region or "global", f"{service}:{kind}", known_type, other.tags)

    def truth(self) -> dict[str, Any]:
        """The view and what it shows of services whose listings do not show it."""
        listed = {"ec2", "lambda", "rds", "s3"}
        return {
            "explorer_view": view_arn(self._world),
            "explorer_resources": [
                {
                    "arn": item.arn,
                    "account_id": item.account_id,
                    "region": item.region,
                    "service": item.service,
                    "explorer_type": item.kind,
                    "resource_type": item.resource_type,
                    "tags": item.tags or None,
                }
                for item in self.indexed()
                if item.service not in listed
            ],
        }

    def _list(self, call: Call) -> Output:
        view = view_arn(self._world)
        asked = call.parameters.get("ViewArn")
        if asked is None:
            # Nobody has made it the default of its region.
            raise AwsError("UnauthorizedException", "Unauthorized", 401)
        if (asked, call.region) != (view, view.split(":")[3]):
            raise AwsError("ResourceNotFoundException", f"The view {asked} does not exist.", 404)
        if call.account_id != self._world.operations:
            raise AwsError("UnauthorizedException", "Unauthorized", 401)
        wanted = _filter(str((call.parameters.get("Filters") or {}).get("FilterString", "")))
        found = [item for item in self.indexed() if wanted(item)]
        if call.parameters.get("MaxResults") == MOST:
            return {"Resources": [self._shown(item) for item in found[:MOST]], "ViewArn": view}
        return {**self._settings.page(call, "Resources", found, self._shown, default=ON_A_PAGE), "ViewArn": view}

    def _shown(self, item: Indexed) -> Output:
        looked_at = dt.datetime.combine(self._world.today, dt.time(1), dt.UTC)
        tags = [{"Key": key, "Value": value} for key, value in item.tags.items()]
        return {
            "Arn": item.arn,
            "OwningAccountId": item.account_id,
            "Region": item.region,
            "ResourceType": item.kind,
            "Service": item.service,
            **({"CfnResourceType": item.resource_type} if item.resource_type else {}),
            "LastReportedAt": looked_at,
            "Properties": [{"Name": "tags", "LastReportedAt": looked_at, "Data": tags}] if tags else [],
        }


def _filter(text: str) -> Callable[[Indexed], bool]:
    """What a filter lets through: words that all hold, `prefix:value` or `-prefix:value`.

    Raises:
        AwsError: the simulated index knows no such filter.
    """
    tests: list[tuple[bool, Callable[[Indexed], str], str]] = []
    for word in text.split():
        prefix, found, value = word.removeprefix("-").partition(":")
        if not found or prefix not in TESTS:
            raise bad_request("ValidationException", f"the simulated index knows no filter {word}")
        tests.append((not word.startswith("-"), TESTS[prefix], value))
    return lambda item: all((test(item) == value) is is_wanted for is_wanted, test, value in tests)
