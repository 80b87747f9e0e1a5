-- One row per item of a file, with whether its cell is judged there.
select
    item.arn,
    item.resource_type,
    item.account_id,
    item.region,
    item.name,
    item.retired_reason,
    item.last_seen_at,
    item.replaced_at,
    item.status,
    coalesce(cell.is_known, false) as is_judged,
    item.role,
    item.caller_account_id,
    item.cell_region,
    item.listing
from cmdb.resource as item
left join audit.coverage as cell
    on
        item.role = cell.role
        and item.caller_account_id = cell.account_id
        and item.cell_region = cell.region
        and item.listing = cell.listing
