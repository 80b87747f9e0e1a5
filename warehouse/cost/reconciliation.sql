-- Whether the bill adds up: what each rule holds against what, as the tables stand. A rule's rows at fault are told by the check
-- of its name; what each night found is in audit.check_result.
-- materialized: view
-- key: run_id, rule, scope
-- run_id: The run that asked for the bill last; leads to audit.collection.
-- rule: Name of the rule, which is that of the check in warehouse/checks.
-- scope: What it was asked of: a slice and month, a month, a tag key and month, or a budget.
-- expected: What should be there, in the unit beside it.
-- observed: What is there, in the unit beside it.
-- difference: observed less expected.
-- tolerance: How far the two may differ: the rounding of AWS's ten decimals, half a unit for each row that was added; of a budget, what the last three days cost, since AWS does not say up to when it counted.
-- unit: The billing currency, or day.
-- passed: Whether the rule holds, for each account and day where it is about those.
-- is_estimated: True where AWS may still change it: a failure warns and does not block.
with run as (
    select max_by(run_id, collected_at) as run_id
    from cost.daily
),

bill as (
    select
        slice,
        date_trunc('month', usage_date)::date as bill_month,
        sum(unblended_cost)::decimal(28, 10) as cost,
        count(*) as row_count,
        min(currency) as currency,
        count(distinct usage_date) as day_count,
        bool_or(is_estimated) as is_estimated
    from cost.daily
    group by slice, date_trunc('month', usage_date)
),

disagreement as (
    select
        slice,
        date_trunc('month', usage_date)::date as bill_month,
        count(*) as row_count
    from stage.slice_difference
    group by slice, date_trunc('month', usage_date)
),

slices_agree as (
    select
        'slices_agree' as rule,
        answered.slice || ' ' || strftime(answered.month, '%Y-%m') as scope,
        service.cost as expected,
        coalesce(other.cost, 0) as observed,
        (service.row_count + coalesce(other.row_count, 0)) * 0.00000000005 as tolerance,
        service.currency as unit,
        disagreement.row_count is null as passed,
        service.is_estimated
    from stage.slice_month as answered
    inner join
        stage.slice_month as reference
        on answered.month = reference.month and reference.slice = 'service'
    inner join bill as service on answered.month = service.bill_month and service.slice = 'service'
    left join bill as other on answered.slice = other.slice and answered.month = other.bill_month
    left join disagreement on answered.slice = disagreement.slice and answered.month = disagreement.bill_month
    where answered.slice <> 'service'
),

daily_cost_is_the_monthly_total as (
    select
        'daily_cost_is_the_monthly_total' as rule,
        strftime("month", '%Y-%m') as scope,
        expected,
        observed,
        tolerance,
        unit,
        is_estimated
    from stage.month_summed
),

no_day_is_missing as (
    select
        'no_day_is_missing' as rule,
        answered.slice || ' ' || strftime(answered.month, '%Y-%m') as scope,
        -- From the first day of the bill on, up to the last that AWS had surely counted, less those without costs.
        greatest(
            datediff(
                'day',
                greatest(answered.month, (select min(first_day.usage_date) from cost.daily as first_day)),
                least(last_day(answered.month), answered.answered_date - 2)
            ) + 1,
            0
        ) - (
            select count(*)
            from stage.day_without_cost as without
            where
                without.month = answered.month
                and without.usage_date <= answered.answered_date - 2
        ) as expected,
        count(distinct cost.usage_date) as observed,
        0 as tolerance,
        'day' as unit,
        false as is_estimated
    from stage.slice_month as answered
    left join cost.daily as cost
        on
            answered.slice = cost.slice
            and answered.month = date_trunc('month', cost.usage_date)
            and answered.answered_date - 2 >= cost.usage_date
    group by answered.slice, answered.month, answered.answered_date
),

every_day_has_a_rate as (
    select
        'every_day_has_a_rate' as rule,
        strftime(date_trunc('month', usage_date), '%Y-%m') as scope,
        count(*) as expected,
        count(rate) as observed,
        0 as tolerance,
        'day' as unit,
        false as is_estimated
    from cost.exchange_rate
    group by date_trunc('month', usage_date)
),

closed_months_are_unchanged_or_restated as (
    select
        'closed_months_are_unchanged_or_restated' as rule,
        strftime(closed.month, '%Y-%m') as scope,
        closed.unblended_cost + coalesce(sum(
            coalesce(restated.new_unblended_cost, 0) - coalesce(restated.old_unblended_cost, 0)
        ), 0) as expected,
        bill.cost as observed,
        0 as tolerance,
        closed.currency as unit,
        false as is_estimated
    from stage.closed_month as closed
    inner join bill on closed.month = bill.bill_month and bill.slice = 'service'
    left join cost.restatement as restated
        on
            restated.slice = 'service'
            and closed.month = date_trunc('month', restated.usage_date)
            and closed.closed_at < restated.observed_at
    group by closed.month, closed.unblended_cost, closed.currency, bill.cost
),

tag_service as (
    select
        tag_key,
        date_trunc('month', usage_date)::date as bill_month,
        count(*) as row_count,
        sum(unblended_cost)::decimal(28, 10) as cost,
        bool_or(is_estimated) as is_estimated
    from stage.cost_tag_service_daily
    where not is_stale
    group by tag_key, date_trunc('month', usage_date)
),

tags_by_service_are_the_bill as (
    select
        'tags_by_service_are_the_bill' as rule,
        tag_service.tag_key || ' ' || strftime(tag_service.bill_month, '%Y-%m') as scope,
        service.cost as expected,
        tag_service.cost as observed,
        (tag_service.row_count + service.row_count) * 0.00000000005 as tolerance,
        service.currency as unit,
        service.is_estimated or tag_service.is_estimated as is_estimated
    from tag_service
    inner join
        stage.slice_month as answered
        on tag_service.bill_month = answered.month and answered.slice = 'service'
    inner join bill as service on tag_service.bill_month = service.bill_month and service.slice = 'service'
),

allocated as (
    select
        "month" as bill_month,
        tag_key,
        currency,
        sum(unblended_cost)::decimal(28, 10) as cost
    from cost.allocation
    group by "month", tag_key, currency
),

allocation_adds_up_to_the_bill as (
    select
        'allocation_adds_up_to_the_bill' as rule,
        substr(bill.slice, 5) || ' ' || strftime(bill.bill_month, '%Y-%m') as scope,
        bill.cost as expected,
        coalesce(allocated.cost, 0) as observed,
        0 as tolerance,
        bill.currency as unit,
        bill.is_estimated
    from bill
    left join allocated on bill.slice = 'tag:' || allocated.tag_key and bill.bill_month = allocated.bill_month
    where starts_with(bill.slice, 'tag:')
),

-- What AWS cannot count, or counts in a custom billing view, is not the whole bill.
counted_otherwise as (
    select
        account_id,
        budget_name,
        collected_at
    from stage.budget
    where health_status = 'UNHEALTHY' or not ends_with(billing_view_arn, ':billingview/primary')
),

-- Of AWS's budgets those that are about the whole bill of a month, and whose cost types can be told by record types.
whole_bill_budget as (
    select
        account_id || ' ' || budget_name as scope,
        date_trunc('month', as_of_date)::date as bill_month,
        actual_amount,
        currency,
        coalesce((cost_types ->> 'UseAmortized')::boolean, false) as is_amortized,
        list_filter(
            [
                case when not coalesce((cost_types ->> 'IncludeTax')::boolean, true) then 'Tax' end,
                case when not coalesce((cost_types ->> 'IncludeCredit')::boolean, true) then 'Credit' end,
                case when not coalesce((cost_types ->> 'IncludeRefund')::boolean, true) then 'Refund' end,
                case when not coalesce((cost_types ->> 'IncludeSupport')::boolean, true) then 'Support' end
            ],
            lambda left_out: left_out is not null
        ) as left_out
    from cost.budget
    anti join counted_otherwise using (account_id, budget_name, collected_at)
    where
        budget_type = 'COST'
        and time_unit = 'MONTHLY'
        and filters is null
        and cost_types is not null
        and not is_stale
        and as_of_date = (select max(newest.as_of_date) from cost.budget as newest)
        and not coalesce((cost_types ->> 'UseBlended')::boolean, false)
        and coalesce((cost_types ->> 'IncludeDiscount')::boolean, true)
        and coalesce((cost_types ->> 'IncludeSubscription')::boolean, true)
        and coalesce((cost_types ->> 'IncludeOtherSubscription')::boolean, true)
        and coalesce((cost_types ->> 'IncludeRecurring')::boolean, true)
        and coalesce((cost_types ->> 'IncludeUpfront')::boolean, true)
),

counted_cost as (
    select
        budget.scope,
        budget.actual_amount,
        budget.currency,
        sum(case when budget.is_amortized then cost.amortized_cost else cost.unblended_cost end) as cost,
        sum(abs(case when budget.is_amortized then cost.amortized_cost else cost.unblended_cost end)) filter (
            where cost.usage_date >= answered.answered_date - 3
        ) as recent_cost,
        count(*) as row_count
    from whole_bill_budget as budget
    inner join stage.slice_month as answered
        on budget.bill_month = answered.month and answered.slice = 'record_type'
    inner join cost.daily as cost
        on
            cost.slice = 'record_type'
            and budget.bill_month = date_trunc('month', cost.usage_date)
            and not list_contains(budget.left_out, cost.dimension_value)
    group by budget.scope, budget.actual_amount, budget.currency
),

budgets_count_what_the_bill_says as (
    select
        'budgets_count_what_the_bill_says' as rule,
        scope,
        cost as expected,
        actual_amount as observed,
        coalesce(recent_cost, 0) + row_count * 0.00000000005 as tolerance,
        currency as unit,
        true as is_estimated
    from counted_cost
),

every_rule as (
    select * from slices_agree
    union all by name
    select * from daily_cost_is_the_monthly_total
    union all by name
    select * from no_day_is_missing
    union all by name
    select * from every_day_has_a_rate
    union all by name
    select * from closed_months_are_unchanged_or_restated
    union all by name
    select * from tags_by_service_are_the_bill
    union all by name
    select * from allocation_adds_up_to_the_bill
    union all by name
    select * from budgets_count_what_the_bill_says
)

select
    run.run_id,
    every_rule.rule,
    every_rule.scope,
    every_rule.expected::decimal(28, 10) as expected,
    every_rule.observed::decimal(28, 10) as observed,
    (every_rule.observed - every_rule.expected)::decimal(28, 10) as difference,
    every_rule.tolerance::decimal(28, 11) as tolerance,
    every_rule.unit,
    coalesce(
        every_rule.passed, abs(every_rule.observed - every_rule.expected) <= every_rule.tolerance
    ) as passed,
    every_rule.is_estimated
from every_rule
cross join run
