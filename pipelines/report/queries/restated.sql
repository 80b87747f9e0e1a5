-- What AWS changed of days that had been read before, since the run that was published before.
with night as (
    select
        finished_at,
        row_number() over (order by finished_at desc) as place
    from audit.run
    where outcome = 'published'
)

select
    date_trunc('month', restated.usage_date)::date as month,
    count(*) as row_count,
    sum(coalesce(restated.old_unblended_cost, 0)) as before,
    sum(coalesce(restated.new_unblended_cost, 0)) as after,
    sum(coalesce(restated.new_unblended_cost, 0) - coalesce(restated.old_unblended_cost, 0)) as difference,
    any_value(restated.currency) as currency
from cost.restatement as restated
inner join night on night.place = 2 and restated.observed_at > night.finished_at
where restated.slice = 'service'
group by date_trunc('month', restated.usage_date)
order by month desc
