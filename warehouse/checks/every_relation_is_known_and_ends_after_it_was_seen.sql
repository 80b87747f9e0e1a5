-- Every relation between configuration items is one of ref.relation, was seen when it began or later, and ended, if it did, no
-- earlier than it was last seen.
-- about: cmdb.relationship
-- refetch: nothing
select
    held.from_arn,
    held.relation,
    held.to_arn,
    held.began_at,
    held.last_seen_at,
    held.ended_at
from cmdb.relationship as held
left join ref.relation as known using (relation)
where
    known.relation is null
    or held.first_seen_at > held.began_at
    or held.began_at > held.last_seen_at
    or held.ended_at < held.last_seen_at
