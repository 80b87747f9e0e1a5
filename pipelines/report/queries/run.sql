-- Which run the report shows: the one that published the file, and the collecting one before the newest that collected.
with published as (
    select
        *,
        row_number() over (order by finished_at desc) as place
    from audit.run
    where outcome = 'published'
),

collecting as (
    -- `cmdb confirm` publishes too, and requests nothing again.
    select
        run_id,
        finished_at,
        row_number() over (order by finished_at desc) as place
    from published
    where run_id in (select collection.run_id from audit.collection as collection)
)

select
    last.run_id,
    last.started_at,
    last.finished_at,
    last.code_version,
    last.request_count,
    last.api_cost_usd,
    before.run_id as previous_run_id,
    before.finished_at as previous_finished_at,
    owner.organization_id,
    setting.reporting_currency
from published as last
left join collecting as before on before.place = 2
cross join audit.organization as owner
cross join ref.setting as setting
where last.place = 1
