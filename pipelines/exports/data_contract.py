"""The data contract of a Parquet export, in the Open Data Contract Standard 3.1.0."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import yaml

from pipelines.exports.files import Scope
from pipelines.exports.relations import PARTITION, Column, Relation

API_VERSION = "v3.1.0"

LOGICAL = {
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "DOUBLE": "number",
    "BIGINT": "integer",
    "INTEGER": "integer",
    "HUGEINT": "integer",
    "UBIGINT": "integer",
    "VARCHAR": "string",
    "JSON": "string",
}
"""The standard's types of the plain DuckDB types."""


def data_contract(
    relations: Sequence[Relation], scopes: Mapping[str, Scope], version: str, published: str
) -> dict[str, Any]:
    """The contract as a document: each relation with its columns, key, and how much of its scope is known.

    Args:
        scopes: by relation; a relation without one rests on no response of AWS.
        version: of the product.
        published: name of the published version.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": "aws-org-cmdb",
        "name": "aws-org-cmdb",
        "version": version,
        "status": "active",
        "description": {
            "purpose": "What the accounts of an AWS organisation hold and cost, who was asked, and when.",
            "limitations": "`unknown` of an object counts its cells that are not known. Their rows may be missing, "
            "which is no zero.",
        },
        "customProperties": [{"property": "published", "value": published}],
        "servers": [{"server": "parquet", "type": "local", "path": "./{model}/**/*.parquet", "format": "parquet"}],
        "schema": [_object(relation, scopes.get(relation.name)) for relation in relations],
    }


def as_yaml(contract: Mapping[str, Any]) -> str:
    """The contract as YAML, in the order of its keys."""
    return yaml.safe_dump(dict(contract), sort_keys=False, allow_unicode=True, width=120)


def _object(relation: Relation, scope: Scope | None) -> dict[str, Any]:
    properties = [_property(column) for column in relation.columns]
    if relation.is_daily:
        month = {"name": PARTITION, "logicalType": "string", "physicalType": "VARCHAR", "partitioned": True}
        properties.append({**month, "partitionKeyPosition": 1, "description": "Month of usage_date, such as 2026-03."})
    known = {} if scope is None else asdict(scope)
    noted = [{"property": name, "value": "" if value is None else value} for name, value in known.items()]
    return {
        "name": relation.name,
        "physicalName": relation.name,
        "physicalType": relation.kind,
        "logicalType": "object",
        "description": relation.comment,
        **({"customProperties": noted} if noted else {}),
        "properties": properties,
    }


def _property(column: Column) -> dict[str, Any]:
    key = {} if column.key_position is None else {"primaryKey": True, "primaryKeyPosition": column.key_position}
    return {"name": column.name, **_typed(column.type), **key, "description": column.comment}


def _typed(physical: str) -> dict[str, Any]:
    """The standard's type of a DuckDB type; a list with its elements, a structure or a map as an object."""
    if physical.endswith("[]"):
        return {"logicalType": "array", "physicalType": physical, "items": _typed(physical.removesuffix("[]"))}
    if re.match(r"(STRUCT|MAP)\(", physical):
        return {"logicalType": "object", "physicalType": physical}
    if physical.startswith("DECIMAL("):
        return {"logicalType": "number", "physicalType": physical}
    return {"logicalType": LOGICAL[physical], "physicalType": physical}
