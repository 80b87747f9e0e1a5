-- The bill by day, account and tag value, once for every tag key, in the billing and in the reporting currency. The same money
-- once more for each key: choose one, and never add it to another view.
-- materialized: view
-- key: usage_date, tag_key, account_id, written_value
-- usage_date: Day of use; AWS's billing day is UTC.
-- account_id: The linked account that used it, 12 digits.
-- tag_key: The key, such as bc:cost-centre.
-- tag_value: The value that counts: without white space around it, and by ref.tag_value_alias; empty where the usage has no such tag.
-- written_value: The value as somebody wrote it.
-- unblended_cost: What the usage cost at the rate it was charged, in the billing currency.
-- amortized_cost: The same with upfront and recurring fees of commitments spread over their term, in the billing currency.
-- net_unblended_cost: Unblended after discounts, in the billing currency; NULL where AWS does not give it.
-- net_amortized_cost: Amortized after discounts, in the billing currency; NULL where AWS does not give it.
-- billed_cost: What is invoiced (FOCUS), in the billing currency; NULL where AWS does not give it.
-- contracted_cost: Cost at negotiated rates (FOCUS), in the billing currency; NULL where AWS does not give it.
-- list_cost: Cost at public rates (FOCUS), in the billing currency; NULL where AWS does not give it.
-- currency: Billing currency, ISO 4217.
-- reporting_unblended_cost: unblended_cost in the reporting currency, rounded to ten decimals; NULL where there is no rate.
-- reporting_amortized_cost: amortized_cost in the reporting currency, rounded to ten decimals; NULL where there is no rate.
-- reporting_net_unblended_cost: net_unblended_cost in the reporting currency, rounded to ten decimals; NULL where there is no rate.
-- reporting_net_amortized_cost: net_amortized_cost in the reporting currency, rounded to ten decimals; NULL where there is no rate.
-- reporting_billed_cost: billed_cost in the reporting currency, rounded to ten decimals; NULL where there is no rate.
-- reporting_contracted_cost: contracted_cost in the reporting currency, rounded to ten decimals; NULL where there is no rate.
-- reporting_list_cost: list_cost in the reporting currency, rounded to ten decimals; NULL where there is no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- rate: Units of the reporting currency for one of the billing currency on that day; NULL where there is none.
-- rate_kind: invoice, month_average, spot, or same_currency where nothing is converted; NULL where there is no rate.
-- rate_date: The first day that the rate holds for; NULL where nothing is converted.
-- rate_source: Who published the rate; NULL where nothing is converted or nobody is named.
-- is_example_rate: True where nobody published the rate: an example that came with the product.
-- rate_age_days: Days from rate_date to the day of use; NULL where nothing is converted.
-- is_estimated: True while AWS may still change the amounts.
select
    cost.* exclude (slice, dimension_value),
    substr(cost.slice, 5) as tag_key,
    coalesce(alias.tag_value, trim(cost.dimension_value)) as tag_value,
    cost.dimension_value as written_value
from stage.reported_cost as cost
left join ref.tag_value_alias as alias
    on cost.slice = 'tag:' || alias.tag_key and trim(cost.dimension_value) = alias.alias
where starts_with(cost.slice, 'tag:')
