-- One row per tag that resources ought to carry (ref.tag_key): how many of all inventoried resources carry it with a value.
-- Resources whose tags could not be read count on neither side.
-- materialized: view
-- key: tag_key
-- tag_key: Key of the tag.
-- filled_count: Resources that carry it with a value.
-- empty_count: Resources that carry it without a value, or with white space alone.
-- absent_count: Resources that do not carry it.
-- unknown_count: Resources whose tags could not be read; in no other count.
-- fill_rate_pct: Share of filled_count in all resources of which the tags are known, rounded down; NULL where there are none.
with item as (
    select tags
    from cmdb.resource
    where status <> 'retired'
),

counted as (
    select
        wanted.tag_key,
        count(*) filter (where trim(item.tags[wanted.tag_key]) <> '') as filled_count,
        count(*) filter (where trim(item.tags[wanted.tag_key]) = '') as empty_count,
        count(*) filter (where item.tags is null) as unknown_count,
        count(item.tags) as known_count
    from ref.tag_key as wanted
    cross join item
    group by wanted.tag_key
)

select
    wanted.tag_key,
    coalesce(counted.filled_count, 0) as filled_count,
    coalesce(counted.empty_count, 0) as empty_count,
    coalesce(counted.known_count - counted.filled_count - counted.empty_count, 0) as absent_count,
    coalesce(counted.unknown_count, 0) as unknown_count,
    -- Rounded down: what one resource lacks is not filled everywhere.
    (
        floor(10000 * counted.filled_count / nullif(counted.known_count, 0)) / 100
    )::decimal(5, 2) as fill_rate_pct
from ref.tag_key as wanted
left join counted using (tag_key)
