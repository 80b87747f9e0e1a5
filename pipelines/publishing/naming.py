"""Names in what is published: the file's own, which every DuckDB client accepts, and those that no SQL file makes."""

from collections.abc import Iterable
from pathlib import Path

from pipelines.models.model import SCHEMAS
from resources.audit.runs import builds
from resources.store.paths import FORMER_NAME, PUBLISHED_NAME
from resources.store.sql import exists
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


def left_warning(store: Store, models: Iterable[str]) -> str:
    """Which tables are published with rows of an earlier run since their file was removed; empty for none.

    They are not dropped: what their history holds could not be built again.

    Args:
        models: names of what the SQL files make, such as `org.account`.
    """
    known = set(models)
    with store.read() as connection:
        left = [
            f"{name} (built {built_at:%Y-%m-%d})"
            for name, built_at in sorted(builds(connection).items())
            # Intermediate tables of earlier releases are nothing that analysts look for.
            if name not in known and not name.startswith("stage.") and exists(connection, *name.split(".", 1))
        ]
    if not left:
        return ""
    return (
        f"No SQL file makes {', '.join(left)} any more, and analysts read the rows of then. Bring the file back, or "
        f"drop the table from {store.working} while no run works."
    )
