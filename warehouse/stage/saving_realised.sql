-- What each finding that is gone or changed has saved a month: its last known rate, as far as the account's bill for these usage
-- types fell. The week before the first of a month's findings was last seen is held against the week after the last was gone.
-- Not part of the public interface; read cost.saving.
-- materialized: view
-- key: month, arn, rule
-- month: First day of the month in which it was gone or changed.
-- arn: ARN of the resource in cmdb.resource.
-- rule: Rule of ref.decommission_rule.
-- account_id: The AWS account that owned it, 12 digits.
-- owner: Whom to ask; NULL where nobody is named.
-- realised: In the currency beside it; NULL where it had no rate, is listed again, ref.region_code does not have its region, or the bill does not show the weeks yet.
-- currency: ISO 4217; NULL without a rate.
-- basis: Where the rate comes from and what the bill shows.
-- unknown_reason: Why it is not known; NULL where it is.
with bill as (
    select
        max(through_date) as last_date,
        -- The first day that the bill has, not the first that it ought to have.
        (
            select min(cost.usage_date) from cost.daily as cost
            where cost.slice = 'usage_type'
        ) as first_date
    from cost.month_coverage
    where slice = 'usage_type'
),

resolved as (
    select
        signal.arn,
        signal.rule,
        signal.account_id,
        signal.region,
        signal.owner,
        signal.resolution,
        signal.first_flagged_date,
        signal.last_flagged_date,
        signal.resolved_date,
        date_trunc('month', signal.resolved_date)::date as resolved_month,
        signal.currency,
        signal.estimate_basis,
        signal.saved_usage,
        signal.estimated_monthly_saving,
        bill.first_date <= signal.last_flagged_date - 7
        and signal.resolved_date + 7 <= bill.last_date as is_shown,
        -- The bill of a region without a code is counted under another one.
        signal.region not in (select code.region from ref.region_code as code) as is_uncoded
    from cmdb.decommission_signal as signal
    cross join bill
    where signal.resolution in ('gone', 'changed')
),

part as (
    select
        resolved.* exclude (saved_usage),
        unnest(resolved.saved_usage, recursive := false) as saved
    from resolved
),

ended as (
    -- The disks of an instance may outlive it. Another one of the same ARN is not the one that went.
    select
        part.*,
        part.resolution = 'changed'
        or coalesce(item.status = 'retired', false)
        or coalesce((item.replaced_at at time zone 'UTC')::date >= part.resolved_date, false) as is_ended
    from part
    left join cmdb.resource as item on part.saved.arn = item.arn
),

back as (
    select distinct
        arn,
        rule,
        first_flagged_date
    from ended
    where not is_ended and saved.arn = arn and saved.amount > 0
),

counted as (
    select
        ended.resolved_month,
        ended.arn,
        ended.rule,
        ended.first_flagged_date,
        ended.resolved_date,
        ended.saved.arn as saved_arn,
        any_value(ended.currency) as currency,
        sum(ended.saved.amount)::decimal(28, 10) as net,
        coalesce(sum(ended.saved.amount) filter (where ended.saved.amount > 0), 0)::decimal(28, 10) as gross
    from ended
    where ended.is_ended
    group by
        ended.resolved_month,
        ended.arn,
        ended.rule,
        ended.first_flagged_date,
        ended.resolved_date,
        ended.saved.arn
    qualify row_number() over (
            partition by ended.resolved_month, ended.saved.arn
            order by sum(ended.saved.amount) desc, ended.rule asc, ended.arn asc
        ) = 1
),

measured as (
    select
        counted.arn,
        counted.rule,
        counted.first_flagged_date,
        counted.saved_arn,
        (
            greatest(sum(daily.unblended_cost), 0)::double
            / count(distinct daily.usage_date)
            * 365 / 12
        )::decimal(28, 10) as amount,
        any_value(daily.currency) as currency,
        count(distinct daily.usage_date) as day_count
    from counted
    inner join cmdb.resource as item on counted.saved_arn = item.arn
    inner join stage.resource_complete_day as daily
        on
            item.account_id = daily.account_id
            and (item.arn = daily.resource_id or item.resource_id = daily.resource_id)
            and counted.resolved_date > daily.usage_date
            and daily.usage_date >= counted.resolved_date - 30
    group by all
),

weighed as (
    select
        counted.*,
        case
            when measured.amount is null or measured.currency <> counted.currency then null
            when counted.gross > measured.amount
                then trunc(measured.amount::double / counted.gross * 1e10) / 1e10
            else 1
        end::decimal(18, 10) as measured_ratio,
        measured.day_count
    from counted
    left join measured
        on
            counted.arn = measured.arn
            and counted.rule = measured.rule
            and counted.first_flagged_date = measured.first_flagged_date
            and counted.saved_arn = measured.saved_arn
),

claimed as (
    select
        part.resolved_month,
        part.arn,
        part.rule,
        part.first_flagged_date,
        part.last_flagged_date,
        part.resolved_date,
        part.account_id,
        part.region,
        part.saved.arn as saved_arn,
        part.saved."usage" as "usage",
        part.saved.amount as gross,
        (part.saved.amount * coalesce(weighed.measured_ratio, 1))::decimal(28, 10) as amount,
        part.currency
    from part
    inner join weighed
        on
            part.arn = weighed.arn
            and part.rule = weighed.rule
            and part.first_flagged_date = weighed.first_flagged_date
            and part.saved.arn = weighed.saved_arn
    where part.saved.amount > 0 and part.is_shown
),

event as (
    select
        resolved_month,
        account_id,
        region,
        "usage",
        min(last_flagged_date) as first_date,
        max(resolved_date) as last_date,
        sum(amount)::decimal(28, 10) as amount,
        any_value(currency) as currency
    from claimed
    group by resolved_month, account_id, region, "usage"
),

fall as (
    select
        event.resolved_month,
        event.account_id,
        event.region,
        event."usage",
        any_value(event.amount) as claimed,
        (
            greatest(coalesce(
                sum(case
                    when usage_billed.usage_date < event.first_date then usage_billed.unblended_cost
                    else -usage_billed.unblended_cost
                end) filter (where usage_billed.currency = event.currency),
                0
            ), 0)::double / 7 * 365 / 12
        )::decimal(28, 10) as amount
    from event
    left join stage.usage_billed as usage_billed
        on
            event.account_id = usage_billed.account_id
            and event.region = usage_billed.region
            and event."usage" = usage_billed."usage"
            and usage_billed.usage_date between event.first_date - 7 and event.last_date + 7
            and not usage_billed.usage_date between event.first_date and event.last_date
    group by event.resolved_month, event.account_id, event.region, event."usage"
),

cut as (
    select
        claimed.arn,
        claimed.rule,
        claimed.first_flagged_date,
        claimed.saved_arn,
        (trunc(
            sum(
                claimed.gross::double
                * least(1, fall.amount::double / nullif(fall.claimed, 0)::double)
            ) / sum(claimed.gross)::double
            * 1e10
        ) / 1e10)::decimal(18, 10) as ratio
    from claimed
    inner join fall
        on
            claimed.resolved_month = fall.resolved_month
            and claimed.account_id = fall.account_id
            and claimed.region = fall.region
            and claimed."usage" = fall."usage"
    group by claimed.arn, claimed.rule, claimed.first_flagged_date, claimed.saved_arn
),

reckoned as (
    select
        weighed.arn,
        weighed.rule,
        weighed.first_flagged_date,
        sum(weighed.gross)::decimal(28, 10) as gross,
        greatest(sum((
            (weighed.net * coalesce(weighed.measured_ratio, 1))::decimal(28, 10) * coalesce(cut.ratio, 0)
        )::decimal(28, 10)), 0)::decimal(28, 10) as amount,
        bool_or(coalesce(cut.ratio, 0) < 1) as is_cut,
        max(weighed.day_count) as day_count
    from weighed
    left join cut
        on
            weighed.arn = cut.arn
            and weighed.rule = cut.rule
            and weighed.first_flagged_date = cut.first_flagged_date
            and weighed.saved_arn = cut.saved_arn
    group by weighed.arn, weighed.rule, weighed.first_flagged_date
),

told as (
    select
        resolved.resolved_month,
        resolved.arn,
        resolved.rule,
        resolved.account_id,
        resolved.owner,
        resolved.currency,
        case
            when resolved.estimated_monthly_saving is null or resolved.saved_usage is null then null
            when coalesce(reckoned.gross, 0) = 0 and back.arn is not null then null
            -- Nothing of it had a price, or it is counted under another rule.
            when coalesce(reckoned.gross, 0) = 0 then 0
            when resolved.is_uncoded then null
            when resolved.is_shown then reckoned.amount
        end::decimal(28, 10) as realised,
        coalesce(
            'measured by AWS on ' || reckoned.day_count || ' days before it went', resolved.estimate_basis
        )
        || case
            when
                resolved.estimated_monthly_saving is null
                or resolved.saved_usage is null
                or coalesce(reckoned.gross, 0) = 0
                or coalesce(resolved.is_uncoded, false)
                or not coalesce(resolved.is_shown, false)
                then ''
            when reckoned.is_cut then '; capped at what the bill of its usage types fell by'
            else '; the bill of its usage types fell by as much'
        end as basis,
        case
            when resolved.estimated_monthly_saving is null then 'it had no estimate'
            when resolved.saved_usage is null then 'its usage types were not kept'
            when coalesce(reckoned.gross, 0) = 0 and back.arn is not null then 'it is listed again'
            when coalesce(reckoned.gross, 0) = 0 then null
            when resolved.is_uncoded then 'ref.region_code does not have its region'
            when not coalesce(resolved.is_shown, false)
                then 'the bill by usage type does not hold the weeks before and after'
        end as unknown_reason
    from resolved
    left join reckoned
        on
            resolved.arn = reckoned.arn
            and resolved.rule = reckoned.rule
            and resolved.first_flagged_date = reckoned.first_flagged_date
    left join back
        on
            resolved.arn = back.arn
            and resolved.rule = back.rule
            and resolved.first_flagged_date = back.first_flagged_date
)

select
    resolved_month as "month",
    arn,
    rule,
    any_value(account_id) as account_id,
    any_value(owner) as owner,
    case when count(realised) = count(*) then sum(realised) end::decimal(28, 10) as realised,
    any_value(currency) as currency,
    any_value(basis) as basis,
    max(unknown_reason) as unknown_reason
from told
group by resolved_month, arn, rule
