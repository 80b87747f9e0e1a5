-- What cost.resource_cost tells by resource is what each account pays for each service in each month, to the last digit.
-- about: cost.resource_cost
-- refetch: nothing
with bill as (
    select
        date_trunc('month', usage_date)::date as "month",
        account_id,
        dimension_value as service,
        sum(unblended_cost) as expected
    from cost.daily
    where slice = 'service'
    group by all
),

told as (
    select
        "month",
        account_id,
        service,
        sum(cost) as observed
    from cost.resource_cost
    group by all
)

select
    "month",
    account_id,
    service,
    bill.expected,
    told.observed
from bill
full outer join told using ("month", account_id, service)
where bill.expected is distinct from told.observed
