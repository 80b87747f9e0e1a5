-- Which days of the bill are held against what is usual, by slice of ref.anomaly_threshold: a day needs a month of the bill before
-- it. Without a first day nothing could be judged yet, which is not none.
with judged as (
    select
        slice,
        max(through_date) as through_date,
        greatest(
            (date_trunc('month', max(through_date)) - interval 1 month)::date, min(first_date) + 31
        ) as first_date
    from cost.month_coverage
    where through_date is not null
    group by slice
)

select
    threshold.slice,
    if(judged.first_date <= judged.through_date, judged.first_date, null) as first_date,
    judged.through_date,
    threshold.money_floor,
    threshold.min_score
from ref.anomaly_threshold as threshold
left join judged on threshold.slice = judged.slice
order by threshold.slice
