-- What each written value of a tag cost each day, by service, as AWS returned it. Not part of the public interface; read
-- cost.tag_service_daily.
-- materialized: append_by_cell
-- days: usage_date
-- key: usage_date, tag_key, written_value, service
-- usage_date: Day of use; AWS's billing day is UTC.
-- tag_key: The key, such as bc:business-service.
-- written_value: The tag's value as it was written; empty where the usage has no such tag, or an empty one.
-- service: The service's name in the bill.
-- unblended_cost: What the usage cost at the rate it was charged, in the currency beside it.
-- amortized_cost: The same with upfront and recurring fees of commitments spread over their term, in the currency beside it.
-- net_unblended_cost: Unblended after discounts, in the currency beside it; NULL where AWS does not give it.
-- net_amortized_cost: Amortized after discounts, in the currency beside it; NULL where AWS does not give it.
-- billed_cost: What is invoiced (FOCUS), in the currency beside it; NULL where AWS does not give it.
-- contracted_cost: Cost at negotiated rates (FOCUS), in the currency beside it; NULL where AWS does not give it.
-- list_cost: Cost at public rates (FOCUS), in the currency beside it; NULL where AWS does not give it.
-- currency: Billing currency of every amount in the row, ISO 4217.
-- is_estimated: True while AWS may still change the amounts.
select
    item.TimePeriod."Start" as usage_date,
    regexp_replace(parameter, ':[^:]*$', '') as tag_key,
    substr(item."Keys"[1], instr(item."Keys"[1], '$') + 1) as written_value,
    item."Keys"[2] as service,
    item.Metrics.UnblendedCost.Amount::decimal(28, 10) as unblended_cost,
    item.Metrics.AmortizedCost.Amount::decimal(28, 10) as amortized_cost,
    item.Metrics.NetUnblendedCost.Amount::decimal(28, 10) as net_unblended_cost,
    item.Metrics.NetAmortizedCost.Amount::decimal(28, 10) as net_amortized_cost,
    item.Metrics.BilledCost.Amount::decimal(28, 10) as billed_cost,
    item.Metrics.ContractedCost.Amount::decimal(28, 10) as contracted_cost,
    item.Metrics.ListCost.Amount::decimal(28, 10) as list_cost,
    item.Metrics.UnblendedCost.Unit as currency,
    item.Estimated as is_estimated,
    cell.*
from landing(
        'cost_tag_service_daily',
        'STRUCT(
        TimePeriod STRUCT("Start" DATE, "End" DATE),
        Estimated BOOLEAN,
        "Keys" VARCHAR[],
        Metrics STRUCT(
            UnblendedCost STRUCT(Amount VARCHAR, Unit VARCHAR),
            AmortizedCost STRUCT(Amount VARCHAR, Unit VARCHAR),
            NetUnblendedCost STRUCT(Amount VARCHAR, Unit VARCHAR),
            NetAmortizedCost STRUCT(Amount VARCHAR, Unit VARCHAR),
            BilledCost STRUCT(Amount VARCHAR, Unit VARCHAR),
            ContractedCost STRUCT(Amount VARCHAR, Unit VARCHAR),
            ListCost STRUCT(Amount VARCHAR, Unit VARCHAR)
        )
    )'
    )
