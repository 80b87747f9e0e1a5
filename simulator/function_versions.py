"""Published versions of Lambda functions, and aliases: names that lead to one of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from simulator.pages import Output
from simulator.world import EPOCH, digest


@dataclass(frozen=True)
class Version:
    """A published version: the function as it was then."""

    number: int
    runtime: str
    memory_mb: int


@dataclass(frozen=True)
class Alias:
    """An alias; `weights` are the shares of its invocations that go to other versions."""

    name: str
    version: str
    description: str = ""
    weights: tuple[tuple[str, float], ...] = ()


LIVE = Alias("live", "2", "what clients call", (("3", 0.25),))


def shown_version(shown: Output, version: Version | None) -> Output:
    """A version as ListFunctions writes it, of what it shows of the function; None is the unpublished one."""
    arn = shown["FunctionArn"]
    if version is None:
        return shown | {"FunctionArn": f"{arn}:$LATEST"}
    at = EPOCH + dt.timedelta(days=version.number)
    return shown | {
        "FunctionArn": f"{arn}:{version.number}",
        "Version": str(version.number),
        "CodeSha256": digest("code", arn, str(version.number))[:44],
        "Runtime": version.runtime,
        "MemorySize": version.memory_mb,
        "LastModified": f"{at:%Y-%m-%dT%H:%M:%S}.000+0000",
    }


def shown_alias(arn: str, alias: Alias) -> Output:
    """An alias of a function as Lambda writes it."""
    shown: Output = {
        "AliasArn": f"{arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": digest("alias", arn, alias.name)[:36],
    }
    if alias.weights:
        shown["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.weights)}
    return shown


def true_version(arn: str, version: Version | None) -> dict[str, Any]:
    """A version of a function, as JSON data."""
    name = str(version.number) if version else "$LATEST"
    _, _, _, region, account_id, *_ = arn.split(":")
    return {
        "arn": f"{arn}:{name}",
        "account_id": account_id,
        "region": region,
        "function_arn": arn,
        "version": name,
        "runtime": version.runtime if version else None,
        "memory_mb": version.memory_mb if version else None,
    }


def true_alias(arn: str, alias: Alias) -> dict[str, Any]:
    """An alias of a function, as JSON data."""
    _, _, _, region, account_id, *_ = arn.split(":")
    return {
        "arn": f"{arn}:{alias.name}",
        "account_id": account_id,
        "region": region,
        "tags": {},
        "name": alias.name,
        "version": alias.version,
        "weights": dict(alias.weights),
        "relations": [("contained_in", arn)],
        "listed_in": [(account_id, region)],
    }
