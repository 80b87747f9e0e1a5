-- What each account cost each day, undivided, as AWS returned it: what the rows of cost.daily were last compared with. Not part of
-- the public interface; read cost.daily_total.
-- key: usage_date, account_id
-- usage_date: Day of use; AWS's billing day is UTC.
-- account_id: The linked account, 12 digits.
-- unblended_cost: What the usage cost at the rate it was charged, in the currency beside it.
-- currency: Billing currency, ISO 4217.
-- is_estimated: True while AWS may still change the amount.
select
    item.TimePeriod."Start" as usage_date,
    item."Keys"[1] as account_id,
    item.Metrics.UnblendedCost.Amount::decimal(28, 10) as unblended_cost,
    item.Metrics.UnblendedCost.Unit as currency,
    item.Estimated as is_estimated,
    cell.*
from landing(
        'cost_account_daily',
        'STRUCT(
        TimePeriod STRUCT("Start" DATE, "End" DATE),
        Estimated BOOLEAN,
        "Keys" VARCHAR[],
        Metrics STRUCT(UnblendedCost STRUCT(Amount VARCHAR, Unit VARCHAR))
    )'
    )
