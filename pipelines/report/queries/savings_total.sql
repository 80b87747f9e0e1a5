-- What the newest month's findings would save a month, what somebody decided to keep of it, and what was saved: rates per
-- month, each amount counted once and held against the bill, in the reporting currency by the newest rate of exchange.
with rate as (
    select
        currency,
        reporting_currency,
        rate,
        rate_kind,
        rate_date
    from cost.exchange_rate
    qualify row_number() over (partition by currency order by usage_date desc) = 1
)

select
    saving.month,
    count(*) filter (
        saving.accepted is null and saving.realised is null and saving.unknown_reason is null
    ) as finding_count,
    count(*) filter (
        coalesce(saving.identified, saving.accepted, saving.realised) is null
        and saving.unknown_reason is null
    ) as without_estimate_count,
    count(*) filter (saving.unknown_reason is not null) as realised_unknown_count,
    if(
        count(saving.identified) = count(saving.reporting_identified),
        coalesce(sum(saving.reporting_identified), 0)::decimal(28, 10),
        null
    ) as identified,
    if(
        count(saving.accepted) = count(saving.reporting_accepted),
        coalesce(sum(saving.reporting_accepted), 0)::decimal(28, 10),
        null
    ) as accepted,
    if(
        count(saving.realised) = count(saving.reporting_realised),
        coalesce(sum(saving.reporting_realised), 0)::decimal(28, 10),
        null
    ) as realised,
    any_value(setting.reporting_currency) as currency,
    (
        select count(*) from ref.unit_price
        where contains(unit_price.source, 'to be reviewed')
    ) as unreviewed_price_count,
    max(rate.rate) as rate,
    any_value(rate.rate_kind) as rate_kind,
    max(rate.rate_date) as rate_date
from cost.saving as saving
left join rate on saving.currency = rate.currency
cross join ref.setting as setting
where saving.month = (select max(newest.month) from cost.saving as newest)
group by saving.month
