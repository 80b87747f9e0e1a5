-- How each cost budget of AWS stands in the period that is running, in its own currency, by AWS's own count: of those that the
-- newest listing of the present payer holds. One that has not begun, or has ended, has no period that runs. Not part of the
-- public interface; read cost.spend_vs_budget.
-- materialized: view
-- key: account_id, budget_name
-- account_id: The account that the budget belongs to, 12 digits: the payer.
-- budget_name: The name that people gave it.
-- period_start: First day of the period; AWS begins a year or a quarter anew from the budget's own first day, and none before it.
-- period_end: Day after the last of the period, which the budget's own end may cut short.
-- counted_date: Day before the request to AWS: the last that AWS may have counted.
-- elapsed_days: Whole days of the period before the request to AWS.
-- is_month: True where the period is one month.
-- budget_currency: Currency of the amounts, ISO 4217.
-- limit_amount: What may be spent in the period, in budget_currency; NULL where AWS gives no limit.
-- actual_amount: What AWS has counted in the period, in budget_currency.
-- aws_forecast_amount: What AWS expects at the period's end, in budget_currency; NULL where it forecasts nothing.
-- run_rate_amount: actual_amount at the pace of elapsed_days to the period's end; NULL before the first day has passed, and for a period without an end.
-- spend_rate: Rate by which actual_amount is shown: the average of the bill's rates in the period, each day weighed by what it cost; that of the last complete day where the bill does not hold the whole period, or a day has no rate.
-- health_status: HEALTHY, or UNHEALTHY where AWS cannot count it; NULL where AWS does not report it.
-- health_reason: Why it is UNHEALTHY; NULL where AWS gives no reason.
-- is_stale: True where the newest response about budgets is not trusted.
-- fetched_at: When AWS gave it, UTC.
with payer as (
    select max_by(billing_account_id, checked_at) as account_id
    from audit.bill
    where billing_account_id is not null
),

-- cost.budget keeps what stood once; stage.budget holds what the newest trusted response listed, and nothing that was deleted
-- since. What an earlier payer had stays there until the present one has a response that is trusted.
listed as (
    select
        budget.*,
        newest.health_status,
        newest.health_reason,
        case budget.time_unit when 'MONTHLY' then 1 when 'QUARTERLY' then 3 when 'ANNUALLY' then 12 end
            as month_count,
        datediff('month', budget.period_start, budget.as_of_date) as months_since
    from cost.budget as budget
    inner join stage.budget as newest
        on
            budget.account_id = newest.account_id
            and budget.budget_name = newest.budget_name
            and budget.collected_at = newest.collected_at
    cross join payer
    where budget.budget_type = 'COST' and budget.account_id = coalesce(payer.account_id, budget.account_id)
),

unbounded as (
    select
        * exclude (period_start, period_end),
        period_start as first_start,
        period_end as last_end,
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
    from listed
),

running as (
    select
        * exclude (period_start, period_end, first_start, last_end),
        greatest(period_start, first_start) as period_start,
        least(period_end, last_end) as period_end
    from unbounded
    where coalesce(first_start <= as_of_date, true) and coalesce(last_end > as_of_date, true)
),

paced as (
    select
        *,
        greatest(datediff('day', period_start, least(as_of_date, period_end)), 0) as elapsed_days,
        datediff('day', period_start, period_end) as period_days,
        -- AWS's word for a budget that has no end.
        period_end >= date '2087-06-15' as is_endless
    from running
),

billed as (
    select
        usage_date,
        currency,
        sum(unblended_cost)::decimal(28, 10) as cost,
        case
            when bool_or(reporting_unblended_cost is null) then null else sum(reporting_unblended_cost)
        end::decimal(28, 10)
            as reporting_cost
    from cost.by_service
    group by usage_date, currency
),

period_rate as (
    select
        period.period_start,
        billed.currency,
        case
            when bool_or(billed.reporting_cost is null) or sum(billed.cost) <= 0 then null else
                (sum(billed.reporting_cost) / nullif(sum(billed.cost), 0))::decimal(18, 10)
        end as rate
    from (select distinct paced.period_start from paced) as period
    inner join billed on period.period_start <= billed.usage_date
    where period.period_start >= (select min(first_day.usage_date) from billed as first_day)
    group by period.period_start, billed.currency
)

select
    paced.account_id,
    paced.budget_name,
    paced.period_start,
    paced.period_end,
    paced.as_of_date - 1 as counted_date,
    paced.elapsed_days,
    coalesce(paced.month_count = 1, false) as is_month,
    paced.currency as budget_currency,
    paced.limit_amount,
    paced.actual_amount,
    paced.forecast_amount as aws_forecast_amount,
    case
        when paced.elapsed_days = 0 or paced.is_endless then null else
            paced.actual_amount * paced.period_days / paced.elapsed_days
    end::decimal(28, 10) as run_rate_amount,
    coalesce(period_rate.rate, rate.day_rate) as spend_rate,
    paced.health_status,
    paced.health_reason,
    paced.is_stale,
    paced.collected_at as fetched_at
from paced
left join period_rate
    on paced.period_start = period_rate.period_start and paced.currency = period_rate.currency
left join stage.budget_rate as rate on paced.currency = rate.currency
