-- Spend against budget as it stood each day. The budgets of AWS stand one by one, since they overlap and are never summed. Of a
-- tag key that has budgets in ref.budget each value stands that has one or spends, with (shared) and (unallocated), and
-- their total, which is the bill. A verdict is passed in the budget's own currency; the reporting currency is for show.
-- materialized: full_from_previous
-- key: as_of_date, scope, budget_name
-- as_of_date: Day (UTC) on which AWS was asked.
-- scope: aws:<account> for a budget that AWS keeps, the tag key for one of ref.budget, total for all of a tag key together.
-- budget_name: Name of AWS's budget; or the value of the tag, (shared) for what everybody bears by ref.shared_cost, (unallocated) for what nobody answers for; or the tag key whose rows are added up.
-- period_start: First day of the period that is running: a month, but for AWS budgets of another length.
-- period_end: Day after the last of that period.
-- last_complete_date: Last day that is counted: the last complete one of the bill, by cost.month_coverage; of AWS's budgets the day before AWS was asked, for AWS counts by itself.
-- days_missing: Days from period_start to last_complete_date of which nothing is known: without a row of the bill, and not known to have cost nothing; NULL where AWS counts.
-- period_to_date: What was spent since period_start, in the reporting currency: of ref.budget's scopes day by day at each day's rate, of AWS's budgets at spend_rate; NULL where it is not known.
-- month_to_date: period_to_date where the period is a month, else NULL.
-- budget: What may be spent in the period, in the reporting currency; NULL where there is no budget, no limit or no rate.
-- currency: The reporting currency, ISO 4217.
-- pace_pct: Spend as percent of what an even pace would have spent by last_complete_date, in the budget's currency: above 100 is faster than the budget; NULL where no day of the period has passed.
-- aws_forecast: What AWS expects at the period's end, in the reporting currency; NULL where AWS forecasts nothing.
-- run_rate_forecast: Of a value, spend so far and for each day left the median of its weekday's last four, NULL where not all four were read; of a budget of AWS, what it counted, at the same pace to the period's end. In the reporting currency.
-- forecast: aws_forecast, or run_rate_forecast where AWS gives none.
-- forecast_source: aws or run_rate.
-- variance: forecast less budget: above zero is too much. Of a total, of the values that have a budget.
-- usage_effect: What of variance is due to use: the forecast in the billing currency at the budget's rate, less budget; NULL without a rate of the kind budget.
-- rate_effect: What is left of variance: the exchange rate's doing, in the reporting currency.
-- verdict: red when more than the budget is spent, amber when the forecast is above it, else green; partly budgeted for a total that would be green but for values that spend without a budget, whatever credits the others have; no budget; NULL where it cannot be judged.
-- unknown_reason: Why it cannot be judged, or why spend may be higher than it is told; NULL where nothing is unknown.
-- unbudgeted_to_date: Of a total, what period_to_date holds of values without a budget, in the reporting currency.
-- budget_currency: Currency of the budget, in which the verdict is passed, ISO 4217; NULL where there is none. Of budgets of several currencies together the reporting currency.
-- limit_amount: What may be spent in the period, in budget_currency.
-- actual_amount: What was spent since period_start, in budget_currency; of a total, by the values that have a budget.
-- forecast_amount: The forecast in budget_currency; of a total, of the values that have a budget.
-- rate: Rate of the last complete day of the bill.
-- rate_kind: Kind of that rate.
-- rate_date: The first day that the rate holds for.
-- spend_rate: Rate by which the spend of a budget of AWS is shown: the average of its period, each day weighed by the bill; NULL where each day has its own.
-- budget_rate: Rate by which the budget was converted: of the kind budget where there is one at the month's start, else as rate; NULL for a sum of budgets of several.
-- budget_rate_kind: Kind of that rate; same_currency where the budget is in the reporting currency.
-- is_stale: True where AWS's budget, or the bill by service or by this tag, is not of the newest response, or the bill by this tag ends before the running month.
-- fetched_at: When AWS gave it, UTC: of a tag key's budgets the bill by that tag.
with as_of as (
    select
        (
            greatest(
                max(cost.collected_at), (select max(budget.collected_at) from cost.budget as budget)
            ) at time zone 'UTC'
        )::date as as_of_date,
        max(cost.collected_at) as fetched_at,
        bool_or(cost.is_stale) filter (
            where
            cost.usage_date
            >= (
                select date_trunc('month', max(newest.collected_at) at time zone 'UTC') - interval 1 month
                from cost.daily as newest
            )
        ) as is_stale
    from cost.daily as cost
    where cost.slice = 'service'
),

value_row as (
    select
        budget.*,
        budget.budget_currency is not null as is_budgeted,
        case
            when budget.budget_currency = budget.spend_currency then budget.billed_to_date
            when budget.budget_currency = setting.reporting_currency then budget.reporting_to_date
            else budget.reporting_to_date / budget.budget_rate
        end::decimal(28, 10) as actual_amount,
        case
            when budget.budget_currency = budget.spend_currency then budget.billed_forecast
            when budget.budget_currency = setting.reporting_currency then budget.reporting_forecast
            else budget.reporting_forecast / budget.budget_rate
        end::decimal(28, 10) as forecast_amount
    from stage.tag_budget as budget
    cross join ref.setting as setting
),

-- A sum over something that is not known is not known.
total_row as (
    select
        value_row.scope,
        any_value(value_row.period_start) as period_start,
        any_value(value_row.last_complete_date) as last_complete_date,
        any_value(value_row.days_missing) as days_missing,
        max(value_row.unknown_reason) as unknown_reason,
        any_value(value_row.is_stale) as is_stale,
        any_value(value_row.fetched_at) as fetched_at,
        bool_or(value_row.is_budgeted) as is_budgeted,
        any_value(value_row.spend_currency) as spend_currency,
        count(distinct value_row.budget_currency) = 1 as has_one_currency,
        any_value(value_row.budget_currency) as value_currency,
        if(
            bool_or(value_row.is_budgeted and value_row.limit_amount is null),
            null,
            sum(value_row.limit_amount)
        )::decimal(28, 10) as limit_amount,
        if(bool_or(value_row.is_budgeted and value_row.budget is null), null, sum(value_row.budget))
        ::decimal(28, 10) as budget,
        if(min(value_row.budget_rate) = max(value_row.budget_rate), min(value_row.budget_rate), null)
            as budget_rate,
        if(
            min(value_row.budget_rate_kind) = max(value_row.budget_rate_kind),
            min(value_row.budget_rate_kind),
            null
        ) as budget_rate_kind,
        if(count(*) = count(value_row.reporting_to_date), sum(value_row.reporting_to_date), null)
        ::decimal(28, 10) as reporting_to_date,
        if(count(*) = count(value_row.reporting_forecast), sum(value_row.reporting_forecast), null)
        ::decimal(28, 10) as reporting_forecast,
        if(count(*) = count(value_row.reporting_to_date), coalesce(sum(value_row.reporting_to_date) filter (
            where not value_row.is_budgeted
        ), 0), null)::decimal(28, 10) as unbudgeted_to_date,
        -- The credits of one value pay nothing of what another spends.
        coalesce(bool_or(not value_row.is_budgeted and value_row.reporting_to_date > 0), false)
            as has_unbudgeted,
        if(
            bool_or(value_row.is_budgeted and value_row.actual_amount is null),
            null,
            sum(value_row.actual_amount)
        )::decimal(28, 10) as actual_amount,
        if(
            bool_or(value_row.is_budgeted and value_row.forecast_amount is null),
            null,
            sum(value_row.forecast_amount)
        )::decimal(28, 10) as forecast_amount,
        sum(value_row.billed_forecast) filter (where value_row.is_budgeted)::decimal(28, 10)
            as billed_forecast,
        sum(value_row.reporting_to_date) filter (where value_row.is_budgeted)::decimal(28, 10)
            as budgeted_to_date,
        sum(value_row.reporting_forecast) filter (where value_row.is_budgeted)::decimal(28, 10)
            as budgeted_forecast
    from value_row
    group by value_row.scope
),

tag_row as (
    select
        scope,
        budget_name,
        period_start,
        last_complete_date,
        days_missing,
        unknown_reason,
        is_stale,
        fetched_at,
        is_budgeted,
        spend_currency,
        budget_currency,
        limit_amount,
        budget,
        budget_rate,
        budget_rate_kind,
        reporting_to_date,
        reporting_forecast,
        null::decimal(28, 10) as unbudgeted_to_date,
        false as has_unbudgeted,
        actual_amount,
        forecast_amount,
        billed_forecast,
        reporting_forecast as budgeted_forecast
    from value_row

    union all

    select
        'total' as scope,
        total_row.scope as budget_name,
        total_row.period_start,
        total_row.last_complete_date,
        total_row.days_missing,
        total_row.unknown_reason,
        total_row.is_stale,
        total_row.fetched_at,
        total_row.is_budgeted,
        total_row.spend_currency,
        case
            when total_row.has_one_currency then total_row.value_currency
            when total_row.is_budgeted then setting.reporting_currency
        end as budget_currency,
        if(total_row.has_one_currency, total_row.limit_amount, total_row.budget) as limit_amount,
        total_row.budget,
        total_row.budget_rate,
        total_row.budget_rate_kind,
        total_row.reporting_to_date,
        total_row.reporting_forecast,
        total_row.unbudgeted_to_date,
        total_row.has_unbudgeted,
        if(total_row.has_one_currency, total_row.actual_amount, total_row.budgeted_to_date) as actual_amount,
        if(total_row.has_one_currency, total_row.forecast_amount, total_row.budgeted_forecast)
            as forecast_amount,
        total_row.billed_forecast,
        total_row.budgeted_forecast
    from total_row
    cross join ref.setting as setting
),

budget_row as (
    select
        tag_row.scope,
        tag_row.budget_name,
        tag_row.period_start,
        (tag_row.period_start + interval 1 month)::date as period_end,
        tag_row.last_complete_date,
        datediff('day', tag_row.period_start, tag_row.last_complete_date) + 1 as elapsed_days,
        tag_row.days_missing,
        tag_row.unknown_reason,
        tag_row.is_budgeted,
        true as is_month,
        tag_row.reporting_to_date as period_to_date,
        tag_row.budget,
        null::decimal(28, 10) as aws_forecast,
        tag_row.reporting_forecast as run_rate_forecast,
        tag_row.budgeted_forecast,
        tag_row.billed_forecast,
        tag_row.unbudgeted_to_date,
        tag_row.has_unbudgeted,
        tag_row.spend_currency,
        tag_row.budget_currency,
        tag_row.limit_amount,
        tag_row.actual_amount,
        tag_row.forecast_amount,
        null::decimal(18, 10) as spend_rate,
        tag_row.budget_rate,
        tag_row.budget_rate_kind,
        -- What everybody bears is parted by the services.
        coalesce(tag_row.is_stale, false) or as_of.is_stale as is_stale,
        coalesce(tag_row.fetched_at, as_of.fetched_at) as fetched_at
    from tag_row
    cross join as_of

    union all by name

    select
        'aws:' || budget.account_id as scope,
        budget.budget_name,
        budget.period_start,
        budget.period_end,
        budget.counted_date as last_complete_date,
        budget.elapsed_days,
        case
            when budget.health_status = 'UNHEALTHY'
                then 'AWS does not count the budget: ' || coalesce(budget.health_reason, 'no reason given')
            when budget.limit_amount is null then 'AWS gives no limit'
            when budget.aws_forecast_amount is null and budget.run_rate_amount is null
                then 'AWS forecasts nothing, and no pace is known'
        end as unknown_reason,
        true as is_budgeted,
        budget.is_month,
        (budget.actual_amount * budget.spend_rate)::decimal(28, 10) as period_to_date,
        (budget.limit_amount * rate.rate)::decimal(28, 10) as budget,
        -- What is spent has its rates, what is to come has today's.
        (
            budget.actual_amount * budget.spend_rate
            + (budget.aws_forecast_amount - budget.actual_amount) * rate.day_rate
        )::decimal(28, 10) as aws_forecast,
        (
            budget.actual_amount * budget.spend_rate
            + (budget.run_rate_amount - budget.actual_amount) * rate.day_rate
        )::decimal(28, 10) as run_rate_forecast,
        coalesce(budget.aws_forecast_amount, budget.run_rate_amount) as billed_forecast,
        budget.budget_currency as spend_currency,
        budget.budget_currency,
        budget.limit_amount,
        budget.actual_amount,
        coalesce(budget.aws_forecast_amount, budget.run_rate_amount) as forecast_amount,
        budget.spend_rate,
        rate.rate as budget_rate,
        rate.rate_kind as budget_rate_kind,
        budget.is_stale,
        budget.fetched_at
    from stage.aws_budget as budget
    left join stage.budget_rate as rate on budget.budget_currency = rate.currency
),

measured as (
    select
        budget_row.*,
        coalesce(budget_row.aws_forecast, budget_row.run_rate_forecast) as forecast,
        (
            coalesce(budget_row.budgeted_forecast, budget_row.aws_forecast, budget_row.run_rate_forecast)
            - budget_row.budget
        )::decimal(28, 10) as variance,
        if(
            rate.rate_kind in ('budget', 'same_currency'),
            budget_row.billed_forecast * rate.rate - budget_row.budget,
            null
        )::decimal(28, 10) as usage_effect,
        rate.day_rate,
        rate.day_rate_kind,
        rate.day_rate_date
    from budget_row
    left join stage.budget_rate as rate on budget_row.spend_currency = rate.currency
),

judged as (
    select
        as_of.as_of_date,
        measured.scope,
        measured.budget_name,
        measured.period_start,
        measured.period_end,
        measured.last_complete_date,
        measured.days_missing,
        if(measured.is_month, measured.period_to_date, null) as month_to_date,
        measured.period_to_date,
        measured.budget,
        setting.reporting_currency as currency,
        if(
            measured.elapsed_days > 0,
            100 * measured.actual_amount * datediff('day', measured.period_start, measured.period_end)
            / nullif(measured.limit_amount * measured.elapsed_days, 0),
            null
        )::decimal(18, 2) as pace_pct,
        measured.aws_forecast,
        measured.run_rate_forecast,
        measured.forecast,
        case
            when measured.aws_forecast is not null then 'aws'
            when measured.run_rate_forecast is not null then 'run_rate'
        end as forecast_source,
        measured.variance,
        measured.usage_effect,
        (measured.variance - measured.usage_effect)::decimal(28, 10) as rate_effect,
        case
            when not measured.is_budgeted then 'no budget'
            when measured.actual_amount > measured.limit_amount then 'red'
            when measured.forecast_amount > measured.limit_amount then 'amber'
            when measured.unknown_reason is not null or measured.forecast_amount is null then null
            when measured.has_unbudgeted then 'partly budgeted'
            else 'green'
        end as verdict,
        measured.unknown_reason,
        measured.unbudgeted_to_date,
        measured.budget_currency,
        measured.limit_amount,
        measured.actual_amount,
        measured.forecast_amount,
        measured.day_rate as rate,
        measured.day_rate_kind as rate_kind,
        measured.day_rate_date as rate_date,
        measured.spend_rate,
        measured.budget_rate,
        measured.budget_rate_kind,
        measured.is_stale,
        measured.fetched_at
    from measured
    cross join as_of
    cross join ref.setting as setting
)

select * from judged
union all by name
select before.*
from cost.spend_vs_budget as before
-- What was judged earlier on the same day is judged anew as a whole: a budget that is gone since leaves no row of it.
anti join as_of using (as_of_date)
-- Of an account whose budgets are not kept, no comparison is.
where
    not starts_with(before.scope, 'aws:')
    or substr(before.scope, 5) in (select budget.account_id from cost.budget as budget)
