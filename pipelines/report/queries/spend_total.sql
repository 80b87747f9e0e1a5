-- The whole bill of the running month, and all budgets of a tag key against what of it has one, in the reporting currency.
select
    budget_name as tag_key,
    as_of_date,
    period_start,
    period_end,
    last_complete_date,
    period_to_date,
    unbudgeted_to_date,
    budget,
    currency,
    pace_pct,
    forecast,
    forecast_source,
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
