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

-- Cells that were unknown then already: requested without a trusted response, by that run or an earlier one. When a cell was last
-- trusted does not tell, for a run of the untrusted cells alone requests few again and leaves the others as known as they were.
doubted as (
    select
        cell.role,
        cell.account_id,
        cell.region,
        cell.listing,
        max(cell.ended_at) as ended_at,
        -- What was empty and is empty again stays known, without CloudTrail's record of it.
        max(cell.ended_at) filter (
            cell.outcome <> 'empty_unconfirmed' or cell.error_code is not null
        ) as in_doubt_at
    from audit.collection as cell
    inner join audit.run as run on cell.run_id = run.run_id
    inner join before on run.started_at <= before.since
    where not cell.is_trusted
    group by cell.role, cell.account_id, cell.region, cell.listing
),

lost as (
    select cell.*
    from audit.expected_cell as cell
    inner join before on before.since is not null
    inner join audit.coverage as newest
        on
            cell.role = newest.role
            and cell.account_id = newest.account_id
            and cell.region = newest.region
            and cell.listing = newest.listing
    left join doubted
        on
            cell.role = doubted.role
            and cell.account_id = doubted.account_id
            and cell.region = doubted.region
            and cell.listing = doubted.listing
    where
        not cell.is_judged
        and cell.last_trusted_at is not null
        and cell.last_trusted_at > coalesce(
            if(newest.previous_record_count = 0, doubted.in_doubt_at, doubted.ended_at),
            '-infinity'::timestamptz
        )
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
