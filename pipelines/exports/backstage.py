"""Configuration items, business services and owners as catalogue entities of Backstage."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipelines.exports.files import ExportedFile, Scope, published_name, replaced, scopes

if TYPE_CHECKING:
    import duckdb

    from resources.store.store import Store

API = "backstage.io/v1alpha1"

LONGEST = 63
"""Characters of an entity's name, by Backstage's own rule."""

UNOWNED = "unowned"
"""The group of what nobody is known to own: Backstage refuses a resource without an owner."""

LOCATION = "catalog-info.yaml"

Entity = dict[str, Any]


def export_backstage(folder: Path, store: "Store") -> list[ExportedFile]:
    """Write `catalog-info.yaml`, which leads to the groups, the systems and each account's resources.

    A resource is an item that is not retired. An item whose listing is not trusted now stays, as stale: only a trusted
    response takes an entity away. Each entity's annotations hold the ARN, the account and when it was collected.

    Raises:
        ExportError: the folder cannot be written to, or holds something else. What was there is unchanged.
        WarehouseError: nothing is published yet.
    """
    described = {"format": "backstage"}
    with replaced(folder, described) as part:
        with store.published() as connection:
            described["published"] = published_name(connection)
            known = scopes(connection)
            systems, owners = _systems(connection)
            accounts = _resources(connection, {system["metadata"]["name"] for system in systems})
        groups = [_group(name, title) for name, title in sorted(owners.items())]
        files: dict[str, tuple[list[Entity], Scope | None]] = {
            "groups.yaml": (groups, known.get("cmdb.resource")),
            "systems.yaml": (systems, known.get("cmdb.application")),
            "resources": (list(chain.from_iterable(accounts.values())), known.get("cmdb.resource")),
        }
        targets = ["./groups.yaml", "./systems.yaml", *(f"./resources/{account}.yaml" for account in accounts)]
        location = {"spec": {"type": "file", "targets": targets}}
        _write(part / LOCATION, [_entity("Location", "aws-org-cmdb", "AWS organisation", location)])
        for name in ("groups.yaml", "systems.yaml"):
            _write(part / name, files[name][0])
        (part / "resources").mkdir()
        for account, entities in accounts.items():
            _write(part / "resources" / f"{account}.yaml", entities)
    return [ExportedFile.of(folder / name, len(entities), scope) for name, (entities, scope) in files.items()]


def entity_name(text: str) -> str:
    """A name that Backstage accepts, one for each text: how the text ends, and a digest of the whole text."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    end = text.rsplit(":", 1)[-1]
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", end).strip("-")[: LONGEST - 13].strip("-")
    return f"{plain}-{digest}" if plain else digest


def _entity(kind: str, name: str, title: str, rest: Mapping[str, Any]) -> Entity:
    metadata = {"name": name, "title": title, **rest.get("metadata", {})}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": rest["spec"]}


def _group(name: str, title: str) -> Entity:
    if name == UNOWNED:
        text = {"description": "What nobody is known to own."}
        return _entity("Group", name, title, {"metadata": text, "spec": {"type": "team", "children": []}})
    return _entity("Group", name, title, {"spec": {"type": "team", "children": []}})


def _systems(connection: "duckdb.DuckDBPyConnection") -> tuple[list[Entity], dict[str, str]]:
    """The business services as systems, and all owners by their entity's name."""
    owners = {UNOWNED: "Unowned"}
    for (owner,) in connection.execute(
        """
        select distinct business_owner from cmdb.resource where status != 'retired' and trim(business_owner) != ''
        union select owner from cmdb.application where trim(owner) != ''
        """
    ).fetchall():
        owners[entity_name(owner)] = owner
    systems = [
        _entity("System", entity_name(service), service, {"spec": {"owner": _owner(owner)}})
        for service, owner in connection.execute(
            "select business_service, owner from cmdb.application order by business_service"
        ).fetchall()
    ]
    return systems, owners


def _owner(owner: str | None) -> str:
    return f"group:default/{entity_name(owner) if owner and owner.strip() else UNOWNED}"


def _resources(connection: "duckdb.DuckDBPyConnection", systems: set[str]) -> dict[str, list[Entity]]:
    """The items that are not retired, by account."""
    leads: dict[str, list[str]] = defaultdict(list)
    for arn, to_arn in connection.execute(
        """
        select edge.from_arn, edge.to_arn from cmdb.relationship as edge
        join cmdb.resource as item on edge.to_arn = item.arn and item.status != 'retired'
        where edge.ended_at is null and not starts_with(edge.from_arn, 'application:')
        order by edge.from_arn, edge.to_arn
        """
    ).fetchall():
        leads[arn].append(f"resource:default/{entity_name(to_arn)}")
    accounts: dict[str, list[Entity]] = defaultdict(list)
    for row in connection.execute(
        """
        select item.arn, coalesce(nullif(trim(item.name), ''), item.resource_id), item.resource_type, item.account_id,
            item.region, item.status, item.is_stale, item.business_owner, item.business_service,
            strftime(item.collected_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ')
        from cmdb.resource as item where item.status != 'retired' order by item.account_id, item.arn
        """
    ).fetchall():
        arn, title, resource_type, account_id, region, status, is_stale, owner, service, collected_at = row
        annotations = {
            "amazonaws.com/arn": arn,
            "amazonaws.com/account-id": account_id,
            "aws-org-cmdb/region": region or "global",
            "aws-org-cmdb/status": "stale" if is_stale else status,
            "aws-org-cmdb/collected-at": collected_at,
        }
        system = entity_name(service) if service else None
        spec = {
            "type": resource_type.removeprefix("AWS::").replace("::", "-").lower(),
            "owner": _owner(owner),
            **({"system": system} if system in systems else {}),
            **({"dependsOn": leads[arn]} if leads[arn] else {}),
        }
        entity = _entity("Resource", entity_name(arn), title, {"metadata": {"annotations": annotations}, "spec": spec})
        accounts[account_id].append(entity)
    return dict(accounts)


def _write(path: Path, entities: Iterable[Entity]) -> None:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    with path.open("w", encoding="utf-8") as file:
        # All text in quotes: PyYAML leaves them out where YAML 1.1 has no number, and Backstage reads YAML 1.2.
        yaml.dump_all(
            entities, file, Dumper=dumper, sort_keys=False, allow_unicode=True, explicit_start=True, default_style='"'
        )
