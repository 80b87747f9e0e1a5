-- How each value of a tag key that has budgets stands in the running month, whether it has a budget of that month or not: in the
-- billing currency, in the reporting currency, and at the month's end if it goes on as its weekdays do. Not part of the public
-- interface; read cost.spend_vs_budget.
-- key: scope, budget_name
-- scope: The tag key.
-- budget_name: The value of the tag, (shared) or (unallocated), as in stage.budget_spend.
-- period_start: First day of the month of last_complete_date.
-- last_complete_date: Last day that is counted.
-- days_missing: Days from period_start on of which nothing is known: without a row of the bill, and not in stage.day_without_cost; NULL where nothing was read.
-- unknown_reason: Why what is shown may be wrong; NULL where nothing is unknown.
-- is_stale: True where the slice of the tag was not read up to the month of the bill that runs, or the newest response about a day of it, or of the month before, is not trusted; NULL where it was never read.
-- fetched_at: When AWS gave the newest row of that slice, UTC; NULL where it was never read.
-- budget_currency: Currency of the budget, ISO 4217, or the reporting currency where spellings have several; NULL where there is none.
-- limit_amount: What may be spent in the month, in budget_currency; of other spellings in ref.tag_value_alias together.
-- budget: The same in the reporting currency; NULL where there is no rate.
-- budget_rate: Rate of it.
-- budget_rate_kind: Kind of that rate.
-- spend_currency: Billing currency, ISO 4217.
-- billed_to_date: Spent since period_start, in the billing currency.
-- billed_forecast: With the days to come, in the billing currency; NULL where fewer than four days of a weekday to come were read.
-- reporting_to_date: Spent since period_start, each day at its rate; NULL where one has none.
-- reporting_forecast: With the days to come, in the reporting currency; NULL as billed_forecast, and where a day has no rate.
with whole as (
    select
        max(through_date) as last_complete_date,
        (
            select min(cost.currency)
            from cost.daily as cost
            where cost.slice = 'service'
        ) as currency
    from cost.month_coverage
    where slice = 'service'
),

tag_slice as (
    select
        substr(cost.slice, 5) as scope,
        max(cost.collected_at) as fetched_at,
        coalesce(bool_or(cost.is_stale) filter (
            where
            cost.usage_date
            >= (
                select date_trunc('month', max(newest.collected_at) at time zone 'UTC') - interval 1 month
                from cost.daily as newest
            )
        ), false) as is_stale
    from cost.daily as cost
    where starts_with(cost.slice, 'tag:')
    group by cost.slice
),

scope as (
    select
        named.scope,
        -- A slice that waits while the bill goes on judges a month that is over, whatever its last response was.
        coalesce(
            max(spend.last_complete_date) < date_trunc('month', max(whole.last_complete_date)), false
        ) as is_behind,
        coalesce(max(spend.last_complete_date), max(whole.last_complete_date)) as last_complete_date,
        date_trunc('month', coalesce(max(spend.last_complete_date), max(whole.last_complete_date)))::date
            as period_start,
        max(spend.data_from) as data_from,
        any_value(whole.currency) as spend_currency,
        count(spend.usage_date) > 0 as is_read,
        coalesce(bool_or(spend.budget_name not in ('(shared)', '(unallocated)')), false) as is_used
    from (select distinct known.scope from ref.budget as known) as named
    cross join whole
    left join stage.budget_spend as spend using (scope)
    group by named.scope
),

-- As the cost of a value counts under the spelling that counts, so does its budget.
named_budget as (
    select
        ref_budget.scope,
        coalesce(alias.tag_value, trim(ref_budget.budget_name)) as budget_name,
        ref_budget.month,
        ref_budget.amount,
        ref_budget.currency
    from ref.budget as ref_budget
    left join ref.tag_value_alias as alias
        on ref_budget.scope = alias.tag_key and trim(ref_budget.budget_name) = alias.alias
),

-- Budgets of several spellings in several currencies can only be added in the reporting currency.
budgeted as (
    select
        named_budget.scope,
        named_budget.budget_name,
        if(count(*) = count(rate.rate), sum((named_budget.amount * rate.rate)::decimal(28, 10)), null)
        ::decimal(28, 10) as budget,
        if(count(distinct named_budget.currency) = 1, sum(named_budget.amount), budget)::decimal(28, 10)
            as limit_amount,
        if(
            count(distinct named_budget.currency) = 1,
            any_value(named_budget.currency),
            any_value(setting.reporting_currency)
        ) as budget_currency,
        if(count(distinct named_budget.currency) = 1, any_value(rate.rate), 1)::decimal(18, 10)
            as budget_rate,
        if(count(distinct named_budget.currency) = 1, any_value(rate.rate_kind), 'same_currency')
            as budget_rate_kind
    from named_budget
    inner join scope on named_budget.scope = scope.scope and named_budget.month = scope.period_start
    cross join ref.setting as setting
    left join stage.budget_rate as rate on named_budget.currency = rate.currency
    group by named_budget.scope, named_budget.budget_name
),

-- A budget that was forgotten is shown as long as it stood in the last month that had any.
budgeted_before as (
    select
        named_budget.scope,
        named_budget.budget_name
    from named_budget
    inner join scope on named_budget.scope = scope.scope and named_budget.month < scope.period_start
    qualify named_budget.month = max(named_budget.month) over (partition by named_budget.scope)
),

part as (
    select
        scope,
        budget_name
    from budgeted
    union
    select
        scope,
        budget_name
    from budgeted_before
    union
    select
        spend.scope,
        spend.budget_name
    from stage.budget_spend as spend
    inner join scope using (scope)
    where scope.is_used and spend.cost <> 0 and spend.usage_date >= scope.period_start
),

day as (
    select
        scope,
        period_start,
        unnest(generate_series(
            greatest(least(last_complete_date - 27, period_start), data_from),
            last_day(last_complete_date),
            interval 1 day
        ))::date as usage_date,
        last_complete_date
    from scope
    where is_read
),

-- Of a day on which nothing cost anything the bill has no row.
day_read as (
    select
        scope,
        usage_date
    from stage.budget_spend
    union
    select
        scope.scope,
        without.usage_date
    from scope
    inner join stage.day_without_cost as without
        on without.usage_date between scope.data_from and scope.last_complete_date
    where scope.is_read
),

missing as (
    select
        day.scope,
        count(*) filter (where day_read.usage_date is null) as days_missing
    from day
    left join day_read using (scope, usage_date)
    where day.usage_date between day.period_start and day.last_complete_date
    group by day.scope
),

weekday_read as (
    select
        day_read.scope,
        dayofweek(day_read.usage_date) as day_of_week,
        count(*) as day_count
    from day_read
    inner join scope on day_read.scope = scope.scope
    where day_read.usage_date > scope.last_complete_date - 28
    group by day_read.scope, dayofweek(day_read.usage_date)
),

-- A day that nobody read is no day without a cost: from fewer than four days of a weekday nothing is forecast.
without_forecast as (
    select distinct day.scope
    from day
    left join weekday_read
        on day.scope = weekday_read.scope and dayofweek(day.usage_date) = weekday_read.day_of_week
    where day.usage_date > day.last_complete_date and coalesce(weekday_read.day_count, 0) < 4
),

spent as (
    select
        part.scope,
        part.budget_name,
        day.usage_date,
        day.period_start,
        day.last_complete_date,
        coalesce(spend.cost, 0)::decimal(28, 10) as cost,
        if(spend.usage_date is null, 0, spend.reporting_cost)::decimal(28, 10) as reporting_cost
    from part
    inner join scope on part.scope = scope.scope and scope.is_used
    inner join day on part.scope = day.scope and day.last_complete_date >= day.usage_date
    left join stage.budget_spend as spend
        on
            part.scope = spend.scope
            and part.budget_name = spend.budget_name
            and day.usage_date = spend.usage_date
),

to_date as (
    select
        scope,
        budget_name,
        sum(cost)::decimal(28, 10) as cost,
        if(bool_or(reporting_cost is null), null, sum(reporting_cost))::decimal(28, 10) as reporting_cost
    from spent
    where usage_date >= period_start
    group by scope, budget_name
),

weekday as (
    select
        scope,
        budget_name,
        dayofweek(usage_date) as day_of_week,
        median(cost)::decimal(28, 10) as cost,
        if(bool_or(reporting_cost is null), null, median(reporting_cost))::decimal(28, 10)
            as reporting_cost
    from spent
    where usage_date > last_complete_date - 28
    group by scope, budget_name, dayofweek(usage_date)
),

to_come as (
    select
        weekday.scope,
        weekday.budget_name,
        sum(weekday.cost)::decimal(28, 10) as cost,
        if(bool_or(weekday.reporting_cost is null), null, sum(weekday.reporting_cost))::decimal(28, 10)
            as reporting_cost
    from day
    inner join weekday on day.scope = weekday.scope and dayofweek(day.usage_date) = weekday.day_of_week
    where day.usage_date > day.last_complete_date
    group by weekday.scope, weekday.budget_name
)

select
    part.scope,
    part.budget_name,
    scope.period_start,
    scope.last_complete_date,
    missing.days_missing,
    case
        when not scope.is_read then 'the bill by this tag was not read'
        when not scope.is_used then 'no cost carries this tag: it is not activated, or not used'
        when to_date.reporting_cost is null then 'a day has no exchange rate'
        when
            budgeted.budget_currency is not null
            and budgeted.budget is null
            and (budgeted.limit_amount is null or budgeted.budget_currency <> scope.spend_currency)
            then 'the currency of the budget has no exchange rate'
        when scope.is_behind then 'the bill by this tag was not read up to the running month'
        when missing.days_missing > 0 then 'days of the bill are missing'
        when without_forecast.scope is not null then 'fewer than four days of a weekday to come were read'
    end as unknown_reason,
    tag_slice.is_stale or scope.is_behind as is_stale,
    tag_slice.fetched_at,
    budgeted.budget_currency,
    budgeted.limit_amount,
    budgeted.budget,
    budgeted.budget_rate,
    budgeted.budget_rate_kind,
    scope.spend_currency,
    to_date.cost as billed_to_date,
    -- On the last day of a month nothing is to come.
    case
        when without_forecast.scope is not null then null
        when to_come.scope is null then to_date.cost
        else to_date.cost + to_come.cost
    end::decimal(28, 10) as billed_forecast,
    to_date.reporting_cost as reporting_to_date,
    case
        when without_forecast.scope is not null then null
        when to_come.scope is null then to_date.reporting_cost
        else to_date.reporting_cost + to_come.reporting_cost
    end::decimal(28, 10) as reporting_forecast
from part
inner join scope using (scope)
left join tag_slice using (scope)
left join missing using (scope)
left join without_forecast using (scope)
left join budgeted using (scope, budget_name)
left join to_date using (scope, budget_name)
left join to_come using (scope, budget_name)
