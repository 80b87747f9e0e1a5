"""How much of what an answer rests on is known: the cells behind what it reads, and what would mend them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.cli.explain import SKIPPED, hint_of
from pipelines.cli.mcp.bounds import Bounds
from pipelines.cli.mcp.lineage import EVERYTHING, Read
from resources.store.sql import identifier

if TYPE_CHECKING:
    import duckdb

SELF_TELLING = frozenset({"audit.claim", "audit.claim_gap", "audit.claim_listing", "audit.listing"})
"""Tables of the evidence that say themselves what is unknown."""

OWN_ROWS = frozenset({"cmdb.resource", "cmdb.resource_version"})
"""Relations beside schema aws whose rows of an account rest on its own cells and the organisation's alone."""

UNKNOWN_REASON = "unknown_reason"
"""The column of a table that holds beside its figures those that could not be judged."""

EXAMPLES = 5
"""Unknown cells of each reason that an answer names."""

CELL = ("role", "account_id", "region", "listing", "unknown_reason", "last_trusted_at")
"""What is said of an unknown cell."""

REMEDIES = 5
"""Remedies that an answer names."""


@dataclass(frozen=True)
class ListingCells:
    """The cells of one listing that an answer rests on.

    Attributes:
        role: the role of the contract that requests it.
        listing: without its parameter.
        part: of the bill the kind of slice; else empty.
        reasons: how many cells are unknown, by reason.
        as_of: when the least recent response that counts was complete, UTC; of the bill the most recent one.
    """

    role: str
    listing: str
    part: str
    judged: int
    reasons: Mapping[str, int]
    as_of: datetime | None

    @property
    def unknown(self) -> int:
        """Cells whose newest response does not count, or that were never requested."""
        return sum(self.reasons.values())


@dataclass(frozen=True)
class Scope:
    """What an answer rests on, in cells: one listing of one account and region, or one slice and month of the bill.

    Attributes:
        listings: the cells by listing.
        unknown_cells: some of them that are unknown, of each reason the first.
        remedies: what mends what is unknown, the most frequent reason first.
        left_out: what is not counted although the query reads it, with the reason.
        rests_on: the relations that were read.
        is_evidence: whether every relation that is read says itself what is unknown.
        unjudged: how many rows of the relations that are read could not be judged themselves, by where they stand.
        bounds: where the file ends for the query.
    """

    listings: tuple[ListingCells, ...] = ()
    unknown_cells: tuple[Mapping[str, Any], ...] = ()
    remedies: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()
    is_evidence: bool = False
    unjudged: Mapping[str, int] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def is_known(self) -> bool:
        """Whether nothing that the answer rests on is unknown: no cell and no row, and nothing is beyond the file."""
        return not (self.unknown or any(self.unjudged.values()) or self.bounds.beyond)

    @property
    def judged(self) -> int:
        """Cells whose newest response counts."""
        return sum(entry.judged for entry in self.listings)

    @property
    def unknown(self) -> int:
        """Cells that are not known."""
        return sum(entry.unknown for entry in self.listings)

    @property
    def reasons(self) -> dict[str, int]:
        """How many cells are unknown, by reason, the most frequent first."""
        counted: dict[str, int] = {}
        for entry in self.listings:
            for reason, cells in entry.reasons.items():
                counted[reason] = counted.get(reason, 0) + cells
        return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

    @property
    def as_of(self) -> datetime | None:
        """When the least recent response that counts was complete, UTC; None where none counts."""
        return min((entry.as_of for entry in self.listings if entry.as_of is not None), default=None)


def scope_of(
    connection: "duckdb.DuckDBPyConnection", reads: Iterable[Read], columns: Mapping[str, Collection[str]]
) -> Scope:
    """The cells behind what is read, each cell once.

    Args:
        columns: of each relation of the file the columns that matter here.
        connection: to a published file.
        reads: what the answer reads; parts that the file does not bear out are widened to the whole relation.
    """
    wanted = _widened(connection, reads)
    listed = {
        relation: (bool(rests_on), because)
        for relation, rests_on, because in connection.execute(
            """
            select
                claim,
                count(*) filter (where left_out_because is null),
                list(distinct listing || ': ' || left_out_because) filter (where left_out_because is not null)
            from audit.claim_listing where list_contains($claims, claim) group by claim
            """,
            {"claims": [read.relation for read in wanted]},
        ).fetchall()
    }
    telling = {name for name, (rests_on, _) in listed.items() if not rests_on} | SELF_TELLING
    counted = []
    for read in wanted:
        if read.relation in listed and read.relation not in telling:
            counted.append(read)
        elif not read.relation.startswith("ref."):
            # What claims nothing of its own, such as the evidence, counts as everything.
            counted.append(
                replace(read, relation=EVERYTHING, slices=frozenset()) if read.is_exact else Read(EVERYTHING)
            )
    relations = {read.relation for read in wanted if not read.relation.startswith("ref.")}
    listings = _listings(connection, counted)
    gaps = _gaps(connection, counted) if any(entry.unknown for entry in listings) else []
    return Scope(
        listings=listings,
        unknown_cells=tuple({name: row[name] for name in CELL} for row in gaps),
        remedies=_remedies(gaps),
        left_out=tuple(sorted({one for _, because in listed.values() for one in because or ()})),
        rests_on=tuple(sorted({read.relation for read in wanted})),
        is_evidence=bool(relations) and relations <= telling,
        unjudged=_unjudged(connection, wanted, columns),
    )


def _widened(connection: "duckdb.DuckDBPyConnection", reads: Iterable[Read]) -> list[Read]:
    """The reads, each narrowed only as far as the file bears it out."""
    reads = list(reads)
    accounts = {account for read in reads for account in read.accounts}
    regions = {region for read in reads for region in read.regions}
    known_accounts = _known(
        connection,
        """
        select distinct account_id from audit.expected_cell
        where role in ('operations', 'workload') and list_contains($names, account_id)
        """,
        accounts,
    )
    known_regions = _known(
        connection, "select distinct region from audit.coverage where list_contains($names, region)", regions
    )
    found = []
    for read in reads:
        is_own = read.is_own or read.relation in OWN_ROWS or read.relation.startswith("aws.")
        # Of an account or region that nobody ever requested, no cell says that it is empty.
        holds = read.is_exact or (is_own and read.accounts <= known_accounts and read.regions <= known_regions)
        found.append(read if holds else replace(read, accounts=frozenset(), regions=frozenset()))
    return list(dict.fromkeys(found))


def _unjudged(
    connection: "duckdb.DuckDBPyConnection", reads: Iterable[Read], columns: Mapping[str, Collection[str]]
) -> dict[str, int]:
    """Rows that could not be judged: with an `unknown_reason` in the relation, or in the list beside it."""
    found: dict[str, int] = {}
    for read in reads:
        beside = f"{read.relation}_unknown"
        if UNKNOWN_REASON in columns.get(read.relation, ()):
            name, condition = read.relation, f"{UNKNOWN_REASON} is not null"
        elif beside in columns:
            name, condition = beside, "true"
        else:
            continue
        # Both columns stand in every such list of resources; where one is missing, no read is narrowed by it.
        accounts = "list_contains($accounts, account_id)" if read.accounts else "true"
        regions = "list_contains($regions, region)" if read.regions else "true"
        parameters = {"accounts": sorted(read.accounts)} if read.accounts else {}
        parameters |= {"regions": sorted(read.regions)} if read.regions else {}
        schema, _, table = name.partition(".")
        row = connection.execute(
            f"select count(*) from {identifier(schema)}.{identifier(table)} "
            f"where {condition} and {accounts} and {regions}",
            parameters,
        ).fetchone()
        if row and row[0]:
            found[name] = max(int(row[0]), found.get(name, 0))
    return found


def _known(connection: "duckdb.DuckDBPyConnection", query: str, names: Collection[str]) -> set[str]:
    return {name for (name,) in connection.execute(query, {"names": sorted(names)}).fetchall()} if names else set()


CHOSEN = """
with wanted as (
    select
        unnest($relations) as relation,
        unnest($accounts) as accounts,
        unnest($regions) as regions,
        unnest($slices) as slices,
        unnest($listings) as listings,
        unnest($exact) as is_exact
),

rests_on as (
    select wanted.*, claimed.listing, claimed.part
    from wanted
    inner join audit.claim_listing as claimed on wanted.relation = claimed.claim
    where
        claimed.left_out_because is null
        and (len(wanted.slices) = 0 or claimed.part = '' or list_contains(wanted.slices, claimed.part))
        and (len(wanted.listings) = 0 or list_contains(wanted.listings, claimed.listing))
    union all
    select wanted.*, null as listing, null as part
    from wanted
    where relation = '*'
),

cell as materialized (select * from audit.expected_cell),

chosen as (
    select distinct cell.*
    from cell
    inner join rests_on on
        (
            rests_on.listing is null
            and (len(rests_on.listings) = 0 or list_contains(rests_on.listings, cell.listing_name))
            or cell.listing_name = rests_on.listing and cell.part = rests_on.part
        )
        and (
            len(rests_on.accounts) = 0
            or list_contains(rests_on.accounts, cell.account_id)
            -- What the organisation and the hub say is about every account.
            or not rests_on.is_exact and (cell.role <> 'workload' or cell.account_id is null)
        )
        and (
            len(rests_on.regions) = 0
            or list_contains(rests_on.regions, cell.region)
            or not rests_on.is_exact and (cell.role <> 'workload' or cell.region = 'aws-global')
        )
)
"""
"""The cells that were read, as `chosen`."""


def _parameters(reads: list[Read]) -> dict[str, Any]:
    return {
        "relations": [read.relation for read in reads],
        "accounts": [sorted(read.accounts) for read in reads],
        "regions": [sorted(read.regions) for read in reads],
        "slices": [sorted(read.slices) for read in reads],
        "listings": [sorted(read.listings) for read in reads],
        "exact": [read.is_exact for read in reads],
    }


def _listings(connection: "duckdb.DuckDBPyConnection", reads: list[Read]) -> tuple[ListingCells, ...]:
    if not reads:
        return ()
    rows = connection.execute(
        f"""
        {CHOSEN}
        select
            role, listing_name, part, coalesce(unknown_reason, '') as reason, count(*),
            -- Closed months of the bill are not requested again: its newest response is its age.
            case when role = 'billing' then max(known_at) else min(known_at) end
        from chosen
        group by role, listing_name, part, reason
        order by role, listing_name, part, reason
        """,
        _parameters(reads),
    ).fetchall()
    found: dict[tuple[str, str, str], ListingCells] = {}
    for role, listing, part, reason, cells, known_at in rows:
        entry = found.get((role, listing, part), ListingCells(role, listing, part, 0, {}, None))
        if reason:
            entry = replace(entry, reasons={**entry.reasons, reason: cells})
        else:
            entry = replace(entry, judged=cells, as_of=known_at)
        found[role, listing, part] = entry
    return tuple(found.values())


def _gaps(connection: "duckdb.DuckDBPyConnection", reads: list[Read]) -> list[dict[str, Any]]:
    """Some unknown cells of each reason, the most frequent reason first, with what a remedy is chosen by."""
    cursor = connection.execute(
        f"""
        {CHOSEN},

        gap as (
            select
                *,
                count(*) over (partition by unknown_reason) as cells
            from chosen
            where not is_judged
            qualify row_number() over (partition by unknown_reason order by account_id, region, listing) <= $examples
        )

        select
            gap.role, gap.account_id, gap.region, gap.listing, gap.unknown_reason, gap.last_trusted_at,
            newest.outcome, newest.skip_reason, newest.error_code, newest.error_message, newest.empty_policy,
            newest.is_trusted, newest.profile
        from gap
        left join audit.coverage as newest using (role, account_id, region, listing)
        order by gap.cells desc, gap.unknown_reason, gap.account_id, gap.region, gap.listing
        """,
        {**_parameters(reads), "examples": EXAMPLES},
    )
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def _remedies(gaps: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What mends what is unknown: for each reason at most two sentences."""
    found: dict[str, dict[str, None]] = {}
    for row in gaps:
        found.setdefault(row["unknown_reason"], {})[_remedy(row)] = None
    return tuple(f"{reason}: {'; or '.join(list(each)[:2])}" for reason, each in list(found.items())[:REMEDIES])


def _remedy(row: Mapping[str, Any]) -> str:
    if row["outcome"] is None:
        return (
            "nobody ever requested it: `cmdb nightly` does where a profile reaches the account, and `cmdb profiles` "
            "prints the stanza where none does"
        )
    return (
        hint_of(row) or f"nothing can be done from here, {SKIPPED.get(row['skip_reason'] or '', ('it is so', ''))[0]}"
    )
