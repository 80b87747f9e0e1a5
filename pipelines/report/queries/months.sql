-- Each month of the bill and what is known of it: a month that was not read is no month without cost.
with billed as (
    select
        date_trunc('month', usage_date)::date as month,
        count(distinct usage_date) as day_count,
        sum(unblended_cost) as billed_cost,
        any_value(currency) as billing_currency,
        if(count(*) = count(reporting_unblended_cost), sum(reporting_unblended_cost), null) as cost,
        any_value(reporting_currency) as currency,
        bool_or(is_estimated) as is_estimated,
        bool_or(is_stale) as is_stale
    from cost.by_service
    group by date_trunc('month', usage_date)
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
        when billed.is_stale or not coalesce(asked.is_trusted, true) then 'stale'
        when month = (select max(newest.month) from billed as newest) then 'running'
        when billed.day_count < day(last_day(month)) then 'days missing'
        when billed.is_estimated then 'estimated'
        else 'closed'
    end as state,
    coalesce(billed.day_count, 0) as day_count,
    billed.billed_cost,
    billed.billing_currency,
    billed.cost,
    billed.currency
from billed
full outer join asked using (month)
where month >= (select date_trunc('month', max(newest.month)) - interval 13 month from billed as newest)
order by month
