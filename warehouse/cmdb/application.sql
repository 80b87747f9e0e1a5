-- One row per business service, in the spelling that counts: what carries its name, who answers for it, what it costs. The
-- cost is what the bill shows for the tag, not what is allocated to resources; a service may cost without a resource that is
-- inventoried, and have resources without cost of its own.
-- key: business_service
-- business_service: Value of the tag bc:business-service, or its account's default.
-- resource_count: Configuration items of it that are not retired.
-- stale_resource_count: Those among them whose newest response is not trusted.
-- account_count: Accounts that they are in.
-- accounts: Ids of these accounts.
-- environments: Environments that their tags name; empty where none does.
-- owner: Who owns most of its items (business_owner); of several with as many, the first by name. NULL where none has an owner.
-- owner_count: How many different owners its items have.
-- unowned_resource_count: Items of it without an owner.
-- cost_month: First day of the month that monthly_cost is of: the last one of which each day is complete, by
--    cost.month_coverage; NULL where there is none.
-- monthly_cost: Unblended cost that carries the tag in that month, in the currency beside it; 0 where none does, NULL where the bill has no data on the tag.
-- monthly_shared_cost: Its part of the shared cost of that month, as in cost.allocation.
-- currency: Billing currency, ISO 4217; NULL where monthly_cost is.
-- reporting_monthly_cost: monthly_cost in the reporting currency, at the average of the rates of the month's days; NULL where a day has no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
with complete_month as (
    select max(whole."month") as cost_month
    from cost.month_coverage as whole
    inner join cost.month_coverage as tagged on whole."month" = tagged."month"
    inner join ref.tag_key as wanted
        on tagged.slice = 'tag:' || wanted.tag_key and wanted.resource_column = 'business_service'
    where
        -- What the tag's slice lacks of a month would be missing from each service.
        whole.slice = 'service'
        and starts_with(tagged.slice, 'tag:')
        and least(whole.through_date, tagged.through_date) = last_day(whole."month")
        and greatest(whole.first_date, tagged.first_date) = whole."month"
        and whole.days_missing + tagged.days_missing = 0
),

told as (
    select
        allocation.tag_value as business_service,
        allocation.status,
        allocation."month" as cost_month,
        allocation.direct_cost,
        allocation.shared_cost,
        allocation.currency,
        (allocation.direct_cost * allocation.rate)::decimal(28, 10) as reporting_cost
    from cost.allocation as allocation
    inner join complete_month on allocation."month" = complete_month.cost_month
    inner join ref.tag_key as wanted
        on allocation.tag_key = wanted.tag_key and wanted.resource_column = 'business_service'
),

spent as (
    select
        business_service,
        sum(direct_cost)::decimal(28, 10) as direct_cost,
        sum(shared_cost)::decimal(28, 10) as shared_cost,
        sum(reporting_cost)::decimal(28, 10) as reporting_cost
    from told
    where status = 'allocated'
    group by business_service
),

bill as (
    -- A key that no cost carries has no data: what a service costs is unknown then, not zero.
    select
        max(cost_month) as cost_month,
        max(currency) as currency
    from told
    where status in ('allocated', 'unallocated', 'shared')
),

item as (
    select *
    from cmdb.resource
    where status <> 'retired' and business_service is not null
),

owner_rank as (
    select
        business_service,
        business_owner,
        count(*) as item_count
    from item
    where business_owner is not null
    group by business_service, business_owner
),

owned as (
    select
        business_service,
        first(business_owner order by item_count desc, business_owner asc) as owner,
        count(*) as owner_count
    from owner_rank
    group by business_service
),

held as (
    select
        business_service,
        count(*) as resource_count,
        count(*) filter (where is_stale) as stale_resource_count,
        count(distinct account_id) as account_count,
        list(distinct account_id order by account_id) as accounts,
        coalesce(list(distinct environment order by environment) filter (where environment is not null), [])
            as environments,
        count(*) filter (where business_owner is null) as unowned_resource_count
    from item
    group by business_service
)

select
    coalesce(held.business_service, spent.business_service) as business_service,
    coalesce(held.resource_count, 0) as resource_count,
    coalesce(held.stale_resource_count, 0) as stale_resource_count,
    coalesce(held.account_count, 0) as account_count,
    coalesce(held.accounts, []::varchar[]) as accounts,
    coalesce(held.environments, []::varchar[]) as environments,
    owned.owner,
    coalesce(owned.owner_count, 0) as owner_count,
    coalesce(held.unowned_resource_count, 0) as unowned_resource_count,
    bill.cost_month,
    if(bill.cost_month is null, null, coalesce(spent.direct_cost, 0))::decimal(28, 10) as monthly_cost,
    if(bill.cost_month is null, null, coalesce(spent.shared_cost, 0))::decimal(28, 10) as monthly_shared_cost,
    bill.currency,
    if(spent.business_service is null, if(bill.cost_month is null, null, 0), spent.reporting_cost)::decimal(
        28, 10
    )
        as reporting_monthly_cost,
    setting.reporting_currency
from held
full outer join spent on held.business_service = spent.business_service
left join owned on held.business_service = owned.business_service
cross join bill
cross join ref.setting as setting
