-- What could go: one row per resource, rule of ref.decommission_rule and time in which it was so, kept for good. A row is a
-- candidate only where every response that it rests on is trusted; what cannot be judged is unknown, and an open row stays
-- open for as long as it cannot. Several rules may find one resource: cost.saving counts each amount once. How it is
-- estimated is in docs/decisions/0007-how-savings-are-estimated.md.
-- materialized: full_from_previous
-- in_parts_by: stage.decommission_finding 300000
-- key: arn, rule, first_flagged_date
-- arn: ARN of the resource in cmdb.resource.
-- rule: Rule of ref.decommission_rule.
-- first_flagged_date: The day of the first run in which the rule found it, UTC; of what has never been judged, the first in which it could not be.
-- last_flagged_date: The day of the last run in which the rule found it, UTC; NULL where it never did.
-- verdict: candidate, unknown (it cannot be judged; unknown_reason has the reason) or accepted (by ref.accepted_finding); of a resolved row what it was.
-- resolution: NULL while it is open; accepted, gone (the resource is retired, or another one has its ARN), used again or changed (the rule does not find it any more; what was idle and is stopped is changed), rule withdrawn.
-- resolved_date: The day of the run in which it was gone or not so any more, UTC; NULL while it is open.
-- resource_type: AWS's name of the type, such as AWS::EC2::Volume.
-- account_id: The AWS account that owns it, 12 digits, text because some begin with 0.
-- region: AWS region; aws-global where the service has none.
-- name: The tag Name, or the service's own name; NULL where it has none.
-- owner: Whom to ask: cmdb.resource.business_owner, or else the account's own tag that ref.tag_key names for business_owner; NULL where neither has one.
-- unused_since: Since when it has been so at least, UTC; NULL where neither AWS nor the history shows it.
-- evidence: The data points behind it, JSON; of a row that cannot be judged in the newest run those of the last run in which it could.
-- unknown_reason: Why it cannot be judged; NULL where it can.
-- confidence: high, medium or low: how often what the rule finds is really not needed; NULL where the rule was withdrawn.
-- estimated_monthly_saving: What a month without it saves, by list price × known size, in the currency beside it; NULL where price or size is not known. Of a row that cannot be judged or is resolved, as it was last estimated.
-- currency: Currency of the prices, ISO 4217; NULL without a saving.
-- estimate_basis: How the saving was reckoned, or why it was not.
-- saved: What each resource adds to the saving: arn and amount; the disks of an instance are resources of their own.
-- saved_usage: The same by usage type: arn, usage as in the bill without the code of its region, amount; negative for what takes its place. NULL of what was resolved before this was kept.
-- reporting_monthly_saving: estimated_monthly_saving in the reporting currency, by the newest rate; NULL where there is no rate. Of what is resolved, as it was last shown.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- accepted_by: Who accepted it; NULL where nobody did.
-- accepted_reason: Why; NULL where nobody did.
-- accepted_until: The last day that it holds for; NULL where it is for good, or nobody did.
-- judged_at: When AWS gave what this row was last judged by, UTC.
with known as (
    select
        before.*,
        item.replaced_at,
        -- Of a resource that another one of its ARN replaced nothing passes to that one.
        coalesce(before.judged_at < item.replaced_at, false) as is_replaced
    from cmdb.decommission_signal as before
    left join cmdb.resource as item on before.arn = item.arn
    where in_part(before.arn) and (before.resolution is null or before.resolution = 'accepted')
),

tonight as (
    select
        found.arn,
        found.rule,
        found.is_flagged,
        found.unknown_reason,
        found.since,
        found.evidence,
        found.collected_at,
        estimate.estimated_monthly_saving,
        estimate.currency,
        estimate.estimate_basis,
        estimate.saved,
        estimate.saved_usage
    from stage.decommission_finding as found
    left join stage.decommission_estimate as estimate
        on found.arn = estimate.arn and found.rule = estimate.rule
    -- Most are no finding and never were one: they leave no trace.
    where
        in_part(found.arn)
        and (
            found.is_flagged is distinct from false
            or (found.arn, found.rule) in (select (known.arn, known.rule) from known)
        )
),

opened as (
    select *
    from known
    where not is_replaced
),

paired as (
    select
        coalesce(tonight.arn, opened.arn) as arn,
        coalesce(tonight.rule, opened.rule) as rule,
        opened.first_flagged_date as known_first,
        opened.last_flagged_date as known_last,
        opened.verdict as known_verdict,
        opened.unused_since as known_since,
        opened.evidence as known_evidence,
        opened.unknown_reason as known_reason,
        opened.confidence as known_confidence,
        opened.estimated_monthly_saving as known_saving,
        opened.currency as known_currency,
        opened.estimate_basis as known_basis,
        opened.saved as known_saved,
        opened.saved_usage as known_saved_usage,
        opened.judged_at as known_judged_at,
        tonight.is_flagged,
        tonight.unknown_reason,
        tonight.since,
        tonight.evidence,
        tonight.collected_at,
        tonight.estimated_monthly_saving,
        tonight.currency,
        tonight.estimate_basis,
        tonight.saved,
        tonight.saved_usage
    from tonight
    full outer join opened on tonight.arn = opened.arn and tonight.rule = opened.rule
),

account_owner as (
    select
        account.account_id,
        min(trim(account.tags[wanted.tag_key])) as owner
    from org.account as account
    inner join ref.tag_key as wanted
        on wanted.resource_column = 'business_owner' and trim(account.tags[wanted.tag_key]) <> ''
    group by account.account_id
),

weighed as (
    select
        paired.*,
        item.resource_type,
        item.account_id,
        item.region,
        item.name,
        coalesce(item.business_owner, tagged.owner) as owner,
        rule.confidence,
        case
            when item.status = 'retired' then 'gone'
            when rule.rule is null then 'rule withdrawn'
            when
                paired.collected_at is null or item.status = 'missing' or paired.is_flagged is null
                then 'unknown'
            when paired.is_flagged then 'flagged'
            -- What was found idle and is stopped now is not used again: its bill falls.
            when
                item.state in ('stopping', 'stopped') and not starts_with(paired.rule, 'stopped_')
                then 'changed'
            else rule.resolved_as
        end as outcome,
        case
            when item.status = 'missing' then 'the last response lacks it: once more, and it is gone'
            when paired.collected_at is null then 'no response lists it'
            else paired.unknown_reason
        end as reason,
        item.retired_at,
        item.replaced_at,
        coalesce(paired.collected_at, item.last_seen_at)::date as known_date
    from paired
    inner join cmdb.resource as item on paired.arn = item.arn
    left join account_owner as tagged on item.account_id = tagged.account_id
    left join ref.decommission_rule as rule
        on paired.rule = rule.rule and item.resource_type = rule.resource_type
),

-- Few are accepted, so that nothing but these is put in order.
acceptance as (
    select
        weighed.arn,
        weighed.rule,
        accepted.accepted_by,
        accepted.reason as accepted_reason,
        accepted.until as accepted_until
    from weighed
    inner join ref.accepted_finding as accepted
        on
            weighed.rule = accepted.rule
            and weighed.arn glob accepted.arn
            -- A resource that was accepted by name is not the one that replaced it.
            and (
                weighed.replaced_at is null
                or weighed.arn <> accepted.arn
                or accepted.accepted_date >= (weighed.replaced_at at time zone 'UTC')::date
            )
            and weighed.known_date <= coalesce(accepted.until, 'infinity'::date)
    -- Of several lines the one that holds longest.
    qualify row_number() over (
            partition by weighed.arn, weighed.rule order by accepted.until desc nulls first, accepted.arn asc
        ) = 1
),

judged as (
    select
        weighed.*,
        acceptance.accepted_by,
        acceptance.accepted_reason,
        acceptance.accepted_until
    from weighed
    left join acceptance using (arn, rule)
),

made as (
    select
        arn,
        rule,
        case
            when known_last is not null then known_first
            when outcome = 'flagged' then collected_at::date
            else coalesce(known_first, collected_at::date)
        end as first_flagged_date,
        if(outcome = 'flagged', collected_at::date, known_last) as last_flagged_date,
        case
            when outcome = 'flagged' then if(accepted_by is null, 'candidate', 'accepted')
            when outcome = 'unknown' then 'unknown'
            -- What it was, before it could not be judged.
            when known_verdict = 'accepted' then 'accepted'
            else 'candidate'
        end as verdict,
        case
            when outcome = 'flagged' then if(accepted_by is null, null, 'accepted')
            when outcome <> 'unknown' then outcome
        end as resolution,
        case
            when outcome = 'gone' then coalesce(retired_at, collected_at, known_judged_at)::date
            when outcome not in ('flagged', 'unknown') then coalesce(collected_at, known_judged_at)::date
        end as resolved_date,
        resource_type,
        account_id,
        region,
        name,
        owner,
        if(outcome = 'flagged', since, known_since) as unused_since,
        if(outcome = 'flagged' or known_last is null, evidence, known_evidence) as evidence,
        if(outcome = 'unknown', reason, null) as unknown_reason,
        coalesce(confidence, known_confidence) as confidence,
        if(outcome = 'flagged', estimated_monthly_saving, known_saving) as estimated_monthly_saving,
        if(outcome = 'flagged', currency, known_currency) as currency,
        case
            when outcome = 'flagged' then estimate_basis
            when known_last is not null then known_basis
            else 'not estimated: it is not known to be unused'
        end as estimate_basis,
        coalesce(if(outcome = 'flagged', saved, known_saved), []) as saved,
        case
            when outcome = 'flagged' or known_last is null then coalesce(saved_usage, [])
            else known_saved_usage
        end as saved_usage,
        if(outcome = 'flagged', accepted_by, null) as accepted_by,
        if(outcome = 'flagged', accepted_reason, null) as accepted_reason,
        if(outcome = 'flagged', accepted_until, null) as accepted_until,
        coalesce(collected_at, known_judged_at) as judged_at
    from judged
    -- What never was a finding leaves no trace.
    where outcome in ('flagged', 'unknown') or known_last is not null
)

select
    made.*,
    (made.estimated_monthly_saving * rate.rate)::decimal(28, 10) as reporting_monthly_saving,
    setting.reporting_currency
from made
cross join ref.setting as setting
left join stage.newest_rate as rate on made.currency = rate.currency
union all by name
select
    known.* exclude (is_replaced, replaced_at) replace (
        'gone' as resolution,
        (known.replaced_at at time zone 'UTC')::date as resolved_date,
        if(known.verdict = 'accepted', 'accepted', 'candidate') as verdict,
        null as unknown_reason,
        null as accepted_by,
        null as accepted_reason,
        null as accepted_until
    )
from known
anti join made
    on
        known.arn = made.arn
        and known.rule = made.rule
        and known.first_flagged_date = made.first_flagged_date
-- What never was a finding leaves no trace.
where known.is_replaced and known.last_flagged_date is not null
union all by name
-- What was resolved stays as it is, unless the same day finds it once more.
select before.*
from cmdb.decommission_signal as before
anti join made
    on
        before.arn = made.arn
        and before.rule = made.rule
        and before.first_flagged_date = made.first_flagged_date
where in_part(before.arn) and before.resolution is not null and before.resolution <> 'accepted'
