"""The schema of a warehouse: numbered SQL files, each applied once, in order, and in one transaction."""

import functools
import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from resources import release
from resources.installation import SQL_FOLDER
from resources.store.errors import WarehouseError, first_line, sentence_of
from resources.store.paths import Paths
from resources.store.process import fault_point
from resources.store.sql import identifier

MIGRATIONS = SQL_FOLDER / "migrations"

_MIGRATION_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")

_DROPPED_IF_THERE = re.compile(r"^drop table if exists (\w+)\.(\w+);", re.MULTILINE)


@dataclass(frozen=True)
class Migration:
    """One SQL file, with its hash, by which a later change of the file is detected."""

    number: int
    name: str
    sql: str
    sha256: str


@dataclass(frozen=True)
class Migrator:
    """Migrates the files of one warehouse to the schema of this version of the product."""

    paths: Paths
    migrations: Path = MIGRATIONS

    def known(self) -> Sequence[Migration]:
        """The migrations of this version of the product, in order.

        Raises:
            WarehouseError: the folder lacks some of them (exit code 2).
        """
        # Every connection looks; the files are read again only where one of them changed.
        return _known(self.migrations, _signature(self.migrations))

    def pending(self, connection: duckdb.DuckDBPyConnection) -> Sequence[Migration]:
        """The migrations that a file still lacks.

        Raises:
            WarehouseError: the file has migrations that this version of the product does not know.
        """
        migrations = self.known()
        had = applied(connection)
        if len(had) > len(migrations):
            raise WarehouseError(
                f"{self.paths.database} has schema {len(had)}, and this version of the product knows "
                f"{len(migrations)}. Nothing was changed. Use the newer version that made it, or roll back "
                "to a version published before.",
                exit_code=2,
            )
        for (name, sha256), migration in zip(had, migrations, strict=False):
            if (name, sha256) != (migration.name, migration.sha256):
                what = "was changed after it was applied" if name == migration.name else "is missing"
                raise WarehouseError(
                    f"Migration {name} {what}: {self.paths.database} was made by another text of it. Nothing was "
                    f"changed. Restore {name} in {self.migrations} from the repository, and put changes into "
                    "a new migration.",
                    exit_code=2,
                )
        return migrations[len(had) :]

    def migrate(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Apply the pending migrations to an attached file."""
        for migration in self.pending(connection):
            fault_point("migration.begun")
            connection.execute("begin")
            try:
                _drop_views_in_place_of_tables(connection, migration)
                connection.execute(migration.sql)
                connection.execute(
                    "insert into audit.schema_migration (number, name, sha256, applied_at) values (?, ?, ?, now())",
                    [migration.number, migration.name, migration.sha256],
                )
                fault_point("migration.applied")
                connection.execute("commit")
            except duckdb.Error as error:
                with suppress(duckdb.Error):
                    connection.execute("rollback")
                raise sentence_of(error, self.paths.working) or WarehouseError(
                    f"Migration {migration.name} failed and was taken back: {first_line(str(error))}. The "
                    "file is as it was before it. Correct the migration, then run again.",
                    exit_code=2,
                ) from error
            fault_point("migration.committed")


def _drop_views_in_place_of_tables(connection: duckdb.DuckDBPyConnection, migration: Migration) -> None:
    """Drop the views that have the name of a table that a migration drops if it is there.

    A model may have been a view in an earlier release. DuckDB refuses `drop table if exists` of a view, and SQL alone
    has no statement that drops either.
    """
    views = connection.execute(
        "select schema_name, view_name from duckdb_views() where database_name = current_database()"
    ).fetchall()
    for schema, name in _DROPPED_IF_THERE.findall(migration.sql):
        if (schema, name) in views:
            connection.execute(f"drop view {identifier(schema)}.{identifier(name)}")


def _signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time of change in nanoseconds, and size in bytes of everything in a folder; empty where it is missing."""
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted((entry.name, (seen := entry.stat()).st_mtime_ns, seen.st_size) for entry in entries))
    except OSError:
        return ()


@functools.lru_cache(maxsize=4)
def _known(folder: Path, _seen: tuple[tuple[str, int, int], ...]) -> tuple[Migration, ...]:
    if folder == MIGRATIONS:
        try:
            release.require("warehouse/migrations")
        except release.ProductFileError as error:
            raise WarehouseError(str(error), exit_code=2) from error
    found: list[Migration] = []
    for path in sorted(folder.glob("[!.]*.sql")):
        match = _MIGRATION_NAME.fullmatch(path.name)
        if match is None or int(match.group(1)) != len(found) + 1:
            raise WarehouseError(
                f"{path} is not migration {len(found) + 1:04}: the files are numbered from 0001 without "
                "gaps, as in 0001_name.sql. Nothing was changed. Restore the folder from the repository.",
                exit_code=2,
            )
        data = path.read_bytes()
        found.append(Migration(len(found) + 1, path.name, data.decode(), hashlib.sha256(data).hexdigest()))
    if not found:
        raise WarehouseError(
            f"{folder} holds no migrations, so the schema is unknown. Nothing was changed. Run "
            "from a complete checkout.",
            exit_code=2,
        )
    return tuple(found)


def applied(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Name and SHA-256 of the migrations applied to a file, in order; empty for an empty file."""
    try:
        return connection.execute("select name, sha256 from audit.schema_migration order by number").fetchall()
    except duckdb.CatalogException:
        return []
