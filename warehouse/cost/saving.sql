-- What was found to be saved, what somebody decided to keep, and what was saved, month by month: each a rate per month, not
-- the money of that month. The rows of months that are over stay as they were on their last night, but for what was
-- realised in them. An amount that several rules find is counted under one of them. See
-- docs/decisions/0007-how-savings-are-estimated.md.
-- rests_on: without=cost_resource_daily because basis says what was measured
-- materialized: full_from_previous
-- key: month, arn, rule
-- month: First day of the month.
-- arn: ARN of the resource in cmdb.resource.
-- rule: Rule of ref.decommission_rule.
-- account_id: The AWS account that owns it, 12 digits, text because some begin with 0.
-- owner: Whom to ask; NULL where neither the resource nor its account has an owner.
-- identified: Saving a month of what was a candidate on the last night of the month, in the currency beside it; 0 where another rule counts it, NULL where it cannot be reckoned or was no candidate.
-- accepted: The same of what somebody accepted to keep, in the currency beside it; NULL where nobody did.
-- realised: Saving a month of what went or was changed in the month, at its last known rate, in the currency beside it; NULL where nothing did.
-- currency: Currency of the amounts, ISO 4217; NULL without one.
-- basis: Where the rate comes from: as AWS measured it, or list price × size; or why there is none.
with this as (
    select date_trunc('month', max(judged_at))::date as this_month
    from cmdb.decommission_signal
),

open_signal as (
    select
        signal.*,
        this.this_month
    from cmdb.decommission_signal as signal
    cross join this
    where
        signal.verdict in ('candidate', 'accepted')
        and (signal.resolution is null or signal.resolution = 'accepted')
),

open_part as (
    select
        arn,
        rule,
        verdict,
        unnest(saved) as part
    from open_signal
    where estimated_monthly_saving is not null
),

-- Of what several rules find, the one that saves most of a resource counts for it.
open_counted as (
    select
        arn,
        rule,
        sum(part.amount)::decimal(28, 10) as amount
    from (
        select *
        from open_part
        qualify row_number() over (
                partition by verdict, part.arn order by part.amount desc, rule asc, arn asc
            ) = 1
    ) as counted
    group by arn, rule
),

current_row as (
    select
        signal.this_month as "month",
        signal.arn,
        signal.rule,
        signal.account_id,
        signal.owner,
        if(
            signal.verdict = 'candidate' and signal.estimated_monthly_saving is not null,
            greatest(coalesce(counted.amount, 0), 0),
            null
        )::decimal(28, 10) as identified,
        if(
            signal.verdict = 'accepted' and signal.estimated_monthly_saving is not null,
            greatest(coalesce(counted.amount, 0), 0),
            null
        )::decimal(28, 10) as accepted,
        signal.currency,
        if(
            counted.amount is null and len(signal.saved) > 0 and signal.estimated_monthly_saving is not null,
            'counted under another rule; ',
            ''
        ) || signal.estimate_basis as basis
    from open_signal as signal
    left join open_counted as counted on signal.arn = counted.arn and signal.rule = counted.rule
),

earlier_row as (
    select
        before."month",
        before.arn,
        before.rule,
        before.account_id,
        before.owner,
        before.identified,
        before.accepted,
        before.currency,
        before.basis
    from cost.saving as before
    cross join this
    where
        before."month" < this.this_month
        and (before.identified is not null or before.accepted is not null or before.realised is null)
),

resolved as (
    select
        signal.*,
        date_trunc('month', signal.resolved_date)::date as resolved_month,
        rule.saves
    from cmdb.decommission_signal as signal
    left join ref.decommission_rule as rule
        on signal.rule = rule.rule and signal.resource_type = rule.resource_type
    where signal.resolution in ('gone', 'changed')
),

measured as (
    select
        resolved.arn,
        resolved.rule,
        resolved.first_flagged_date,
        (sum(daily.unblended_cost) / count(distinct daily.usage_date) * 365 / 12)::decimal(28, 10) as amount,
        any_value(daily.currency) as currency,
        count(distinct daily.usage_date) as measured_days
    from resolved
    inner join cmdb.resource as item on resolved.arn = item.arn
    inner join cost.resource_daily as daily
        on
            item.account_id = daily.account_id
            and (item.arn = daily.resource_id or item.resource_id = daily.resource_id)
            and resolved.resolved_date > daily.usage_date
            and daily.usage_date >= resolved.resolved_date - 30
    where resolved.saves = 'whole' and resolved.resolution = 'gone'
    group by all
),

rate as (
    select
        resolved.resolved_month,
        resolved.arn,
        resolved.rule,
        resolved.account_id,
        resolved.owner,
        resolved.resolution,
        if(
            measured.amount is null,
            resolved.saved,
            [{ 'arn': resolved.arn, 'amount': measured.amount }]
        ) as saved,
        coalesce(measured.currency, resolved.currency) as currency,
        coalesce(
            'measured by AWS on ' || measured.measured_days || ' days before it went', resolved.estimate_basis
        ) as basis
    from resolved
    left join measured
        on
            resolved.arn = measured.arn
            and resolved.rule = measured.rule
            and resolved.first_flagged_date = measured.first_flagged_date
),

rate_part as (
    select
        resolved_month,
        arn,
        rule,
        resolution,
        unnest(saved) as part
    from rate
),

rate_counted as (
    select
        resolved_month,
        arn,
        rule,
        sum(part.amount)::decimal(28, 10) as amount
    from (
        select rate_part.*
        from rate_part
        left join cmdb.resource as item on rate_part.part.arn = item.arn
        -- The disks of an instance may outlive it.
        where rate_part.resolution = 'changed' or item.status = 'retired'
        qualify row_number() over (
                partition by rate_part.resolved_month, rate_part.part.arn
                order by rate_part.part.amount desc, rate_part.rule asc, rate_part.arn asc
            ) = 1
    ) as counted
    group by resolved_month, arn, rule
),

realised_row as (
    select
        rate.resolved_month as "month",
        rate.arn,
        rate.rule,
        any_value(rate.account_id) as account_id,
        any_value(rate.owner) as owner,
        if(
            bool_and(rate.currency is null),
            null,
            greatest(coalesce(any_value(counted.amount), 0), 0)
        )::decimal(28, 10) as realised,
        any_value(rate.currency) as currency,
        any_value(rate.basis) as basis
    from rate
    left join rate_counted as counted
        on
            rate.resolved_month = counted.resolved_month
            and rate.arn = counted.arn
            and rate.rule = counted.rule
    group by rate.resolved_month, rate.arn, rate.rule
),

found_row as (
    select * from current_row
    union all by name
    select * from earlier_row
)

select
    coalesce(found_row."month", realised_row."month") as "month",
    coalesce(found_row.arn, realised_row.arn) as arn,
    coalesce(found_row.rule, realised_row.rule) as rule,
    coalesce(found_row.account_id, realised_row.account_id) as account_id,
    coalesce(found_row.owner, realised_row.owner) as owner,
    found_row.identified,
    found_row.accepted,
    realised_row.realised,
    coalesce(found_row.currency, realised_row.currency) as currency,
    coalesce(realised_row.basis, found_row.basis) as basis
from found_row
full outer join realised_row
    on
        found_row."month" = realised_row."month"
        and found_row.arn = realised_row.arn
        and found_row.rule = realised_row.rule
