-- How far the forecast of the whole bill may be off, from how far the same method was off before. In each earlier month the rest
-- of the month after the same day is forecast by the median of each weekday's last four, and held against what it came to. The
-- least and the greatest of these ratios make the range of this month, and the forecast itself lies in it; from fewer than six
-- months there is none.
with newest as (
    select max(through_date) as through_date
    from cost.month_coverage
    where slice = 'service'
),

bill as (
    select
        cost.usage_date,
        if(count(*) = count(cost.reporting_unblended_cost), sum(cost.reporting_unblended_cost), null) as cost
    from cost.by_service as cost
    cross join newest
    where cost.usage_date <= newest.through_date
    group by cost.usage_date

    union all

    -- Where no day of the month is missing, a day without rows is one on which nothing cost anything.
    select
        day.usage_date::date as usage_date,
        0 as cost
    from cost.month_coverage as coverage
    cross join
        unnest(
            generate_series(coverage.first_date, coverage.through_date, interval 1 day)
        ) as day (usage_date)
    anti join cost.by_service as cost on day.usage_date = cost.usage_date
    where coverage.slice = 'service' and coverage.days_missing = 0
),

month as (
    select
        coverage.month,
        coverage.month + (day(newest.through_date) - 1)::integer as as_of_date,
        last_day(coverage.month) as end_date,
        coverage.month = date_trunc('month', newest.through_date) as is_running
    from cost.month_coverage as coverage
    cross join newest
    where coverage.slice = 'service' and coverage.through_date is not null
),

-- What is forecast for a day, from the four days of its weekday that were over at the time.
forecast as (
    select
        month.month,
        day.usage_date,
        median(before.cost)::decimal(28, 10) as expected,
        count(before.cost) as day_count
    from month
    cross join
        unnest(
            generate_series(month.as_of_date + 1, month.end_date, interval 1 day)
        ) as day (usage_date)
    left join bill as before
        on
            before.usage_date between month.as_of_date - 27 and month.as_of_date
            and dayofweek(before.usage_date) = dayofweek(day.usage_date)
    group by month.month, day.usage_date
),

rest as (
    select
        month.month,
        month.is_running,
        count(forecast.usage_date) as rest_days,
        if(
            count(*) = count(*) filter (forecast.day_count = 4), sum(forecast.expected), null
        )::decimal(28, 10) as expected,
        if(count(*) = count(bill.cost), sum(bill.cost), null)::decimal(28, 10) as actual
    from month
    inner join forecast on month.month = forecast.month
    left join bill on forecast.usage_date::date = bill.usage_date
    group by month.month, month.is_running
),

tried as (
    select
        count(*) as month_count,
        min(month) as first_month,
        max(month) as last_month,
        least(min(actual / expected), 1) as least,
        greatest(max(actual / expected), 1) as most
    from rest
    where not is_running and expected > 0 and actual is not null
),

spent as (
    select
        if(count(*) = count(bill.cost), sum(bill.cost), null)::decimal(28, 10) as to_date,
        any_value(newest.through_date) as through_date
    from bill
    cross join newest
    where bill.usage_date >= date_trunc('month', newest.through_date)
)

select
    spent.through_date,
    spent.to_date,
    coalesce(rest.rest_days, 0) as rest_days,
    (spent.to_date + if(rest.month is null, 0, rest.expected))::decimal(28, 10) as forecast,
    case
        when rest.month is null then spent.to_date
        when tried.month_count >= 6 then spent.to_date + rest.expected * tried.least
    end::decimal(28, 10) as lowest,
    case
        when rest.month is null then spent.to_date
        when tried.month_count >= 6 then spent.to_date + rest.expected * tried.most
    end::decimal(28, 10) as highest,
    tried.month_count,
    tried.first_month,
    tried.last_month,
    100 * (tried.least - 1) as lowest_error_pct,
    100 * (tried.most - 1) as highest_error_pct,
    setting.reporting_currency as currency
from spent
cross join tried
left join rest on rest.is_running
cross join ref.setting as setting
where spent.through_date is not null
