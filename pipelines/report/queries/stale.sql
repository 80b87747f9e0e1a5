-- What is shown as it was at the last trusted response: the response of this run cannot be trusted.
select
    'configuration items' as what,
    count(*) as stale_count,
    count(distinct account_id) as account_count,
    min(last_seen_at) as true_at
from cmdb.resource
where is_stale and status <> 'retired'
union all
select
    'rows of the bill' as what,
    count(*) as stale_count,
    count(distinct account_id) as account_count,
    min(collected_at) as true_at
from cost.daily
where is_stale
union all
select
    'budgets that AWS keeps' as what,
    count(*) as stale_count,
    count(distinct scope) as account_count,
    min(fetched_at) as true_at
from cost.spend_vs_budget
where
    is_stale and starts_with(scope, 'aws:')
    and as_of_date = (select max(newest.as_of_date) from cost.spend_vs_budget as newest)
    -- A night without any budget to judge has no row; what stood before it is nothing of now.
    -- Without any bill there is nothing that the budgets could be older than.
    and as_of_date >= coalesce(
        (
            select max(cost.collected_at at time zone 'UTC')::date
            from cost.daily as cost
            where cost.slice = 'service'
        ),
        as_of_date
    )
