-- Days on which an account spent far more or far less on something than in the four weeks before, in the slices of
-- ref.anomaly_threshold. Usual is the median of those 28 days, a day without a row counting as zero; how far a day lies from
-- it is measured by their median absolute deviation. Days that AWS may still change are judged anew each night, older
-- verdicts stay. A series without history has no usual: it is told as new.
-- materialized: full_from_previous
-- key: usage_date, slice, account_id, dimension_value
-- usage_date: Day of use (UTC).
-- slice: Which cut of the money, as in cost.daily.
-- account_id: The linked account, 12 digits.
-- dimension_value: Value of the slice's dimension, such as a service.
-- kind: high or low (by its score), new (first seen on that day), or occasional (billed now and then, never before as much).
-- observed: Unblended cost of the day, in the currency beside it.
-- expected: Median of the 28 days before, in the currency beside it; of an occasional cost the most that a day of five weeks before cost; 0 for what is new.
-- difference: observed less expected.
-- score: Robust z: the difference by 1.4826 times the median absolute deviation; NULL where there is nothing to measure it by.
-- first_seen_date: First day in the bill on which the account has a cost of that name.
-- currency: Billing currency, ISO 4217.
-- is_estimated: True while AWS may still change the amount.
-- explanation: What it rests on, in words.
with judged_range as (
    select
        min(first_date) as data_from,
        max(through_date) as last_date,
        -- What AWS may still change: this month and the one before.
        greatest(
            (date_trunc('month', max(through_date)) - interval 1 month)::date,
            min(first_date) + 28
        ) as judged_from
    from cost.month_coverage
    where slice = 'service'
),

series as (
    select
        cost.slice,
        cost.account_id,
        cost.dimension_value,
        any_value(cost.currency) as currency,
        min(cost.usage_date) as first_seen_date
    from cost.daily as cost
    inner join ref.anomaly_threshold using (slice)
    group by cost.slice, cost.account_id, cost.dimension_value
    -- What costs nothing for two months is not looked at.
    having max(cost.usage_date) >= (select judged_range.judged_from - 35 from judged_range)
),

day as (
    select unnest(generate_series(judged_from - 35, last_date, interval 1 day))::date as usage_date
    from judged_range
),

billed_day as (
    select
        usage_date,
        bool_or(is_estimated) as is_estimated
    from cost.daily
    group by usage_date
),

observation as (
    select
        series.*,
        day.usage_date,
        coalesce(cost.unblended_cost, 0)::decimal(28, 10) as observed,
        coalesce(cost.is_estimated, billed_day.is_estimated, false) as is_estimated
    from series
    cross join day
    left join cost.daily as cost using (slice, account_id, dimension_value, usage_date)
    -- A day without a row may still get one.
    left join billed_day using (usage_date)
),

usual as (
    select
        *,
        median(observed) over four_weeks as middle,
        mad(observed) over four_weeks as deviation,
        max(observed) over (
            partition by slice, account_id, dimension_value
            order by usage_date rows between 35 preceding and 1 preceding
        ) as most
    from observation
    window four_weeks as (
        partition by slice, account_id, dimension_value
        order by usage_date rows between 28 preceding and 1 preceding
    )
),

measured as (
    select
        usual.*,
        threshold.min_score,
        threshold.money_floor,
        case
            when usual.first_seen_date > usual.usage_date - 28
                and usual.first_seen_date > judged_range.data_from
                then if(usual.first_seen_date = usual.usage_date, 'new', 'young')
            when usual.middle = 0 and usual.deviation = 0 then 'occasional'
            else if(usual.observed > usual.middle, 'high', 'low')
        end as kind,
        greatest(1.4826 * usual.deviation, threshold.relative_floor * abs(usual.middle)) as spread
    from usual
    inner join ref.anomaly_threshold as threshold using (slice)
    cross join judged_range
    where usual.usage_date >= judged_range.judged_from
),

scored as (
    select
        *,
        case kind when 'occasional' then most when 'new' then 0 else middle end::decimal(28, 10) as expected,
        if(kind in ('high', 'low'), ((observed - middle) / nullif(spread, 0))::decimal(18, 2), null) as score
    from measured
),

judged as (
    select
        usage_date,
        slice,
        account_id,
        dimension_value,
        kind,
        observed,
        expected,
        (observed - expected)::decimal(28, 10) as difference,
        score,
        first_seen_date,
        currency,
        is_estimated,
        case kind
            when 'new' then 'first seen on this day: there is no history to judge it by'
            when 'occasional' then 'billed now and then, and never as much in the five weeks before'
            else format('{} times the usual deviation from the median of 28 days', abs(score))
        end as explanation
    from scored
    where
        -- What is young has been told as new, and is judged once it has its four weeks.
        kind <> 'young'
        and abs(observed - expected) >= money_floor
        and (
            kind = 'new'
            or (kind = 'occasional' and observed > expected)
            or abs(score) >= min_score
        )
)

select * from judged
union all by name
select before.*
from cost.anomaly as before
-- Where there is no bill there is no range, and what was found before stays.
where before.usage_date < coalesce((select judged_range.judged_from from judged_range), 'infinity'::date)
