"""SQL files as rules: `warehouse/checks/<rule>.sql` returns the rows at fault. Written once for all.

The header names the relation that the rule is about (`about`) and, where its failure is a warning, `severity: warn`.
`refetch` names the listings that are requested again where the check refuses and its rows do not lead to their cells
themselves; `nothing` where another request changes nothing. `reconciles: RULE` stands for the query of a rule of
`cost.reconciliation`; `RULE closed` and `RULE open` are about the months that AWS has closed, and may still change. A
rule runs as its asset check when its relation has been
built, and once more by publishing, on the very copy that would be published.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.catalogue.registry import listings
from pipelines.errors import SqlFileError, UnreadableQueryError
from pipelines.memory import MEMORY, within_memory
from pipelines.models.model import Model
from pipelines.models.sql_files import read_header, reads
from pipelines.settings import WAREHOUSE_FOLDER
from resources import release
from resources.audit.checks import record_check
from resources.store.errors import lacks_memory
from resources.store.sql import identifier, literal

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")

FOLDER = WAREHOUSE_FOLDER / "checks"

KEY_IS_UNIQUE = "key_is_unique"
"""The rule of every table that names its key."""

MONTHS = {"": "", "closed": " and not is_estimated", "open": " and is_estimated"}
"""Which months a rule of `cost.reconciliation` is about, by the word behind its name."""

ROWS_KEPT = 100
"""Rows at fault that are kept as evidence; all of them are counted."""

CELLS_NAMED = 3
"""Cells behind the rows at fault that the sentence names; all of them are stored."""

NOTHING = "nothing"
"""Of a rule's `refetch`: what it finds at fault was not collected."""

_CELL = {"role": "role", "account_id": "caller_account_id", "region": "cell_region", "listing": "listing"}
"""The key of a cell, and the columns of a row that came in it."""

_RESPONSE = {"run_id": "run_id", "listing": "listing", "ended_at": "collected_at"}
"""What leads to a cell where a row does not hold all of its key."""


@dataclass(frozen=True)
class SqlCheck:
    """One rule over a relation."""

    name: str
    on: str
    blocking: bool
    description: str
    sql: str
    uses: frozenset[str] = frozenset()
    refetch: tuple[str, ...] = ()
    rows: str = ""
    file: str = ""

    @property
    def at_fault(self) -> str:
        """The query for the rows at fault as their relation holds them, where `sql` counts them only."""
        return self.rows or self.sql


Unrunnable = Mapping[SqlCheck, str]
"""Sentences on the rules whose query cannot be run."""


class CheckNotRunnableError(SqlFileError):
    """A rule whose query cannot be run. It ends the transaction, whatever the rule's severity (`past_unrunnable`)."""

    def __init__(self, check: SqlCheck, error: "duckdb.Error") -> None:
        # DuckDB's further lines advise to ignore errors, which would let everything pass.
        reason = str(error).strip().splitlines()[0]
        place = check.file or f"{check.name} of {check.on}"
        super().__init__(f"{place} could not be run: {reason} Correct its query.")
        self.check = check


@dataclass(frozen=True)
class SqlResult:
    """What a rule found.

    Attributes:
        cells: the first cells behind the rows at fault, of `cell_count`.
        not_run: why the rule could not be run; empty where it was. It has not passed.
    """

    check: SqlCheck
    count: int
    rows: tuple[dict[str, Any], ...]
    cells: tuple[tuple[str, ...], ...] = ()
    cell_count: int = 0
    not_run: str = ""

    @property
    def passed(self) -> bool:
        """Whether no row is at fault."""
        return self.count == 0 and not self.not_run

    @property
    def severity(self) -> str:
        """`ERROR` blocks, `WARN` does not."""
        return "ERROR" if self.check.blocking else "WARN"

    @property
    def sentence(self) -> str:
        """The rule, and how many rows break it."""
        if self.passed:
            return self.check.description
        if self.not_run:
            return self.not_run
        first = ", ".join(f"{name}={value}" for name, value in self.rows[0].items())
        text = f"Broken by {self.count} row(s): {self.check.description} The first is {first}."
        if not self.cells:
            return text
        named = "; ".join(
            f"{listing} in account {account}, region {region}, requested by {role}"
            for role, account, region, listing in self.cells
        )
        more = f"; and {self.cell_count - len(self.cells)} more" if self.cell_count > len(self.cells) else ""
        return (
            f"{text} It rests on {self.cell_count} response(s): {named}{more}. "
            "`cmdb nightly --only-untrusted` requests them again."
        )


def run(connection: "duckdb.DuckDBPyConnection", check: SqlCheck) -> SqlResult:
    """Run one rule on an open database.

    Raises:
        CheckNotRunnableError: its query cannot be run. A transaction has to be rolled back.
        duckdb.Error: memory was too little, or the file cannot be read: that is no fault of the rule.
    """
    import duckdb

    try:
        cursor = connection.execute(check.sql)
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchmany(ROWS_KEPT)
        count = len(rows)
        while more := cursor.fetchmany(10_000):
            count += len(more)
    except (duckdb.DataError, duckdb.NotSupportedError, duckdb.ProgrammingError) as error:
        if lacks_memory(error):
            raise
        raise CheckNotRunnableError(check, error) from error
    return SqlResult(check, count, tuple(dict(zip(names, row, strict=True)) for row in rows))


def past_unrunnable(make: Callable[[Unrunnable, int | None], T], limit: int = MEMORY) -> T:
    """What a transaction makes that runs checks, begun again for each check whose query cannot be run.

    DuckDB ends a transaction in which a query fails, so what it has built by then is built once more.

    Args:
        make: the transaction, for what it passes to `run_checks` and a memory limit.
        limit: as of `within_memory`.
    """
    unrunnable: dict[SqlCheck, str] = {}
    while True:
        try:
            return within_memory(partial(make, unrunnable), limit)
        except CheckNotRunnableError as error:
            if error.check in unrunnable:
                raise
            unrunnable[error.check] = str(error)


def run_checks(
    connection: "duckdb.DuckDBPyConnection",
    checks: Iterable[SqlCheck],
    run_id: str,
    config_hash: str,
    unrunnable: Unrunnable = MappingProxyType({}),
) -> list[SqlResult]:
    """Run checks in the transaction of a connection, and record their results and the cells that these are about.

    Args:
        unrunnable: of `past_unrunnable`: these are not run and have not passed.

    Raises:
        CheckNotRunnableError: the query of another one cannot be run. The transaction has to be rolled back.
    """
    results = [
        SqlResult(check, 0, (), not_run=unrunnable[check])
        if check in unrunnable
        else _with_cells(connection, run(connection, check), run_id)
        for check in checks
    ]
    for result in results:
        record_check(
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


def _with_cells(connection: "duckdb.DuckDBPyConnection", result: SqlResult, run_id: str) -> SqlResult:
    """Store the cells behind the rows that a rule refuses, and return the result with the first of them."""
    check = result.check
    connection.execute(
        "delete from audit.check_cell where run_id = $run_id and check_name = $name and scope = $scope",
        {"run_id": run_id, "name": check.name, "scope": check.on},
    )
    behind = None if result.passed or not check.blocking else _cells_behind(connection, check)
    if behind is None:
        return result
    connection.execute(
        f"""
        insert into audit.check_cell by name
        select distinct
            $run_id as run_id, $name as check_name, $scope as scope, cell.role, cell.account_id, cell.region,
            cell.listing
        from audit.coverage as cell
        semi join ({behind}) as fault using (role, account_id, region, listing)
        """,
        {"run_id": run_id, "name": check.name, "scope": check.on},
    )
    cells = connection.execute(
        """
        select role, account_id, region, listing
        from audit.check_cell
        where run_id = $run_id and check_name = $name and scope = $scope
        order by all
        """,
        {"run_id": run_id, "name": check.name, "scope": check.on},
    ).fetchall()
    return replace(result, cells=tuple(cells[:CELLS_NAMED]), cell_count=len(cells))


def _cells_behind(connection: "duckdb.DuckDBPyConnection", check: SqlCheck) -> str | None:
    """A query for the keys of the cells that the rows at fault came in; None where nothing leads to them."""
    if check.refetch == (NOTHING,):
        return None
    if check.refetch:
        names = ", ".join(literal(name) for name in check.refetch)
        return f"select * from audit.coverage where split_part(listing, ':', 1) in ({names})"
    columns = {row[0] for row in connection.execute(f"describe {check.at_fault}").fetchall()}
    # On lines of its own: a rule may end in a comment.
    fault = f"from (\n{check.at_fault}\n) as fault"
    if columns >= set(_CELL.values()):
        key = ", ".join(f"fault.{column} as {name}" for name, column in _CELL.items())
        return f"select {key} {fault}"
    if columns >= set(_RESPONSE.values()):
        same = " and ".join(f"cell.{name} = fault.{column}" for name, column in _RESPONSE.items())
        return f"select cell.* {fault} inner join audit.collection as cell on {same}"
    return None


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
        raise wrong("it does not name what it is about; write `-- about: schema.table`, or `-- about: published`.")
    if relations and about != "published" and about not in relations:
        raise wrong(f"about: {about} is no table of the warehouse; write one that a SQL file makes.")
    if severity not in ("error", "warn"):
        raise wrong(f"severity: {severity} is unknown; write error or warn.")
    refetch = tuple(name.strip() for name in header.entries.get("refetch", "").split(",") if name.strip())
    unknown = [name for name in refetch if name not in listings() and refetch != (NOTHING,)]
    if unknown:
        raise wrong(f"refetch: {unknown[0]} is no listing of the catalogue; write listings, or {NOTHING}.")
    if reconciles := header.entries.get("reconciles", ""):
        query = _reconciliation(reconciles)
        if not query:
            raise wrong(f"reconciles: {reconciles} is no rule's name, alone or with closed or open behind it.")
        if any(line.strip() and not line.startswith("--") for line in sql.splitlines()):
            raise wrong("it names what it reconciles, and has a query of its own; leave one of the two out.")
        sql += query
    try:
        uses = reads(sql).relations
    except UnreadableQueryError as error:
        raise wrong(f"it does not parse: {error}") from error
    file = f"warehouse/checks/{path.name}"
    return SqlCheck(path.stem, about, severity == "error", header.description, sql, uses, refetch, file=file)


def _reconciliation(text: str) -> str:
    """The query for what a rule of `cost.reconciliation` finds at fault; empty where none is named."""
    name, _, months = text.partition(" ")
    if not name.isidentifier() or months not in MONTHS:
        return ""
    return (
        "select scope, expected, observed, difference, tolerance, unit\nfrom cost.reconciliation\n"
        f"where rule = {literal(name)} and not passed{MONTHS[months]}\n"
    )


def key_checks(models: Iterable[Model]) -> list[SqlCheck]:
    """The uniqueness rule of every model that names its key."""
    return [_key_check(model) for model in models if model.key and model.materialized != "view"]


def _key_check(model: Model) -> SqlCheck:
    columns = ", ".join(identifier(name) for name in model.key)
    return SqlCheck(
        name=KEY_IS_UNIQUE,
        on=model.relation,
        blocking=True,
        description=f"No two rows of {model.relation} have the same {', '.join(model.key)}.",
        sql=f"select {columns}, count(*) as row_count from {model.quoted} group by all having count(*) > 1",
        rows=f"select * from {model.quoted} qualify count(*) over (partition by {columns}) > 1",
    )
