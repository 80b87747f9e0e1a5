-- One row per relation that was ever stated between two configuration items, from the records themselves. A relation ends with
-- the first trusted response that lacks it, and keeps its row. What is not inventoried may be an end of one: see
-- cmdb.orphan_relationship.
-- materialized: full_from_previous
-- in_parts_by: cmdb.resource 500000
-- key: from_arn, relation, to_arn
-- from_arn: ARN of the item that the record is about; application:<name> for a business service.
-- relation: contained_in, attached_to, associated_with, hosted_on, created_from, depends_on or connected_to, read from from_arn to to_arn; ref.relation has the inverse of each.
-- to_arn: ARN of the other item, inventoried or not; built from account, region and id of the record where it is not. Where nobody knows the ARN, such as that of a database that is not there any more or of an endpoint service of somebody else, its type and id stand here: AWS::RDS::DBInstance/db-ABC….
-- to_name: Name that the record gives the other item, such as that of a deleted database by its snapshot; NULL where it gives none.
-- from_resource_type: AWS's name of the type of from_arn; Application for a business service.
-- to_resource_type: AWS's name of the type of to_arn.
-- source: The table of schema aws whose record states it; for an application resource tag or account default.
-- first_seen_at: When it was stated first, UTC.
-- began_at: When it was stated first since it last was not, UTC: what ended and came back begins anew.
-- last_seen_at: When it was stated last, UTC.
-- ended_at: When a trusted response first lacked it, UTC; NULL while it holds.
-- is_stale: True when the newest response of its cell is not trusted: it held at last_seen_at.
with unreadable as (
    -- Where the tags of an item cannot be read, its applications stay what they were.
    select distinct known.to_arn
    from cmdb.relationship as known
    left join cmdb.resource as item on known.to_arn = item.arn
    where
        known.from_resource_type = 'Application'
        and known.source = 'resource tag'
        and known.ended_at is null
        and item.tags is null
),

-- Each of these is held once, and may be spilled: what is read in one go keeps every table that it joins in memory.
stated as materialized (
    select stated.*
    from stage.observed_relationship as stated
    anti join unreadable on stated.from_resource_type = 'Application' and stated.to_arn = unreadable.to_arn
    where in_part(stated.from_arn)
),

earlier as not materialized (
    select *
    from cmdb.relationship
    where in_part(from_arn)
),

observed as materialized (
    select *
    from stated
    -- Several records may state it; a fresh one counts before a stale one.
    qualify row_number() over (
            partition by from_arn, relation, to_arn
            order by is_stale asc, collected_at desc, listing asc, caller_account_id asc, cell_region asc
        ) = 1
),

present as (
    select
        observed.*,
        coalesce(before.first_seen_at, observed.collected_at) as first_seen_at,
        if(before.ended_at is null, coalesce(before.began_at, observed.collected_at), observed.collected_at)
            as began_at,
        -- The record of another account that states it too may be an older one, once the newer cannot be read.
        greatest(observed.collected_at, before.last_seen_at) as last_seen_at,
        null::timestamptz as ended_at
    from observed
    left join earlier as before using (from_arn, relation, to_arn)
),

cell as (
    select
        role,
        account_id,
        region,
        listing,
        coalesce(known_at, ended_at) as ended_at,
        coverage.is_known
        or coalesce(skip_reason, '') in ('account_left', 'caller_changed', 'parent_gone') as is_known
    from audit.coverage as coverage
),

unstated as materialized (
    -- Of these no more than the key, so that the rows themselves, which are wide, need not be held.
    select
        earlier.from_arn,
        earlier.relation,
        earlier.to_arn
    from earlier
    anti join observed using (from_arn, relation, to_arn)
),

unobserved as (
    select
        before.*,
        if(before.from_resource_type = 'Application', before.to_arn, before.from_arn) as record_arn
    from earlier as before
    semi join unstated using (from_arn, relation, to_arn)
),

absent as (
    select
        unobserved.* exclude (record_arn) replace (
            case
                when unobserved.ended_at is not null then unobserved.ended_at
                -- An item whose tags cannot be read shows nothing of its applications.
                when
                    unobserved.from_resource_type = 'Application'
                    and item.status = 'active'
                    and item.tags is null
                    then null
                when coalesce(cell.is_known, false) then cell.ended_at
                -- The item is in another cell by now, or has left with its account.
                when
                    item.listing = unobserved.listing
                    and item.status = 'active'
                    and not item.is_stale
                    and item.collected_at > unobserved.last_seen_at
                    then item.collected_at
                else item.retired_at
            end as ended_at
        )
    from unobserved
    left join cell
        on
            unobserved.role = cell.role
            and unobserved.caller_account_id = cell.account_id
            and unobserved.cell_region = cell.region
            and unobserved.listing = cell.listing
    left join cmdb.resource as item on unobserved.record_arn = item.arn
)

select * from present
union all by name
select absent.* replace (absent.ended_at is null as is_stale)
from absent
