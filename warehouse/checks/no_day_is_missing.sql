-- Every slice of the bill has every day of the months that were answered, from the first day of the bill to two days
-- before the answer.
-- about: cost.reconciliation
-- asks: cost_daily, cost_tag_service_daily
select
    scope,
    expected,
    observed,
    difference,
    tolerance,
    unit
from cost.reconciliation
where rule = 'no_day_is_missing' and not passed
