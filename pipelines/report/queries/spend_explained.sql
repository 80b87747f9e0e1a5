-- What the last seven complete days of the bill stand for: explained by resources, named, unexplained or unknown, and why. The
-- rows add up to the bill of these days, in the reporting currency by the average rate of the days.
select
    standing,
    explanation,
    if(count(*) = count(reporting_unblended_cost), sum(reporting_unblended_cost), null) as cost,
    any_value(reporting_currency) as currency,
    count(*) as row_count,
    count(distinct account_id) as account_count,
    if(
        count(*) = count(reporting_unblended_cost),
        sum(greatest(reporting_unblended_cost, 0)::decimal(28, 10)),
        null
    ) as charged,
    any_value(first_date) as first_date,
    any_value(through_date) as through_date
from cost.explained_spend
group by standing, explanation
order by
    case standing when 'explained' then 1 when 'named' then 2 when 'unexplained' then 3 else 4 end asc,
    cost desc nulls last,
    explanation asc
