-- By which rate budgets are shown in the reporting currency: of the kind budget where there is one at the month's start, else
-- that of the last complete day of the bill that has a cost, which for a currency that nothing is billed in is the latest spot
-- rate. Not part of the public interface; read cost.spend_vs_budget.
-- materialized: view
-- key: currency
-- currency: The currency that is converted, ISO 4217.
-- rate: Units of the reporting currency for one of it.
-- rate_kind: same_currency, budget, or the kind of that day's rate.
-- day_rate: Rate of that day; NULL for a currency that nothing is billed in.
-- day_rate_kind: Kind of that rate.
-- day_rate_date: The first day that it holds for; NULL where nothing is converted.
with last_complete as (
    select max(through_date) as last_complete_date
    from cost.month_coverage
    where slice = 'service'
),

rate_now as (
    select
        exchange.currency,
        exchange.rate,
        exchange.rate_kind,
        exchange.rate_date
    from cost.exchange_rate as exchange
    inner join last_complete on exchange.usage_date <= last_complete.last_complete_date
    -- The last complete day may have cost nothing, and then it has no rate.
    qualify exchange.usage_date = max(exchange.usage_date) over ()
),

known as (
    select
        reporting_currency as currency,
        1::decimal(18, 10) as rate,
        'same_currency' as kind,
        1 as preference
    from ref.setting
    union all
    select
        rate.from_currency as currency,
        max_by(rate.rate, rate.valid_from) as rate,
        rate.kind,
        case rate.kind when 'budget' then 2 else 4 end as preference
    from ref.fx_rate as rate
    cross join last_complete
    inner join ref.setting as setting on rate.to_currency = setting.reporting_currency
    where
        rate.kind in ('budget', 'spot')
        and rate.valid_from <= case rate.kind
            when 'budget' then date_trunc('month', last_complete.last_complete_date)
            else last_complete.last_complete_date
        end
    group by rate.from_currency, rate.kind
    union all
    select
        currency,
        rate,
        rate_kind as kind,
        3 as preference
    from rate_now
),

chosen as (
    select *
    from known
    qualify row_number() over (
            partition by currency
            order by preference asc
        ) = 1
)

select
    chosen.currency,
    chosen.rate,
    chosen.kind as rate_kind,
    rate_now.rate as day_rate,
    rate_now.rate_kind as day_rate_kind,
    rate_now.rate_date as day_rate_date
from chosen
left join rate_now using (currency)
