-- What AWS counts against a budget of the whole bill is what the bill says by the budget's own cost types, give or take
-- the last three days: budgets lag.
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
where rule = 'budgets_count_what_the_bill_says' and not passed
