-- The bill by month and service, in the reporting currency: the eight services that cost most, and the others together.
with bill as (
    select
        date_trunc('month', usage_date)::date as month,
        service,
        if(count(*) = count(reporting_unblended_cost), sum(reporting_unblended_cost), null) as cost,
        any_value(reporting_currency) as currency
    from cost.by_service
    where usage_date >= (
            select date_trunc('month', max(newest.usage_date)) - interval 13 month
            from cost.by_service as newest
        )
    group by date_trunc('month', usage_date), service
),

ranked as (
    select
        service,
        row_number() over (order by sum(cost) desc nulls last, service asc) as place
    from bill
    group by service
)

select
    bill.month,
    least(ranked.place, 9) as place,
    case when ranked.place < 9 then bill.service end as service,
    count(*) as service_count,
    if(count(*) = count(bill.cost), sum(bill.cost), null) as cost,
    any_value(bill.currency) as currency
from bill
inner join ranked using (service)
group by bill.month, least(ranked.place, 9), case when ranked.place < 9 then bill.service end
order by bill.month, place
