-- One row per EBS snapshot that is locked, or was: until its lock expires nobody may delete it. It is requested where there
-- is a snapshot.
-- key: arn
-- arn: Amazon Resource Name of the snapshot, built from its owner, region and id.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- snapshot_id: Id of the snapshot.
-- lock_state: governance (who has the permission may unlock it), compliance-cooloff (so may others still), compliance
--   (nobody may) or expired.
-- lock_duration_days: For how many days it was locked.
-- locked_at: When somebody locked it, UTC.
-- lock_started_at: From when its days count, UTC; NULL until the snapshot is complete.
-- locked_until: When the lock expires, UTC; NULL until its days count.
-- cool_off_hours: For how many hours a compliance lock can still be changed; NULL where it never could, and in governance.
-- cool_off_until: When these hours end, UTC.
select
    aws_arn('ec2', region, item.OwnerId, 'snapshot/' || item.SnapshotId) as arn,
    item.OwnerId as account_id,
    region,
    item.SnapshotId as snapshot_id,
    item.LockState as lock_state,
    item.LockDuration as lock_duration_days,
    item.LockCreatedOn as locked_at,
    item.LockDurationStartTime as lock_started_at,
    item.LockExpiresOn as locked_until,
    item.CoolOffPeriod as cool_off_hours,
    item.CoolOffPeriodExpiresOn as cool_off_until,
    cell.*
from landing(
        'ec2_locked_snapshot',
        'STRUCT(
        OwnerId VARCHAR, SnapshotId VARCHAR, LockState VARCHAR, LockDuration BIGINT, LockCreatedOn TIMESTAMPTZ,
        LockDurationStartTime TIMESTAMPTZ, LockExpiresOn TIMESTAMPTZ, CoolOffPeriod BIGINT,
        CoolOffPeriodExpiresOn TIMESTAMPTZ
    )'
    )
