"""The bill in the words of FOCUS, as Parquet. What differs between its versions stands in `focus_columns`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.exports.files import ExportedFile, ExportError, published_name, replaced, scopes
from pipelines.exports.focus_columns import PAIRS, FocusColumn, Kind, columns, written_columns
from pipelines.exports.parquet import write_query
from resources.store.sql import identifier, literal

if TYPE_CHECKING:
    import duckdb

    from resources.store.store import Store

VIEW = "cost.focus_cost_and_usage"
"""The view that each version is a selection of."""

TYPES: dict[Kind, str] = {
    "String": "varchar",
    "Decimal": "decimal(28, 10)",
    "Date/Time": "timestamp",
    "JSON": "varchar",
}
"""The type of DuckDB for each data type of FOCUS. JSON is text, as FOCUS wants it where a format has no objects."""


def export_focus(folder: Path, store: "Store", version: str) -> list[ExportedFile]:
    """Write the charges in the columns of this version as `cost.focus_cost_and_usage/data_0.parquet`.

    Raises:
        ExportError: the folder cannot be written to, holds something else, or a value is none that this version of
            FOCUS allows. What was there is unchanged.
        WarehouseError: nothing is published yet.
    """
    written = written_columns(version)
    described = {
        "format": "focus",
        "version": version,
        "left_out": {column.name: column.left_out for column in columns(version) if column.left_out is not None},
    }
    with replaced(folder, described) as part, store.exporting(part) as connection:
        described["published"] = published_name(connection)
        scope = scopes(connection).get(VIEW)
        rows = write_query(connection, part / VIEW, query(written), scope)
        broken = violations(connection, f"read_parquet({literal(part / VIEW / '*.parquet')})", written)
        if broken:
            raise ExportError(
                f"FOCUS {version} does not allow {broken[0]}. Nothing was exported, an earlier export stays. It is a "
                "fault of the product: report it, or correct warehouse/ref/service_category.csv where it is a category."
            )
    return [ExportedFile.of(folder / VIEW, rows, scope)]


def violations(connection: "duckdb.DuckDBPyConnection", relation: str, written: tuple[FocusColumn, ...]) -> list[str]:
    """What a relation holds against the facts of its columns, each with an example and how many charges have it.

    Args:
        relation: SQL that names or reads it.
    """
    facts = [*_facts(written)]
    counts = ", ".join(
        f"count(*) filter ({condition}), any_value({example}) filter ({condition})" for _, condition, example in facts
    )
    row = connection.execute(f"select {counts} from {relation}").fetchone() or ()
    return [
        f"{what}: {example} ({count:,} charges)"
        for (what, *_), count, example in zip(facts, row[::2], row[1::2], strict=True)
        if count
    ]


def _facts(written: tuple[FocusColumn, ...]) -> Iterator[tuple[str, str, str]]:
    """Each fault that a charge may have: its name, the SQL that finds it, and the SQL of an example."""
    for column in written:
        name = identifier(column.name)
        if not column.nullable:
            yield f"NULL as {column.name}", f"{name} is null", identifier("ServiceName")
        if column.allowed:
            yield f"this {column.name}", f"{name} not in ({', '.join(map(literal, column.allowed))})", name
    pairs = ", ".join(f"({literal(category)}, {literal(name)})" for category, name in sorted(PAIRS))
    yield (
        "this ServiceSubcategory",
        f'("ServiceCategory", "ServiceSubcategory") not in ({pairs})',
        """concat("ServiceSubcategory", ' in ', "ServiceCategory")""",
    )


def query(written: tuple[FocusColumn, ...]) -> str:
    """The charges in these columns, each of the type that FOCUS gives it."""
    selected = ", ".join(
        f"cast({column.value or 'null'} as {TYPES[column.kind]}) as {identifier(column.name)}" for column in written
    )
    return f"select {selected} from {'.'.join(identifier(part) for part in VIEW.split('.'))}"
