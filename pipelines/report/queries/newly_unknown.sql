-- What the published run before knew and this one does not: cells by number and accounts, and one of them as an example.
with collecting as (
    -- `cmdb confirm` publishes too, and requests nothing again.
    select
        run.run_id,
        run.started_at
    from audit.run as run
    where
        run.outcome = 'published'
        and run.run_id in (select collection.run_id from audit.collection as collection)
),

before as (
    select max(started_at) as since
    from collecting
    where started_at < (select max(newest.started_at) from collecting as newest)
),

lost as (
    select cell.*
    from audit.expected_cell as cell
    inner join before on cell.last_trusted_at >= before.since
    where not cell.is_judged
)

select
    before.since,
    count(lost.listing) as cell_count,
    count(distinct lost.account_id) as account_count,
    min_by(lost.unknown_reason, (lost.account_id, lost.listing, lost.region)) as unknown_reason,
    min_by(lost.listing, (lost.account_id, lost.listing, lost.region)) as listing,
    min_by(lost.account_id, (lost.account_id, lost.listing, lost.region)) as account_id,
    min_by(lost.region, (lost.account_id, lost.listing, lost.region)) as region,
    min_by(lost.role, (lost.account_id, lost.listing, lost.region)) as role
from before
left join lost on true
group by before.since
