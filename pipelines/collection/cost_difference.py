"""Which days of the bill a run requests: those that differ from the bill by account, or that may still grow.

Every slice has the same money of each account and day. So the rows that the warehouse holds of a slice are compared
with the newest bill by account, which takes few pages. Where they agree they stay, and their cell says nothing new.
Money that AWS moves inside an account and day changes no total: it is seen when the month closes, since the estimate
flag of every day changes then, and after that when the month has its turn (`late_costs`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.collection.cost_slices import (
    ACCOUNT,
    BY_ACCOUNT,
    METRIC_COLUMNS,
    SERVICE,
    TOTAL,
    Month,
    Slice,
    cell_listing,
)
from resources.store.sql import exists, identifier

if TYPE_CHECKING:
    import duckdb

GROWS_FOR = timedelta(days=3)
"""A day is requested until a response of this long after it: AWS refreshes the bill at least once in 24 hours, and
values of tags come later than the costs."""

ROWS_A_PAGE = 1000
"""Rows of a page of Cost Explorer, where no response of several pages has shown how many it returns."""

TABLES: Mapping[bool, tuple[str, str]] = {True: ("cost", "daily"), False: ("stage", "cost_tag_service_daily")}
"""The table of the slices by account, and of those without."""


@dataclass(frozen=True)
class StoredSlice:
    """What the warehouse holds of a slice and month.

    Attributes:
        read_since: when the row that was fetched longest ago was fetched.
        read_at: when the newest row was fetched.
        rows: the number of rows.
        is_of_this_bill: whether the pre-flight found the bill then as it finds it now: whose it is, and who pays it.
        made_by: what the catalogue and the tables read of every row, as `RecordRule.fingerprint`; empty if unknown.
        rows_a_page: rows of a page of the newest response; 0 where it had one page, or some days only.
    """

    read_since: datetime
    read_at: datetime
    rows: int
    is_of_this_bill: bool = True
    made_by: str = ""
    rows_a_page: int = 0


@dataclass(frozen=True)
class ChangedDays:
    """How the stored rows of a slice and month differ from the bill by account.

    Attributes:
        days: the days that have to be fetched, in order.
        rows: stored rows by day.
        read_at: when the row of each stored day was fetched that was fetched longest ago.
        is_doubtful: whether the bill by account lacks a day that is stored, so that the month has to be fetched whole.
    """

    days: tuple[date, ...]
    rows: Mapping[date, int]
    read_at: Mapping[date, datetime] = field(default_factory=dict)
    is_doubtful: bool = False

    def ranges(self, month: Month, page: int) -> tuple[Month, ...]:
        """The days as ranges; what lies between two ranges is fetched too where it takes less than a page.

        Args:
            page: rows of a page.
        """
        found: list[Month] = []
        for day in self.days:
            following = day + timedelta(days=1)
            between = days_of([Month(found[-1].end, day)]) if found else []
            if found and sum(self.rows.get(one, 0) for one in between) < page:
                found[-1] = Month(found[-1].start, following)
            else:
                found.append(Month(day, following))
        return (month,) if self.is_doubtful else tuple(found)

    def pages(self, ranges: Sequence[Month], page: int) -> int:
        """The pages that ranges are expected to take; a day that is not stored is as large as the largest that is."""
        largest = max(self.rows.values(), default=0)
        rows = [sum(self.rows.get(day, largest) for day in days_of([one])) for one in ranges]
        return sum(max(1, -(-count // page)) for count in rows)

    def longest_ago(self, month: Month, page: int, room: int) -> "ChangedDays":
        """With other days to fetch: those that were fetched longest ago, as many as take no more than `room` pages.

        Args:
            page: rows of a page.
        """
        found = replace(self, days=())
        for day in sorted(self.rows, key=lambda day: (self.read_at[day], day)):
            more = replace(self, days=tuple(sorted((*found.days, day))))
            if self.pages(more.ranges(month, page), page) > room:
                break
            found = more
        return found


def days_of(ranges: Iterable[Month]) -> list[date]:
    """Every day of some ranges, in their order."""
    return [one.start + timedelta(days=number) for one in ranges for number in range((one.end - one.start).days)]


def stored_slices(connection: "duckdb.DuckDBPyConnection", account_id: str) -> dict[str, StoredSlice]:
    """What is stored of the slices and months of a payer, by listing with its parameter."""
    found: dict[str, StoredSlice] = {}
    for schema, name in TABLES.values():
        if exists(connection, schema, name):
            rows = connection.execute(
                f"""
                with response as (
                    select listing, collected_at, count(*) as row_count
                    from {identifier(schema)}.{identifier(name)}
                    where role = 'billing' and caller_account_id = $account_id
                    group by listing, collected_at
                ),

                newest as (select domain, payer_account_id from audit.bill order by checked_at desc limit 1),

                held as (
                    select
                        response.listing,
                        min(response.collected_at) as read_since,
                        max(response.collected_at) as read_at,
                        sum(response.row_count)::bigint as row_count,
                        bool_and(
                            bill.domain is null
                            -- Whose the bill is could not be found out: that it changed would show in its amounts.
                            or 'unknown' in (bill.domain, newest.domain)
                            or (bill.domain, coalesce(bill.payer_account_id, ''))
                            = (newest.domain, coalesce(newest.payer_account_id, ''))
                        ) as is_of_this_bill
                    from response
                    asof left join audit.bill as bill on response.collected_at >= bill.checked_at
                    left join newest on true
                    group by response.listing
                )

                select
                    held.*, coalesce(any_value(cell.evidence ->> '$.made_by'), ''),
                    coalesce(max(cell.record_count // nullif(cell.page_count, 0))
                        filter (cell.page_count > 1 and (cell.evidence -> '$.days') is null), 0)
                from held
                left join audit.collection as cell
                    on
                        cell.role = 'billing' and cell.account_id = $account_id and cell.listing = held.listing
                        and cell.ended_at = held.read_at and cell.is_trusted
                group by all
                """,
                {"account_id": account_id},
            ).fetchall()
            found |= {listing: StoredSlice(*stored) for listing, *stored in rows}
    return found


def read_times(
    cells: Iterable[tuple[str, datetime]], stored: Mapping[str, StoredSlice]
) -> list[tuple[str, datetime, datetime]]:
    """When each trusted cell of the bill was fetched, and when it was last seen to be right.

    A response of some days leaves the other days as they were fetched before. A month whose slices agree with a later
    bill by account was right when that was fetched: what had changed was fetched after it.

    Args:
        cells: name and end of the newest cells that are trusted.
        stored: what is stored of them.
    """
    ended = dict(cells)
    found = []
    for listing, ended_at in ended.items():
        own = stored.get(listing)
        is_held = own is not None and own.read_at == ended_at
        read_at = own.read_since if own is not None and is_held else ended_at
        total_at = ended.get(f"{ACCOUNT.listing}:{ACCOUNT.name}:{listing.rpartition(':')[2]}")
        found.append((listing, read_at, max(ended_at, total_at) if is_held and total_at else ended_at))
    return found


def changed_days(
    connection: "duckdb.DuckDBPyConnection", account_id: str, month: Month, slices: Collection[Slice], landed: Path
) -> dict[Slice, ChangedDays]:
    """The days of a month on which the stored rows of slices differ from the bill by account.

    A slice without accounts is compared by day, and has besides the days that the slices by account have. Where none of
    those is compared, neither is it.

    Args:
        landed: the file with the records of the bill by account.
    """
    connection.execute("create or replace temp table bill_total as " + _TOTALS, _of(month, landed))
    found: dict[Slice, ChangedDays] = {}
    for is_by_account, (schema, name) in TABLES.items():
        names = {cell_listing(one, month): one for one in slices if (BY_ACCOUNT in one.groups) is is_by_account}
        if not names or not exists(connection, schema, name):
            continue
        rows = connection.execute(
            _compared(schema, name, "account_id" if is_by_account else "''"),
            {
                "listings": list(names),
                "payer": account_id,
                "since": month.start,
                "until": month.end,
                "grows_for": GROWS_FOR.days,
            },
        ).fetchall()
        days: dict[str, dict[date, tuple[int, datetime, bool, bool]]] = {listing: {} for listing in names}
        for listing, day, *stored in rows:
            days[listing][day] = tuple(stored)
        for listing, by_day in days.items():
            found[names[listing]] = ChangedDays(
                tuple(day for day, (_, _, is_changed, _) in by_day.items() if is_changed),
                {day: count for day, (count, _, _, _) in by_day.items() if count},
                {day: read_at for day, (count, read_at, _, _) in by_day.items() if count},
                is_doubtful=any(is_gone for _, _, _, is_gone in by_day.values()),
            )
    if not any(BY_ACCOUNT in one.groups for one in found):
        # The total of a day does not tell what moved between accounts, and nothing else was compared that does.
        return {}
    shared = {day for one, changed in found.items() if BY_ACCOUNT in one.groups for day in changed.days}
    return {
        one: changed if BY_ACCOUNT in one.groups else replace(changed, days=tuple(sorted(shared | {*changed.days})))
        for one, changed in found.items()
    }


def disputed_months(connection: "duckdb.DuckDBPyConnection", account_id: str, until: date, landed: Path) -> set[str]:
    """The closed months, such as `2026-09`, whose stored days do not add up to the monthly totals of this run.

    Args:
        until: first day of the oldest month that AWS may still change in the ordinary way.
        landed: the file with the records of the totals.
    """
    schema, name = TABLES[True]
    if not exists(connection, schema, name):
        return set()
    rows = connection.execute(
        _DISPUTED,
        {
            "landed": str(landed),
            "listing": cell_listing(TOTAL, Month(until, until)),
            "payer": account_id,
            "slice": SERVICE.name,
            "until": until,
        },
    ).fetchall()
    return {month for (month,) in rows}


def months_of(cells: Iterable[tuple[Slice, Month]]) -> list[Month]:
    """The months of cells, without the one of the total, newest first."""
    return sorted({month for one, month in cells if one != TOTAL}, key=lambda month: month.start, reverse=True)


def _of(month: Month, landed: Path) -> dict[str, Any]:
    return {"landed": str(landed), "listing": cell_listing(ACCOUNT, month)}


_LANDED = """read_json(
        $landed,
        format = 'newline_delimited',
        columns = {listing: 'VARCHAR', item: 'JSON'}
    )"""

_TOTALS = f"""
    select
        try_cast(item ->> '$.TimePeriod.Start' as date) as usage_date,
        item ->> '$.Keys[0]' as account_id,
        item ->> '$.Metrics.UnblendedCost.Unit' as currency,
        try_cast(item ->> '$.Estimated' as boolean) as is_estimated,
        {
    ", ".join(
        f"try_cast(item ->> '$.Metrics.{metric}.Amount' as decimal(28, 10)) as {column}"
        for column, metric in METRIC_COLUMNS.items()
    )
}
    from {_LANDED}
    where listing = $listing
"""

# The tolerance is that of `cost.reconciliation`, which does not refuse what AWS still estimates either.
_DISPUTED = f"""
    with reported as (
        select
            try_cast(item ->> '$.TimePeriod.Start' as date) as month,
            try_cast(item ->> '$.Total.UnblendedCost.Amount' as decimal(28, 10)) as unblended_cost,
            try_cast(item ->> '$.Estimated' as boolean) as is_estimated
        from {_LANDED}
        where listing = $listing
    )

    select strftime(reported.month, '%Y-%m')
    from reported
    left join cost.daily as held
        on
            reported.month = date_trunc('month', held.usage_date)
            and held.role = 'billing' and held.caller_account_id = $payer and held.slice = $slice
    where reported.month < $until and not reported.is_estimated
    group by reported.month, reported.unblended_cost
    having
        not coalesce(bool_or(held.is_estimated), false)
        and abs(coalesce(sum(held.unblended_cost), 0) - reported.unblended_cost)
        > (count(held.usage_date) + 1) * 0.00000000005
"""


def _compared(schema: str, table: str, account: str) -> str:
    """The query of the days of each listing: stored rows, whether they differ, and whether the total lacks the day.

    AWS rounds every amount to ten decimals, so the sum of n rows may differ from the total by half a unit for each. A
    metric that neither has, as of a payer with the classic ones only, does not differ.
    """
    sums = ", ".join(f"sum({column}) as {column}" for column in METRIC_COLUMNS)
    differs = " or ".join(
        f"""(total.{column} is null) <> (held.{column} is null)
            or coalesce(
                abs(total.{column} - held.{column}) > (held.row_count + total.row_count) * 0.00000000005, false
            )"""
        for column in METRIC_COLUMNS
    )
    flags = """
        min(currency) as currency, count(distinct currency) as currencies,
        bool_and(is_estimated) as all_estimated, bool_or(is_estimated) as any_estimated
    """
    return f"""
        with held as (
            select
                listing, usage_date, {account} as account, {sums}, {flags}, count(*) as row_count,
                min(collected_at) as collected_at
            from {identifier(schema)}.{identifier(table)}
            where
                role = 'billing' and caller_account_id = $payer and list_contains($listings, listing)
                and usage_date >= $since and usage_date < $until
            group by listing, usage_date, account
        ),

        by_account as (
            select usage_date, {account} as account, {sums}, {flags}, count(*) as row_count
            from bill_total
            group by usage_date, account
        ),

        total as (
            select wanted.listing, by_account.*
            from (select unnest($listings) as listing) as wanted
            cross join by_account
        ),

        compared as (
            select
                coalesce(held.listing, total.listing) as listing,
                coalesce(held.usage_date, total.usage_date) as usage_date,
                coalesce(held.row_count, 0) as row_count,
                held.collected_at,
                total.listing is not null as is_billed,
                held.listing is null or total.listing is null
                or total.currency is distinct from held.currency or held.currencies <> 1 or total.currencies <> 1
                or total.all_estimated is distinct from held.all_estimated
                or total.any_estimated is distinct from held.any_estimated
                or held.usage_date + $grows_for::integer > (held.collected_at at time zone 'UTC')::date
                or {differs} as is_changed
            from held
            full outer join total using (listing, usage_date, account)
        )

        select
            listing, usage_date, sum(row_count)::bigint, min(collected_at),
            coalesce(bool_or(coalesce(is_changed, true)), true), not bool_or(is_billed)
        from compared
        where usage_date is not null
        group by listing, usage_date
        order by listing, usage_date
    """
