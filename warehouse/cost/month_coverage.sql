-- How much of each month each slice of the bill holds, and up to which day: the one definition of a complete day. AWS refreshes
-- the bill at least once in 24 hours and a day grows after it ended, so a day is complete once it ended 24 hours before it was
-- fetched. cost.movement, cost.anomaly, cost.spend_vs_budget and the savings judge no later day; cost.resource_cost says which
-- days are later.
-- key: slice, month
-- slice: Which cut of the money, as in cost.daily.
-- month: First day of the month.
-- first_date: First day that is expected: of the month, or of the whole bill where that begins later.
-- through_date: Last complete day (UTC) that the slice holds of the month; NULL where no day is complete.
-- day_count: Days from first_date to through_date that have a row, or on which nothing cost anything.
-- days_missing: Days from first_date to through_date of which that is not known; what is summed over them may be too small. A
--    day without rows in any slice is known where the others add up to AWS's total of the month, and where the whole month was
--    read and is empty.
-- is_estimated: True while AWS may still change an amount of the month.
-- is_final: True where every day of the month is complete and there, and AWS does not change any amount of it.
-- bill_domain: Whose bill it is, by the newest pre-flight before each row was collected, as in audit.bill: own, transferred,
--    pro forma or unknown; mixed where the rows of the month come from several.
-- payer_account_id: Management account that pays the bill, 12 digits; NULL where that is unknown or mixed.
-- is_stale: True where the newest response about a part of the month is not trusted.
-- collected_at: When AWS gave the newest row of the month, UTC.
with bill as (
    select
        cost.slice,
        date_trunc('month', cost.usage_date)::date as bill_month,
        cost.usage_date,
        cost.usage_date <= (cost.collected_at at time zone 'UTC')::date - 2 as is_complete,
        cost.is_estimated,
        coalesce(bill.domain, 'unknown') as bill_domain,
        bill.payer_account_id,
        cost.is_stale,
        cost.collected_at
    from cost.daily as cost
    asof left join audit.bill as bill on cost.collected_at >= bill.checked_at
),

counted as (
    select
        slice,
        bill_month,
        greatest(bill_month, (select min(first_day.usage_date) from bill as first_day)) as first_date,
        max(usage_date) filter (where is_complete) as through_date,
        count(distinct usage_date) filter (where is_complete) as day_count,
        bool_or(is_estimated) as is_estimated,
        if(count(distinct bill_domain) = 1, min(bill_domain), 'mixed') as bill_domain,
        if(
            count(distinct coalesce(payer_account_id, '')) = 1, min(payer_account_id), null
        ) as payer_account_id,
        bool_or(is_stale) as is_stale,
        max(collected_at) as collected_at
    from bill
    group by slice, bill_month
),

span as (
    select
        slice,
        min(bill_month) as first_month,
        max(bill_month) as newest_month
    from counted
    group by slice
),

-- A month that was read and holds nothing is one of each slice that has months before and after it.
empty_month as (
    select
        span.slice,
        empty.month as bill_month,
        empty.month as first_date,
        null::date as through_date,
        0 as day_count,
        empty.is_estimated,
        coalesce(payer.domain, 'unknown') as bill_domain,
        payer.payer_account_id,
        false as is_stale,
        empty.collected_at
    from stage.month_without_cost as empty
    inner join span on empty.month > span.first_month and empty.month < span.newest_month
    asof left join audit.bill as payer on empty.collected_at >= payer.checked_at
),

held as (
    select * from counted
    union all
    select * from empty_month
),

without_cost as (
    select
        held.slice,
        held.bill_month,
        max(without.usage_date) as last_date,
        count(*) as day_count
    from held
    inner join stage.day_without_cost as without
        on
            held.bill_month = without.month
            and (held.collected_at at time zone 'UTC')::date - 2 >= without.usage_date
    group by held.slice, held.bill_month
),

known as (
    select
        held.* replace (
            greatest(held.through_date, without_cost.last_date) as through_date,
            held.day_count + coalesce(without_cost.day_count, 0) as day_count
        )
    from held
    left join without_cost using (slice, bill_month)
),

expected as (
    select
        *,
        coalesce(datediff('day', first_date, through_date) + 1, 0) - day_count as days_missing
    from known
)

select
    slice,
    bill_month as "month",
    first_date,
    through_date,
    day_count,
    days_missing,
    is_estimated,
    coalesce(
        first_date = bill_month
        and through_date = last_day(bill_month)
        and days_missing = 0
        and not is_estimated,
        false
    ) as is_final,
    bill_domain,
    payer_account_id,
    is_stale,
    collected_at
from expected
