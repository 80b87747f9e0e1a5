-- By which rate budgets are shown in the reporting currency: of the kind budget where there is one at the month's start, else
-- that of the last complete day of the bill, which for a currency that nothing is billed in is the latest spot rate. Not part of
-- the public interface; read cost.spend_vs_budget.
-- materialized: view
-- key: currency
-- currency: The currency that is converted, ISO 4217.
-- rate: Units of the reporting currency for one of it.
-- rate_kind: same_currency, budget, or the kind of the last complete day's rate.
-- day_rate: Rate of the last complete day; NULL for a currency that nothing is billed in.
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
    inner join last_complete on exchange.usage_date = last_complete.last_complete_date
),

known as (
    select
        reporting_currency as currency,
        1::decimal(18, 10) as rate,
        'same_currency' as kind
    from ref.setting
    union all
    select
        rate.from_currency as currency,
        max_by(rate.rate, rate.valid_from) as rate,
        'budget' as kind
    from ref.fx_rate as rate
    cross join last_complete
    inner join ref.setting as setting on rate.to_currency = setting.reporting_currency
    where rate.kind = 'budget' and rate.valid_from <= date_trunc('month', last_complete.last_complete_date)
    group by rate.from_currency
    union all
    select
        currency,
        rate,
        rate_kind as kind
    from rate_now
    union all
    select
        spot.from_currency as currency,
        max_by(spot.rate, spot.valid_from) as rate,
        'spot' as kind
    from ref.fx_rate as spot
    cross join last_complete
    inner join ref.setting as setting on spot.to_currency = setting.reporting_currency
    anti join rate_now on spot.from_currency = rate_now.currency
    where spot.kind = 'spot' and spot.valid_from <= last_complete.last_complete_date
    group by spot.from_currency
),

chosen as (
    select *
    from known
    qualify row_number() over (
            partition by currency
            order by coalesce(list_position(['same_currency', 'budget'], kind), 3) asc
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
