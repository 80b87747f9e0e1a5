-- One row per account and billed service that cost money, with what the inventory knows of it, by the listings that explain
-- the service (ref.service_listing). Not part of the public interface; read cmdb.finding_spend_without_inventory.
-- materialized: view
-- key: account_id, service
-- account_id: The linked account, 12 digits.
-- service: The service's name in the bill.
-- unblended_cost: What it cost in the last seven billed days, in the currency beside it.
-- currency: Billing currency, ISO 4217.
-- first_date: First of these days.
-- last_spend_date: The last of them on which it cost anything.
-- listings: The listings that explain it; empty where there is none.
-- resource_count: Configuration items of these listings in the account that were seen in these days, retired since or not.
-- answered_at: When the listings' last responses were complete, UTC; NULL where one is unknown or there is none.
-- verdict: inventoried; not inventoried; no listing, where nothing that is collected explains the service; or unknown: a listing
--    was not requested there, or its response does not count.
with days as (
    select max(usage_date) - 6 as first_date
    from cost.daily
    where slice = 'service'
),

spent as (
    select
        billed.account_id,
        billed.dimension_value as service,
        sum(billed.unblended_cost)::decimal(28, 10) as unblended_cost,
        any_value(billed.currency) as currency,
        days.first_date,
        max(billed.usage_date) filter (where billed.unblended_cost > 0) as last_spend_date
    from cost.daily as billed
    inner join days on billed.usage_date >= days.first_date
    where billed.slice = 'service'
    group by billed.account_id, billed.dimension_value, days.first_date
    having sum(billed.unblended_cost) > 0
),

asked as (
    select
        account_id,
        listing_name as listing,
        bool_and(is_judged) as is_known,
        min(known_at) as answered_at,
        coalesce(sum(record_count), 0) as record_count
    from audit.expected_cell
    where role in ('operations', 'workload')
    group by all
),

held as (
    select
        account_id,
        split_part(listing, ':', 1) as listing,
        status,
        last_seen_at
    from cmdb.resource
),

explained as (
    select
        spent.account_id,
        spent.service,
        mapped.listing,
        coalesce(asked.is_known, false) as is_known,
        asked.answered_at,
        coalesce(asked.record_count, 0) as record_count,
        count(held.listing) as resource_count
    from spent
    left join ref.service_listing as mapped on spent.service = mapped.service
    left join asked on spent.account_id = asked.account_id and mapped.listing = asked.listing
    left join held
        on
            spent.account_id = held.account_id
            and mapped.listing = held.listing
            and (held.status <> 'retired' or held.last_seen_at at time zone 'UTC' >= spent.first_date)
    group by all
)

select
    spent.*,
    coalesce(
        list(explained.listing order by explained.listing) filter (where explained.listing is not null), []
    ) as listings,
    sum(explained.resource_count)::bigint as resource_count,
    case when bool_and(explained.is_known) then min(explained.answered_at) end as answered_at,
    case
        when count(explained.listing) = 0 then 'no listing'
        -- Records that are no items of their own, such as a database's nightly snapshots, explain a bill too.
        when sum(explained.resource_count) > 0 or sum(explained.record_count) > 0 then 'inventoried'
        when bool_and(explained.is_known) then 'not inventoried'
        else 'unknown'
    end as verdict
from spent
inner join explained on spent.account_id = explained.account_id and spent.service = explained.service
group by all
