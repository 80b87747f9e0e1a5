-- How much of each file was judged, in cells; how many items it has; through which day its bill goes.
with cells_before as (
    select
        count_if(is_judged) as judged,
        count_if(not is_judged) as unknown,
        count_if(not is_judged and regexp_matches(listing, '^cost_daily(:service.*)?$')) as unknown_bill
    from cell_before
),

cells_after as (
    select
        count_if(is_judged) as judged,
        count_if(not is_judged) as unknown,
        count_if(not is_judged and regexp_matches(listing, '^cost_daily(:service.*)?$')) as unknown_bill
    from cell_after
)

select
    cells_before.judged as judged_before,
    cells_before.unknown as unknown_before,
    cells_before.unknown_bill as unknown_bill_before,
    cells_after.judged as judged_after,
    cells_after.unknown as unknown_after,
    cells_after.unknown_bill as unknown_bill_after,
    (select count_if(item.status = 'active') from item_before as item) as items_before,
    (select count_if(item.status = 'active') from item_after as item) as items_after,
    (select max(day.usage_date) from cost_before as day) as cost_through_before,
    (select max(day.usage_date) from cost_after as day) as cost_through_after
from cells_before
cross join cells_after
