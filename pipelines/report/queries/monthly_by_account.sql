-- The bill by month and account, in the reporting currency, the running month through its last complete day: the eight accounts
-- that cost or moved most in the last whole month and in the running one, and the others together.
with complete as (
    select
        month,
        through_date
    from cost.month_coverage
    where
        slice = 'service' and through_date is not null
        and month >= (
            select max(newest.month) - interval 13 month from cost.month_coverage as newest
            where newest.slice = 'service' and newest.through_date is not null
        )
),

newest as (
    select
        max(through_date) as through_date,
        max(month) filter (through_date = last_day(month)) as whole_month
    from complete
),

counted as (
    select
        complete.month,
        cost.usage_date,
        cost.account_id,
        cost.unblended_cost,
        cost.reporting_unblended_cost,
        cost.reporting_currency
    from cost.by_service as cost
    inner join complete
        on date_trunc('month', cost.usage_date) = complete.month and cost.usage_date <= complete.through_date
),

bill as (
    select
        month,
        account_id,
        if(count(*) = count(reporting_unblended_cost), sum(reporting_unblended_cost), null) as cost,
        any_value(reporting_currency) as currency
    from counted
    group by month, account_id
),

-- In the currency of the bill, so that a day without a rate hides nobody.
amount as (
    select
        counted.account_id,
        coalesce(sum(counted.unblended_cost) filter (counted.month = newest.whole_month), 0) as whole,
        coalesce(
            sum(counted.unblended_cost) filter (counted.month = newest.whole_month - interval 1 month), 0
        ) as before_whole,
        coalesce(sum(counted.unblended_cost) filter (
            counted.usage_date >= date_trunc('month', newest.through_date)
        ), 0) as running,
        coalesce(sum(counted.unblended_cost) filter (
            counted.month = date_trunc('month', newest.through_date) - interval 1 month
            and day(counted.usage_date) <= day(newest.through_date)
        ), 0) as before_running
    from counted
    cross join newest
    group by counted.account_id
),

placed as (
    select
        account_id,
        greatest(whole, running) as size,
        row_number() over (order by greatest(whole, running) desc, account_id asc) as size_place,
        row_number() over (
            order by greatest(abs(whole - before_whole), abs(running - before_running)) desc, account_id asc
        ) as move_place
    from amount
),

chosen as (
    select
        account_id,
        size,
        row_number() over (order by least(size_place, move_place) asc, size_place asc) <= 8 as is_shown
    from placed
),

ranked as (
    select
        account_id,
        if(is_shown, row_number() over (order by is_shown desc, size desc, account_id asc), 9) as place
    from chosen
)

select
    bill.month,
    complete.through_date,
    ranked.place,
    case when ranked.place < 9 then bill.account_id end as account_id,
    any_value(account.account_name) filter (where ranked.place < 9) as account_name,
    count(*) as account_count,
    if(count(*) = count(bill.cost), sum(bill.cost), null) as cost,
    any_value(bill.currency) as currency
from bill
inner join complete using (month)
inner join ranked using (account_id)
left join org.account as account using (account_id)
group by bill.month, complete.through_date, ranked.place, case when ranked.place < 9 then bill.account_id end
order by bill.month, ranked.place
