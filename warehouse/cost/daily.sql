-- For the bill read cost.daily_total, which holds every amount once. Here the cost of each account and day stands once in each
-- slice, and a slice is the same money cut another way: never sum across slices. Each cost.by_ view is one slice. A run requests the
-- days again that differ from the bill by account, and the newest three; the rows of the others stay, and collected_at says since when.
-- materialized: append_by_cell
-- days: usage_date
-- key: usage_date, slice, account_id, dimension_value
-- usage_date: Day of use; AWS's billing day is UTC.
-- slice: Which cut of the money: service, region, record_type, usage_type or tag:<key>.
-- account_id: The linked account that used it: 12 digits, text because some begin with 0.
-- dimension_value: Value of the slice's dimension, such as the service's name in the bill. Of a tag slice the tag's
--    value as it was written; empty where the usage has no such tag, or an empty one (AWS answers both with `key$`).
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
    -- The parameter is slice and month, and the key of a tag may hold colons.
    regexp_replace(parameter, ':[^:]*$', '') as slice,
    item."Keys"[1] as account_id,
    if(
        starts_with(parameter, 'tag:'),
        -- AWS answers key$value.
        substr(item."Keys"[2], instr(item."Keys"[2], '$') + 1),
        item."Keys"[2]
    ) as dimension_value,
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
        'cost_daily',
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
