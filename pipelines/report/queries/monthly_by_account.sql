-- The bill by month and account, in the reporting currency: the eight accounts that cost most, and the others together.
with bill as (
    select
        date_trunc('month', usage_date)::date as month,
        account_id,
        if(count(*) = count(reporting_unblended_cost), sum(reporting_unblended_cost), null) as cost,
        any_value(reporting_currency) as currency
    from cost.by_service
    where usage_date >= (
            select date_trunc('month', max(newest.usage_date)) - interval 13 month
            from cost.by_service as newest
        )
    group by date_trunc('month', usage_date), account_id
),

ranked as (
    select
        account_id,
        row_number() over (order by sum(cost) desc nulls last, account_id asc) as place
    from bill
    group by account_id
)

select
    bill.month,
    least(ranked.place, 9) as place,
    case when ranked.place < 9 then bill.account_id end as account_id,
    any_value(account.account_name) filter (where ranked.place < 9) as account_name,
    count(*) as account_count,
    if(count(*) = count(bill.cost), sum(bill.cost), null) as cost,
    any_value(bill.currency) as currency
from bill
inner join ranked using (account_id)
left join org.account as account using (account_id)
group by bill.month, least(ranked.place, 9), case when ranked.place < 9 then bill.account_id end
order by bill.month, place
