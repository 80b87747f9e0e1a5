"""Given answers of AWS, what the warehouse holds: landing files and cells as a collection writes them, models built.

Nothing here asks AWS: the answers are written down, so that each awkward one is there when it is wanted.
"""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nights import shared_by_workers

from pipelines.catalogue.registry import listings
from pipelines.collection.landing import LandingWriter
from pipelines.models import build as building
from pipelines.models import checks
from pipelines.models.model import Model, fingerprint, read_models
from pipelines.models.record_requirements import record_rules_of
from pipelines.reference import DEMO_FOLDER
from resources.audit.cells import Cell, load_cells, renew_coverage
from resources.audit.runs import begin_run, finish_run, record_run, settle_run
from resources.aws.listing import GLOBAL_REGION
from resources.aws.messages import CellKey
from resources.store.migrations import MIGRATIONS
from resources.store.paths import PUBLISHED_NAME
from resources.store.store import Store

if TYPE_CHECKING:
    import duckdb
    from dagster import AssetsDefinition

    from pipelines.collection.record_rules import RecordRule
    from resources.aws.messages import Outcome
    from resources.contract import Role

CASES = Path(__file__).resolve().parent / "cases"

MANAGEMENT = "000000000001"
WORKLOAD = "012345678901"
FIRST_NIGHT = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)

HOSTILE = [
    "'; drop table org.account; --",
    "\"quoted\" and 'quoted'",
    "<script>alert(1)</script>&amp;",
    "line\nbreak\r\ttab",
    "before\x00after",
    "\u202eright to left\u202c",
    "👩‍👩‍👧‍👦 🥝",
    "\\u0000 \\ %s {x} ${HOME} $1",
    "x" * 65536,
    "null",
    "",
    " ",
]
"""Names and values that whoever may tag can write."""


CURRENCY = "NZD"
"""What the simulated organisation shows money in."""


@dataclass(frozen=True)
class Given:
    """One cell of a night, with the records that it brings.

    Attributes:
        listing: with its parameter where it has one.
        region: where the service has none, `aws-global`.
        accepted: whether somebody accepted the zero afterwards.
        role: who asks; the last of the listing's roles where none is named.
    """

    listing: str
    records: Sequence[Mapping[str, Any]] = ()
    outcome: Outcome | None = None
    account_id: str = ""
    region: str = ""
    skip_reason: str | None = None
    accepted: bool = False
    role: Role | None = None

    @property
    def name(self) -> str:
        """The listing without its parameter."""
        return self.listing.partition(":")[0]

    def cell(self, run_id: str, at: datetime) -> Cell:
        """The row of `audit.collection` that a collection would write."""
        known = listings()[self.name]
        # Where several roles ask it, the workload is meant.
        role = self.role or known.roles[-1]
        outcome = self.outcome or ("found" if self.records else "empty_verified")
        account = self.account_id or (WORKLOAD if role == "workload" else MANAGEMENT)
        return Cell(
            run_id=run_id,
            role=role,
            account_id=account,
            region=self.region or (GLOBAL_REGION if known.scope == "global" else "ap-southeast-2"),
            listing=self.listing,
            outcome=outcome,
            is_trusted=outcome in ("found", "empty_verified"),
            empty_policy=known.zero,
            started_at=at,
            ended_at=at,
            caller_account_id=account,
            record_count=len(self.records),
            skip_reason=self.skip_reason,
        )


@functools.cache
def models() -> dict[str, Model]:
    """Read once: it takes longer than a test."""
    return read_models()


def build(
    store: Store,
    model: Model,
    logs: Sequence[Model] = (),
    run_id: str = "",
    currency: str = CURRENCY,
    own: Path | None = DEMO_FOLDER,
) -> int:
    """One relation in a transaction, with the demo's reference files and currency, as a step of a run builds it."""
    with store.transaction() as connection:
        building.prepare(connection, currency, [built.query for built in (model, *logs)])
        return building.build(connection, store, model, logs, run_id, own)


def run_checks(
    store: Store, rules: Iterable[checks.SqlCheck], run_id: str, config_hash: str = ""
) -> list[checks.SqlResult]:
    """The results of checks, recorded in a transaction as a step of a run records them."""
    with store.transaction() as connection:
        return checks.run_checks(connection, rules, run_id, config_hash)


@dataclass
class House:
    """A warehouse whose lock is held, and the models that fill it.

    Attributes:
        reference: the folder of the organisation's own reference files.
    """

    store: Store
    models: dict[str, Model] = field(default_factory=lambda: dict(models()))
    reference: Path | None = DEMO_FOLDER

    def night(self, run_id: str, cells: Iterable[Given], at: datetime = FIRST_NIGHT) -> None:
        """Land the answers of one night and store its cells; nothing is built."""
        by_listing: dict[str, list[Given]] = defaultdict(list)
        for given in cells:
            by_listing[given.name].append(given)
        paths = []
        for name, group in by_listing.items():
            made = [given.cell(run_id, at) for given in group]
            with LandingWriter(self.store.landing, run_id, name) as writer:
                for given, cell in zip(group, made, strict=True):
                    if cell.outcome == "found":
                        key = CellKey(cell.role, cell.account_id, cell.region, cell.listing)
                        writer.append(key, [dict(record) for record in given.records])
                paths.append(writer.commit(made))
        with self.store.transaction() as connection:
            record_run(connection, run_id, "test")
            for path in paths:
                load_cells(connection, [str(path)])
            for given in (given for group in by_listing.values() for given in group if given.accepted):
                cell = given.cell(run_id, at)
                connection.execute(
                    """
                    update audit.collection
                    set accepted_by = 'somebody', accepted_reason = 'a reason', accepted_at = $at
                    where
                        run_id = $run and account_id = $account and region = $region and listing = $listing
                    """,
                    {
                        "at": at,
                        "run": run_id,
                        "account": cell.account_id,
                        "region": cell.region,
                        "listing": cell.listing,
                    },
                )
                renew_coverage(connection, cell.listing)

    def needed(self, *relations: str) -> set[str]:
        """The relations and everything that they read."""
        wanted = set(relations)
        for model in reversed(self.models.values()):
            if model.relation in wanted:
                wanted |= model.uses
        return wanted

    def build(self, *relations: str) -> None:
        """Build the relations and everything that they read, in order and in one transaction, which is quicker.

        Left out is what this very query built already and would build again: collected tables that no cell is of,
        views, and the reference files of the demo.
        """
        wanted = self.needed(*relations)
        with self.store.transaction() as connection:
            built = [model for model in self.models.values() if {model.relation, model.logs} & wanted]
            building.prepare(connection, CURRENCY, [model.query for model in built])
            standing = _standing(connection, is_demo=self.reference == DEMO_FOLDER)
            for model in self.models.values():
                if model.relation in wanted and model.materialized != "log" and not standing(model):
                    logs = [log for log in self.models.values() if log.logs == model.relation]
                    building.build(connection, self.store, model, logs, own=self.reference)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """What the working file answers, as plain values."""
        with self.store.read() as connection:
            return rows(connection, sql, parameters)

    def execute(self, *statements: str) -> None:
        """Change the working file by hand, as one transaction."""
        with self.store.transaction() as connection:
            for statement in statements:
                connection.execute(statement)
            renew_coverage(connection)


@functools.cache
def record_rules() -> dict[str, RecordRule]:
    """What the tables need of the records of each listing."""
    return record_rules_of(models())


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the newest schema in a database without one, such as one in memory."""
    for migration in sorted(MIGRATIONS.glob("*.sql")):
        connection.execute(migration.read_text(encoding="utf-8"))


@functools.cache
def blank_file() -> bytes:
    """A working file with its schema and nothing in it: made once, since migrating takes longer than a test."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / PUBLISHED_NAME)
        with store.holding("given", "a test"), store.transaction():
            pass
        return store.working.read_bytes()


@functools.cache
def built_file() -> bytes:
    """A working file in which every relation is built of nothing, made by the first worker of a session for all.

    For tests of what lies far above what they bring: `House.build` leaves out what stands.
    """
    with shared_by_workers("built-of-nothing") as shared, tempfile.TemporaryDirectory(dir=shared) as folder:
        made = shared / "working"
        if not made.exists():
            with house(Path(folder)) as home:
                home.build(*home.models)
            home.store.working.rename(made)
        return made.read_bytes()


def _standing(connection: duckdb.DuckDBPyConnection, *, is_demo: bool) -> Callable[[Model], bool]:
    """Tells whether a relation stands as its query makes it."""
    built = dict(connection.execute("select relation, query_sha256 from audit.relation_build").fetchall())
    asked = {
        name for (name,) in connection.execute("select split_part(listing, ':', 1) from audit.collection").fetchall()
    }

    def stands(model: Model) -> bool:
        # Exchange rates are imported besides.
        from_files = is_demo and model.schema == "ref" and model.name != "fx_rate"
        same = asked.isdisjoint(model.listings) if model.listings else model.materialized == "view" or from_files
        return same and built.get(model.relation) == fingerprint(model)

    return stands


def ready() -> None:
    """Make what all tests share, so that forks of this process need not."""
    blank_file()
    models()


@contextmanager
def house(folder: Path, *, blank: bool = True, working: bytes = b"") -> Iterator[House]:
    """A new warehouse below `folder`, whose lock is held until the block ends.

    Args:
        blank: begin with a copy of an empty working file instead of having it made.
        working: begin with this working file, such as one in which models are built of nothing.
    """
    store = Store(folder / PUBLISHED_NAME)
    if working or blank:
        store.working.write_bytes(working or blank_file())
    with store.holding("given", "a test", stays_attached=True):
        yield House(store)


def insert(connection: duckdb.DuckDBPyConnection, table: str, row: Mapping[str, Any]) -> None:
    """Insert one row by the names of its columns; the others are NULL."""
    columns = ", ".join(f"${name} as {name}" for name in row)
    connection.execute(f"insert into {table} by name select {columns}", dict(row))


def past_run(
    store: Store,
    run_id: str,
    outcome: str,
    ago: float,
    cells: Iterable[Given],
    *,
    took: float | None = None,
    record: Callable[[duckdb.DuckDBPyConnection], None] = lambda connection: None,
) -> None:
    """A run as the product leaves it behind.

    Args:
        outcome: how it ended; `running` or `publishing` for one that was killed there.
        ago: hours since it began and its responses came.
        took: hours until it ended; None for one that ends now.
        record: stores what else is known of it.
    """
    at = datetime.now(UTC) - hours(ago)
    with store.holding(run_id, "nightly"):
        with store.transaction() as connection:
            begin_run(connection, run_id, "test", [version.run_id for version in store.versions()])
        House(store).night(run_id, cells, at)
        with store.transaction() as connection:
            record(connection)
            connection.execute("update audit.run set started_at = $at where run_id = $run", {"at": at, "run": run_id})
            if outcome != "running":
                finish_run(connection, run_id, "publishing" if outcome == "published" else outcome)
        if outcome == "published":
            store.publish(run_id, lambda _: None, lambda connection: settle_run(connection, run_id, "published"))
            with store.transaction() as connection:
                settle_run(connection, run_id, "published")
        if took is not None:
            with store.transaction() as connection:
                connection.execute(
                    "update audit.run set finished_at = $until where run_id = $run and finished_at is not null",
                    {"until": at + hours(took), "run": run_id},
                )


def rows(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Rows as JSON could hold them: money as text with all its decimals, times as ISO in UTC."""
    cursor = connection.execute(sql, dict(parameters or {}))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, map(plain, row), strict=True)) for row in cursor.fetchall()]


def plain(value: Any) -> Any:
    """A value of DuckDB as a case file writes it."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of a data file below `tests/cases`."""
    found: list[dict[str, Any]] = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return found


@functools.cache
def given_cells() -> tuple[Given, ...]:
    """Every cell with records of every case."""
    names = sorted(path.stem for path in CASES.glob("*.json"))
    cells = (Given(**cell) for name in names for case in cases(name) for cell in case["given"])
    return tuple(cell for cell in cells if cell.records)


def member(account: str, state: str = "ACTIVE") -> dict[str, Any]:
    """An account as Organizations lists it."""
    return {"Id": account, "Arn": f"arn:aws:organizations::{MANAGEMENT}:account/o-1/{account}", "State": state}


def migrations_before(number: str, folder: Path) -> Path:
    """The migrations of a release that had none from `number` on."""

    def later(_: str, names: list[str]) -> list[str]:
        return [name for name in names if name >= number]

    return Path(shutil.copytree(MIGRATIONS, folder / "migrations", ignore=later))


def hours(number: float) -> timedelta:
    """So many hours."""
    return timedelta(hours=number)


def work_of(step: AssetsDefinition) -> Callable[..., Any]:
    """The function of a step by itself: Dagster's own invocation wants an instance for what it shows."""
    from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

    compute = step.op.compute_fn
    assert isinstance(compute, DecoratedOpFunction)
    return compute.decorated_fn
