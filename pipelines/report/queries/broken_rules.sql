-- The checks that failed in the run, in their own words.
select
    check_name,
    scope,
    severity,
    observed,
    expected
from audit.check_result
where
    not passed
    and run_id = (
        select arg_max(run_id, finished_at) from audit.run
        where outcome = 'published'
    )
order by severity, check_name, scope
