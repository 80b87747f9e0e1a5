-- The twenty resources that would save most, each under the rule that counts for it, with whom to ask. Rates per month,
-- the least of list price, what AWS measured and what the account pays, in the reporting currency by the newest rate.
select
    saving.rule,
    coalesce(signal.name, saving.arn) as resource,
    signal.resource_type,
    saving.account_id,
    account.account_name,
    signal.region,
    saving.owner,
    signal.confidence,
    signal.unused_since,
    signal.first_flagged_date,
    saving.reporting_identified as monthly_saving,
    saving.reporting_currency as currency,
    saving.limited_by,
    saving.basis,
    saving.arn,
    count(*) over () as of_count
from cost.saving as saving
left join cmdb.decommission_signal as signal
    on
        saving.arn = signal.arn and saving.rule = signal.rule
        and signal.verdict = 'candidate' and signal.resolution is null
left join org.account as account on saving.account_id = account.account_id
where
    saving.month = (select max(newest.month) from cost.saving as newest)
    and saving.identified > 0
order by saving.identified desc, saving.arn asc, saving.rule asc
limit 20
