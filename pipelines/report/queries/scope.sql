-- How many cells of the organisation were judged, one listing of one account and region each, and how many are unknown, and why:
-- the commonest reasons first.
with reason as (
    select
        unknown_reason,
        count(*) as cell_count
    from audit.expected_cell
    group by unknown_reason
)

select
    coalesce(sum(cell_count) filter (unknown_reason is null), 0)::bigint as judged_count,
    coalesce(sum(cell_count) filter (unknown_reason is not null), 0)::bigint as unknown_count,
    sum(cell_count)::bigint as cell_count,
    string_agg(
        replace(unknown_reason, '_', ' ') || ' ' || cell_count, ', '
        order by cell_count desc, unknown_reason asc
    ) filter (unknown_reason is not null) as reasons
from reason
