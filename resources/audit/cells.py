"""The cells of a run, and the newest cell of each key: the rows of `audit.collection` and `audit.newest_cell`.

A cell is one listing requested in one account and region; its key is role, account, region and listing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from resources.aws.listing import EmptyPolicy
from resources.aws.messages import CellKey, Outcome
from resources.contract import Role

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class CellState:
    """The state of a cell: what is known of it at every stage, from its judgement to the newest cell of its key.

    Attributes:
        listing: name of the listing, with its parameter where it has one: `organizations_account_parent:ou-1234-abcd`.
    """

    role: Role
    account_id: str
    region: str
    listing: str
    outcome: Outcome
    is_trusted: bool
    run_id: str
    ended_at: datetime
    error_code: str | None = None
    error_message: str | None = None
    skip_reason: str | None = None
    record_count: int = field(default=0, metadata={"sql": "BIGINT"})

    @property
    def key(self) -> CellKey:
        """The key of the cell within its run."""
        return CellKey(self.role, self.account_id, self.region, self.listing)

    @property
    def name(self) -> str:
        """The listing without its parameter."""
        return self.listing.partition(":")[0]

    def as_row(self) -> dict[str, Any]:
        """The cell as a row of a table in the Dagster UI or the terminal."""
        return {
            "role": self.role,
            "account_id": self.account_id,
            "region": self.region,
            "listing": self.listing,
            "outcome": self.outcome,
            "why": self.error_message or self.skip_reason or "",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(CellState):
    """One request to AWS and its outcome: a row of `audit.collection`.

    Attributes:
        raw_response: the verbatim response as JSON text, for zeros and refusals.
    """

    empty_policy: EmptyPolicy
    started_at: datetime
    profile: str | None = None
    caller_account_id: str | None = None
    page_count: int = 0
    request_count: int = 0
    throttle_count: int = 0
    attempt_count: int = 1
    evidence: Mapping[str, Any] | None = None
    raw_response: str | None = None


@dataclass(frozen=True, slots=True)
class NewestCell(CellState):
    """The newest cell of its key, of any run: a row of `audit.coverage`.

    Attributes:
        last_trusted_at: when the key was last trusted; None where it never was.
        previous_record_count: records in the last trusted cell before this one; None without one.
    """

    last_trusted_at: datetime | None = None
    previous_record_count: int | None = None

    @property
    def last_trusted_count(self) -> int | None:
        """Records in the last trusted cell of the key, which may be this one; None without one."""
        return self.record_count if self.is_trusted else self.previous_record_count


_SQL_TYPES: Mapping[object, str] = {bool: "BOOLEAN", int: "INTEGER", datetime: "TIMESTAMPTZ"}

CELL_COLUMNS: Mapping[str, str] = {
    column.name: column.metadata.get("sql") or _SQL_TYPES.get(column.type, "VARCHAR") for column in fields(Cell)
}
"""The columns of a cell in `audit.collection`, with the type of each in the landing's `cells.ndjson`."""


def cell_line(cell: Cell) -> dict[str, Any]:
    """A cell as one line of the landing's `cells.ndjson`."""
    line: dict[str, Any] = {name: getattr(cell, name) for name in CELL_COLUMNS}
    line["evidence"] = None if line["evidence"] is None else json.dumps(line["evidence"], default=str)
    for name in ("started_at", "ended_at"):
        line[name] = line[name].isoformat()
    return line


def cell_of(line: Mapping[str, Any]) -> Cell:
    """The cell of a line of the landing's `cells.ndjson`; the inverse of `cell_line`."""
    values = dict(line)
    values["evidence"] = None if values["evidence"] is None else json.loads(values["evidence"])
    for name in ("started_at", "ended_at"):
        values[name] = datetime.fromisoformat(values[name])
    return Cell(**values)


def lines_of(text: bytes) -> list[dict[str, Any]]:
    """The lines of a landing's `cells.ndjson`, for who counts cells without making them.

    Raises:
        ValueError: one is no line of a cell, such as one with other columns.
    """
    lines: list[dict[str, Any]] = [orjson.loads(line) for line in text.splitlines()]
    columns = CELL_COLUMNS.keys()
    if any(line.keys() != columns for line in lines):
        raise ValueError("a line has other columns than a cell")
    return lines


LONGEST_LINE = 64 << 20


def load_cells(
    connection: "duckdb.DuckDBPyConnection", paths: Sequence[str | Path], longest: int = LONGEST_LINE
) -> None:
    """Load the cells that a collection has landed in files; a cell of the same key and run is replaced.

    Args:
        longest: length of the longest line in bytes: DuckDB reserves memory for several such lines.
    """
    columns = ", ".join(CELL_COLUMNS)
    types = "{" + ", ".join(f"{name}: '{kind}'" for name, kind in CELL_COLUMNS.items()) + "}"
    connection.execute(
        f"""
        create or replace temp table landed_line as
        select *
        from read_json(
            $paths,
            format = 'newline_delimited',
            maximum_object_size = $longest,
            columns = {types}
        )
        """,
        # equivalent (4): DuckDB takes a line of 32 MB whatever the limit is.
        {"paths": [str(path) for path in paths], "longest": max(longest, 1 << 20)},
    )
    replaced = connection.execute(
        """
        delete from audit.collection as c using landed_line as l
        where
            c.run_id = l.run_id and c.role = l.role and c.account_id = l.account_id and c.region = l.region
            and c.listing = l.listing
        """
    ).fetchall()
    connection.execute(f"insert into audit.collection ({columns}) select {columns} from landed_line")
    # equivalent (2): What was deleted is reported in one row of one column.
    if replaced[0][0]:
        connection.execute("create or replace temp table affected_key as select * from landed_line")
        rebuild_newest_cells(connection)
        return
    connection.execute(
        """
        create or replace temp view merged_cell as
        select
            *, null::varchar as accepted_by, null::varchar as accepted_reason, null::timestamptz as accepted_at,
            null::timestamptz as confirmed_at
        from landed_line
        """
    )
    _merge_newest_cells(connection)


def renew_coverage(connection: "duckdb.DuckDBPyConnection", listing: str = "") -> None:
    """Rebuild the newest cells from the cells of all runs, after a change by anything but `load_cells`.

    Args:
        listing: the listing to rebuild, with its parameter; all listings where it is empty.
    """
    connection.execute(
        """
        create or replace temp table affected_key as
        select role, account_id, region, listing from audit.collection where listing = $listing or $listing = ''
        union
        select role, account_id, region, listing from audit.newest_cell where listing = $listing or $listing = ''
        """,
        {"listing": listing},
    )
    rebuild_newest_cells(connection)


def rebuild_newest_cells(connection: "duckdb.DuckDBPyConnection") -> None:
    """Rebuild the newest cells of the keys in the temporary table `affected_key` from the cells of all runs."""
    connection.execute(
        """
        delete from audit.newest_cell as n using affected_key as k
        where
            n.role = k.role and n.account_id = k.account_id and n.region = k.region and n.listing = k.listing
        """
    )
    connection.execute(
        """
        create or replace temp view merged_cell as
        select * from audit.collection semi join affected_key using (role, account_id, region, listing)
        """
    )
    _merge_newest_cells(connection)


def _merge_newest_cells(connection: "duckdb.DuckDBPyConnection") -> None:
    """Merge the cells in the temporary view `merged_cell` into `audit.newest_cell`.

    For each key the latest `ended_at` wins, whatever the order of writing.
    """
    connection.execute(
        """
        create or replace temp table merged as
        with added as (
            select
                role, account_id, region, listing,
                max({
                    'ended_at': ended_at, 'run_id': run_id, 'profile': profile, 'outcome': outcome,
                    'is_trusted': is_trusted, 'record_count': record_count, 'skip_reason': skip_reason,
                    'error_code': error_code, 'error_message': error_message, 'empty_policy': empty_policy,
                    'attempt_count': attempt_count, 'confirmed_at': confirmed_at
                }) as newest,
                max(ended_at) filter (outcome = 'found') as found_at,
                -- An acceptance holds for what came back empty and was not trusted by itself.
                max(ended_at) filter (outcome in ('empty_suspect', 'empty_unconfirmed')) as suspected_at,
                max(ended_at) filter (is_trusted) as trusted_at,
                -- equivalent in added.trusted: Of what is added and what is known two are kept.
                max({'ended_at': ended_at, 'run_id': run_id, 'record_count': record_count}, 2)
                    filter (is_trusted and record_count is not null) as trusted,
                max({
                    'ended_at': ended_at, 'run_id': run_id, 'who': accepted_by, 'reason': accepted_reason,
                    'since': accepted_at
                }) filter (accepted_at is not null) as acceptance
            from merged_cell
            group by all
        )

        select
            role, account_id, region, listing, max(newest) as newest, max(found_at) as found_at,
            max(suspected_at) as suspected_at, max(trusted_at) as trusted_at,
            list_slice(list_reverse_sort(flatten(list(trusted))), 1, 2) as trusted,
            -- equivalent in acceptance: An acceptance is read anew from all runs, so of the two at most one is there.
            max(acceptance) as acceptance
        from (
            from added
            union all by name
            from audit.newest_cell semi join added using (role, account_id, region, listing)
        )
        group by all
        order by listing, role, account_id, region
        """
    )
    connection.execute(
        """
        delete from audit.newest_cell as n using merged as m
        where
            n.role = m.role and n.account_id = m.account_id and n.region = m.region and n.listing = m.listing
        """
    )
    connection.execute("insert into audit.newest_cell by name from merged")
