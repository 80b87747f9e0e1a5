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
    total.month,
    total.period_end,
    answered.answered_date,
    total.unblended_cost as expected,
    coalesce(sum(cost.unblended_cost), 0)::decimal(28, 10) as observed,
    (count(cost.usage_date) + 1) * 0.00000000005 as tolerance,
    total.currency as unit,
    total.is_estimated or coalesce(bool_or(cost.is_estimated), false) as is_estimated
from stage.cost_monthly as total
inner join stage.slice_month as answered on total.month = answered.month and answered.slice = 'service'
left join cost.daily as cost
    on
        cost.slice = 'service'
        and total.month = date_trunc('month', cost.usage_date)
        and total.period_end > cost.usage_date
where not total.is_stale
group by
    total.month,
    total.period_end,
    answered.answered_date,
    total.unblended_cost,
    total.currency,
    total.is_estimated
