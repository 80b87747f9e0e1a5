-- The days of each month that AWS may still change add up to what AWS says the month came to.
-- about: cost.reconciliation
-- severity: warn
select
    scope,
    expected,
    observed,
    difference,
    tolerance,
    unit
from cost.reconciliation
where rule = 'daily_cost_is_the_monthly_total' and not passed and is_estimated
