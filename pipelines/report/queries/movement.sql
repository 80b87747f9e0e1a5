-- What moved most since the month before, by service: the running month against as many days of the month before, split into
-- what usage did and what the exchange rate did.
select
    dimension_value as service,
    previous_reporting_cost as previous_cost,
    reporting_cost as cost,
    change,
    usage_effect,
    rate_effect,
    reporting_currency as currency,
    previous_through_date,
    through_date
from cost.movement
where slice = 'service' and month = (select max(newest.month) from cost.movement as newest)
order by abs(change) desc nulls first, dimension_value asc
limit 10
