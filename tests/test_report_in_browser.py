"""The report in a real browser, in short: its great figures are the tables', and it reaches for nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from browser import PHONE, Browser
from nights import DATABASE, query

from pipelines.cli.summary import summarise
from resources.store.store import Store


def shown_of(tab: Browser, selector: str) -> list[dict[str, str]]:
    """The values that stand in the page, with the columns that they come from."""
    found: list[dict[str, str]] = json.loads(
        tab.run(
            f"JSON.stringify([...document.querySelectorAll({json.dumps(selector)})].map("
            "shown => ({column: shown.dataset.column, value: shown.value ?? ''})))"
        )
    )
    return found


def test_the_great_figures_are_those_of_the_tables_beneath(tab: Browser, page_file: Path, truthful_night: Path) -> None:
    """Asked another way than the report asks: from the bill as it landed, with the rate of each day."""
    database = truthful_night / DATABASE
    tab.open(page_file)
    ((spent,),) = query(
        database,
        """
        select sum(round(cost.unblended_cost * rate.rate, 10)) from cost.daily as cost
        inner join cost.exchange_rate as rate using (usage_date, currency)
        where cost.slice = 'service'
            and cost.usage_date between
            (select date_trunc('month', max(last_complete_date)) from cost.spend_vs_budget where scope = 'total')
            and (select max(last_complete_date) from cost.spend_vs_budget where scope = 'total')
        """,
    )
    tile = "[...document.querySelectorAll('.tiles div')].find(tile => tile.innerText.startsWith('Month to date'))"
    assert tab.run(f"{tile}.querySelector('data').textContent") == f"{spent:,.0f}"
    # What has a budget and what has none are the bill, and its rows are both.
    of_the_card = {row["column"]: row["value"] for row in shown_of(tab, "[data-figure=spend_total]")}
    parts_of_it = [Decimal(of_the_card[name]) for name in ("budgeted_to_date", "unbudgeted_to_date")]
    rows = [Decimal(row["value"]) for row in shown_of(tab, "[data-figure=spend_by_budget][data-column=period_to_date]")]
    assert sum(parts_of_it) == Decimal(of_the_card["period_to_date"]) == sum(rows)
    # The summary and the months tell the same amount, through the same day.
    ((to_date,),) = query(
        database,
        """
        select sum(cost.reporting_unblended_cost) from cost.by_service as cost
        inner join (
            select max(month) as month, max(through_date) as through_date
            from cost.month_coverage where slice = 'service' and through_date is not null
        ) as newest on cost.usage_date between newest.month and newest.through_date
        """,
    )
    for told in ("#summary [data-figure=movers][data-column=cost]", "[data-figure=months][data-column=cost]"):
        assert Decimal(shown_of(tab, told)[-1]["value"]) == to_date, told
    # So does what a run prints, in the currency of the bill.
    printed = summarise(Store(database))
    assert [(printed.through, printed.month_to_date)] == query(
        database,
        """
        select max(cost.usage_date)::varchar, sum(cost.unblended_cost) from cost.by_service as cost
        inner join cost.spend_vs_budget as total
            on total.scope = 'total' and cost.usage_date between total.period_start and total.last_complete_date
        """,
    )
    # Each month's stack is the whole bill of the month, by account and by service.
    whole = query(
        database,
        """
        select month, sum(round(unblended_cost * rate, 10)) from (
            select date_trunc('month', usage_date)::date as month, unblended_cost, rate
            from cost.daily inner join cost.exchange_rate using (usage_date, currency) where slice = 'service'
                and usage_date <= (select max(through_date) from cost.month_coverage where slice = 'service')
        ) group by month order by month
        """,
    )
    sums = """
        JSON.stringify([...document.querySelectorAll('[data-figure=NAME][data-column=cost]')].map(shown => shown.value))
    """
    for name in ("monthly_by_account", "monthly_by_service"):
        values = json.loads(tab.run(sums.replace("NAME", name)))
        assert sum(map(Decimal, values)) == sum(amount for _, amount in whole), name
    # What is allocated and what is not is the bill of the last whole month again.
    ((allocated,),) = query(
        database,
        "select sum(reporting_cost) from cost.allocation where tag_key = 'bc:cost-centre' and month = "
        "(select max(month) from cost.month_coverage where slice = 'service' and through_date = last_day(month))",
    )
    parts = json.loads(
        tab.run("""
        JSON.stringify([...document.querySelectorAll('#allocation tr')].filter(
            line => line.innerText.startsWith('bc:cost-centre'))[0].querySelectorAll('data').values().map(
            shown => [shown.dataset.column, shown.value]).toArray())
    """)
    )
    assert sum(Decimal(value) for column, value in parts if column != "allocated_pct") == allocated


def test_a_browser_requests_nothing_but_the_page_and_may_not(tab: Browser, page_file: Path) -> None:
    tab.open(page_file)
    assert tab.asked() == [page_file.as_uri()]
    assert tab.complaints() == []
    tab.run("""
        document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x'}));
        const script = document.createElement('script'); script.textContent = 'window.ran = 1';
        document.body.append(script);
    """)
    assert tab.run("new Promise(done => setTimeout(() => done(window.ran ?? null), 100))") is None
    refused = [text for text in tab.complaints() if "Content Security Policy" in text]
    assert len(refused) == 2
    stopped = [event["params"] for event in tab.events if event["method"] == "Network.loadingFailed"]
    assert [failure["blockedReason"] for failure in stopped] == ["csp"]


def test_a_long_name_neither_widens_the_page_nor_cuts_an_account_id(tab: Browser, page_file: Path) -> None:
    tab.open(page_file, size=PHONE)
    tab.run("""
        const name = 'x'.repeat(200);
        const both = `<ul><li>${name}</li></ul><p class="note">${name}</p>`;
        document.querySelector('#banner').insertAdjacentHTML('beforeend', both);
        document.querySelectorAll('.heat bdi').forEach(shown => shown.textContent = name);
    """)
    assert tab.run("document.documentElement.scrollWidth") <= PHONE[0]
    hidden = """[...document.querySelectorAll('.heat .id')].filter(shown => shown.getClientRects().length !== 1
        || shown.getBoundingClientRect().right > shown.closest('th').getBoundingClientRect().right).length"""
    assert tab.run("document.querySelectorAll('.heat .id').length") > 0
    assert tab.run(hidden) == 0
