-- The whole bill of the running month through each complete day, beside the month before through the same day, in the reporting
-- currency.
with newest as (
    select
        max(through_date) as through_date,
        date_trunc('month', max(through_date))::date as month
    from cost.month_coverage
    where slice = 'service'
),

day_cost as (
    select
        cost.usage_date,
        cost.usage_date >= newest.month as is_current,
        if(count(*) = count(cost.reporting_unblended_cost), sum(cost.reporting_unblended_cost), null) as cost,
        any_value(cost.reporting_currency) as currency
    from cost.by_service as cost
    cross join newest
    where cost.usage_date between newest.month - interval 1 month and newest.through_date
    group by cost.usage_date, newest.month
),

summed as (
    select
        usage_date,
        is_current,
        cost,
        -- From a day without a rate on, what the month came to is unknown.
        if(count(cost) over so_far = count(*) over so_far, sum(cost) over so_far, null) as cost_so_far,
        currency
    from day_cost
    window so_far as (partition by is_current order by usage_date)
)

select
    this.usage_date,
    this.cost,
    this.cost_so_far,
    before.cost_so_far as previous_cost_so_far,
    this.currency
from summed as this
left join summed as before
    on not before.is_current and day(this.usage_date) = day(before.usage_date)
where this.is_current
order by this.usage_date
