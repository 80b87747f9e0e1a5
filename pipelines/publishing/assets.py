"""The last step: what was built and judged becomes what analysts read, whole or not at all."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import sqlalchemy.exc

from pipelines.catalogue.registry import listings, read_back
from pipelines.charts import sketches
from pipelines.collection import landing
from pipelines.dagster_metadata import rows_table
from pipelines.models import checks
from pipelines.models.build import SCHEMAS, Model, key_checks
from pipelines.models.sql_files import identifier
from pipelines.plain_text import plain
from pipelines.settings import Settings
from pipelines.trust import ages, publish_rules
from pipelines.trust.gate import GATE_TAG, cell_states, open_gate, refuse, refusing
from resources.audit import evidence, paid_requests
from resources.store.store import FORMER_NAME, PUBLISHED_NAME, Store, WarehouseError
from resources.warehouse import Warehouse

PUBLISHED_KEY = dg.AssetKey(["published"])

LANDINGS_KEPT = 3
RUNS_KEPT = 30
ZERO_RUNS_KEPT = 7
RUN_RECORDS_KEPT = timedelta(days=30)
"""How long Dagster's own records of a run stay: its retention settings leave runs, a file each, for ever."""


CATALOG_CLASHES = {*SCHEMAS, "audit", "information_schema"}
"""Schemas of a published file. DuckDB's clients refuse to query one of these in a file of the same name."""


class NotPublishable(Exception):
    """The copy breaks a rule. Nothing was published."""


def name_warning(database: Path) -> str:
    """What is wrong with the name of the published file, and how to change it; empty where nothing is."""
    # As DuckDB has it: up to the first dot, in any case.
    catalog = database.name.split(".")[0]
    if catalog.lower() not in CATALOG_CLASHES:
        return ""
    if database.name == FORMER_NAME:
        mend = f"set CMDB_DATABASE to {database.with_name(PUBLISHED_NAME)}, which goes on with what is there"
    else:
        stem, other = Store(database).stem, f"{catalog}_dataset"
        mend = (
            f"after a night that went well rename {stem}.work.duckdb to {other}.work.duckdb, and set CMDB_DATABASE to "
            f"{database.with_name(f'{other}.duckdb')}"
        )
    return (
        f"{database} is called like its schema {catalog.lower()}, so the DuckDB command line and Node refuse to query "
        f"that: {mend}."
    )


def published_asset(models: Mapping[str, Model], sql_checks: Sequence[checks.SqlCheck]) -> dg.AssetsDefinition:
    """The asset that publishes; it depends on every model."""
    own = [check for check in sql_checks if check.on == "published"]
    everything = [*key_checks(models.values()), *sql_checks]

    @dg.multi_asset(
        name="publish",
        specs=[
            dg.AssetSpec(
                PUBLISHED_KEY,
                deps=[model.asset_key for model in models.values()],
                description="The file that analysts read: a verified copy of the working file, swapped in by a "
                "symbolic link.",
                group_name="published",
                kinds={"duckdb"},
                tags=GATE_TAG,
            )
        ],
        check_specs=[check.spec(PUBLISHED_KEY) for check in own],
        # A check can be left out of a selection; its rule is asked all the same.
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
        _require_fresh(store, warehouse)
        _require_built(store, models)
        with refusing():
            results = checks.ask(store, own, warehouse.run_id, settings.config_hash)
            version = _publish(store, warehouse.run_id, everything)
        if warning := name_warning(store.database):
            context.log.warning(warning)
        contents = _contents(store)
        counts = _tidy(context, store, warehouse)
        selected = context.op_execution_context.selected_asset_check_keys
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
                result.as_dagster(PUBLISHED_KEY)
                for result in results
                if dg.AssetCheckKey(PUBLISHED_KEY, result.check.name) in selected
            ],
        )

    return published


def _require_fresh(store: Store, warehouse: Warehouse) -> None:
    """What the central roles list is younger than a day, or nothing is published."""
    central = [name for name, listing in listings().items() if listing.roles != ("workload",)]
    with store.read() as connection:
        cells = cell_states(evidence.coverage(connection, central, without_workload=True))
    for listing in central:
        verdict = publish_rules.freshness_verdict(listing, cells.get(listing, []), now=warehouse.now())
        if verdict.blocks:
            raise refuse(f"Nothing was published. {verdict.sentence} The published file is as it was.")


def _require_built(store: Store, models: Mapping[str, Model]) -> None:
    """Every table shows the newest evidence, or nothing is published."""
    listings = sorted({listing for model in models.values() for listing in model.listings})
    with store.read() as connection:
        built = evidence.builds(connection)
        answered = {name: found.answered_at for name, found in evidence.standing(connection, listings).items()}
    verdict = publish_rules.builds_verdict(
        {
            # A view shows what its tables hold now, and a log is written with the table that it logs.
            name: model.uses
            for name, model in models.items()
            if model.materialized not in ("view", "log")
        },
        {name: model.listings for name, model in models.items()},
        built,
        answered,
    )
    if verdict.blocks:
        raise refuse(f"Nothing was published. {verdict.sentence} The published file is as it was.")


def _publish(store: Store, run_id: str, everything: Sequence[checks.SqlCheck]) -> Any:
    def verify(connection: duckdb.DuckDBPyConnection) -> None:
        for check in everything:
            result = checks.run(connection, check)
            if not result.passed and check.blocking:
                raise NotPublishable(f"{check.on}: {check.name}. {result.sentence}")

    def seal(connection: duckdb.DuckDBPyConnection) -> None:
        evidence.settle_run(connection, run_id, "published")

    with store.transaction() as connection:
        evidence.finish_run(connection, run_id, "publishing")
    try:
        return store.publish(run_id, verify, seal)
    except NotPublishable as error:
        raise refuse(f"Nothing was published. {error} The published file is as it was.") from error
    finally:
        is_published = any(version.run_id == run_id for version in store.versions())
        # Where this fails too, the next run does it; what ended the publishing is the sentence to be read.
        with suppress(WarehouseError), store.transaction() as connection:
            evidence.settle_run(connection, run_id, "published" if is_published else "refused")


def _contents(store: Store) -> dict[str, Any]:
    """What the published file holds, and how far it can be believed, for its page in Dagster."""
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
            held.setdefault(schema, []).append(int(row[0]) if row else 0)
        picture = sketches.coverage(connection)
    return {
        "dagster/row_count": sum(map(sum, held.values())),
        "tables": rows_table([{"schema": name, "tables": len(rows), "rows": sum(rows)} for name, rows in held.items()]),
    } | ({} if picture is None else {"what_can_be_believed": dg.MetadataValue.md(picture)})


def _tidy(context: dg.AssetExecutionContext, store: Store, warehouse: Warehouse) -> dict[str, int]:
    """Forget what is old. What is published stays published, also where this fails."""
    try:
        return prune(store) | {
            "paid_request_days_removed": paid_requests.prune(store, warehouse.now().date()),
            "runs_removed": prune_runs(context.instance, warehouse.now() - RUN_RECORDS_KEPT),
        }
    except (WarehouseError, OSError, duckdb.Error, sqlalchemy.exc.SQLAlchemyError) as error:
        context.log.warning(plain(f"It is published, but what is old could not be removed: {error}"))
        return {}


def prune_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Remove Dagster's records of runs that ended before a time, at most a few hundred at once."""
    ended = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
        updated_before=before,
    )
    runs = instance.get_run_records(filters=ended, limit=300, ascending=True)
    for record in runs:
        instance.delete_run(record.dagster_run.run_id)
    return len(runs)


def prune(store: Store) -> dict[str, int]:
    """Forget what is older than the retention allows: landings, old cells, verbatim zeros, old verdicts."""
    with store.transaction() as connection:
        # What the next collection reads back must be there, however many single assets were run since.
        needed = [
            run
            for (run,) in connection.execute(
                """
                select distinct run_id from audit.coverage
                where outcome = 'found' and list_contains($listings, split_part(listing, ':', 1))
                """,
                {"listings": sorted(read_back())},
            ).fetchall()
        ]
        gone = landing.prune(store.landing, LANDINGS_KEPT, needed)
        connection.execute(
            """
            create or replace temp table recent as
            -- Only runs that asked something count: a pre-flight every ten minutes must not push nights out.
            select run_id, row_number() over (order by max(ended_at) desc) as place
            from audit.collection
            group by run_id
            """
        )
        removed = connection.execute(
            """
            delete from audit.collection as c
            where
                c.run_id not in (select run_id from recent where place <= $runs)
                -- What audit.newest_cell is told from stays for ever, so that it could be told from it again.
                and c.accepted_at is null
                and exists (
                    select 1 from audit.newest_cell as n
                    where
                        n.role = c.role and n.account_id = c.account_id and n.region = c.region
                        and n.listing = c.listing
                        and c.ended_at < n.newest.ended_at
                        and not list_contains(
                            [
                                n.found_at, n.suspected_at, n.trusted_at, n.trusted[1].ended_at,
                                n.trusted[2].ended_at
                            ],
                            c.ended_at
                        )
                )
            """,
            {"runs": RUNS_KEPT},
        ).fetchall()
        connection.execute(
            """
            update audit.collection set raw_response = null
            where
                raw_response is not null
                and run_id not in (select run_id from recent where place <= $runs)
            """,
            {"runs": ZERO_RUNS_KEPT},
        )
        connection.execute(
            """
            delete from audit.check_result
            where checked_at < (
                -- From the beginning of the run: its pre-flight stands before its first cell.
                select min(r.started_at) from audit.run as r
                where r.run_id in (select run_id from recent where place <= $runs)
            )
            """,
            {"runs": RUNS_KEPT},
        )
        connection.execute(
            """
            delete from audit.check_cell
            where (run_id, check_name, scope) not in (select (run_id, check_name, scope) from audit.check_result)
            """
        )
        connection.execute(
            """
            delete from audit.caller_identity as i
            where
                run_id not in (select run_id from recent where place <= $runs)
                -- Which account a profile reached last is asked for as long as the profile exists.
                and checked_at < (
                    select max(n.checked_at) from audit.caller_identity as n
                    where n.role = i.role and n.profile = i.profile and n.caller_account_id is not null
                )
            """,
            {"runs": RUNS_KEPT},
        )
    return {"landings_removed": len(gone), "cells_removed": int(removed[0][0])}
