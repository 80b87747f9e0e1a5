-- The thresholds at which AWS tells people about a budget, and whether each is passed.
-- key: account_id, budget_name, kind, comparison, threshold, threshold_type
-- account_id: The account that the budget belongs to, 12 digits.
-- budget_name: The budget; leads to cost.budget.
-- kind: ACTUAL or FORECASTED: which amount is compared.
-- comparison: GREATER_THAN, LESS_THAN or EQUAL_TO the threshold.
-- threshold: The threshold, in percent of the limit or as an amount: threshold_type says which.
-- threshold_type: PERCENTAGE or ABSOLUTE_VALUE.
-- state: ALARM where the threshold is passed, else OK.
select
    account_id,
    item.BudgetName as budget_name,
    item.NotificationType as kind,
    item.ComparisonOperator as comparison,
    item.Threshold as threshold,
    coalesce(item.ThresholdType, 'PERCENTAGE') as threshold_type,
    item.NotificationState as state,
    cell.*
from landing(
        'budget_notification',
        'STRUCT(
        BudgetName VARCHAR,
        NotificationType VARCHAR,
        ComparisonOperator VARCHAR,
        Threshold DECIMAL(28, 10),
        ThresholdType VARCHAR,
        NotificationState VARCHAR
    )'
    )
