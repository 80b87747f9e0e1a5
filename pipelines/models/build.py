"""SQL files as assets: `warehouse/<schema>/<table>.sql` is the table `<schema>.<table>`. Written once for all.

The header of a file is its documentation: a description, then `name: text` lines. `key` names the columns that
identify a row, `materialized` says how the query becomes a relation, `owner` names the column with the account of a
row that several accounts list, every other name is a column. What a file reads is found in its query. Beside
`landing(listing, type)` a query may use the macros `aws_arn(service, region, account_id, resource)`,
`aws_partition(region)` and `tag_map(tags)`. Kinds of materialisation:

collected    reads `landing(listing, type)`; rows are replaced cell by cell, and only by trusted cells.
accumulated  as `collected`, but an answer whose rows the table holds is not read again: for queries whose rows come
             from one record each, where a night asks a part only, such as the newest months of a bill.
table        the query's rows replace the table's.
state        as `table`, but the query also reads the table's own rows of the last night.
history      the query's rows are versions, keyed by what they are versions of and `valid_from`: each closes the
             current version of its own that began before it, and takes the place of the one that began with it.
             Nothing else is touched, so a query without rows changes nothing.
log          the query's rows are appended; it is run while the table that it logs (`logs`) is being replaced, and
             sees the rows that come in as `incoming`.
view         a view.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, get_args

import dagster as dg
import duckdb
import sqlglot

from pipelines.catalogue.registry import ACCOUNT, POLICY, family_of, listings
from pipelines.charts import charts, drawing, sketches
from pipelines.collection.assets import landing_key
from pipelines.collection.confirmation_assets import CONFIRMATION_KEY
from pipelines.collection.landing import records_path
from pipelines.collection.progress import Load
from pipelines.errors import SqlFileError
from pipelines.models import checks, fx_rates
from pipelines.models.lineage import Lineage, Sources
from pipelines.models.model_metadata import cost_metadata, lineage_metadata
from pipelines.models.sql_files import Header, read_header, reads
from pipelines.plain_text import as_markdown
from pipelines.settings import CURRENCY, WAREHOUSE_FOLDER, Settings
from pipelines.trust import ages, outcomes
from pipelines.trust.gate import GATE_TAG, open_gate, refusing, stop_where_blocked
from resources import release
from resources.audit.runs import built_from, record_build
from resources.store.files import make_folder
from resources.store.sql import exists, identifier, literal
from resources.store.store import Store
from resources.warehouse import Warehouse

Materialization = Literal["collected", "accumulated", "table", "state", "history", "log", "view"]

SCHEMAS = ("ref", "stage", "org", "aws", "cost", "cmdb")
"""Folders of SQL files, in the order in which they build on each other."""

GROUPS = {"org": "organization"}
"""The Dagster group of a schema that is not called like it; what is collected is of the family that lands it."""

VALID_FROM = "valid_from"
"""The column that tells the versions of a history apart."""

CELL_COLUMNS = {
    "run_id": "The run that collected this row; leads to audit.collection.",
    "role": "The role of the contract that asked: management, operations, billing or workload.",
    "caller_account_id": "The AWS account that was asked, 12 digits: the account of the cell in audit.collection.",
    "cell_region": "The region of the cell in audit.collection; aws-global where the service has none.",
    "listing": "The listing that this row came in, with its parameter; leads to audit.collection.",
    "collected_at": "When AWS answered the cell that this row came in, UTC.",
    "is_stale": "True when the newest cell of this key is not trusted: the row is the last that was.",
}
"""What every collected row carries through `cell.*`, and how it is documented."""


class ModelError(SqlFileError):
    """A model's file is not what this module reads, or does not fit its table."""


@dataclass(frozen=True)
class Model:
    """One SQL file: a relation and its documentation."""

    schema: str
    name: str
    sql: str
    header: Header
    uses: frozenset[str] = frozenset()
    listings: tuple[str, ...] = ()
    sources: frozenset[str] = field(default_factory=frozenset)

    @property
    def relation(self) -> str:
        """`org.account`."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """The relation, quoted for SQL."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    @property
    def asset_key(self) -> dg.AssetKey:
        """`[schema, table]`."""
        return dg.AssetKey([self.schema, self.name])

    @property
    def materialized(self) -> Materialization:
        """How the query becomes a relation."""
        kind = self.header.entries.get("materialized", "collected" if self.listings else "table")
        for known in get_args(Materialization):
            if kind == known:
                return known  # type: ignore[no-any-return]  # get_args is untyped
        raise ModelError(
            f"warehouse/{self.schema}/{self.name}.sql: materialized: {kind} is unknown; "
            f"write one of {', '.join(get_args(Materialization))}."
        )

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row; empty where the file names none."""
        return tuple(word.strip() for word in self.header.entries.get("key", "").split(",") if word.strip())

    @property
    def logs(self) -> str:
        """The relation whose replacement a `log` records."""
        return self.header.entries.get("logs", "")

    @property
    def owner(self) -> str:
        """The column that names the account of a row, where what is shared is listed by other accounts too."""
        return self.header.entries.get("owner", "") if self.listings else ""

    @cached_property
    def columns(self) -> dict[str, str]:
        """The documentation of each column."""
        # Of a table that is not collected, an owner is a column: whom to ask.
        reserved = ("key", "materialized", "logs", *(("owner",) if self.listings else ()))
        named = {name: text for name, text in self.header.entries.items() if name not in reserved}
        return {**CELL_COLUMNS, **named}


def read_models(folder: Path = WAREHOUSE_FOLDER) -> dict[str, Model]:
    """Every SQL file below the schema folders, by relation, in an order in which each can be built.

    Raises:
        ProductFileError: a file that this release ships is missing, or another folder holds no models.
        ModelError: a file does not parse, or files depend on each other in a circle.
    """
    if folder == WAREHOUSE_FOLDER:
        release.require(*(f"warehouse/{schema}" for schema in SCHEMAS))
    found: dict[str, Model] = {}
    for schema in SCHEMAS:
        for path in sorted((folder / schema).glob("[!.]*.sql")):
            found[f"{schema}.{path.stem}"] = _read(path, schema)
    if not found:
        raise ModelError(f"{folder} holds no models in {', '.join(SCHEMAS)}. Nothing was loaded. Name another folder.")
    ordered: dict[str, Model] = {}
    while len(ordered) < len(found):
        ready = [
            model
            for model in found.values()
            if model.relation not in ordered
            and all(name in ordered for name in model.uses & found.keys() if name != model.relation)
        ]
        if not ready:
            circle = ", ".join(sorted(found.keys() - ordered.keys()))
            raise ModelError(f"These SQL files depend on each other in a circle: {circle}.")
        for model in ready:
            ordered[model.relation] = _with_sources(model, ordered)
    return ordered


def _read(path: Path, schema: str) -> Model:
    sql = path.read_text(encoding="utf-8")
    try:
        found = reads(sql)
    except sqlglot.errors.SqlglotError as error:
        raise ModelError(f"warehouse/{schema}/{path.name} does not parse: {error}") from error
    return Model(schema, path.stem, sql, read_header(sql), found.relations, found.listings)


def _with_sources(model: Model, earlier: Mapping[str, Model]) -> Model:
    """The model with every listing that it rests on, however far away."""
    sources = set(model.listings)
    for name in model.uses:
        if name in earlier:
            sources |= earlier[name].sources
    return Model(model.schema, model.name, model.sql, model.header, model.uses, model.listings, frozenset(sources))


# ------------------------------------------------------------------------------------------------ building


MACROS = (
    """
    create or replace temp macro landing(name, item_type) as table
    select
        line.account_id, line.region, line.parameter, line.item,
        {
            'run_id': cell.run_id, 'role': cell.role, 'caller_account_id': cell.caller_account_id,
            'cell_region': cell.cell_region, 'listing': cell.listing, 'collected_at': cell.collected_at,
            'is_stale': cell.is_stale
        } as cell
    from read_json(
        getvariable('landing.' || name),
        format = 'newline_delimited',
        maximum_object_size = 67108864,
        columns = {
            run_id: 'VARCHAR', role: 'VARCHAR', account_id: 'VARCHAR', region: 'VARCHAR', listing: 'VARCHAR',
            parameter: 'VARCHAR', item: item_type
        }
    ) as line
    join landed_cell as cell
        on line.run_id = cell.run_id and line.role = cell.role and line.listing = cell.listing
        and line.account_id = cell.caller_account_id and line.region = cell.cell_region
    """,
    """
    create or replace temp macro aws_partition(region) as
        case when region like 'cn-%' then 'aws-cn' when region like 'us-gov-%' then 'aws-us-gov' else 'aws' end
    """,
    """
    create or replace temp macro aws_arn(service, region, account_id, resource) as
        'arn:' || aws_partition(region) || ':' || service || ':' || region || ':' || account_id || ':' || resource
    """,
    """
    create or replace temp macro tag_map(tags) as
        map_from_entries(list_transform(coalesce(tags, []), lambda tag: {'k': tag."Key", 'v': tag."Value"}))
    """,
)
"""What a query may use beside DuckDB's own functions."""


def build(
    store: Store,
    model: Model,
    logs: Sequence[Model] = (),
    run_id: str = "",
    currency: str = CURRENCY,
) -> int:
    """Build one relation in one transaction and return its number of rows (0 for a view).

    Args:
        currency: what money is shown in beside the billing currency.

    Raises:
        ModelError: its query failed, or does not fit the table. Nothing was changed.
    """
    try:
        return _build(store, model, logs, run_id, currency)
    except duckdb.Error as error:
        # DuckDB's further lines advise to ignore errors, which would lose data.
        said = str(error).strip().splitlines()[0]
        raise ModelError(
            f"warehouse/{model.schema}/{model.name}.sql could not be built: {said} Nothing was changed."
        ) from error


def _build(store: Store, model: Model, logs: Sequence[Model], run_id: str, currency: str) -> int:
    with store.transaction() as connection:
        _prepare(connection, store, currency)
        kind = model.materialized
        if kind == "view":
            connection.execute(f"create or replace view {model.quoted} as {model.sql}")
        elif kind == "table":
            connection.execute(f"create or replace table {model.quoted} as {model.sql}")
        elif kind == "state":
            connection.execute(f"create or replace temp table incoming as {model.sql}")
            _ensure_table(connection, model)
            connection.execute(f"delete from {model.quoted}")
            connection.execute(f"insert into {model.quoted} by name select * from incoming")
        elif kind == "history":
            connection.execute(f"create or replace temp table incoming as {model.sql}")
            _ensure_table(connection, model)
            _open_versions(connection, model)
        else:
            _replace_cells(connection, store, model, logs)
        for documented in (model, *logs):
            _comment(connection, documented)
        record_build(connection, run_id, {built.relation: fingerprint(built) for built in (model, *logs)})
        if kind == "view":
            return 0
        row = connection.execute(f"select count(*) from {model.quoted}").fetchone()
        return int(row[0]) if row is not None else 0


def fingerprint(model: Model) -> str:
    """Of everything in the house that decides what the query makes of an answer."""
    return hashlib.sha256("\0".join((model.sql, *MACROS)).encode()).hexdigest()


def _prepare(connection: duckdb.DuckDBPyConnection, store: Store, currency: str) -> None:
    connection.execute("set variable reporting_currency = $currency", {"currency": currency})
    connection.execute("set variable ref_folder = $folder", {"folder": str(WAREHOUSE_FOLDER / "ref")})
    connection.execute("set variable fx_rate_files = $files", {"files": [str(path) for path in fx_rates.files(store)]})
    for macro in MACROS:
        connection.execute(macro)


def believed_cells(connection: duckdb.DuckDBPyConnection, listings: Sequence[str]) -> None:
    """Write into `landed_cell` the newest cell of each key that may be believed, or says that nothing is left."""
    connection.execute(
        """
        create or replace temp table landed_cell as
        with newest as (
            select
                *,
                -- A zero that somebody accepted is trusted by the view, not by the cell.
                is_trusted or coalesce(list_contains($retiring, skip_reason), false) as is_believed
            from audit.coverage
            where list_contains($listings, split_part(listing, ':', 1))
        ),

        believed as (
            select run_id, role, account_id, region, listing, ended_at, outcome
            from newest
            where is_believed
            union all
            -- Only for the few others the nights before are gone through.
            select c.run_id, c.role, c.account_id, c.region, c.listing, c.ended_at, c.outcome
            from audit.collection as c
            join newest as v using (role, account_id, region, listing)
            where
                not v.is_believed
                and (
                    c.is_trusted
                    or (c.outcome in ('empty_suspect', 'empty_unconfirmed') and v.accepted_at is not null)
                    or list_contains($retiring, c.skip_reason)
                )
            qualify row_number() over (
                partition by c.role, c.account_id, c.region, c.listing order by c.ended_at desc, c.run_id desc
            ) = 1
        )

        select
            run_id, role, account_id as caller_account_id, region as cell_region, listing, ended_at as collected_at,
            false as is_stale, outcome
        from believed
        """,
        {"listings": list(listings), "retiring": sorted(outcomes.RETIRING)},
    )


def _replace_cells(connection: duckdb.DuckDBPyConnection, store: Store, model: Model, logs: Sequence[Model]) -> None:
    """Replace the rows of every cell whose newest knowledge is at hand; freeze and flag the others."""
    believed_cells(connection, model.listings)
    if model.materialized == "accumulated":
        _leave_what_stands(connection, model)
    empty = store.landing / ".empty.ndjson"
    make_folder(store.landing)
    empty.touch()
    at_hand: set[str] = set()
    for listing in model.listings:
        runs = connection.execute(
            """
            select distinct run_id from landed_cell
            where outcome = 'found' and split_part(listing, ':', 1) = $listing
            """,
            {"listing": listing},
        ).fetchall()
        present = {run: path for (run,) in runs if (path := records_path(store.landing, run, listing)).exists()}
        at_hand |= present.keys()
        connection.execute(
            f"set variable {identifier(f'landing.{listing}')} = $files",
            {"files": [str(path) for path in present.values()] or [str(empty)]},
        )
    # What was landed longer ago than landings are kept has been loaded by the night that landed it.
    connection.execute(
        "delete from landed_cell where outcome = 'found' and not list_contains($runs, run_id)",
        {"runs": sorted(at_hand)},
    )
    # A temporary table lies in memory uncompressed, which for a month of metrics is more than all else that a night
    # holds: only what a log has to see first is put into one.
    kind = "table" if logs else "view"
    connection.execute(f"create or replace temp {kind} incoming as {model.sql}")
    _ensure_table(connection, model)
    for log in logs:
        connection.execute(f"create or replace temp table logged as {log.sql}")
        _ensure_table(connection, log, source="logged")
        connection.execute(f"insert into {log.quoted} by name select * from logged")
    connection.execute(
        f"""
        delete from {model.quoted} as t using landed_cell as c
        where
            t.role = c.role and t.caller_account_id = c.caller_account_id and t.cell_region = c.cell_region
            and t.listing = c.listing
        """
    )
    connection.execute(f"insert into {model.quoted} by name select * from incoming")
    connection.execute(
        f"""
        update {model.quoted} as t set is_stale = not v.is_trusted
        from audit.coverage as v
        where
            list_contains($listings, split_part(v.listing, ':', 1))
            and t.role = v.role and t.caller_account_id = v.account_id and t.cell_region = v.region
            and t.listing = v.listing and t.is_stale is distinct from (not v.is_trusted)
        """,
        {"listings": list(model.listings)},
    )
    if model.owner:
        _keep_one_of_each(connection, model)


def _leave_what_stands(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Take the answers out of `landed_cell` that the table holds already, as this very query made them."""
    if not exists(connection, model.schema, model.name) or built_from(connection, model.relation) != fingerprint(model):
        return
    connection.execute(
        f"""
        delete from landed_cell as c using (
            select distinct run_id, role, caller_account_id, cell_region, listing, collected_at
            from {model.quoted}
        ) as t
        where
            t.run_id = c.run_id and t.role = c.role and t.caller_account_id = c.caller_account_id
            and t.cell_region = c.cell_region and t.listing = c.listing
            -- A cell that was asked again in its run has another time.
            and t.collected_at = c.collected_at
        """
    )


def _keep_one_of_each(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Of what several accounts list, keep the owner's own row; else a fresh one, of the lowest account.

    A record that stands twice in one cell stays twice: that is what the rule `key_is_unique` is for.
    """
    key = ", ".join(identifier(name) for name in model.key)
    owner = identifier(model.owner)
    connection.execute(
        f"""
        delete from {model.quoted} where rowid in (
            select rowid from {model.quoted}
            where ({key}) in (select ({key}) from {model.quoted} where {owner} <> caller_account_id)
            qualify rank() over (
                partition by {key}
                order by {owner} <> caller_account_id, is_stale, caller_account_id, role, cell_region, listing
            ) > 1
        )
        """
    )


def _open_versions(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Put the versions of `incoming` into a history.

    Raises:
        ModelError: the key does not end with `valid_from`.
    """
    *subject, begin = model.key or ("",)
    if begin != VALID_FROM or not subject:
        raise ModelError(
            f"warehouse/{model.schema}/{model.name}.sql is a history, and its key does not end with {VALID_FROM}. "
            f"Nothing was changed. Write what a version is of, then {VALID_FROM}."
        )
    same = " and ".join(f"t.{identifier(name)} = i.{identifier(name)}" for name in subject)
    connection.execute(
        f"delete from {model.quoted} as t using incoming as i where {same} and t.valid_from = i.valid_from"
    )
    connection.execute(
        f"""
        update {model.quoted} as t set valid_to = i.valid_from, is_current = false
        from incoming as i
        where t.is_current and {same}
        """
    )
    connection.execute(f"insert into {model.quoted} by name select * from incoming")


def _ensure_table(connection: duckdb.DuckDBPyConnection, model: Model, source: str = "incoming") -> None:
    """Create the table by the query's columns, or add those that a newer query has.

    Raises:
        ModelError: a column has another type than the table's: that is a migration's business.
    """
    if not exists(connection, model.schema, model.name):
        connection.execute(f"create table {model.quoted} as select * from {source} limit 0")
        return
    have = dict(_columns(connection, model.quoted))
    for name, kind in _columns(connection, source):
        if name not in have:
            connection.execute(f"alter table {model.quoted} add column {identifier(name)} {kind}")
        elif have[name] != kind:
            raise ModelError(
                f"warehouse/{model.schema}/{model.name}.sql gives {name} as {kind}, but the table holds {have[name]}. "
                "Nothing was changed. Cast it in the query, or write a migration."
            )


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute(f"describe {relation}").fetchall()]


def _comment(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    kind = "view" if model.materialized == "view" else "table"
    connection.execute(f"comment on {kind} {model.quoted} is {literal(model.header.description)}")
    for name, _ in _columns(connection, model.quoted):
        if name in model.columns:
            connection.execute(f"comment on column {model.quoted}.{identifier(name)} is {literal(model.columns[name])}")


# -------------------------------------------------------------------------------------------------- assets


KEY_IS_UNIQUE = "key_is_unique"


STEP = "build_"
"""What the name of a step that builds begins with."""


def model_asset(
    model: Model,
    models: Mapping[str, Model],
    on_it: Sequence[checks.SqlCheck],
    load: Load | None = None,
    lineage: Lineage | None = None,
) -> dg.AssetsDefinition:
    """The step that builds a model, its logs, and asks its checks."""
    lines = lineage or Lineage(models)
    loading = load or Load()
    logs = [log for log in models.values() if log.materialized == "log" and log.logs == model.relation]
    check_specs = [
        *(
            [
                dg.AssetCheckSpec(
                    KEY_IS_UNIQUE,
                    asset=model.asset_key,
                    blocking=True,
                    description=f"No two rows of {model.relation} have the same {', '.join(model.key)}.",
                )
            ]
            if model.key and model.materialized != "view"
            else []
        ),
        *(check.spec(model.asset_key) for check in on_it),
    ]

    @dg.multi_asset(
        name=f"{STEP}{model.schema}_{model.name}",
        specs=[_spec(built, models, on_it if built is model else ()) for built in (model, *logs)],
        check_specs=check_specs,
        # A log can be left out of a selection, and so can a check: the log is written and the rule asked all the same.
        can_subset=True,
        required_resource_keys={"warehouse", "settings"},
        # The bill before the inventory: see catalogue.COST.
        op_tags={"dagster/priority": "0" if model.schema in ("aws", "cmdb") else "10"},
    )
    def build_model(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        warehouse: Warehouse = context.resources.warehouse
        settings: Settings = context.resources.settings
        store = open_gate(
            warehouse,
            settings,
            model.relation,
            max_age=ages.MODEL_MAX_AGE,
            listings=sorted(model.sources),
        )
        with refusing():
            rows = build(store, model, logs, warehouse.run_id, settings.currency)
            found = [_key_check(model), *on_it] if model.key and model.materialized != "view" else list(on_it)
            results = checks.ask(store, found, warehouse.run_id, settings.config_hash)
        steps = context.job_def.nodes
        loading.built(warehouse.run_id, rows, sum(step.name.startswith(STEP) for step in steps))
        selected = context.selected_asset_check_keys
        seen = [
            result.as_dagster(model.asset_key)
            for result in results
            if dg.AssetCheckKey(model.asset_key, result.check.name) in selected
        ]
        if model.asset_key not in context.selected_asset_keys:
            # Somebody launched checks alone: what they found is shown all the same.
            yield from seen
        for built in (model, *logs):
            if built.asset_key not in context.selected_asset_keys:
                continue
            yield dg.MaterializeResult(
                asset_key=built.asset_key,
                metadata=_metadata(store, built, rows if built is model else None, lines.of(built.relation)),
                check_results=seen if built is model else [],
            )
        stop_where_blocked(
            model.relation,
            [result.sentence for result in results if not result.passed and result.check.blocking],
        )

    return build_model


def _spec(model: Model, models: Mapping[str, Model], on_it: Sequence[checks.SqlCheck]) -> dg.AssetSpec:
    internal = {log.relation for log in models.values() if log.materialized == "log" and log.logs == model.relation}
    # A rule about the model may read other tables: those have to stand too.
    uses = model.uses.union(*(check.uses for check in on_it)) - {model.relation}
    deps = [
        *(landing_key(listing) for listing in model.listings),
        *(models[name].asset_key for name in sorted(uses) if name in models),
        *([landing_key(name) for name in models[model.logs].listings] if model.logs in models else []),
    ]
    if not deps:
        # A seed reads nothing, but nothing is built before the list of accounts is trusted.
        deps = [landing_key(ACCOUNT)]
    if model.listings or not any(name in models for name in uses):
        # The job `confirm` lands nothing: there, what reads the landing waits for what CloudTrail decided.
        deps.append(CONFIRMATION_KEY)
    known = listings()
    roles = sorted({role for name in model.sources for role in known[name].roles})
    return dg.AssetSpec(
        model.asset_key,
        deps=[dep for dep in deps if "/".join(dep.path).replace("/", ".") not in internal],
        description=as_markdown(model.header.description),
        group_name=_group(model, models),
        kinds={"duckdb", "sql"},
        tags=GATE_TAG | ({"aws/role": roles[0]} if len(roles) == 1 else {}),
    )


def _group(model: Model, models: Mapping[str, Model]) -> str:
    """The domain of a model, so that groups rest on each other in one direction wherever they can."""
    if model.schema == "stage" and _rests_on_items(model, models):
        return "cmdb"
    families = {family_of(listing).group for listing in model.sources}
    if model.schema in ("stage", "aws") and model.sources:
        return family_of(min(model.sources)).group
    if model.schema == "org" and POLICY.group in families:
        return POLICY.group
    if model.schema == "stage":
        # What rests on the evidence alone is about the bill's own cells.
        return "cost"
    return GROUPS.get(model.schema, model.schema)


def _rests_on_items(model: Model, models: Mapping[str, Model]) -> bool:
    return any(
        name.startswith(("aws.", "cmdb.")) or (name.startswith("stage.") and _rests_on_items(models[name], models))
        for name in model.uses
        if name in models and name != model.relation
    )


def _key_check(model: Model) -> checks.SqlCheck:
    columns = ", ".join(identifier(name) for name in model.key)
    return checks.SqlCheck(
        name=KEY_IS_UNIQUE,
        on=model.relation,
        blocking=True,
        description=f"No two rows of {model.relation} have the same {', '.join(model.key)}.",
        sql=f"select {columns}, count(*) as row_count from {model.quoted} group by all having count(*) > 1",
        rows=f"select * from {model.quoted} qualify count(*) over (partition by {columns}) > 1",
    )


def key_checks(models: Iterable[Model]) -> list[checks.SqlCheck]:
    """The uniqueness rule of every model that names its key."""
    return [_key_check(model) for model in models if model.key and model.materialized != "view"]


def _metadata(store: Store, model: Model, rows: int | None, lineage: Mapping[str, Sources]) -> dict[str, Any]:
    # What is staged may take as long to count as to build; people do not look there.
    counted = model.schema != "stage" and (model.materialized == "view" or rows is None)
    with store.read() as connection:
        described = _columns(connection, model.quoted)
        money = (
            cost_metadata(connection, model.relation, model.sources, datetime.now(UTC))
            if model.schema == "cost"
            else {}
        )
        picture = sketches.spend(connection) if model.relation == "cost.daily" else None
        budgets = charts.newest_budgets(connection) if model.relation == "cost.spend_vs_budget" else []
        if counted:
            (rows,) = connection.execute(f"select count(*) from {model.quoted}").fetchone() or (None,)
    shown: dict[str, Any] = (
        money
        | {
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(name, kind, description=as_markdown(model.columns.get(name, "")))
                    for name, kind in described
                ]
            ),
            "dagster/relation_identifier": model.relation,
        }
        | lineage_metadata({name: lineage[name] for name, _ in described if lineage.get(name)})
    )
    if rows is not None and (counted or model.materialized != "view"):
        shown["dagster/row_count"] = rows
    if budgets:
        # The table stands whether its picture does or not.
        try:
            picture = drawing.as_markdown(partial(charts.spend_against_budget, budgets), "spend against budget")
        except drawing.DrawingError as error:
            picture = str(error)
    if picture is not None:
        shown["picture"] = dg.MetadataValue.md(picture)
    return shown


def model_assets(models: Mapping[str, Model], sql_checks: Sequence[checks.SqlCheck]) -> list[dg.AssetsDefinition]:
    """Every SQL file as an asset; a log belongs to the step of the table that it logs."""
    load, lineage = Load(), Lineage(models)
    return [
        model_asset(model, models, [check for check in sql_checks if check.on == model.relation], load, lineage)
        for model in models.values()
        if model.materialized != "log"
    ]
