"""What a part of a step has to know of earlier runs, and of this run's steps before it.

The plan, the judgement and the retirement of cells read it from here alone. `KnownFromWarehouse` reads it from the
working file. A part that another machine collects is given the same by `pipelines.collection.remote.briefing`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pipelines.catalogue.names import REGION
from pipelines.catalogue.registry import listings as known_listings
from pipelines.collection import cost_slices, previous
from pipelines.collection.billed import BilledItem, billed_services
from pipelines.collection.cells import Cadence, DeniedPlace, Refusal
from pipelines.collection.previous import ParentRecord, PreviousCell
from pipelines.memory import read_within_memory, rows_within_memory
from pipelines.trust.organization_policies import BY_WORDS, PolicyDenial, StoredPolicies
from resources.audit.cells import NewestCell
from resources.audit.coverage import Accounts, coverage
from resources.audit.zeros import unrecorded_calls
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import DENIED_BY_POLICY, CellKey
from resources.contract import Role
from resources.store.sql import exists
from resources.store.store import Store

if TYPE_CHECKING:
    import duckdb

Billed = Mapping[tuple[str, str], tuple[BilledItem, ...]]
"""What the newest days of the bill show, by account and listing."""


class Callers(NamedTuple):
    """Which accounts this run's stored cells say that a profile leads to.

    Attributes:
        wrong: role, account id and region of the cells whose response was another account's.
        proven: role and account id of the cells with records that name the account itself.
    """

    wrong: frozenset[tuple[Role, str, str]]
    proven: frozenset[tuple[Role, str]]


class Known(Protocol):
    """What a part has to know; every method takes the interval of accounts that the part has."""

    def earlier(self, listings: Sequence[Listing], accounts: Accounts) -> dict[CellKey, PreviousCell]:
        """The newest cells of these listings before this run, by key."""

    def records(self, listing: str, fields: Sequence[str], accounts: Accounts) -> list[ParentRecord]:
        """Fields of every record in the newest trusted cells of a listing.

        Raises:
            LandingError: as `previous.records`.
        """

    def coverage(self, listings: Sequence[str], accounts: Accounts) -> list[NewestCell]:
        """The newest cell of every key of these listings."""

    def without_regions(self, accounts: Accounts) -> frozenset[str]:
        """Accounts in which a policy of the organisation denies listing the regions."""

    @property
    def policies(self) -> StoredPolicies:
        """The service control policies that the management role listed last."""

    @property
    def billed_services(self) -> Billed:
        """What the newest days of the bill show, of every account."""

    def cadence(self, listings: Sequence[Listing], accounts: Accounts) -> Cadence:
        """What is known of listings that change seldom, beside the bill."""

    def refusals(self, listings: Sequence[Listing], accounts: Accounts) -> dict[CellKey, Refusal]:
        """The refusals of the newest cells that a policy denied in earlier runs, but for those of global listings."""

    def probes(self, listings: Sequence[Listing], accounts: Accounts) -> dict[DeniedPlace, str]:
        """A listing that AWS refused in the run's other steps, by place."""

    @property
    def unrecorded_calls(self) -> frozenset[str]:
        """The kinds of call that CloudTrail was found never to record."""

    def callers(self, accounts: Accounts) -> Callers:
        """Which accounts this run's stored cells say that a profile leads to."""


class KnownFromWarehouse:
    """Reads from the working file, at each call; what is the same for all parts once."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id

    def earlier(self, listings: Sequence[Listing], accounts: Accounts) -> dict[CellKey, PreviousCell]:
        """As `Known.earlier`."""
        return previous.earlier_cells(self._store, listings, accounts)

    def records(self, listing: str, fields: Sequence[str], accounts: Accounts) -> list[ParentRecord]:
        """As `Known.records`."""
        return previous.records(self._store, listing, fields, accounts)

    def coverage(self, listings: Sequence[str], accounts: Accounts) -> list[NewestCell]:
        """As `Known.coverage`."""
        return read_within_memory(self._store, lambda connection: coverage(connection, listings, accounts=accounts))

    def without_regions(self, accounts: Accounts) -> frozenset[str]:
        """As `Known.without_regions`."""
        rows = read_within_memory(
            self._store,
            lambda connection: coverage(connection, [REGION], accounts=accounts, without_quiet=True),
        )
        return frozenset(row.account_id for row in rows if row.skip_reason == DENIED_BY_POLICY)

    @cached_property
    def policies(self) -> StoredPolicies:
        """As `Known.policies`; read at the first use."""
        return previous.stored_policies(self._store)

    @cached_property
    def billed_services(self) -> Billed:
        """As `Known.billed_services`; read at the first use."""
        return billed_services(self._store, cost_slices.final_days_since(datetime.now(UTC).date()))

    def cadence(self, listings: Sequence[Listing], accounts: Accounts) -> Cadence:
        """As `Known.cadence`."""
        return read_within_memory(self._store, lambda connection: _cadence(connection, listings, accounts))

    def refusals(self, listings: Sequence[Listing], accounts: Accounts) -> dict[CellKey, Refusal]:
        """As `Known.refusals`."""
        rows = rows_within_memory(
            self._store,
            """
            -- Held first, as in `cadence`.
            with denied as materialized (
                select
                    c.role, c.account_id, c.region, c.listing, c.evidence, c.ended_at, c.error_code, c.error_message
                from audit.coverage as v
                join audit.collection as c using (run_id, role, account_id, region, listing)
                where
                    v.skip_reason = $reason and v.region <> $global and v.run_id <> $run_id
                    and list_contains($names, split_part(v.listing, ':', 1))
                    and v.account_id >= $since_account and v.account_id < $before_account
                    and c.account_id >= $since_account and c.account_id < $before_account
            )

            select
                role, account_id, region, listing,
                evidence ->> '$.policy_type', evidence ->> '$.policy_id',
                coalesce(evidence ->> '$.policy_name', ''), evidence ->> '$.policy_known_by',
                coalesce(evidence ->> '$.policy_document', ''),
                coalesce((evidence ->> '$.refused_at')::timestamptz, ended_at),
                coalesce((evidence ->> '$.runs_without_request')::integer, 0),
                error_code, coalesce(evidence ->> '$.refusal', error_message, '')
            from denied
            where
                evidence ->> '$.policy_known_by' = $words
                -- A refusal that names no policy stands for no other one.
                and evidence ->> '$.policy_id' is not null
            """,
            self._denied(listings, accounts) | {"global": GLOBAL_REGION},
        )
        return {
            CellKey(*row[:4]): Refusal(PolicyDenial(*row[4:9]), row[9].astimezone(UTC), row[10], row[11], row[12])
            for row in rows
        }

    def probes(self, listings: Sequence[Listing], accounts: Accounts) -> dict[DeniedPlace, str]:
        """As `Known.probes`; an earlier attempt of this step is no evidence."""
        rows = rows_within_memory(
            self._store,
            """
            select
                role, account_id, region, evidence ->> '$.policy_type', evidence ->> '$.policy_id', min(listing)
            from audit.collection
            where
                run_id = $run_id and skip_reason = $reason and attempt_count > 0
                and not list_contains($names, split_part(listing, ':', 1))
                and account_id >= $since_account and account_id < $before_account
                and evidence ->> '$.policy_known_by' = $words and evidence ->> '$.policy_id' is not null
            group by all
            """,
            self._denied(listings, accounts),
        )
        return {(row[0], row[1], row[2], row[3], row[4]): row[5] for row in rows}

    def _denied(self, listings: Sequence[Listing], accounts: Accounts) -> dict[str, object]:
        return {
            "reason": DENIED_BY_POLICY,
            "words": BY_WORDS,
            "run_id": self._run_id,
            "names": [listing.name for listing in listings],
            **accounts.parameters,
        }

    @property
    def unrecorded_calls(self) -> frozenset[str]:
        """As `Known.unrecorded_calls`."""
        with self._store.read() as connection:
            return unrecorded_calls(connection)

    def callers(self, accounts: Accounts) -> Callers:
        """As `Known.callers`."""
        rows = rows_within_memory(
            self._store,
            """
            select distinct role, account_id, region, outcome = 'wrong_account'
            from audit.coverage
            where
                run_id = $run
                and (
                    outcome = 'wrong_account'
                    or (outcome = 'found' and list_contains($proving, split_part(listing, ':', 1)))
                )
                and account_id >= $since_account and account_id < $before_account
            """,
            {
                "run": self._run_id,
                "proving": [listing.name for listing in known_listings().values() if listing.proves_account],
                **accounts.parameters,
            },
        )
        return Callers(
            wrong=frozenset((role, account, region) for role, account, region, is_wrong in rows if is_wrong),
            proven=frozenset((role, account) for role, account, _, is_wrong in rows if not is_wrong),
        )


def _named_elsewhere(
    connection: "duckdb.DuckDBPyConnection", listings: Sequence[Listing], accounts: Accounts
) -> frozenset[tuple[str, str, str]]:
    """Places of which the tagging API or AWS Config names a resource that no cell holds."""
    tables = (("aws", "tagged_resource"), ("aws", "config_resource"), ("cmdb", "resource"))
    if not all(exists(connection, schema, name) for schema, name in tables):
        return frozenset()
    rows = connection.execute(
        """
        with wanted as (
            select unnest($names) as listing, unnest($types) as resource_type, unnest($forms) as arn_form
        ),

        named as (
            select wanted.listing, entry.account_id, entry.region, entry.arn
            from aws.config_resource as entry
            join wanted using (resource_type)
            where not entry.is_stale and not starts_with(coalesce(entry.state, ''), 'ResourceDeleted')
            union
            select wanted.listing, entry.account_id, entry.region, entry.arn
            from aws.tagged_resource as entry
            join wanted
                on starts_with(entry.service || ':' || regexp_replace(entry.arn, '^([^:]*:){5}', ''), wanted.arn_form)
            where not entry.is_stale
        )

        select distinct account_id, region, listing
        from named
        anti join (select arn from cmdb.resource where status <> 'retired') as held using (arn)
        where account_id >= $since_account and account_id < $before_account
        """,
        {
            "names": [listing.name for listing in listings],
            "types": [listing.resource_type for listing in listings],
            "forms": [listing.arn_form for listing in listings],
            **accounts.parameters,
        },
    ).fetchall()
    regional = {listing.name: listing.scope == "regional" for listing in listings}
    return frozenset((account, region if regional[name] else "", name) for account, region, name in rows)


def _cadence(connection: "duckdb.DuckDBPyConnection", listings: Sequence[Listing], accounts: Accounts) -> Cadence:
    """What the stored cells, plans and tables say of listings that change seldom."""
    rows = connection.execute(
        """
        select run_id, listing, listing_fingerprint from audit.step_plan
        where list_contains($listings, listing) and listing_fingerprint is not null
        """,
        {"listings": [listing.name for listing in listings]},
    ).fetchall()
    named = _named_elsewhere(connection, [listing for listing in listings if listing.arn_form], accounts)
    parents = connection.execute(
        """
        -- Held first: as a filter of the table DuckDB would look into the evidence of every account.
        with cell as materialized (
            select c.role, c.account_id, c.region, c.listing, c.evidence
            from audit.coverage as v
            join audit.collection as c using (run_id, role, account_id, region, listing)
            where
                list_contains($names, v.listing)
                and v.account_id >= $since_account and v.account_id < $before_account
                and c.account_id >= $since_account and c.account_id < $before_account
        )

        select role, account_id, region, listing, evidence ->> '$.parents' as parents
        from cell
        where parents is not null
        """,
        {"names": [listing.name for listing in listings if listing.each], **accounts.parameters},
    ).fetchall()
    return Cadence(
        {(run, listing): found for run, listing, found in rows},
        named,
        {CellKey(*row[:4]): row[4] for row in parents},
    )
