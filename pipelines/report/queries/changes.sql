-- What changed since the collecting run that was published before, item by item: first what went away, then what is new.
with night as (
    select
        finished_at,
        row_number() over (order by finished_at desc) as place
    from audit.run
    where
        outcome = 'published'
        -- `cmdb confirm` publishes too, and requests nothing again.
        and run_id in (select collection.run_id from audit.collection as collection)
),

confirmed as (
    -- What a zero made missing or retired that was confirmed since has the time of that zero.
    select
        item.arn,
        cell.ended_at
    from audit.collection as cell
    inner join night on night.place = 2 and cell.confirmed_at > night.finished_at
    inner join cmdb.resource as item
        on
            cell.role = item.role
            and cell.account_id = item.caller_account_id
            and cell.region = item.cell_region
            and cell.listing = item.listing
)

select
    version.change,
    version.valid_from,
    version.arn,
    item.name,
    version.resource_type,
    version.account_id,
    item.region,
    item.business_service,
    item.business_owner,
    array_to_string(version.changed_attributes, ', ') as changed_attributes,
    count(*) over () as of_count
from cmdb.resource_version as version
inner join night on night.place = 2
left join cmdb.resource as item using (arn)
where
    version.valid_from > night.finished_at
    or (version.arn, version.valid_from) in (select (confirmed.arn, confirmed.ended_at) from confirmed)
order by
    list_position(['retired', 'missing', 'replaced', 'returned', 'discovered', 'changed'], version.change),
    version.resource_type, version.arn
limit 40
