"""The Lambda functions of the organisation. Each carries a secret in its environment, as functions do.

Pure data, made when first asked for, and the answers drawn from it: moto is not asked.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.function_versions import (
    LIVE,
    Alias,
    Version,
    shown_alias,
    shown_version,
    true_alias,
    true_version,
)
from simulator.ledger import OPEN_END, REGION_CODES, Line
from simulator.listings import lambda_capacity_provider
from simulator.network import Network
from simulator.pages import Handler, Output, Settings
from simulator.wire import AwsError, Call
from simulator.world import EPOCH, OWNERS, SPARSE, Account, WorldError, digest

SERVICE = "AWS Lambda"
REQUEST_RATE = 2_100
SECRET = "canary-function-d41d8cd98f00b204"
"""The value of a variable of every function's environment: nothing of ours may keep it."""


@dataclass
class Function:
    """A function. `runtime` is None for a container image.

    Attributes:
        urls: alias, empty for the newest version, and AuthType of each of its URLs.
        versions: its published versions.
        aliases: its aliases.
    """

    name: str
    account_id: str
    region: str
    runtime: str | None
    modified_at: dt.datetime
    tags: dict[str, str] = field(default_factory=dict)
    memory_mb: int = 128
    timeout_seconds: int = 3
    code_bytes: int = 4096
    architecture: str = "x86_64"
    is_in_vpc: bool = False
    layers: tuple[str, ...] = ()
    urls: tuple[tuple[str, str], ...] = ()
    versions: tuple[Version, ...] = ()
    aliases: tuple[Alias, ...] = ()
    capacity_provider: str | None = None

    @property
    def arn(self) -> str:
        """The ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"


class Functions:
    """The functions of one organisation, Lambda's answers about them, and their truth."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self._network, self._world, self._settings = network, network.world, settings
        self._functions: dict[tuple[str, str], list[Function]] = {}
        self._numbers = self._world.numbers
        workloads = [account.account_id for account in self._world.accounts.values() if account.kind == "workload"]
        self._first = workloads[0] if workloads else ""
        self._world.parts.append(self)
        self.handlers: dict[tuple[str, str], Handler] = {
            ("lambda", "ListFunctions"): self._list_functions,
            ("lambda", "ListTags"): self._list_tags,
            ("lambda", "ListFunctionUrlConfigs"): self._list_urls,
            ("lambda", "ListAliases"): self._list_aliases,
        }

    # ------------------------------------------------------------------ data

    def of(self, account_id: str, region: str) -> list[Function]:
        """The functions of an account in a region."""
        key = (account_id, region)
        if not self._world.uses(account_id, "lambda", region):
            return []
        if key not in self._functions:
            account = self._world.accounts.get(account_id)
            self._functions[key] = list(self._make(account, region)) if account is not None else []
        return self._functions[key]

    def everywhere(self) -> Iterator[Function]:
        """Every function of the organisation."""
        for account_id, account in self._world.accounts.items():
            for region in self._world.regions if account.left_on is None else ():
                yield from self.of(account_id, region)

    def _make(self, account: Account, region: str) -> Iterator[Function]:
        position = self._world.regions.index(region)
        number = self._numbers[account.account_id] + position
        if account.kind != "workload" or (account.name == SPARSE and position):
            return
        owner: dict[str, Any] = {"account_id": account.account_id, "region": region}
        draw = random.Random(digest(self._world.seed, "functions", account.account_id, region))
        at = EPOCH + dt.timedelta(seconds=draw.randrange(2 * 365 * 86400), milliseconds=draw.randrange(1000))
        tags = {
            "bc:business-service": account.application,
            "bc:business-owner": draw.choice(OWNERS),
            "описание": "🥝 'quoted'",
        }
        if number % 3 != 2:
            layer = f"arn:aws:lambda:{region}:{account.account_id}:layer:powertools:7"
            yield Function(
                "api",
                **owner,
                runtime="python3.13",
                modified_at=at,
                tags=tags,
                memory_mb=1024,
                timeout_seconds=29,
                code_bytes=5_242_880,
                is_in_vpc=True,
                layers=(layer,),
                urls=(("", "AWS_IAM"), ("live", "NONE")) if number % 3 else (("", "AWS_IAM"),),
                versions=(Version(1, "python3.8", 512), Version(2, "python3.13", 1024), Version(3, "python3.13", 1024)),
                aliases=(LIVE,) if number % 3 else (),
            )
        if number % 2 == 0:
            yield Function(
                "thumbnails_2019",
                **owner,
                runtime="nodejs12.x",
                modified_at=EPOCH,
                urls=(("", "NONE"),),
                aliases=(Alias("prod", "$LATEST"),),
            )
        if number % 4 == 1:
            yield Function(
                "image-worker",
                **owner,
                runtime=None,
                modified_at=at,
                tags={"empty": ""},
                memory_mb=10_240,
                timeout_seconds=900,
                code_bytes=0,
                architecture="arm64",
                capacity_provider=self._capacity_provider(account.account_id, region),
            )
        # One place has more than fit on a page.
        if (account.account_id, position) == (self._first, 0):
            for tenant in range(6):
                yield Function(
                    f"tenant-{tenant}",
                    **owner,
                    runtime="provided.al2023",
                    modified_at=at,
                    tags={"bc:cost-centre": f"00{tenant}"} if tenant % 2 else {},
                )

    # ------------------------------------------------------------------ the bill

    def lines(self) -> Iterator[Line]:
        """What the functions cost: an account and region pays for all of them together."""
        for account_id, account in self._world.accounts.items():
            for region in self._world.regions:
                if there := self.of(account_id, region):
                    yield Line(
                        account_id,
                        SERVICE,
                        region,
                        f"{REGION_CODES.get(region, f'{region}-')}Lambda-GB-Second",
                        rate=REQUEST_RATE * len(there),
                        quantity=len(there),
                        end=account.left_on or OPEN_END,
                    )

    def _capacity_provider(self, account_id: str, region: str) -> str | None:
        rows = lambda_capacity_provider.rows(self._network, account_id, region)
        return rows[0]["arn"] if rows else None

    # ------------------------------------------------------------------ answers

    def _list_functions(self, call: Call) -> Output:
        """With `FunctionVersion` each published version as well, under an ARN of its own."""
        there = self.of(call.account_id, call.region)
        if call.parameters.get("FunctionVersion") != "ALL":
            return self._settings.page(call, "Functions", there, self._shown)
        every = [(function, version) for function in there for version in (None, *function.versions)]
        return self._settings.page(call, "Functions", every, lambda one: shown_version(self._shown(one[0]), one[1]))

    def _vpc_config(self, function: Function) -> Output:
        if not function.is_in_vpc:
            return {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""}
        place = self._network.own(function.account_id, function.region)
        return {
            "SubnetIds": [subnet.resource_id for subnet in place.subnets],
            "SecurityGroupIds": [group.resource_id for group in place.groups if group.name == "app 🥝"],
            "VpcId": place.vpcs[0].resource_id,
        }

    def _shown(self, function: Function) -> Output:
        """As ListFunctions shows a function: without its state, which GetFunction alone tells."""
        code = digest("code", function.arn, function.modified_at.isoformat())
        modified = function.modified_at
        shown: Output = {
            "FunctionName": function.name,
            "FunctionArn": function.arn,
            "Role": f"arn:aws:iam::{function.account_id}:role/{function.name}",
            "CodeSize": function.code_bytes,
            "Description": "Answers what the shop asks" if function.name == "api" else "",
            "Timeout": function.timeout_seconds,
            "MemorySize": function.memory_mb,
            # Lambda writes its times as no other service does.
            "LastModified": f"{modified:%Y-%m-%dT%H:%M:%S}.{modified.microsecond // 1000:03d}+0000",
            "CodeSha256": code[:44],
            "Version": "$LATEST",
            "Environment": {"Variables": {"DATABASE_PASSWORD": SECRET, "STAGE": "prod"}},
            "TracingConfig": {"Mode": "Active" if function.is_in_vpc else "PassThrough"},
            "SnapStart": {
                "ApplyOn": "PublishedVersions" if function.name == "api" else "None",
                "OptimizationStatus": "Off",
            },
            "LoggingConfig": _logging(function),
            "RevisionId": f"{code[:8]}-{code[8:12]}-{code[12:16]}-{code[16:20]}-{code[20:32]}",
            "PackageType": "Zip" if function.runtime else "Image",
            "Architectures": [function.architecture],
            "EphemeralStorage": {"Size": 512 if function.runtime else 2048},
        }
        if function.runtime:
            shown |= {"Runtime": function.runtime, "Handler": "app.handler"}
        if function.layers:
            shown["Layers"] = [{"Arn": arn, "CodeSize": 1_048_576} for arn in function.layers]
        if function.capacity_provider:
            shown["CapacityProviderConfig"] = {
                "LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": function.capacity_provider}
            }
        if function.is_in_vpc:
            place = f"{function.region}:{function.account_id}"
            access_point = f"arn:aws:elasticfilesystem:{place}:access-point/fsap-{digest(place, function.name)[:17]}"
            shown["VpcConfig"] = self._vpc_config(function) | {"Ipv6AllowedForDualStack": False}
            shown["DeadLetterConfig"] = {"TargetArn": f"arn:aws:sqs:{place}:{function.name}-dead"}
            shown["KMSKeyArn"] = f"arn:aws:kms:{place}:key/{digest(place)[:32]}"
            shown["FileSystemConfigs"] = [{"Arn": access_point, "LocalMountPath": "/mnt/models"}]
        return shown

    def _list_tags(self, call: Call) -> Output:
        arn = str(call.parameters.get("Resource"))
        for function in self.of(call.account_id, call.region):
            if function.arn == arn:
                return {"Tags": dict(function.tags)}
        raise AwsError("ResourceNotFoundException", f"The resource you requested does not exist: {arn}", 404)

    def _list_urls(self, call: Call) -> Output:
        arn = str(call.parameters.get("FunctionName"))
        for function in self.of(call.account_id, call.region):
            if function.arn == arn:
                return self._settings.page(call, "FunctionUrlConfigs", _urls(function), _shown_url)
        raise AwsError("ResourceNotFoundException", f"The resource you requested does not exist: {arn}", 404)

    def _list_aliases(self, call: Call) -> Output:
        arn = str(call.parameters.get("FunctionName"))
        for function in self.of(call.account_id, call.region):
            if function.arn == arn:
                return self._settings.page(call, "Aliases", function.aliases, lambda alias: shown_alias(arn, alias))
        raise AwsError("ResourceNotFoundException", f"The resource you requested does not exist: {arn}", 404)

    # ------------------------------------------------------------------ later nights

    def _function(self, arn: str) -> Function:
        for function in self.everywhere():
            if function.arn == arn:
                return function
        raise WorldError(f"there is no function {arn}")

    def _change_update_function(self, arn: str, **changes: Any) -> dict[str, Any]:
        """Set `runtime`, `memory_mb`, `timeout_seconds` or `tags`; a change of anything but tags is a deployment."""
        function = self._function(arn)
        if unknown := changes.keys() - {"runtime", "memory_mb", "timeout_seconds", "tags"}:
            raise WorldError(f"a function has no {', '.join(sorted(unknown))} to update")
        for name, value in changes.items():
            setattr(function, name, value)
        if changes.keys() - {"tags"}:
            function.modified_at = dt.datetime.combine(self._world.today, dt.time(), dt.UTC)
        return {"arn": arn, **changes}

    def _change_delete_function(self, arn: str) -> dict[str, Any]:
        function = self._function(arn)
        self.of(function.account_id, function.region).remove(function)
        return {"arn": arn}

    # ------------------------------------------------------------------ truth

    def truth(self) -> dict[str, Any]:
        """Every function, as JSON data."""
        return {
            "functions": [
                {
                    "arn": function.arn,
                    "name": function.name,
                    "account_id": function.account_id,
                    "region": function.region,
                    "runtime": function.runtime,
                    "memory_mb": function.memory_mb,
                    "timeout_seconds": function.timeout_seconds,
                    "code_size_bytes": function.code_bytes,
                    "modified_at": function.modified_at.isoformat(),
                    "package_type": "Zip" if function.runtime else "Image",
                    "architectures": [function.architecture],
                    "layer_arns": list(function.layers),
                    "capacity_provider_arn": function.capacity_provider,
                    "vpc_id": self._vpc_config(function)["VpcId"] or None,
                    "subnet_ids": self._vpc_config(function)["SubnetIds"],
                    "security_group_ids": self._vpc_config(function)["SecurityGroupIds"],
                    "tags": function.tags,
                }
                for function in self.everywhere()
            ],
            "function_urls": [url for function in self.everywhere() for url in _urls(function)],
            "aliases": [
                true_alias(function.arn, alias) for function in self.everywhere() for alias in function.aliases
            ],
            "function_versions": [
                true_version(function.arn, version)
                for function in self.everywhere()
                # The listing has the unpublished version too.
                for version in (None, *function.versions)
            ],
        }


def _logging(function: Function) -> Output:
    """Where it writes its log; only JSON has levels."""
    shown: Output = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.name}"}
    if function.name == "api":
        shown |= {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "WARN"}
    return shown


def _urls(function: Function) -> list[dict[str, Any]]:
    """The URLs of a function, as JSON data."""
    return [
        {
            "arn": function.arn,
            "account_id": function.account_id,
            "region": function.region,
            "name": function.name,
            "alias": alias or None,
            "url": f"https://{digest('url', function.arn, alias)[:32]}.lambda-url.{function.region}.on.aws/",
            "auth_type": auth_type,
            "invoke_mode": "BUFFERED",
            "allowed_origins": [] if alias else ["https://example.com"],
        }
        for alias, auth_type in function.urls
    ]


def _shown_url(url: dict[str, Any]) -> Output:
    """As Lambda writes it."""
    shown: Output = {
        "FunctionUrl": url["url"],
        "FunctionArn": ":".join(filter(None, (url["arn"], url["alias"]))),
        "CreationTime": "2026-11-02T09:00:00.000000Z",
        "LastModifiedTime": "2026-11-02T09:00:00.000000Z",
        "AuthType": url["auth_type"],
        "InvokeMode": url["invoke_mode"],
    }
    if url["allowed_origins"]:
        shown["Cors"] = {"AllowOrigins": url["allowed_origins"]}
    return shown
