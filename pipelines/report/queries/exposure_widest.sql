-- What the internet reaches, the widest audience and the worst ports first, each opening with its path.
select
    coalesce(opening.name, opening.entry) as name,
    opening.arn,
    opening.account_id,
    opening.opening,
    opening.audience,
    opening.port_class,
    opening.path,
    opening.first_seen_at,
    count(*) over () as of_count
from cmdb.finding_exposure as opening
order by
    opening.audience_rank asc, opening.port_class_rank asc nulls last, opening.first_seen_at asc,
    opening.arn asc, opening.entry asc, opening.opening asc
limit 8
