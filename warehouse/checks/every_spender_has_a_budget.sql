-- Every value of a tag key with budgets that costs a thousandth of this month's bill or more has a budget of this month.
-- about: cost.spend_vs_budget
-- severity: warn
-- refetch: nothing
with spender as (
    select
        *,
        sum(period_to_date) over (partition by scope) as bill
    from cost.spend_vs_budget
    where
        as_of_date = (select max(newest.as_of_date) from cost.spend_vs_budget as newest)
        and not starts_with(scope, 'aws:')
        and scope <> 'total'
)

select
    scope,
    budget_name,
    period_start,
    period_to_date,
    currency
from spender
where
    verdict = 'no budget'
    -- Of what no value stands for, cost.allocation and its share speak.
    and budget_name not in ('(shared)', '(unallocated)')
    -- What is not known to be nothing is something.
    and coalesce(period_to_date >= 0.001 * bill and period_to_date > 0, true)
