"""The same money stands in `cost.daily` once for each slice: what analysts are shown cannot add it up twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from bills import ACCOUNT, billed
from given import House

from pipelines.cli.repeated_money import SLICES
from pipelines.cli.slices import summed_across_slices
from pipelines.models.model import read_models

REPOSITORY = Path(__file__).parent.parent
OTHER = "000000000009"
MONEY = re.compile(r"(_|^)cost$|^(observed|difference)$")


def documented() -> Iterator[tuple[str, str]]:
    """Every query that is shown to somebody: in the docs, the notebook, and the report's own."""
    for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))):
        for number, sql in enumerate(re.findall(r"```sql\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)):
            yield f"{path.relative_to(REPOSITORY)}:{number}", sql
    for path in sorted((REPOSITORY / "docs").rglob("*.ipynb")):
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            yield f"{path.relative_to(REPOSITORY)}:{number}", "".join(cell["source"])
    for path in sorted((REPOSITORY / "pipelines" / "report" / "queries").glob("*.sql")):
        yield path.name, path.read_text(encoding="utf-8")


UNTELLABLE = {"movers.sql": "joins slices that it has named one by one in a list"}
"""Documented queries that no parser can vouch for, each with the reason."""


@pytest.fixture(scope="module")
def added_up() -> Iterator[Callable[[str], str]]:
    with duckdb.connect() as connection:
        yield lambda sql: summed_across_slices(connection, sql)


def test_no_documented_query_adds_up_slices(added_up: Callable[[str], str]) -> None:
    queries = dict(documented())
    assert len(queries) > 60
    assert {name for name, sql in queries.items() if added_up(sql)} == UNTELLABLE.keys()


WRONG = (
    "select sum(unblended_cost) from cost.by_tag",
    "select sum(unblended_cost) from cost.daily where slice <> 'x'",
    "select sum(unblended_cost) from cost.daily where slice in ('service','region')",
    "select sum(unblended_cost) from cost.daily where slice = 'service' or usage_date > '2026-01-01'",
    "select sum(unblended_cost) from cost.daily where slice like 'tag:%'",
    "select sum(unblended_cost) from cost.daily where slice is not null",
    "select account_id, sum(unblended_cost) from cost.daily group by 1",
    "select usage_date, sum(unblended_cost), count(distinct slice) from cost.daily group by all",
    "select sum(c) from (select slice, sum(unblended_cost) c from cost.daily group by all)",
    "with a as (select unblended_cost as c, account_id from cost.daily) select sum(c) from a",
    "with a as (from cost.daily) select sum(unblended_cost) from a",
    "select sum(unblended_cost) over (order by usage_date) from cost.daily",
    "select sum(unblended_cost) from cost.daily group by rollup(slice)",
    "select sum(t.unblended_cost) from cost.daily_total t join cost.month_coverage m on "
    "date_trunc('month', t.usage_date) = m.month",
    "select sum(c) from (select unblended_cost c from cost.daily where slice='service' union all "
    "select unblended_cost from cost.daily where slice='region')",
    "select sum(unblended_cost) from (select unblended_cost from cost.by_service union all select "
    "unblended_cost from cost.by_region)",
    "select sum(d.unblended_cost) from cost.daily d left join cost.month_coverage m on d.slice = "
    "m.slice and m.slice='service'",
    "select list_sum(list(unblended_cost)) from cost.daily",
    "select favg(unblended_cost) from cost.daily",
    "select unblended_cost.sum() from cost.daily",
    "select sum(unblended_cost) filter (where usage_date > '2026-01-01') from cost.daily",
    "select sum(case when slice='service' then unblended_cost else unblended_cost end) from cost.daily",
    "select a.account_id, (select sum(unblended_cost) from cost.daily d where "
    "d.account_id=a.account_id) from org.account a",
    "select sum(budget) from cost.spend_vs_budget where scope='total'",
    "select sum(limit_amount) from cost.budget where as_of_date = (select max(as_of_date) from cost.budget)",
    "select sum(export_cost) from cost.export_reconciliation",
    "select month, sum(direct_cost) from cost.allocation group by 1",
    "select sum(d.unblended_cost) from cost.daily d, (select 'service' as slice) s",
    "select sum(unblended_cost) from cost.by_tag where tag_key like 'bc:%'",
    "select sum(identified) from cost.saving",
    "select sum(x) from (select distinct unblended_cost as x from cost.daily)",
    "select sum(unblended_cost) from cost.daily where not slice = 'service'",
    "select sum(unblended_cost) as slice from cost.daily",
    "select sum(a.unblended_cost) from cost.daily a join cost.daily b using (slice, usage_date)",
    "select * from (pivot (select usage_date, account_id, unblended_cost from cost.daily) on "
    "account_id in ('1') using sum(unblended_cost))",
    "select sum(unblended_cost) from aws_org.cost.daily",
    "select sum(unblended_cost) from ((from cost.daily))",
    "select sum(unblended_cost) from cost.daily semi join (select 'service' as slice) s using (account_id)",
    "select s2, sum(unblended_cost) from (select *, split_part(slice,':',1) s2 from cost.daily) group by s2",
    "select sum(d.unblended_cost) from cost.daily d join cost.month_coverage m on d.slice > m.slice "
    "where m.slice='service'",
    "select sum(unblended_cost) from cost.daily as d(usage_date, slice) where slice = 'service'",
)
"""Queries that count money several times, or may."""

RIGHT = (
    "select sum(unblended_cost) from cost.daily where slice = 'service'",
    "select sum(unblended_cost) from cost.daily where 'service' = slice and usage_date > '2026-01-01'",
    "select sum(unblended_cost) from cost.daily d where d.slice in ('service')",
    "select sum(unblended_cost) from cost.daily where (slice = 'service')",
    "select slice, sum(unblended_cost) from cost.daily group by slice",
    "select slice, sum(unblended_cost) from cost.daily group by all",
    "select sum(unblended_cost), slice from cost.daily group by 2",
    "select slice as s, month(usage_date), sum(unblended_cost) from cost.daily group by s, 2",
    "with a as (from cost.daily) select sum(unblended_cost) from a where slice='service'",
    "with a as (select * from cost.daily where slice='service') select sum(unblended_cost) from a",
    "with a as (select slice as cut, unblended_cost c from cost.daily) select cut, sum(c) from a group by cut",
    "select max(unblended_cost), count(*), min(collected_at) from cost.daily",
    "select sum(unblended_cost) filter (where slice='service') from cost.daily",
    "select sum(case when slice='service' then unblended_cost end), sum(if(slice='region', "
    "unblended_cost, 0)) from cost.daily",
    "select sum(case slice when 'service' then unblended_cost end) from cost.daily",
    "select slice, sum(unblended_cost) over (partition by slice order by usage_date) from cost.daily",
    "select sum(d.unblended_cost) from cost.daily d join cost.month_coverage m on d.slice = m.slice "
    "and date_trunc('month', d.usage_date)=m.month where m.slice='service'",
    "select sum(unblended_cost) from cost.daily join cost.month_coverage using (slice) where slice='service'",
    "select sum(d.unblended_cost) from cost.daily d left join cost.month_coverage m on d.slice = "
    "m.slice where d.slice='service'",
    "select sum(t.unblended_cost) from cost.daily_total t where account_id in (select account_id from "
    "cost.daily where unblended_cost>1)",
    "select sum(t.unblended_cost) from cost.daily_total t join (select distinct account_id from "
    "cost.daily) using (account_id)",
    "select sum(unblended_cost) from cost.by_tag where tag_key='bc:project'",
    "select tag_key, tag_value, sum(unblended_cost) from cost.by_tag group by all",
    "select a.account_id, (select sum(unblended_cost) from cost.daily d where "
    "d.account_id=a.account_id and slice='service') from org.account a",
    "select sum(budget) from cost.spend_vs_budget where scope='bc:x' and as_of_date = (select "
    "max(as_of_date) from cost.spend_vs_budget)",
    "select sum(export_cost) from cost.export_reconciliation where account_id is not null",
    "select sum(unblended_cost) from cost.daily_total",
    "select sum(c) from (select unblended_cost c from cost.by_service where account_id='1' union all "
    "select unblended_cost from cost.by_service where account_id='2')",
    "select month, sum(identified) from cost.saving group by month",
    "select sum(budget) from (select * from cost.spend_vs_budget where scope='x' qualify row_number() "
    "over (partition by budget_name order by as_of_date desc)=1)",
    "select 1",
    "select sum(range) from range(5)",
    "select t.account_id, sum(t.unblended_cost), max(d.c) from cost.daily_total t join (select "
    "account_id, max(unblended_cost) c from cost.daily group by 1) d using (account_id) group by 1",
    "select s.c - r.c from (select sum(unblended_cost) c from cost.daily where slice='service') s, "
    "(select sum(unblended_cost) c from cost.daily where slice='region') r",
    "select sum(unblended_cost) from cost.daily where slice is not distinct from 'service'",
    "from cost.daily select sum(unblended_cost) where slice='service'",
    "select sum(unblended_cost) from cost.daily where slice = $1",
    "select * from (pivot cost.daily on slice in ('service','region') using sum(unblended_cost))",
)
"""Queries that count no money twice."""


@pytest.mark.parametrize("sql", WRONG)
def test_a_query_that_adds_up_slices_is_found(sql: str, added_up: Callable[[str], str]) -> None:
    assert "the same money" in added_up(sql)


@pytest.mark.parametrize("sql", RIGHT)
def test_a_query_of_one_slice_or_by_slice_is_right(sql: str, added_up: Callable[[str], str]) -> None:
    assert added_up(sql) == ""


def test_what_would_be_right_is_named(added_up: Callable[[str], str]) -> None:
    assert added_up("select sum(unblended_cost) from cost.by_tag") == (
        "cost.by_tag holds the same money once in each tag_key, so that the query's sums may count it several times. "
        "Compare tag_key with one value everywhere, such as tag_key = 'bc:project', or group by it; or read "
        "cost.daily_total, which holds the bill once."
    )


def test_every_relation_with_a_slice_or_a_tag_key_and_money_is_known() -> None:
    repeating = {
        model.relation
        for model in read_models().values()
        if {"slice", "tag_key"} & model.columns.keys() and any(map(MONEY.search, model.columns))
    }
    assert len(repeating) > 8
    assert repeating <= SLICES.keys()


def test_the_total_of_a_day_is_the_same_whatever_slices_there_are(blank_home: House) -> None:
    one = [("2026-11-02", "service", ACCOUNT, "A", "1.25"), ("2026-11-02", "service", ACCOUNT, "B", "2")]
    others = [("2026-11-02", "service", OTHER, "A", "-0.5"), ("2026-11-03", "service", ACCOUNT, "A", "4")]
    again = [("2026-11-02", "region", ACCOUNT, "us-east-1", "3.25"), ("2026-11-02", "tag:a", ACCOUNT, "", "3.25")]
    billed(blank_home, [*one, *others, *again], open_from="2026-11-03")
    blank_home.build("cost.daily_total")
    rows = blank_home.rows(
        "select usage_date, account_id, unblended_cost, is_estimated from cost.daily_total order by all"
    )
    assert [
        (r["usage_date"], r["account_id"], Decimal(r["unblended_cost"]), r["is_estimated"]) for r in rows
    ] == sorted(
        [
            ("2026-11-02", ACCOUNT, Decimal("3.25"), False),
            ("2026-11-02", OTHER, Decimal("-0.5"), False),
            ("2026-11-03", ACCOUNT, Decimal(4), True),
        ]
    )
    assert {row["bill_domain"] for row in blank_home.rows("select bill_domain from cost.daily_total")} == {"unknown"}
