-- Budgets as budgets:DescribeBudgets gave them. Not part of the public interface; read cost.budget.
-- key: account_id, budget_name
-- account_id: The account that the budget belongs to, 12 digits.
-- budget_name: The name that people gave it.
-- budget_type: COST, USAGE, RI_UTILIZATION, RI_COVERAGE, SAVINGS_PLANS_UTILIZATION or SAVINGS_PLANS_COVERAGE.
-- time_unit: How often it begins anew: DAILY, MONTHLY, QUARTERLY, ANNUALLY or CUSTOM.
-- period_start: When it began, UTC.
-- period_end: When it ends, UTC; AWS's default lies in 2087.
-- limit_amount: What may be spent in a period, in the currency beside it; NULL where it is planned period by period.
-- planned_limits: The limit of each period by its start in seconds since 1970, JSON; NULL where there is one limit.
-- actual_amount: What AWS has counted against it in this period.
-- forecast_amount: What AWS expects at the period's end; NULL where AWS forecasts nothing.
-- unit: Unit of the amounts: a currency, or what a usage budget counts.
-- cost_types: What AWS counts (tax, credits, refunds, amortised or not), JSON; NULL where the budget has the newer metrics.
-- metrics: The newer word for what AWS counts, JSON list such as ["NetUnblendedCost"]; NULL where it has cost_types.
-- filters: What it is about, JSON: an expression, or the older lists of values by dimension; NULL for everything.
-- health_status: HEALTHY, or UNHEALTHY where AWS cannot count it; NULL where AWS does not report it.
-- health_reason: Why it is UNHEALTHY, such as BILLING_VIEW_NO_ACCESS; NULL where AWS gives no reason.
-- billing_view_arn: The billing view that it counts in; NULL where AWS does not name one: the primary.
-- updated_at: When somebody last changed the budget, UTC. AWS does not say when it last counted.
select
    account_id,
    item.BudgetName as budget_name,
    item.BudgetType as budget_type,
    item.TimeUnit as time_unit,
    item.TimePeriod."Start" as period_start,
    item.TimePeriod."End" as period_end,
    item.BudgetLimit.Amount::decimal(28, 10) as limit_amount,
    item.PlannedBudgetLimits as planned_limits,
    item.CalculatedSpend.ActualSpend.Amount::decimal(28, 10) as actual_amount,
    item.CalculatedSpend.ForecastedSpend.Amount::decimal(28, 10) as forecast_amount,
    coalesce(item.BudgetLimit.Unit, item.CalculatedSpend.ActualSpend.Unit) as unit,
    item.CostTypes as cost_types,
    item.Metrics as metrics,
    coalesce(item.FilterExpression, nullif(item.CostFilters::varchar, '{}')::json) as filters,
    item.HealthStatus.Status as health_status,
    item.HealthStatus.StatusReason as health_reason,
    item.BillingViewArn as billing_view_arn,
    item.LastUpdatedTime as updated_at,
    cell.*
from landing(
        'budget',
        'STRUCT(
            BudgetName VARCHAR,
            BudgetType VARCHAR,
            TimeUnit VARCHAR,
            TimePeriod STRUCT("Start" TIMESTAMPTZ, "End" TIMESTAMPTZ),
            BudgetLimit STRUCT(Amount VARCHAR, Unit VARCHAR),
            PlannedBudgetLimits JSON,
            CalculatedSpend STRUCT(
                ActualSpend STRUCT(Amount VARCHAR, Unit VARCHAR),
                ForecastedSpend STRUCT(Amount VARCHAR, Unit VARCHAR)
            ),
            CostTypes JSON,
            Metrics JSON,
            CostFilters JSON,
            FilterExpression JSON,
            HealthStatus STRUCT(Status VARCHAR, StatusReason VARCHAR),
            BillingViewArn VARCHAR,
            LastUpdatedTime TIMESTAMPTZ
    )'
    )
