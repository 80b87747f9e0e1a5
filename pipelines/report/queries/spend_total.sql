-- The whole bill of the running month against all budgets of a tag key, in the reporting currency.
select
    budget_name as tag_key,
    as_of_date,
    period_start,
    period_end,
    last_complete_date,
    month_to_date,
    budget,
    currency,
    pace_pct,
    forecast,
    forecast_source,
    variance,
    verdict,
    rate,
    rate_kind,
    rate_date,
    is_stale,
    fetched_at
from cost.spend_vs_budget
where scope = 'total' and as_of_date = (select max(newest.as_of_date) from cost.spend_vs_budget as newest)
order by budget_name
