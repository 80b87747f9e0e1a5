-- One row per manual snapshot of a DB instance or DB cluster, with who may copy or restore it. RDS shares no others: an automated one,
-- or one of AWS Backup, is copied first, and everybody may have an unencrypted one only. Listed when a snapshot is new, and
-- every seven nights. Whom EBS snapshots and machine images are shared with is not listed, for it takes a request for each; cmdb.exposure has the public ones.
-- key: arn
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it, 12 digits.
-- region: AWS region.
-- name: Snapshot identifier.
-- is_of_cluster: True for the snapshot of a cluster, false for that of an instance.
-- engine: Database engine.
-- source_name: Identifier of the instance or cluster that it was made of, which may be gone.
-- created_at: When it was taken, UTC; NULL while it is being taken.
-- is_encrypted: True when it is encrypted: another account needs its key as well.
-- access: public (everybody with an AWS account), outside (an account that is not of the organisation), organization (accounts of it
--    alone), own (nobody but its account) or unknown.
-- reason: What is not known; NULL where access is known.
-- unknown: What is not known: listing, account_id, region and reason, the outcome of the cell, RDS's error code, or not_listed; empty
--    where access is known.
-- is_public: Whether everybody may, as it was listed last; NULL where that was never known.
-- shared_account_ids: Accounts that may, beside its own, as they were listed last; NULL where that was never known.
-- outside_account_ids: Those of them that are not of the organisation.
with cell as (
    select
        account_id,
        region,
        listing_name,
        min(unknown_reason) as unknown_reason
    from audit.expected_cell
    where
        listing_name in ('rds_db_snapshot_attribute', 'rds_db_cluster_snapshot_attribute')
        and not is_judged
    group by all
),

named as (
    select
        arn,
        unnest(restore_by) as account_id
    from aws.rds_db_snapshot_attribute
),

shared as (
    select
        named.arn,
        list(named.account_id order by named.account_id) filter (named.account_id <> 'all') as account_ids,
        list(named.account_id order by named.account_id) filter (
            named.account_id <> 'all' and member.account_id is null
        ) as outside_ids
    from named
    left join org.account as member
        on named.account_id = member.account_id and member.state <> 'LEFT'
    group by named.arn
),

held as (
    select
        snapshot.arn,
        snapshot.account_id,
        snapshot.region,
        snapshot.name,
        snapshot.is_of_cluster,
        snapshot.engine,
        snapshot.source_name,
        snapshot.created_at,
        snapshot.is_encrypted,
        case
            when snapshot.is_of_cluster
                then 'rds_db_cluster_snapshot_attribute'
            else 'rds_db_snapshot_attribute'
        end as attribute_listing,
        attribute.error_code,
        list_contains(attribute.restore_by, 'all') as is_public,
        if(attribute.restore_by is null, null, coalesce(shared.account_ids, [])) as shared_account_ids,
        if(attribute.restore_by is null, null, coalesce(shared.outside_ids, [])) as outside_account_ids,
        -- A snapshot of the same name may be another one by now.
        attribute.restore_by is not null
        and not attribute.is_stale
        and coalesce(snapshot.created_at <= attribute.collected_at, true) as is_known,
        snapshot.is_stale or coalesce(attribute.is_stale, false) as is_stale,
        coalesce(attribute.run_id, snapshot.run_id) as run_id,
        coalesce(attribute.listing, snapshot.listing) as listing,
        coalesce(attribute.role, snapshot.role) as role,
        coalesce(attribute.caller_account_id, snapshot.caller_account_id) as caller_account_id,
        coalesce(attribute.cell_region, snapshot.cell_region) as cell_region,
        coalesce(attribute.collected_at, snapshot.collected_at) as collected_at
    from aws.rds_db_snapshot as snapshot
    left join aws.rds_db_snapshot_attribute as attribute on snapshot.arn = attribute.arn
    left join shared on snapshot.arn = shared.arn
    where snapshot.snapshot_type = 'manual'
),

judged as (
    select
        held.*,
        case
            when held.is_known
                then []
            else [
                    {
                        'listing': held.attribute_listing,
                        'account_id': held.account_id,
                        'region': held.region,
                        'reason': coalesce(cell.unknown_reason, held.error_code, 'not_listed')
                    }
                ]
        end as unknown
    from held
    left join cell
        on
            held.account_id = cell.account_id
            and held.region = cell.region
            and held.attribute_listing = cell.listing_name
)

select
    arn,
    account_id,
    region,
    name,
    is_of_cluster,
    engine,
    source_name,
    created_at,
    is_encrypted,
    case
        when not is_known then 'unknown'
        when is_public then 'public'
        when outside_account_ids <> [] then 'outside'
        when shared_account_ids <> [] then 'organization'
        else 'own'
    end as access,
    if(
        is_known, null, concat(unknown[1].listing, ' of ', account_id, ': ', unknown[1].reason)
    ) as reason,
    unknown,
    is_public,
    shared_account_ids,
    outside_account_ids,
    is_stale,
    run_id,
    listing,
    role,
    caller_account_id,
    cell_region,
    collected_at
from judged
