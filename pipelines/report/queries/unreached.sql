-- Active accounts of the organisation that no profile reaches, central ones aside, and what they cost in the last thirty days of the bill.
with bill as (
    select
        account_id,
        if(count(*) = count(reporting_unblended_cost), sum(reporting_unblended_cost), null) as cost,
        any_value(reporting_currency) as currency
    from cost.by_service
    where usage_date > (select max(newest.usage_date) - 30 from cost.by_service as newest)
    group by account_id
)

select
    account.account_id,
    account.account_name,
    bill.cost,
    (select any_value(all_of.currency) from bill as all_of) as currency,
    100 * bill.cost / nullif((select sum(all_of.cost) from bill as all_of), 0) as share_pct
from org.account as account
left join bill using (account_id)
where
    account.state = 'ACTIVE' and not account.has_profile
    and not exists (
        select 1 from audit.caller_identity as central
        where
            central.caller_account_id = account.account_id and central.role <> 'workload'
            and central.run_id
            = (
                select arg_max(run_id, finished_at) from audit.run
                where outcome = 'published'
            )
    )
order by bill.cost desc nulls last, account.account_id asc
