-- Each budget of ref.budget: what its tag's value cost directly this month, in the reporting currency.
select
    scope,
    budget_name,
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
    budget_rate,
    budget_rate_kind,
    count(*) over () as of_count
from cost.spend_vs_budget
where
    as_of_date = (select max(newest.as_of_date) from cost.spend_vs_budget as newest)
    and scope <> 'total' and not starts_with(scope, 'aws:')
order by month_to_date / nullif(budget, 0) desc nulls last, scope asc, budget_name asc
limit 40
