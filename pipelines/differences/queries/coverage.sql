-- Cells that are judged in one file and not in the other: what they hold is unknown there, not gone.
with paired as (
    select
        coalesce(new.role, old.role) as role,
        coalesce(new.account_id, old.account_id) as account_id,
        coalesce(new.region, old.region) as region,
        coalesce(new.listing, old.listing) as listing,
        old.is_judged as was_judged,
        new.is_judged,
        old.unknown_reason as reason_before,
        new.unknown_reason as reason_after,
        coalesce(new.last_trusted_at, old.last_trusted_at) as last_trusted_at
    from cell_before as old
    full join cell_after as new
        on
            old.role = new.role
            and old.account_id = new.account_id
            and old.region = new.region
            and old.listing = new.listing
    where coalesce(old.is_judged, false) <> coalesce(new.is_judged, false)
)

select
    case
        when was_judged and is_judged is null then 'no longer expected'
        when was_judged then 'unknown since'
        when was_judged is null then 'expected now'
        else 'known now'
    end as kind,
    role,
    account_id,
    region,
    listing,
    reason_before,
    reason_after,
    last_trusted_at
from paired
order by
    list_position(['unknown since', 'no longer expected', 'known now', 'expected now'], kind),
    listing,
    account_id,
    region
