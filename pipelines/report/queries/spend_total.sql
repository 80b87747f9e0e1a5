-- The whole bill of the running month through its last complete day, and how much of it has a budget of a tag key: what was spent
-- of these budgets, and what is forecast of them, in the reporting currency. Each amount is unblended, as AWS bills it. Where
-- credits make one of the two parts less than nothing, neither is a percentage of the bill.
select
    budget_name as tag_key,
    as_of_date,
    period_start,
    period_end,
    last_complete_date,
    period_to_date,
    (period_to_date - unbudgeted_to_date)::decimal(28, 10) as budgeted_to_date,
    unbudgeted_to_date,
    if(
        unbudgeted_to_date between 0 and period_to_date,
        100 * unbudgeted_to_date / nullif(period_to_date, 0),
        null
    ) as unbudgeted_pct,
    100 - unbudgeted_pct as budgeted_pct,
    budget,
    currency,
    pace_pct,
    forecast,
    forecast_source,
    (budget + variance)::decimal(28, 10) as budgeted_forecast,
    variance,
    verdict,
    unknown_reason,
    rate,
    rate_kind,
    rate_date,
    is_stale,
    fetched_at
from cost.spend_vs_budget
where scope = 'total' and as_of_date = (select max(newest.as_of_date) from cost.spend_vs_budget as newest)
order by budget_name
