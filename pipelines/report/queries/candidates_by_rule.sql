-- What could go and, beside it, what cannot be judged, by rule. Savings are rates per month by list price, in the reporting
-- currency by the newest rate; several rules may find one resource, so that lines are not added up.
with rate as (
    select
        currency,
        reporting_currency,
        rate
    from cost.exchange_rate
    qualify row_number() over (partition by currency order by usage_date desc) = 1
),

signal as (
    select
        rule,
        count(*) filter (verdict = 'candidate' and resolution is null) as candidate_count,
        count(*) filter (verdict = 'unknown' and resolution is null) as unknown_count,
        count(*) filter (
            (verdict = 'accepted' and resolution is null) or resolution = 'accepted'
        ) as accepted_count,
        count(*) filter (resolution is not null and resolution <> 'accepted') as resolved_count,
        sum(estimated_monthly_saving) filter (verdict = 'candidate' and resolution is null) as monthly_saving,
        count(*) filter (
            verdict = 'candidate' and resolution is null and estimated_monthly_saving is null
        ) as without_estimate_count,
        any_value(currency) as currency
    from cmdb.decommission_signal
    group by rule
),

known as (
    select
        rule,
        string_agg(distinct description, '; ' order by description) as description,
        min(confidence) as confidence
    from ref.decommission_rule
    group by rule
)

select
    known.rule,
    known.description,
    known.confidence,
    coalesce(signal.candidate_count, 0) as candidate_count,
    coalesce(signal.unknown_count, 0) as unknown_count,
    coalesce(signal.accepted_count, 0) as accepted_count,
    coalesce(signal.resolved_count, 0) as resolved_count,
    if(
        coalesce(signal.candidate_count, 0) = 0, 0, (signal.monthly_saving * rate.rate)::decimal(28, 10)
    ) as monthly_saving,
    coalesce(signal.without_estimate_count, 0) as without_estimate_count,
    setting.reporting_currency as currency
from known
left join signal on known.rule = signal.rule
left join rate on signal.currency = rate.currency
cross join ref.setting as setting
order by monthly_saving desc nulls last, candidate_count desc, known.rule asc
