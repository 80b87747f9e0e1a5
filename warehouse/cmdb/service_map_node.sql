-- One row per node of the service map: each business service, and one node for everything that belongs to none.
-- key: node_id
-- node_id: application:<name> as in cmdb.relationship; (none) for what belongs to no business service.
-- business_service: Its name in the spelling that counts; NULL for (none).
-- resource_count: Configuration items of it that are not retired.
-- account_count: Accounts that they are in.
-- accounts: Ids of these accounts.
-- environments: Environments that their tags name.
-- owner: Who owns most of its items; NULL where none has an owner.
-- cost_month: First day of the month that monthly_cost is of; NULL where no whole month is billed or the bill has no data on the tag.
-- monthly_cost: Unblended cost that carries the tag; for (none) what nobody answers for, as in cost.allocation. In the currency beside it.
-- currency: Billing currency, ISO 4217; NULL where cost_month is.
-- reporting_monthly_cost: monthly_cost in the reporting currency; NULL where a day has no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
with nobody as (
    select
        count(*) as resource_count,
        count(distinct account_id) as account_count,
        coalesce(list(distinct account_id order by account_id), []) as accounts,
        coalesce(list(distinct environment order by environment) filter (where environment is not null), [])
            as environments,
        mode(business_owner order by business_owner) as owner
    from cmdb.resource
    where status <> 'retired' and business_service is null
),

cost_month as (
    select max(cost_month) as cost_month
    from cmdb.application
),

unallocated as (
    select
        cost_month.cost_month,
        sum(allocation.direct_cost)::decimal(28, 10) as cost,
        sum((allocation.direct_cost * allocation.rate)::decimal(28, 10))::decimal(28, 10) as reporting_cost,
        max(allocation.currency) as currency
    from cost.allocation as allocation
    inner join ref.tag_key as wanted
        on allocation.tag_key = wanted.tag_key and wanted.resource_column = 'business_service'
    inner join cost_month on allocation."month" = cost_month.cost_month
    where allocation.status = 'unallocated'
    group by cost_month.cost_month
)

select
    'application:' || app.business_service as node_id,
    app.business_service,
    app.resource_count,
    app.account_count,
    app.accounts,
    app.environments,
    app.owner,
    app.cost_month,
    app.monthly_cost,
    app.currency,
    app.reporting_monthly_cost,
    app.reporting_currency
from cmdb.application as app
union all
select
    '(none)' as node_id,
    null as business_service,
    nobody.resource_count,
    nobody.account_count,
    nobody.accounts,
    nobody.environments,
    nobody.owner,
    unallocated.cost_month,
    unallocated.cost as monthly_cost,
    unallocated.currency,
    unallocated.reporting_cost as reporting_monthly_cost,
    setting.reporting_currency
from nobody
left join unallocated on true
cross join ref.setting as setting
where nobody.resource_count > 0
