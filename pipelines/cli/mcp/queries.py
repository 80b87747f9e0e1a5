"""Runs one query on the published file, with a limit of time and rows, and weighs what it answers."""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.cli.command import as_typed
from pipelines.cli.mcp.answer import Answer, answer_of, is_nothing
from pipelines.cli.mcp.bounds import bounds_of
from pipelines.cli.mcp.lineage import NARROWING, NotOneQuery, Read, reads_of
from pipelines.cli.mcp.mentions import Mentions, mentions_of
from pipelines.cli.mcp.scope import UNKNOWN_REASON, scope_of
from pipelines.cli.slices import summed_across_slices, tree_of
from pipelines.cli.sql import OUT_OF_RANGE

if TYPE_CHECKING:
    import duckdb

    from resources.store.store import Store

ROWS = 200
"""Rows of an answer unless the caller wants fewer or more."""

MOST_ROWS = 1_000
"""Rows that no answer exceeds."""

NOTHING_NAMED = Mentions()

WITHOUT_RATE = "days_without_rate"
"""The column of our own queries that counts days of the bill which cannot be converted."""

SECONDS = 30.0
"""How long a query may take."""

EVERY = 0.05
"""Seconds between two interrupts of a query whose time is over."""


class QueryRefused(Exception):
    """A query was not run, or not to its end. The message is a sentence for whoever asked."""


@dataclass(frozen=True)
class Published:
    """The published file, opened anew for each answer, so that the next one reads what was published meanwhile.

    Attributes:
        seconds: how long a query may take.
        demo: the file is the demo's, so that a command that mends needs `--demo`.
    """

    store: "Store"
    seconds: float = SECONDS
    demo: bool = False

    @contextmanager
    def opened(self) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A connection that can read this one file and no other, interrupted when the time is over.

        Raises:
            WarehouseError: nothing is published, or what is was published by another version of the product.
            QueryRefused: the time is over.
        """
        import duckdb

        with self.store.published() as connection:
            # Beside an open connection this costs a tenth: both share one DuckDB.
            self.store.require_current_schema()
            is_done = threading.Event()

            def interrupt() -> None:
                # Again and again: an interrupt between two statements, or while Python parses, does nothing.
                wait = self.seconds
                while not is_done.wait(wait):
                    connection.interrupt()
                    wait = EVERY

            timer = threading.Thread(target=interrupt, daemon=True)
            timer.start()
            try:
                yield connection
            except duckdb.InterruptException as error:
                raise QueryRefused(
                    f"The query was stopped after {self.seconds:g} seconds: narrow it, or count instead of listing."
                ) from error
            finally:
                is_done.set()
                timer.join()

    def answer(
        self,
        query: str,
        parameters: Mapping[str, Any],
        reads: Iterable[Read],
        mentions: Mentions = NOTHING_NAMED,
        limit: int = ROWS,
    ) -> Answer:
        """The answer to a query of ours.

        Args:
            reads: the relations, or the parts of them, that decide which rows there are.
            mentions: what the query names.
            limit: rows that are shown.
        """
        with self.opened() as connection:
            return self._typed(_answer(connection, query, parameters, reads, mentions, limit, _columns(connection)))

    def free_answer(self, query: str, limit: int = ROWS) -> Answer:
        """The answer to a query that somebody wrote: one SELECT, and its scope is that of all that it reads.

        Raises:
            QueryRefused: it is not one SELECT, DuckDB refuses it, or it takes too long.
        """
        with self.opened() as connection:
            try:
                columns = _columns(connection)
                reads = reads_of(query, tree_of(connection, query), columns)
                doubt = summed_across_slices(connection, query)
                if doubt:
                    raise QueryRefused(f"{doubt} Nothing ran.")
                return self._typed(_answer(connection, query, {}, reads, mentions_of(query), limit, columns))
            except NotOneQuery as error:
                raise QueryRefused(str(error)) from error
            except RecursionError as error:
                raise QueryRefused("The query is nested too deeply, and nothing ran. Break it up by WITH.") from error

    def _typed(self, answer: Answer) -> Answer:
        remedies = [as_typed(remedy, demo=self.demo) for remedy in answer.to_mend]
        return answer.model_copy(update={"answer": as_typed(answer.answer, demo=self.demo), "to_mend": remedies})


def _answer(
    connection: "duckdb.DuckDBPyConnection",
    query: str,
    parameters: Mapping[str, Any],
    reads: Iterable[Read],
    mentions: Mentions,
    limit: int,
    columns: Mapping[str, Collection[str]],
) -> Answer:
    import duckdb

    limit = max(1, min(limit, MOST_ROWS))
    try:
        cursor = connection.execute(query, dict(parameters))
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchmany(limit + 1)
    except duckdb.InterruptException:
        raise
    except (OverflowError, ValueError) as error:
        raise QueryRefused(OUT_OF_RANGE.format(error=error)) from error
    except duckdb.Error as error:
        raise QueryRefused(f"DuckDB refused the query: {str(error).strip()} Nothing was changed.") from error
    reads = list(reads)
    scope = scope_of(connection, reads, columns)
    # What a read is narrowed to is named too.
    mentions = replace(
        mentions,
        accounts=mentions.accounts.union(*(read.accounts for read in reads)),
        regions=mentions.regions.union(*(read.regions for read in reads)),
    )
    parts = {entry.part for entry in scope.listings if entry.part}
    bounds = bounds_of(connection, mentions, scope.rests_on, parts, is_nothing=is_nothing(rows))
    if WITHOUT_RATE in names and (days := max((row[names.index(WITHOUT_RATE)] or 0 for row in rows), default=0)):
        bounds = replace(
            bounds,
            beyond=(
                *bounds.beyond,
                f"up to {days} day(s) of a row have no exchange rate, so that it has no reporting cost",
            ),
            remedies=(*bounds.remedies, "`cmdb fx import` takes rates; cost.exchange_rate lists the days without one"),
        )
    return answer_of(replace(scope, bounds=bounds), names, rows, _run(connection), limit)


def _run(connection: "duckdb.DuckDBPyConnection") -> tuple[str, datetime | None]:
    """The run that published the file, and when it finished."""
    row = connection.execute(
        "select arg_max(run_id, started_at), max_by(finished_at, started_at) from audit.run where outcome = 'published'"
    ).fetchone()
    return (str(row[0]), row[1]) if row and row[0] else ("unknown", None)


def _columns(connection: "duckdb.DuckDBPyConnection") -> dict[str, set[str]]:
    """Of each table and view those of its columns that a scope depends on."""
    rows = connection.execute(
        """
        select schema_name || '.' || table_name, list(column_name) filter (where list_contains($names, column_name))
        from duckdb_columns() where not internal group by all
        """,
        {"names": [*NARROWING, UNKNOWN_REASON]},
    ).fetchall()
    return {relation: set(columns or ()) for relation, columns in rows}
