"""Which names the published file may have, so that every DuckDB client can query it."""

from pathlib import Path

from pipelines.models.model import SCHEMAS
from resources.store.paths import FORMER_NAME, PUBLISHED_NAME
from resources.store.store import Store

CATALOG_CLASHES = {*SCHEMAS, "information_schema"}
"""Schemas of a published file. DuckDB's clients refuse to query one of these in a file of the same name."""


def name_warning(database: Path) -> str:
    """What is wrong with the published file's name, and how to change it; empty where the name is fine."""
    # DuckDB names a catalog after the file: up to the first dot, case-insensitive.
    catalog = database.name.split(".")[0]
    if catalog.lower() not in CATALOG_CLASHES:
        return ""
    if database.name == FORMER_NAME:
        hint = f"set CMDB_DATABASE to {database.with_name(PUBLISHED_NAME)}, which goes on with what is there"
    else:
        stem, other = Store(database).stem, f"{catalog}_dataset"
        hint = (
            f"after a successful run rename {stem}.work.duckdb to {other}.work.duckdb, and set CMDB_DATABASE to "
            f"{database.with_name(f'{other}.duckdb')}"
        )
    return (
        f"{database} is called like its schema {catalog.lower()}, so the DuckDB command line and Node refuse to query "
        f"that: {hint}."
    )
