-- How many cells of the organisation were judged, one listing of one account and region each, how many are unknown, how many of
-- these a setting or a grant that is not given leaves out, and why: the commonest reasons first.
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
    coalesce(
        sum(cell_count) filter (
            unknown_reason in ('not_requested', 'optional_grant_not_given', 'region_not_selected')
        ),
        0
    )::bigint as chosen_count,
    sum(cell_count)::bigint as cell_count,
    string_agg(
        replace(unknown_reason, '_', ' ') || ' ' || cell_count, ', '
        order by cell_count desc, unknown_reason asc
    ) filter (unknown_reason is not null) as reasons
from reason
-- Without a cell nothing is known, which is not nothing unknown.
having count(*) > 0
