-- What was found to be saved, what somebody decided to keep, and what was saved, month by month: each a rate per month, not
-- the money of that month. The rows of months that are over stay as they were on their last night, but for what was
-- realised in them. An amount that several rules find is counted under one of them. Nothing is identified beyond what the
-- account pays for a usage type, and nothing is realised unless its bill for the usage type fell. See
-- docs/decisions/0007-how-savings-are-estimated.md.
-- rests_on: without=cost_resource_daily because basis says what was measured
-- materialized: full_from_previous
-- key: month, arn, rule
-- month: First day of the month.
-- arn: ARN of the resource in cmdb.resource.
-- rule: Rule of ref.decommission_rule.
-- account_id: The AWS account that owns it, 12 digits, text because some begin with 0.
-- owner: Whom to ask; NULL where neither the resource nor its account has an owner.
-- identified: Saving a month of what was a candidate on the last night of the month, in the currency beside it: list_saving, less what measured_saving and capped_saving take from it. 0 where another rule counts it, NULL where it cannot be reckoned or was no candidate.
-- accepted: The same of what somebody accepted to keep, in the currency beside it; NULL where nobody did.
-- realised: Saving a month of what went or was changed in the month, at its last known rate, as far as the account's bill for its usage types fell, in the currency beside it; NULL where nothing did, where it is listed again, where ref.region_code does not have its region, or where the bill does not show the week after yet.
-- currency: Currency of the amounts, ISO 4217; NULL without one.
-- basis: Where the rate comes from: as AWS measured it, or list price × size; or why there is none.
-- list_saving: What is identified or accepted, by list price × size alone, in the currency beside it.
-- measured_saving: The same at what AWS measured of the resources, in the currency beside it: 0 where a reservation or a plan covers them, NULL where AWS did not measure them all.
-- capped_saving: list_saving, cut so that all findings together claim no more of a usage type than the account pays for it, in the currency beside it; NULL where the bill by usage type does not hold the account, or ref.region_code does not have the region.
-- limited_by: Which of them decides: list price, measured or bill; NULL of what is realised alone.
-- unknown_reason: Why it is not known what was realised of what is gone or changed; NULL where it is known, or nothing is.
-- reporting_identified: identified in the reporting currency, by the newest rate of that night; NULL where there is no rate.
-- reporting_accepted: accepted in the reporting currency, by the newest rate of that night; NULL where there is no rate.
-- reporting_realised: realised in the reporting currency, by the newest rate; NULL where there is no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
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

current_row as (
    select
        signal.this_month as "month",
        signal.arn,
        signal.rule,
        signal.account_id,
        signal.owner,
        case
            when signal.verdict = 'candidate' and signal.estimated_monthly_saving is not null
                then coalesce(counted.saving, 0)
        end::decimal(28, 10) as identified,
        case
            when signal.verdict = 'accepted' and signal.estimated_monthly_saving is not null
                then coalesce(counted.saving, 0)
        end::decimal(28, 10) as accepted,
        signal.currency,
        if(
            counted.saving is null and len(signal.saved) > 0 and signal.estimated_monthly_saving is not null,
            'counted under another rule; ',
            ''
        )
        || signal.estimate_basis
        || case counted.limited_by
            when 'bill' then '; cut to what the account pays for its usage types'
            when 'measured' then '; cut to what AWS measured'
            else ''
        end as basis,
        counted.list_saving,
        counted.measured_saving,
        counted.capped_saving,
        counted.limited_by,
        rate.rate
    from open_signal as signal
    left join stage.saving_identified as counted on signal.arn = counted.arn and signal.rule = counted.rule
    left join stage.newest_rate as rate on signal.currency = rate.currency
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
        before.basis,
        before.list_saving,
        before.measured_saving,
        before.capped_saving,
        before.limited_by,
        before.reporting_identified,
        before.reporting_accepted
    from cost.saving as before
    cross join this
    where
        before."month" < this.this_month
        and (before.identified is not null or before.accepted is not null or before.realised is null)
),

found_row as (
    select
        * exclude (rate),
        (identified * rate)::decimal(28, 10) as reporting_identified,
        (accepted * rate)::decimal(28, 10) as reporting_accepted
    from current_row
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
    coalesce(realised_row.basis, found_row.basis) as basis,
    found_row.list_saving,
    found_row.measured_saving,
    found_row.capped_saving,
    found_row.limited_by,
    realised_row.unknown_reason,
    found_row.reporting_identified,
    found_row.reporting_accepted,
    (realised_row.realised * rate.rate)::decimal(28, 10) as reporting_realised,
    setting.reporting_currency
from found_row
full outer join stage.saving_realised as realised_row
    on
        found_row."month" = realised_row."month"
        and found_row.arn = realised_row.arn
        and found_row.rule = realised_row.rule
left join stage.newest_rate as rate on realised_row.currency = rate.currency
cross join ref.setting as setting
