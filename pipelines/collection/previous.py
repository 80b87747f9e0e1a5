"""Reads the landed records and cells of earlier collections back from the working file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.catalogue.registry import listings as known_listings
from pipelines.collection.landing import difference, records_path
from pipelines.errors import LandingError
from pipelines.memory import read_within_memory, rows_within_memory
from pipelines.trust.ages import HALF_A_DAY
from pipelines.trust.organization_policies import SCP, PolicySkips, StoredPolicies
from resources.audit.cells import NewestCell
from resources.audit.coverage import EVERY_ACCOUNT, Accounts
from resources.audit.step_plans import landed_records
from resources.aws.listing import Listing
from resources.aws.messages import DENIED_BY_POLICY, CellKey
from resources.store.sql import exists
from resources.store.store import Store

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class ParentRecord:
    """A few fields of one landed record, with the key of its cell."""

    key: CellKey
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PreviousCell(NewestCell):
    """The newest cell of a key before this run.

    Attributes:
        confirmed: whether an earlier run had an empty response too, after two requests and with only the bill against
            it.
        is_disputed: whether a check refused what was built from this response, and named the cell.
    """

    confirmed: bool = False
    is_disputed: bool = False


def records(
    store: Store, listing: str, fields: Sequence[str], accounts: Accounts = EVERY_ACCOUNT
) -> list[ParentRecord]:
    """Fields of every record in the newest trusted cells of a listing, for an interval of accounts.

    Raises:
        LandingError: a cell's landing is gone or has another length; the listing has to be collected again.
    """
    return read_within_memory(store, lambda connection: _records(connection, store.landing, listing, fields, accounts))


def _records(
    connection: "duckdb.DuckDBPyConnection", landing: Path, listing: str, fields: Sequence[str], accounts: Accounts
) -> list[ParentRecord]:
    runs = [
        run
        for (run,) in connection.execute(
            """
            select distinct run_id from audit.coverage
            where split_part(listing, ':', 1) = $listing and outcome = 'found'
            """,
            {"listing": listing},
        ).fetchall()
    ]
    landed = landed_records(connection, listing, runs)
    files = [records_path(landing, run, listing) for run in runs]
    for run, file in zip(runs, files, strict=True):
        if not file.exists():
            raise LandingError(f"The landing of {listing} in run {run} is gone.")
        # Whether its bytes are the same is checked where its table is built, before anything is published.
        differs = difference(file, landed[run][0], in_length_only=True) if run in landed else ""
        if differs:
            raise LandingError(f"The landing of {listing} in run {run} is not as it was written: {differs}.")
    if not files:
        return []
    selected = ", ".join(f"json_extract_string(item, $path_{index})" for index in range(len(fields)))
    rows = connection.execute(
        f"""
        select role, account_id, region, listing, {selected}
        from read_json(
            $files,
            format = 'newline_delimited',
            columns = {{
                run_id: 'VARCHAR', role: 'VARCHAR', account_id: 'VARCHAR', region: 'VARCHAR',
                listing: 'VARCHAR', item: 'JSON'
            }}
        )
        semi join (
            select run_id, role, account_id, region, listing from audit.coverage
            where outcome = 'found' and split_part(listing, ':', 1) = $listing
        ) as newest
            using (run_id, role, account_id, region, listing)
        where account_id >= $since_account and account_id < $before_account
        """,
        {"files": [str(file) for file in files], "listing": listing, **accounts.parameters}
        | {f"path_{index}": f'$."{name}"' for index, name in enumerate(fields)},
    ).fetchall()
    return [ParentRecord(CellKey(*r[:4]), dict(zip(fields, r[4:], strict=True))) for r in rows]


def stored_policies(store: Store) -> StoredPolicies:
    """The organisation's service control policies from their newest listing; empty without one.

    This reads the landing, not the tables of `org`, since the same run may have listed the policies a moment ago.
    """
    try:
        roots = records(store, "organizations_root", ("Id", "Arn"))
        policies = records(store, "organizations_policy", ("Id", "Name"))
        contents = records(store, "organizations_policy_content", ("Content",))
        targets = records(store, "organizations_policy_target", ("TargetId",))
        units = records(store, "organizations_organizational_unit", ("Id",))
        members = records(store, "organizations_account_parent", ("Id",))
    except LandingError:
        return StoredPolicies()
    names = {str(one.fields["Id"]): str(one.fields["Name"]) for one in policies if one.key.suffix == SCP}
    attached: dict[str, set[str]] = {}
    for one in targets:
        policy = one.key.suffix
        if policy in names:
            attached.setdefault(str(one.fields["TargetId"]), set()).add(policy)
    documents = {policy: str(one.fields["Content"]) for one in contents if (policy := one.key.suffix) in names}
    wanted = [f"organizations_policy_target:{policy}" for policy in names]
    with store.read() as connection:
        row = connection.execute(
            """
            select count(*) from audit.coverage
            where list_contains($wanted, listing) and outcome not in ('denied', 'failed', 'wrong_account', 'skipped')
            """,
            {"wanted": wanted},
        ).fetchone()
    return StoredPolicies(
        documents=documents,
        names=names,
        attached={target: frozenset(own) for target, own in attached.items()},
        parent_of={str(one.fields["Id"]): one.key.suffix for one in (*units, *members)},
        management_account=str(roots[0].fields["Arn"]).split(":")[4] if roots else "",
        is_complete=documents.keys() == names.keys() and row is not None and row[0] == len(wanted),
    )


def policy_skips(connection: "duckdb.DuckDBPyConnection", run_id: str, billed_since: date) -> list[PolicySkips]:
    """What each policy of the organisation has closed in a run so far, the policy with most cells first.

    A cell without a known policy, such as one of a child listing that was never requested, counts for the policy that
    closes other cells of its account.
    """
    connection.execute(
        """
        create or replace temp table closed_cell as
        select
            coalesce(
                c.evidence ->> '$.policy_id',
                max(c.evidence ->> '$.policy_id') over (partition by c.account_id),
                ''
            ) as policy_id,
            coalesce(
                c.evidence ->> '$.policy_type', max(c.evidence ->> '$.policy_type') over (partition by c.account_id), ''
            ) as kind,
            coalesce(c.evidence ->> '$.policy_name', '') as policy_name,
            c.account_id, c.region, split_part(c.listing, ':', 1) as listing,
            n.trusted_at is not null as was_trusted
        from audit.collection as c
        left join audit.newest_cell as n using (role, account_id, region, listing)
        where c.run_id = $run_id and c.skip_reason = $reason
        """,
        {"run_id": run_id, "reason": DENIED_BY_POLICY},
    )
    found = connection.execute(
        """
        select
            kind, policy_id, max(policy_name), list(distinct listing order by listing),
            list(distinct region order by region), count(distinct account_id), count(*),
            count(*) filter (was_trusted), list(distinct account_id order by account_id)[:3]
        from closed_cell
        group by kind, policy_id
        order by count(*) desc, policy_id
        """
    ).fetchall()
    billed: dict[str, list[tuple[str, str]]] = {}
    if found and exists(connection, "cost", "daily"):
        for policy, account, region in connection.execute(
            """
            with final_day as (
                select distinct usage_date from cost.daily
                where slice = 'region' and not is_estimated and usage_date >= $since
                order by usage_date desc
                limit 7
            )

            select distinct c.policy_id, c.account_id, c.region
            from closed_cell as c
            join cost.daily as d on c.account_id = d.account_id and c.region = d.dimension_value
            join final_day as f using (usage_date)
            where d.slice = 'region' and d.unblended_cost > 0
            order by all
            """,
            {"since": billed_since},
        ).fetchall():
            billed.setdefault(policy, []).append((account, region))
    calls = known_listings()
    return [
        PolicySkips(
            kind=kind,
            policy_id=policy,
            policy_name=name,
            services=tuple(sorted({calls[listing].service for listing in names if listing in calls})),
            regions=tuple(regions),
            account_count=accounts,
            cell_count=cells,
            trusted_before=trusted,
            billed=tuple(billed.get(policy, ())),
            accounts=tuple(first_accounts),
        )
        for kind, policy, name, names, regions, accounts, cells, trusted, first_accounts in found
    ]


def earlier_cells(store: Store, listings: Iterable[Listing], accounts: Accounts) -> dict[CellKey, PreviousCell]:
    """The newest cells of the given listings before this run, by key, for an interval of accounts."""
    columns = ", ".join(f"v.{column.name}" for column in fields(NewestCell))
    names = [listing.name for listing in listings]
    rows = rows_within_memory(
        store,
        f"""
        with confirmed as (
            -- Since it was last found: an empty response of an earlier run that only the bill contradicted.
            select c.role, c.account_id, c.region, c.listing, true as is_confirmed
            from audit.collection as c
            join audit.newest_cell as n using (role, account_id, region, listing)
            where
                list_contains($names, split_part(n.listing, ':', 1))
                and n.account_id >= $since_account and n.account_id < $before_account
                and n.newest.outcome <> 'found'
                and c.ended_at > coalesce(n.found_at, '-infinity'::timestamptz)
                and c.ended_at <= $half_a_day_ago
                and c.outcome in ('empty_verified', 'empty_suspect')
                and c.evidence ->> '$.confirmed' = 'true'
            group by all
        )

        select
            {columns}, coalesce(confirmed.is_confirmed, false) as confirmed,
            disputed.listing is not null as is_disputed
        from audit.coverage as v
        left join confirmed using (role, account_id, region, listing)
        left join (select distinct role, account_id, region, listing from audit.disputed_cell) as disputed
            using (role, account_id, region, listing)
        where
            list_contains($names, split_part(v.listing, ':', 1))
            and v.account_id >= $since_account and v.account_id < $before_account
        """,
        {"names": names, "half_a_day_ago": datetime.now(UTC) - HALF_A_DAY, **accounts.parameters},
    )
    return {CellKey(*row[:4]): PreviousCell(*row) for row in rows}


def requested_accounts(store: Store, listings: Iterable[Listing]) -> dict[str, bool]:
    """The accounts that have a cell of these listings, and whether the newest cell of any was requested."""
    rows = rows_within_memory(
        store,
        """
        select account_id, bool_or(outcome <> 'skipped')
        from audit.coverage
        where list_contains($names, split_part(listing, ':', 1))
        group by account_id
        """,
        {"names": [listing.name for listing in listings]},
    )
    return dict(rows)


def earlier_accounts(store: Store) -> dict[str, str]:
    """The account that STS last returned for each workload profile, by profile name."""
    with store.read() as connection:
        rows = connection.execute(
            """
            select profile, arg_max(caller_account_id, checked_at)
            from audit.caller_identity
            where role = 'workload' and caller_account_id is not null and worker = ''
            group by profile
            """
        ).fetchall()
    return dict(rows)


def last_measured(
    store: Store, namespaces: Mapping[str, str], own: Iterable[str], refused: Iterable[tuple[str, str, str]]
) -> list[tuple[str, str, str, str]]:
    """Account, region, listing and id of the resources last measured whose listing is not trusted now.

    Args:
        namespaces: CloudWatch's namespace of each listing's resources.
        own: listings that this step requests itself, so that their stored cells are out of date.
        refused: account, region and listing of own cells without a response.
    """
    with store.read() as connection:
        if not exists(connection, "stage", "cloudwatch_metric_asked"):
            return []
        return connection.execute(
            """
            select distinct v.account_id, v.region, v.listing, asked.resource_id
            from audit.coverage as v
            join (select unnest($listings) as listing, unnest($namespaces) as namespace) as measured using (listing)
            join stage.cloudwatch_metric_asked as asked
                on
                    v.account_id = asked.account_id and v.region = asked.region
                    and measured.namespace = asked.namespace
            where
                case
                    when list_contains($own::varchar[], v.listing)
                        then list_contains($refused::varchar[], concat_ws('|', v.account_id, v.region, v.listing))
                    else not v.is_trusted and (v.outcome <> 'skipped' or v.skip_reason = 'denied_by_policy')
                end
            order by all
            """,
            {
                "listings": list(namespaces),
                "namespaces": list(namespaces.values()),
                "own": list(own),
                "refused": ["|".join(place) for place in refused],
            },
        ).fetchall()


def disputed_months(connection: "duckdb.DuckDBPyConnection") -> set[str]:
    """Months, such as 2026-09, whose days do not add up to AWS's latest monthly total."""
    if not exists(connection, "cost", "reconciliation"):
        return set()
    rows = connection.execute(
        """
        select scope from cost.reconciliation
        where rule = 'daily_cost_is_the_monthly_total' and not passed and not is_estimated
        """
    ).fetchall()
    return {month for (month,) in rows}


def unreached_spend(store: Store, accounts: Sequence[str]) -> float | None:
    """The ratio of the last thirty billed days' cost that these accounts have, 0 to 1; None without a bill."""
    rows = rows_within_memory(
        store,
        """
        select
            sum(unblended_cost) filter (where list_contains($accounts, account_id))::double
            / nullif(sum(unblended_cost), 0)::double
        from cost.daily
        where slice = 'service' and usage_date > (select max(usage_date) - 30 from cost.daily)
        """,
        {"accounts": list(accounts)},
    )
    spend: float | None = rows[0][0]
    return spend
