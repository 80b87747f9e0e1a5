-- What cost.resource_cost shows by resource is what each account pays for each service in each month, to the last digit, and so
-- it is with the fees of commitments spread over what they cover.
-- refetch: nothing
-- about: cost.resource_cost
with bill as (
    select
        date_trunc('month', usage_date)::date as "month",
        account_id,
        dimension_value as service,
        sum(unblended_cost) as expected,
        if(count(*) = count(amortized_cost), sum(amortized_cost), null) as expected_amortized
    from cost.daily
    where slice = 'service'
    group by all
),

told as (
    select
        "month",
        account_id,
        service,
        sum(cost) as observed,
        -- What AWS gives for a part alone is shown for none.
        if(count(*) = count(amortized_cost), sum(amortized_cost), null) as observed_amortized
    from cost.resource_cost
    group by all
)

select
    "month",
    account_id,
    service,
    bill.expected,
    told.observed,
    bill.expected_amortized,
    told.observed_amortized
from bill
full outer join told using ("month", account_id, service)
where bill.expected is distinct from told.observed or bill.expected_amortized <> told.observed_amortized
