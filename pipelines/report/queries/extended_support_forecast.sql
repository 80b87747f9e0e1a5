-- What extended support will cost in the coming year by list price, in the reporting currency: of how many databases, and of how many more
-- it is not known.
select
    count(forecast.reporting_next_year_cost) as database_count,
    count(*) - count(forecast.reporting_next_year_cost) as unknown_count,
    sum(forecast.reporting_next_year_cost) as cost,
    any_value(forecast.reporting_currency) as currency
from cost.extended_support_forecast as forecast
having count(*) > 0
