-- What an account spent far more or far less on something than usual: a row an event, with its first and last day, in the
-- slices of ref.anomaly_threshold. A day lies out of the ordinary if it is far from all of these: the median of its weekday in
-- eight weeks, its weekday a week before, and its day of the month (from either end) in the three months before. Days that
-- lie a week apart or less are one event, so that a new level is told once. Where a service and its usage types tell of
-- the same days, the service has the row. Events that began on days that AWS may still change are judged anew each run.
-- rests_on: slices=service, usage_type because ref.anomaly_threshold names these
-- materialized: full_from_previous
-- in_parts_by: cost.daily 30000
-- key: usage_date, slice, account_id, dimension_value
-- usage_date: First day of the event (UTC).
-- end_date: Last day of the event so far; NULL of what a version found that had a row for each day.
-- day_count: Days of it that lie out of the ordinary; observed and expected are of these.
-- slice: Which cut of the money, as in cost.daily.
-- account_id: The linked account, 12 digits.
-- dimension_value: Value of the slice's dimension, such as a service.
-- kind: high or low (by its score), new (its first day at the floor of ref.anomaly_threshold or above), or occasional (billed now and then, never before as much).
-- state: running (the last complete day is the event's last), lasting (the cost stayed where the event took it, which is usual now), or over.
-- observed: Unblended cost of the event's days, in the currency beside it.
-- expected: What is usual for these days, in the currency beside it: the nearest of what they are held against; of an occasional cost the most that a day of eight weeks before cost; 0 for what is new.
-- difference: observed less expected.
-- score: The greatest robust z of a day: its difference by 1.4826 times the median deviation of eight weeks; NULL where there is nothing to measure it by.
-- first_seen_date: First day in the bill on which the account has a cost of that name.
-- currency: Billing currency, ISO 4217.
-- is_estimated: True while AWS may still change an amount of it.
-- details: Values of other slices, such as usage types, in which the same days lie out of the ordinary; the greatest first.
-- explanation: What it rests on, in words.
with judged_range as (
    select
        slice,
        min(first_date) as data_from,
        max(through_date) as last_date,
        -- What AWS may still change: this month and the one before; and each day has a month before it.
        greatest(
            (date_trunc('month', max(through_date)) - interval 1 month)::date,
            min(first_date) + 31
        ) as judged_from
    from cost.month_coverage
    where through_date is not null
    group by slice
),

-- An event that began before is found whole, so that its end is not taken for another.
ranged as (
    select
        judged_range.*,
        threshold.min_score,
        threshold.money_floor,
        threshold.relative_floor,
        judged_range.judged_from - 42 as flagged_from,
        -- Three months before that, and the eight weeks before these.
        judged_range.judged_from - 42 - 93 - 56 as read_from
    from judged_range
    inner join ref.anomaly_threshold as threshold using (slice)
),

series as (
    select
        cost.slice,
        cost.account_id,
        cost.dimension_value,
        any_value(cost.currency) as currency,
        min(cost.usage_date) as first_seen_date,
        min(cost.usage_date) filter (where cost.unblended_cost >= ranged.money_floor) as grown_date
    from cost.daily as cost
    inner join ranged using (slice)
    where in_part(cost.account_id)
    group by cost.slice, cost.account_id, cost.dimension_value
    -- What costs nothing for two months is not looked at.
    having max(cost.usage_date) >= any_value(ranged.judged_from) - 56
),

-- A day of which the slice has no row is not known, for nothing costs nothing.
billed_day as (
    select
        cost.slice,
        cost.usage_date,
        bool_or(cost.is_estimated) as is_estimated
    from cost.daily as cost
    inner join ranged using (slice)
    where cost.usage_date between ranged.read_from and ranged.last_date
    group by cost.slice, cost.usage_date
),

observation as (
    select
        series.*,
        billed_day.usage_date,
        coalesce(cost.unblended_cost, 0)::decimal(28, 10) as observed,
        coalesce(cost.is_estimated, billed_day.is_estimated) as is_estimated
    from series
    inner join billed_day on series.slice = billed_day.slice
    left join cost.daily as cost
        on
            series.slice = cost.slice
            and series.account_id = cost.account_id
            and series.dimension_value = cost.dimension_value
            and billed_day.usage_date = cost.usage_date
    where billed_day.usage_date >= series.first_seen_date
),

usual as (
    select
        *,
        median(observed) over eight_weekdays as middle,
        count(*) over eight_weekdays as week_count,
        max(observed) over eight_weeks as most,
        count(*) over eight_weeks as day_count,
        count(*) filter (where observed <> 0) over eight_weeks as billed_day_count
    from observation
    window
        eight_weekdays as (
            partition by slice, account_id, dimension_value, dayofweek(usage_date)
            order by usage_date range between interval 56 days preceding and interval 1 day preceding
        ),
        eight_weeks as (
            partition by slice, account_id, dimension_value
            order by usage_date range between interval 56 days preceding and interval 1 day preceding
        )
),

spread as (
    select
        *,
        median(abs(observed - middle)) over eight_weeks as deviation
    from usual
    window eight_weeks as (
        partition by slice, account_id, dimension_value
        order by usage_date range between interval 56 days preceding and interval 1 day preceding
    )
),

-- The days that a day may be like, and what it would cost if it were: of a day of another month what was charged on it
-- beside what was usual then, such as a fee.
like_day as (
    select
        spread.slice,
        spread.account_id,
        spread.dimension_value,
        spread.usage_date,
        spread.observed,
        spread.middle,
        unnest([
            spread.usage_date - 7,
            spread.usage_date - interval 1 month,
            spread.usage_date - interval 2 month,
            spread.usage_date - interval 3 month,
            -- As many days before the end of the month.
            date_trunc('month', spread.usage_date)
            - (last_day(spread.usage_date) - spread.usage_date + 1)::integer * interval 1 day
        ])::date as like_date
    from spread
    inner join ranged using (slice)
    where spread.usage_date >= ranged.flagged_from
),

likeness as (
    select
        slice,
        account_id,
        dimension_value,
        usage_date,
        observed,
        middle as candidate
    from spread
    where week_count >= 3

    union all

    select
        day.slice,
        day.account_id,
        day.dimension_value,
        day.usage_date,
        day.observed,
        before.observed + if(
            day.usage_date - day.like_date = 7, 0, coalesce(day.middle - before.middle, 0)
        ) as candidate
    from like_day as day
    inner join spread as before
        on
            day.slice = before.slice
            and day.account_id = before.account_id
            and day.dimension_value = before.dimension_value
            and day.like_date = before.usage_date
),

nearest as (
    select
        slice,
        account_id,
        dimension_value,
        usage_date,
        min_by(candidate, abs(observed - candidate))::decimal(28, 10) as candidate
    from likeness
    group by slice, account_id, dimension_value, usage_date
),

measured as (
    select
        spread.*,
        ranged.judged_from,
        ranged.last_date,
        ranged.min_score,
        ranged.money_floor,
        ranged.relative_floor,
        nearest.candidate,
        case
            when spread.first_seen_date > ranged.data_from and spread.first_seen_date > spread.usage_date - 28
                then if(spread.grown_date = spread.usage_date, 'new', 'young')
            when 2 * spread.billed_day_count < spread.day_count then 'occasional'
            else if(spread.observed > nearest.candidate, 'high', 'low')
        end as kind
    from spread
    inner join ranged using (slice)
    -- The first days of what is new are like no day.
    left join nearest using (slice, account_id, dimension_value, usage_date)
    where spread.usage_date >= ranged.flagged_from
),

scored as (
    select
        *,
        case
            when kind = 'occasional' then greatest(most, candidate)
            when kind in ('high', 'low') then candidate
            else 0
        end::decimal(28, 10) as expected,
        if(
            kind in ('high', 'low'),
            try_cast(
                (observed - candidate)
                / nullif(greatest(1.4826 * deviation, relative_floor * abs(candidate)), 0) as decimal(18, 2)
            ),
            null
        ) as score
    from measured
),

flagged as (
    select
        *,
        observed > expected as is_more
    from scored
    where
        -- What is young has been told as new, and is judged once it has its four weeks.
        kind <> 'young'
        and abs(observed - expected) >= money_floor
        and case kind
            when 'new' then true
            when 'occasional' then observed - expected >= min_score * relative_floor * expected
            else coalesce(abs(score) >= min_score, true)
        end
),

-- A pause of a weekend does not end an event.
begun as (
    select
        *,
        coalesce(usage_date - lag(usage_date) over same_side > 7, true) as begins
    from flagged
    window same_side as (partition by slice, account_id, dimension_value, is_more order by usage_date)
),

numbered as (
    select
        *,
        count(*) filter (where begins) over (
            partition by slice, account_id, dimension_value, is_more
            order by usage_date
        ) as event_number
    from begun
),

event as (
    select
        slice,
        account_id,
        dimension_value,
        is_more,
        min(usage_date) as usage_date,
        max(usage_date) as end_date,
        -- What is new is told by its first day, and is new until it has its four weeks.
        if(
            min_by(kind, usage_date) = 'new',
            greatest(max(usage_date), any_value(first_seen_date) + 27),
            max(usage_date)
        ) as until_date,
        count(*) as day_count,
        list(usage_date) as usage_dates,
        min_by(kind, usage_date) as kind,
        sum(observed)::decimal(28, 10) as observed,
        sum(expected)::decimal(28, 10) as expected,
        sum(observed - expected)::decimal(28, 10) as difference,
        median(observed) as level,
        median(expected) as usual_level,
        max_by(score, abs(score)) as score,
        any_value(first_seen_date) as first_seen_date,
        any_value(currency) as currency,
        bool_or(is_estimated) as is_estimated,
        any_value(judged_from) as judged_from,
        any_value(last_date) as last_date,
        coalesce(list_position(['service', 'usage_type', 'record_type'], slice), 9) as place
    from numbered
    group by slice, account_id, dimension_value, is_more, event_number
),

afterwards as (
    select
        event.slice,
        event.account_id,
        event.dimension_value,
        event.usage_date,
        median(observation.observed) as level
    from event
    inner join observation
        on
            event.slice = observation.slice
            and event.account_id = observation.account_id
            and event.dimension_value = observation.dimension_value
            and observation.usage_date between event.end_date + 1 and event.end_date + 7
    group by event.slice, event.account_id, event.dimension_value, event.usage_date
),

-- Two events of an account at the same time, and how far the one with the higher place was from its usual on the days of the
-- other: what is new costs something on the days too that do not tell of it.
pair as (
    select
        part.slice,
        part.account_id,
        part.dimension_value,
        part.usage_date,
        abs(part.difference) as size,
        whole.slice as whole_slice,
        whole.dimension_value as whole_value,
        whole.usage_date as whole_date,
        whole.place,
        greatest(
            any_value(abs(whole.difference)),
            sum(if(whole.is_more, day.observed - day.expected, day.expected - day.observed))
        ) as whole_size
    from event as part
    inner join event as whole
        on
            part.account_id = whole.account_id
            and part.is_more = whole.is_more
            and part.place > whole.place
            and part.usage_date <= whole.until_date
            and part.end_date >= whole.usage_date
    left join scored as day
        on
            whole.slice = day.slice
            and whole.account_id = day.account_id
            and whole.dimension_value = day.dimension_value
            and list_contains(part.usage_dates, day.usage_date)
    group by
        part.slice,
        part.account_id,
        part.dimension_value,
        part.usage_date,
        part.difference,
        whole.slice,
        whole.dimension_value,
        whole.usage_date,
        whole.place
),

-- What tells of a part of the same money on the same days. A part is no larger than the whole, but for what was less at the
-- same time.
detail as (
    select
        slice,
        account_id,
        dimension_value,
        usage_date,
        slice || ': ' || dimension_value as words,
        size,
        min_by(
            struct_pack(slice := whole_slice, dimension_value := whole_value, usage_date := whole_date),
            (place, abs(whole_size - size), whole_value, whole_date)
        ) as whole
    from pair
    where size <= 1.1 * whole_size
    group by slice, account_id, dimension_value, usage_date, size
),

detailed as (
    select
        whole.slice,
        account_id,
        whole.dimension_value,
        whole.usage_date,
        list(words order by size desc, words asc) as details
    from detail
    group by whole.slice, account_id, whole.dimension_value, whole.usage_date
),

judged as (
    select
        event.usage_date,
        event.end_date,
        event.day_count,
        event.slice,
        event.account_id,
        event.dimension_value,
        event.kind,
        case
            when event.end_date = event.last_date then 'running'
            when abs(afterwards.level - event.usual_level) > abs(afterwards.level - event.level)
                then 'lasting'
            else 'over'
        end as state,
        event.observed,
        event.expected,
        event.difference,
        event.score,
        event.first_seen_date,
        event.currency,
        event.is_estimated,
        detailed.details,
        case event.kind
            when 'new' then 'first day at the floor or above: there is no history to judge it by'
            when 'occasional' then 'billed now and then, and never as much in the eight weeks before'
            else coalesce(
                    format('{} times the usual deviation from the nearest that is usual', abs(event.score)),
                    'it never varied before'
                )
        end as explanation
    from event
    left join afterwards using (slice, account_id, dimension_value, usage_date)
    left join detailed using (slice, account_id, dimension_value, usage_date)
    anti join detail
        on
            event.slice = detail.slice
            and event.account_id = detail.account_id
            and event.dimension_value = detail.dimension_value
            and event.usage_date = detail.usage_date
    where event.usage_date >= event.judged_from
)

select * from judged
union all by name
select before.*
from cost.anomaly as before
left join judged_range using (slice)
-- Where there is no bill there is no range, and what was found before stays.
where
    before.usage_date < coalesce(judged_range.judged_from, 'infinity'::date)
    and in_part(before.account_id)
