-- What each finding of the newest run would save a month by list price: unit price × known size. Where a price or a size is not
-- known there is no saving, and the reason. Not part of the public interface; read cmdb.decommission_signal.
-- materialized: view
-- key: arn, rule
-- arn: Amazon Resource Name.
-- rule: Name of the rule.
-- estimated_monthly_saving: In the currency beside it; NULL where it cannot be reckoned.
-- currency: Of the prices, ISO 4217; NULL where there is no saving to reckon.
-- estimate_basis: How it was reckoned, or why it was not.
-- saved: What each resource adds to it: arn and amount.
-- saved_usage: The same by usage type: arn, usage as in the bill without the code of its region, amount; negative for what takes its place.
with part as (
    select
        found.arn,
        found.rule,
        found.region,
        (found.collected_at at time zone 'UTC')::date as as_of_date,
        unnest(found.parts) as part
    from stage.decommission_finding as found
    where found.is_flagged and found.size_gap is null
),

priced as (
    select
        part.arn,
        part.rule,
        part.part.arn as saved_arn,
        part.part."usage" as usage_type,
        part.part.quantity as quantity,
        price.amount,
        price.unit,
        price.currency,
        price.region is null as is_default
    from part
    left join ref.unit_price as price
        on
            part.part.service = price.service
            and part.part."usage" = price."usage"
            and coalesce(price.region, part.region) = part.region
            and part.as_of_date >= price.valid_from
    qualify row_number() over (
            partition by part.arn, part.rule, part.part.arn, part.part."usage", part.part.quantity
            order by price.region asc nulls last, price.valid_from desc
        ) = 1
),

saved as (
    select
        arn,
        rule,
        saved_arn,
        sum((quantity * amount)::decimal(28, 10)) as amount
    from priced
    group by arn, rule, saved_arn
),

by_resource as (
    select
        arn,
        rule,
        list({ 'arn': saved_arn, 'amount': amount::decimal(28, 10) } order by saved_arn) as saved
    from saved
    group by arn, rule
),

by_usage as (
    select
        arn,
        rule,
        list({ 'arn': saved_arn, 'usage': billed_usage, 'amount': amount } order by saved_arn, billed_usage)
            as saved_usage
    from (
        select
            arn,
            rule,
            saved_arn,
            -- The bill does not tell a database's engine.
            regexp_replace(usage_type, '^(InstanceUsage:[^/]*)/.*$', '\1') as billed_usage,
            sum((quantity * amount)::decimal(28, 10))::decimal(28, 10) as amount
        from priced
        group by all
    ) as used
    group by arn, rule
),

summed as (
    select
        arn,
        rule,
        sum((quantity * amount)::decimal(28, 10))::decimal(28, 10) as amount,
        any_value(currency) as currency,
        count(distinct currency) as currency_count,
        list(distinct usage_type order by usage_type) filter (where amount is null) as without_price,
        string_agg(
            rtrim(rtrim(quantity::varchar, '0'), '.')
            || ' '
            || unit
            || ' of '
            || usage_type
            || ' at '
            || currency
            || ' ' || rtrim(rtrim(amount::varchar, '0'), '.') || case
                when is_default
                    then ' (default price)'
                else ''
            end,
            '; ' order by saved_arn, usage_type
        ) as basis
    from priced
    group by arn, rule
)

select
    found.arn,
    found.rule,
    case
        when
            found.size_gap is not null or len(summed.without_price) > 0 or summed.currency_count > 1
            then null
        else greatest(coalesce(summed.amount, 0), 0)
    end::decimal(28, 10) as estimated_monthly_saving,
    case
        when
            found.size_gap is not null or len(summed.without_price) > 0 or summed.currency_count > 1
            then null
        else coalesce(summed.currency, (select min(price.currency) from ref.unit_price as price))
    end as currency,
    case
        when found.size_gap is not null then 'not estimated: ' || found.size_gap
        when
            len(summed.without_price) > 0
            then 'not estimated: ref.unit_price has no price of '
                || array_to_string(summed.without_price, ', ') || ' in ' || found.region
        when summed.currency_count > 1 then 'not estimated: its prices are in several currencies'
        when summed.basis is null then 'it costs nothing by itself'
        else 'list price: ' || summed.basis
    end as estimate_basis,
    coalesce(by_resource.saved, []) as saved,
    coalesce(by_usage.saved_usage, []) as saved_usage
from stage.decommission_finding as found
left join summed on found.arn = summed.arn and found.rule = summed.rule
left join by_resource on found.arn = by_resource.arn and found.rule = by_resource.rule
left join by_usage on found.arn = by_usage.arn and found.rule = by_usage.rule
where found.is_flagged
