-- Months between the first and the newest of the bill that were read when they were over, and hold nothing: the response was
-- empty, it is trusted, no slice has a row, and AWS's own total is zero or not known. Not part of the public interface; read
-- cost.month_coverage.
-- materialized: view
-- key: month
-- month: First day of the month.
-- collected_at: When the response was complete, UTC.
-- is_estimated: True while AWS may still change the month, and where its total is not known.
with requested as (
    select
        (regexp_extract(listing, '[^:]*$') || '-01')::date as "month",
        bool_and(is_trusted and outcome = 'empty_verified') as is_empty,
        max(ended_at) as collected_at
    from audit.coverage
    where starts_with(listing, 'cost_daily:service:')
    group by all
),

span as (
    select
        min(usage_date) as first_date,
        date_trunc('month', max(usage_date)) as newest_month
    from cost.daily
)

select
    requested.month,
    requested.collected_at,
    coalesce(total.is_estimated, true) as is_estimated
from requested
inner join span on requested.month > span.first_date and requested.month < span.newest_month
left join stage.cost_monthly as total on requested.month = total.month
where
    requested.is_empty
    -- Its last day is complete by the rule of cost.month_coverage.
    and (requested.collected_at at time zone 'UTC')::date - 2 >= last_day(requested.month)
    and coalesce(total.unblended_cost, 0) = 0
    and requested.month not in (select date_trunc('month', cost.usage_date) from cost.daily as cost)
