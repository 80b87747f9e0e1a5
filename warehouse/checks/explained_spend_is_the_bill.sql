-- The ledger holds every amount of the bill of its days once, in every account: to the last digit.
-- about: cost.explained_spend
-- refetch: nothing
with bill as (
    select
        billed.account_id,
        sum(billed.unblended_cost)::decimal(28, 10) as bill_cost
    from cost.daily_total as billed
    inner join stage.complete_week as week on billed.usage_date between week.first_date and week.through_date
    group by billed.account_id
),

ledger as (
    select
        account_id,
        sum(unblended_cost)::decimal(28, 10) as ledger_cost
    from cost.explained_spend
    group by account_id
)

select
    account_id,
    ledger.ledger_cost,
    bill.bill_cost
from bill
full join ledger using (account_id)
where coalesce(bill.bill_cost, 0) <> coalesce(ledger.ledger_cost, 0)
