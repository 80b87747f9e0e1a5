-- What each account cost each day, in the billing and in the reporting currency: every amount once, so that it may be summed.
-- It is the bill by account; cost.by_service and its sisters divide the same money further.
-- materialized: view
-- key: usage_date, account_id
-- usage_date: Day of use; AWS's billing day is UTC.
-- account_id: The linked account that used it, 12 digits.
-- unblended_cost: What the usage cost at the rate it was charged, in the billing currency.
-- amortized_cost: The same with upfront and recurring fees of commitments spread over their term, in the billing currency.
-- net_unblended_cost: Unblended after discounts, in the billing currency; NULL where AWS does not give it.
-- net_amortized_cost: Amortized after discounts, in the billing currency; NULL where AWS does not give it.
-- currency: Billing currency, ISO 4217.
-- reporting_unblended_cost: unblended_cost in the reporting currency, the sum of amounts of ten decimals; NULL where there is no rate.
-- reporting_amortized_cost: amortized_cost in the reporting currency, the sum of amounts of ten decimals; NULL where there is no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- bill_domain: Whose bill it is, as in cost.month_coverage: own, transferred, pro forma, mixed or unknown.
-- is_estimated: True while AWS may still change an amount.
-- is_stale: True where the newest response about a part of the row is not trusted.
-- collected_at: When AWS gave the newest of the amounts, UTC.
select
    cost.usage_date,
    cost.account_id,
    sum(cost.unblended_cost)::decimal(28, 10) as unblended_cost,
    sum(cost.amortized_cost)::decimal(28, 10) as amortized_cost,
    sum(cost.net_unblended_cost)::decimal(28, 10) as net_unblended_cost,
    sum(cost.net_amortized_cost)::decimal(28, 10) as net_amortized_cost,
    cost.currency,
    sum(cost.reporting_unblended_cost)::decimal(28, 10) as reporting_unblended_cost,
    sum(cost.reporting_amortized_cost)::decimal(28, 10) as reporting_amortized_cost,
    cost.reporting_currency,
    closing.bill_domain,
    bool_or(cost.is_estimated) as is_estimated,
    bool_or(cost.is_stale) as is_stale,
    max(cost.collected_at) as collected_at
from stage.reported_cost as cost
left join cost.month_coverage as closing
    on cost.slice = closing.slice and date_trunc('month', cost.usage_date) = closing.month
where cost.slice = 'service'
group by cost.usage_date, cost.account_id, cost.currency, cost.reporting_currency, closing.bill_domain
