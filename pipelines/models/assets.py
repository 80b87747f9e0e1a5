"""Models as assets: the step that builds a relation and its logs, and runs its checks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipelines.catalogue.family import DOMAIN_TAG, LANDING
from pipelines.catalogue.names import ACCOUNT
from pipelines.catalogue.organization import POLICY
from pipelines.catalogue.registry import family_of, listings
from pipelines.charts import charts, drawing, sketches
from pipelines.collection.assets import landing_key
from pipelines.collection.bill_month_assets import DAILY_KEY, LANDED_KEY, log_months, months_of
from pipelines.collection.bill_months import WHOLE, read_in_run
from pipelines.collection.confirmation_assets import CONFIRMATION_KEY
from pipelines.collection.progress import Load
from pipelines.collection.seeds import every_slice
from pipelines.dagster_metadata import cells_table
from pipelines.models import checks
from pipelines.models.build import build, prepare
from pipelines.models.model import Model
from pipelines.models.model_metadata import cost_metadata, month_metadata
from pipelines.models.relations import columns_of
from pipelines.plain_text import as_markdown
from pipelines.settings import Settings
from pipelines.trust import ages
from pipelines.trust.gate import GATE_TAG, begin, refusing, require, stop_where_blocked
from resources.store.store import Store
from resources.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb

GROUPS = {"org": "organization", "audit": "claims"}
"""The Dagster group of a schema that is not called like it; what is collected is of the family that lands it."""

INTERNAL = "stage"
"""The schema that analysts do not read."""

DAILY = "cost.daily"

STEP = "build_"
"""What the name of a step that builds begins with."""


def asset_key(model: Model) -> dg.AssetKey:
    """`[schema, table]`."""
    return dg.AssetKey([model.schema, model.name])


def check_spec(check: checks.SqlCheck, asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """A rule as Dagster shows it."""
    return dg.AssetCheckSpec(check.name, asset=asset, blocking=check.blocking, description=check.description)


def check_result(result: checks.SqlResult, asset: dg.AssetKey) -> dg.AssetCheckResult:
    """What a rule found, with the rows at fault as a table."""
    return dg.AssetCheckResult(
        check_name=result.check.name,
        asset_key=asset,
        passed=result.passed,
        severity=dg.AssetCheckSeverity(result.severity),
        description=as_markdown(result.sentence),
        metadata=cells_table(result.rows),
    )


def model_asset(
    model: Model, models: Mapping[str, Model], on_it: Sequence[checks.SqlCheck], load: Load
) -> dg.AssetsDefinition:
    """The step that builds a model and its logs, and runs its checks."""
    logs = _logs_of(model, models)
    rules_of_it = [*checks.key_checks([model]), *on_it]

    @dg.multi_asset(
        name=f"{STEP}{model.schema}_{model.name}",
        specs=[_spec(built, models, on_it if built is model else ()) for built in (model, *logs)],
        check_specs=[check_spec(check, asset_key(model)) for check in rules_of_it],
        # A log can be left out of a selection, and so can a check: the log is written and the check runs all the same.
        can_subset=True,
        required_resource_keys={"warehouse", "settings"},
        # The bill before the inventory: see catalogue.cost.
        op_tags={"dagster/priority": "0" if model.schema in ("aws", "cmdb") else "10"},
    )
    def build_model(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        warehouse: Warehouse = context.resources.warehouse
        settings: Settings = context.resources.settings
        store = begin(warehouse, settings, model.relation)

        def made(
            unrunnable: checks.Unrunnable, memory: int | None
        ) -> tuple[int, list[checks.SqlResult], dict[str, _Contents], dict[str, dict[str, Any]]]:
            # In one transaction: to open the file four times took a third of a run's computing time.
            with store.transaction(memory) as connection:
                require(
                    connection,
                    warehouse,
                    settings,
                    model.relation,
                    max_age=ages.MODEL_MAX_AGE,
                    listings=sorted(model.sources),
                )
                rows, results = _build(connection, store, warehouse, settings, model, logs, rules_of_it, unrunnable)
                contents = {
                    built.relation: _contents(connection, built, rows if built is model else None)
                    for built in (model, *logs)
                }
                fetched = _fetched_months(connection, warehouse, settings) if model.relation == DAILY else {}
                return rows, results, contents, fetched

        with refusing():
            rows, results, contents, fetched = checks.past_unrunnable(made)
        # By name: `job_def.nodes` hashes all steps of the job, in each of them.
        steps = context.job_def.graph.node_dict
        load.built(warehouse.run_id, rows, sum(name.startswith(STEP) for name in steps))
        # In a run of months the step of that asset says it.
        if not (context.has_partition_key or context.has_partition_key_range):
            log_months(context, DAILY_KEY, fetched)
        selected = context.selected_asset_check_keys
        seen = [
            check_result(result, asset_key(model))
            for result in results
            if dg.AssetCheckKey(asset_key(model), result.check.name) in selected
        ]
        if asset_key(model) not in context.selected_asset_keys:
            # Somebody launched checks alone: what they found is shown all the same.
            yield from seen
        for built in (model, *logs):
            if asset_key(built) not in context.selected_asset_keys:
                continue
            yield dg.MaterializeResult(
                asset_key=asset_key(built),
                metadata=_metadata(built, contents[built.relation]),
                check_results=seen if built is model else [],
            )
        stop_where_blocked(model.relation, _broken(results))

    return build_model


def _build(
    connection: "duckdb.DuckDBPyConnection",
    store: Store,
    warehouse: Warehouse,
    settings: Settings,
    model: Model,
    logs: Sequence[Model],
    rules: Sequence[checks.SqlCheck],
    unrunnable: checks.Unrunnable,
) -> tuple[int, list[checks.SqlResult]]:
    """Build a model and its logs; returns the number of its rows, and what its rules found."""
    queries = [built.query for built in (model, *logs)] + [text for rule in rules for text in (rule.sql, rule.at_fault)]
    prepare(connection, settings.currency, queries)
    rows = build(connection, store, model, logs, warehouse.run_id, settings.reference)
    return rows, checks.run_checks(connection, rules, warehouse.run_id, settings.config_hash, unrunnable)


def _broken(results: Sequence[checks.SqlResult]) -> list[str]:
    return [result.sentence for result in results if not result.passed and result.check.blocking]


def _fetched_months(
    connection: "duckdb.DuckDBPyConnection", warehouse: Warehouse, settings: Settings
) -> dict[str, dict[str, Any]]:
    """What is shown of each month of the bill that the run has fetched whole."""
    read = read_in_run(connection, warehouse.run_id, every_slice(settings.reference))
    return month_metadata(connection, [name for name, month in read.items() if not month.missing])


def daily_months_asset(
    models: Mapping[str, Model], sql_checks: Sequence[checks.SqlCheck], months: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    """The step that builds the daily bill after months of it were fetched again, and runs its checks."""
    model = models[DAILY]
    logs = _logs_of(model, models)
    rules = [*checks.key_checks([model]), *(check for check in sql_checks if check.on == DAILY)]
    uses = model.uses.union(*(check.uses for check in rules)) - {built.relation for built in (model, *logs)}
    what = "/".join(DAILY_KEY.path)

    @dg.asset(
        key=DAILY_KEY,
        deps=[LANDED_KEY, *(asset_key(models[name]) for name in sorted(uses) if name in models)],
        op_tags={"dagster/priority": "10"},
        description="The months of cost.daily. Materialize a month to build the table from what bill_month/landing "
        "fetched; analysts see it once it is published, as the job bill_month does.",
        group_name="cost",
        kinds={"duckdb", "sql"},
        tags=GATE_TAG | {"aws/role": "billing"},
        partitions_def=months,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={"warehouse", "settings"},
    )
    def build_bill_month(context: dg.AssetExecutionContext) -> None:
        warehouse: Warehouse = context.resources.warehouse
        settings: Settings = context.resources.settings
        store = begin(warehouse, settings, what)
        wanted = months_of(context, what)

        def made(
            unrunnable: checks.Unrunnable, memory: int | None
        ) -> tuple[list[checks.SqlResult], Mapping[str, Mapping[str, Any]]]:
            with store.transaction(memory) as connection:
                listings = sorted(model.sources)
                require(connection, warehouse, settings, what, max_age=ages.MODEL_MAX_AGE, listings=listings)
                _, results = _build(connection, store, warehouse, settings, model, logs, rules, unrunnable)
                return results, month_metadata(connection, wanted)

        with refusing():
            results, shown = checks.past_unrunnable(made)
        stop_where_blocked(what, _broken(results))
        for month, metadata in shown.items():
            context.add_asset_metadata(metadata, partition_key=month)

    return build_bill_month


def _logs_of(model: Model, models: Mapping[str, Model]) -> list[Model]:
    return [log for log in models.values() if log.materialized == "log" and log.logs == model.relation]


def _spec(model: Model, models: Mapping[str, Model], on_it: Sequence[checks.SqlCheck]) -> dg.AssetSpec:
    internal = {log.relation for log in _logs_of(model, models)}
    # A rule about the model may read other tables: those have to stand too.
    uses = model.uses.union(*(check.uses for check in on_it)) - {model.relation}
    deps = [
        *(landing_key(listing) for listing in model.listings),
        *_months_before(model),
        *(asset_key(models[name]) for name in sorted(uses) if name in models),
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
    domain, group = _domain(model, models), _group(model, models)
    return dg.AssetSpec(
        asset_key(model),
        deps=[dep for dep in deps if "/".join(dep.path).replace("/", ".") not in internal],
        description=as_markdown(model.header.description),
        group_name=group,
        kinds={"duckdb", "sql"},
        tags=GATE_TAG
        | ({"aws/role": roles[0]} if len(roles) == 1 else {})
        | ({DOMAIN_TAG: domain} if domain != group else {}),
    )


def _months_before(model: Model) -> list[dg.AssetKey]:
    """The asset with months that a model comes after, where a run fetches months of the bill."""
    if model.relation == DAILY:
        return [DAILY_KEY]
    return [LANDED_KEY] if any(name in WHOLE for name in model.listings) else []


def _group(model: Model, models: Mapping[str, Model]) -> str:
    """The Dagster group of a model: its domain. Internal models stand apart from what analysts read."""
    if model.schema != INTERNAL:
        return _domain(model, models)
    # What shows records as they landed reads nothing else: every other group comes after it.
    return LANDING if model.listings else f"{INTERNAL}_{_domain(model, models)}"


def _domain(model: Model, models: Mapping[str, Model]) -> str:
    """The domain of a model, so that groups rest on each other in one direction wherever they can."""
    families = {family_of(listing).group for listing in model.sources}
    if model.schema == "aws" or (model.schema == INTERNAL and model.listings):
        return family_of(min(model.sources)).group if model.sources else GROUPS.get(model.schema, model.schema)
    if model.schema == INTERNAL and _rests_on_items(model, models):
        return "cmdb"
    if model.schema == INTERNAL and _readers(model, models) == {"audit"}:
        return GROUPS["audit"]
    if model.schema == INTERNAL:
        # What rests on the evidence alone is about the bill's own cells.
        return "organization" if any(name.startswith("org.") for name in model.uses) else "cost"
    if model.schema == "org" and POLICY.group in families:
        return POLICY.group
    return GROUPS.get(model.schema, model.schema)


def _readers(model: Model, models: Mapping[str, Model]) -> set[str]:
    """The schemas of the models that read a model."""
    return {other.schema for other in models.values() if model.relation in other.uses}


def _rests_on_items(model: Model, models: Mapping[str, Model]) -> bool:
    return any(
        name.startswith(("aws.", "cmdb.")) or (name.startswith("stage.") and _rests_on_items(models[name], models))
        for name in model.uses
        if name in models and name != model.relation
    )


@dataclass(frozen=True)
class _Contents:
    """What the page of a relation shows of its rows.

    Attributes:
        columns: name and type of each column.
        rows: how many there are; None where nobody counted.
        money: metadata of a relation of schema `cost`.
        picture: of the daily bill, as Markdown.
        budgets: of the comparison with budgets, to be drawn.
    """

    columns: list[tuple[str, str]]
    rows: int | None
    money: dict[str, Any]
    picture: str | None
    budgets: list[charts.Bar]


def _contents(connection: "duckdb.DuckDBPyConnection", model: Model, rows: int | None) -> _Contents:
    if model.materialized == "view" or rows is None:
        # What is staged may take as long to count as to build; people do not look there.
        counted = model.schema != "stage"
        found = connection.execute(f"select count(*) from {model.quoted}").fetchone() if counted else None
        rows = found[0] if found else None
    return _Contents(
        columns_of(connection, model),
        rows,
        cost_metadata(connection, model.relation, model.sources, datetime.now(UTC)) if model.schema == "cost" else {},
        sketches.spend(connection) if model.relation == "cost.daily" else None,
        charts.newest_budgets(connection) if model.relation == "cost.spend_vs_budget" else [],
    )


def _metadata(model: Model, contents: _Contents) -> dict[str, Any]:
    shown: dict[str, Any] = contents.money | {
        "dagster/column_schema": dg.TableSchema(
            [
                dg.TableColumn(name, kind, description=as_markdown(model.columns.get(name, "")))
                for name, kind in contents.columns
            ]
        ),
        "dagster/relation_identifier": model.relation,
    }
    if contents.rows is not None:
        shown["dagster/row_count"] = contents.rows
    picture = contents.picture
    if contents.budgets:
        # The table stands whether its picture does or not.
        try:
            picture = drawing.as_markdown(
                partial(charts.spend_against_budget, contents.budgets), "spend against budget"
            )
        except drawing.DrawingError as error:
            picture = str(error)
    if picture is not None:
        shown["picture"] = dg.MetadataValue.md(picture)
    return shown


def model_assets(models: Mapping[str, Model], sql_checks: Sequence[checks.SqlCheck]) -> list[dg.AssetsDefinition]:
    """Every SQL file as an asset; a log belongs to the step of the table that it logs."""
    load = Load()
    return [
        model_asset(model, models, [check for check in sql_checks if check.on == model.relation], load)
        for model in models.values()
        if model.materialized != "log"
    ]
