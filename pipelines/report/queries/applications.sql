-- What carries the name of a business service and what the bill shows of it directly in the last month that is whole; by cost.
-- Names that no item carries and that cost less than a hundredth of what all cost are one row: most are other spellings.
with app as (
    select
        *,
        resource_count = 0
        and coalesce(reporting_monthly_cost < 0.01 * sum(reporting_monthly_cost) over (), false) as is_folded
    from cmdb.application
),

folded as (
    select
        business_service,
        false as is_folded,
        owner,
        owner_count,
        resource_count,
        account_count,
        unowned_resource_count,
        stale_resource_count,
        array_to_string(environments, ', ') as environments,
        cost_month,
        reporting_monthly_cost as monthly_cost,
        reporting_currency as currency
    from app
    where not is_folded

    union all by name

    select
        count(*) || ' other names, which no item carries' as business_service,
        true as is_folded,
        0 as resource_count,
        0 as account_count,
        0 as unowned_resource_count,
        0 as stale_resource_count,
        '' as environments,
        any_value(cost_month) as cost_month,
        sum(reporting_monthly_cost) as monthly_cost,
        any_value(reporting_currency) as currency
    from app
    where is_folded
    having count(*) > 0
)

-- What no item is seen of may have some where nobody looks, so no count of it is a zero.
select
    * exclude (is_folded) replace (
        nullif(resource_count, 0) as resource_count,
        nullif(account_count, 0) as account_count,
        if(resource_count = 0, null, unowned_resource_count) as unowned_resource_count,
        if(resource_count = 0, null, stale_resource_count) as stale_resource_count
    ),
    count(*) over () as of_count
from folded
order by is_folded asc, monthly_cost desc nulls last, resource_count desc, business_service asc
limit 40
