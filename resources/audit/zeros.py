"""Zeros that wait for CloudTrail: the pending ones, the decisions on them, and the calls that it never records."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from resources.audit.cells import rebuild_newest_cells
from resources.audit.coverage import Accounts
from resources.contract import Role

if TYPE_CHECKING:
    import duckdb

    from resources.aws.messages import Outcome

PENDING_RUNS = 2
"""The most pending zeros per key that are looked up, newest first: each look-up takes half a second."""

# equivalent (2): How many are counted together changes no count.
COUNTED_AT_ONCE = 50
"""Accounts whose pending zeros are counted together: those of 2,000 accounts would take more than 1 GB of memory."""


@dataclass(frozen=True, slots=True)
class PendingZero:
    """A zero that CloudTrail has neither confirmed nor refuted yet.

    Attributes:
        evidence: the evidence in the cell.
    """

    run_id: str
    role: Role
    account_id: str
    region: str
    listing: str
    outcome: "Outcome"
    ended_at: datetime
    evidence: Mapping[str, Any]


_PENDING = f"""
    select {", ".join(f"c.{column.name}" for column in fields(PendingZero))}
    from audit.collection as c
    -- equivalent in join: Every cell has a newest one of its key.
    join audit.newest_cell as n using (role, account_id, region, listing)
    where
        c.account_id >= $since_account and c.account_id < $before_account
        and c.ended_at >= $since
        and c.ended_at > coalesce(n.trusted_at, '-infinity'::timestamptz)
        and (
            c.outcome = 'empty_unconfirmed'
            -- The bill alone speaks against it: whether CloudTrail confirms it is history for the next run.
            or (c.outcome = 'empty_suspect' and json_extract_string(c.evidence, '$.confirmed') = 'false')
        )
        and json_extract(c.evidence, '$.trail_region') is not null
        and c.error_code is distinct from 'NoRequestId'
    qualify row_number() over (
        partition by c.role, c.account_id, c.region, c.listing order by c.ended_at desc
    ) <= $runs
"""


def pending_accounts(connection: "duckdb.DuckDBPyConnection", since: datetime) -> dict[str, int]:
    """The number of pending zeros in each account, as `pending_zeros` reads them."""
    rows = connection.execute("select distinct account_id from audit.newest_cell order by account_id").fetchall()
    firsts = [account for (account,) in rows[::COUNTED_AT_ONCE]]
    counts: dict[str, int] = {}
    for accounts in itertools.starmap(Accounts, itertools.pairwise([*firsts, Accounts().before])):
        counts |= connection.execute(
            f"select account_id, count(*) from ({_PENDING}) group by account_id order by account_id",
            {"since": since, "runs": PENDING_RUNS, **accounts.parameters},
        ).fetchall()
    return counts


def pending_zeros(connection: "duckdb.DuckDBPyConnection", since: datetime, accounts: Accounts) -> list[PendingZero]:
    """The zeros that CloudTrail may still decide: newer than the last trusted cell of their key.

    Args:
        since: older cells are left out, since CloudTrail keeps events for ninety days.
        accounts: the range of accounts to read.
    """
    rows = connection.execute(
        f"{_PENDING} order by all", {"since": since, "runs": PENDING_RUNS, **accounts.parameters}
    ).fetchall()
    return [PendingZero(*(*row[:-1], orjson.loads(row[-1]))) for row in rows]


def settle_zeros(connection: "duckdb.DuckDBPyConnection", path: str | Path, names: Sequence[str]) -> None:
    """Write CloudTrail's decisions on the zeros of some listings.

    Args:
        path: newline-delimited JSON of run_id, role, account_id, region, listing, outcome, is_trusted, error_code,
            error_message, evidence (as text) and confirmed_at.
        names: the listings, without their parameters.
    """
    connection.execute(
        """
        create or replace temp table affected_key as
        select t.*, c.rowid as cell
        from read_json(
            $path,
            format = 'newline_delimited',
            columns = {
                run_id: 'VARCHAR', role: 'VARCHAR', account_id: 'VARCHAR', region: 'VARCHAR', listing: 'VARCHAR',
                outcome: 'VARCHAR', is_trusted: 'BOOLEAN', error_code: 'VARCHAR', error_message: 'VARCHAR',
                evidence: 'VARCHAR', confirmed_at: 'TIMESTAMPTZ'
            }
        ) as t
        -- equivalent in join: A decision on a cell that is not there is written to none.
        join audit.collection as c using (run_id, role, account_id, region, listing)
        where list_contains($names, split_part(t.listing, ':', 1))
        -- In the order of the table: an update of half of it in another order takes a hundred times as long.
        order by cell
        """,
        {"path": str(path), "names": list(names)},
    )
    connection.execute(
        """
        update audit.collection as c
        set
            outcome = t.outcome, is_trusted = t.is_trusted, error_code = t.error_code,
            error_message = t.error_message, evidence = t.evidence, confirmed_at = t.confirmed_at
        from affected_key as t
        where c.rowid = t.cell
        """
    )
    rebuild_newest_cells(connection)


def unrecorded_calls(connection: "duckdb.DuckDBPyConnection") -> frozenset[str]:
    """The kinds of call that CloudTrail was found never to record, such as `cloudwatch:GetMetricData`."""
    rows = connection.execute("select call from audit.trail_call where unrecorded_since is not null").fetchall()
    return frozenset(call for (call,) in rows)


def record_trail_calls(
    connection: "duckdb.DuckDBPyConnection",
    recorded: Iterable[str],
    missed: Iterable[str] = (),
    *,
    now: datetime,
    patience: timedelta = timedelta(days=1),
) -> list[str]:
    """Record which kinds of call CloudTrail has recorded, and which it lacked although they were due.

    Args:
        patience: how long a kind must be missing everywhere until it counts as never recorded by CloudTrail.

    Returns:
        The kinds that count as never recorded from now on.
    """
    connection.execute(
        """
        insert into audit.trail_call (call, recorded_at, missed_since)
        select
            call,
            case when list_contains($recorded::varchar[], call) then $now::timestamptz end,
            case when list_contains($missed::varchar[], call) then $now::timestamptz end
        from (select distinct unnest($recorded::varchar[] || $missed::varchar[]) as call)
        on conflict (call) do update set
            recorded_at = coalesce(excluded.recorded_at, recorded_at),
            missed_since = coalesce(missed_since, excluded.missed_since)
        """,
        {"recorded": sorted(recorded), "missed": sorted(missed), "now": now},
    )
    connection.execute("update audit.trail_call set unrecorded_since = null where recorded_at is not null")
    rows = connection.execute(
        """
        update audit.trail_call set unrecorded_since = $now
        where
            unrecorded_since is null and recorded_at is null and missed_since <= $since
            and list_contains($missed::varchar[], call)
        returning call
        """,
        {"now": now, "since": now - patience, "missed": sorted(missed)},
    ).fetchall()
    return sorted(call for (call,) in rows)
