-- What the last seven complete days of the bill stand for: explained by resources, named, unexplained or unknown, and why. The
-- rows add up to the bill of these days, in the reporting currency by the average rate of the days.
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
    spend.standing,
    spend.explanation,
    if(count(*) = count(rate.rate), sum((spend.unblended_cost * rate.rate)::decimal(28, 10)), null) as cost,
    any_value(setting.reporting_currency) as currency,
    count(*) as row_count,
    count(distinct spend.account_id) as account_count,
    if(
        count(*) = count(rate.rate),
        sum((greatest(spend.unblended_cost, 0) * rate.rate)::decimal(28, 10)),
        null
    ) as charged,
    any_value(spend.first_date) as first_date,
    any_value(spend.through_date) as through_date
from cost.explained_spend as spend
left join rate on spend.currency = rate.currency
cross join ref.setting as setting
group by spend.standing, spend.explanation
order by
    case spend.standing when 'explained' then 1 when 'named' then 2 when 'unexplained' then 3 else 4 end asc,
    cost desc nulls last,
    spend.explanation asc
