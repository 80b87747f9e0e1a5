-- What each value of a tag key that has budgets cost directly this month, in the reporting currency, whether it has a budget or
-- not; with what everybody bears and what nobody answers for it is the bill.
select
    scope,
    budget_name,
    period_to_date,
    budget,
    currency,
    pace_pct,
    forecast,
    forecast_source,
    variance,
    usage_effect,
    rate_effect,
    verdict,
    unknown_reason,
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
order by
    actual_amount / nullif(limit_amount, 0) desc nulls last,
    period_to_date desc nulls last,
    scope asc,
    budget_name asc
limit 40
