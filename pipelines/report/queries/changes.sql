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
inner join night on night.place = 2 and version.valid_from > night.finished_at
left join cmdb.resource as item using (arn)
order by
    list_position(['retired', 'missing', 'replaced', 'returned', 'discovered', 'changed'], version.change),
    version.resource_type, version.arn
limit 40
