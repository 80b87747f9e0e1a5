-- Whom the newest month's savings are to be asked of: rates per month in the reporting currency, by the newest rate. What
-- nobody owns stands last, since there is nobody to ask.
with rate as (
    select
        currency,
        rate
    from cost.exchange_rate
    qualify row_number() over (partition by currency order by usage_date desc) = 1
)

select
    saving.owner,
    count(*) as finding_count,
    count(distinct saving.account_id) as account_count,
    count(*) filter (
        coalesce(saving.identified, saving.accepted, saving.realised) is null
    ) as without_estimate_count,
    if(
        count(saving.identified) = count(saving.identified * rate.rate),
        sum(saving.identified * rate.rate)::decimal(28, 10),
        null
    ) as identified,
    if(
        count(saving.accepted) = count(saving.accepted * rate.rate),
        sum(saving.accepted * rate.rate)::decimal(28, 10),
        null
    ) as accepted,
    if(
        count(saving.realised) = count(saving.realised * rate.rate),
        sum(saving.realised * rate.rate)::decimal(28, 10),
        null
    ) as realised,
    any_value(setting.reporting_currency) as currency,
    count(*) over () as of_count
from cost.saving as saving
left join rate on saving.currency = rate.currency
cross join ref.setting as setting
where saving.month = (select max(newest.month) from cost.saving as newest)
group by saving.owner
order by saving.owner is null, identified desc nulls last, saving.owner asc
limit 40
