-- The rows of each month and tag key in cost.allocation add up to the bill, the shared cost included, to the last
-- digit.
-- about: cost.reconciliation
-- asks: nothing
select
    scope,
    expected,
    observed,
    difference,
    tolerance,
    unit
from cost.reconciliation
where rule = 'allocation_adds_up_to_the_bill' and not passed
