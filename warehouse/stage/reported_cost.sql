-- The bill with every amount in the reporting currency beside it. Not part of the public interface; read cost.by_service
-- and its sisters.
-- materialized: view
-- key: usage_date, slice, account_id, dimension_value
-- usage_date: Day of use (UTC).
-- slice: Which slice of the bill, as in cost.daily.
-- account_id: The linked account, 12 digits.
-- dimension_value: Value of the slice's dimension; of a tag slice as it was written.
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
with priced as (
    select
        cost.usage_date,
        cost.slice,
        cost.account_id,
        cost.dimension_value,
        cost.unblended_cost,
        cost.amortized_cost,
        cost.net_unblended_cost,
        cost.net_amortized_cost,
        cost.billed_cost,
        cost.contracted_cost,
        cost.list_cost,
        cost.currency,
        (cost.unblended_cost::double * exchange.rate::double)::decimal(28, 10) as near_unblended_cost,
        (cost.amortized_cost::double * exchange.rate::double)::decimal(28, 10) as near_amortized_cost,
        (cost.net_unblended_cost::double * exchange.rate::double)::decimal(28, 10) as near_net_unblended_cost,
        (cost.net_amortized_cost::double * exchange.rate::double)::decimal(28, 10) as near_net_amortized_cost,
        (cost.billed_cost::double * exchange.rate::double)::decimal(28, 10) as near_billed_cost,
        (cost.contracted_cost::double * exchange.rate::double)::decimal(28, 10) as near_contracted_cost,
        (cost.list_cost::double * exchange.rate::double)::decimal(28, 10) as near_list_cost,
        setting.reporting_currency,
        exchange.rate,
        exchange.rate_kind,
        exchange.rate_date,
        exchange.rate_source,
        exchange.is_example_rate,
        exchange.rate_age_days,
        cost.is_estimated,
        cost.is_stale,
        cost.run_id,
        cost.listing,
        cost.collected_at
    from cost.daily as cost
    cross join ref.setting as setting
    -- Without a rate there is no amount in the reporting currency, and a check that fails.
    left join cost.exchange_rate as exchange using (usage_date, currency)
)

-- Rounding the product of two decimals divides 128 bits, which took two thirds of the time. The product of two doubles is
-- nearly it: where it is within half a unit of the exact product it is what rounding gives, and elsewhere that is rounded.
select
    usage_date,
    slice,
    account_id,
    dimension_value,
    unblended_cost,
    amortized_cost,
    net_unblended_cost,
    net_amortized_cost,
    billed_cost,
    contracted_cost,
    list_cost,
    currency,
    case
        when abs(unblended_cost * rate - near_unblended_cost) < 0.00000000005 then near_unblended_cost
        else (unblended_cost * rate)::decimal(28, 10)
    end as reporting_unblended_cost,
    case
        when abs(amortized_cost * rate - near_amortized_cost) < 0.00000000005 then near_amortized_cost
        else (amortized_cost * rate)::decimal(28, 10)
    end as reporting_amortized_cost,
    case
        when abs(net_unblended_cost * rate - near_net_unblended_cost) < 0.00000000005
            then near_net_unblended_cost
        else (net_unblended_cost * rate)::decimal(28, 10)
    end as reporting_net_unblended_cost,
    case
        when abs(net_amortized_cost * rate - near_net_amortized_cost) < 0.00000000005
            then near_net_amortized_cost
        else (net_amortized_cost * rate)::decimal(28, 10)
    end as reporting_net_amortized_cost,
    case
        when abs(billed_cost * rate - near_billed_cost) < 0.00000000005 then near_billed_cost
        else (billed_cost * rate)::decimal(28, 10)
    end as reporting_billed_cost,
    case
        when abs(contracted_cost * rate - near_contracted_cost) < 0.00000000005 then near_contracted_cost
        else (contracted_cost * rate)::decimal(28, 10)
    end as reporting_contracted_cost,
    case
        when abs(list_cost * rate - near_list_cost) < 0.00000000005 then near_list_cost
        else (list_cost * rate)::decimal(28, 10)
    end as reporting_list_cost,
    reporting_currency,
    rate,
    rate_kind,
    rate_date,
    rate_source,
    is_example_rate,
    rate_age_days,
    is_estimated,
    is_stale,
    run_id,
    listing,
    collected_at
from priced
