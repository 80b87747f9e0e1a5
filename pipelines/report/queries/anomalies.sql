-- What an account spent far more or far less on something than usual, of the days that AWS may still change: this month and the one
-- before. What is still running comes first, then the greatest; in the reporting currency by the rate of the last day of each.
select
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
cross join ref.setting as setting
where
    anomaly.usage_date >= (
        select date_trunc('month', max(coverage.through_date)) - interval 1 month
        from cost.month_coverage as coverage
        where coverage.slice = 'service'
    )
order by
    anomaly.state = 'running' desc,
    abs(anomaly.difference) desc,
    anomaly.usage_date desc,
    anomaly.account_id asc,
    anomaly.slice asc,
    anomaly.dimension_value asc
limit 20
