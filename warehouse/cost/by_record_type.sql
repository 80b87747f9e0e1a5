-- The bill by day, account and record type, in the billing and in the reporting currency. The same money as in the other by_ views:
-- never add two of them.
-- materialized: view
-- key: usage_date, account_id, record_type
-- usage_date: Day of use; AWS's billing day is UTC.
-- account_id: The linked account that used it, 12 digits.
-- record_type: Usage, Tax, Credit, Refund, Support and so on, as AWS calls it.
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
-- is_estimated: True while AWS may still change the amounts.
select * exclude (slice) rename (dimension_value as record_type)
from stage.reported_cost
where slice = 'record_type'
