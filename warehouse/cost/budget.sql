-- Every AWS budget as it stood each day. Budgets overlap and are never summed. AWS counts them again a few times a day and
-- does not say when; collected_at is when it said what stands here.
-- materialized: full_from_previous
-- key: as_of_date, account_id, budget_name
-- as_of_date: Day (UTC) on which AWS gave what the row says.
-- account_id: The account that the budget belongs to, 12 digits: the payer.
-- budget_name: The name that people gave it.
-- budget_type: COST, USAGE, RI_UTILIZATION, RI_COVERAGE, SAVINGS_PLANS_UTILIZATION or SAVINGS_PLANS_COVERAGE.
-- time_unit: How often it begins anew: DAILY, MONTHLY, QUARTERLY, ANNUALLY or CUSTOM.
-- period_start: Day on which it first began (UTC), not that of its current period.
-- period_end: Day before which it ends (UTC); AWS's default lies in 2087.
-- limit_amount: What may be spent in the current period, in the currency beside it.
-- planned_limits: The limits of current and coming periods by their start in seconds since 1970, JSON; NULL where one limit holds for all.
-- actual_amount: What AWS has counted against it in the current period, in the currency beside it.
-- forecast_amount: What AWS expects at the end of the current period, in the currency beside it; NULL where AWS does not forecast.
-- currency: Currency of the amounts, ISO 4217; of a usage or utilisation budget the unit that it counts in.
-- cost_types: What AWS counts: tax, credits, refunds, support, amortised or not, JSON; NULL where metrics says it.
-- metrics: The newer word for what AWS counts, JSON list such as ["NetUnblendedCost"]; NULL where cost_types says it.
-- filters: What the budget is about, JSON: an expression, or the older lists of values by dimension; NULL where it is about everything.
-- updated_at: When somebody last changed the budget, UTC.
-- age_days: Whole days from that change to collected_at: how long nobody has looked at its limit.
-- is_stale: True when the newest answer about budgets is not trusted: the row is the last that was.
-- collected_at: When AWS gave it, UTC.
-- run_id: The run that asked; leads to audit.collection.
-- listing: The listing that it came in; leads to audit.collection.
with listed as (
    select
        collected_at::date as as_of_date,
        account_id,
        budget_name,
        budget_type,
        time_unit,
        period_start::date as period_start,
        period_end::date as period_end,
        limit_amount,
        planned_limits,
        actual_amount,
        forecast_amount,
        unit as currency,
        cost_types,
        metrics,
        filters,
        updated_at,
        datediff('day', updated_at, collected_at)::integer as age_days,
        is_stale,
        collected_at,
        run_id,
        listing
    from stage.budget
),

-- The account of now, and those of runs that published: the profile of a refused run may have led to one that
-- pays no bill.
payer as (
    select account_id
    from listed
    union
    select bill.billing_account_id as account_id
    from audit.bill as bill
    inner join audit.run as run on bill.run_id = run.run_id
    where run.outcome = 'published'
)

select * from listed
union all by name
select before.*
from cost.budget as before
semi join payer using (account_id)
anti join listed using (as_of_date, account_id)
