-- What was identified, accepted and realised month by month, in the currency of the estimates: the last thirteen months.
select
    month,
    count(*) as finding_count,
    sum(identified) as identified,
    sum(accepted) as accepted,
    sum(realised) as realised,
    currency
from cost.saving
where
    currency is not null
    and month > (select max(newest.month) - interval 13 month from cost.saving as newest)
group by month, currency
order by month, currency
