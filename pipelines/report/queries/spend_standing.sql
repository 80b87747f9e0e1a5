-- What of the last seven complete days is explained by resources, named, unexplained or unknown, each with its percentage of the
-- bill: the sums of what the next query divides further, in the reporting currency by the average rate of the days.
with rate as (
    select
        rate.currency,
        if(count(*) = count(rate.rate), avg(rate.rate), null)::decimal(18, 10) as rate
    from cost.exchange_rate as rate
    where
        rate.usage_date between (select min(spend.first_date) from cost.explained_spend as spend)
        and (select max(spend.through_date) from cost.explained_spend as spend)
    group by rate.currency
),

spend as (
    select
        explained.standing,
        explained.first_date,
        explained.through_date,
        rate.rate is not null as is_converted,
        (explained.unblended_cost * rate.rate)::decimal(28, 10) as cost,
        (greatest(explained.unblended_cost, 0) * rate.rate)::decimal(28, 10) as charged
    from cost.explained_spend as explained
    left join rate on explained.currency = rate.currency
),

whole as (
    select
        min(first_date) as first_date,
        max(through_date) as through_date,
        if(bool_and(is_converted), sum(cost), null) as cost
    from spend
    having count(*) > 0
),

standing as (
    select
        unnest(['explained', 'named', 'unexplained', 'unknown']) as standing,
        unnest([1, 2, 3, 4]) as place
)

select
    standing.standing,
    if(
        coalesce(bool_and(spend.is_converted), true), coalesce(sum(spend.cost), 0), null
    )::decimal(38, 10) as cost,
    any_value(setting.reporting_currency) as currency,
    if(
        any_value(whole.cost) > 0, round(coalesce(sum(spend.cost), 0) * 100 / any_value(whole.cost), 1), null
    )::decimal(9, 1) as pct,
    if(
        coalesce(bool_and(spend.is_converted), true), coalesce(sum(spend.charged), 0), null
    )::decimal(38, 10) as charged,
    count(spend.standing) as row_count,
    any_value(whole.first_date) as first_date,
    any_value(whole.through_date) as through_date
from standing
cross join whole
cross join ref.setting as setting
left join spend on standing.standing = spend.standing
group by standing.standing, standing.place
order by standing.place asc
