"""Build the relation of a model in one transaction: replace, append, or open versions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from pipelines import reference
from pipelines.catalogue.registry import listings
from pipelines.collection.landing import SHORT_LINE, difference, longest_line, records_path
from pipelines.errors import LandingError
from pipelines.models import fx_rates
from pipelines.models.history import open_versions
from pipelines.models.macros import MACROS, called_by
from pipelines.models.model import Model, ModelError, fingerprint
from pipelines.models.parts import in_parts
from pipelines.models.relations import columns_of, comment_on, drop_other_kind, temporary_columns
from pipelines.reference_schema import SHIPPED_FOLDER
from pipelines.settings import CURRENCY
from pipelines.trust import outcomes
from resources.audit.runs import built_at, built_from, record_build
from resources.audit.step_plans import landed_records
from resources.store.files import make_folder
from resources.store.sql import exists, identifier
from resources.store.store import Store


def build(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    model: Model,
    logs: Sequence[Model] = (),
    run_id: str = "",
    own: Path | None = None,
) -> int:
    """Build one relation in the transaction of a connection and return its number of rows (0 for a view).

    Args:
        connection: one that `prepare` was called with.
        own: the folder of the organisation's own reference files (`Settings.reference`).

    Raises:
        ReferenceFileError: a reference file cannot be used. The transaction has to be rolled back.
        ModelError: its query failed, or does not fit the table. Likewise.
        LandingError: landed records are gone, or are not those that were written. Likewise.
        duckdb.OutOfMemoryException: it needs more memory than the connection may use. Likewise.
    """
    try:
        return _build(connection, store, model, logs, run_id, own)
    except duckdb.OutOfMemoryException:
        # Its caller may have more.
        raise
    except duckdb.Error as error:
        # DuckDB's further lines advise to ignore errors, which would lose data.
        sentence = str(error).strip().splitlines()[0]
        raise ModelError(f"{model.place} could not be built: {sentence} Nothing was changed.") from error


def _build(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    model: Model,
    logs: Sequence[Model],
    run_id: str,
    own: Path | None,
) -> int:
    if model.schema == "ref":
        _name_reference_files(connection, store, own)
    kind = model.materialized
    if kind in ("view", "full"):
        drop_other_kind(connection, model)
    if kind == "view":
        connection.execute(f"create or replace view {model.quoted} as {model.sql}")
    elif kind == "full":
        for part in in_parts(connection, model):
            make = f"insert into {model.quoted}" if part else f"create or replace table {model.quoted} as"
            connection.execute(f"{make} {model.sql}")
    elif kind == "full_from_previous":
        _replace_from_previous(connection, model)
    elif kind == "scd_type_2":
        connection.execute(f"create temp table incoming as {model.sql}")
        _ensure_table(connection, model)
        open_versions(connection, model)
        connection.execute("drop table incoming")
    else:
        _replace_cells(connection, store, model, logs)
    for documented in (model, *logs):
        comment_on(connection, documented)
    record_build(connection, run_id, {built.relation: fingerprint(built) for built in (model, *logs)})
    if kind == "view":
        return 0
    row = connection.execute(f"select count(*) from {model.quoted}").fetchone()
    return int(row[0]) if row is not None else 0


def _replace_from_previous(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Make a table anew that its own query reads, with the columns and constraints that it has.

    It is made in the file, where rows are compressed: a temporary table takes and spills five times as many bytes.
    """
    connection.execute(f"create or replace temp view incoming as {model.sql}")
    _ensure_table(connection, model)
    connection.execute("drop view incoming")
    ((declared,),) = connection.execute(
        """
        select sql from duckdb_tables()
        where database_name = current_database() and schema_name = $schema and table_name = $name
        """,
        {"schema": model.schema, "name": model.name},
    ).fetchall()
    incoming = f"{identifier(model.schema)}.{identifier(f'{model.name} incoming')}"
    connection.execute(f"create table {incoming} ({declared.partition('(')[2]}")
    for _ in in_parts(connection, model):
        connection.execute(f"insert into {incoming} by name {model.sql}")
    connection.execute(f"drop table {model.quoted}")
    connection.execute(f"alter table {incoming} rename to {identifier(model.name)}")


def _name_reference_files(connection: duckdb.DuckDBPyConnection, store: Store, own: Path | None) -> None:
    """Let the queries of the schema `ref` know their files.

    Raises:
        ReferenceFileError: one of the organisation's own cannot be used.
    """
    files = {name: [str(path) for path in paths] for name, paths in reference.files(own).items()}
    imported = fx_rates.imported(store)
    if imported.exists():
        files["fx_rate"].append(str(imported))
    connection.execute("set variable ref_folder = $folder", {"folder": str(SHIPPED_FOLDER)})
    connection.execute("set variable reference_files = $files", {"files": files})
    connection.execute("set variable imported_rates = $path", {"path": str(imported)})


def prepare(
    connection: duckdb.DuckDBPyConnection, currency: str = CURRENCY, queries: Iterable[str] | None = None
) -> None:
    """Make what the queries of models use: macros and variables. They last as long as the connection.

    Args:
        currency: what money is shown in beside the billing currency.
        queries: those that will be run; of all models where none are given.
    """
    connection.execute("set variable reporting_currency = $currency", {"currency": currency})
    types = sorted({listing.resource_type for listing in listings().values() if listing.resource_type})
    connection.execute("set variable resource_types = $types", {"types": types})
    for macro in MACROS if queries is None else called_by(queries):
        connection.execute(macro)


def trusted_cells(connection: duckdb.DuckDBPyConnection, listings: Sequence[str]) -> None:
    """Write into `landed_cell` the newest trusted cell of each key, or the one that retires its rows."""
    connection.execute(
        """
        create or replace temp table landed_cell as
        with newest as (
            select
                *,
                -- A zero that somebody accepted is trusted by the view, not by the cell.
                -- equivalent (4) in newest.is_usable: It spares going through the nights before, where the newest cell
                -- is found too.
                is_trusted or coalesce(list_contains($retiring, skip_reason), false) as is_usable
            from audit.coverage
            where list_contains($listings, split_part(listing, ':', 1))
        ),

        usable as (
            select run_id, role, account_id, region, listing, ended_at, outcome
            from newest
            where is_usable
            union all
            -- Only for the few other cells earlier runs are read.
            select c.run_id, c.role, c.account_id, c.region, c.listing, c.ended_at, c.outcome
            from audit.collection as c
            -- equivalent in usable.join: A cell that is not among the newest is left out below as well: nobody says
            -- that it is not trusted.
            join newest as v using (role, account_id, region, listing)
            where
                not v.is_usable
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
            -- equivalent in is_stale: Whether a row is stale is decided anew for all rows, once they are there.
            false as is_stale, outcome,
            -- The days that the response has; NULL for the whole cell.
            null::date[] as days
        from usable
        """,
        {"listings": list(listings), "retiring": sorted(outcomes.RETIRING)},
    )


def _replace_cells(connection: duckdb.DuckDBPyConnection, store: Store, model: Model, logs: Sequence[Model]) -> None:
    """Replace the rows of every cell whose newest knowledge is at hand; freeze and flag the others."""
    stands = all(_stands(connection, one) for one in (model, *logs))
    if stands and _is_of_nothing(connection, model):
        return
    trusted_cells(connection, model.listings)
    if stands and model.materialized == "append_by_cell":
        _leave_what_stands(connection, model)
    if model.days:
        _read_days(connection)
    empty = store.landing / ".empty.ndjson"
    make_folder(store.landing)
    empty.touch()
    at_hand: set[str] = set()
    longest = SHORT_LINE
    for listing in model.listings:
        runs = connection.execute(
            """
            select distinct run_id from landed_cell
            where outcome = 'found' and split_part(listing, ':', 1) = $listing
            """,
            {"listing": listing},
        ).fetchall()
        present = _records_at_hand(connection, store, model, listing, [run for (run,) in runs])
        at_hand |= present.keys()
        longest = max([longest, *map(longest_line, present.values())])
        connection.execute(
            f"set variable {identifier(f'landing.{listing}')} = $files",
            {"files": [str(path) for path in present.values()] or [str(empty)]},
        )
    connection.execute("set variable landing_longest = $longest", {"longest": longest})
    # What was landed longer ago than landings are kept has been loaded by the run that landed it.
    connection.execute(
        "delete from landed_cell where outcome = 'found' and not list_contains($runs, run_id)",
        {"runs": sorted(at_hand)},
    )
    # A temporary table lies in memory uncompressed, which for a month of the bill or of metrics is more than all else
    # that a night holds. Where there were rows before, a log reads the landed records once more.
    connection.execute(f"create temp view incoming as {model.query}")
    _ensure_table(connection, model)
    of_its_days = f"and (c.days is null or list_contains(c.days, t.{identifier(model.days)}))" if model.days else ""
    for log in logs:
        connection.execute(f"create or replace temp table logged as {log.sql}")
        _ensure_table(connection, log, source="logged")
        connection.execute(f"insert into {log.quoted} by name select * from logged")
    connection.execute(
        f"""
        delete from {model.quoted} as t using landed_cell as c
        where
            t.role = c.role and t.caller_account_id = c.caller_account_id and t.cell_region = c.cell_region
            and t.listing = c.listing {of_its_days}
        """
    )
    connection.execute(f"insert into {model.quoted} by name select * from incoming")
    connection.execute("drop view incoming")
    connection.execute(
        f"""
        update {model.quoted} as t set is_stale = not v.is_trusted
        from audit.coverage as v
        where
            -- equivalent in where: It spares writing what stands.
            list_contains($listings, split_part(v.listing, ':', 1))
            and t.role = v.role and t.caller_account_id = v.account_id and t.cell_region = v.region
            and t.listing = v.listing and t.is_stale is distinct from (not v.is_trusted)
        """,
        {"listings": list(model.listings)},
    )
    if model.owner:
        _keep_one_of_each(connection, model)


def _records_at_hand(
    connection: duckdb.DuckDBPyConnection, store: Store, model: Model, listing: str, runs: Sequence[str]
) -> dict[str, Path]:
    """The files with these runs' records of a listing that are still there, by run id.

    Raises:
        LandingError: a file is another one than the run wrote, or went before the table was built of it.
    """
    last_built = built_at(connection, model.relation)
    landed = landed_records(connection, listing, runs)
    present = {}
    for run in runs:
        path = records_path(store.landing, run, listing)
        records, landed_at = landed.get(run, (None, None))
        if path.exists():
            present[run] = path
            differs = difference(path, records) if records else ""
        else:
            differs = "it is gone" if landed_at and (last_built is None or last_built < landed_at) else ""
        if differs:
            raise LandingError(
                f"{model.relation} was not built: the file with the records of landing/{listing} is not as run {run} "
                f"wrote it ({differs}). Nothing was changed, and what is published is as it was. Request them again: "
                "`cmdb nightly --everything`."
            )
    return present


def _stands(connection: duckdb.DuckDBPyConnection, model: Model) -> bool:
    """Whether a table is there and was built by this very query."""
    return built_from(connection, model.relation) == fingerprint(model) and exists(connection, model.schema, model.name)


def _is_of_nothing(connection: duckdb.DuckDBPyConnection, model: Model) -> bool:
    """Whether a table has no rows and gets none: no response ever found anything.

    Of the listings of an organisation many are such, each night again. It spares most of building all of nothing.
    """
    found = (
        "from audit.newest_cell where list_contains($listings, split_part(listing, ':', 1)) and found_at is not null"
    )
    query = f"select not exists ({found}) and not exists (from {model.quoted})"
    return bool(connection.execute(query, {"listings": list(model.listings)}).fetchall()[0][0])


def _leave_what_stands(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Take the cells out of `landed_cell` that the table holds already, as this very query made them."""
    connection.execute(
        f"""
        delete from landed_cell as c using (
            select distinct run_id, role, caller_account_id, cell_region, listing, collected_at
            from {model.quoted}
        ) as t
        where
            t.run_id = c.run_id and t.role = c.role and t.caller_account_id = c.caller_account_id
            and t.cell_region = c.cell_region and t.listing = c.listing
            -- A cell that was requested again in its run has another time.
            and t.collected_at = c.collected_at
        """
    )


def _read_days(connection: duckdb.DuckDBPyConnection) -> None:
    """Set the days of the responses in `landed_cell` that have some days of their cell only.

    A response whose evidence is gone is left out: as one of the whole cell it would take the other days' rows away.
    """
    connection.execute(
        """
        delete from landed_cell as l where not exists (
            select 1 from audit.collection as c
            where
                c.run_id = l.run_id and c.role = l.role and c.account_id = l.caller_account_id
                and c.region = l.cell_region and c.listing = l.listing
        )
        """
    )
    connection.execute(
        """
        update landed_cell as l set days = (c.evidence -> '$.days')::date[]
        from audit.collection as c
        where
            c.run_id = l.run_id and c.role = l.role and c.account_id = l.caller_account_id
            and c.region = l.cell_region and c.listing = l.listing and l.outcome <> 'skipped'
            and (c.evidence -> '$.days') is not null
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


def _ensure_table(connection: duckdb.DuckDBPyConnection, model: Model, source: str = "incoming") -> None:
    """Create the table by the query's columns, or add those that a newer query has.

    Raises:
        ModelError: a column has another type than the table's: that is a migration's business.
    """
    have = dict(columns_of(connection, model))
    if not have:
        connection.execute(f"create table {model.quoted} as select * from {source} limit 0")
        return
    for name, kind in temporary_columns(connection, source):
        if name not in have:
            connection.execute(f"alter table {model.quoted} add column {identifier(name)} {kind}")
        elif have[name] != kind:
            raise ModelError(
                f"{model.place} gives {name} as {kind}, but the table holds {have[name]}. "
                "Nothing was changed. Cast it in the query, or write a migration."
            )
