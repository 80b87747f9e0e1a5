"""The figures of the report: each the result of one query of the published file, with the query itself."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines.errors import SqlFileError
from pipelines.memory import within_memory
from pipelines.models.sql_files import read_header, reads
from resources import release
from resources.store.errors import WarehouseError
from resources.store.sql import named_rows
from resources.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERIES = Path(__file__).parent / "queries"

FIGURES_MEMORY = 192 << 20
"""Bytes that DuckDB may hold while the figures are read, its cache of the file included."""


@dataclass(frozen=True)
class Scope:
    """How much of what a figure is about was judged, in cells: one listing of one account and region.

    Attributes:
        judged: cells whose newest response counts.
        unknown: cells whose newest response does not count, or that nobody requested.
        reasons: why they are unknown, with how many each; empty where none is.
        since: when the least recent response that counts was complete, UTC, where that is more than a day before the
            most recent one; those of the bill left out, whose closed months are not requested again.
    """

    judged: int
    unknown: int
    reasons: str
    since: datetime | None = None

    def __str__(self) -> str:
        asked = "" if self.since is None else f", requested since {self.since.astimezone(UTC):%Y-%m-%d}"
        if not self.unknown:
            return f"all {self.judged:,} cells judged{asked}"
        return f"{self.judged:,} of {self.judged + self.unknown:,} cells judged, {self.unknown:,} unknown{asked}"


@dataclass(frozen=True)
class Figure:
    """The result of one query.

    Attributes:
        name: of its file; the page calls the query so.
        description: what it shows, from the comment that opens it.
        sql: the query as it ran, without that comment.
        scope: how much of its scope was judged; None where it reads nothing that rests on AWS's responses, or only what
            says itself how much is known.
        assets: the tables that it reads and a run builds: assets in Dagster.
    """

    name: str
    description: str
    sql: str
    rows: tuple[Mapping[str, Any], ...] = field(default=())
    scope: Scope | None = None
    assets: tuple[str, ...] = ()

    def __iter__(self) -> "Iterator[Mapping[str, Any]]":
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def first(self) -> Mapping[str, Any] | None:
        """The only row, or the first one; None where there is none."""
        return self.rows[0] if self.rows else None

    @property
    def left_out(self) -> int:
        """How many rows a limit in the query kept away, where it counts them (`of_count`)."""
        return int(self.rows[0].get("of_count") or len(self.rows)) - len(self.rows) if self.rows else 0


def read_queries() -> tuple[Figure, ...]:
    """The queries of the report, without results, in the order of their names.

    Raises:
        ProductFileError: a query, a template or the style sheet that this release ships is missing.
        SqlFileError: a file has no description, or no query, whose figure would show nothing at all.
    """
    release.require("pipelines/report/queries", "pipelines/report")
    return tuple(_read(path) for path in sorted(QUERIES.glob("[!.]*.sql")))


def _read(path: Path) -> Figure:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    while lines and lines[0].startswith("--"):
        lines.pop(0)
    figure = Figure(path.stem, read_header(text).description, "\n".join(lines).strip())
    if not (figure.description and figure.sql):
        raise SqlFileError(
            f"pipelines/report/queries/{path.name} has no {'query' if figure.description else 'description'}: write a "
            "comment that names what it shows, then one query. No report was written."
        )
    return figure


def query_figures(store: Store, only: Collection[str] = ()) -> dict[str, Figure]:
    """The figures by name, from one look into the published file.

    Args:
        only: names of figures; all where there is none.

    Raises:
        WarehouseError: nothing is published, or what is was published by another version of the product.
    """
    store.require_current_schema()
    # From one look into the file, so all are read once more where one needs more memory.
    return within_memory(lambda memory: _figures(store, only, memory), FIGURES_MEMORY)


def _figures(store: Store, only: Collection[str], memory: int | None) -> dict[str, Figure]:
    figures = {}
    with store.published(memory) as connection:
        for query in read_queries():
            if only and query.name not in only:
                continue
            try:
                cursor = connection.execute(query.sql)
            except (duckdb.CatalogException, duckdb.BinderException) as error:
                raise WarehouseError(
                    f"The published version of {store.database} lacks what the report's query {query.name} reads "
                    f"({str(error).splitlines()[0]}): another version of the product published it. No report was "
                    "written. Run `cmdb nightly`, which writes it too.",
                    exit_code=2,
                ) from error
            figures[query.name] = replace(query, rows=tuple(named_rows(cursor)))
        read = {name: reads(figure.sql).relations for name, figure in figures.items()}
        scopes = _scopes(connection, read)
        built = {name for (name,) in connection.execute("select relation from audit.relation_build").fetchall()}
    return {
        name: replace(figure, scope=scopes.get(name), assets=tuple(sorted(read[name] & built)))
        for name, figure in figures.items()
    }


def _scopes(connection: duckdb.DuckDBPyConnection, read: Mapping[str, Collection[str]]) -> dict[str, Scope]:
    """The scope of each figure, by its name: the cells behind the tables that its query reads, each cell once.

    Args:
        read: the tables that each figure reads.
    """
    rows = connection.execute(
        """
        with figure as (
            select unnest($figures) as figure, unnest($relations) as claim
        ),

        rests_on as (
            select distinct figure, listing, part
            from figure
            inner join audit.claim_listing using (claim)
            where left_out_because is null
        ),

        cell as (
            select
                listing_name as listing, part, unknown_reason, count(*) as cells,
                min(known_at) filter (role <> 'billing') as oldest_at,
                max(known_at) filter (role <> 'billing') as newest_at
            from audit.expected_cell
            group by all
        ),

        counted as (
            select
                figure, unknown_reason, sum(cells)::bigint as cells,
                min(oldest_at) as oldest_at, max(newest_at) as newest_at
            from rests_on
            inner join cell using (listing, part)
            group by all
        )

        select
            figure,
            coalesce(sum(cells) filter (where unknown_reason is null), 0)::bigint,
            coalesce(sum(cells) filter (where unknown_reason is not null), 0)::bigint,
            coalesce(
                string_agg(unknown_reason || ' ' || cells, ', ' order by cells desc, unknown_reason asc)
                filter (where unknown_reason is not null),
                ''
            ),
            case when max(newest_at) - min(oldest_at) > interval 1 day then min(oldest_at) end
        from counted
        group by figure
        """,
        {
            "figures": [name for name, relations in read.items() for _ in relations],
            "relations": [relation for relations in read.values() for relation in relations],
        },
    ).fetchall()
    return {name: Scope(*scope) for name, *scope in rows}
