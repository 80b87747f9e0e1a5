-- What extended support of old database versions cost in the newest month that has any, in the reporting currency.
select
    charge.month,
    if(
        count(*) = count(charge.reporting_unblended_cost), sum(charge.reporting_unblended_cost), null
    ) as cost,
    any_value(charge.reporting_currency) as currency,
    max(charge.through_date) as through_date
from cost.extended_support as charge
group by charge.month
order by charge.month desc
limit 1
