-- What was identified, accepted and realised month by month, in the reporting currency by the newest rate of the month's last run:
-- the last thirteen months.
select
    saving.month,
    count(*) as finding_count,
    if(
        count(saving.identified) = count(saving.reporting_identified), sum(saving.reporting_identified), null
    ) as identified,
    if(count(saving.accepted) = count(saving.reporting_accepted), sum(saving.reporting_accepted), null)
        as accepted,
    if(count(saving.realised) = count(saving.reporting_realised), sum(saving.reporting_realised), null)
        as realised,
    any_value(setting.reporting_currency) as currency
from cost.saving as saving
cross join ref.setting as setting
where
    saving.currency is not null
    and saving.month > (select max(newest.month) - interval 13 month from cost.saving as newest)
group by saving.month
order by saving.month
