-- One row per account, billed service and verdict on what resources ought to explain, read from cost.explained_spend: what has
-- another name there, such as tax or the fee of a savings plan, is not here. A family of usage that has resources vouches for no
-- other family of its service. Not part of the public interface; read cmdb.finding_spend_without_inventory.
-- materialized: view
-- key: account_id, service, verdict
-- account_id: The linked account, 12 digits.
-- service: The service's name in the bill.
-- unblended_cost: What the families of this verdict cost in the last seven complete days, in the currency beside it.
-- currency: Billing currency, ISO 4217.
-- first_date: First of these days.
-- last_spend_date: The last of them on which the service cost anything.
-- listings: The listings that explain them; empty where there is none.
-- resource_count: Configuration items of these listings in the account that were seen in these days, retired since or not; of the
--    family of usage that has most of them.
-- answered_at: When the listings' last responses were complete, UTC; NULL where one is unknown or there is none.
-- verdict: inventoried; not inventoried; no listing, where nothing that is collected explains it; or unknown: a listing
--    was not requested there, or its response does not count.
with judged as (
    select
        *,
        case
            when explanation = 'resources' then 'inventoried'
            when explanation = 'unknown' then 'unknown'
            when listings = [] then 'no listing'
            else 'not inventoried'
        end as verdict
    from cost.explained_spend
    where explanation in ('resources', 'not_listable', 'unexplained', 'unknown')
)

select
    account_id,
    service,
    sum(unblended_cost)::decimal(28, 10) as unblended_cost,
    any_value(currency) as currency,
    any_value(first_date) as first_date,
    any_value(last_spend_date) as last_spend_date,
    list_sort(list_distinct(flatten(list(listings)))) as listings,
    max(resource_count) as resource_count,
    case
        when count(answered_at) = count(*) filter (where listings <> []) then min(answered_at)
    end as answered_at,
    verdict
from judged
group by account_id, service, verdict
