"""SQL files as rules: `warehouse/checks/<rule>.sql` returns the rows at fault. Written once for all.

The header names the relation that the rule is about (`about`) and, where its failure is a warning, `severity: warn`.
A rule is asked by its asset check when its relation has been built, and once more by publishing, on the very copy
that would be published.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import sqlglot

from pipelines.metadata import cells_table
from pipelines.plain_text import as_markdown
from pipelines.settings import WAREHOUSE_FOLDER
from pipelines.sql_files import SqlFileError, read_header, reads
from resources import evidence, release
from resources.warehouse import Store

if TYPE_CHECKING:
    import duckdb

FOLDER = WAREHOUSE_FOLDER / "checks"

ROWS_KEPT = 100
"""Rows at fault that are kept as evidence; all of them are counted."""


@dataclass(frozen=True)
class SqlCheck:
    """One rule over a relation."""

    name: str
    on: str
    blocking: bool
    description: str
    sql: str
    uses: frozenset[str] = frozenset()

    def spec(self, asset: dg.AssetKey) -> dg.AssetCheckSpec:
        """The rule as Dagster shows it."""
        return dg.AssetCheckSpec(self.name, asset=asset, blocking=self.blocking, description=self.description)


@dataclass(frozen=True)
class SqlResult:
    """What a rule found."""

    check: SqlCheck
    count: int
    rows: tuple[dict[str, Any], ...]

    @property
    def passed(self) -> bool:
        """Whether no row is at fault."""
        return self.count == 0

    @property
    def severity(self) -> str:
        """`ERROR` blocks, `WARN` does not."""
        return "ERROR" if self.check.blocking else "WARN"

    @property
    def sentence(self) -> str:
        """The rule, and how many rows break it."""
        if self.passed:
            return self.check.description
        first = ", ".join(f"{name}={value}" for name, value in self.rows[0].items())
        return f"Broken by {self.count} row(s): {self.check.description} The first is {first}."

    def as_dagster(self, asset: dg.AssetKey) -> dg.AssetCheckResult:
        """The result with its rows as a table."""
        return dg.AssetCheckResult(
            check_name=self.check.name,
            asset_key=asset,
            passed=self.passed,
            severity=dg.AssetCheckSeverity(self.severity),
            description=as_markdown(self.sentence),
            metadata=cells_table(self.rows),
        )


def run(connection: "duckdb.DuckDBPyConnection", check: SqlCheck) -> SqlResult:
    """Ask one rule of an open database."""
    cursor = connection.execute(check.sql)
    names = [column[0] for column in cursor.description or ()]
    rows = cursor.fetchmany(ROWS_KEPT)
    count = len(rows)
    while more := cursor.fetchmany(10_000):
        count += len(more)
    return SqlResult(check, count, tuple(dict(zip(names, row, strict=True)) for row in rows))


def ask(store: Store, checks: Iterable[SqlCheck], run_id: str, config_hash: str) -> list[SqlResult]:
    """Ask rules of the working file and record what they say."""
    with store.transaction() as connection:
        results = [run(connection, check) for check in checks]
        for result in results:
            evidence.record_check(
                connection,
                run_id,
                result.check.name,
                result.check.on,
                severity=result.severity,
                passed=result.passed,
                observed=result.sentence,
                expected=result.check.description,
                detail=result.rows,
                config_hash=config_hash,
            )
    return results


def read_checks(folder: Path = FOLDER, relations: Collection[str] = ()) -> Sequence[SqlCheck]:
    """Every rule below `warehouse/checks`, by name.

    Args:
        folder: where the files are.
        relations: what a rule may be about, besides `published`; any where none is given.

    Raises:
        ProductFileError: a rule that this release ships is missing, or another folder holds none.
        SqlFileError: a file is no rule. A rule that is misread must not become a rule that lets everything pass.
    """
    if folder == FOLDER:
        release.require("warehouse/checks")
    paths = sorted(folder.glob("[!.]*.sql"))
    if not paths:
        raise SqlFileError(f"{folder} holds no rules. Nothing was loaded. Name another folder.")
    return [_read(path, relations) for path in paths]


def _read(path: Path, relations: Collection[str]) -> SqlCheck:
    def wrong(what: str) -> SqlFileError:
        return SqlFileError(f"warehouse/checks/{path.name}: {what}")

    sql = path.read_text(encoding="utf-8")
    header = read_header(sql)
    about = header.entries.get("about", "")
    severity = header.entries.get("severity", "error")
    if not header.description:
        raise wrong("it has no description; begin with a comment that is true when the rule holds.")
    if not about:
        raise wrong("it does not say what it is about; write `-- about: schema.table`, or `-- about: published`.")
    if relations and about != "published" and about not in relations:
        raise wrong(f"about: {about} is no table of the warehouse; write one that a SQL file makes.")
    if severity not in ("error", "warn"):
        raise wrong(f"severity: {severity} is unknown; write error or warn.")
    try:
        uses = reads(sql).relations
    except sqlglot.errors.SqlglotError as error:
        raise wrong(f"it does not parse: {error}") from error
    return SqlCheck(path.stem, about, severity == "error", header.description, sql, uses)
