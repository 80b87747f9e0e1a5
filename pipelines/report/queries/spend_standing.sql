-- What of the last seven complete days is explained by resources, named, unexplained or unknown, each with its percentage of the
-- bill: the sums of what the next query divides further, in the reporting currency by the average rate of the days.
with spend as (
    select
        standing,
        first_date,
        through_date,
        reporting_unblended_cost is not null as is_converted,
        reporting_unblended_cost as cost,
        greatest(reporting_unblended_cost, 0)::decimal(28, 10) as charged
    from cost.explained_spend
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
        any_value(whole.cost) > 0, coalesce(sum(spend.cost), 0) * 100 / any_value(whole.cost), null
    )::decimal(38, 10) as pct,
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
