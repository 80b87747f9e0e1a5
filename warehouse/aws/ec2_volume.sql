-- One row per EBS volume, attached or not.
-- key: arn
-- resource: id=volume_id state=state created=created_at zone=availability_zone gone=deleting, deleted
--   attributes=size_gb, volume_type, iops, throughput_mibps, is_encrypted, kms_key_id, is_multi_attach,
--   attachments.attached_at, instance_ids, attached_at, snapshot_id
-- arn: Amazon Resource Name, built from account, region and id.
-- account_id: The AWS account that owns the volume: 12 digits, text because some begin with 0.
-- region: AWS region.
-- volume_id: Id, such as vol-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- size_gb: Size in GiB.
-- volume_type: gp2, gp3, io1, io2, st1, sc1 or standard.
-- iops: Provisioned operations a second; for gp2 its baseline; NULL for types that have none.
-- throughput_mibps: Provisioned throughput of a gp3 volume, MiB/s; NULL for other types.
-- is_encrypted: Whether it is encrypted.
-- kms_key_id: ARN of the key that it is encrypted with; NULL where it is not.
-- encryption_type: sse-kms, sse-ebs or none; NULL where AWS does not report it.
-- state: creating, available (attached to nothing), in-use, deleting, deleted or error.
-- is_multi_attach: Whether several instances may have it at once.
-- attachments: The instances that have it: instance_id, device, state, attached_at (UTC), is_deleted_on_termination.
-- instance_ids: Ids of these instances.
-- attached_at: When the newest of the attachments began, UTC; NULL where it is attached to nothing.
-- snapshot_id: Snapshot that it was made from; NULL where it began empty.
-- source_volume_id: Volume that it is a copy of; NULL where it is none.
-- initialization_rate_mibps: Rate at which its blocks are fetched from the snapshot, MiB/s; NULL where people chose none.
-- is_fast_restored: True where it was made by fast snapshot restore; NULL where AWS does not report it.
-- outpost_arn: Outpost that it lies on; NULL in a region.
-- managed_by: Service of AWS that manages it; NULL where nobody but its owner does.
-- availability_zone: Availability zone, such as ap-southeast-2a.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, coalesce(item.OwnerId, account_id), 'volume/' || item.VolumeId) as arn,
    coalesce(item.OwnerId, account_id) as account_id,
    region,
    item.VolumeId as volume_id,
    tag_map(item.Tags)['Name'] as name,
    item.Size as size_gb,
    item.VolumeType as volume_type,
    item.Iops as iops,
    item.Throughput as throughput_mibps,
    item.Encrypted as is_encrypted,
    nullif(item.KmsKeyId, '') as kms_key_id,
    item.SseType as encryption_type,
    item.State as state,
    coalesce(item.MultiAttachEnabled, false) as is_multi_attach,
    list_transform(
        coalesce(item.Attachments, []),
        lambda attachment: {
            'instance_id': attachment.InstanceId,
            'device': attachment.Device,
            'state': attachment.State,
            'attached_at': attachment.AttachTime,
            'is_deleted_on_termination': attachment.DeleteOnTermination
        }
    ) as attachments,
    list_filter(
        list_transform(coalesce(item.Attachments, []), lambda attachment: attachment.InstanceId),
        lambda id: id is not null
    ) as instance_ids,
    list_max(
        list_transform(coalesce(item.Attachments, []), lambda attachment: attachment.AttachTime)
    ) as attached_at,
    nullif(item.SnapshotId, '') as snapshot_id,
    item.SourceVolumeId as source_volume_id,
    item.VolumeInitializationRate as initialization_rate_mibps,
    item.FastRestored as is_fast_restored,
    item.OutpostArn as outpost_arn,
    if(item.Operator.Managed, item.Operator.Principal, null) as managed_by,
    item.AvailabilityZone as availability_zone,
    item.CreateTime as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_volume',
        'STRUCT(
        OwnerId VARCHAR, VolumeId VARCHAR, Size BIGINT, VolumeType VARCHAR, Iops BIGINT, Throughput BIGINT,
        Encrypted BOOLEAN, KmsKeyId VARCHAR, "State" VARCHAR, MultiAttachEnabled BOOLEAN,
        Attachments STRUCT(
            InstanceId VARCHAR, Device VARCHAR, "State" VARCHAR, AttachTime TIMESTAMPTZ, DeleteOnTermination BOOLEAN
        )[],
        SseType VARCHAR, SourceVolumeId VARCHAR, VolumeInitializationRate BIGINT, FastRestored BOOLEAN,
        OutpostArn VARCHAR, Operator STRUCT(Managed BOOLEAN, Principal VARCHAR),
        SnapshotId VARCHAR, AvailabilityZone VARCHAR, CreateTime TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
