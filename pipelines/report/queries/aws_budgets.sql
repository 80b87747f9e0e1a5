-- The budgets that AWS keeps, one by one: they overlap, so they are never added up. AWS counts them up to a moment that it
-- does not tell, by rules of their own (what they leave out stands in cost.budget).
select
    split_part(scope, ':', 2) as account_id,
    budget_name,
    period_start,
    period_end,
    period_to_date as spent,
    budget,
    currency,
    pace_pct,
    forecast,
    forecast_source,
    variance,
    rate_effect,
    verdict,
    unknown_reason,
    is_stale,
    fetched_at,
    count(*) over () as of_count
from cost.spend_vs_budget
where
    as_of_date = (select max(newest.as_of_date) from cost.spend_vs_budget as newest)
    -- A night without any budget to judge has no row; what stood before it is nothing of now.
    -- Without any bill there is nothing that the budgets could be older than.
    and as_of_date >= coalesce(
        (
            select max(cost.collected_at at time zone 'UTC')::date
            from cost.daily as cost
            where cost.slice = 'service'
        ),
        as_of_date
    )
    and starts_with(scope, 'aws:')
order by actual_amount / nullif(limit_amount, 0) desc nulls last, account_id asc, budget_name asc
limit 40
