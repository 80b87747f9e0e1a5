-- One row per EBS snapshot that the account owns; those that others share with it or with everybody are not requested.
-- key: arn
-- resource: id=snapshot_id state=state created=started_at attributes=volume_id, volume_size_gb,
--   full_snapshot_size_bytes, state_message, progress_pct, storage_tier, is_encrypted, kms_key_id,
--   description, started_at, completed_at, restore_expires_at
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns the snapshot: 12 digits, text because some begin with 0.
-- region: AWS region.
-- snapshot_id: Id, such as snap-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- volume_id: Volume that it was taken of, which may be gone; NULL for a copy of another snapshot, which AWS gives an
--   arbitrary id.
-- volume_size_gb: Size of that volume in GiB: what the snapshot is billed for is at most this.
-- full_snapshot_size_bytes: Bytes of all its blocks, shared with other snapshots or not; NULL where AWS does not report it.
-- state: pending, completed, error, recoverable or recovering.
-- state_message: Why it failed; NULL where AWS reports nothing.
-- progress_pct: How much of it is done, in percent.
-- storage_tier: standard or archive.
-- is_encrypted: Whether it is encrypted.
-- kms_key_id: ARN of the key that it is encrypted with; NULL where it is not.
-- encryption_type: sse-kms, sse-ebs or none; NULL where AWS does not report it.
-- data_encryption_key_id: Data key of its blocks, which snapshots of one volume share; NULL where it is not encrypted.
-- transfer_type: Of a copy: standard, or time-based (done within a time that people chose); NULL where AWS does not report it.
-- outpost_arn: Outpost that it lies on; NULL in a region.
-- description: As given when it was made, or by the service that made it; NULL where it is empty.
-- started_at: When it was begun, UTC: the time whose data it has.
-- completed_at: When it was done, UTC; NULL where it is not or AWS does not report it.
-- restore_expires_at: Until when an archived snapshot is restored for a while, UTC; NULL otherwise.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, item.OwnerId, 'snapshot/' || item.SnapshotId) as arn,
    item.OwnerId as account_id,
    region,
    item.SnapshotId as snapshot_id,
    tag_map(item.Tags)['Name'] as name,
    nullif(nullif(item.VolumeId, 'vol-ffffffff'), '') as volume_id,
    item.VolumeSize as volume_size_gb,
    item.FullSnapshotSizeInBytes as full_snapshot_size_bytes,
    item.State as state,
    nullif(item.StateMessage, '') as state_message,
    try_cast(rtrim(item.Progress, '%') as integer) as progress_pct,
    item.StorageTier as storage_tier,
    item.Encrypted as is_encrypted,
    nullif(item.KmsKeyId, '') as kms_key_id,
    item.SseType as encryption_type,
    nullif(item.DataEncryptionKeyId, '') as data_encryption_key_id,
    item.TransferType as transfer_type,
    item.OutpostArn as outpost_arn,
    nullif(item.Description, '') as description,
    item.StartTime as started_at,
    item.CompletionTime as completed_at,
    item.RestoreExpiryTime as restore_expires_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_snapshot',
        'STRUCT(
        OwnerId VARCHAR, SnapshotId VARCHAR, VolumeId VARCHAR, VolumeSize BIGINT, FullSnapshotSizeInBytes BIGINT,
        "State" VARCHAR, StateMessage VARCHAR, Progress VARCHAR, StorageTier VARCHAR, Encrypted BOOLEAN,
        KmsKeyId VARCHAR, Description VARCHAR, StartTime TIMESTAMPTZ, CompletionTime TIMESTAMPTZ,
        SseType VARCHAR, DataEncryptionKeyId VARCHAR, TransferType VARCHAR, OutpostArn VARCHAR,
        RestoreExpiryTime TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
