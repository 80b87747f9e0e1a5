-- One row per machine image (AMI) that the account owns, disabled ones included; public and shared ones are not requested.
-- key: arn
-- resource: id=image_id state=state created=created_at gone=deregistered attributes=description,
--   state_reason, is_public, platform, platform_details, architecture, root_device_type, root_device_name,
--   snapshot_ids, source_instance_id, source_image_id, deprecated_at, last_launched_at
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns the image: 12 digits, text because some begin with 0.
-- region: AWS region.
-- image_id: Id, such as ami-0123456789abcdef0.
-- name: Name of the image; the tag Name is in tags.
-- description: As given when it was made; NULL where it is empty.
-- state: pending, available, invalid, deregistered, transient, failed, error or disabled.
-- state_reason: Why it failed, in EC2's words; NULL where AWS gives none.
-- is_public: Whether everybody may launch it.
-- platform: windows; NULL for any other.
-- platform_details: Operating system and licence as billed, such as Linux/UNIX.
-- architecture: x86_64, arm64, ….
-- root_device_type: ebs or instance-store.
-- root_device_name: Device of the root volume, such as /dev/xvda.
-- snapshot_ids: Snapshots that its volumes are made from, which are billed for as long as the image is registered.
-- source_instance_id: Instance that it was made of by CreateImage; NULL where AWS does not report it.
-- source_image_id: Image that it was copied or made from; NULL where AWS does not report it.
-- created_at: When it was made, UTC.
-- deprecated_at: When it is or was deprecated, UTC; NULL where it never is.
-- last_launched_at: When an instance was last launched from it, UTC, a day late; NULL where none was since April 2017.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, item.OwnerId, 'image/' || item.ImageId) as arn,
    item.OwnerId as account_id,
    region,
    item.ImageId as image_id,
    item.Name as name,
    nullif(item.Description, '') as description,
    item.State as state,
    item.StateReason.Message as state_reason,
    coalesce(item.Public, false) as is_public,
    nullif(item.Platform, '') as platform,
    item.PlatformDetails as platform_details,
    item.Architecture as architecture,
    item.RootDeviceType as root_device_type,
    item.RootDeviceName as root_device_name,
    list_filter(
        list_transform(coalesce(item.BlockDeviceMappings, []), lambda device: device.Ebs.SnapshotId),
        lambda id: id is not null
    ) as snapshot_ids,
    item.SourceInstanceId as source_instance_id,
    item.SourceImageId as source_image_id,
    try_cast(nullif(item.CreationDate, '') as timestamptz) as created_at,
    try_cast(nullif(item.DeprecationTime, '') as timestamptz) as deprecated_at,
    try_cast(nullif(item.LastLaunchedTime, '') as timestamptz) as last_launched_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_image',
        'STRUCT(
        OwnerId VARCHAR, ImageId VARCHAR, "Name" VARCHAR, Description VARCHAR, "State" VARCHAR,
        StateReason STRUCT(Message VARCHAR), Public BOOLEAN, Platform VARCHAR, PlatformDetails VARCHAR,
        Architecture VARCHAR, RootDeviceType VARCHAR, RootDeviceName VARCHAR,
        BlockDeviceMappings STRUCT(Ebs STRUCT(SnapshotId VARCHAR))[],
        SourceInstanceId VARCHAR, SourceImageId VARCHAR,
        CreationDate VARCHAR, DeprecationTime VARCHAR, LastLaunchedTime VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
