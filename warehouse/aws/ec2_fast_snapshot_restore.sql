-- One row per snapshot and availability zone in which volumes of it are fast at once: paid for by the hour, for as long as it
-- is switched on.
-- key: account_id, region, snapshot_id, availability_zone
-- snapshot_id: Snapshot, its own or one that another account shares.
-- availability_zone: Availability zone.
-- account_id: The AWS account that pays for it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- arn: Amazon Resource Name of the snapshot, built from its owner, region and id.
-- snapshot_owner_id: Account that owns the snapshot.
-- state: enabling, optimizing, enabled, disabling or disabled.
-- state_reason: Why it is so.
-- enabled_at: When it was fast, UTC; NULL where it was not yet.
-- disabled_at: When it was switched off, UTC; NULL where it is on.
select
    item.SnapshotId as snapshot_id,
    item.AvailabilityZone as availability_zone,
    account_id,
    region,
    aws_arn('ec2', region, item.OwnerId, 'snapshot/' || item.SnapshotId) as arn,
    item.OwnerId as snapshot_owner_id,
    item."State" as state,
    item.StateTransitionReason as state_reason,
    item.EnabledTime as enabled_at,
    item.DisabledTime as disabled_at,
    cell.*
from landing(
        'ec2_fast_snapshot_restore',
        'STRUCT(
        SnapshotId VARCHAR, AvailabilityZone VARCHAR, OwnerId VARCHAR, "State" VARCHAR, StateTransitionReason VARCHAR,
        EnabledTime TIMESTAMPTZ, DisabledTime TIMESTAMPTZ
    )'
    )
