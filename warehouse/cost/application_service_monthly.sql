-- What each application spent on each service in each month, in the billing and in the reporting currency: the money of
-- cost.tag_service_daily for the key of business services. What carries no such tag has a row of its own, and shared cost is not
-- shared out, so the rows of a month are the bill; cost.allocation shares it out. Without such a key that ref.tag_key cuts by
-- service there are no rows.
-- materialized: view
-- key: month, business_service, service
-- month: First day of the month (of use, UTC).
-- business_service: The value that counts, as in cmdb.resource; empty where the usage carries none.
-- service: The service's name in the bill.
-- unblended_cost: What the usage cost at the rate it was charged, in the billing currency.
-- amortized_cost: The same with upfront and recurring fees of commitments spread over their term; NULL where a day lacks it.
-- currency: Billing currency, ISO 4217; NULL where the month has several, and then no amount in it.
-- reporting_unblended_cost: unblended_cost in the reporting currency, the sum of the days; NULL where a day has no rate.
-- reporting_amortized_cost: amortized_cost in the reporting currency, the sum of the days; NULL where a day has no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- through_date: Last complete day of the bill by this tag in the month, by cost.month_coverage; what is after it grows.
-- days_missing: Days up to through_date that the bill by this tag lacks; the amounts may be too small by them.
-- is_estimated: True while AWS may still change an amount.
-- is_stale: True where the newest response about a part of the row is not trusted.
-- collected_at: When AWS gave the newest of the amounts, UTC.
with spent as (
    select
        date_trunc('month', cost.usage_date)::date as "month",
        cost.tag_key,
        cost.tag_value as business_service,
        cost.service,
        case when count(distinct cost.currency) = 1 then sum(cost.unblended_cost)::decimal(28, 10) end
            as unblended_cost,
        case
            when count(distinct cost.currency) = 1 and count(cost.amortized_cost) = count(*)
                then sum(cost.amortized_cost)::decimal(28, 10)
        end as amortized_cost,
        case when count(distinct cost.currency) = 1 then min(cost.currency) end as currency,
        case
            when count(cost.reporting_unblended_cost) = count(*)
                then sum(cost.reporting_unblended_cost)::decimal(28, 10)
        end as reporting_unblended_cost,
        case
            when count(cost.reporting_amortized_cost) = count(*)
                then sum(cost.reporting_amortized_cost)::decimal(28, 10)
        end as reporting_amortized_cost,
        cost.reporting_currency,
        bool_or(cost.is_estimated) as is_estimated,
        bool_or(cost.is_stale) as is_stale,
        max(cost.collected_at) as collected_at
    from cost.tag_service_daily as cost
    inner join ref.tag_key as wanted
        on cost.tag_key = wanted.tag_key and wanted.resource_column = 'business_service'
    group by
        date_trunc('month', cost.usage_date),
        cost.tag_key,
        cost.tag_value,
        cost.service,
        cost.reporting_currency
)

select
    spent."month",
    spent.business_service,
    spent.service,
    spent.unblended_cost,
    spent.amortized_cost,
    spent.currency,
    spent.reporting_unblended_cost,
    spent.reporting_amortized_cost,
    spent.reporting_currency,
    closing.through_date,
    closing.days_missing,
    spent.is_estimated,
    spent.is_stale,
    spent.collected_at
from spent
left join cost.month_coverage as closing
    on closing.slice = 'tag:' || spent.tag_key and spent."month" = closing."month"
