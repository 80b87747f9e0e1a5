"""Writing one publication as a DuckDB file of its own, for any client of DuckDB."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from resources.store.engine import CATALOG, attach, engine
from resources.store.errors import WarehouseError, explained, interruptible
from resources.store.files import make_folder, permitted, private_files, remove, sync
from resources.store.history.manifest import HistoryFolder, Manifest, Publication
from resources.store.history.reading import Described, opened
from resources.store.history.state import state_sql
from resources.store.paths import Paths, with_wal
from resources.store.sql import identifier, literal


def restore(paths: Paths, history: HistoryFolder, manifest: Manifest, publication: Publication, target: Path) -> int:
    """Write the tables, views and comments of one publication into a new DuckDB file, in full or not at all.

    Returns:
        how many tables and views it has.

    Raises:
        WarehouseError: the file exists, or cannot be written. Nothing was written.
    """
    target = target.absolute()
    with explained(target):
        if target.exists():
            raise WarehouseError(f"{target} exists, and is not overwritten. Name a new file.", exit_code=2)
        for own in (paths.versions_folder, history.folder):
            if target.resolve().is_relative_to(own.resolve()):
                raise WarehouseError(
                    f"{own} is the product's own folder, so nothing was written. Name a file in another one.",
                    exit_code=2,
                )
    with opened(history, manifest, publication) as as_of:
        as_of.prepare("")
        relations = as_of.relations
    part = target.with_name(f".{target.name}.part")
    with explained(target), private_files():
        make_folder(target.parent)
        for path in with_wal(part):
            remove(path)
        try:
            with engine(paths.spill, None) as connection, interruptible(connection):
                attach(connection, part, writable=True, patience=0)
                with history.explained():
                    _fill(connection, history, manifest, publication, relations)
                connection.execute("use memory")
                connection.execute(f"detach {CATALOG}")
            part.chmod(permitted(0o440))
            sync(part)
            part.rename(target)
            sync(target.parent)
        finally:
            for path in with_wal(part):
                remove(path)
    return len(relations)


def _fill(
    connection: duckdb.DuckDBPyConnection,
    history: HistoryFolder,
    manifest: Manifest,
    publication: Publication,
    relations: Mapping[str, Described],
) -> None:
    """Make every table, then every view after those that it reads, with their comments."""
    layouts = manifest.layouts_of(publication.number)
    for schema in sorted({relation.schema for relation in relations.values()}):
        connection.execute(f"create schema if not exists {identifier(schema)}")
    made: set[str] = set()

    def make(relation: Described) -> None:
        if relation.full_name in made:
            return
        made.add(relation.full_name)
        named = f"{identifier(relation.schema)}.{identifier(relation.name)}"
        if relation.sql:
            for other in relation.reads(relations):
                make(other)
            connection.execute(relation.sql)
        else:
            query = state_sql(manifest, history.folder, layouts[relation.full_name], publication.number)
            connection.execute(f"create table {named} as {query}")
        _comment(connection, relation, named)

    for relation in relations.values():
        make(relation)


def _comment(connection: duckdb.DuckDBPyConnection, relation: Described, named: str) -> None:
    kind = "view" if relation.sql else "table"
    if relation.comment:
        connection.execute(f"comment on {kind} {named} is {literal(relation.comment)}")
    for column, comment in relation.column_comments.items():
        if comment:
            connection.execute(f"comment on column {named}.{identifier(column)} is {literal(comment)}")
