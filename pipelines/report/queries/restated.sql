-- What AWS changed of days that had been read before, since the collecting run that was published before, in the reporting currency:
-- each day at its own rate.
with night as (
    select
        finished_at,
        row_number() over (order by finished_at desc) as place
    from audit.run
    where
        outcome = 'published'
        -- `cmdb confirm` publishes too, and requests nothing again.
        and run_id in (select collection.run_id from audit.collection as collection)
)

select
    date_trunc('month', restated.usage_date)::date as month,
    count(*) as row_count,
    if(
        bool_or(rate.rate is null),
        null,
        sum((coalesce(restated.old_unblended_cost, 0) * rate.rate)::decimal(28, 10))
    ) as before,
    if(
        bool_or(rate.rate is null),
        null,
        sum((coalesce(restated.new_unblended_cost, 0) * rate.rate)::decimal(28, 10))
    ) as after,
    after - before as difference,
    any_value(setting.reporting_currency) as currency
from cost.restatement as restated
inner join night on night.place = 2 and restated.observed_at > night.finished_at
left join cost.exchange_rate as rate
    on restated.usage_date = rate.usage_date and restated.currency = rate.currency
cross join ref.setting as setting
where restated.slice = 'service'
group by date_trunc('month', restated.usage_date)
order by month desc
