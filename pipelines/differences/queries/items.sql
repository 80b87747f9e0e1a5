-- Items that were added, are missing or gone, were replaced or changed, or are unknown since.
with differing as (
    -- What only one of the two has was not requested then, or passes by itself: no change, as in cmdb.resource_version.
    select
        new.arn,
        list_sort(
            list_filter(
                map_keys(new.attributes),
                lambda name: map_contains(old.attributes, name)
                and coalesce(old.attributes[name], 'null')::varchar
                <> coalesce(new.attributes[name], 'null')::varchar
            )
        ) as changed_attributes
    from version_after as new
    inner join version_before as old on new.arn = old.arn
    where new.attributes <> old.attributes
),

listing_before as (
    -- Of the months of a listing of the bill each is a listing of its own in the cells.
    select distinct split_part(listing, ':', 1) as listing from cell_before
),

paired as (
    select
        coalesce(new.arn, old.arn) as arn,
        coalesce(new.resource_type, old.resource_type) as resource_type,
        coalesce(new.account_id, old.account_id) as account_id,
        coalesce(new.region, old.region) as region,
        coalesce(new.name, old.name) as name,
        coalesce(old.status, 'retired') as status_before,
        coalesce(new.status, 'retired') as status_after,
        coalesce(new.replaced_at <> coalesce(old.replaced_at, '-infinity'::timestamptz), false) as is_another,
        -- An item without a row any more: its cell tells whether that was judged.
        coalesce(new.is_judged, cell_now.is_judged, false) as is_judged,
        -- A cell that was not expected before is of an account or region that is new: what it holds is added. Where
        -- the whole listing was not, an older release did not request it: what it holds is known now.
        coalesce(old.is_judged, cell.is_judged, listing_before.listing is not null or new.listing is null)
            as was_judged,
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
    left join listing_before on split_part(new.listing, ':', 1) = listing_before.listing
    left join cell_after as cell_now
        on
            old.role = cell_now.role
            and old.caller_account_id = cell_now.account_id
            and old.cell_region = cell_now.region
            and old.listing = cell_now.listing
),

weighed as (
    select
        paired.*,
        differing.changed_attributes,
        case
            when
                status_before <> 'retired' and status_after = 'retired' and retired_reason is not null
                then 'gone'
            when status_before <> 'retired' and not is_judged and was_judged then 'unknown since'
            when status_before <> 'retired' and status_after = 'retired' then 'gone'
            when status_before = 'active' and status_after = 'missing' and is_judged then 'missing'
            when status_after <> 'active' then null
            when status_before = 'retired' and not was_judged then 'known now'
            when status_before = 'retired' then 'added'
            when is_another then 'replaced'
            when status_before = 'missing' then 'returned'
            when len(differing.changed_attributes) > 0 then 'changed'
        end as kind
    from paired
    left join differing on paired.arn = differing.arn
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
        when 'known now' then 'not judged before'
        when 'added' then ''
        when 'returned' then ''
        when 'replaced' then coalesce(array_to_string(changed_attributes, ', '), '')
        when 'changed' then array_to_string(changed_attributes, ', ')
        else 'last seen ' || strftime(last_seen_at at time zone 'UTC', '%Y-%m-%d %H:%M') || ' UTC'
    end as detail
from weighed
where kind is not null
order by
    list_position(
        ['gone', 'missing', 'added', 'returned', 'replaced', 'changed', 'unknown since', 'known now'], kind
    ),
    resource_type,
    account_id,
    arn
