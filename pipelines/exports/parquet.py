"""All public relations as Parquet, with a data contract beside them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.exports.data_contract import as_yaml, data_contract
from pipelines.exports.files import ExportedFile, Scope, published_name, replaced, scopes
from pipelines.exports.relations import DAY, PARTITION, Relation, read_relations
from resources.installation import code_version
from resources.store.sql import identifier, literal

if TYPE_CHECKING:
    import duckdb

    from resources.store.store import Store

CONTRACT = "aws-org-cmdb.odcs.yaml"

EMPTY = "__HIVE_DEFAULT_PARTITION__"
"""The partition of a relation without rows: a reader finds its columns there."""


def export_parquet(folder: Path, store: "Store") -> list[ExportedFile]:
    """Write each public relation into a folder of its name, and the data contract of all beside them.

    A relation of one row or more a day is partitioned by month: `cost.daily/usage_month=2026-03/`. Amounts keep all
    their digits (DECIMAL), times are UTC. The file's metadata says how much of the relation's scope is known.

    Raises:
        ExportError: the folder cannot be written to, or holds something else. What was there is unchanged.
        WarehouseError: nothing is published yet.
    """
    described = {"format": "parquet"}
    with replaced(folder, described) as part:
        with store.exporting(part) as connection:
            described["published"] = published_name(connection)
            known = scopes(connection)
            relations = read_relations(connection)
            rows = [write_relation(connection, part, relation, known.get(relation.name)) for relation in relations]
        contract = data_contract(relations, known, code_version(), described["published"])
        (part / CONTRACT).write_text(as_yaml(contract), encoding="utf-8")
    return [
        ExportedFile.of(folder / relation.name, count, known.get(relation.name))
        for relation, count in zip(relations, rows, strict=True)
    ]


def write_relation(
    connection: "duckdb.DuckDBPyConnection", folder: Path, relation: Relation, scope: Scope | None
) -> int:
    """Write one relation below the folder, and return how many rows it has."""
    # Parquet has no integer of 128 bits: DuckDB would write a float.
    wide = [column.name for column in relation.columns if column.type == "HUGEINT"]
    casts = ", ".join(f"cast({identifier(name)} as decimal(38, 0)) as {identifier(name)}" for name in wide)
    shown = f"* replace ({casts})" if wide else "*"
    into = folder / relation.name
    if not relation.is_daily:
        return write_query(connection, into, f"select {shown} from {relation.sql}", scope)
    into.mkdir()
    noted = _noted(scope)
    month = f"strftime({identifier(DAY)}, '%Y-%m') as {PARTITION}"
    count = _copied(
        connection,
        f"select {shown}, {month} from {relation.sql}",
        into,
        f"compression zstd, partition_by ({PARTITION}), overwrite_or_ignore true{noted}",
    )
    if not count:
        none = into / f"{PARTITION}={EMPTY}"
        none.mkdir(exist_ok=True)
        _copied(connection, f"select {shown} from {relation.sql}", none / "data_0.parquet", f"compression zstd{noted}")
    return count


def write_query(connection: "duckdb.DuckDBPyConnection", folder: Path, query: str, scope: Scope | None) -> int:
    """Write the rows of a query as the one file of a new folder, and return how many they are."""
    folder.mkdir()
    return _copied(connection, query, folder / "data_0.parquet", f"compression zstd{_noted(scope)}")


def _noted(scope: Scope | None) -> str:
    """The option that puts the scope into a file's metadata."""
    if scope is None:
        return ""
    values = {name: "" if value is None else str(value) for name, value in asdict(scope).items()}
    return ", kv_metadata {" + ", ".join(f"{name}: {literal(value)}" for name, value in values.items()) + "}"


def _copied(connection: "duckdb.DuckDBPyConnection", query: str, target: Path, options: str) -> int:
    row = connection.execute(f"copy ({query}) to {literal(target)} (format parquet, {options})").fetchone()
    return int(row[0]) if row else 0
