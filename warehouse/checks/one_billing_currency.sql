-- The bill is in one currency.
-- about: cost.daily
-- refetch: cost_daily
select
    currency,
    count(*) as row_count
from cost.daily
where (select count(distinct d.currency) from cost.daily as d) > 1
group by currency
