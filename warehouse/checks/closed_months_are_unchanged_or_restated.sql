-- A month that AWS had closed costs what it cost then, or each difference stands in cost.restatement.
-- about: cost.reconciliation
-- asks: cost_daily, cost_tag_service_daily, cost_monthly
select
    scope,
    expected,
    observed,
    difference,
    tolerance,
    unit
from cost.reconciliation
where rule = 'closed_months_are_unchanged_or_restated' and not passed
