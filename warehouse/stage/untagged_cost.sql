-- What carries no value of a tag key, by day and account, and how much of it everybody bears by ref.shared_cost. Not part of the
-- public interface; read cost.allocation and cost.spend_vs_budget.
-- materialized: view
-- key: usage_date, tag_key, account_id, currency
-- usage_date: Day of use (UTC).
-- tag_key: The key, such as bc:cost-centre.
-- account_id: The linked account, 12 digits.
-- cost: Unblended cost without the tag, in the billing currency.
-- shared_cost: Of it what everybody bears: all of a shared account's, else as much as the day's shared services cost.
-- reporting_cost: cost in the reporting currency; NULL where the day has no rate.
-- reporting_shared_cost: shared_cost in the reporting currency; NULL where the day has no rate.
-- currency: Billing currency, ISO 4217.
with untagged as (
    select
        usage_date,
        tag_key,
        account_id,
        currency,
        any_value(rate) as rate,
        sum(unblended_cost)::decimal(28, 10) as cost,
        case
            when bool_or(reporting_unblended_cost is null) then null else sum(reporting_unblended_cost)
        end::decimal(28, 10)
            as reporting_cost
    from cost.by_tag
    where tag_value = ''
    group by usage_date, tag_key, account_id, currency
),

shared_service as (
    select
        cost.usage_date,
        cost.account_id,
        sum(cost.unblended_cost)::decimal(28, 10) as cost
    from cost.daily as cost
    inner join ref.shared_cost as shared on cost.dimension_value = shared.value
    where cost.slice = 'service' and shared.kind = 'service'
    group by cost.usage_date, cost.account_id
),

parted as (
    select
        untagged.*,
        case
            when untagged.account_id in (select account.account_id from stage.shared_account as account)
                then untagged.cost
            -- Of what is shared by its service as much as this key leaves untagged.
            else least(coalesce(shared_service.cost, 0), greatest(untagged.cost, 0))
        end::decimal(28, 10) as shared_cost
    from untagged
    left join shared_service using (usage_date, account_id)
)

select
    usage_date,
    tag_key,
    account_id,
    cost,
    shared_cost,
    reporting_cost,
    case when shared_cost = cost then reporting_cost else shared_cost * rate end::decimal(28, 10)
        as reporting_shared_cost,
    currency
from parted
