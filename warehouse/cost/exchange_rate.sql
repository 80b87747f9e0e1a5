-- The rate by which each day of the bill is shown in the reporting currency, and of what kind it is: of a month that AWS has
-- closed the invoice's rate; else the average of a month that is over; else the latest spot rate of that day or before,
-- never a later one. Rates of the kind budget are for budgets alone. Without a rate the row says NULL, never 1.
-- rests_on: slices=service because only the days of the bill are read, and every slice has the same
-- key: usage_date, currency
-- usage_date: Day of use (UTC).
-- currency: Billing currency, ISO 4217.
-- reporting_currency: The currency that it is converted into, ISO 4217.
-- rate: Units of the reporting currency for one of the billing currency; NULL where there is none.
-- rate_kind: invoice, month_average, spot, or same_currency where nothing is converted; NULL where there is no rate.
-- rate_date: The first day that the rate holds for; NULL where nothing is converted.
-- rate_source: Who published the rate, by ref.fx_rate; NULL where nothing is converted or nobody is named.
-- is_example_rate: True where nobody published it: an example, as in the demo. NULL where there is no rate.
-- rate_age_days: Days from rate_date to the day of use; NULL where nothing is converted. rates_are_published_and_recent warns of a spot rate of more than 7.
with billed_month as (
    select
        currency,
        date_trunc('month', usage_date)::date as bill_month,
        not bool_or(is_estimated) as is_closed,
        date_trunc('month', usage_date) + interval 1 month <= max(collected_at)::date as is_over
    from cost.daily
    group by currency, date_trunc('month', usage_date)
),

billed_day as (
    select distinct
        usage_date,
        currency,
        date_trunc('month', usage_date)::date as bill_month
    from cost.daily
),

usable_rate as (
    select
        known.from_currency as currency,
        known.kind,
        known.valid_from,
        known.rate,
        known.source,
        date_trunc('month', known.valid_from)::date as rate_month,
        list_position(['invoice', 'month_average', 'spot'], known.kind) as preference
    from ref.fx_rate as known
    inner join ref.setting as setting on known.to_currency = setting.reporting_currency
    where known.kind <> 'budget'
),

chosen as (
    select
        billed_day.usage_date,
        billed_day.currency,
        usable_rate.rate,
        usable_rate.kind,
        usable_rate.valid_from,
        usable_rate.source
    from billed_day
    inner join billed_month using (currency, bill_month)
    inner join usable_rate using (currency)
    where
        case usable_rate.kind
            when 'spot' then usable_rate.valid_from <= billed_day.usage_date
            -- A rate of a month may be dated by any day of it.
            when 'invoice' then billed_month.is_closed and usable_rate.rate_month = billed_day.bill_month
            else billed_month.is_over and usable_rate.rate_month = billed_day.bill_month
        end
    qualify row_number() over (
            partition by billed_day.usage_date, billed_day.currency
            order by usable_rate.preference asc, usable_rate.valid_from desc
        ) = 1
)

select
    billed_day.usage_date,
    billed_day.currency,
    setting.reporting_currency,
    if(billed_day.currency = setting.reporting_currency, 1, chosen.rate)::decimal(18, 10) as rate,
    if(billed_day.currency = setting.reporting_currency, 'same_currency', chosen.kind) as rate_kind,
    if(billed_day.currency = setting.reporting_currency, null, chosen.valid_from) as rate_date,
    if(billed_day.currency = setting.reporting_currency, null, chosen.source) as rate_source,
    case
        when billed_day.currency = setting.reporting_currency then false
        when chosen.rate is not null then coalesce(chosen.source = 'example', false)
    end as is_example_rate,
    if(
        billed_day.currency = setting.reporting_currency, null, billed_day.usage_date - chosen.valid_from
    )::integer as rate_age_days
from billed_day
cross join ref.setting as setting
left join chosen using (usage_date, currency)
