-- What each month came to when AWS had closed it, by the payer that reported it. A month that a new payer reports begins anew.
-- Not part of the public interface; read cost.reconciliation.
-- materialized: full_from_previous
-- key: month
-- month: First day of the month.
-- unblended_cost: Unblended cost of the month when it was first seen closed, in the currency beside it.
-- currency: Billing currency, ISO 4217.
-- payer_account_id: The account of the request, 12 digits.
-- closed_at: When AWS gave it, UTC.
with closed as (
    select
        date_trunc('month', cost.usage_date)::date as bill_month,
        sum(cost.unblended_cost)::decimal(28, 10) as unblended_cost,
        min(cost.currency) as currency,
        min(cost.caller_account_id) as payer_account_id,
        max(cost.collected_at) as closed_at
    from cost.daily as cost
    inner join stage.slice_month as answered
        on cost.slice = answered.slice and date_trunc('month', cost.usage_date) = answered.month
    where cost.slice = 'service'
    group by date_trunc('month', cost.usage_date)
    having not bool_or(cost.is_estimated)
)

select
    coalesce(before.month, closed.bill_month) as "month",
    coalesce(before.unblended_cost, closed.unblended_cost) as unblended_cost,
    coalesce(before.currency, closed.currency) as currency,
    coalesce(before.payer_account_id, closed.payer_account_id) as payer_account_id,
    coalesce(before.closed_at, closed.closed_at) as closed_at
from stage.closed_month as before
full outer join closed
    on before.month = closed.bill_month and before.payer_account_id = closed.payer_account_id
-- Of a month that another payer reports now, what the old one reported is not read any more.
where
    closed.bill_month is not null
    or before.month not in (select newly.bill_month from closed as newly)
