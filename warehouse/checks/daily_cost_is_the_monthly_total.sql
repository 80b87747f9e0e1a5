-- The days of each month that AWS has closed add up to what AWS says the month came to.
-- about: cost.reconciliation
-- asks: cost_daily, cost_monthly
select
    scope,
    expected,
    observed,
    difference,
    tolerance,
    unit
from cost.reconciliation
where rule = 'daily_cost_is_the_monthly_total' and not passed and not is_estimated
