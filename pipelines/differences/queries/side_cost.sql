-- One row per day and service of a file's bill: unblended, direct, in the billing currency.
select
    usage_date,
    dimension_value as service,
    any_value(currency) as currency,
    sum(unblended_cost)::decimal(28, 10) as cost
from cost.daily
where slice = 'service'
group by usage_date, dimension_value
