-- One row per machine image (AMI) that the account owns, disabled ones included; public and shared ones are not requested.
-- key: arn
-- resource: id=image_id state=state created=created_at gone=deregistered attributes=description,
--   state_reason, is_public, platform, platform_details, architecture, root_device_type, root_device_name,
--   snapshot_ids, source_instance_id, source_image_id, deprecated_at, last_launched_at, boot_mode, imds_support,
--   tpm_support, deregistration_protection
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns the image: 12 digits, text because some begin with 0.
-- region: AWS region.
-- image_id: Id, such as ami-0123456789abcdef0.
-- name: Name of the image; the tag Name is in tags.
-- description: As given when it was made; NULL where it is empty.
-- state: pending, available, invalid, deregistered, transient, failed, error or disabled.
-- state_reason: Why it failed, in EC2's words; NULL where AWS gives none.
-- is_public: Whether everybody may launch it.
-- is_allowed: False where the account's criteria for allowed images do not admit it; NULL where AWS does not report it.
-- image_type: machine, kernel or ramdisk.
-- location: Owner and name, or the manifest that an image with instance store lies at.
-- platform: windows; NULL for any other.
-- platform_details: Operating system and licence as billed, such as Linux/UNIX.
-- usage_operation: What instances of it are billed as, such as RunInstances:0002: the operation of the bill's lines.
-- product_codes: Codes of the AWS Marketplace products in it; empty where there are none.
-- virtualization_type: hvm or paravirtual.
-- boot_mode: legacy-bios, uefi or uefi-preferred; NULL where the image names none.
-- imds_support: v2.0 where its instances require IMDSv2 unless whoever launches them says otherwise; NULL where they do not.
-- tpm_support: v2.0 where it is made for NitroTPM; NULL where it is not.
-- has_ena: True where enhanced networking by ENA is on; NULL where AWS does not report it.
-- deregistration_protection: disabled, or how it is protected from being deregistered; NULL where AWS does not report it.
-- architecture: x86_64, arm64, ….
-- root_device_type: ebs or instance-store.
-- root_device_name: Device of the root volume, such as /dev/xvda.
-- block_device_mappings: Its devices: device, snapshot_id, size_gb, volume_type, is_encrypted, is_deleted_on_termination.
-- snapshot_ids: Snapshots that its volumes are made from, which are billed for as long as the image is registered.
-- source_instance_id: Instance that it was made of by CreateImage; NULL where AWS does not report it.
-- source_image_id: Image that it was copied or made from; NULL where AWS does not report it.
-- source_image_region: AWS region of that image; NULL where AWS does not report it.
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
    item.ImageAllowed as is_allowed,
    item.ImageType as image_type,
    item.ImageLocation as location,
    nullif(item.Platform, '') as platform,
    item.PlatformDetails as platform_details,
    item.UsageOperation as usage_operation,
    list_transform(coalesce(item.ProductCodes, []), lambda code: code.ProductCodeId) as product_codes,
    item.VirtualizationType as virtualization_type,
    item.BootMode as boot_mode,
    item.ImdsSupport as imds_support,
    item.TpmSupport as tpm_support,
    item.EnaSupport as has_ena,
    item.DeregistrationProtection as deregistration_protection,
    item.Architecture as architecture,
    item.RootDeviceType as root_device_type,
    item.RootDeviceName as root_device_name,
    list_transform(
        coalesce(item.BlockDeviceMappings, []),
        lambda mapping: {
            'device': mapping.DeviceName,
            'snapshot_id': mapping.Ebs.SnapshotId,
            'size_gb': mapping.Ebs.VolumeSize,
            'volume_type': mapping.Ebs.VolumeType,
            'is_encrypted': mapping.Ebs.Encrypted,
            'is_deleted_on_termination': mapping.Ebs.DeleteOnTermination
        }
    ) as block_device_mappings,
    list_filter(
        list_transform(coalesce(item.BlockDeviceMappings, []), lambda device: device.Ebs.SnapshotId),
        lambda id: id is not null
    ) as snapshot_ids,
    item.SourceInstanceId as source_instance_id,
    item.SourceImageId as source_image_id,
    item.SourceImageRegion as source_image_region,
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
        ImageAllowed BOOLEAN, ImageType VARCHAR, ImageLocation VARCHAR, UsageOperation VARCHAR,
        ProductCodes STRUCT(ProductCodeId VARCHAR)[], VirtualizationType VARCHAR, BootMode VARCHAR,
        ImdsSupport VARCHAR, TpmSupport VARCHAR, EnaSupport BOOLEAN, DeregistrationProtection VARCHAR,
        SourceImageRegion VARCHAR,
        BlockDeviceMappings STRUCT(
            DeviceName VARCHAR,
            Ebs STRUCT(
                SnapshotId VARCHAR, VolumeSize BIGINT, VolumeType VARCHAR, Encrypted BOOLEAN,
                DeleteOnTermination BOOLEAN
            )
        )[],
        SourceInstanceId VARCHAR, SourceImageId VARCHAR,
        CreationDate VARCHAR, DeprecationTime VARCHAR, LastLaunchedTime VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
