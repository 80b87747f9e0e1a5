-- What the filters offer: months, accounts, services, and the values of each tag, whose key is the `parent`.
with billed as (
    select distinct account_id
    from explorer.cost_month
    where account_id is not null
)

select
    'month' as kind,
    strftime(month, '%Y-%m') as value,
    null::varchar as label,
    null::varchar as parent
from explorer.cost_month
union
select
    'service' as kind,
    value,
    null as label,
    null as parent
from explorer.cost_month
where slice = 'service'
union
select
    'account' as kind,
    coalesce(billed.account_id, account.account_id) as value,
    account.account_name as label,
    null as parent
from org.account as account
full join billed using (account_id)
union
select
    'team' as kind,
    value,
    null as label,
    substr(slice, 5) as parent
from explorer.cost_month
where starts_with(slice, 'tag:')
union
select
    'currency' as kind,
    reporting_currency as value,
    null as label,
    null as parent
from explorer.cost_month
where reporting_unblended_cost is not null
