-- Accounts whose resources nobody collects, and what they cost in the last thirty complete days of the bill: active ones that no
-- profile reaches, suspended or closed ones, and those that the organisation does not list. Central ones are left out.
with bill as (
    select
        account_id,
        if(count(*) = count(reporting_unblended_cost), sum(reporting_unblended_cost), null) as cost,
        any_value(reporting_currency) as currency
    from cost.by_service
    where
        usage_date > (
            select max(coverage.through_date) - 30 from cost.month_coverage as coverage
            where coverage.slice = 'service'
        )
        and usage_date <= (
            select max(coverage.through_date) from cost.month_coverage as coverage
            where coverage.slice = 'service'
        )
    group by account_id
),

central as (
    select caller_account_id as account_id
    from audit.caller_identity
    where
        role <> 'workload'
        and run_id = (
            select arg_max(run_id, finished_at) from audit.run
            where outcome = 'published'
        )
)

select
    coalesce(account.account_id, bill.account_id) as account_id,
    account.account_name,
    case
        when account.account_id is null then 'not of the organisation'
        when account.state = 'ACTIVE' then 'no profile'
        else lower(replace(account.state, '_', ' '))
    end as why,
    bill.cost,
    (select any_value(every.currency) from bill as every) as currency,
    if(
        (select bool_and(every.cost is not null) from bill as every),
        -- Of what the whole bill does not name, nothing is billed.
        100 * coalesce(bill.cost, 0) / nullif((select sum(every.cost) from bill as every), 0),
        null
    ) as share_pct
from org.account as account
full outer join bill on account.account_id = bill.account_id
where
    not exists (
        select 1 from central
        where central.account_id = coalesce(account.account_id, bill.account_id)
    )
    and case
        when account.state = 'ACTIVE' then not account.has_profile
        -- What is suspended and costs nothing is nobody's question.
        else coalesce(bill.cost, 1) <> 0 and bill.account_id is not null
    end
order by bill.cost desc nulls last, account_id asc
