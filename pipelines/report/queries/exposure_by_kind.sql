-- Ways in from the internet by kind: how many are exposed, not exposed, or unknown, and in how many places they are not listed.
with kind as (
    select
        unnest(['address', 'database', 'snapshot', 'image', 'function_url', 'bucket']) as kind,
        unnest([1, 2, 3, 4, 5, 6]) as place
),

judged as (
    select
        entry.kind,
        count(*) filter (where entry.verdict = 'exposed') as exposed_count,
        count(*) filter (where entry.verdict = 'not exposed') as shut_count,
        count(*) filter (where entry.verdict = 'unknown') as unknown_count
    from cmdb.exposure as entry
    group by entry.kind
),

unlisted as (
    select
        unknown.kind,
        count(*) as place_count
    from cmdb.finding_exposure_unknown as unknown
    where unknown.arn is null
    group by unknown.kind
)

select
    kind.kind,
    coalesce(judged.exposed_count, 0) as exposed_count,
    -- Of snapshots and images only those that are or may be public have a row.
    case when kind.kind not in ('snapshot', 'image') then coalesce(judged.shut_count, 0) end as shut_count,
    coalesce(judged.unknown_count, 0) as unknown_count,
    coalesce(unlisted.place_count, 0) as place_count
from kind
left join judged on kind.kind = judged.kind
left join unlisted on kind.kind = unlisted.kind
order by kind.place asc
