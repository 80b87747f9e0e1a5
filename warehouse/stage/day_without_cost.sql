-- Days of the bill on which nothing cost anything, as that of a new or small organisation has them: no slice has a row of the
-- day, and the other days add up to AWS's own total of the month, or the whole month was read and is empty. Not part of the
-- public interface; read cost.month_coverage.
-- materialized: view
-- key: usage_date
-- usage_date: Day of use (UTC).
-- month: First day of its month.
with span as (
    select min(usage_date) as first_date
    from cost.daily
),

of_month as (
    select
        summed.month,
        unnest(generate_series(
            greatest(summed.month, span.first_date),
            -- Up to the last day that AWS had surely counted.
            least(summed.period_end - 1, summed.answered_date - 2),
            interval 1 day
        ))::date as usage_date
    from stage.month_summed as summed
    cross join span
    where abs(summed.observed - summed.expected) <= summed.tolerance
)

select
    of_month.usage_date,
    of_month.month
from of_month
anti join cost.daily as cost using (usage_date)
union all
select
    unnest(generate_series(empty.month, last_day(empty.month), interval 1 day))::date as usage_date,
    empty.month
from stage.month_without_cost as empty
