-- What each tag key costs by service is the bill, in each month that AWS has closed.
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
where rule = 'tags_by_service_are_the_bill' and not passed and not is_estimated
