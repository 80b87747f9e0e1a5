-- What each value of a tag cost each day, by service, in the billing and in the reporting currency: for the keys that
-- ref.tag_key marks. AWS cuts by two things at most, so there is no account. It is the money of cost.daily once more: never
-- sum across keys.
-- materialized: view
-- key: usage_date, tag_key, written_value, service
-- usage_date: Day of use; AWS's billing day is UTC.
-- tag_key: The key, such as bc:business-service.
-- tag_value: The value that counts, as in cost.by_tag: without white space around it, and by ref.tag_value_alias; empty where the usage has no such tag.
-- written_value: The value as somebody wrote it; empty where the usage has no such tag, or an empty one.
-- service: The service's name in the bill.
-- unblended_cost: What the usage cost at the rate it was charged, in the billing currency.
-- amortized_cost: The same with upfront and recurring fees of commitments spread over their term, in the billing currency.
-- net_unblended_cost: Unblended after discounts, in the billing currency; NULL where AWS does not give it.
-- net_amortized_cost: Amortized after discounts, in the billing currency; NULL where AWS does not give it.
-- billed_cost: What is invoiced (FOCUS), in the billing currency; NULL where AWS does not give it.
-- contracted_cost: Cost at negotiated rates (FOCUS), in the billing currency; NULL where AWS does not give it.
-- list_cost: Cost at public rates (FOCUS), in the billing currency; NULL where AWS does not give it.
-- currency: Billing currency of every amount in the row, ISO 4217.
-- reporting_unblended_cost: unblended_cost in the reporting currency, rounded to ten decimals; NULL where there is no rate.
-- reporting_amortized_cost: amortized_cost in the reporting currency, rounded to ten decimals; NULL where there is no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- rate: Units of the reporting currency for one of the billing currency on that day; NULL where there is none.
-- rate_kind: invoice, month_average, spot, or same_currency where nothing is converted; NULL where there is no rate.
-- rate_date: The first day that the rate holds for; NULL where nothing is converted.
-- rate_source: Who published the rate; NULL where nothing is converted or nobody is named.
-- is_example_rate: True where nobody published the rate: an example that came with the product.
-- rate_age_days: Days from rate_date to the day of use; NULL where nothing is converted.
-- is_estimated: True while AWS may still change the amounts.
select
    cost.usage_date,
    cost.tag_key,
    coalesce(alias.tag_value, trim(cost.written_value)) as tag_value,
    cost.written_value,
    cost.service,
    cost.unblended_cost,
    cost.amortized_cost,
    cost.net_unblended_cost,
    cost.net_amortized_cost,
    cost.billed_cost,
    cost.contracted_cost,
    cost.list_cost,
    cost.currency,
    (cost.unblended_cost * exchange.rate)::decimal(28, 10) as reporting_unblended_cost,
    (cost.amortized_cost * exchange.rate)::decimal(28, 10) as reporting_amortized_cost,
    setting.reporting_currency,
    exchange.rate,
    exchange.rate_kind,
    exchange.rate_date,
    exchange.rate_source,
    exchange.is_example_rate,
    exchange.rate_age_days,
    cost.is_estimated,
    cost.run_id,
    cost.role,
    cost.caller_account_id,
    cost.cell_region,
    cost.listing,
    cost.collected_at,
    cost.is_stale
from stage.cost_tag_service_daily as cost
cross join ref.setting as setting
left join ref.tag_value_alias as alias
    on cost.tag_key = alias.tag_key and trim(cost.written_value) = alias.alias
left join cost.exchange_rate as exchange using (usage_date, currency)
