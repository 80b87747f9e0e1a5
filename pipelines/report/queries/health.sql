-- How far the configuration items of the whole organisation can be relied on: the newest day, and the day before it.
with placed as (
    select
        *,
        dense_rank() over (order by as_of_date desc) as place
    from cmdb.health
    where scope = 'organisation'
)

select
    newest.kpi,
    newest.as_of_date,
    newest.value,
    before.value as value_before,
    newest.at_fault_count,
    newest.judged_count,
    newest.unknown_count,
    newest.unit,
    newest.description
from placed as newest
left join placed as before on newest.kpi = before.kpi and before.place = 2
where newest.place = 1
order by newest.value asc nulls last, newest.kpi asc
