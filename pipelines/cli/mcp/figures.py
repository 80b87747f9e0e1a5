"""The tools about figures: how much is known, what the bill says, and what is found wrong."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from pipelines.cli.mcp.answer import Answer
from pipelines.cli.mcp.lineage import EVERYTHING, Read
from pipelines.cli.mcp.mentions import Mentions
from pipelines.cli.mcp.parameters import Account, Limit, Region, named
from pipelines.cli.mcp.queries import ROWS, WITHOUT_RATE, Published, QueryRefused

Cut = Literal["total", "account", "service", "region", "record_type", "usage_type", "tag", "organizational_unit"]

CUTS: dict[str, tuple[str, str]] = {
    "total": ("cost.by_service", "'total'"),
    "account": ("cost.by_service", "account_id"),
    "service": ("cost.by_service", "service"),
    "region": ("cost.by_region", "region"),
    "record_type": ("cost.by_record_type", "record_type"),
    "usage_type": ("cost.by_usage_type", "usage_type"),
    "tag": ("cost.by_tag", "tag_value"),
    "organizational_unit": ("cost.by_organizational_unit", "coalesce(ou_path, 'not known')"),
}
"""Of each cut of the bill its view, and what is shown of it. No two of them are ever added."""

CONVERTED = f"""
    if(count(*) = count(bill.reporting_unblended_cost), sum(bill.reporting_unblended_cost), null) as reporting_cost,
    any_value(bill.reporting_currency) as reporting_currency,
    count(distinct bill.usage_date) filter (where bill.reporting_unblended_cost is null) as {WITHOUT_RATE},
    coalesce(bool_or(bill.is_example_rate), false) as is_example_rate
"""
"""The bill in the reporting currency: the money of some days alone is no sum."""

CONVERTED_COLUMNS = ("reporting_cost", "reporting_currency", WITHOUT_RATE, "is_example_rate")

Finding = Literal[
    "exposure",
    "exposure_unknown",
    "open_rule",
    "vpc_without_flow_log",
    "unused_security_group",
    "security_group_across_accounts",
    "spend_without_inventory",
    "decommission",
    "unknown",
]

FINDINGS: dict[str, tuple[str, str]] = {
    "exposure": ("cmdb.finding_exposure", "true"),
    "exposure_unknown": ("cmdb.finding_exposure_unknown", "true"),
    "open_rule": ("cmdb.finding_open_rule", "true"),
    "vpc_without_flow_log": ("cmdb.finding_vpc_without_flow_log", "true"),
    "unused_security_group": ("cmdb.finding_unused_security_group", "true"),
    "security_group_across_accounts": ("cmdb.finding_security_group_across_accounts", "true"),
    "spend_without_inventory": ("cmdb.finding_spend_without_inventory", "true"),
    "decommission": ("cmdb.decommission_signal", "verdict = 'candidate' and resolution is null"),
    "unknown": ("cmdb.finding_unknown", "true"),
}
"""Of each kind of finding its relation, and which of its rows are open."""

OF_ONE_ACCOUNT = frozenset({"open_rule", "vpc_without_flow_log"})
"""Findings whose rows of an account rest on that account's own cells: whether there is one, not how far it reaches."""

WITHOUT_REGION = frozenset({"spend_without_inventory"})

_MONTH = re.compile(r"^\d{4}-(0[1-9]|1[0-2])$")


@dataclass(frozen=True)
class FigureTools:
    """What an assistant may ask about figures."""

    published: Published

    def coverage(
        self,
        account_id: Account = "",
        region: Region = "",
        listing: Annotated[str, Field(description="A listing such as ec2_instance; empty for all.")] = "",
    ) -> Answer:
        """How much is known: cells that were judged, and those that are unknown and why.

        One row per listing, and of one account per region too. Start here when an answer is unknown.
        """
        regions = {region, "aws-global"} if region else set()
        read = Read(EVERYTHING, named(account_id), frozenset(regions), listings=named(listing), is_exact=True)
        return self.published.answer(
            """
            select
                listing_name as listing,
                case when $account <> '' then region end as region,
                count(*) as cells,
                count(*) filter (where is_judged) as judged,
                count(*) filter (where not is_judged) as unknown,
                string_agg(distinct unknown_reason, ', ' order by unknown_reason) as unknown_reasons,
                count(distinct account_id) filter (where not is_judged) as unknown_accounts,
                sum(record_count)::bigint as records
            from audit.expected_cell
            where
                ($account = '' or account_id = $account)
                and ($region = '' or region in ($region, 'aws-global'))
                and ($listing = '' or listing_name = $listing)
            group by all
            order by unknown desc, listing, region
            """,
            {"account": account_id, "region": region, "listing": listing},
            [read],
        )

    def cost(
        self,
        by: Annotated[Cut, Field(description="How the bill is cut. No two cuts are ever added.")] = "service",
        month: Annotated[str, Field(description="YYYY-MM; empty for every month.", pattern=r"^(\d{4}-\d{2})?$")] = "",
        account_id: Account = "",
        tag_key: Annotated[str, Field(description="With by=tag: which key, such as bc:cost-centre.")] = "",
        limit: Limit = ROWS,
    ) -> Answer:
        """What the bill says, by month: unblended cost, with the days through which the month is complete.

        reporting_cost is null where days lack an exchange rate.
        """
        if month and not _MONTH.match(month):
            raise QueryRefused(f"{month} is no month: write YYYY-MM.")
        if (by == "tag") != bool(tag_key):
            raise QueryRefused("Name a tag_key with by=tag, and only then: each key is a cut of its own.")
        relation, shown = CUTS[by]
        keys = "and tag_key = $key" if by == "tag" else ""
        is_converted = by != "organizational_unit"
        converted = CONVERTED if is_converted else ", ".join(f"null as {name}" for name in CONVERTED_COLUMNS)
        slices = {"total": "service", "account": "service", "organizational_unit": "service"}
        return self.published.answer(
            f"""
            with bill as (
                select date_trunc('month', usage_date)::date as "month", *
                from {relation}
                where ($account = '' or account_id = $account) {keys}
            ),

            complete as (
                select "month", through_date, is_final
                from cost.month_coverage
                where slice = $slice
            )

            select
                bill."month", {shown} as "value", sum(bill.unblended_cost) as unblended_cost,
                any_value(bill.currency) as currency, {converted},
                any_value(complete.through_date) as complete_through, bool_and(complete.is_final) as is_final,
                bool_or(bill.is_estimated) as is_estimated
            from bill
            left join complete using ("month")
            where $month = '' or bill."month" = try_cast($month || '-01' as date)
            group by bill."month", "value"
            order by bill."month" desc, unblended_cost desc
            """,
            {"account": account_id, "month": month, "slice": f"tag:{tag_key}" if tag_key else slices.get(by, by)}
            | ({"key": tag_key} if by == "tag" else {}),
            [Read(relation, named(account_id))],
            Mentions(
                days=frozenset({date(int(month[:4]), int(month[5:]), 1)}) if month else frozenset(), tags=named(tag_key)
            ),
            limit,
        )

    def findings(
        self,
        kind: Annotated[Finding, Field(description="Which finding; unknown lists what no finding can judge.")],
        account_id: Account = "",
        region: Region = "",
        limit: Limit = ROWS,
    ) -> Answer:
        """Open findings of one kind: exposure, missing flow logs, unused groups, savings, spend without inventory."""
        if region and kind in WITHOUT_REGION:
            raise QueryRefused(f"{kind} is by account and service: ask without a region.")
        relation, condition = FINDINGS[kind]
        regions = "and ($region = '' or region = $region)" if kind not in WITHOUT_REGION else ""
        is_own = kind in OF_ONE_ACCOUNT
        return self.published.answer(
            f"select * from {relation} where {condition} and ($account = '' or account_id = $account) {regions}",
            {"account": account_id} | ({"region": region} if regions else {}),
            [Read(relation, named(account_id), named(region), is_own=is_own)],
            limit=limit,
        )
