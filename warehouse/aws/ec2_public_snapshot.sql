-- One row per EBS snapshot of the account that everybody may make a volume of: whoever has an AWS account can read its data.
-- The snapshot itself is a row of aws.ec2_snapshot. Snapshots shared with single accounts are not listed here: AWS tells them
-- for one snapshot at a time.
-- key: arn
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns the snapshot: 12 digits, text because some begin with 0.
-- region: AWS region.
-- snapshot_id: Id, such as snap-0123456789abcdef0.
-- volume_id: Volume that it was taken of, which may be gone.
-- volume_size_gb: Size of that volume in GiB.
-- started_at: When it was begun, UTC: the time whose data it has.
select
    aws_arn('ec2', region, item.OwnerId, 'snapshot/' || item.SnapshotId) as arn,
    item.OwnerId as account_id,
    region,
    item.SnapshotId as snapshot_id,
    item.VolumeId as volume_id,
    item.VolumeSize as volume_size_gb,
    item.StartTime as started_at,
    cell.*
from landing(
        'ec2_public_snapshot',
        'STRUCT(
        OwnerId VARCHAR, SnapshotId VARCHAR, VolumeId VARCHAR, VolumeSize BIGINT, StartTime TIMESTAMPTZ
    )'
    )
