-- The bill as the explorer divides it: every slice by day and account, and the marked tags by service.
-- The same money once more in each slice: never sum across slices. `value` is what the slice divides by; of a tag
-- the value that counts. AWS divides by two things at most, so a slice `tag_service:…` has no account.
-- An amount in the reporting currency is the amount times `rate`, to ten decimals.
select
    cost.usage_date,
    cost.slice,
    cost.account_id,
    case
        when starts_with(cost.slice, 'tag:') then coalesce(alias.tag_value, trim(cost.dimension_value))
        else cost.dimension_value
    end as value,
    null::varchar as service,
    cost.unblended_cost,
    cost.amortized_cost,
    cost.net_unblended_cost,
    cost.currency,
    exchange.rate,
    setting.reporting_currency,
    coalesce(exchange.is_example_rate, false) as is_example_rate,
    cost.is_estimated,
    cost.is_stale,
    cost.run_id,
    cost.role,
    cost.caller_account_id,
    cost.cell_region,
    cost.listing,
    cost.collected_at
from cost.daily as cost
cross join ref.setting as setting
left join cost.exchange_rate as exchange using (usage_date, currency)
left join ref.tag_value_alias as alias
    on cost.slice = 'tag:' || alias.tag_key and trim(cost.dimension_value) = alias.alias
union all
select
    usage_date,
    'tag_service:' || tag_key as slice,
    null as account_id,
    tag_value as value,
    service,
    unblended_cost,
    amortized_cost,
    net_unblended_cost,
    currency,
    rate,
    reporting_currency,
    coalesce(is_example_rate, false) as is_example_rate,
    is_estimated,
    is_stale,
    run_id,
    role,
    caller_account_id,
    cell_region,
    listing,
    collected_at
from cost.tag_service_daily
