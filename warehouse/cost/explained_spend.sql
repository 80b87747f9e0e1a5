-- The ledger of witnesses: what each account paid for each service and family of usage in the last seven complete days, and what
-- explains it: resources that were there, a charge that no resource causes, or a reason why nothing can be listed. Its rows add up
-- to the bill of these days, to the last digit. A service is divided into families where its usage types are nobody else's and
-- what remains is not below zero; else it is one row. A family is explained by its own listings alone.
-- rests_on: with=workload because any listing of the accounts may explain a service
-- materialized: view
-- key: account_id, service, usage_family
-- account_id: The linked account, 12 digits.
-- service: The service's name in the bill.
-- usage_family: What was used, by ref.usage_family; other usage for the rest of a service, all usage where it is not divided.
-- standing: explained by resources; named, where the charge has a name or an action that would be needed; unexplained; or unknown.
-- explanation: resources, commitment (fee of a savings plan or reservation), tax, support, credit (below zero), fee (of requests,
--    traffic or a subscription, which leave no resource), marketplace (of a seller), not_listable (not under the contract),
--    unexplained (its listings show nothing, or it may be a listed service under a new name), or unknown (a listing was not
--    requested in the account, or its response does not count).
-- unblended_cost: What it cost in these days, in the currency beside it.
-- currency: Billing currency, ISO 4217.
-- reporting_unblended_cost: The same by the average rate of the seven days, in the reporting currency; NULL where a day has no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- first_date: First of the seven days.
-- through_date: Last of them: the last complete day of the bill, by cost.month_coverage.
-- last_spend_date: The last of them on which the service cost anything; NULL where it cost nothing on any.
-- listings: The listings that explain such usage; empty where there is none. Other usage is explained by fewer than all usage: by
--    what runs, not by snapshots, backups or reservations (ref.service_listing).
-- resource_types: Types of the counted rows of cmdb.resource; empty where there is none.
-- resource_count: Rows of cmdb.resource of these listings in the account that were seen in these days, retired since or not; of a
--    service that no listing explains, those of its types (ref.discovered_type) that are items.
-- example_arns: ARNs of three of them at most: the first by name.
-- record_count: Records in the newest responses to these listings, also of what is no row of cmdb.resource.
-- action_needed: IAM action that would list what costs, which the contract does not grant; NULL where none is needed. Of a service
--    that ref.service_action lacks it is Resource Explorer's search, an optional grant, which lists what it has an index of.
-- remark: What is not known of the service itself, such as that no list of this product has it yet; NULL where it is known.
-- answered_at: When the least recent of the listings' responses was complete, UTC; NULL where one is unknown or there is none.
with spent as (
    select
        billed.account_id,
        billed.dimension_value as service,
        sum(billed.unblended_cost)::decimal(28, 10) as cost,
        any_value(billed.currency) as currency,
        max(billed.usage_date) filter (where billed.unblended_cost > 0) as last_spend_date
    from cost.daily as billed
    inner join stage.complete_week as week on billed.usage_date between week.first_date and week.through_date
    where billed.slice = 'service'
    group by billed.account_id, billed.dimension_value
    having sum(billed.unblended_cost) <> 0
),

used as (
    select
        billed.account_id,
        billed.dimension_value as usage_type,
        sum(billed.unblended_cost)::decimal(28, 10) as cost
    from cost.daily as billed
    inner join stage.complete_week as week on billed.usage_date between week.first_date and week.through_date
    where billed.slice = 'usage_type'
    group by billed.account_id, billed.dimension_value
),

family as (
    select
        service,
        usage_pattern,
        usage_family,
        charge
    from ref.usage_family
    union all
    select
        service,
        usage_pattern,
        null as usage_family,
        null as charge
    from ref.shared_usage
),

named as (
    select distinct usage_type
    from used
),

spelled as (
    select distinct usage_pattern
    from family
),

-- By pattern, since DuckDB compiles one that stands in a column once more for each row.
called as (
    select
        named.usage_type,
        spelled.usage_pattern
    from named
    inner join spelled on regexp_matches(named.usage_type, spelled.usage_pattern)
),

fitting as (
    select
        called.usage_type,
        family.service,
        min(family.usage_family) as usage_family,
        min(family.charge) as charge
    from called
    inner join family on called.usage_pattern = family.usage_pattern
    group by called.usage_type, family.service
),

-- Services that no list of this product has: new ones, and what sellers of AWS Marketplace bill, which has the seller's name in
-- place of a service, and usage types of its own. Where those of an account are less than what such names cost, nobody can tell
-- which of them is a seller. What is called as a service that has listings may be one that AWS renamed: its zero has no witness.
strange_name as (
    select
        spent.account_id,
        spent.service,
        spent.cost,
        regexp_matches(spent.service, '^(Amazon|AWS|EC2|CloudWatch|Code)') as is_of_aws,
        regexp_matches(
            spent.service,
            'Elastic Compute|Relational Database|Simple Storage|Virtual Private Cloud|'
            '\b(EC2|RDS|S3|VPC|Lambda|Aurora|Neptune|DocumentDB)\b'
        ) as is_called_as_listed
    from spent
    left join ref.service_action as known on spent.service = known.service
    where
        spent.cost > 0
        and known.service is null
        and spent.service <> 'Tax'
        and not regexp_matches(spent.service, '^Savings Plans for |^AWS Support')
        and spent.service not in (select listed.service from ref.service_listing as listed)
),

stranger as (
    select
        account_id,
        service,
        is_of_aws,
        is_called_as_listed,
        sum(cost) filter (not is_of_aws) over (partition by account_id) as sellers_cost
    from strange_name
),

shared as (
    select distinct called.usage_type
    from called
    inner join ref.shared_usage as other on called.usage_pattern = other.usage_pattern
),

new_to_us as (
    select distinct account_id
    from stranger
    where is_of_aws
),

-- AWS cuts the bill by two things at most, so by account and service or by account and usage type. A usage type counts for a
-- service where it can be of no other that the account pays for: what several services call the same, one that nobody knows may.
matched as (
    select
        used.account_id,
        fitting.service,
        used.usage_type,
        fitting.usage_family,
        fitting.charge,
        used.cost,
        count(*) over (partition by used.account_id, used.usage_type) as services,
        shared.usage_type is not null and new_to_us.account_id is not null as may_be_of_a_stranger
    from used
    inner join fitting on used.usage_type = fitting.usage_type
    inner join spent on used.account_id = spent.account_id and fitting.service = spent.service
    left join shared on used.usage_type = shared.usage_type
    left join new_to_us on used.account_id = new_to_us.account_id
),

by_family as (
    select
        account_id,
        service,
        usage_family,
        min(charge) as charge,
        sum(cost)::decimal(28, 10) as cost
    from matched
    where services = 1 and usage_family is not null and not may_be_of_a_stranger
    group by account_id, service, usage_family
    having sum(cost) <> 0
),

divided as (
    select
        spent.account_id,
        spent.service,
        sum(by_family.cost)::decimal(28, 10) as cost
    from spent
    inner join by_family on spent.account_id = by_family.account_id and spent.service = by_family.service
    group by spent.account_id, spent.service, spent.cost
    having spent.cost >= sum(by_family.cost) and min(by_family.cost) > 0
),

part as (
    select
        by_family.account_id,
        by_family.service,
        by_family.usage_family,
        by_family.charge,
        by_family.cost
    from by_family
    semi join divided on by_family.account_id = divided.account_id and by_family.service = divided.service
    union all
    select
        spent.account_id,
        spent.service,
        case when divided.cost is null then 'all usage' else 'other usage' end as usage_family,
        null as charge,
        (spent.cost - coalesce(divided.cost, 0))::decimal(28, 10) as cost
    from spent
    left join divided on spent.account_id = divided.account_id and spent.service = divided.service
    where spent.cost <> coalesce(divided.cost, 0)
),

mapped as (
    select
        service,
        usage_family,
        listing
    from ref.usage_family
    where listing is not null
    union all
    select
        service,
        'all usage' as usage_family,
        listing
    from ref.service_listing
    union all
    select
        service,
        'other usage' as usage_family,
        listing
    from ref.service_listing
    where explains_rest
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
    group by account_id, listing_name
),

held as (
    select
        item.account_id,
        split_part(item.listing, ':', 1) as listing,
        item.resource_type,
        count(*) as resource_count,
        min(item.arn, 3) as arns
    from cmdb.resource as item
    cross join stage.complete_week as week
    where
        -- What another listing's records tell of, such as a load balancer by its interface, is no record of that listing.
        item.discovered_by = 'listing'
        and (item.status <> 'retired' or item.last_seen_at at time zone 'UTC' >= week.first_date)
    group by all
),

counted as (
    select
        account_id,
        listing,
        list(resource_type order by resource_type) as resource_types,
        sum(resource_count)::bigint as resource_count,
        flatten(list(arns)) as arns
    from held
    group by account_id, listing
),

-- What no listing shows and somebody else does.
elsewhere as (
    select
        item.account_id,
        kind.billed_service as service,
        list(distinct item.resource_type order by item.resource_type) as resource_types,
        count(*) as resource_count,
        min(item.arn, 3) as arns
    from cmdb.resource as item
    inner join ref.discovered_type as kind on item.resource_type = kind.resource_type
    cross join stage.complete_week as week
    where
        item.discovered_by <> 'listing'
        and kind.billed_service is not null
        and (item.status <> 'retired' or item.last_seen_at at time zone 'UTC' >= week.first_date)
    group by item.account_id, kind.billed_service
),

witnessed as (
    select
        part.account_id,
        part.service,
        part.usage_family,
        list(mapped.listing order by mapped.listing) as listings,
        list_sort(list_distinct(flatten(list(coalesce(counted.resource_types, []))))) as resource_types,
        coalesce(sum(counted.resource_count), 0)::bigint as resource_count,
        list_sort(list_distinct(flatten(list(coalesce(counted.arns, [])))))[:3] as arns,
        coalesce(sum(asked.record_count), 0)::bigint as record_count,
        bool_and(coalesce(asked.is_known, false)) as is_known,
        min(asked.answered_at) as answered_at
    from part
    inner join mapped
        on
            part.service = mapped.service
            and part.usage_family = mapped.usage_family
    left join asked on part.account_id = asked.account_id and mapped.listing = asked.listing
    left join counted on part.account_id = counted.account_id and mapped.listing = counted.listing
    group by part.account_id, part.service, part.usage_family
),

sold as (
    select
        account_id,
        sum(cost) as sold_cost
    from used
    where regexp_matches(usage_type, '(^|-)(MP:|SoftwareUsage)')
    group by account_id
),

explained as (
    select
        part.account_id,
        part.service,
        part.usage_family,
        part.cost,
        case
            when part.cost < 0 then 'credit'
            when part.charge is not null then part.charge
            when part.service = 'Tax' then 'tax'
            when starts_with(part.service, 'Savings Plans for ') then 'commitment'
            when starts_with(part.service, 'AWS Support') then 'support'
            when needed.charge is not null then needed.charge
            -- Records that are no items of their own, such as a database's nightly snapshots, explain a bill too.
            when witnessed.resource_count > 0 or witnessed.record_count > 0 then 'resources'
            when witnessed.service is null and elsewhere.resource_count > 0 then 'resources'
            when witnessed.is_known then 'unexplained'
            when witnessed.service is not null then 'unknown'
            when needed.action is not null then 'not_listable'
            when not stranger.is_of_aws and sold.sold_cost >= stranger.sellers_cost then 'marketplace'
            when stranger.is_called_as_listed then 'unexplained'
            else 'not_listable'
        end as explanation,
        coalesce(witnessed.listings, []) as listings,
        coalesce(witnessed.resource_types, elsewhere.resource_types, []) as resource_types,
        coalesce(witnessed.resource_count, elsewhere.resource_count, 0) as resource_count,
        coalesce(witnessed.arns, elsewhere.arns, []) as example_arns,
        coalesce(witnessed.record_count, 0) as record_count,
        coalesce(needed.action, 'resource-explorer-2:Search') as action,
        case
            when stranger.service is null then null
            when stranger.is_called_as_listed
                then 'not known: its name is like that of a service that is listed'
            when stranger.is_of_aws then 'not known: no list of this product has the service yet'
            else 'not known: whether AWS or a seller of AWS Marketplace bills it'
        end as remark,
        case when witnessed.is_known then witnessed.answered_at end as answered_at
    from part
    left join witnessed
        on
            part.account_id = witnessed.account_id
            and part.service = witnessed.service
            and part.usage_family = witnessed.usage_family
    left join elsewhere on part.account_id = elsewhere.account_id and part.service = elsewhere.service
    left join ref.service_action as needed on part.service = needed.service
    left join stranger on part.account_id = stranger.account_id and part.service = stranger.service
    left join sold on part.account_id = sold.account_id
),

average as (
    select
        exchange.currency,
        case when count(*) = count(exchange.rate) then avg(exchange.rate) end::decimal(18, 10) as rate
    from cost.exchange_rate as exchange
    cross join stage.complete_week as week
    where exchange.usage_date between week.first_date and week.through_date
    group by exchange.currency
)

select
    explained.account_id,
    explained.service,
    explained.usage_family,
    case explained.explanation
        when 'resources' then 'explained'
        when 'unexplained' then 'unexplained'
        when 'unknown' then 'unknown'
        else 'named'
    end as standing,
    explained.explanation,
    explained.cost as unblended_cost,
    spent.currency,
    (explained.cost * average.rate)::decimal(28, 10) as reporting_unblended_cost,
    setting.reporting_currency,
    week.first_date,
    week.through_date,
    spent.last_spend_date,
    explained.listings,
    explained.resource_types,
    explained.resource_count,
    explained.example_arns,
    explained.record_count,
    case when explained.explanation = 'not_listable' then explained.action end as action_needed,
    case when explained.explanation in ('not_listable', 'unexplained') then explained.remark end as remark,
    explained.answered_at
from explained
inner join spent on explained.account_id = spent.account_id and explained.service = spent.service
cross join stage.complete_week as week
cross join ref.setting as setting
left join average on spent.currency = average.currency
