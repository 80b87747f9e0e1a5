"""Bills that are written down: lines as a trusted answer brings them, and seeds with the rows of one test."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from given import Given

from resources.audit.cells import renew_coverage
from resources.store.sql import literal

if TYPE_CHECKING:
    from given import House

PAYER, ACCOUNT, OTHER = "000000000042", "012345678901", "098765432109"
ASKED = "2026-11-24T14:00:00Z"
SPOT = ("USD", "NZD", "spot")

Line = tuple[str, str, str, str, str]
"""Day, slice, account, value, amount."""


SEEDS = {
    "ref.fx_rate": "from_currency varchar, to_currency varchar, kind varchar, valid_from date, rate decimal(18, 10), "
    "source varchar",
    "ref.budget": "scope varchar, budget_name varchar, month date, amount decimal(28, 10), currency varchar",
    "ref.tag_value_alias": "tag_key varchar, alias varchar, tag_value varchar",
    "ref.shared_cost": "kind varchar, value varchar",
    "ref.anomaly_threshold": (
        "slice varchar, min_score decimal(18, 2), money_floor decimal(28, 10), relative_floor decimal(18, 4)"
    ),
    "ref.tag_key": "tag_key varchar, resource_column varchar, is_cut_by_service boolean, description varchar",
}


def seed(home: House, relation: str, rows: Iterable[tuple[str, ...]]) -> None:
    """Let a seed hold these rows instead of its file's; last columns that a row leaves out are NULL."""
    columns = [column.strip().split(" ", 1) for column in re.split(r",(?![^(]*\))", SEEDS[relation])]
    selects = [
        "select "
        + ", ".join(
            f"{'null' if value is None else literal(value)}::{kind} as {name}"
            for value, (name, kind) in zip_longest(row, columns)
        )
        for row in rows
    ]
    empty = "select " + ", ".join(f"null::{kind} as {name}" for name, kind in columns) + " where false"
    sql = " union all ".join([*selects, empty])
    home.models[relation] = dataclasses.replace(home.models[relation], sql=sql)


def billed(home: House, lines: Iterable[Line], *, open_from: str = "2026-11-01", asked: str = ASKED) -> None:
    """Put lines into the bill as a trusted answer would have; days from `open_from` on are estimated."""
    rows = [
        (day, cut, account, value, amount, day >= open_from, f"cost_daily:{cut}:{day[:7]}")
        for day, cut, account, value, amount in lines
    ]
    names = ("day", "slice", "account", "value", "amount", "is_open", "listing")
    with home.store.transaction() as connection:
        connection.execute(
            """
            insert into cost.daily by name
            select
                day::date as usage_date, slice, account as account_id, value as dimension_value,
                amount::decimal(28, 10) as unblended_cost, amount::decimal(28, 10) as amortized_cost,
                'USD' as currency, is_open as is_estimated, 'night-1' as run_id, 'billing' as role,
                $payer as caller_account_id, 'aws-global' as cell_region, listing,
                $asked::timestamptz as collected_at, false as is_stale
            from (
                select
                    unnest($day::varchar[]) as day, unnest($slice::varchar[]) as slice,
                    unnest($account::varchar[]) as account, unnest($value::varchar[]) as value,
                    unnest($amount::varchar[]) as amount, unnest($is_open::boolean[]) as is_open,
                    unnest($listing::varchar[]) as listing
            )
            """,
            {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
            | {"payer": PAYER, "asked": asked},
        )
        for listing in sorted({row[-1] for row in rows}):
            connection.execute("delete from audit.collection where listing = $listing", {"listing": listing})
            connection.execute(
                """
                insert into audit.collection by name
                select
                    'night-1' as run_id, 'billing' as role, $payer as account_id, 'aws-global' as region,
                    $listing as listing, 'found' as outcome, true as is_trusted, 'witnessed' as empty_policy,
                    1 as record_count, $asked::timestamptz as started_at, $asked::timestamptz as ended_at
                """,
                {"payer": PAYER, "listing": listing, "asked": asked},
            )
        renew_coverage(connection)


def totals(home: House, lines: Iterable[Line]) -> None:
    """Let AWS's totals of the months be what the slice service adds up to, so that days without lines cost nothing."""
    at = dt.datetime.fromisoformat(ASKED)
    months: dict[str, Decimal] = {}
    for day, cut, _, _, amount in lines:
        if cut == "service":
            months[day[:7]] = months.get(day[:7], Decimal(0)) + Decimal(amount)
    records = []
    for month, total in months.items():
        first = dt.date.fromisoformat(f"{month}-01")
        end = min((first + dt.timedelta(days=31)).replace(day=1), at.date())
        cost = {"Amount": str(total), "Unit": "USD"}
        records.append(
            {
                "TimePeriod": {"Start": first.isoformat(), "End": end.isoformat()},
                "Estimated": end == at.date(),
                "Total": {"UnblendedCost": cost, "BilledCost": cost},
            }
        )
    home.night("night-totals", [Given("cost_monthly", records, account_id=PAYER, role="billing")], at)


def days(first: str, last: str) -> list[str]:
    start, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    return [(start + dt.timedelta(days=n)).isoformat() for n in range((end - start).days + 1)]


def service(first: str, last: str, amount: str, name: str = "A") -> list[Line]:
    return [(day, "service", ACCOUNT, name, amount) for day in days(first, last)]


def weekly(first: str, last: str, workday: str, weekend: str, *key: str) -> list[Line]:
    cut, account, value = key
    return [
        (day, cut, account, value, weekend if dt.date.fromisoformat(day).weekday() >= 5 else workday)
        for day in days(first, last)
    ]


def aws_budget(
    name: str,
    time_unit: str,
    limit: str | None,
    actual: str,
    forecast: str | None = None,
    *,
    kind: str = "COST",
    start: str = "2025-04-01",
    end: str = "2087-06-15",
) -> dict[str, Any]:
    """A budget as AWS lists it."""

    def amount(value: str) -> dict[str, str]:
        return {"Amount": value, "Unit": "USD"}

    spend = {"ActualSpend": amount(actual)} | ({} if forecast is None else {"ForecastedSpend": amount(forecast)})
    return {
        "BudgetName": name,
        "BudgetType": kind,
        "TimeUnit": time_unit,
        "TimePeriod": {"Start": f"{start}T00:00:00Z", "End": f"{end}T00:00:00Z"},
        "CalculatedSpend": spend,
    } | ({} if limit is None else {"BudgetLimit": amount(limit)})
