-- AWS's total of each month, undivided: the control sum of cost.daily. Not part of the public interface; read
-- cost.reconciliation.
-- key: month
-- month: First day of the month (UTC).
-- period_end: Day before which the sum ends: the first of the next month, or in the running month the day of the request.
-- unblended_cost: Unblended cost of the period, in the currency beside it.
-- billed_cost: What is invoiced (FOCUS), in the currency beside it; NULL where AWS does not give it.
-- currency: Billing currency, ISO 4217.
-- is_estimated: True while AWS may still change the amount.
select
    item.TimePeriod."Start" as "month",
    item.TimePeriod."End" as period_end,
    item.Total.UnblendedCost.Amount::decimal(28, 10) as unblended_cost,
    item.Total.BilledCost.Amount::decimal(28, 10) as billed_cost,
    item.Total.UnblendedCost.Unit as currency,
    item.Estimated as is_estimated,
    cell.*
from landing(
        'cost_monthly',
        'STRUCT(
            TimePeriod STRUCT("Start" DATE, "End" DATE),
            Estimated BOOLEAN,
            Total STRUCT(
                UnblendedCost STRUCT(Amount VARCHAR, Unit VARCHAR), BilledCost STRUCT(Amount VARCHAR, Unit VARCHAR)
            )
        )'
    )
