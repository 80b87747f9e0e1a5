-- Spend against budget as it stood each day, in the reporting currency: the budgets of AWS one by one, since they overlap and
-- are never summed; the budgets of ref.budget by the value of their tag, by what the tag's values cost directly; and all
-- budgets of a tag together against the whole bill.
-- materialized: full_from_previous
-- key: as_of_date, scope, budget_name
-- as_of_date: Day (UTC) on which AWS was asked.
-- scope: aws:<account> for a budget that AWS keeps, the tag key for one of ref.budget, total for all of a tag key together.
-- budget_name: Name of AWS's budget; or the value of the tag; or the tag key whose budgets are added up.
-- period_start: First day of the period that is running: a month, but for AWS budgets of another length.
-- period_end: Day after the last of that period.
-- last_complete_date: Last complete day of the bill, by cost.month_coverage. Spend is counted up to it; of AWS's budgets AWS counts, up to a moment that it does not tell.
-- month_to_date: What was spent since period_start, in the reporting currency; NULL where a rate is missing.
-- budget: What may be spent in the period, in the reporting currency; NULL where there is no limit or no rate.
-- currency: The reporting currency, ISO 4217.
-- pace_pct: Spend as percent of what an even pace would have spent by last_complete_date: above 100 is faster than the budget; NULL where the period begins after it, as that of a daily budget does.
-- aws_forecast: What AWS expects at the period's end, in the reporting currency; NULL where AWS forecasts nothing.
-- run_rate_forecast: Spend so far and, for each day that is left, the median of its weekday's last four, in the reporting currency. A budget of AWS is taken to go on as the whole bill does, since what it counts is known to AWS alone; only by month.
-- forecast: aws_forecast, or run_rate_forecast where AWS gives none.
-- forecast_source: aws or run_rate.
-- variance: forecast less budget: above zero is too much.
-- verdict: red when more than the budget is spent, amber when the forecast is above it, else green; NULL where it cannot be judged.
-- rate: Rate of the last complete day. Spend of ref.budget's scopes is converted day by day; see cost.exchange_rate.
-- rate_kind: Kind of that rate.
-- rate_date: The first day that the rate holds for.
-- budget_rate: Rate by which the budget was converted: of the kind budget where there is one at the month's start, else as rate; NULL for a sum of budgets of several.
-- budget_rate_kind: Kind of that rate; same_currency where the budget is in the reporting currency.
-- is_stale: True where what AWS said of the budget is not of the newest answer.
-- fetched_at: When AWS gave it, UTC.
with as_of as (
    select
        max(cost.collected_at) as fetched_at,
        (max(cost.collected_at) at time zone 'UTC')::date as as_of_date,
        (
            select max(coverage.through_date)
            from cost.month_coverage as coverage
            where coverage.slice = 'service'
        ) as last_complete_date,
        min(cost.usage_date) as data_from,
        -- One bill has one currency; a check says so.
        min(cost.currency) as currency,
        bool_or(cost.is_stale) filter (
            where cost.usage_date >= date_trunc('month', cost.collected_at) - interval 1 month
        ) as is_stale
    from cost.daily as cost
    where cost.slice = 'service'
),

rate_now as (
    select
        exchange.currency,
        exchange.rate,
        exchange.rate_kind,
        exchange.rate_date
    from cost.exchange_rate as exchange
    inner join as_of on exchange.usage_date = as_of.last_complete_date
),

-- By which rate a budget is converted: what it was set at, else what spend is converted by.
known_limit_rate as (
    select
        reporting_currency as currency,
        1::decimal(18, 10) as rate,
        'same_currency' as kind
    from ref.setting
    union all
    select
        known.from_currency as currency,
        max_by(known.rate, known.valid_from) as rate,
        'budget' as kind
    from ref.fx_rate as known
    cross join as_of
    inner join ref.setting as setting on known.to_currency = setting.reporting_currency
    where known.kind = 'budget' and known.valid_from <= date_trunc('month', as_of.last_complete_date)
    group by known.from_currency
    union all
    select
        currency,
        rate,
        rate_kind as kind
    from rate_now
),

limit_rate as (
    select *
    from known_limit_rate
    qualify row_number() over (
            partition by currency
            order by coalesce(list_position(['same_currency', 'budget'], kind), 3) asc
        ) = 1
),

budgeted as (
    select
        ref_budget.scope,
        ref_budget.budget_name,
        (ref_budget.amount * limit_rate.rate)::decimal(28, 10) as budget,
        limit_rate.rate as budget_rate,
        limit_rate.kind as budget_rate_kind
    from ref.budget as ref_budget
    inner join as_of on ref_budget.month = date_trunc('month', as_of.last_complete_date)
    left join limit_rate on ref_budget.currency = limit_rate.currency
),

-- The whole bill is wanted also where there is no budget but AWS's, which go on as it does.
scope as (
    select budgeted.scope from budgeted
    union
    select '' as scope
),

-- What each scope spent on each day.
spent as (
    select
        cost.tag_key as scope,
        cost.tag_value as budget_name,
        cost.usage_date,
        cost.reporting_unblended_cost as spend
    from cost.by_tag as cost
    where cost.tag_key in (select budgeted.scope from budgeted)
    union all
    select
        'total' as scope,
        scope.scope as budget_name,
        cost.usage_date,
        cost.reporting_unblended_cost as spend
    from cost.by_service as cost
    -- The whole bill is wanted also where there is no budget but AWS's, which go on as it does.
    cross join scope
),

spent_on as (
    select
        scope,
        budget_name,
        usage_date,
        if(bool_or(spend is null), null, sum(spend))::decimal(28, 10) as spend,
        bool_or(spend is null) as lacks_rate
    from spent
    cross join as_of
    where
        usage_date between
        least(as_of.last_complete_date - 27, date_trunc('month', as_of.last_complete_date)::date)
        and as_of.last_complete_date
    group by scope, budget_name, usage_date
),

scope_of as (
    select
        scope,
        budget_name
    from budgeted
    union
    select
        scope,
        budget_name
    from spent_on
    where scope = 'total'
),

to_date as (
    select
        scope_of.scope,
        scope_of.budget_name,
        if(bool_or(spent_on.lacks_rate), null, coalesce(sum(spent_on.spend), 0))::decimal(28, 10) as spend
    from scope_of
    cross join as_of
    left join spent_on
        on
            scope_of.scope = spent_on.scope
            and scope_of.budget_name = spent_on.budget_name
            and spent_on.usage_date >= date_trunc('month', as_of.last_complete_date)
    group by scope_of.scope, scope_of.budget_name
),

past_day as (
    select
        unnest(generate_series(
            greatest(last_complete_date - 27, data_from), last_complete_date, interval 1 day
        ))::date as usage_date
    from as_of
),

coming_day as (
    select
        unnest(generate_series(
            last_complete_date + 1, last_day(last_complete_date), interval 1 day
        ))::date as usage_date
    from as_of
),

weekday as (
    select
        scope_of.scope,
        scope_of.budget_name,
        dayofweek(past_day.usage_date) as day_of_week,
        median(coalesce(spent_on.spend, 0)::decimal(28, 10)) as spend,
        bool_or(spent_on.lacks_rate) as lacks_rate
    from scope_of
    cross join past_day
    left join spent_on using (scope, budget_name, usage_date)
    group by scope_of.scope, scope_of.budget_name, dayofweek(past_day.usage_date)
),

to_come as (
    select
        weekday.scope,
        weekday.budget_name,
        if(bool_or(weekday.lacks_rate), null, sum(weekday.spend))::decimal(28, 10) as spend
    from coming_day
    inner join weekday on dayofweek(coming_day.usage_date) = weekday.day_of_week
    group by weekday.scope, weekday.budget_name
),

own as (
    select
        to_date.scope,
        to_date.budget_name,
        to_date.spend as month_to_date,
        -- On the last day of a month nothing is to come.
        (to_date.spend + if(to_come.scope is null, 0, to_come.spend))::decimal(28, 10) as run_rate_forecast
    from to_date
    left join to_come using (scope, budget_name)
),

own_budget as (
    select
        scope,
        budget_name,
        budget,
        budget_rate,
        budget_rate_kind
    from budgeted
    union all
    select
        'total' as scope,
        scope as budget_name,
        if(bool_or(budget is null), null, sum(budget))::decimal(28, 10) as budget,
        if(min(budget_rate) = max(budget_rate), min(budget_rate), null) as budget_rate,
        if(min(budget_rate_kind) = max(budget_rate_kind), min(budget_rate_kind), null) as budget_rate_kind
    from budgeted
    group by scope
),

own_row as (
    select
        as_of.as_of_date,
        own_budget.scope,
        own_budget.budget_name,
        date_trunc('month', as_of.last_complete_date)::date as period_start,
        (date_trunc('month', as_of.last_complete_date) + interval 1 month)::date as period_end,
        own_budget.budget,
        own_budget.budget_rate,
        own_budget.budget_rate_kind,
        own.month_to_date,
        null::decimal(28, 10) as aws_forecast,
        own.run_rate_forecast,
        as_of.currency as spend_currency,
        as_of.is_stale,
        as_of.fetched_at
    from own_budget
    inner join own using (scope, budget_name)
    cross join as_of
),

-- Which period of a budget is running: AWS begins a year or a quarter anew from the budget's own first day.
aws_period as (
    select
        budget.*,
        case budget.time_unit when 'MONTHLY' then 1 when 'QUARTERLY' then 3 when 'ANNUALLY' then 12 end
            as month_count,
        datediff('month', budget.period_start, budget.as_of_date) as months_since
    from cost.budget as budget
    where
        budget.budget_type = 'COST'
        and budget.as_of_date = (select max(newest.as_of_date) from cost.budget as newest)
),

aws_running as (
    select
        * exclude (period_start, period_end),
        case
            when month_count is not null
                then (
                    date_trunc('month', period_start)
                    + to_months((months_since // month_count * month_count)::integer)
                )::date
            when time_unit = 'DAILY' then as_of_date
            else period_start
        end as period_start,
        case
            when month_count is not null
                then (
                    date_trunc('month', period_start)
                    + to_months(((months_since // month_count + 1) * month_count)::integer)
                )::date
            when time_unit = 'DAILY' then as_of_date + 1
            else period_end
        end as period_end
    from aws_period
),

aws_row as (
    select
        budget.as_of_date,
        'aws:' || budget.account_id as scope,
        budget.budget_name,
        budget.period_start,
        budget.period_end,
        (budget.limit_amount * limit_rate.rate)::decimal(28, 10) as budget,
        limit_rate.rate as budget_rate,
        limit_rate.kind as budget_rate_kind,
        (budget.actual_amount * rate_now.rate)::decimal(28, 10) as month_to_date,
        (budget.forecast_amount * rate_now.rate)::decimal(28, 10) as aws_forecast,
        if(
            budget.time_unit = 'MONTHLY' and whole.month_to_date > 0
            and budget.period_start = date_trunc('month', as_of.last_complete_date),
            budget.actual_amount * rate_now.rate
            * (whole.run_rate_forecast / whole.month_to_date)::decimal(18, 10),
            null
        )::decimal(28, 10) as run_rate_forecast,
        budget.currency as spend_currency,
        budget.is_stale,
        budget.collected_at as fetched_at
    from aws_running as budget
    cross join as_of
    left join rate_now on budget.currency = rate_now.currency
    left join limit_rate on budget.currency = limit_rate.currency
    left join own as whole on whole.scope = 'total' and whole.budget_name = ''
),

budget_row as (
    select * from own_row
    union all by name
    select * from aws_row
),

converted as (
    select
        budget_row.*,
        coalesce(budget_row.aws_forecast, budget_row.run_rate_forecast) as forecast,
        as_of.last_complete_date,
        setting.reporting_currency,
        rate_now.rate,
        rate_now.rate_kind,
        rate_now.rate_date
    from budget_row
    cross join as_of
    cross join ref.setting as setting
    left join rate_now on budget_row.spend_currency = rate_now.currency
),

judged as (
    select
        as_of_date,
        scope,
        budget_name,
        period_start,
        period_end,
        last_complete_date,
        month_to_date,
        budget,
        reporting_currency as currency,
        if(
            last_complete_date between period_start and period_end - 1,
            100 * month_to_date * datediff('day', period_start, period_end)
            / nullif(budget * (datediff('day', period_start, last_complete_date) + 1), 0),
            null
        )::decimal(18, 2) as pace_pct,
        aws_forecast,
        run_rate_forecast,
        forecast,
        case
            when aws_forecast is not null then 'aws'
            when run_rate_forecast is not null then 'run_rate'
        end as forecast_source,
        (forecast - budget)::decimal(28, 10) as variance,
        case
            when budget is null or month_to_date is null then null
            when month_to_date > budget then 'red'
            when forecast > budget then 'amber'
            when forecast is not null then 'green'
        end as verdict,
        rate,
        rate_kind,
        rate_date,
        budget_rate,
        budget_rate_kind,
        is_stale,
        fetched_at
    from converted
)

select * from judged
union all by name
select before.*
from cost.spend_vs_budget as before
anti join judged using (as_of_date, scope)
