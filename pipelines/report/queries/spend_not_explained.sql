-- What of the last seven complete days no resource explains, most money first, with the action that would list it; in the reporting currency
-- by the average rate of the days.
select
    service,
    explanation,
    if(count(*) = count(reporting_unblended_cost), sum(reporting_unblended_cost), null) as cost,
    any_value(reporting_currency) as currency,
    count(distinct account_id) as account_count,
    any_value(action_needed) as action_needed,
    any_value(remark) as remark,
    count(*) over () as of_count
from cost.explained_spend
where explanation in ('not_listable', 'unexplained', 'unknown')
group by service, explanation
order by cost desc nulls last, service asc, explanation asc
limit 15
