-- What carries the name of a business service and what the bill shows of it in the last month that is whole; by cost.
select
    business_service,
    owner,
    owner_count,
    resource_count,
    account_count,
    unowned_resource_count,
    stale_resource_count,
    array_to_string(environments, ', ') as environments,
    cost_month,
    reporting_monthly_cost as monthly_cost,
    reporting_currency as currency,
    count(*) over () as of_count
from cmdb.application
order by reporting_monthly_cost desc nulls last, resource_count desc, business_service asc
limit 40
