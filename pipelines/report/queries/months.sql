-- Each month of the bill and what is known of it, the running one through its last complete day: a month that was not read is
-- no month without cost, which has a state of its own. A month of which no day is complete has not begun here.
with coverage as (
    select
        month,
        first_date,
        through_date,
        day_count,
        days_missing
    from cost.month_coverage
    where slice = 'service'
),

with_cost as (
    select
        coverage.month,
        any_value(coverage.through_date) as through_date,
        any_value(coverage.day_count) as day_count,
        sum(cost.unblended_cost) as billed_cost,
        any_value(cost.currency) as billing_currency,
        if(count(*) = count(cost.reporting_unblended_cost), sum(cost.reporting_unblended_cost), null) as cost,
        any_value(cost.reporting_currency) as currency,
        bool_or(cost.is_estimated) as is_estimated,
        bool_or(cost.is_stale) as is_stale,
        false as is_without_cost
    from cost.by_service as cost
    inner join coverage
        on date_trunc('month', cost.usage_date) = coverage.month and cost.usage_date <= coverage.through_date
    group by coverage.month
),

sample as (
    select
        max(billing_currency) as billing_currency,
        max(currency) as currency
    from with_cost
),

billed as (
    select * from with_cost
    union all by name
    select
        coverage.month,
        coverage.through_date,
        coverage.day_count,
        0 as billed_cost,
        sample.billing_currency,
        0 as cost,
        sample.currency,
        true as is_without_cost
    from coverage
    cross join sample
    where
        coverage.through_date = last_day(coverage.month)
        and coverage.month not in (select known.month from with_cost as known)
),

asked as (
    select
        strptime(split_part(listing, ':', 3) || '-01', '%Y-%m-%d')::date as month,
        is_trusted
    from audit.coverage
    where listing like 'cost_daily:service:%'
)

select
    month,
    case
        when billed.day_count is null then 'not read'
        when billed.is_without_cost then 'no cost'
        when billed.is_stale or not coalesce(asked.is_trusted, true) then 'stale'
        when
            month = (select max(newest.month) from billed as newest)
            and billed.through_date < last_day(month) then 'running'
        when coverage.days_missing > 0 or coverage.through_date < last_day(month) then 'days missing'
        when billed.is_estimated then 'estimated'
        else 'closed'
    end as state,
    coalesce(billed.day_count, 0) as day_count,
    coverage.first_date,
    billed.through_date,
    coverage.days_missing,
    billed.billed_cost,
    billed.billing_currency,
    billed.cost,
    billed.currency
from billed
full outer join asked using (month)
left join coverage using (month)
where
    month >= (select max(newest.month) - interval 13 month from billed as newest)
    and not coalesce(coverage.month is not null and billed.day_count is null, false)
order by month
