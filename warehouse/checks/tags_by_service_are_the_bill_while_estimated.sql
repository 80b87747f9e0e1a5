-- What each tag key costs by service is the bill, in each month that AWS may still change.
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
where rule = 'tags_by_service_are_the_bill' and not passed and is_estimated
