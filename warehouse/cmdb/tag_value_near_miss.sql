-- Values of the tags of ref.tag_key that count as different and read alike: they differ in capitals, white space or punctuation
-- alone, such as Zeta and zeta. Each splits what belongs together; an entry in ref.tag_value_alias joins them. No row means
-- that no two values of the bill here and of the inventory read alike, not that every value is right.
-- materialized: view
-- rests_on: slices=tag because of the others only the newest day is read
-- key: tag_key, tag_value
-- tag_key: The key, such as bc:cost-centre.
-- tag_value: The value as it counts: without white space around it, and by ref.tag_value_alias.
-- resembles: The values that read alike, the one that most money and then most resources have first.
-- unblended_cost: What the value cost in the newest 31 days of the bill, in the currency beside it; 0 where the bill does not have it.
-- currency: Billing currency, ISO 4217; NULL where the bill does not have the value.
-- resource_count: Configuration items that are not retired and carry it.
with billed as (
    select
        tag_key,
        tag_value,
        sum(unblended_cost)::decimal(28, 10) as unblended_cost,
        any_value(currency) as currency
    from cost.by_tag
    where
        tag_value <> ''
        and usage_date > (select max(newest.usage_date) - 31 from cost.daily as newest)
    group by tag_key, tag_value
),

carried as (
    select
        wanted.tag_key,
        coalesce(alias.tag_value, trim(item.tags[wanted.tag_key])) as tag_value,
        count(*) as resource_count
    from cmdb.resource as item
    cross join ref.tag_key as wanted
    left join ref.tag_value_alias as alias
        on wanted.tag_key = alias.tag_key and trim(item.tags[wanted.tag_key]) = alias.alias
    where item.status <> 'retired' and trim(item.tags[wanted.tag_key]) <> ''
    group by all
),

known as (
    select
        coalesce(billed.tag_key, carried.tag_key) as tag_key,
        coalesce(billed.tag_value, carried.tag_value) as tag_value,
        coalesce(billed.unblended_cost, 0)::decimal(28, 10) as unblended_cost,
        billed.currency,
        coalesce(carried.resource_count, 0) as resource_count
    from billed
    full outer join carried on billed.tag_key = carried.tag_key and billed.tag_value = carried.tag_value
),

read_as as (
    select
        *,
        -- A value of signs alone reads as itself.
        coalesce(
            nullif(regexp_replace(lower(strip_accents(tag_value)), '[^\p{L}\p{N}]+', '', 'g'), ''), tag_value
        ) as reading
    from known
)

select
    one.tag_key,
    one.tag_value,
    list(
        other.tag_value
        order by other.unblended_cost desc, other.resource_count desc, other.tag_value asc
    ) as resembles,
    one.unblended_cost,
    one.currency,
    one.resource_count
from read_as as one
inner join read_as as other
    on one.tag_key = other.tag_key and one.reading = other.reading and one.tag_value <> other.tag_value
group by one.tag_key, one.tag_value, one.unblended_cost, one.currency, one.resource_count
