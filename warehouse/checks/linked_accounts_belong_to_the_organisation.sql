-- Every account that the bill charges in the months that are still open belongs to the organisation, or is named in
-- former_account.csv in CMDB_REFERENCE.
-- about: cost.daily
-- refetch: organizations_account
select
    d.account_id,
    min(d.usage_date) as first_date,
    max(d.usage_date) as last_date,
    sum(d.unblended_cost) as unblended_cost,
    any_value(d.currency) as currency
from cost.daily as d
where
    d.slice = 'service'
    and d.usage_date >= date_trunc('month', current_date) - interval 1 month
    and d.account_id not in (select a.account_id from org.account as a)
    and d.account_id not in (select f.account_id from ref.former_account as f)
group by d.account_id
