-- Every configuration item has its versions one after the other, without gap or overlap, and the last one is current and
-- shows the item's status.
-- about: cmdb.resource_version
-- refetch: nothing
with ordered as (
    select
        arn,
        valid_from,
        valid_to,
        is_current,
        status,
        lead(valid_from) over (partition by arn order by valid_from) as next_from
    from cmdb.resource_version
)

select
    coalesce(version.arn, item.arn) as arn,
    version.valid_from,
    version.valid_to,
    version.is_current,
    version.next_from,
    version.status,
    item.status as item_status
from ordered as version
full outer join cmdb.resource as item on version.arn = item.arn and version.next_from is null
where
    version.valid_to is distinct from version.next_from
    or version.valid_to <= version.valid_from
    or version.is_current <> (version.next_from is null)
    or (version.next_from is null and version.status is distinct from item.status)
    or version.arn is null
