-- What of the last seven complete days no resource explains, most money first, with the action that would list it; in the reporting currency
-- by the average rate of the days.
with rate as (
    select
        rate.currency,
        if(count(*) = count(rate.rate), avg(rate.rate), null)::decimal(18, 10) as rate
    from cost.exchange_rate as rate
    where
        rate.usage_date between (select min(spend.first_date) from cost.explained_spend as spend)
        and (select max(spend.through_date) from cost.explained_spend as spend)
    group by rate.currency
)

select
    spend.service,
    spend.explanation,
    if(count(*) = count(rate.rate), sum((spend.unblended_cost * rate.rate)::decimal(28, 10)), null) as cost,
    any_value(setting.reporting_currency) as currency,
    count(distinct spend.account_id) as account_count,
    any_value(spend.action_needed) as action_needed,
    count(*) over () as of_count
from cost.explained_spend as spend
left join rate on spend.currency = rate.currency
cross join ref.setting as setting
where spend.explanation in ('not_listable', 'unexplained', 'unknown')
group by spend.service, spend.explanation
order by cost desc nulls last, spend.service asc, spend.explanation asc
limit 15
