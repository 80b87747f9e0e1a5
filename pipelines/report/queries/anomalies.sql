-- What an account spent far more or far less on something than usual, of the days that AWS may still change: this month and the one
-- before. What began after the days that the published run before could judge is new and comes first, then what is still running, then
-- the greatest; in the reporting currency by the rate of the last day of each.
with collecting as (
    -- `cmdb confirm` publishes too, and requests nothing again.
    select
        run.run_id,
        run.started_at
    from audit.run as run
    where
        run.outcome = 'published'
        and run.run_id in (select collection.run_id from audit.collection as collection)
),

before as (
    select max(started_at) as since
    from collecting
    where started_at < (select max(newest.started_at) from collecting as newest)
),

-- A day is complete once it ended 24 hours before it was fetched, as in cost.month_coverage.
judged_before as (
    select
        regexp_extract(cell.listing, '^cost_daily:(.*):[^:]*$', 1) as slice,
        (max(cell.ended_at) at time zone 'UTC')::date - 2 as through_date
    from audit.collection as cell
    inner join audit.run as run on cell.run_id = run.run_id
    inner join before on run.started_at <= before.since
    where cell.is_trusted and starts_with(cell.listing, 'cost_daily:')
    group by all
)

select
    if(
        before.since is null, null,
        anomaly.usage_date > coalesce(judged_before.through_date, '-infinity'::date)
    ) as is_new,
    anomaly.state,
    anomaly.usage_date,
    anomaly.end_date,
    anomaly.account_id,
    account.account_name,
    anomaly.slice,
    anomaly.dimension_value,
    anomaly.kind,
    (anomaly.observed * rate.rate)::decimal(28, 10) as observed,
    (anomaly.expected * rate.rate)::decimal(28, 10) as expected,
    (anomaly.difference * rate.rate)::decimal(28, 10) as difference,
    setting.reporting_currency as currency,
    anomaly.explanation,
    array_to_string(anomaly.details, '; ') as details,
    count(*) over () as of_count
from cost.anomaly as anomaly
left join cost.exchange_rate as rate
    on coalesce(anomaly.end_date, anomaly.usage_date) = rate.usage_date and anomaly.currency = rate.currency
left join org.account as account on anomaly.account_id = account.account_id
left join judged_before on anomaly.slice = judged_before.slice
cross join ref.setting as setting
cross join before
where
    anomaly.usage_date >= (
        select date_trunc('month', max(coverage.through_date)) - interval 1 month
        from cost.month_coverage as coverage
        where coverage.slice = 'service'
    )
order by
    coalesce(is_new, false) desc,
    anomaly.state = 'running' desc,
    abs(anomaly.difference) desc,
    anomaly.usage_date desc,
    anomaly.account_id asc,
    anomaly.slice asc,
    anomaly.dimension_value asc
limit 20
