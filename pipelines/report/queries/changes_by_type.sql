-- Configuration items whose last change came after the collecting run that was published before: by type and kind of change.
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
    version.resource_type,
    count(*) filter (where version.change = 'discovered') as discovered,
    count(*) filter (where version.change = 'changed') as changed,
    count(*) filter (where version.change = 'replaced') as replaced,
    count(*) filter (where version.change = 'missing') as missing,
    count(*) filter (where version.change = 'retired') as retired,
    count(*) filter (where version.change = 'returned') as returned,
    count(*) as change_count
from cmdb.resource_version as version
inner join night on night.place = 2
where
    version.valid_from > night.finished_at
    or (version.arn, version.valid_from) in (select (confirmed.arn, confirmed.ended_at) from confirmed)
group by version.resource_type
order by change_count desc, version.resource_type asc
