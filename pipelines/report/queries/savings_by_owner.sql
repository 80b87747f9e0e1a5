-- Who decides on the newest month's savings: rates per month in the reporting currency, by the newest rate. What
-- nobody owns stands last, since there is nobody to ask.
select
    saving.owner,
    count(*) as finding_count,
    count(distinct saving.account_id) as account_count,
    count(*) filter (
        coalesce(saving.identified, saving.accepted, saving.realised) is null
        and saving.unknown_reason is null
    ) as without_estimate_count,
    if(
        count(saving.identified) = count(saving.reporting_identified),
        sum(saving.reporting_identified)::decimal(28, 10),
        null
    ) as identified,
    if(
        count(saving.accepted) = count(saving.reporting_accepted),
        sum(saving.reporting_accepted)::decimal(28, 10),
        null
    ) as accepted,
    if(
        count(saving.realised) = count(saving.reporting_realised),
        sum(saving.reporting_realised)::decimal(28, 10),
        null
    ) as realised,
    any_value(setting.reporting_currency) as currency,
    count(*) over () as of_count
from cost.saving as saving
cross join ref.setting as setting
where saving.month = (select max(newest.month) from cost.saving as newest)
group by saving.owner
order by saving.owner is null, identified desc nulls last, saving.owner asc
limit 40
