"""Changes of `Simulator.change` that are nobody else's: ports of groups, deployments, account tags.

The network of an account and region, its functions and its snapshots are changed in place.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from simulator.databases import Databases
from simulator.functions import Function, Functions
from simulator.network import WORLD_CIDRS, Group, Network, Place, Rule, made_id
from simulator.world import World, WorldError


class FurtherChanges:
    """The changes, over one organisation."""

    def __init__(self, network: Network, databases: Databases, functions: Functions) -> None:
        self._network, self._databases, self._functions = network, databases, functions
        self._world: World = network.world
        self._world.parts.append(self)

    def _places(self) -> list[tuple[str, str]]:
        return [(account_id, region) for account_id in self._world.accounts for region in self._world.regions]

    def _group(self, group_id: str) -> tuple[Place, int, Group]:
        for place in (self._network.own(*where) for where in self._places()):
            for position, group in enumerate(place.groups):
                if group.resource_id == group_id:
                    return place, position, group
        raise WorldError(f"there is no security group {group_id} that somebody has made")

    def _change_open_port(self, group_id: str, port: int, cidr: str = "0.0.0.0/0") -> dict[str, Any]:
        """A rule lets a range of addresses in on a TCP port of a security group."""
        place, position, group = self._group(group_id)
        rule = Rule(
            rule_id=made_id("sgr", self._world.seed, group_id, "opened", self._world.version),
            is_egress=False,
            protocol="tcp",
            from_port=port,
            to_port=port,
            **{"cidr_ipv6" if ":" in cidr else "cidr_ipv4": cidr},
        )
        place.groups[position] = dataclasses.replace(group, rules=(*group.rules, rule))
        return {"group_id": group_id, "rule_id": rule.rule_id, "is_open_to_world": cidr in WORLD_CIDRS}

    def _change_revoke_rule(self, rule_id: str) -> dict[str, Any]:
        for place in (self._network.own(*where) for where in self._places()):
            for position, group in enumerate(place.groups):
                kept = tuple(rule for rule in group.rules if rule.rule_id != rule_id)
                if len(kept) < len(group.rules):
                    place.groups[position] = dataclasses.replace(group, rules=kept)
                    return {"group_id": group.resource_id, "rule_id": rule_id}
        raise WorldError(f"there is no rule {rule_id} in a group that somebody has made")

    def _change_deploy_function(
        self, account_id: str, region: str, name: str, runtime: str = "python3.13", tags: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """A function that was not there; one of the same name may have been deleted before."""
        self._world.account(account_id)
        there = self._functions.of(account_id, region)
        if any(function.name == name for function in there):
            raise WorldError(f"{account_id} has a function {name} in {region} already")
        at = dt.datetime.combine(self._world.today, dt.time(), dt.UTC)
        new = Function(name, account_id, region, runtime, at, dict(tags or {}))
        there.append(new)
        return {"arn": new.arn}

    def _change_delete_database_snapshot(self, arn: str) -> dict[str, Any]:
        for where in self._places():
            snapshots = self._databases.estate(*where).snapshots
            for snapshot in snapshots:
                if snapshot.arn == arn:
                    snapshots.remove(snapshot)
                    return {"arn": arn}
        raise WorldError(f"there is no database snapshot {arn}")

    def _change_copy_database_snapshot(self, arn: str, name: str, restore_by: Sequence[str] = ()) -> dict[str, Any]:
        """A manual copy of a snapshot, which accounts that are named may restore, or all."""
        for where in self._places():
            snapshots = self._databases.estate(*where).snapshots
            for snapshot in snapshots:
                if snapshot.arn == arn:
                    at = dt.datetime.combine(self._world.today, dt.time(), dt.UTC)
                    made: dict[str, Any] = {
                        "name": name,
                        "kind": "manual",
                        "created_at": at,
                        "restore_by": tuple(restore_by),
                    }
                    snapshots.append(dataclasses.replace(snapshot, **made))
                    return {"arn": snapshots[-1].arn}
        raise WorldError(f"there is no database snapshot {arn}")

    def _change_retag_account(self, account_id: str, tags: dict[str, str]) -> dict[str, Any]:
        self._world.account(account_id).tags = dict(tags)
        return {"account_id": account_id, "tags": tags}
