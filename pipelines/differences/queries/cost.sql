-- Cost by month and service as each file knew it, where it differs: unblended, direct, in the billing currency.
with known as (
    -- A month may be read after a later one: a day that the earlier file lacks is new, wherever it is.
    select distinct usage_date
    from cost_before
),

paired as (
    select
        date_trunc('month', coalesce(new.usage_date, old.usage_date))::date as month,
        coalesce(new.service, old.service) as service,
        coalesce(new.currency, old.currency) as currency,
        coalesce(old.cost, 0) as cost_before,
        coalesce(new.cost, 0) as cost_after,
        known.usage_date is not null as was_known
    from cost_before as old
    full join cost_after as new on old.usage_date = new.usage_date and old.service = new.service
    left join known on coalesce(new.usage_date, old.usage_date) = known.usage_date
)

select
    month,
    service,
    currency,
    sum(cost_before)::decimal(28, 10) as cost_before,
    sum(cost_after)::decimal(28, 10) as cost_after,
    sum(cost_after - cost_before)::decimal(28, 10) as difference,
    -- Of days that the earlier file had; the rest is of days that it had not.
    coalesce(sum(cost_after - cost_before) filter (was_known), 0)::decimal(28, 10) as restated
from paired
group by month, service, currency
having bool_or(cost_before <> cost_after)
order by abs(difference) desc, month desc, service asc
