-- What the days of each month add up to beside AWS's total of it, by the slice service. The running month is summed as far as
-- AWS was asked. Not part of the public interface; read cost.reconciliation.
-- materialized: view
-- key: month
-- month: First day of the month (UTC).
-- period_end: Day before which both sums end.
-- answered_date: Day (UTC) of the response that the days are of.
-- expected: AWS's total, unblended cost in the currency of unit.
-- observed: Sum of the days, unblended cost in the currency of unit.
-- tolerance: How far the two may differ: half a unit of AWS's ten decimals for each amount.
-- unit: Billing currency, ISO 4217.
-- is_estimated: True while AWS may still change an amount.
select
    told.month,
    told.period_end,
    answered.answered_date,
    told.unblended_cost as expected,
    coalesce(sum(cost.unblended_cost), 0)::decimal(28, 10) as observed,
    (count(cost.usage_date) + 1) * 0.00000000005 as tolerance,
    told.currency as unit,
    told.is_estimated or coalesce(bool_or(cost.is_estimated), false) as is_estimated
from stage.cost_monthly as told
inner join stage.slice_month as answered on told.month = answered.month and answered.slice = 'service'
left join cost.daily as cost
    on
        cost.slice = 'service'
        and told.month = date_trunc('month', cost.usage_date)
        and told.period_end > cost.usage_date
where not told.is_stale
group by
    told.month, told.period_end, answered.answered_date, told.unblended_cost, told.currency, told.is_estimated
