-- Items that were added, are gone, changed, or are unknown since.
with begun as (
    -- Versions that began since; attributes that change by themselves begin none.
    select
        new.arn,
        list_sort(list_distinct(flatten(list(new.changed_attributes)))) as changed_attributes
    from version_after as new
    anti join version_before as old on new.arn = old.arn and new.valid_from = old.valid_from
    group by new.arn
),

paired as (
    select
        coalesce(new.arn, old.arn) as arn,
        coalesce(new.resource_type, old.resource_type) as resource_type,
        coalesce(new.account_id, old.account_id) as account_id,
        coalesce(new.region, old.region) as region,
        coalesce(new.name, old.name) as name,
        coalesce(old.is_there, false) as was_there,
        coalesce(new.is_there, false) as is_there,
        -- An item without a row any more: its cell tells whether that was judged.
        coalesce(new.is_judged, cell_now.is_judged, false) as is_judged,
        -- A cell that was not expected before is of an account or region that is new: what it holds is added.
        coalesce(old.is_judged, cell.is_judged, true) as was_judged,
        new.retired_reason,
        coalesce(new.last_seen_at, old.last_seen_at) as last_seen_at
    from item_before as old
    full join item_after as new on old.arn = new.arn
    left join cell_before as cell
        on
            new.role = cell.role
            and new.caller_account_id = cell.account_id
            and new.cell_region = cell.region
            and new.listing = cell.listing
    left join cell_after as cell_now
        on
            old.role = cell_now.role
            and old.caller_account_id = cell_now.account_id
            and old.cell_region = cell_now.region
            and old.listing = cell_now.listing
),

told as (
    select
        paired.*,
        begun.changed_attributes,
        case
            when was_there and not is_there and retired_reason is not null then 'gone'
            when was_there and not is_judged and was_judged then 'unknown since'
            when was_there and not is_there then 'gone'
            when is_there and not was_there and not was_judged then 'known now'
            when is_there and not was_there then 'added'
            when was_there and is_there and begun.arn is not null then 'changed'
        end as kind
    from paired
    left join begun on paired.arn = begun.arn
)

select
    kind,
    resource_type,
    account_id,
    region,
    arn,
    name,
    case kind
        when 'gone' then coalesce(retired_reason, 'no longer listed')
        when 'unknown since'
            then 'last seen ' || strftime(last_seen_at at time zone 'UTC', '%Y-%m-%d %H:%M') || ' UTC'
        when 'changed' then array_to_string(changed_attributes, ', ')
        when 'known now' then 'not judged before'
        else ''
    end as detail
from told
where kind is not null
order by
    list_position(['gone', 'added', 'changed', 'unknown since', 'known now'], kind),
    resource_type,
    account_id,
    arn
