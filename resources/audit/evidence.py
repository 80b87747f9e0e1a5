"""The audit schema, read and written: who was asked, what they answered, what was judged.

Every function takes an open connection to the working file or a `Store`; none keeps one.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.audit.paid_requests import PaidRequestCount
from resources.aws.listing import ZeroSense
from resources.check_result import CheckResult
from resources.contract import Role
from resources.identity_rules import Caller, Expectation
from resources.store.errors import WarehouseError

if TYPE_CHECKING:
    import duckdb

    from resources.aws.messages import Outcome

NEVER = datetime.min.replace(tzinfo=UTC)

PREFLIGHT_SCOPE = "pre-flight"
"""The scope of the pre-flight's rows in `audit.check_result`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One question put to AWS and what came of it: a row of `audit.collection`.

    Attributes:
        listing: with its parameter where it has one, `organizations_account_parent:ou-1234-abcd`.
        raw_response: the verbatim answer as JSON text, for zeros and refusals.
    """

    run_id: str
    role: Role
    account_id: str
    region: str
    listing: str
    outcome: "Outcome"
    is_trusted: bool
    zero_sense: ZeroSense
    started_at: datetime
    ended_at: datetime
    profile: str | None = None
    caller_account_id: str | None = None
    record_count: int = 0
    page_count: int = 0
    request_count: int = 0
    throttle_count: int = 0
    attempt_count: int = 1
    error_code: str | None = None
    error_message: str | None = None
    skip_reason: str | None = None
    evidence: Mapping[str, Any] | None = None
    raw_response: str | None = None


def begin_run(
    connection: "duckdb.DuckDBPyConnection", run_id: str, code_version: str, published: Collection[str]
) -> None:
    """Open the run's row, once, and close those of runs that died. Only under the lock.

    Args:
        published: the runs that have a version on disk.

    Raises:
        WarehouseError: an earlier run lies in the future (exit code 2). Nothing was changed.
    """
    require_clock(connection, run_id)
    # Whoever is alive holds the lock or has closed its row, so these are neither.
    connection.execute(
        """
        update audit.run set outcome = 'published'
        where outcome = 'publishing' and list_contains($published::varchar[], run_id) and run_id <> $run_id
        """,
        {"run_id": run_id, "published": list(published)},
    )
    connection.execute(
        """
        update audit.run set outcome = 'died', finished_at = null
        where outcome in ('running', 'publishing') and run_id <> $run_id
        """,
        {"run_id": run_id},
    )
    record_run(connection, run_id, code_version)


def require_clock(connection: "duckdb.DuckDBPyConnection", run_id: str) -> None:
    """Refuse to work where an earlier run lies in the future: the newest answer of a cell is told by its time.

    Raises:
        WarehouseError: it does (exit code 2). Nothing was changed.
    """
    now = datetime.now(UTC)
    row = connection.execute(
        """
        select run_id, max(worked_at) as last_at
        from (
            select run_id, started_at as worked_at from audit.run
            union all
            select run_id, ended_at from audit.collection
        )
        where run_id <> $run_id
        group by run_id
        having last_at > $now
        order by last_at desc, run_id
        limit 1
        """,
        {"run_id": run_id, "now": now},
    ).fetchone()
    if row is not None:
        raise WarehouseError(
            f"The clock of this machine says {now:%Y-%m-%d %H:%M:%S} UTC, and run {row[0]} worked here at "
            f"{row[1].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: with the clock set back, an older answer would pass for "
            "the newest. Nothing was asked and nothing was changed. Set the clock right, then run again; or, where it "
            "was wrong in that run, `cmdb rollback` to a version of before it and move the working file away.",
            exit_code=2,
        )


def record_run(connection: "duckdb.DuckDBPyConnection", run_id: str, code_version: str) -> None:
    """Open the run's row, once."""
    connection.execute(
        """
        insert into audit.run by name
        select
            $run_id as run_id, $now as started_at, $code_version as code_version, 'running' as outcome,
            0 as request_count, 0 as api_cost_usd
        where not exists (select 1 from audit.run where run_id = $run_id)
        """,
        {"run_id": run_id, "now": datetime.now(UTC), "code_version": code_version},
    )


def finish_run(connection: "duckdb.DuckDBPyConnection", run_id: str, outcome: str) -> None:
    """Close the run's row; `publishing` says that nothing but the verdict is missing."""
    connection.execute(
        "update audit.run set finished_at = $now, outcome = $outcome where run_id = $run_id",
        {"run_id": run_id, "now": datetime.now(UTC), "outcome": outcome},
    )


def settle_run(connection: "duckdb.DuckDBPyConnection", run_id: str, outcome: str) -> None:
    """Say how a run that was publishing ended; what it wrote it had written before, so its time stays."""
    connection.execute(
        "update audit.run set outcome = $outcome where run_id = $run_id", {"run_id": run_id, "outcome": outcome}
    )


def count_requests(connection: "duckdb.DuckDBPyConnection", run_id: str, requests: int) -> None:
    """Add to what the run has sent."""
    connection.execute(
        "update audit.run set request_count = request_count + $requests where run_id = $run_id",
        {"run_id": run_id, "requests": requests},
    )


def record_paid_requests(
    connection: "duckdb.DuckDBPyConnection", counts: Iterable[PaidRequestCount], counted: str = ""
) -> None:
    """Write or renew what the ledger says of paid requests, and what the runs cost by it.

    Args:
        counts: of whole days.
        counted: the run whose requests `count_requests` counts. To those of other runs, such as one that died, what
            was not known before is added.
    """
    rows = [asdict(count) for count in counts]
    if not rows:
        return
    connection.execute(
        """
        create or replace temp table ledger_count as
        select row.*
        from (
            select
                unnest(
                    from_json(
                        $rows::json,
                        '[{
                            "usage_date": "DATE", "run_id": "VARCHAR", "api": "VARCHAR", "request_count": "BIGINT",
                            "throttle_count": "BIGINT", "cost_usd": "DECIMAL(28, 10)"
                        }]'
                    )
                ) as row
        )
        """,
        {"rows": json.dumps(rows, default=str)},
    )
    connection.execute(
        """
        update audit.run as r
        set request_count = r.request_count + n.request_count
        from (
            select run_id, sum(p.request_count - coalesce(k.request_count, 0))::bigint as request_count
            from ledger_count as p
            left join audit.paid_request as k using (usage_date, run_id, api)
            group by run_id
        ) as n
        where r.run_id = n.run_id and n.run_id <> $counted
        """,
        {"counted": counted},
    )
    connection.execute("insert or replace into audit.paid_request by name from ledger_count")
    connection.execute(
        """
        update audit.run as r
        set api_cost_usd = p.cost_usd
        from (select run_id, sum(cost_usd) as cost_usd from audit.paid_request group by run_id) as p
        where r.run_id = p.run_id and r.run_id in (select run_id from ledger_count)
        """
    )


def record_callers(
    connection: "duckdb.DuckDBPyConnection",
    run_id: str,
    callers: Iterable[Caller],
    *,
    expectation: Expectation,
    waiver: str | None,
    organization_id: str | None,
    config_hash: str,
) -> None:
    """Write or renew the identity rows of a run."""
    expected = {
        "operations": expectation.operations_account or None,
        "billing": expectation.billing_account or None,
    }
    rows = [
        {
            "role": caller.role,
            "profile": caller.profile,
            "caller_account_id": caller.account_id,
            "caller_arn": caller.arn,
            "expected_account_id": expected.get(caller.role),
            "is_expected": None
            if caller.account_id is None or expected.get(caller.role) is None
            else caller.account_id == expected[caller.role],
            "waiver": waiver if waiver and caller.role in waiver.replace(",", "+").split("+") else None,
            "checked_at": caller.checked_at.isoformat(),
            "error_code": caller.error_code,
            "error_message": caller.error_message,
        }
        for caller in callers
    ]
    # All at once: row by row, the profiles of a large organisation take seconds in each step.
    connection.execute(
        """
        insert or replace into audit.caller_identity by name
        select $run_id as run_id, $organization_id as organization_id, $config_hash as config_hash, row.*
        from (
            select
                unnest(
                    from_json(
                        $rows::json,
                        '[{
                            "role": "VARCHAR", "profile": "VARCHAR", "caller_account_id": "VARCHAR",
                            "caller_arn": "VARCHAR", "expected_account_id": "VARCHAR", "is_expected": "BOOLEAN",
                            "waiver": "VARCHAR", "checked_at": "TIMESTAMPTZ", "error_code": "VARCHAR",
                            "error_message": "VARCHAR"
                        }]'
                    )
                ) as row
        )
        """,
        {
            "run_id": run_id,
            "organization_id": organization_id,
            "config_hash": config_hash,
            "rows": json.dumps(rows),
        },
    )


def record_facts(
    connection: "duckdb.DuckDBPyConnection", run_id: str, facts: Iterable[CheckResult], config_hash: str
) -> None:
    """Write the pre-flight's facts."""
    for fact in facts:
        record_check(
            connection,
            run_id,
            fact.name,
            PREFLIGHT_SCOPE,
            severity=fact.severity,
            passed=fact.passed,
            observed=fact.sentence,
            expected=fact.hint,
            config_hash=config_hash,
        )


def record_check(
    connection: "duckdb.DuckDBPyConnection",
    run_id: str,
    check_name: str,
    scope: str,
    *,
    severity: str,
    passed: bool,
    observed: str,
    expected: str = "",
    tolerance: str | None = None,
    detail: object = None,
    config_hash: str = "",
) -> None:
    """Write or renew what a rule said in a run."""
    connection.execute(
        """
        insert or replace into audit.check_result (
            run_id, check_name, scope, severity, passed, observed, expected, tolerance, detail, config_hash,
            checked_at
        ) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            run_id,
            check_name,
            scope,
            severity,
            passed,
            observed,
            expected,
            tolerance,
            None if detail is None else json.dumps(detail, default=str),
            config_hash,
            datetime.now(UTC),
        ],
    )


def forget_check(connection: "duckdb.DuckDBPyConnection", run_id: str, check_name: str) -> set[str]:
    """Remove what a rule said in a run, of every scope; returns its sentences."""
    rows = connection.execute(
        "delete from audit.check_result where run_id = ? and check_name = ? returning observed", [run_id, check_name]
    ).fetchall()
    return {str(sentence) for (sentence,) in rows}


def record_build(connection: "duckdb.DuckDBPyConnection", run_id: str, built: Mapping[str, str]) -> None:
    """Remember that relations were built, now, each from a query with a fingerprint."""
    for relation, fingerprint in built.items():
        connection.execute(
            """
            insert or replace into audit.relation_build (relation, run_id, built_at, query_sha256)
            values (?, ?, ?, ?)
            """,
            [relation, run_id, datetime.now(UTC), fingerprint],
        )


def built_from(connection: "duckdb.DuckDBPyConnection", relation: str) -> str | None:
    """The fingerprint of the query that a relation was built from last."""
    row = connection.execute(
        "select query_sha256 from audit.relation_build where relation = $relation", {"relation": relation}
    ).fetchone()
    return row[0] if row is not None else None


def builds(connection: "duckdb.DuckDBPyConnection") -> dict[str, datetime]:
    """When each relation was built last."""
    return dict(connection.execute("select relation, built_at from audit.relation_build").fetchall())


CELL_COLUMNS = (
    "run_id",
    "role",
    "account_id",
    "region",
    "listing",
    "profile",
    "caller_account_id",
    "outcome",
    "is_trusted",
    "record_count",
    "page_count",
    "request_count",
    "throttle_count",
    "attempt_count",
    "error_code",
    "error_message",
    "skip_reason",
    "zero_sense",
    "evidence",
    "raw_response",
    "started_at",
    "ended_at",
)


def cell_line(cell: Cell) -> dict[str, Any]:
    """A cell as one line of the landing's `cells.ndjson`."""
    line: dict[str, Any] = {name: getattr(cell, name) for name in CELL_COLUMNS}
    line["evidence"] = None if line["evidence"] is None else json.dumps(line["evidence"], default=str)
    for name in ("started_at", "ended_at"):
        line[name] = line[name].isoformat()
    return line


LONGEST_LINE = 64 << 20


def load_cells(
    connection: "duckdb.DuckDBPyConnection", paths: Sequence[str | Path], longest: int = LONGEST_LINE
) -> None:
    """Load the cells that a collection has landed in files; a cell of the same key and run is replaced.

    Args:
        longest: bytes of the longest line: DuckDB reserves memory for several such lines.
    """
    columns = ", ".join(CELL_COLUMNS)
    connection.execute(
        """
        create or replace temp table landed_line as
        select *
        from read_json(
            $paths,
            format = 'newline_delimited',
            maximum_object_size = $longest,
            columns = {
                run_id: 'VARCHAR', role: 'VARCHAR', account_id: 'VARCHAR', region: 'VARCHAR', listing: 'VARCHAR',
                profile: 'VARCHAR', caller_account_id: 'VARCHAR', outcome: 'VARCHAR', is_trusted: 'BOOLEAN',
                record_count: 'BIGINT', page_count: 'INTEGER', request_count: 'INTEGER', throttle_count: 'INTEGER',
                attempt_count: 'INTEGER', error_code: 'VARCHAR', error_message: 'VARCHAR', skip_reason: 'VARCHAR',
                zero_sense: 'VARCHAR', evidence: 'VARCHAR', raw_response: 'VARCHAR',
                started_at: 'TIMESTAMPTZ', ended_at: 'TIMESTAMPTZ'
            }
        )
        """,
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
    if replaced[0][0]:
        connection.execute("create or replace temp table told_key as select * from landed_line")
        _tell_anew(connection)
        return
    connection.execute(
        """
        create or replace temp view told_cell as
        select
            *, null::varchar as accepted_by, null::varchar as accepted_reason, null::timestamptz as accepted_at,
            null::timestamptz as confirmed_at
        from landed_line
        """
    )
    _tell(connection)


def renew_coverage(connection: "duckdb.DuckDBPyConnection", listing: str = "") -> None:
    """Tell from all nights anew what the newest cells are, after anything but `load_cells` changed some.

    Args:
        listing: whose, with its parameter; of all where none is named.
    """
    connection.execute(
        """
        create or replace temp table told_key as
        select role, account_id, region, listing from audit.collection where listing = $listing or $listing = ''
        union
        select role, account_id, region, listing from audit.newest_cell where listing = $listing or $listing = ''
        """,
        {"listing": listing},
    )
    _tell_anew(connection)


def _tell_anew(connection: "duckdb.DuckDBPyConnection") -> None:
    """Tell what all nights say of the keys in `told_key`."""
    connection.execute(
        """
        delete from audit.newest_cell as n using told_key as k
        where
            n.role = k.role and n.account_id = k.account_id and n.region = k.region and n.listing = k.listing
        """
    )
    connection.execute(
        """
        create or replace temp view told_cell as
        select * from audit.collection semi join told_key using (role, account_id, region, listing)
        """
    )
    _tell(connection)


def _tell(connection: "duckdb.DuckDBPyConnection") -> None:
    """Put together what `audit.newest_cell` knows and what the cells in `told_cell` add to it.

    Of both the later answer stands, whichever was written first.
    """
    connection.execute(
        """
        create or replace temp table told as
        with added as (
            select
                role, account_id, region, listing,
                max({
                    'ended_at': ended_at, 'run_id': run_id, 'profile': profile, 'outcome': outcome,
                    'is_trusted': is_trusted, 'record_count': record_count, 'skip_reason': skip_reason,
                    'error_code': error_code, 'error_message': error_message, 'zero_sense': zero_sense,
                    'attempt_count': attempt_count, 'confirmed_at': confirmed_at
                }) as newest,
                max(ended_at) filter (outcome = 'found') as found_at,
                -- An acceptance holds for what came back empty and was not trusted by itself.
                max(ended_at) filter (outcome in ('empty_suspect', 'empty_unconfirmed')) as suspected_at,
                max(ended_at) filter (is_trusted) as trusted_at,
                max({'ended_at': ended_at, 'run_id': run_id, 'record_count': record_count}, 2)
                    filter (is_trusted and record_count is not null) as trusted,
                max({
                    'ended_at': ended_at, 'run_id': run_id, 'who': accepted_by, 'reason': accepted_reason,
                    'since': accepted_at
                }) filter (accepted_at is not null) as acceptance
            from told_cell
            group by all
        )

        select
            role, account_id, region, listing, max(newest) as newest, max(found_at) as found_at,
            max(suspected_at) as suspected_at, max(trusted_at) as trusted_at,
            list_slice(list_reverse_sort(flatten(list(trusted))), 1, 2) as trusted,
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
        delete from audit.newest_cell as n using told as t
        where
            n.role = t.role and n.account_id = t.account_id and n.region = t.region and n.listing = t.listing
        """
    )
    connection.execute("insert into audit.newest_cell by name from told")


# ------------------------------------------------------------------------------------ zeros that wait

PENDING_NIGHTS = 2
"""Of a zero that was never confirmed, so many newest answers are looked up: each look-up costs half a second."""


@dataclass(frozen=True, slots=True)
class PendingZero:
    """A zero that CloudTrail has not decided on.

    Attributes:
        evidence: as the cell keeps it.
    """

    run_id: str
    role: Role
    account_id: str
    region: str
    listing: str
    outcome: "Outcome"
    ended_at: datetime
    evidence: Mapping[str, Any]


def pending_accounts(connection: "duckdb.DuckDBPyConnection", since: datetime) -> dict[str, int]:
    """How many zeros of each account CloudTrail may still decide on, as `pending_zeros` reads them."""
    rows = connection.execute(
        f"select account_id, count(*) from ({_PENDING}) group by account_id order by account_id",
        {"since": since, "nights": PENDING_NIGHTS, **EVERY_ACCOUNT.parameters},
    ).fetchall()
    return dict(rows)


def pending_zeros(connection: "duckdb.DuckDBPyConnection", since: datetime, accounts: "Accounts") -> list[PendingZero]:
    """The zeros that CloudTrail may still decide on: newer than the last trusted answer to their question.

    Args:
        since: what was asked before is left out: CloudTrail keeps events for ninety days.
        accounts: whose.
    """
    rows = connection.execute(
        f"{_PENDING} order by all", {"since": since, "nights": PENDING_NIGHTS, **accounts.parameters}
    ).fetchall()
    names = PendingZero.__dataclass_fields__
    return [PendingZero(**dict(zip(names, (*row[:-1], json.loads(row[-1])), strict=True))) for row in rows]


_PENDING = """
    select
        c.run_id, c.role, c.account_id, c.region, c.listing, c.outcome, c.ended_at, c.evidence
    from audit.collection as c
    join audit.newest_cell as n using (role, account_id, region, listing)
    where
        c.account_id >= $since_account and c.account_id < $before_account
        and c.ended_at >= $since
        and c.ended_at > coalesce(n.trusted_at, '-infinity'::timestamptz)
        and (
            c.outcome = 'empty_unconfirmed'
            -- The bill alone speaks against it: whether CloudTrail bears it out is history for the next night.
            or (c.outcome = 'empty_suspect' and json_extract_string(c.evidence, '$.confirmed') = 'false')
        )
        and json_extract(c.evidence, '$.trail_region') is not null
        and c.error_code is distinct from 'NoRequestId'
    qualify row_number() over (
        partition by c.role, c.account_id, c.region, c.listing order by c.ended_at desc
    ) <= $nights
"""


def settle_zeros(connection: "duckdb.DuckDBPyConnection", path: str | Path) -> None:
    """Write what CloudTrail decided on zeros.

    Args:
        path: newline-delimited JSON of run_id, role, account_id, region, listing, outcome, is_trusted, error_code,
            error_message, evidence (as text) and confirmed_at.
    """
    connection.execute(
        """
        create or replace temp table told_key as
        select *
        from read_json(
            $path,
            format = 'newline_delimited',
            columns = {
                run_id: 'VARCHAR', role: 'VARCHAR', account_id: 'VARCHAR', region: 'VARCHAR', listing: 'VARCHAR',
                outcome: 'VARCHAR', is_trusted: 'BOOLEAN', error_code: 'VARCHAR', error_message: 'VARCHAR',
                evidence: 'VARCHAR', confirmed_at: 'TIMESTAMPTZ'
            }
        )
        """,
        {"path": str(path)},
    )
    connection.execute(
        """
        update audit.collection as c
        set
            outcome = t.outcome, is_trusted = t.is_trusted, error_code = t.error_code,
            error_message = t.error_message, evidence = t.evidence, confirmed_at = t.confirmed_at
        from told_key as t
        where
            c.run_id = t.run_id and c.role = t.role and c.account_id = t.account_id and c.region = t.region
            and c.listing = t.listing
        """
    )
    _tell_anew(connection)


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
    """Remember which kinds of call CloudTrail showed, and which it lacked though it should have had them.

    Args:
        patience: how long a kind must be missed, and never seen anywhere, until it counts as one that CloudTrail does
            not record.

    Returns:
        The kinds that count so from now on.
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


def newest_preflight(connection: "duckdb.DuckDBPyConnection") -> list[tuple[Any, ...]]:
    """The facts of the newest pre-flight: name, passed, severity, sentence, run, configuration, when."""
    return connection.execute(
        """
        select check_name, passed, severity, observed, run_id, config_hash, checked_at
        from audit.check_result
        where scope = $scope
        qualify run_id = first_value(run_id) over (order by checked_at desc)
        """,
        {"scope": PREFLIGHT_SCOPE},
    ).fetchall()


def identities_checked_at(connection: "duckdb.DuckDBPyConnection", run_id: str) -> datetime | None:
    """When the run's resources last verified the central identities: the oldest of the three newest checks."""
    row = connection.execute(
        """
        select min(checked_at), count(*)
        from audit.caller_identity
        where run_id = $run_id and role <> 'workload' and caller_account_id is not null
        """,
        {"run_id": run_id},
    ).fetchone()
    return row[0] if row is not None and row[1] >= 3 else None


COVERAGE_COLUMNS = (
    "role",
    "account_id",
    "region",
    "listing",
    "outcome",
    "is_trusted",
    "run_id",
    "ended_at",
    "error_code",
    "error_message",
    "skip_reason",
    "record_count",
    "last_trusted_at",
    "previous_record_count",
)


@dataclass(frozen=True)
class Accounts:
    """The accounts from one id on and before another: a part of an organisation, which the database finds fast."""

    since: str = ""
    before: str = "~"

    def __contains__(self, account_id: str) -> bool:
        return self.since <= account_id < self.before

    @property
    def parameters(self) -> dict[str, str]:
        """For SQL that says `account_id >= $since_account and account_id < $before_account`."""
        return {"since_account": self.since, "before_account": self.before}


EVERY_ACCOUNT = Accounts()

NO_ACCOUNT = Accounts(before="")


def coverage(
    connection: "duckdb.DuckDBPyConnection",
    listings: Sequence[str],
    *,
    accounts: Accounts = EVERY_ACCOUNT,
    without_quiet: bool = False,
    without_workload: bool = False,
) -> list[dict[str, Any]]:
    """The newest cell of every key of the given listings, with or without a parameter behind the name.

    Args:
        accounts: whose.
        without_quiet: neither the trusted cells nor the zeros that wait for CloudTrail: of a large organisation, that
            leaves a few of hundreds of thousands.
        without_workload: only the cells of the central roles.
    """
    columns = ", ".join(COVERAGE_COLUMNS)
    rows = connection.execute(
        f"""
        select {columns}
        from audit.coverage
        where
            list_contains($listings, split_part(listing, ':', 1))
            and account_id >= $since_account and account_id < $before_account
            and not (
                $without_quiet and (is_trusted or (outcome = 'empty_unconfirmed' and error_code is null))
            )
            and not ($without_workload and role = 'workload')
        order by role, listing, account_id, region
        """,
        {
            "listings": list(listings),
            "without_quiet": without_quiet,
            "without_workload": without_workload,
            **accounts.parameters,
        },
    ).fetchall()
    return [dict(zip(COVERAGE_COLUMNS, row, strict=True)) for row in rows]


@dataclass(frozen=True)
class Standing:
    """What the newest cells of a listing come to.

    Attributes:
        trusted: how many are.
        waiting: how many are zeros that wait for CloudTrail's record of the call.
        answered_at: when the last one was answered, or confirmed after that.
    """

    trusted: int = 0
    waiting: int = 0
    answered_at: datetime = NEVER


def standing(connection: "duckdb.DuckDBPyConnection", listings: Sequence[str]) -> dict[str, Standing]:
    """How each listing that was ever asked stands, by its name without a parameter."""
    rows = connection.execute(
        """
        select
            split_part(listing, ':', 1) as name,
            count(*) filter (is_trusted),
            count(*) filter (not is_trusted and outcome = 'empty_unconfirmed' and error_code is null),
            max(greatest(ended_at, confirmed_at))
        from audit.coverage
        where list_contains($listings, name)
        group by name
        """,
        {"listings": list(listings)},
    ).fetchall()
    return {name: Standing(trusted, waiting, answered_at) for name, trusted, waiting, answered_at in rows}
