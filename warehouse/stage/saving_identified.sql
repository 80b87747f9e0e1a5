-- What each open finding of cmdb.decommission_signal saves a month: by list price, as AWS measured the resource, and cut to what
-- the account pays. An amount that several findings claim is counted under one. Not part of the public interface; read
-- cost.saving.
-- materialized: view
-- key: arn, rule
-- arn: ARN of the resource in cmdb.resource.
-- rule: Rule of ref.decommission_rule.
-- list_saving: By list price × size, counted once, in the currency beside it.
-- measured_saving: The same at what AWS measured of its resources in the last 14 complete days, in the currency beside it; NULL where AWS did not measure one of them.
-- capped_saving: list_saving, cut so that all findings of the account together claim no more of a usage type than the account pays for it; NULL where the bill by usage type does not hold the account, or ref.region_code does not have the region.
-- saving: What is left of list_saving after both, in the currency beside it.
-- limited_by: list price, measured or bill: which of the three decides.
with through as (
    select max(through_date) as last_date
    from cost.month_coverage
    where slice = 'usage_type'
),

bill as (
    select usage_billed.*
    from stage.usage_billed as usage_billed
    cross join through
    where
        usage_billed.usage_date > through.last_date - 7
        and usage_billed.usage_date <= through.last_date
),

-- Days on which nothing cost anything have no row, and lower what is paid all the same.
known as (
    select count(*) as day_count
    from (
        select usage_date
        from bill
        union
        select without.usage_date
        from stage.day_without_cost as without
        cross join through
        where without.usage_date > through.last_date - 7 and without.usage_date <= through.last_date
    ) as known_day
),

-- A week of complete days, as a rate per month.
paid as (
    select
        bill.account_id,
        bill.region,
        bill."usage",
        (greatest(sum(bill.unblended_cost), 0)::double / any_value(known.day_count) * 365 / 12)
        ::decimal(28, 10) as amount
    from bill
    cross join known
    group by bill.account_id, bill.region, bill."usage"
),

billed_account as (
    select
        account_id,
        any_value(currency) as currency
    from bill
    group by account_id
),

part as (
    select
        signal.arn,
        signal.rule,
        signal.verdict,
        signal.account_id,
        signal.region,
        signal.currency,
        unnest(signal.saved_usage, recursive := false) as saved
    from cmdb.decommission_signal as signal
    where
        signal.verdict in ('candidate', 'accepted')
        and (signal.resolution is null or signal.resolution = 'accepted')
        and signal.estimated_monthly_saving is not null
),

-- Of what several rules find, the one that saves most of a resource counts for it.
counted as (
    select
        arn,
        rule,
        verdict,
        saved.arn as saved_arn,
        any_value(currency) as currency,
        sum(saved.amount)::decimal(28, 10) as net,
        coalesce(sum(saved.amount) filter (where saved.amount > 0), 0)::decimal(28, 10) as gross
    from part
    group by arn, rule, verdict, saved.arn
    qualify row_number() over (
            partition by verdict, saved.arn order by sum(saved.amount) desc, rule asc, arn asc
        ) = 1
),

measured as (
    select
        counted.saved_arn,
        (
            greatest(sum(daily.unblended_cost), 0)::double
            / count(distinct daily.usage_date)
            * 365 / 12
        )::decimal(28, 10) as amount,
        any_value(daily.currency) as currency
    from (select distinct saved_arn from counted) as counted
    inner join cmdb.resource as item on counted.saved_arn = item.arn
    inner join stage.resource_complete_day as daily
        on
            item.account_id = daily.account_id
            and (item.arn = daily.resource_id or item.resource_id = daily.resource_id)
    where daily.usage_date >= (select max(newest.usage_date) - 13 from stage.resource_complete_day as newest)
    group by counted.saved_arn
),

-- Ratios are cut, not rounded, so that no sum comes out above what is paid.
weighed as (
    select
        counted.*,
        case
            when measured.amount is null or measured.currency <> counted.currency then null
            when counted.gross > measured.amount
                then trunc(measured.amount::double / counted.gross * 1e10) / 1e10
            else 1
        end::decimal(18, 10) as measured_ratio
    from counted
    left join measured on counted.saved_arn = measured.saved_arn
),

claimed as (
    select
        part.arn,
        part.rule,
        part.saved.arn as saved_arn,
        part.account_id,
        part.region,
        part.saved."usage" as "usage",
        part.saved.amount as gross,
        (part.saved.amount * coalesce(weighed.measured_ratio, 1))::decimal(28, 10) as amount,
        weighed.currency
    from part
    inner join weighed
        on
            part.arn = weighed.arn
            and part.rule = weighed.rule
            and part.verdict = weighed.verdict
            and part.saved.arn = weighed.saved_arn
    where part.saved.amount > 0
),

cap as (
    select
        claimed.account_id,
        claimed.region,
        claimed."usage",
        case
            when coalesce(any_value(billed_account.currency), '') <> any_value(claimed.currency) then null
            -- The bill of a region without a code is counted under another one.
            when claimed.region not in (select code.region from ref.region_code as code) then null
            when sum(claimed.amount) > coalesce(any_value(paid.amount), 0)
                then
                    trunc(
                        coalesce(any_value(paid.amount), 0)::double / sum(claimed.amount)::double * 1e10
                    ) / 1e10
            else 1
        end::decimal(18, 10) as ratio
    from claimed
    left join billed_account on claimed.account_id = billed_account.account_id
    left join paid
        on
            claimed.account_id = paid.account_id
            and claimed.region = paid.region
            and claimed."usage" = paid."usage"
    group by claimed.account_id, claimed.region, claimed."usage"
),

-- What takes a resource's place is cut as the resource is.
cut as (
    select
        claimed.arn,
        claimed.rule,
        claimed.saved_arn,
        (trunc(
            sum((claimed.gross * coalesce(cap.ratio, 1))::decimal(28, 10))::double
            / sum(claimed.gross)::double
            * 1e10
        ) / 1e10)::decimal(18, 10) as ratio,
        bool_and(cap.ratio is not null) as is_held
    from claimed
    inner join cap
        on
            claimed.account_id = cap.account_id
            and claimed.region = cap.region
            and claimed."usage" = cap."usage"
    group by claimed.arn, claimed.rule, claimed.saved_arn
),

reckoned as (
    select
        weighed.arn,
        weighed.rule,
        greatest(sum(weighed.net), 0)::decimal(28, 10) as list_saving,
        case
            when
                count(weighed.measured_ratio) = count(*)
                then greatest(sum((weighed.net * weighed.measured_ratio)::decimal(28, 10)), 0)
        end::decimal(28, 10) as measured_saving,
        case
            when
                bool_and(coalesce(cut.is_held, weighed.gross = 0))
                then greatest(sum((weighed.net * coalesce(cut.ratio, 1))::decimal(28, 10)), 0)
        end::decimal(28, 10) as capped_saving,
        greatest(sum((
            (weighed.net * coalesce(weighed.measured_ratio, 1))::decimal(28, 10) * coalesce(cut.ratio, 1)
        )::decimal(28, 10)), 0)::decimal(28, 10) as saving,
        bool_or(cut.ratio < 1) as is_cut
    from weighed
    left join cut
        on weighed.arn = cut.arn and weighed.rule = cut.rule and weighed.saved_arn = cut.saved_arn
    group by weighed.arn, weighed.rule
)

select
    arn,
    rule,
    list_saving,
    measured_saving,
    capped_saving,
    saving,
    case
        when is_cut then 'bill'
        when measured_saving < list_saving then 'measured'
        else 'list price'
    end as limited_by
from reckoned
