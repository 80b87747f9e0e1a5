-- How each value of each slice moved from one month to the next, and how much of that is due to what was used and how much
-- to the exchange rate, which together are the difference to the last digit. The running month is compared with as many
-- days of the month before. The same money once more in each slice: never add slices.
-- key: month, slice, dimension_value
-- month: First day of the month.
-- slice: Which cut of the money, as in cost.daily.
-- dimension_value: Value of the slice's dimension; of a tag slice the value that counts, as in cost.by_tag.
-- through_date: Last day of the month that is counted.
-- previous_through_date: Last day of the month before that is counted.
-- cost: Unblended cost of the month, in the billing currency.
-- previous_cost: Unblended cost of the month before, in the billing currency.
-- currency: Billing currency, ISO 4217.
-- reporting_cost: Unblended cost of the month, in the reporting currency; NULL where a day has no rate.
-- previous_reporting_cost: Unblended cost of the month before, in the reporting currency; NULL where a day has no rate.
-- change: reporting_cost less previous_reporting_cost.
-- usage_effect: What the difference in the billing currency is worth at the previous month's average rate, in the reporting currency.
-- rate_effect: What is left of the change: the exchange rate's doing, in the reporting currency.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- rate: Average of the rates of the month's days that are counted.
-- previous_rate: Average of the rates of the days of the month before that are counted.
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
        'tag:' || tag_key as slice,
        tag_value as dimension_value,
        unblended_cost,
        reporting_unblended_cost,
        currency
    from cost.by_tag
),

counted_month as (
    select
        date_trunc('month', usage_date)::date as bill_month,
        currency,
        max(usage_date) as through_date
    from cost.daily
    where slice = 'service'
    group by date_trunc('month', usage_date), currency
),

compared as (
    select
        this.bill_month,
        this.currency,
        this.through_date,
        before.bill_month as previous_month,
        -- A month that is over is compared whole, whichever of the two is longer.
        if(
            this.through_date = last_day(this.bill_month),
            before.through_date,
            least(
                before.through_date,
                before.bill_month + datediff('day', this.bill_month, this.through_date)::integer
            )
        ) as previous_through_date
    from counted_month as this
    inner join counted_month as before
        on this.currency = before.currency and this.bill_month = before.bill_month + interval 1 month
),

priced as (
    select
        compared.bill_month,
        compared.currency,
        avg(rate.rate) filter (where rate.usage_date >= compared.bill_month)::decimal(18, 10) as rate,
        avg(rate.rate) filter (
            where rate.usage_date < compared.bill_month and rate.usage_date <= compared.previous_through_date
        )::decimal(18, 10) as previous_rate
    from compared
    inner join cost.exchange_rate as rate
        on
            compared.currency = rate.currency
            and rate.usage_date between compared.previous_month and compared.through_date
    group by compared.bill_month, compared.currency
),

summed as (
    select
        compared.bill_month,
        compared.currency,
        bill.slice,
        bill.dimension_value,
        coalesce(sum(bill.unblended_cost) filter (where bill.bill_month = compared.bill_month), 0)
        ::decimal(28, 10) as cost,
        coalesce(sum(bill.unblended_cost) filter (where bill.bill_month = compared.previous_month), 0)
        ::decimal(28, 10) as previous_cost,
        coalesce(sum(bill.reporting_unblended_cost) filter (where bill.bill_month = compared.bill_month), 0)
        ::decimal(28, 10) as reporting_cost,
        coalesce(
            sum(bill.reporting_unblended_cost) filter (where bill.bill_month = compared.previous_month), 0
        )
        ::decimal(28, 10) as previous_reporting_cost,
        bool_or(bill.reporting_unblended_cost is null) as lacks_rate
    from compared
    inner join bill
        on
            compared.currency = bill.currency
            and bill.bill_month in (compared.bill_month, compared.previous_month)
            and (compared.bill_month = bill.bill_month or compared.previous_through_date >= bill.usage_date)
    group by compared.bill_month, compared.currency, bill.slice, bill.dimension_value
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
            (summed.cost - summed.previous_cost)::decimal(28, 10) * priced.previous_rate
        )
        ::decimal(28, 10) as usage_effect
    from summed
    inner join priced using (bill_month, currency)
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
    effect.previous_rate
from effect
inner join compared using (bill_month, currency)
cross join ref.setting as setting
