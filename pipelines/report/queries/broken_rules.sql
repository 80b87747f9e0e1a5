-- The checks that fail by their newest result since the last run that collected the whole organisation, in their own words.
with night as (
    -- `cmdb confirm` and a month of the bill publish too, and make none of the checks of what they do not request.
    select max(run.started_at) as since
    from audit.run as run
    where
        run.outcome = 'published'
        and run.run_id in (
            select collection.run_id from audit.collection as collection
            where collection.listing = 'organizations_account'
        )
),

newest as (
    select result.*
    from audit.check_result as result
    inner join audit.run as run on result.run_id = run.run_id
    cross join night
    where run.outcome = 'published' and run.started_at >= coalesce(night.since, '-infinity'::timestamptz)
    qualify
        row_number() over (partition by result.check_name, result.scope order by result.checked_at desc) = 1
)

select
    check_name,
    scope,
    severity,
    observed,
    expected
from newest
where not passed
order by severity, check_name, scope
