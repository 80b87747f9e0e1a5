-- What cannot be judged and why: it is no candidate, and it is not in order either. The commonest reasons come first.
select
    rule,
    unknown_reason,
    resource_type,
    count(*) as resource_count,
    count(distinct account_id) as account_count,
    min(first_flagged_date) as since,
    count(*) over () as of_count
from cmdb.decommission_signal
where verdict = 'unknown' and resolution is null
group by rule, unknown_reason, resource_type
order by resource_count desc, rule asc, unknown_reason asc
limit 40
