-- How each value of each slice moved from one month to the next, and how much of that is due to what was used and how much
-- to the exchange rate, which together are the difference to the last digit. The running month is counted up to its last
-- complete day (cost.month_coverage) and compared with as many days of the month before. The same money once more in each
-- slice: never add slices.
-- key: month, slice, dimension_value
-- month: First day of the month.
-- slice: Which cut of the money, as in cost.daily; account for the linked accounts, counted from the slice service.
-- dimension_value: Value of the slice's dimension; of a tag slice the value that counts, as in cost.by_tag; of account its 12 digits.
-- through_date: Last day of the month that is counted: the last complete one of the slice.
-- previous_through_date: Last day of the month before that is counted.
-- cost: Unblended cost of the month, in the billing currency.
-- previous_cost: Unblended cost of the month before, in the billing currency.
-- currency: Billing currency, ISO 4217.
-- reporting_cost: Unblended cost of the month, in the reporting currency; NULL where a day has no rate.
-- previous_reporting_cost: Unblended cost of the month before, in the reporting currency; NULL where a day has no rate.
-- change: reporting_cost less previous_reporting_cost.
-- usage_effect: What the difference in the billing currency is worth at the previous month's average rate, in the reporting
--    currency; the whole change where that month has no day of cost and so no rate.
-- rate_effect: What is left of the change: the exchange rate's doing, in the reporting currency.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- rate: Average of the rates of the month's days that are counted; NULL where none of them has a cost.
-- previous_rate: Average of the rates of the days of the month before that are counted; NULL where none of them has a cost.
-- days_missing: Days of both months, up to through_date and previous_through_date, of which the slice has no row and it is not
--    known that nothing cost anything on them, as in cost.month_coverage: the difference may be due to them.
-- is_final: True where both months are whole and AWS does not change them any more.
with bill as (
    select
        usage_date,
        date_trunc('month', usage_date)::date as bill_month,
        slice,
        dimension_value,
        unblended_cost,
        reporting_unblended_cost,
        currency
    from stage.reported_cost
    where not starts_with(slice, 'tag:')

    union all

    select
        usage_date,
        date_trunc('month', usage_date)::date as bill_month,
        'account' as slice,
        account_id as dimension_value,
        unblended_cost,
        reporting_unblended_cost,
        currency
    from stage.reported_cost
    where slice = 'service'

    union all

    select
        usage_date,
        date_trunc('month', usage_date)::date as bill_month,
        'tag:' || tag_key as slice,
        tag_value as dimension_value,
        unblended_cost,
        reporting_unblended_cost,
        currency
    from cost.by_tag
),

coverage as (
    select
        slice,
        "month",
        through_date,
        is_final
    from cost.month_coverage
    union all
    select
        'account' as slice,
        "month",
        through_date,
        is_final
    from cost.month_coverage
    where slice = 'service'
),

compared as (
    select
        this.month as bill_month,
        this.slice,
        this.through_date,
        before.month as previous_month,
        -- A month that is over is compared whole, whichever of the two is longer.
        if(
            this.through_date = last_day(this.month),
            before.through_date,
            least(
                before.through_date,
                before.month + datediff('day', this.month, this.through_date)::integer
            )
        ) as previous_through_date,
        this.is_final and before.is_final as is_final
    from coverage as this
    inner join coverage as before
        on this.slice = before.slice and this.month = before.month + interval 1 month
    where this.through_date is not null and before.through_date is not null
),

counted_month as (
    select
        bill_month,
        slice,
        true as is_current,
        bill_month as counted_month,
        through_date
    from compared
    union all
    select
        bill_month,
        slice,
        false as is_current,
        previous_month as counted_month,
        previous_through_date as through_date
    from compared
),

counted as (
    select
        counted_month.bill_month,
        counted_month.slice,
        counted_month.is_current,
        bill.usage_date,
        bill.dimension_value,
        bill.unblended_cost,
        bill.reporting_unblended_cost,
        bill.currency
    from counted_month
    inner join bill
        on
            counted_month.slice = bill.slice
            and counted_month.counted_month = bill.bill_month
            and counted_month.through_date >= bill.usage_date
),

present as (
    select
        bill_month,
        slice,
        count(distinct usage_date) as day_count
    from counted
    group by bill_month, slice
),

without_cost as (
    select
        counted_month.bill_month,
        counted_month.slice,
        count(*) as day_count
    from counted_month
    inner join stage.day_without_cost as without
        on counted_month.counted_month = without.month and counted_month.through_date >= without.usage_date
    group by counted_month.bill_month, counted_month.slice
),

priced as (
    select
        compared.bill_month,
        compared.slice,
        rate.currency,
        avg(rate.rate) filter (where rate.usage_date >= compared.bill_month)::decimal(18, 10) as rate,
        avg(rate.rate) filter (
            where rate.usage_date < compared.bill_month and rate.usage_date <= compared.previous_through_date
        )::decimal(18, 10) as previous_rate
    from compared
    inner join cost.exchange_rate as rate
        on rate.usage_date between compared.previous_month and compared.through_date
    group by compared.bill_month, compared.slice, rate.currency
),

summed as (
    select
        bill_month,
        slice,
        currency,
        dimension_value,
        coalesce(sum(unblended_cost) filter (where is_current), 0)::decimal(28, 10) as cost,
        coalesce(sum(unblended_cost) filter (where not is_current), 0)::decimal(28, 10) as previous_cost,
        coalesce(sum(reporting_unblended_cost) filter (where is_current), 0)::decimal(28, 10)
            as reporting_cost,
        coalesce(sum(reporting_unblended_cost) filter (where not is_current), 0)::decimal(28, 10)
            as previous_reporting_cost,
        bool_or(reporting_unblended_cost is null) as lacks_rate
    from counted
    group by bill_month, slice, currency, dimension_value
),

effect as (
    select
        summed.*,
        priced.rate,
        priced.previous_rate,
        if(summed.lacks_rate, null, summed.reporting_cost - summed.previous_reporting_cost)
        ::decimal(28, 10) as change,
        if(
            summed.lacks_rate,
            null,
            coalesce(
                (summed.cost - summed.previous_cost)::decimal(28, 10) * priced.previous_rate,
                summed.reporting_cost - summed.previous_reporting_cost
            )
        )
        ::decimal(28, 10) as usage_effect
    from summed
    inner join priced using (bill_month, slice, currency)
)

select
    effect.bill_month as "month",
    effect.slice,
    effect.dimension_value,
    compared.through_date,
    compared.previous_through_date,
    effect.cost,
    effect.previous_cost,
    effect.currency,
    if(effect.lacks_rate, null, effect.reporting_cost) as reporting_cost,
    if(effect.lacks_rate, null, effect.previous_reporting_cost) as previous_reporting_cost,
    effect.change,
    effect.usage_effect,
    (effect.change - effect.usage_effect)::decimal(28, 10) as rate_effect,
    setting.reporting_currency,
    effect.rate,
    effect.previous_rate,
    datediff('day', compared.bill_month, compared.through_date) + 1
    + datediff('day', compared.previous_month, compared.previous_through_date) + 1
    - present.day_count - coalesce(without_cost.day_count, 0) as days_missing,
    compared.is_final
from effect
inner join compared using (bill_month, slice)
inner join present using (bill_month, slice)
left join without_cost using (bill_month, slice)
cross join ref.setting as setting
