-- What single resources cost on the last 14 days, as ce:GetCostAndUsageWithResources gave it, where the optional grant is
-- given. Not part of the public interface; read cost.resource_daily.
-- key: usage_date, account_id, service, resource_id
-- usage_date: Day of use; AWS's billing day is UTC.
-- account_id: The linked account that used it, 12 digits.
-- service: The service's name in the bill.
-- resource_id: The resource as billing names it: an id or an ARN; NoResourceId for what belongs to none.
-- unblended_cost: What the usage cost at the rate it was charged, in the currency beside it.
-- amortized_cost: The same with fees of commitments spread over their term, in the currency beside it.
-- net_unblended_cost: Unblended after discounts, in the currency beside it; NULL where AWS does not give it.
-- net_amortized_cost: Amortized after discounts, in the currency beside it; NULL where AWS does not give it.
-- currency: Billing currency of every amount in the row, ISO 4217.
-- is_estimated: True while AWS may still change the amounts.
select
    item.TimePeriod."Start" as usage_date,
    item."Keys"[1] as account_id,
    parameter as service,
    item."Keys"[2] as resource_id,
    item.Metrics.UnblendedCost.Amount::decimal(28, 10) as unblended_cost,
    item.Metrics.AmortizedCost.Amount::decimal(28, 10) as amortized_cost,
    item.Metrics.NetUnblendedCost.Amount::decimal(28, 10) as net_unblended_cost,
    item.Metrics.NetAmortizedCost.Amount::decimal(28, 10) as net_amortized_cost,
    item.Metrics.UnblendedCost.Unit as currency,
    item.Estimated as is_estimated,
    cell.*
from landing(
        'cost_resource_daily',
        'STRUCT(
        TimePeriod STRUCT("Start" DATE, "End" DATE),
        Estimated BOOLEAN,
        "Keys" VARCHAR[],
        Metrics STRUCT(
            UnblendedCost STRUCT(Amount VARCHAR, Unit VARCHAR),
            AmortizedCost STRUCT(Amount VARCHAR, Unit VARCHAR),
            NetUnblendedCost STRUCT(Amount VARCHAR, Unit VARCHAR),
            NetAmortizedCost STRUCT(Amount VARCHAR, Unit VARCHAR)
        )
    )'
    )
