"""The last step: publishes the built and checked dataset to analysts, completely or not at all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg
import duckdb
import sqlalchemy.exc

from pipelines.catalogue.family import nights_between
from pipelines.catalogue.registry import listings
from pipelines.charts import sketches
from pipelines.collection.progress import PUBLISHING, begin_step
from pipelines.dagster_metadata import COPY_KEY, PUBLISHED_KEY, rows_table
from pipelines.models import checks
from pipelines.models.assets import asset_key, check_result, check_spec
from pipelines.models.checks import key_checks
from pipelines.models.model import Model
from pipelines.plain_text import plain
from pipelines.publishing import retention
from pipelines.publishing.copying import Overtaken, PublishedCopy
from pipelines.publishing.naming import left_warning, name_warning
from pipelines.settings import Settings
from pipelines.trust import ages, publish_rules
from pipelines.trust.gate import GATE_TAG, open_gate, refuse, refusing
from resources.audit import paid_requests
from resources.audit.coverage import by_listing, coverage, standing
from resources.audit.runs import builds, finish_run, known_runs, settle_run
from resources.objects.errors import ObjectStoreError
from resources.objects.object_store import ObjectStore
from resources.store.errors import WarehouseError
from resources.store.publishing import RULES_MEMORY
from resources.store.sql import identifier
from resources.store.store import Store
from resources.warehouse import Warehouse

RUN_RECORDS_KEPT = timedelta(days=30)
"""How long Dagster's own run records stay: Dagster's retention settings would keep every run, a file each."""


class NotPublishable(Exception):
    """The copy breaks a rule. Nothing was published."""


def published_asset(models: Mapping[str, Model], sql_checks: Sequence[checks.SqlCheck]) -> dg.AssetsDefinition:
    """The asset that publishes; it depends on every model."""
    own = [check for check in sql_checks if check.on == "published"]
    everything = [*key_checks(models.values()), *sql_checks]

    @dg.multi_asset(
        name="publish",
        specs=[
            dg.AssetSpec(
                PUBLISHED_KEY,
                deps=[asset_key(model) for model in models.values()],
                description="The file that analysts read: a verified copy of the working file, swapped in by a "
                "symbolic link.",
                group_name="published",
                kinds={"duckdb"},
                tags=GATE_TAG,
            )
        ],
        check_specs=[check_spec(check, PUBLISHED_KEY) for check in own],
        # A selection can leave a check out; publishing applies the check's rule all the same.
        can_subset=True,
        required_resource_keys={"warehouse", "settings"},
        op_tags={"dagster/priority": "-10"},
    )
    def published(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        warehouse: Warehouse = context.resources.warehouse
        settings: Settings = context.resources.settings
        store = open_gate(
            warehouse,
            settings,
            "published",
            max_age=ages.MODEL_MAX_AGE,
            listings=list(listings()),
        )
        begin_step(PUBLISHING, "every check on a copy, then the published file")
        _require_fresh(store, warehouse)
        _require_built(store, models)
        with refusing():
            results = checks.past_unrunnable(
                partial(_run_own_checks, store, own, warehouse.run_id, settings.config_hash), RULES_MEMORY
            )
            version = publish(store, warehouse.run_id, everything, settings.objects, warehouse.require_alone)
        if warning := name_warning(store.database):
            context.log.warning(warning)
        if warning := left_warning(store, models):
            context.log.warning(warning)
        contents = _contents(store) | _record(context, store, settings.history_runs)
        counts = _tidy(context, store, warehouse)
        selected = context.selected_asset_check_keys
        yield dg.MaterializeResult(
            asset_key=PUBLISHED_KEY,
            metadata={
                "version": version.name,
                "path": dg.MetadataValue.path(str(store.database)),
                "sha256": version.sha256,
                **contents,
                **counts,
            },
            check_results=[
                check_result(result, PUBLISHED_KEY)
                for result in results
                if dg.AssetCheckKey(PUBLISHED_KEY, result.check.name) in selected
            ],
        )

    return published


def _run_own_checks(
    store: Store,
    own: Sequence[checks.SqlCheck],
    run_id: str,
    config_hash: str,
    unrunnable: checks.Unrunnable,
    memory: int | None,
) -> list[checks.SqlResult]:
    with store.transaction(memory) as connection:
        return checks.run_checks(connection, own, run_id, config_hash, unrunnable)


def _require_fresh(store: Store, warehouse: Warehouse) -> None:
    """Refuse to publish unless every listing of the central roles was collected within the last day, or its nights."""
    central = {name: listing for name, listing in listings().items() if listing.roles != ("workload",)}
    with store.read() as connection:
        cells = by_listing(coverage(connection, list(central), without_workload=True))
    for name, listing in central.items():
        own = cells.get(name, [])
        nights = nights_between(listing, any(cell.last_trusted_count for cell in own))
        result = publish_rules.freshness_check(name, own, now=warehouse.now(), max_age=ages.publish_max_age(nights))
        if result.blocks:
            raise refuse(f"Nothing was published. {result.sentence} The published file is as it was.")


def _require_built(store: Store, models: Mapping[str, Model]) -> None:
    """Refuse to publish unless every table was built from the newest evidence."""
    listings = sorted({listing for model in models.values() for listing in model.listings})
    with store.read() as connection:
        built = builds(connection)
        answered_at_of = {name: found.answered_at for name, found in standing(connection, listings).items()}
    result = publish_rules.builds_check(
        {
            # A view shows the current rows of its tables, and a log is written together with its table.
            name: _read_by(name, models)
            for name, model in models.items()
            if model.materialized not in ("view", "log")
        },
        {name: model.listings for name, model in models.items()},
        built,
        answered_at_of,
    )
    if result.blocks:
        raise refuse(f"Nothing was published. {result.sentence} The published file is as it was.")


def _read_by(name: str, models: Mapping[str, Model]) -> set[str]:
    """What a relation reads, itself and through views: a view stays as it is when its tables are renewed."""
    uses = models[name].uses
    views = (used for used in uses if used in models and models[used].materialized == "view")
    return {*uses, *(behind for view in views for behind in _read_by(view, models))}


def publish(
    store: Store,
    run_id: str,
    everything: Sequence[checks.SqlCheck],
    objects: ObjectStore | None = None,
    require_alone: Callable[[], None] = lambda: None,
) -> Any:
    """Copy the working file, apply every check to the copy, and swap the copy in.

    Args:
        everything: all checks, of keys and of SQL files; only the blocking ones refuse.
        objects: where a further copy is kept; its pointer is claimed before, so that an overtaken run is refused.
        require_alone: raises where another coordinator may have begun a run meanwhile.

    Raises:
        dagster.Failure: the copy breaks a rule, or another coordinator has published. Nothing was published.
    """

    def apply(check: checks.SqlCheck, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            result = checks.run(connection, check)
        except checks.CheckNotRunnableError as error:
            raise NotPublishable(f"{check.on}: {check.name}. {error}") from error
        if not result.passed:
            raise NotPublishable(f"{check.on}: {check.name}. {result.sentence}")

    def verify(connection: duckdb.DuckDBPyConnection) -> None:
        require_alone()
        if objects is not None:
            # What cannot be reached keeps nobody here from reading; the step that copies says that it could not.
            with suppress(ObjectStoreError):
                PublishedCopy(objects).claim(run_id, known_runs(connection))

    def seal(connection: duckdb.DuckDBPyConnection) -> None:
        settle_run(connection, run_id, "published")

    with store.transaction() as connection:
        finish_run(connection, run_id, "publishing")
    try:
        return store.publish(run_id, verify, seal, [partial(apply, check) for check in everything if check.blocking])
    except (NotPublishable, Overtaken) as error:
        raise refuse(f"Nothing was published. {error} The published file is as it was.") from error
    finally:
        is_published = any(version.run_id == run_id for version in store.versions())
        # If settling fails too, the next run settles this one; the operator has to read the first error.
        with suppress(WarehouseError), store.transaction() as connection:
            settle_run(connection, run_id, "published" if is_published else "refused")


@dg.asset(
    key=COPY_KEY,
    deps=[PUBLISHED_KEY],
    description="The published file once more, in the operator's object store, and the pointer to it.",
    group_name="published",
    kinds={"s3"},
    tags=GATE_TAG,
    required_resource_keys={"warehouse", "settings"},
    op_tags={"dagster/priority": "-30"},
)
def published_copy(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Copy what is published. Where that fails, the run has failed, and what is published here stays published."""
    warehouse: Warehouse = context.resources.warehouse
    settings: Settings = context.resources.settings
    store = open_gate(warehouse, settings, "published_copy", max_age=ages.MODEL_MAX_AGE)
    copy = PublishedCopy(settings.objects_or_refuse)
    try:
        with refusing():
            pointer = copy.copy_current(store)
    except (Overtaken, ObjectStoreError) as error:
        raise refuse(
            f"{store.database} is published, and was not copied. {error} `cmdb publish-copy` copies it.",
            exit_code=error.exit_code if isinstance(error, ObjectStoreError) else 1,
        ) from error
    try:
        removed = len(copy.prune(store.stem))
    except ObjectStoreError as error:
        context.log.warning(plain(f"It is copied, but what is old could not be removed: {error}"))
        removed = 0
    return dg.MaterializeResult(
        metadata={
            "address": f"{copy.objects.url}/{pointer.version}",
            "sha256": pointer.sha256,
            "size_bytes": pointer.size,
            "published_by": pointer.run_id,
            "versions_removed": removed,
        }
    )


def _contents(store: Store) -> dict[str, Any]:
    """Metadata of the published file for its page in Dagster: tables, rows, and a picture of the trusted cells."""
    held: dict[str, list[int]] = {}
    with store.published() as connection:
        for schema, name in connection.execute(
            """
            select schema_name, table_name
            from duckdb_tables()
            order by schema_name
            """
        ).fetchall():
            row = connection.execute(f"select count(*) from {identifier(schema)}.{identifier(name)}").fetchone()
            # equivalent (4): A query that counts always has one row of one column.
            held.setdefault(schema, []).append(int(row[0]) if row else 0)
        picture = sketches.coverage(connection)
    return {
        "dagster/row_count": sum(map(sum, held.values())),
        "tables": rows_table([{"schema": name, "tables": len(rows), "rows": sum(rows)} for name, rows in held.items()]),
    } | ({} if picture is None else {"what_can_be_trusted": dg.MetadataValue.md(picture)})


def _record(context: dg.AssetExecutionContext, store: Store, most: int) -> dict[str, Any]:
    """Record the published file in the history. A failure does not undo the publishing, and the next run goes on.

    Args:
        most: published runs that are kept; 0 for no history.
    """
    if not most:
        return {}
    try:
        store.history.catch_up(most)
        return {"history_runs": len(store.history.publications())}
    except (WarehouseError, OSError, duckdb.Error) as error:
        context.log.warning(plain(f"It is published, but recording it in the history did not end: {error}"))
        return {}


def _tidy(context: dg.AssetExecutionContext, store: Store, warehouse: Warehouse) -> dict[str, int]:
    """Remove old data; a failure here does not undo the publishing."""
    try:
        return retention.prune(store) | {
            "paid_request_days_removed": paid_requests.prune(store, warehouse.now().date()),
            "runs_removed": prune_runs(context.instance, warehouse.now() - RUN_RECORDS_KEPT),
        }
    except (WarehouseError, OSError, duckdb.Error, sqlalchemy.exc.SQLAlchemyError) as error:
        context.log.warning(plain(f"It is published, but what is old could not be removed: {error}"))
        return {}


def prune_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Remove Dagster's records of runs that ended before a time, at most 300 runs in one call."""
    ended = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
        updated_before=before,
    )
    runs = instance.get_run_records(filters=ended, limit=300, ascending=True)
    for record in runs:
        instance.delete_run(record.dagster_run.run_id)
    return len(runs)
