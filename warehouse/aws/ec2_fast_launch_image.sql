-- One row per Windows image for which the account keeps snapshots ready, so that instances start faster. It pays for these,
-- whosever the image is. It is requested where the account has a snapshot.
-- key: account_id, region, image_id
-- account_id: The AWS account that keeps the snapshots: 12 digits, text because some begin with 0.
-- region: AWS region.
-- image_id: Image.
-- image_owner_id: Account that AWS names as owner.
-- state: enabling, enabling-failed, enabled, enabled-failed, disabling or disabling-failed.
-- state_reason: Why it is so.
-- state_changed_at: Since when it is so, UTC.
-- target_snapshot_count: How many snapshots are to be ready.
-- max_parallel_launches: How many instances may be launched at once to make them.
-- launch_template_id: Launch template of these instances; NULL where there is none.
select
    account_id,
    region,
    item.ImageId as image_id,
    item.OwnerId as image_owner_id,
    item."State" as state,
    item.StateTransitionReason as state_reason,
    item.StateTransitionTime as state_changed_at,
    item.SnapshotConfiguration.TargetResourceCount as target_snapshot_count,
    item.MaxParallelLaunches as max_parallel_launches,
    item.LaunchTemplate.LaunchTemplateId as launch_template_id,
    cell.*
from landing(
        'ec2_fast_launch_image',
        'STRUCT(
        ImageId VARCHAR, OwnerId VARCHAR, "State" VARCHAR, StateTransitionReason VARCHAR,
        StateTransitionTime TIMESTAMPTZ, SnapshotConfiguration STRUCT(TargetResourceCount BIGINT),
        MaxParallelLaunches BIGINT, LaunchTemplate STRUCT(LaunchTemplateId VARCHAR)
    )'
    )
