-- Every account and day on which a slice of the bill is not the same money as the slice service. Not part of the public
-- interface; read cost.reconciliation.
-- materialized: view
-- key: usage_date, slice, account_id
-- usage_date: Day of use (UTC).
-- slice: The slice that is held against service.
-- account_id: The linked account, 12 digits.
-- expected: Unblended cost in the slice service, in the billing currency; 0 where it has no row.
-- observed: Unblended cost in this slice, in the billing currency; 0 where it has no row.
-- difference: observed less expected.
-- tolerance: AWS rounds to ten decimals: half a unit of the tenth for each row that was added.
-- is_estimated: True while AWS may still change either.
with compared as (
    select
        other.slice,
        other.month
    from stage.slice_month as other
    inner join stage.slice_month as service on other.month = service.month and service.slice = 'service'
    where other.slice <> 'service'
),

total as (
    select
        slice,
        date_trunc('month', usage_date)::date as bill_month,
        usage_date,
        account_id,
        sum(unblended_cost)::decimal(28, 10) as cost,
        count(*) as row_count,
        bool_or(is_estimated) as is_estimated
    from cost.daily
    group by slice, usage_date, account_id
),

expected as (
    select
        compared.slice,
        total.* exclude (slice)
    from total
    inner join compared on total.bill_month = compared.month
    where total.slice = 'service'
),

observed as (
    select total.*
    from total
    inner join compared on total.slice = compared.slice and total.bill_month = compared.month
),

both_sides as (
    select
        coalesce(observed.usage_date, expected.usage_date) as usage_date,
        coalesce(observed.slice, expected.slice) as slice,
        coalesce(observed.account_id, expected.account_id) as account_id,
        coalesce(expected.cost, 0)::decimal(28, 10) as expected,
        coalesce(observed.cost, 0)::decimal(28, 10) as observed,
        (coalesce(expected.row_count, 0) + coalesce(observed.row_count, 0)) * 0.00000000005 as tolerance,
        coalesce(expected.is_estimated, false) or coalesce(observed.is_estimated, false) as is_estimated
    from expected
    full outer join observed using (slice, usage_date, account_id)
)

select
    usage_date,
    slice,
    account_id,
    expected,
    observed,
    (observed - expected)::decimal(28, 10) as difference,
    tolerance::decimal(28, 11) as tolerance,
    is_estimated
from both_sides
where abs(observed - expected) > tolerance
