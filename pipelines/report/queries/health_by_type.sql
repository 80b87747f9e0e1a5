-- The same by type of resource, where something is not as it should be: the worst first.
select
    scope as resource_type,
    kpi,
    value,
    at_fault_count,
    judged_count,
    unknown_count,
    unit,
    count(*) over () as of_count
from cmdb.health
where
    scope <> 'organisation'
    and as_of_date = (select max(newest.as_of_date) from cmdb.health as newest)
    and (at_fault_count > 0 or value is null)
order by at_fault_count desc, value asc nulls last, resource_type asc, kpi asc
limit 40
